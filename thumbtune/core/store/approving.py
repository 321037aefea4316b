"""Finds approvals that came faster, or more in a day, than one person can have read.

It does not know what follows. Times are Slack's own; an approval whose time is not known is never counted.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from thumbtune.core.records import Finding
from thumbtune.core.settings import Settings
from thumbtune.core.store.schema import pairs


@dataclass(frozen=True)
class TimedApproval:
    """Who approved a pair of which desk, and when."""

    desk_id: str
    approved_by: str
    approved_at: datetime


_AT = pairs.c.approved_at
_BY_SAME = sa.and_(
    pairs.c.desk_id == sa.bindparam("desk_id"),
    pairs.c.approved_by == sa.bindparam("approved_by"),
    # What a person has left out counts still, what was taken back does not.
    sa.or_(pairs.c.state != "withdrawn", pairs.c.decided_by != ""),
)
_BEFORE = (
    sa.select(pairs.c.pair_id, _AT)
    .where(_BY_SAME, sa.bindparam("begin") <= _AT, sa.bindparam("approved_at") >= _AT)
    .order_by(_AT.desc())
    .limit(sa.bindparam("most"))
)
_AFTER = (
    sa.select(pairs.c.pair_id, _AT)
    .where(_BY_SAME, sa.bindparam("approved_at") < _AT, sa.bindparam("end") >= _AT)
    .order_by(_AT)
    .limit(sa.bindparam("most"))
)
_EARLIER = (
    sa.select(pairs.c.pair_id)
    .where(_BY_SAME, sa.bindparam("day") <= _AT, sa.bindparam("approved_at") > _AT)
    .limit(sa.bindparam("cap"))
)
_AROUND = sa.union_all(sa.select(_BEFORE.subquery()), sa.select(_AFTER.subquery())).subquery()
_LOOK = sa.select(
    _AROUND.c.pair_id,
    _AROUND.c.approved_at,
    sa.select(sa.func.count()).select_from(_EARLIER.subquery()).scalar_subquery().label("earlier"),
)


def watch_approver(
    conn: sa.Connection, approval: TimedApproval, *, settings: Settings
) -> tuple[list[int], Finding | None]:
    """Return the pairs that make a burst with a stored approval, its own among them, and what its day says, if anything."""
    if not (settings.burst_approvals or settings.approvals_per_day):
        return [], None
    window = timedelta(seconds=settings.burst_window_s)
    limits = {
        "begin": approval.approved_at - window,
        "end": approval.approved_at + window,
        "most": settings.burst_approvals + 1,
        "day": approval.approved_at.replace(hour=0, minute=0, second=0, microsecond=0),
        "cap": settings.approvals_per_day,
    }
    rows = conn.execute(_LOOK, {**asdict(approval), **limits}).all()
    in_order = sorted(rows, key=lambda row: row.approved_at)
    burst = _find_dense(in_order, most=settings.burst_approvals, window=window) if settings.burst_approvals else []
    over_cap = None
    if settings.approvals_per_day and any(row.earlier >= settings.approvals_per_day for row in rows):
        told = f"the same person had approved {settings.approvals_per_day} replies that day already"
        over_cap = Finding("over_cap", told, holds=True)
    return burst, over_cap


def explain_burst(settings: Settings) -> Finding:
    """Return what to say of each approval of a burst."""
    figures = f"more than {settings.burst_approvals} approvals by one person within {settings.burst_window_s:g} seconds"
    return Finding("burst", f"one of {figures}", holds=True)


def _find_dense(rows: Sequence[sa.Row[Any, Any, Any]], *, most: int, window: timedelta) -> list[int]:
    """Return the ids in any stretch of more than `most` rows that is no longer than the window; rows come in order."""
    dense: set[int] = set()
    for start, (first, last) in enumerate(zip(rows, rows[most:], strict=False)):
        if last.approved_at - first.approved_at <= window:
            dense.update(row.pair_id for row in rows[start : start + most + 1])
    return sorted(dense)
