"""Runs that start by themselves: when the desk's rules let them, once whoever looks, and with the reason kept."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import Barrier

import pytest

from tests.conftest import Clock
from thumbtune.core.prompt import Turn
from thumbtune.core.records import Desk, Outlook, RunState, TrainingRun
from thumbtune.core.sealing import Sealer
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store, adapters, desks, open_store, pairs, runs
from thumbtune.core.store.outlooks import find_outlook
from thumbtune.trainer.scheduler import queue_due_runs

DESK = Desk("support", "T1", "Support", "Be kind.", channels=("C1",), threshold=5)
HOUR_S = 3600.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, min_pairs=5, gpu_price_per_hour=2.0, _env_file=None)


@pytest.fixture
def second_store(store: Store, store_url: str, sealer: Sealer, clock: Clock) -> Iterator[Store]:
    """The same store as another process sees it."""
    opened = open_store(store_url, sealer, now=clock)
    yield opened
    opened.engine.dispose()


def save(store: Store, **rules: object) -> Desk:
    desk = replace(DESK, **rules)  # type: ignore[arg-type]  # each rule has its own type
    with store.write() as conn:
        desks.save_desk(conn, desk)
    return desk


def approve(store: Store, numbers: range) -> None:
    with store.write() as conn:
        for number in numbers:
            pairs.put_pair(
                conn,
                desk_id="support",
                team_id="T1",
                channel_id="C1",
                thread_ts=f"{number}.0",
                reply_ts=f"{number}.1",
                revision="",
                turns=[Turn("customer", f"Where is parcel {number}?")],
                reply=f"It comes in {number} days.",
                passages=(),
                source="human",
                approved_by="U1",
                now=store.now(),
            )


def end_run(store: Store, *, gpu_s: float = 0.0, state: RunState = "inconclusive") -> TrainingRun:
    """Carry the open run out: it sees all pairs there are."""
    with store.write() as conn:
        run = runs.claim_run(conn, owner="test", now=store.now(), lease_s=30)
        assert run is not None
        seen = [pair.pair_id for pair in pairs.list_pairs(conn, desk_id="support", state="active", limit=1000)]
        runs.record_snapshot(conn, run, trained=seen, held_out=[])
        runs.finish_run(conn, run, state=state, message="", now=store.now(), used_s=gpu_s)
    return run


def read_outlook(store: Store) -> Outlook:
    with store.read() as conn:
        outlook = find_outlook(conn, desk_id="support")
    assert outlook is not None
    return outlook


def test_two_schedulers_at_once_open_one_run_each_time_one_is_due(
    store: Store, second_store: Store, settings: Settings
) -> None:
    save(store)
    for round_number in range(10):
        approve(store, range(round_number * 20, round_number * 20 + 20))
        barrier = Barrier(4)

        def look(which: Store, barrier: Barrier = barrier) -> list[str]:
            barrier.wait()
            return queue_due_runs(which, settings)

        with ThreadPoolExecutor(4) as pool:
            queued = list(pool.map(look, [store, second_store] * 2))
        assert sum(map(len, queued)) == 1, queued
        end_run(store)
        assert queue_due_runs(store, settings) == queue_due_runs(second_store, settings) == []
    with store.read() as conn:
        assert len(runs.list_runs(conn)) == 10


def test_scheduler_that_was_held_up_opens_no_second_run_after_the_first_has_ended(
    store: Store, second_store: Store, store_url: str, sealer: Sealer, clock: Clock, settings: Settings
) -> None:
    """It decided before the other one's run was there, and comes to open its own after that run failed."""
    save(store, budget_gpu_s=1e9)
    approve(store, range(20))

    class Interrupted:
        """A clock on whose second look the other scheduler does all of its work."""

        looks = 0

        def __call__(self) -> datetime:
            self.looks += 1
            if self.looks == 3:
                assert len(queue_due_runs(second_store, settings)) == 1
                end_run(second_store, state="rejected")
            return clock()

    held_up = open_store(store_url, sealer, now=Interrupted())
    assert queue_due_runs(held_up, settings) == []
    held_up.engine.dispose()
    with store.read() as conn:
        assert [run.state for run in runs.list_runs(conn)] == ["rejected"]


def test_desks_rules_hold_a_run_back_say_why_and_let_it_go_in_time(
    store: Store, settings: Settings, clock: Clock
) -> None:
    save(store, quiet_hours="08:00-10:00", cooldown_h=24, budget_gpu_s=1000, training_channel="C9")
    approve(store, range(20))
    assert queue_due_runs(store, settings) == []
    assert read_outlook(store) == Outlook("support", False, "quiet hours until 10:00 (UTC)", clock())
    clock.advance(seconds=HOUR_S)
    [first] = queue_due_runs(store, settings)
    assert read_outlook(store) == Outlook("support", True, "20 new pairs", clock())
    queue_due_runs(store, settings)
    assert read_outlook(store).why == f"{first} is queued"
    with store.read() as conn:
        assert runs.load_run(conn, first).announce_channel == "C9"
    end_run(store, gpu_s=600)
    approve(store, range(20, 40))
    assert queue_due_runs(store, settings) == []
    assert read_outlook(store).why == f"cooldown after {first} until 2026-03-03 10:00 UTC"
    clock.advance(seconds=26 * HOUR_S)
    assert queue_due_runs(store, settings) == []
    assert "600 of 1,000 GPU seconds are used and a run takes about 600" in read_outlook(store).why
    clock.advance(seconds=30 * 24 * HOUR_S)  # next month
    assert len(queue_due_runs(store, settings)) == 1


def test_desk_with_a_zone_this_machine_does_not_know_keeps_no_other_from_training(
    store: Store, settings: Settings
) -> None:
    save(store)
    approve(store, range(20))
    with store.write() as conn:
        stray = replace(DESK, desk_id="billing", channels=("C2",), quiet_hours="22:00-07:00", time_zone="Mars/Olympus")
        desks.save_desk(conn, stray)
        conn.exec_driver_sql("UPDATE desks SET threshold = 0 WHERE desk_id = 'billing'")
    assert len(queue_due_runs(store, settings)) == 1


def test_replacement_keeps_quiet_hours_but_waits_for_no_budget(store: Store, settings: Settings, clock: Clock) -> None:
    """What learned from someone who was forgotten goes, whatever it costs."""
    save(store, quiet_hours="08:00-10:00", cooldown_h=1000, budget_gpu_s=1, training_channel="C9")
    approve(store, range(20))
    with store.write() as conn:
        runs.open_run(conn, desk_id="support", reason="threshold", now=store.now())
    run = end_run(store, gpu_s=500, state="passed")
    with store.write() as conn:
        row = {"path": "/a", "manifest_hash": "0", "base_model": "b"}
        now = clock.advance(seconds=1)
        adapters.add_adapter(conn, name="support-0001", desk_id="support", run_id=run.run_id, now=now, **row)
        adapters.mark_proven(conn, "support-0001", now=now)
        adapters.promote(conn, "support-0001", now=now)
        conn.exec_driver_sql("UPDATE adapters SET replace_since = live_at")
    assert queue_due_runs(store, settings) == []
    clock.advance(seconds=HOUR_S)
    [run_id] = queue_due_runs(store, settings)
    with store.read() as conn:
        replacing = runs.load_run(conn, run_id)
    assert (replacing.reason, replacing.announce_channel) == ("forget", "C9")
