"""Decides whether a desk's next training run is due.

It does not know the store or the clock: it is given numbers and returns an answer with its reason.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from thumbtune.core.records import Adapter, TrainingRun

PAUSE_AFTER = {"failed": timedelta(hours=1), "cancelled": timedelta(hours=24)}
"""How long no run starts by itself after one that ended like this; `/retrain` does not wait."""


@dataclass(frozen=True)
class Due:
    """Whether a run is due, and why or why not."""

    is_due: bool
    why: str


def decide_due(
    *, new_pairs: int, active_pairs: int, threshold: int, min_pairs: int, last_run: TrainingRun | None, now: datetime
) -> Due:
    """Return whether a run should start by itself: enough new pairs, enough in all, none open, none just failed."""
    if last_run is not None and last_run.finished_at is None:
        return Due(False, f"{last_run.run_id} is {last_run.state}")
    if active_pairs < min_pairs:
        return Due(False, f"{active_pairs} of at least {min_pairs} pairs")
    if new_pairs < threshold:
        return Due(False, f"{new_pairs} of {threshold} new pairs")
    if last_run is not None and last_run.finished_at is not None and last_run.state in PAUSE_AFTER:
        again_at = last_run.finished_at + PAUSE_AFTER[last_run.state]
        if now < again_at:
            return Due(False, f"{last_run.run_id} {last_run.state}; next try at {again_at:%Y-%m-%d %H:%M} UTC")
    return Due(True, f"{new_pairs} new pairs")


def decide_replacement(
    *, live: Adapter | None, waiting: Adapter | None, last_run: TrainingRun | None, now: datetime
) -> Due:
    """Return whether a run should start because the live adapter learned from someone who was forgotten.

    One that was judged since and did not replace it is not repeated: what it takes is more approvals.
    """
    if live is None or live.replace_since is None:
        return Due(False, "nothing has to be replaced")
    if waiting is not None:
        return Due(False, f"{waiting.name} is about to go live")
    if last_run is not None and last_run.finished_at is None:
        return Due(False, f"{last_run.run_id} is {last_run.state}")
    if last_run is not None and last_run.created_at >= live.replace_since:
        again_after = PAUSE_AFTER.get(last_run.state)
        if again_after is None or last_run.finished_at is None or now < last_run.finished_at + again_after:
            return Due(False, f"{last_run.run_id} {last_run.state}")
    return Due(True, f"{live.name} learned from someone who was forgotten")
