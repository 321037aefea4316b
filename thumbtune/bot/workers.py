"""Works on what lies in the inbox: one thread collects in batches, one answers clicks, others write, each event by lease.

It does not know what handlers do. A handler that fails is tried again with growing pauses and set aside in the end.
"""

import logging
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from thumbtune.bot.asks import key_request
from thumbtune.bot.blocks import draft_card
from thumbtune.bot.bot import Bot, Handler, Later, Write
from thumbtune.bot.leases import Leases
from thumbtune.bot.people import PeopleMissing
from thumbtune.bot.regrets import say_sorry
from thumbtune.bot.relay import COLLECTED
from thumbtune.bot.slack import SlackBusy, SlackLockedOut, describe_error
from thumbtune.core.errors import SlackUnknown, StoreUnavailable
from thumbtune.core.logs import hide_text
from thumbtune.core.records import EventKind, InboxEvent
from thumbtune.core.store.drafts import find_requested_draft, settle_draft
from thumbtune.core.store.inbox import (
    bury_event,
    claim_events,
    find_channel,
    finish_events,
    postpone_event,
)
from thumbtune.core.store.messages import lock_channels

logger = logging.getLogger(__name__)

BATCH = 6
LOOK_S = 1.0
MAX_ATTEMPTS = 10
CLICK_KINDS: Sequence[EventKind] = ("action", "view")
MAX_PAUSE_S = 300.0
MAX_OUTAGE_PAUSE_S = 30.0


