"""How far each channel has been compared with Slack: one sweep at a time, by lease, taken up where it stopped.

It does not know what a sweep looks at.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from thumbtune.core.store.engine import insert_row
from thumbtune.core.store.schema import backfills


@dataclass(frozen=True)
class Sweep:
    """A channel to be compared with Slack, held by lease."""

    channel_id: str
    swept_at: datetime | None
    """When the last whole sweep began; None before the first."""
    threads_done: frozenset[str]
    """Threads that this sweep, stopped before its end, has compared already."""


def claim_sweep(
    conn: sa.Connection,
    *,
    team_id: str,
    channel_id: str,
    owner: str,
    due_before: datetime,
    now: datetime,
    lease_s: float,
) -> Sweep | None:
    """Lease a channel whose last whole sweep began before `due_before`; None when it is not due or someone is at it."""
    row = {"team_id": team_id, "channel_id": channel_id, "threads_done": []}
    conn.execute(insert_row(conn, backfills).values(row).on_conflict_do_nothing())
    free = sa.and_(
        backfills.c.team_id == team_id,
        backfills.c.channel_id == channel_id,
        sa.or_(backfills.c.swept_at.is_(None), backfills.c.swept_at < due_before),
        sa.or_(backfills.c.lease_until.is_(None), backfills.c.lease_until < now),
    )
    values = {"lease_owner": owner, "lease_until": now + timedelta(seconds=lease_s)}
    claimed = sa.update(backfills).where(free).values(values).returning(backfills)
    found = conn.execute(claimed).first()
    return Sweep(channel_id, found.swept_at, frozenset(found.threads_done)) if found else None


def save_sweep(
    conn: sa.Connection,
    *,
    team_id: str,
    channel_id: str,
    owner: str,
    threads_done: frozenset[str],
    now: datetime,
    lease_s: float,
) -> bool:
    """Keep what a sweep has done and its lease; return whether it still held it."""
    values = {"threads_done": sorted(threads_done), "lease_until": now + timedelta(seconds=lease_s)}
    return _update(conn, team_id, channel_id, owner, values)


def finish_sweep(conn: sa.Connection, *, team_id: str, channel_id: str, owner: str, began_at: datetime) -> bool:
    """Note that a whole sweep which began then is done; return whether it was still held."""
    values = {"swept_at": began_at, "threads_done": [], "lease_owner": None, "lease_until": None}
    return _update(conn, team_id, channel_id, owner, values)


def _update(conn: sa.Connection, team_id: str, channel_id: str, owner: str, values: dict[str, object]) -> bool:
    mine = sa.and_(
        backfills.c.team_id == team_id, backfills.c.channel_id == channel_id, backfills.c.lease_owner == owner
    )
    return conn.execute(sa.update(backfills).where(mine).values(values)).rowcount > 0
