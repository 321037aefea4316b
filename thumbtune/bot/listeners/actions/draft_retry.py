"""The Try again button: another draft in place of this one.

It does not know how drafts are written.
"""

from thumbtune.bot.asks import build_ask
from thumbtune.bot.bot import Bot
from thumbtune.bot.cards import open_card
from thumbtune.bot.drafting import answer_ask
from thumbtune.core.records import InboxEvent
from thumbtune.core.store.drafts import settle_draft


def handle_draft_retry(event: InboxEvent, bot: Bot) -> None:
    """Set this draft aside and write another one, further from the most likely words."""
    card = open_card(event, bot)
    if card is None or card.draft.state in ("sent", "edited"):
        return
    with bot.store.write() as conn:
        settle_draft(conn, card.draft.draft_id, state="discarded", now=bot.store.now())
    if event.attempts == 1:
        card.remove(bot)
    place = {"channel_id": card.draft.channel_id, "ts": card.draft.thread_ts}
    ask = build_ask(event, bot, user_id=card.user_id, **place)
    if ask is not None:
        answer_ask(bot, ask)
