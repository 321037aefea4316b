"""The Try again button: another draft in place of this one.

It does not know how drafts are written.
"""

from thumbtune.bot.bot import Bot
from thumbtune.bot.cards import open_card
from thumbtune.bot.drafting import Ask, answer_ask
from thumbtune.bot.intake import read_entry
from thumbtune.core.records import InboxEvent
from thumbtune.core.store.drafts import settle_draft


def handle_draft_retry(event: InboxEvent, bot: Bot) -> None:
    """Set this draft aside and write another one, further from the most likely words."""
    card, entry = open_card(event, bot), read_entry(event.body)
    if card is None or entry is None or card.draft.state in ("sent", "edited"):
        return
    with bot.store.write() as conn:
        settle_draft(conn, card.draft.draft_id, state="discarded", now=bot.store.now())
    if event.attempts == 1:
        card.remove(bot)
    answer_ask(
        bot,
        Ask(
            channel_id=card.draft.channel_id,
            ts=card.draft.thread_ts,
            user_id=card.user_id,
            request_key=f"{entry.team_id}:retry:{card.draft.draft_id}",
            temperature=bot.settings.retry_temperature,
            is_first_try=event.attempts == 1,
        ),
    )
