"""When a run starts by itself."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.trainer.installation import DESK, make_installation
from tests.trainer.samples import QUESTIONS
from thumbtune.core.records import RunState, TrainingRun
from thumbtune.trainer.scheduler import look_at_desk
from thumbtune.trainer.threshold import PAUSE_AFTER, Spending, decide_budget, decide_cooldown, decide_due, decide_quiet

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
RUN = TrainingRun(
    run_id="run-1",
    desk_id="support",
    state="passed",
    reason="threshold",
    requested_by="",
    examples=0,
    held_out=0,
    snapshot_hash="",
    nll_base=None,
    nll_live=None,
    nll_candidate=None,
    gate={},
    adapter=None,
    message="",
    phase="",
    progress=1.0,
    eta_s=None,
    attempts=1,
    fence=1,
    cancel_requested=False,
    announce_channel=None,
    created_at=NOW,
    started_at=NOW,
    finished_at=NOW,
)


def is_due(new_pairs: int, *, active_pairs: int = 500, last_run: TrainingRun | None = None) -> bool:
    limits = {"threshold": 200, "min_pairs": 20}
    return decide_due(new_pairs=new_pairs, active_pairs=active_pairs, last_run=last_run, now=NOW, **limits).is_due


def test_run_is_due_at_the_threshold_and_not_before() -> None:
    assert not is_due(199)
    assert is_due(200)
    assert is_due(200, last_run=RUN)


def test_nothing_is_due_below_the_least_number_of_pairs() -> None:
    due = decide_due(new_pairs=5, active_pairs=5, threshold=1, min_pairs=20, last_run=None, now=NOW)
    assert not due.is_due
    assert due.why == "5 of at least 20 pairs"


@pytest.mark.parametrize("state", ["queued", "running", "evaluating"])
def test_open_run_keeps_another_from_starting(state: RunState) -> None:
    assert not is_due(900, last_run=replace(RUN, state=state, finished_at=None))


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_failed_or_cancelled_run_is_not_begun_again_at_every_tick(state: RunState) -> None:
    ended = replace(RUN, state=state)
    assert not is_due(900, last_run=ended)
    assert not is_due(900, last_run=replace(ended, finished_at=NOW - PAUSE_AFTER[state] + timedelta(seconds=1)))
    assert is_due(900, last_run=replace(ended, finished_at=NOW - PAUSE_AFTER[state]))


def test_quiet_hours_are_those_of_the_desks_clock() -> None:
    desk = replace(DESK, quiet_hours="22:00-07:00", time_zone="America/Los_Angeles")
    due = decide_quiet(desk, now=NOW)  # 01:00 there
    assert (due.is_due, due.why) == (False, "quiet hours until 07:00 (America/Los_Angeles)")
    assert decide_quiet(replace(desk, time_zone="Europe/Berlin"), now=NOW).is_due
    assert decide_quiet(DESK, now=NOW).is_due
    assert "IANA name" in decide_quiet(replace(desk, time_zone="Mars/Olympus"), now=NOW).why


def test_cooldown_counts_from_the_last_run_that_started_by_itself() -> None:
    desk = replace(DESK, cooldown_h=12)
    assert decide_cooldown(desk, last_by_itself=None, now=NOW).is_due
    due = decide_cooldown(desk, last_by_itself=RUN, now=NOW + timedelta(hours=12, seconds=-1))
    assert (due.is_due, due.why) == (False, "cooldown after run-1 until 2026-11-21 21:00 UTC")
    assert decide_cooldown(desk, last_by_itself=RUN, now=NOW + timedelta(hours=12)).is_due
    assert decide_cooldown(DESK, last_by_itself=RUN, now=NOW).is_due


@pytest.mark.parametrize(
    ("limits", "used_s", "next_s", "why"),
    [
        ({}, 1e9, 1e9, ""),
        ({"budget_gpu_s": 3600}, 3000, 600, ""),
        ({"budget_gpu_s": 3600}, 3000, 601, "3,000 of 3,600 GPU seconds are used and a run takes about 601"),
        ({"budget_gpu_s": 3600}, 3600, 0, "3,600 of 3,600 GPU seconds are used"),
        ({"budget_money": 10}, 9000, 9000, ""),
        ({"budget_money": 10}, 9000, 9001, "5.00 of 10.00 is spent and a run costs about 5.00"),
        ({"budget_gpu_s": 1e6, "budget_money": 10}, 18000, 0, "10.00 of 10.00 is spent"),
    ],
)
def test_run_over_the_months_budget_is_not_due_and_says_by_how_much(
    limits: dict[str, float], used_s: float, next_s: float, why: str
) -> None:
    spending = Spending(used_s, next_s, price_per_hour=2.0)
    due = decide_budget(replace(DESK, **limits), spending=spending)  # type: ignore[arg-type]  # numbers only
    assert due.is_due is not bool(why)
    assert why in due.why


def test_budget_of_money_without_a_price_lets_no_run_start() -> None:
    unpriced = Spending(used_s=1e9, next_s=1e9, price_per_hour=0.0)
    due = decide_budget(replace(DESK, budget_money=10.0), spending=unpriced)
    assert not due.is_due
    assert "THUMBTUNE_GPU_PRICE_PER_HOUR" in due.why
    assert decide_budget(replace(DESK, budget_gpu_s=1e10), spending=unpriced).is_due


def test_run_waits_until_enough_pairs_are_left_to_train_on(tmp_path: Path, tiny_base: Path) -> None:
    """Of 60 active pairs five are copies, which are not trained on; the run must not start only to fail."""
    installation = make_installation(tmp_path, tiny_base, pairs=55, min_pairs=58)
    for thread in range(200, 205):
        installation.add_pair(thread, question=f"{QUESTIONS[0]} (0)", reply="Hello! Lamp 0 is fine. Bye 0.")
    desk = replace(DESK, threshold=10)
    due = look_at_desk(installation.store, desk, settings=installation.settings)
    assert not due.is_due
    assert re.fullmatch(r"\d\d of at least 58 pairs that can be trained on", due.why)
    installation.add_pairs(range(100, 140))
    assert look_at_desk(installation.store, desk, settings=installation.settings).is_due
    installation.store.engine.dispose()
