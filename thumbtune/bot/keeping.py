"""Puts what Slack sent where it cannot be lost before it is acknowledged: into the inbox, or into the spool.

It does not know what an event means. One thread commits what several requests wait for in one transaction. Nobody waits
for the store longer than `PATIENCE_S`: what it has not committed by then goes to the spool, and so does all that follows
until the same thread has brought the spool back into the inbox. An event in both is one event: its key says so.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

import sqlalchemy as sa

from thumbtune.bot.relay import COLLECTED, HandedEvent, Relay
from thumbtune.bot.slack import Json
from thumbtune.bot.spool import SealedEvent, Spool
from thumbtune.core.errors import StoreError, StoreUnavailable
from thumbtune.core.logs import hide_text
from thumbtune.core.store import Store
from thumbtune.core.store.inbox import add_sealed_event

logger = logging.getLogger(__name__)

PATIENCE_S = 0.3
"""Longer than a commit takes on a busy machine; Slack's three seconds are for the slowest acknowledgement of all."""

LOOK_S = 0.5
KEEP_REFUSED = timedelta(days=30)
_BATCH = 100

_Kept = tuple[SealedEvent, Json | None]
"""An event and, where it comes straight from a request, its body."""
_Answer = queue.SimpleQueue[Exception | None]
"""Gets the outcome once; it wakes who waits quicker than a Future, which is what most of a request's time goes to."""


class Keeper:
    """Keeps events for the requests of one process; before it is started and after it was stopped, in the spool alone.

    `wake` is called with the name of each event that is new in the inbox and was not handed on by the relay.
    """

    def __init__(self, store: Store, spool: Spool, *, wake: Callable[[str], None], relay: Relay) -> None:
        self._store = store
        self._spool = spool
        self._wake = wake
        self._relay = relay
        self._waiting: queue.SimpleQueue[tuple[_Kept, _Answer]] = queue.SimpleQueue()
        self._is_up = False
        self._stop = threading.Event()
        self._next_look = 0.0
        self._thread = threading.Thread(target=self._run, name="keep", daemon=True)

    def start(self) -> None:
        """Take events from now on, and bring in what was left in the spool."""
        self._is_up = True
        self._thread.start()

    def stop(self, *, timeout_s: float) -> None:
        """Commit what is waited for, and end."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        self._is_up = False

    def keep(self, event: SealedEvent, body: Json) -> None:
        """Return once the event, whose body this is, is in the inbox on the disk, or on the disk to get there.

        Raises: SpoolUnavailable; StoreError when the database refuses this event for good.
        """
        if self._is_up:
            answer: _Answer = queue.SimpleQueue()
            self._waiting.put(((event, body), answer))
            try:
                error = answer.get(timeout=PATIENCE_S)
            except queue.Empty:
                error = StoreUnavailable(f"the database took more than {PATIENCE_S} s")
            if error is None:
                return
            if not isinstance(error, StoreUnavailable):
                raise error
            self._note_outage(error)
        self._spool.append(event)

    def _note_outage(self, exc: Exception) -> None:
        if self._is_up:
            self._is_up = False
            logger.warning("spooling", extra={"error": type(exc).__name__})

    def _run(self) -> None:
        while not self._stop.is_set() or not self._waiting.empty():
            try:
                self._commit_waiting(wait_s=LOOK_S)
                if time.monotonic() >= self._next_look:
                    self._next_look = time.monotonic() + LOOK_S
                    self._empty_spool()
            except StoreUnavailable as exc:
                self._note_outage(exc)
            except Exception as exc:  # the loop must live; whoever waited for it goes to the spool
                logger.error("keeping_failed", exc_info=hide_text(exc))
                self._stop.wait(LOOK_S)

    def _commit_waiting(self, *, wait_s: float) -> None:
        batch = self._take_waiting(wait_s=wait_s)
        if not batch:
            return
        try:
            self._store_events([kept for kept, _ in batch], room=self._relay.count_room())
        except StoreUnavailable as exc:
            for _, answer in batch:
                answer.put(exc)
            raise
        except Exception:  # one of them is at fault: each by itself
            for kept, answer in batch:
                answer.put(None if self._is_stored(kept) else StoreError("the database refuses this event"))
            return
        for _, answer in batch:
            answer.put(None)

    def _take_waiting(self, *, wait_s: float) -> list[tuple[_Kept, _Answer]]:
        batch: list[tuple[_Kept, _Answer]] = []
        try:
            batch.append(self._waiting.get(timeout=wait_s))
            while len(batch) < _BATCH:
                batch.append(self._waiting.get_nowait())
        except queue.Empty:
            pass
        return batch

    def _empty_spool(self) -> None:
        self._spool.forget_refused(before=self._store.now() - KEEP_REFUSED)
        if not self._is_up or self._spool.has_files():
            with self._store.write() as conn:
                conn.execute(sa.select(1))
            self._is_up = True
            count = self._spool.drain(self._store_spooled)
            if count:
                logger.info("spool_emptied", extra={"events": count})

    def _store_spooled(self, events: Sequence[SealedEvent]) -> bool:
        self._commit_waiting(wait_s=0.0)  # somebody waits for these
        kept: list[_Kept] = [(event, None) for event in events]
        try:
            self._store_events(kept)
            return True
        except StoreUnavailable:
            raise
        except Exception:  # one of them is at fault: each by itself
            return not [event for event in kept if not self._is_stored(event)]

    def _is_stored(self, kept: _Kept) -> bool:
        try:
            self._store_events([kept])
            return True
        except StoreUnavailable:
            raise
        except Exception as exc:
            logger.error("event_refused_by_store", extra={"kind": kept[0].kind, "error": type(exc).__name__})
            return False

    def _store_events(self, events: Sequence[_Kept], *, room: int = 0) -> None:
        """Bring events to the disk in the order of their keys, in which no two processes can deadlock; wake the workers.

        Up to `room` of those that are collected are handed on to this process's own, even before the disk has them:
        nothing that comes of them can be there without them.
        """
        handed: list[HandedEvent] = []
        new: list[str] = []
        lease = self._relay.make_lease(self._store.now())
        # What someone waits for could be answered by another worker before the disk has it.
        is_collected = all(event.name in COLLECTED for event, _ in events)
        with self._store.write_ahead() if is_collected else self._store.write() as conn:
            for event, body in sorted(events, key=lambda kept: (kept[0].team_id, kept[0].event_key)):
                is_handed = body is not None and event.name in COLLECTED and len(handed) < room
                inbox_id = add_sealed_event(conn, **vars(event), lease=lease if is_handed else None)
                if inbox_id is None:
                    continue
                if is_handed and body is not None:
                    handed.append(HandedEvent(inbox_id, event, body, lease))
                else:
                    new.append(event.name)
        self._relay.hand_on(handed)  # the disk writes the event while the worker works on it
        if is_collected:
            self._store.flush()
        for name in new:
            self._wake(name)
