"""Holds a sweep while it is at work: its calls keep within Slack's limits, its lease outlasts every pause.

It does not know what is looked at.
"""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import TypeVar

from thumbtune.bot.bot import Bot
from thumbtune.bot.slack import Json, SlackBusy
from thumbtune.core.store.backfills import Sweep, finish_sweep, save_sweep

T = TypeVar("T")

LEASE_S = 300.0
"""Also how long a channel rests that could not be looked at."""
PAGE = 200


class Stopped(Exception):
    """The process is ending; the sweep goes on where it was saved."""


class SweepLost(Exception):
    """Another bot has taken the sweep over; it goes on where it was saved."""


class HeldSweep:
    """A sweep that this bot has just claimed, with the threads that it has been at and those that failed."""

    def __init__(self, bot: Bot, sweep: Sweep, *, owner: str, stop: threading.Event) -> None:
        self.sweep = sweep
        self.place = {"team_id": bot.identity.team_id, "channel_id": sweep.channel_id}
        self.done = set(sweep.threads_done)
        self.failed = set(sweep.threads_failed)
        self._bot = bot
        self._owner = owner
        self._stop = stop
        self._kept_until = bot.store.now() + timedelta(seconds=LEASE_S)

    def save(self, *, lease_s: float = LEASE_S) -> None:
        """Keep what was done and the lease.

        Raises: SweepLost.
        """
        now = self._bot.store.now()
        with self._bot.store.write() as conn:
            is_held = save_sweep(
                conn,
                owner=self._owner,
                began_at=self.sweep.began_at,
                threads_done=self.done,
                threads_failed=self.failed,
                now=now,
                lease_s=lease_s,
                **self.place,
            )
        if not is_held:
            raise SweepLost
        self._kept_until = now + timedelta(seconds=lease_s)

    def finish(self) -> None:
        """Note that the whole channel was looked at.

        Raises: SweepLost.
        """
        began_at, failed = self.sweep.began_at, self.failed
        with self._bot.store.write() as conn:
            is_held = finish_sweep(conn, owner=self._owner, began_at=began_at, threads_failed=failed, **self.place)
        if not is_held:
            raise SweepLost

    def fetch_pages(self, method: str, key: str, **arguments: object) -> Iterator[Json]:
        """Yield the items of every page under `key`.

        Raises: as `call_paced`.
        """
        cursor = ""
        while True:
            more = {"cursor": cursor} if cursor else {}
            answer = self.call_paced(partial(self._bot.slack.call, method, limit=PAGE, **more, **arguments))
            yield from answer.get(key) or []
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return

    def call_paced(self, call: Callable[[], T]) -> T:
        """Return a call's answer after the pause that keeps us within Slack's limits; wait when Slack asks for it.

        Raises: SlackError; Stopped; SweepLost.
        """
        pause_s = 60.0 / self._bot.settings.backfill_calls_per_min
        while True:
            if self._bot.store.now() + timedelta(seconds=pause_s + LEASE_S / 2) > self._kept_until:
                self.save(lease_s=pause_s + LEASE_S)
            if self._stop.wait(pause_s):
                raise Stopped
            try:
                return call()
            except SlackBusy as busy:
                pause_s = busy.retry_after_s
