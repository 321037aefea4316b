"""The bot as its listeners see it: everything they depend on, put together once.

It does not know how events arrive.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa

from thumbtune.bot.models import Models
from thumbtune.bot.people import People
from thumbtune.bot.relay import Relay
from thumbtune.bot.slack import SlackApi
from thumbtune.core.records import Desk, InboxEvent
from thumbtune.core.redaction import Redactor
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store
from thumbtune.core.store.desks import find_desk

DESK_FRESH_S = 1.0

Write = Callable[[sa.Connection], None]
"""What a handler wants stored, in one transaction with the end of its event."""


class Later(Exception):
    """Something expected is not there yet; the event is worked on again after `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"again in {seconds:g} s")


@dataclass(frozen=True)
class Identity:
    """Who the bot is in its workspace."""

    team_id: str
    user_id: str
    bot_id: str
    url: str = ""
    """Where the workspace is, such as `https://acme.slack.com/`; empty when that is not known."""


@dataclass(frozen=True)
class Signals:
    """Wakes the loops of this process at once; other processes' rows are found by looking now and then."""

    collect: Relay = field(default_factory=Relay)
    click: threading.Event = field(default_factory=threading.Event)
    ask: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    send: threading.Event = field(default_factory=threading.Event)
    announce: threading.Event = field(default_factory=threading.Event)
    backfill: threading.Event = field(default_factory=threading.Event)
    """Set when a connection to Slack is back after a gap."""


@dataclass(frozen=True)
class Bot:
    """What every handler gets."""

    settings: Settings
    store: Store
    slack: SlackApi
    people: People
    redactor: Redactor
    models: Models
    identity: Identity
    signals: Signals = field(default_factory=Signals)
    _desks: dict[str, tuple[float, Desk | None]] = field(default_factory=dict, repr=False)

    @property
    def shows_sign(self) -> bool:
        """Whether replies that are learned get a reaction."""
        return bool(self.settings.collected_reaction)

    def find_desk(self, channel_id: str) -> Desk | None:
        """Return the desk a channel belongs to, if any, as it was at most a second ago."""
        known = self._desks.get(channel_id)
        if known is not None and time.monotonic() - known[0] < DESK_FRESH_S:
            return known[1]
        with self.store.read() as conn:
            desk = find_desk(conn, team_id=self.identity.team_id, channel_id=channel_id)
        self._desks[channel_id] = (time.monotonic(), desk)
        return desk


Handler = Callable[[InboxEvent, Bot], Write | None]
"""Works on one event; it may run again, and in any order with others."""
