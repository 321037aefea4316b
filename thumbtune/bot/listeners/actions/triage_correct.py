"""The triage button on a draft's card: opens the modal with the triage in it.

It does not know what becomes of it.
"""

from thumbtune.bot.blocks.triage_modal import build_triage_modal
from thumbtune.bot.bot import Bot
from thumbtune.bot.cards import open_card
from thumbtune.bot.drafting import fill_from_live, find_card_triage, load_turns
from thumbtune.bot.listeners.actions.draft_edit import TOO_LATE
from thumbtune.bot.threads import fetch_thread
from thumbtune.core.errors import SlackRefused
from thumbtune.core.prompt import find_question
from thumbtune.core.records import InboxEvent
from thumbtune.core.store.desks import load_desk

PRESS_AGAIN = "That took me too long. Please press the button once more."


def handle_triage_correct(event: InboxEvent, bot: Bot) -> None:
    """Open the modal; its trigger lives for three seconds only, so who pressed too long ago is asked to press again."""
    card = open_card(event, bot)
    if card is None or card.draft.state != "ready":
        return
    draft = card.draft
    with bot.store.read() as conn:
        desk = load_desk(conn, draft.desk_id)
    live = fetch_thread(bot, channel_id=draft.channel_id, ts=draft.thread_ts)
    shown = find_card_triage(bot, draft, live=live)
    if shown is None:
        return
    if event.attempts == 1:
        turns = load_turns(bot, channel_id=draft.channel_id, thread_ts=draft.thread_ts, roles=card.roles)
        view = build_triage_modal(
            draft_id=draft.draft_id,
            response_url=card.response_url,
            question=fill_from_live(bot, find_question(turns), live),
            categories=desk.categories,
            triage=shown.triage,
        )
        try:
            bot.slack.call("views.open", trigger_id=str(event.body.get("trigger_id") or ""), view=view)
            return
        except SlackRefused as exc:
            if exc.code not in TOO_LATE:
                raise
    place = {"channel_id": draft.channel_id, "user_id": card.user_id, "thread_ts": draft.thread_ts}
    bot.slack.whisper(**place, text=PRESS_AGAIN)
