"""Decides whether a desk's next training run is due.

It does not know the store or the clock: it is given numbers and returns an answer with its reason.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from thumbtune.core.errors import BadInput
from thumbtune.core.records import Adapter, Desk, TrainingRun
from thumbtune.trainer.timetable import is_quiet, load_zone, read_quiet_hours

PAUSE_AFTER = {"failed": timedelta(hours=1), "cancelled": timedelta(hours=24)}
"""How long no run starts by itself after one that ended like this; `/retrain` does not wait."""

NO_PRICE = (
    "the month's budget of money has no price to count by: set THUMBTUNE_GPU_PRICE_PER_HOUR, or the budget to 0 "
    "(desks set --budget-money 0)"
)


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


@dataclass(frozen=True)
class Spending:
    """What a desk's runs of this month used, and what one more is expected to: seconds of training."""

    used_s: float
    next_s: float
    price_per_hour: float


def decide_quiet(desk: Desk, *, now: datetime) -> Due:
    """Return whether the desk's clock lets a run start by itself."""
    if not desk.quiet_hours:
        return Due(True, "")
    try:
        hours, zone = read_quiet_hours(desk.quiet_hours), load_zone(desk.time_zone)
    except BadInput as exc:
        return Due(False, str(exc))
    if is_quiet(now, hours, zone=zone):
        return Due(False, f"quiet hours until {hours[1]:%H:%M} ({desk.time_zone})")
    return Due(True, "")


def decide_cooldown(desk: Desk, *, last_by_itself: TrainingRun | None, now: datetime) -> Due:
    """Return whether the last run that started by itself is long enough ago."""
    if last_by_itself is not None:
        again_at = last_by_itself.created_at + timedelta(hours=desk.cooldown_h)
        if now < again_at:
            return Due(False, f"cooldown after {last_by_itself.run_id} until {again_at:%Y-%m-%d %H:%M} UTC")
    return Due(True, "")


def decide_budget(desk: Desk, *, spending: Spending) -> Due:
    """Return whether one more run fits what the desk may use in a month."""
    used, more, budget = spending.used_s, spending.next_s, desk.budget_gpu_s
    if budget and (used >= budget or used + more > budget):
        figures = f"{used:,.0f} of {budget:,.0f} GPU seconds are used and a run takes about {more:,.0f}"
        return Due(False, f"over the month's budget: {figures}")
    if desk.budget_money and not spending.price_per_hour:
        return Due(False, NO_PRICE)
    price = spending.price_per_hour / 3600
    used, more, budget = used * price, more * price, desk.budget_money
    if budget and (used >= budget or used + more > budget):
        figures = f"{used:,.2f} of {budget:,.2f} is spent and a run costs about {more:,.2f}"
        return Due(False, f"over the month's budget: {figures}")
    return Due(True, "")


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
