"""The Edit button: opens the modal with the draft in it.

It does not know what becomes of the edited text.
"""

from thumbtune.bot.blocks.edit_modal import build_edit_modal
from thumbtune.bot.bot import Bot
from thumbtune.bot.cards import open_card
from thumbtune.bot.drafting import fill_from_live, load_turns
from thumbtune.bot.threads import fetch_thread
from thumbtune.core.prompt import find_question
from thumbtune.core.records import InboxEvent


def handle_draft_edit(event: InboxEvent, bot: Bot) -> None:
    """Open the modal; its trigger lives for three seconds only."""
    card = open_card(event, bot)
    if card is None or card.draft.state != "ready" or event.attempts > 1:
        return
    draft = card.draft
    live = fetch_thread(bot, channel_id=draft.channel_id, ts=draft.thread_ts)
    turns = load_turns(bot, channel_id=draft.channel_id, thread_ts=draft.thread_ts, roles=card.roles)
    view = build_edit_modal(
        draft_id=draft.draft_id,
        response_url=card.response_url,
        question=fill_from_live(bot, find_question(turns), live),
        text=fill_from_live(bot, draft.text, live),
    )
    bot.slack.call("views.open", trigger_id=str(event.body.get("trigger_id") or ""), view=view)
