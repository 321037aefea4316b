"""Tells a person that what they asked for was set aside, as well as it goes.

It does not know what went wrong, nor does it say: the reference leads to it in the log.
"""

from thumbtune.bot.blocks.edit_modal import read_edit_modal
from thumbtune.bot.bot import Bot
from thumbtune.core.records import InboxEvent

SORRY = "Sorry, something went wrong here and I could not do this. Please try it once more; the reference is `{}`."


def say_sorry(bot: Bot, event: InboxEvent) -> bool:
    """Tell who asked, in private; False when nobody asked or they could not be told."""
    body = event.body
    text = SORRY.format(f"event-{event.inbox_id}")
    if event.kind == "event":
        payload = body.get("event") or {}
        if event.name != "app_mention" or not payload.get("channel") or not payload.get("user"):
            return False
        thread_ts = str(payload.get("thread_ts") or "")
        place = {"channel_id": str(payload["channel"]), "user_id": str(payload["user"])}
        return bot.slack.whisper(**place, thread_ts=thread_ts or None, text=text)
    response_url = str(body.get("response_url") or "")
    if event.kind == "view":
        response_url = read_edit_modal(body.get("view") or {})[1]
    return bot.slack.respond(response_url, replace_original=False, response_type="ephemeral", text=text)