class Workers:
    """The threads that empty the inbox of this process."""

    def __init__(self, bot: Bot, handlers: Mapping[tuple[EventKind, str], Handler]) -> None:
        self._bot = bot
        self._handlers = handlers
        self._lease_s = bot.settings.lease_s
        self._owner = f"{socket.gethostname()[:24]}:{os.getpid()}:{uuid.uuid4().hex[:12]}"
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._relay = bot.signals.collect
        self._next_look = 0.0
        self._leases = Leases(bot.store, owner=self._owner, lease_s=self._lease_s)
        clicks = {name for kind, name in handlers if kind in CLICK_KINDS}
        self._clicks = sorted(clicks - {draft_card.RETRY})  # a retry writes a draft, which takes its time
        self._no_asks = (*COLLECTED, *self._clicks)

    def start(self) -> None:
        """Start all threads."""
        self._relay.open(self._owner, lease_s=self._lease_s)
        loops: list[tuple[str, Callable[[], None]]] = [
            ("collect", self._collect),
            ("click", self._click),
            ("leases", lambda: self._leases.run(self._stop)),
        ]
        loops += [(f"answer-{number}", self._answer) for number in range(self._bot.settings.bot_workers)]
        for name, loop in loops:
            thread = threading.Thread(target=loop, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self, *, timeout_s: float) -> bool:
        """Take nothing new, finish what is in hand, and return whether all ended in time."""
        self._stop.set()
        self._relay.close()
        self._bot.signals.click.set()
        for _ in self._threads:
            self._bot.signals.ask.release()
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def work_once(self) -> int:
        """Work on everything that is due now, in this thread; return how many events that were. For tests and tools."""
        done = 0
        while events := self._claim(BATCH, names=COLLECTED) + self._claim(BATCH, but_names=COLLECTED):
            self._work_on_batch(events)
            done += len(events)
        return done

    def _collect(self) -> None:
        self._loop(self._take_collected, lambda: self._relay.wait(LOOK_S))

    def _answer(self) -> None:
        self._loop(
            lambda: self._claim(1, but_names=self._no_asks), lambda: self._bot.signals.ask.acquire(timeout=LOOK_S)
        )

    def _click(self) -> None:
        """Answer clicks while drafts are being written: a modal has to open within three seconds."""
        self._loop(lambda: self._claim(1, names=self._clicks), lambda: _wait_for(self._bot.signals.click))

    def _loop(self, claim: Callable[[], list[InboxEvent]], wait: Callable[[], object]) -> None:
        while not self._stop.is_set():
            try:
                events = claim()
                if events:
                    self._work_on_batch(events)
                else:
                    wait()
            except StoreUnavailable as exc:
                logger.error("store_unavailable", extra={"error": str(exc)})
                self._stop.wait(LOOK_S)
            except Exception as exc:  # the loop must live; what it worked on comes back when its lease ends
                logger.error("worker_failed", exc_info=hide_text(exc))
                self._stop.wait(LOOK_S)

    def _take_collected(self) -> list[InboxEvent]:
        """Return what was handed on, and what else is due where there may be something or the last look was long ago."""
        events: list[InboxEvent] = []
        if self._relay.is_behind or time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_S
            self._relay.begin_look()
            events = self._claim(BATCH, names=COLLECTED)
            if len(events) == BATCH:
                self._relay.call()
        return sorted([*events, *self._take_handed()], key=lambda event: event.inbox_id)

    def _take_handed(self) -> list[InboxEvent]:
        events: list[InboxEvent] = []
        for handed in self._relay.take(self._bot.store.now()):
            kept, body = handed.event, handed.body
            events.append(
                InboxEvent(handed.inbox_id, kept.team_id, kept.kind, kept.name, body, 1, received_at=kept.received_at)
            )
        self._leases.hold(event.inbox_id for event in events)
        return events

    def _claim(
        self, limit: int, *, names: Sequence[str] | None = None, but_names: Sequence[str] = ()
    ) -> list[InboxEvent]:
        store = self._bot.store
        with store.write(is_lasting=False) as conn:  # a lost lease is claimed anew
            events = claim_events(
                conn,
                store.sealer,
                owner=self._owner,
                limit=limit,
                now=store.now(),
                lease_s=self._lease_s,
                names=names,
                but_names=but_names,
            )
        self._leases.hold(event.inbox_id for event in events)
        return events

    def _work_on_batch(self, events: Sequence[InboxEvent]) -> None:
        try:
            self._work_on_claimed(events)
        finally:
            self._leases.release(event.inbox_id for event in events)

    def _work_on_claimed(self, events: Sequence[InboxEvent]) -> None:
        """Prepare each event by itself, then store all results at once; one by one where that does not work."""
        prepared: list[tuple[InboxEvent, Write | None]] = []
        for event in events:
            try:
                prepared.append((event, self._prepare(event)))
            except Exception as exc:  # any failure of one event is that event's alone
                self._set_back(event, exc)
        try:
            self._commit(prepared)
        except Exception as exc:
            if len(prepared) > 1:
                logger.debug("batch_split", extra={"error": type(exc).__name__})
            for event, write in prepared:
                self._commit_one(event, write)

    def _prepare(self, event: InboxEvent) -> Write | None:
        handler = self._handlers.get((event.kind, event.name))
        return handler(event, self._bot) if handler is not None else None

    def _commit(self, prepared: Sequence[tuple[InboxEvent, Write | None]]) -> None:
        if not prepared:
            return
        # What follows from events alone lies behind them in the log, and is done anew after a power cut, with their end.
        is_lasting = any(event.name not in COLLECTED for event, _ in prepared)
        with self._bot.store.write(is_lasting=is_lasting) as conn:
            if len(prepared) > 1:  # all at once, so that two batches do not wait for each other
                team_id = self._bot.identity.team_id
                lock_channels(conn, [(team_id, find_channel(event.body)) for event, write in prepared if write])
            for _, write in prepared:
                if write is not None:
                    write(conn)
            finish_events(conn, [event.inbox_id for event, _ in prepared], owner=self._owner, now=self._bot.store.now())
        self._bot.signals.send.set()

    def _commit_one(self, event: InboxEvent, write: Write | None) -> None:
        try:
            try:
                self._commit([(event, write)])
            except PeopleMissing as missing:
                self._bot.people.fetch_people(missing.user_ids)
                self._commit([(event, write)])
        except Exception as exc:  # any failure of one event is that event's alone
            self._set_back(event, exc)

    def _set_back(self, event: InboxEvent, exc: Exception) -> None:
        """Give an event back: waits, outages and a locked-out app may last long, other failures are counted."""
        store, now = self._bot.store, self._bot.store.now()
        fields = {"inbox_id": event.inbox_id, "kind": event.kind, "event_name": event.name, "attempts": event.attempts}
        error = describe_error(exc)
        is_wait = isinstance(exc, Later | SlackUnknown | SlackLockedOut | StoreUnavailable)
        if not is_wait and event.attempts >= MAX_ATTEMPTS:
            logger.error("event_set_aside", extra={**fields, "error": error})
            self._bury(event, error=error)
            return
        if isinstance(exc, Later | SlackBusy):
            pause_s = exc.seconds if isinstance(exc, Later) else exc.retry_after_s
        else:
            longest_s = min(2.0 ** (event.attempts - 1), MAX_PAUSE_S)
            if is_wait:
                max_pause_s = MAX_PAUSE_S if isinstance(exc, SlackLockedOut) else MAX_OUTAGE_PAUSE_S
                longest_s = min(max(1.0, (now - event.received_at).total_seconds() / 2), max_pause_s)
            pause_s = longest_s * random.uniform(0.75, 1.25)
            if isinstance(exc, SlackLockedOut):
                logger.error("slack_locks_us_out", extra={**fields, "method": exc.method, "error": error})
            else:
                logger.warning("event_failed", extra={**fields, "error": error}, exc_info=hide_text(exc))
        until = now + timedelta(seconds=pause_s)
        with store.write() as conn:
            postpone_event(conn, event.inbox_id, owner=self._owner, until=until, error=error, counts=not is_wait)
        self._wake_after(pause_s, event.name)

    def _bury(self, event: InboxEvent, *, error: str) -> None:
        """Set an event aside; a draft that it asked for has failed, and who asked is told."""
        store, now, request_key = self._bot.store, self._bot.store.now(), key_request(event)
        with store.write() as conn:
            if not bury_event(conn, event.inbox_id, owner=self._owner, error=error, now=now):
                return
            draft = find_requested_draft(conn, request_key) if request_key else None
            if draft is not None:
                settle_draft(conn, draft.draft_id, state="failed", now=now)
        say_sorry(self._bot, event)

    def _wake_after(self, pause_s: float, name: str) -> None:
        if pause_s > LOOK_S or self._stop.is_set():
            return
        signals = self._bot.signals
        wake: Callable[[], None] = signals.ask.release
        if name in COLLECTED or name in self._clicks:
            wake = signals.collect.call if name in COLLECTED else signals.click.set
        timer = threading.Timer(pause_s + 0.01, wake)
        timer.daemon = True
        timer.start()


def _wait_for(signal: threading.Event) -> None:
    signal.wait(LOOK_S)
    signal.clear()
