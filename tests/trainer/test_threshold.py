"""When a run starts by itself."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.trainer.installation import DESK, make_installation
from thumbtune.core.records import RunState, TrainingRun
from thumbtune.trainer.scheduler import look_at_desk
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


def test_run_waits_until_enough_pairs_are_left_to_train_on(tmp_path: Path, tiny_base: Path) -> None:
    """Of 60 active pairs about a quarter are held out; the run must not start only to fail."""
    installation = make_installation(tmp_path, tiny_base, min_pairs=58)
    desk = replace(DESK, threshold=10)
    due = look_at_desk(installation.store, desk, settings=installation.settings)
    assert not due.is_due
    assert re.fullmatch(r"\d\d of at least 58 pairs that can be trained on", due.why)
    installation.add_pairs(range(100, 140))
    assert look_at_desk(installation.store, desk, settings=installation.settings).is_due
    installation.store.engine.dispose()
