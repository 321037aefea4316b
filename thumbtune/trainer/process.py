"""The trainer's process: ticks in one thread, and carries runs out in the main one.

Command: thumbtune trainer

It does not know how a run is carried out.
"""

import logging
import os
import signal
import socket
import threading
import uuid
from types import FrameType

from thumbtune.core.errors import LeaseLost, StoreUnavailable
from thumbtune.core.settings import Settings
from thumbtune.core.store import check_store, connect_store, runs
from thumbtune.core.store.engine import Store
from thumbtune.trainer.backend import LocalBackend, TrainerBackend
from thumbtune.trainer.pipeline import Pipeline
from thumbtune.trainer.recipe import check_libraries
from thumbtune.trainer.scheduler import queue_due_runs, start_ticks
from thumbtune.trainer.upkeep import keep_house

logger = logging.getLogger(__name__)

_LOOK_S = 1.0
_STORE_PAUSE_S = 5.0


def run_trainer(settings: Settings) -> None:
    """Run the trainer until SIGTERM or SIGINT; a run under way is given back and begun again by the next trainer.

    Raises: ConfigError when a library that the settings need is missing.
    """
    check_libraries(settings)
    stop, wake = threading.Event(), threading.Event()

    def leave(_signal: int, _frame: FrameType | None) -> None:
        stop.set()
        wake.set()

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    store = connect_store(settings)
    check_store(store)
    keep_house(store, settings)
    queue_due_runs(store, settings)
    ticks = start_ticks(store, settings, on_tick=wake.set)
    logger.info("trainer_ready", extra={"pid": os.getpid()})
    try:
        serve_runs(store, settings, backend=LocalBackend(), stop=stop, wake=wake)
    finally:
        ticks.shutdown(wait=False)
        store.engine.dispose()
    logger.info("trainer_ended")


def serve_runs(
    store: Store, settings: Settings, *, backend: TrainerBackend, stop: threading.Event, wake: threading.Event
) -> None:
    """Claim and carry out runs, the oldest first, until `stop` is set."""
    owner = f"{socket.gethostname()[:20]}:{os.getpid()}:{uuid.uuid4().hex[:12]}"
    pipeline = Pipeline(store, settings, backend=backend, stop=stop)
    while not stop.is_set():
        try:
            with store.write() as conn:
                run = runs.claim_run(conn, owner=owner, now=store.now(), lease_s=settings.lease_s)
            if run is None:
                wake.wait(_LOOK_S)
                wake.clear()
            else:
                pipeline.carry_out(run)
        except LeaseLost as exc:
            logger.warning("lease_lost", extra={"why": str(exc)})
        except StoreUnavailable as exc:
            logger.warning("store_unavailable", extra={"why": str(exc)})
            stop.wait(_STORE_PAUSE_S)
