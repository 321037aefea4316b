"""Someone chose "Draft a reply" on a message.

It does not know how drafts are written.
"""

from thumbtune.bot.bot import Bot
from thumbtune.bot.drafting import Ask, answer_ask
from thumbtune.bot.intake import read_entry
from thumbtune.core.records import InboxEvent


def handle_draft_reply(event: InboxEvent, bot: Bot) -> None:
    """Write a draft for the message's thread."""
    message, entry = event.body.get("message") or {}, read_entry(event.body)
    ts = str(message.get("thread_ts") or message.get("ts") or event.body.get("message_ts") or "")
    if entry is None or not ts:
        return
    answer_ask(
        bot,
        Ask(
            channel_id=str((event.body.get("channel") or {}).get("id") or ""),
            ts=ts,
            user_id=str((event.body.get("user") or {}).get("id") or ""),
            request_key=f"{entry.team_id}:{entry.event_key}",
            temperature=bot.settings.temperature,
            is_first_try=event.attempts == 1,
        ),
    )
