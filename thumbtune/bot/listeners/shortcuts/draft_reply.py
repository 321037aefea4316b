"""Someone chose "Draft a reply" on a message.

It does not know how drafts are written.
"""

from thumbtune.bot.asks import build_ask
from thumbtune.bot.bot import Bot
from thumbtune.bot.drafting import answer_ask
from thumbtune.core.records import InboxEvent


def handle_draft_reply(event: InboxEvent, bot: Bot) -> None:
    """Write a draft for the message's thread."""
    message = event.body.get("message") or {}
    ts = str(message.get("thread_ts") or message.get("ts") or event.body.get("message_ts") or "")
    channel_id = str((event.body.get("channel") or {}).get("id") or "")
    user_id = str((event.body.get("user") or {}).get("id") or "")
    ask = build_ask(event, bot, channel_id=channel_id, ts=ts, user_id=user_id)
    if ask is not None and ts:
        answer_ask(bot, ask)
