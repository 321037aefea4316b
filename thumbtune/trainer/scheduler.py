"""Looks at every desk again and again and queues a run where one is due.

It does not carry runs out. The scheduler keeps no jobs of its own: what is due is decided from rows, so a lost tick
loses nothing.
"""

import logging
from collections.abc import Callable, Iterable

from apscheduler.schedulers.background import BackgroundScheduler

from thumbtune.core.errors import BadInput
from thumbtune.core.logs import hide_text
from thumbtune.core.records import AdapterState, Desk, Outlook, RunState
from thumbtune.core.selection import select_pairs
from thumbtune.core.settings import Settings
from thumbtune.core.store import adapters, pairs, runs
from thumbtune.core.store.desks import list_desks
from thumbtune.core.store.engine import Store
from thumbtune.core.store.forgetting import REASON as FORGET
from thumbtune.core.store.outlooks import record_outlook
from thumbtune.trainer.erasing import erase_from_disk
from thumbtune.trainer.threshold import (
    Due,
    Spending,
    decide_budget,
    decide_cooldown,
    decide_due,
    decide_quiet,
    decide_replacement,
)
from thumbtune.trainer.timetable import begin_month, load_zone
from thumbtune.trainer.upkeep import EVERY_S, keep_house

logger = logging.getLogger(__name__)

THRESHOLD = "threshold"
JUDGED: tuple[RunState, ...] = ("passed", "rejected", "inconclusive")
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
    """Queue a run for every desk that is due, keep what was seen of each, and return the ids of the new runs."""
    with store.read() as conn:
        desks = list_desks(conn)
    queued = []
    for desk in desks:
        with store.read() as conn:
            last = runs.find_last_run(conn, desk_id=desk.desk_id)
        replacement = look_at_replacement(store, desk, settings=settings)
        due = replacement if replacement.is_due else look_at_desk(store, desk, settings=settings)
        with store.write() as conn:
            record_outlook(conn, Outlook(desk.desk_id, due.is_due, due.why, store.now()))
            newest = runs.find_last_run(conn, desk_id=desk.desk_id)
            if due.is_due and newest == last:  # else another scheduler was quicker, and its run may have ended by now
                run, is_new = runs.open_run(
                    conn,
                    desk_id=desk.desk_id,
                    reason=FORGET if replacement.is_due else THRESHOLD,
                    now=store.now(),
                    announce_channel=desk.training_channel or None,
                )
                if is_new:
                    logger.info("run_queued", extra={"run_id": run.run_id, "desk_id": desk.desk_id, "why": due.why})
                    queued.append(run.run_id)
    return queued


def look_at_desk(store: Store, desk: Desk, *, settings: Settings) -> Due:
    """Return whether a run is due for this desk now, and why or why not."""
    now = store.now()
    with store.read() as conn:
        due = decide_due(
            new_pairs=pairs.count_new_pairs(conn, desk_id=desk.desk_id),
            active_pairs=pairs.count_pairs(conn, desk_id=desk.desk_id).get("active", 0),
            threshold=desk.threshold,
            min_pairs=settings.min_pairs,
            last_run=runs.find_last_run(conn, desk_id=desk.desk_id),
            now=now,
        )
        last_by_itself = runs.find_last_run(conn, desk_id=desk.desk_id, reason=THRESHOLD)
    checks: tuple[Callable[[], Due], ...] = (
        lambda: decide_quiet(desk, now=now),
        lambda: decide_cooldown(desk, last_by_itself=last_by_itself, now=now),
        lambda: _check_budget(store, desk, settings=settings),
        lambda: _check_trainable(store, desk, settings=settings),  # last: only then are the pairs themselves read
    )
    return _find_first_refusal(due, checks)


def look_at_replacement(store: Store, desk: Desk, *, settings: Settings) -> Due:
    """Return whether a run is due that replaces a live adapter which learned from someone who was forgotten.

    Quiet hours hold for it, cooldown and budget do not.
    """
    now = store.now()
    with store.read() as conn:
        last = runs.find_last_run(conn, desk_id=desk.desk_id)
        live = adapters.find_live(conn, desk_id=desk.desk_id)
        found = adapters.list_adapters(conn, desk_id=desk.desk_id)
    waiting = next((item for item in found if item.state in WAITING and item.replace_since is None), None)
    due = decide_replacement(live=live, waiting=waiting, last_run=last, now=now)
    checks: tuple[Callable[[], Due], ...] = (
        lambda: decide_quiet(desk, now=now),
        lambda: _check_trainable(store, desk, settings=settings),
    )
    return _find_first_refusal(due, checks)


def _find_first_refusal(due: Due, checks: Iterable[Callable[[], Due]]) -> Due:
    for check in checks if due.is_due else ():
        allowed = check()
        if not allowed.is_due:
            return allowed
    return due


def _check_budget(store: Store, desk: Desk, *, settings: Settings) -> Due:
    if not desk.budget_gpu_s and not desk.budget_money:
        return Due(True, "")
    try:
        since = begin_month(store.now(), zone=load_zone(desk.time_zone))
    except BadInput as exc:
        return Due(False, str(exc))
    with store.read() as conn:
        used_s = runs.sum_gpu_s(conn, desk_id=desk.desk_id, since=since)
        judged = runs.find_last_run(conn, desk_id=desk.desk_id, states=JUDGED)
    spending = Spending(used_s, judged.gpu_s if judged else 0.0, settings.gpu_price_per_hour)
    return decide_budget(desk, spending=spending)


def _check_trainable(store: Store, desk: Desk, *, settings: Settings) -> Due:
    trainable = len(select_pairs(store, desk_id=desk.desk_id, settings=settings).trained)
    if trainable < settings.min_pairs:
        return Due(False, f"{trainable} of at least {settings.min_pairs} pairs that can be trained on")
    return Due(True, "")
