"""When a run starts by itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from thumbtune.core.records import RunState, TrainingRun
from thumbtune.trainer.threshold import PAUSE_AFTER, decide_due

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
