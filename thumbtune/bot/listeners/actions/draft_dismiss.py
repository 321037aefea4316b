"""The Dismiss button: the draft goes away.

It does not know anything else.
"""

from thumbtune.bot.bot import Bot
from thumbtune.bot.cards import open_card
from thumbtune.core.records import InboxEvent
from thumbtune.core.store.drafts import settle_draft


def handle_draft_dismiss(event: InboxEvent, bot: Bot) -> None:
    """Settle the draft as dismissed and take its card away."""
    card = open_card(event, bot)
    if card is None:
        return
    with bot.store.write() as conn:
        settle_draft(conn, card.draft.draft_id, state="discarded", now=bot.store.now())
    card.remove(bot)
