"""Hands events from the keeper of a process to its collecting worker, which leases them as they are kept.

While that worker keeps up, nobody has to look into the inbox for what has just been put there. Otherwise events lie there
for whichever process looks first.
"""

import contextlib
import queue
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from thumbtune.bot.slack import Json
from thumbtune.bot.spool import SealedEvent
from thumbtune.core.store.inbox import Lease

COLLECTED = ("message", "reaction_added", "reaction_removed", "member_joined_channel")
"""Names of what is worked on in batches; everything else is somebody waiting for an answer."""

LEASE_S = 3.0
"""How long what a killed process was handed waits for another: shorter than a bot takes to start again."""

ROOM = 6
"""Events that are handed on before the worker has taken them; what comes then is anyone's."""


@dataclass(frozen=True)
class HandedEvent:
    """An event that was leased as it was kept."""

    inbox_id: int
    event: SealedEvent
    body: Json
    lease: Lease


class Relay:
    """What wakes the collecting worker of this process; nothing is handed on before it looked into the inbox."""

    def __init__(self) -> None:
        self._owner = ""
        self._lease = timedelta(seconds=LEASE_S)
        self._is_behind = True
        self._handed: deque[HandedEvent] = deque()
        self._calls: queue.SimpleQueue[None] = queue.SimpleQueue()

    # what the keeper does

    def count_room(self) -> int:
        """Return how many events may be leased for the worker; none while others wait in the inbox."""
        return 0 if self._is_behind or not self._owner else max(0, ROOM - len(self._handed))

    def make_lease(self, now: datetime) -> Lease:
        """Return the lease under which to keep an event that is to be handed on."""
        return Lease(self._owner, now + self._lease)

    def hand_on(self, events: Sequence[HandedEvent]) -> None:
        """Give the worker events that are committed with its lease."""
        if events:
            self._handed.extend(events)
            self._wake()

    def call(self) -> None:
        """Have the worker look into the inbox: there is something that was not handed on."""
        self._is_behind = True
        self._wake()

    def _wake(self) -> None:
        if self._calls.empty():  # one is enough, however long the worker is at something else
            self._calls.put(None)

    # what the worker does

    def open(self, owner: str, *, lease_s: float) -> None:
        """Let events be leased for this owner, from the first look on, for no longer than other leases last."""
        self._lease = timedelta(seconds=min(lease_s, LEASE_S))
        self._owner = owner

    def close(self) -> None:
        """Hand nothing on any more, and wake the worker."""
        self._owner = ""
        self._wake()

    def take(self, now: datetime) -> list[HandedEvent]:
        """Return what was handed on, but what has waited so long that it may soon be another's."""
        taken = [self._handed.popleft() for _ in range(len(self._handed))]
        return [event for event in taken if event.lease.until - now > self._lease / 2]

    def begin_look(self) -> None:
        """Note that the inbox is looked into now; what is put there later and not handed on calls anew."""
        self._is_behind = False

    @property
    def is_behind(self) -> bool:
        """Whether something may lie in the inbox that was not handed on."""
        return self._is_behind

    def wait(self, timeout_s: float) -> None:
        """Wait until something was handed on or called."""
        with contextlib.suppress(queue.Empty):
            self._calls.get(timeout=timeout_s)
            while True:
                self._calls.get_nowait()
