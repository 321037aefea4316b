"""Someone's wish for a draft, as read from what Slack sent.

It does not know how drafts are written or shown.
"""

from dataclasses import dataclass, field
from datetime import datetime

from thumbtune.bot.blocks.draft_card import RETRY
from thumbtune.bot.bot import Bot
from thumbtune.bot.intake import read_entry
from thumbtune.core.records import InboxEvent


@dataclass(frozen=True)
class Ask:
    """Someone's wish for a draft."""

    channel_id: str
    ts: str
    """Any message of the thread."""
    user_id: str
    request_key: str
    temperature: float
    is_first_try: bool
    """Whether the asker has been told nothing yet."""
    received_at: datetime
    response_url: str = field(default="", repr=False)
    """Reaches the asker where the bot is no member; empty for a mention. A secret: whoever has it can write to them."""


def build_ask(event: InboxEvent, bot: Bot, *, channel_id: str, ts: str, user_id: str) -> Ask | None:
    """Return the wish for a draft of this thread; None for a body that is no delivery of Slack's."""
    request_key = key_request(event)
    if request_key is None:
        return None
    return Ask(
        channel_id=channel_id,
        ts=ts,
        user_id=user_id,
        request_key=request_key,
        temperature=bot.settings.retry_temperature if event.name == RETRY else bot.settings.temperature,
        is_first_try=event.attempts == 1,
        received_at=event.received_at,
        response_url=str(event.body.get("response_url") or ""),
    )


def key_request(event: InboxEvent) -> str | None:
    """Return the key under which an event asks for a draft; the same however often it is worked on.

    Pressing "Try again" twice on one card is one request.
    """
    entry = read_entry(event.body)
    if entry is None:
        return None
    if event.name == RETRY:
        return f"{entry.team_id}:retry:{event.body['actions'][0].get('value') or ''}"
    return f"{entry.team_id}:{entry.event_key}"
