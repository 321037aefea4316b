"""Keeps this process's leases on events while they are worked on, and forgets events that were done long ago.

It does not know what is worked on.
"""

import logging
import threading
import time
from collections.abc import Iterable
from datetime import timedelta

from thumbtune.bot.relay import LEASE_S
from thumbtune.core.errors import StoreUnavailable
from thumbtune.core.logs import hide_text
from thumbtune.core.store import Store
from thumbtune.core.store.inbox import extend_leases, forget_old_events

logger = logging.getLogger(__name__)

CLEARING_S = 1000.0
KEEP_DONE, KEEP_DEAD = timedelta(days=7), timedelta(days=30)


class Leases:
    """The events in hand of one owner; its methods may be called from any thread."""

    def __init__(self, store: Store, *, owner: str, lease_s: float) -> None:
        self._store = store
        self._owner = owner
        self._lease_s = lease_s
        self._in_hand: set[int] = set()
        self._lock = threading.Lock()

    def hold(self, inbox_ids: Iterable[int]) -> None:
        """Extend these leases from now on."""
        with self._lock:
            self._in_hand.update(inbox_ids)

    def release(self, inbox_ids: Iterable[int]) -> None:
        """Let go of events that are settled or given back."""
        with self._lock:
            self._in_hand.difference_update(inbox_ids)

    def run(self, stop: threading.Event) -> None:
        """Extend leases well before the shortest ends, until told to stop."""
        next_clearing = 0.0
        while not stop.wait(min(self._lease_s, LEASE_S) / 3):
            try:
                self._extend()
                if time.monotonic() >= next_clearing:
                    next_clearing = time.monotonic() + CLEARING_S
                    self._forget_old_events()
            except StoreUnavailable as exc:  # the next look comes before the lease ends
                logger.warning("leases_not_extended", extra={"error": type(exc).__name__})
            except Exception as exc:
                logger.error("leases_not_extended", exc_info=hide_text(exc))

    def _extend(self) -> None:
        with self._lock:
            in_hand = sorted(self._in_hand)
        if in_hand:
            with self._store.write(is_lasting=False) as conn:
                extend_leases(conn, in_hand, owner=self._owner, now=self._store.now(), lease_s=self._lease_s)

    def _forget_old_events(self) -> None:
        now = self._store.now()
        with self._store.write() as conn:
            forget_old_events(conn, done_before=now - KEEP_DONE, dead_before=now - KEEP_DEAD)
