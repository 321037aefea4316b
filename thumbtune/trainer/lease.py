"""Holds a claimed run: keeps its lease while work goes on, and writes to it under its fence only.

It does not know what the work is.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import sqlalchemy as sa

from thumbtune.core.errors import LeaseLost, StoreUnavailable
from thumbtune.core.records import RunState, TrainingRun
from thumbtune.core.settings import Settings
from thumbtune.core.store import audits, runs
from thumbtune.core.store.engine import Store

logger = logging.getLogger(__name__)

_BEAT_S = 1.0
_PAUSE_S = 1.0
_Result = TypeVar("_Result")


class Cancelled(Exception):
    """Someone asked for the run to be cancelled."""


class Stopped(Exception):
    """This trainer is asked to end."""


class RunLease:
    """One claimed run. Every method raises LeaseLost when another trainer took it over."""

    def __init__(self, store: Store, run: TrainingRun, *, settings: Settings, stop: threading.Event) -> None:
        self._store = store
        self._settings = settings
        self._stop = stop
        self._last_beat = 0.0
        self._counted_at: float | None = None
        self._devices = 1
        self._unstored_s = 0.0
        self.run = run

    @contextmanager
    def held(self) -> Iterator[None]:
        """Extend the lease from a thread of its own until the block ends, however long a step of the work takes."""
        ended = threading.Event()
        thread = threading.Thread(target=self._extend, args=(ended,), name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def start_counting(self, *, devices: int = 1) -> None:
        """Count the seconds of each device from here as used by the run; they are stored with whatever is written next."""
        self._devices, self._counted_at = devices, time.monotonic()

    def stop_counting(self) -> None:
        """Count no longer."""
        self._count()
        self._counted_at = None

    def beat(
        self,
        phase: str,
        *,
        progress: float,
        eta_s: float | None = None,
        force: bool = False,
        **figures: Any,  # Any: columns of several types
    ) -> None:
        """Extend the lease and store the progress, at most once a second unless forced.

        Raises: Cancelled; Stopped. A database that does not answer is borne: the fence protects what comes after.
        """
        if self._stop.is_set():
            raise Stopped
        if not force and time.monotonic() - self._last_beat < _BEAT_S:
            return
        self._last_beat = time.monotonic()
        used_s = self._count()
        try:
            with self._store.write() as conn:
                cancel = runs.beat(
                    conn,
                    self.run,
                    now=self._store.now(),
                    lease_s=self._settings.lease_s,
                    phase=phase,
                    progress=progress,
                    eta_s=eta_s,
                    used_s=used_s,
                    **figures,
                )
        except StoreUnavailable as exc:
            logger.warning("beat_failed", extra={"run_id": self.run.run_id, "why": str(exc)})
            return
        self._unstored_s -= used_s
        if cancel:
            raise Cancelled

    def insist(self, work: Callable[[], _Result]) -> _Result:
        """Return what `work` returns, which is begun anew every second for as long as the database does not answer.

        For what comes after a training, which is not to be lost with it. It has to be such that may be done twice.
        Raises: Stopped.
        """
        while True:
            try:
                return work()
            except StoreUnavailable as exc:
                logger.warning("store_unavailable", extra={"run_id": self.run.run_id, "why": str(exc)})
            if self._stop.wait(_PAUSE_S):
                raise Stopped

    def update(self, **values: Any) -> None:  # Any: columns of several types
        """Write columns of the run."""
        with self._store.write() as conn:
            runs.update_run(conn, self.run, **values)

    def finish(self, state: RunState, message: str, **values: Any) -> None:  # Any: as above
        """Close the run."""
        with self._store.write() as conn:
            self.finish_in(conn, state, message, **values)

    def finish_in(self, conn: sa.Connection, state: RunState, message: str, **values: Any) -> None:  # Any: as above
        """Close the run in a transaction that does more."""
        now = self._store.now()
        runs.finish_run(conn, self.run, state=state, message=message, now=now, used_s=self._count(), **values)
        audits.record_act(conn, actor="trainer", action=f"run_{state}", subject=self.run.run_id, now=now)
        logger.info("run_closed", extra={"run_id": self.run.run_id, "state": state})

    def refuse_cancelled(self, conn: sa.Connection) -> None:
        """Let nobody cancel the run until this transaction ends.

        Raises: Cancelled when someone did already.
        """
        runs.update_run(conn, self.run)  # takes the row's lock, on which whoever cancels from now on waits
        if runs.load_run(conn, self.run.run_id).cancel_requested:
            raise Cancelled

    def give_back(self, *, crashed: bool) -> None:
        """Let the run be claimed again at once; an attempt that only was stopped does not count."""
        with self._store.write() as conn:
            if crashed:
                runs.update_run(conn, self.run, lease_owner=None, lease_until=None, used_s=self._count())
            else:
                runs.release_run(conn, self.run, used_s=self._count())

    def _extend(self, ended: threading.Event) -> None:
        while not ended.wait(self._settings.lease_s / 3):
            try:
                with self._store.write(is_lasting=False) as conn:
                    until = self._store.now() + timedelta(seconds=self._settings.lease_s)
                    runs.update_run(conn, self.run, lease_until=until)
            except LeaseLost:  # whoever works on it finds that at the next write
                return
            except StoreUnavailable as exc:
                logger.warning("beat_failed", extra={"run_id": self.run.run_id, "why": str(exc)})

    def _count(self) -> float:
        """Return the seconds that are used and not stored yet."""
        if self._counted_at is not None:
            now = time.monotonic()
            self._unstored_s += (now - self._counted_at) * self._devices
            self._counted_at = now
        return self._unstored_s
