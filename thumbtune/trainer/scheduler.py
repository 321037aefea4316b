"""Looks at every desk again and again and queues a run where one is due.

It does not carry runs out. The scheduler keeps no jobs of its own: what is due is decided from rows, so a lost tick
loses nothing.
"""

import logging
from collections.abc import Callable

from apscheduler.schedulers.background import BackgroundScheduler

from thumbtune.core.logs import hide_text
from thumbtune.core.records import AdapterState, Desk
from thumbtune.core.selection import select_pairs
from thumbtune.core.settings import Settings
from thumbtune.core.store import adapters, pairs, runs
from thumbtune.core.store.desks import list_desks
from thumbtune.core.store.engine import Store
from thumbtune.core.store.forgetting import REASON as FORGET
from thumbtune.trainer.erasing import erase_from_disk
from thumbtune.trainer.threshold import Due, decide_due, decide_replacement
from thumbtune.trainer.upkeep import EVERY_S, keep_house

logger = logging.getLogger(__name__)

WAITING: tuple[AdapterState, ...] = ("published", "proven")
"""Adapters that serving has not put live yet."""


def start_ticks(store: Store, settings: Settings, *, on_tick: Callable[[], None]) -> BackgroundScheduler:
    """Start a thread that queues due runs every `train_tick_s` seconds and then calls `on_tick`, and keeps house hourly."""

    def tick() -> None:
        for step in (queue_due_runs, erase_from_disk):
            try:
                step(store, settings)
            except Exception as exc:  # the next tick tries again; nothing is remembered here
                logger.error("tick_failed", exc_info=hide_text(exc))
        on_tick()

    def hourly() -> None:
        try:
            keep_house(store, settings)
        except Exception as exc:  # as above
            logger.error("upkeep_failed", exc_info=hide_text(exc))

    scheduler = BackgroundScheduler(timezone="UTC")
    for job, seconds in ((tick, settings.train_tick_s), (hourly, EVERY_S)):
        scheduler.add_job(job, "interval", seconds=seconds, coalesce=True, max_instances=1, misfire_grace_time=None)
    scheduler.start()
    return scheduler


def queue_due_runs(store: Store, settings: Settings) -> list[str]:
    """Queue a run for every desk that is due, and return the ids of the new ones."""
    with store.read() as conn:
        desks = list_desks(conn)
    queued = []
    for desk in desks:
        replacement = look_at_replacement(store, desk, settings=settings)
        due = replacement if replacement.is_due else look_at_desk(store, desk, settings=settings)
        if due.is_due:
            reason = FORGET if replacement.is_due else "threshold"
            with store.write() as conn:
                run, is_new = runs.open_run(conn, desk_id=desk.desk_id, reason=reason, now=store.now())
            if is_new:
                logger.info("run_queued", extra={"run_id": run.run_id, "desk_id": desk.desk_id, "why": due.why})
                queued.append(run.run_id)
    return queued


def look_at_desk(store: Store, desk: Desk, *, settings: Settings) -> Due:
    """Return whether a run is due for this desk now, and why or why not."""
    with store.read() as conn:
        last = runs.list_runs(conn, desk_id=desk.desk_id, limit=1)
        due = decide_due(
            new_pairs=pairs.count_new_pairs(conn, desk_id=desk.desk_id),
            active_pairs=pairs.count_pairs(conn, desk_id=desk.desk_id).get("active", 0),
            threshold=desk.threshold,
            min_pairs=settings.min_pairs,
            last_run=last[0] if last else None,
            now=store.now(),
        )
    return _check_trainable(due, store, desk, settings=settings)


def look_at_replacement(store: Store, desk: Desk, *, settings: Settings) -> Due:
    """Return whether a run is due that replaces a live adapter which learned from someone who was forgotten."""
    with store.read() as conn:
        last = runs.list_runs(conn, desk_id=desk.desk_id, limit=1)
        live = adapters.find_live(conn, desk_id=desk.desk_id)
        found = adapters.list_adapters(conn, desk_id=desk.desk_id)
        waiting = next((item for item in found if item.state in WAITING and item.replace_since is None), None)
        due = decide_replacement(live=live, waiting=waiting, last_run=last[0] if last else None, now=store.now())
    return _check_trainable(due, store, desk, settings=settings)


def _check_trainable(due: Due, store: Store, desk: Desk, *, settings: Settings) -> Due:
    if due.is_due:  # only then are the pairs themselves read
        trainable = len(select_pairs(store, desk_id=desk.desk_id, settings=settings).trained)
        if trainable < settings.min_pairs:
            return Due(False, f"{trainable} of at least {settings.min_pairs} pairs that can be trained on")
    return due
