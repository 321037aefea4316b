"""The Edit button: opens the modal with the draft in it.

It does not know what becomes of the edited text.
"""

from thumbtune.bot.blocks.edit_modal import MAX_INPUT_CHARS, build_edit_modal
from thumbtune.bot.bot import Bot
from thumbtune.bot.cards import open_card
from thumbtune.bot.drafting import build_card, fill_from_live, load_turns
from thumbtune.bot.sending import find_newcomer
from thumbtune.bot.threads import fetch_thread
from thumbtune.core.errors import SlackRefused
from thumbtune.core.prompt import find_question
from thumbtune.core.records import InboxEvent

TOO_LATE = ("expired_trigger_id", "trigger_expired", "exchanged_trigger_id", "trigger_exchanged", "invalid_trigger_id")
PRESS_AGAIN = "That took me too long. Please press *Edit* again."


def handle_draft_edit(event: InboxEvent, bot: Bot) -> None:
    """Open the modal; its trigger lives for three seconds only, so who pressed too long ago is asked to press again."""
    card = open_card(event, bot)
    if card is None or card.draft.state != "ready":
        return
    draft = card.draft
    place = {"channel_id": draft.channel_id, "user_id": card.user_id, "thread_ts": draft.thread_ts}
    if event.attempts > 1:
        bot.slack.whisper(**place, text=PRESS_AGAIN)
        return
    live = fetch_thread(bot, channel_id=draft.channel_id, ts=draft.thread_ts)
    turns = load_turns(bot, channel_id=draft.channel_id, thread_ts=draft.thread_ts, roles=card.roles)
    text = fill_from_live(bot, draft.text, live)
    if len(text) > MAX_INPUT_CHARS:
        card.replace(bot, text="Your draft", blocks=build_card(bot, draft, live=live, footer=""))
        return
    view = build_edit_modal(
        draft_id=draft.draft_id,
        response_url=card.response_url,
        question=fill_from_live(bot, find_question(turns), live),
        text=text,
        newcomer=find_newcomer(bot, draft, live, roles=card.roles),
    )
    try:
        bot.slack.call("views.open", trigger_id=str(event.body.get("trigger_id") or ""), view=view)
    except SlackRefused as exc:
        if exc.code not in TOO_LATE:
            raise
        bot.slack.whisper(**place, text=PRESS_AGAIN)
