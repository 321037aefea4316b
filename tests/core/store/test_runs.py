from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import Clock
from thumbtune.core.errors import LeaseLost
from thumbtune.core.records import TrainingRun
from thumbtune.core.store import Store, runs

pytestmark = pytest.mark.usefixtures("desk")


def open_one(store: Store, reason: str = "retrain") -> tuple[TrainingRun, bool]:
    with store.write() as conn:
        return runs.open_run(conn, desk_id="support", reason=reason, now=store.now())


def claim(store: Store, owner: str = "trainer-1") -> TrainingRun | None:
    with store.write() as conn:
        return runs.claim_run(conn, owner=owner, now=store.now(), lease_s=30)


def test_fifty_requests_at_once_open_one_run(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: open_one(store), range(50)))
    assert sum(is_new for _, is_new in opened) == 1
    assert len({run.run_id for run, _ in opened}) == 1


def test_two_trainers_never_hold_one_run(store: Store) -> None:
    open_one(store)
    with ThreadPoolExecutor(8) as pool:
        held = list(pool.map(lambda number: claim(store, f"trainer-{number}"), range(8)))
    assert sum(run is not None for run in held) == 1


def test_trainer_that_slept_past_its_lease_can_write_no_more(store: Store, clock: Clock) -> None:
    open_one(store)
    slow = claim(store, "slow")
    clock.advance(seconds=31)
    quick = claim(store, "quick")
    assert slow is not None
    assert quick is not None
    assert (quick.run_id, quick.attempts, quick.started_at) == (slow.run_id, 2, slow.started_at)
    with store.write() as conn, pytest.raises(LeaseLost):
        runs.finish_run(conn, slow, state="passed", message="", now=store.now())
    with store.write() as conn:
        assert not runs.beat(conn, quick, now=store.now(), lease_s=30, phase="finetune", progress=0.5, eta_s=9.0)
        runs.finish_run(conn, quick, state="passed", message="Better.", now=store.now(), adapter="support-0001")
        done = runs.load_run(conn, quick.run_id)
    assert (done.state, done.progress, done.adapter, done.message) == ("passed", 1.0, "support-0001", "Better.")
    assert open_one(store)[1]


def test_waiting_run_is_cancelled_at_once_and_a_held_one_is_told(store: Store) -> None:
    waiting, _ = open_one(store)
    with store.write() as conn:
        assert runs.request_cancel(conn, waiting.run_id, now=store.now()).state == "cancelled"
    open_one(store)
    held = claim(store)
    assert held is not None
    with store.write() as conn:
        assert runs.request_cancel(conn, held.run_id, now=store.now()).state == "queued"
        assert runs.beat(conn, held, now=store.now(), lease_s=30, phase="finetune", progress=0.1, eta_s=None)


def test_released_run_is_claimed_again_without_counting_an_attempt(store: Store) -> None:
    open_one(store)
    held = claim(store)
    assert held is not None
    with store.write() as conn:
        runs.release_run(conn, held)
    again = claim(store, "trainer-2")
    assert again is not None
    assert again.attempts == 1


def test_run_is_announced_until_slack_knows_its_end(store: Store) -> None:
    with store.write() as conn:
        run, _ = runs.open_run(conn, desk_id="support", reason="retrain", now=store.now(), announce_channel="C1")
        assert [(item.run_id, told) for item, told in runs.list_unannounced_runs(conn)] == [(run.run_id, "")]
        runs.mark_announced(conn, run.run_id, announced="closed")
        assert runs.list_unannounced_runs(conn) == []
