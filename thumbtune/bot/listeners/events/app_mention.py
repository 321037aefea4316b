"""Someone mentioned the bot: in a thread, an agent asks for a draft that way.

It does not know how drafts are written.
"""

from thumbtune.bot.asks import build_ask
from thumbtune.bot.bot import Bot
from thumbtune.bot.drafting import answer_ask
from thumbtune.bot.roles import may_ask
from thumbtune.bot.slack import Json
from thumbtune.core.records import InboxEvent


def handle_app_mention(event: InboxEvent, bot: Bot) -> None:
    """Write a draft for the thread; a customer's mention is left alone."""
    payload: Json = event.body["event"]
    channel_id, user_id = str(payload.get("channel") or ""), str(payload.get("user") or "")
    desk = bot.find_desk(channel_id)
    if desk is None or not user_id:
        return
    if not may_ask(bot.people.fetch_person(user_id), bot.people.fetch_roles(desk)):
        return
    if not payload.get("thread_ts"):
        text = "Mention me in a customer's thread and I draft a reply to it. Only you will see it."
        bot.slack.whisper(channel_id=channel_id, user_id=user_id, text=text)
        return
    ask = build_ask(event, bot, channel_id=channel_id, ts=str(payload["thread_ts"]), user_id=user_id)
    if ask is not None:
        answer_ask(bot, ask)
