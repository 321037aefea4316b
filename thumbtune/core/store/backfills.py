"""How far each channel has been compared with Slack: one sweep at a time, by lease, taken up where it stopped.

It does not know how a thread is compared.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from thumbtune.core.store.engine import insert_row
from thumbtune.core.store.schema import backfills, messages, pairs


@dataclass(frozen=True)
class Sweep:
    """A channel to be compared with Slack, held by lease."""

    channel_id: str
    began_at: datetime
    """When this sweep began at first, however often it was stopped since."""
    swept_at: datetime | None
    """When the last whole sweep began; None before the first."""
    threads_done: frozenset[str]
    """Threads that this sweep, stopped before its end, has been at already."""
    threads_failed: frozenset[str]
    """Threads that could not be compared, by this sweep or the one before."""


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
    row = {"team_id": team_id, "channel_id": channel_id, "threads_done": {}}
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
    if found is None:
        return None
    # A bare list was left by a version that did not note when a sweep began: that sweep starts anew.
    kept: dict[str, Any] = found.threads_done if isinstance(found.threads_done, dict) else {}  # Any: JSON
    done, failed = frozenset(kept.get("done", ())), frozenset(kept.get("failed", ()))
    began_at = datetime.fromisoformat(kept["began_at"]) if done else now
    return Sweep(channel_id, began_at, found.swept_at, done, failed)


def save_sweep(
    conn: sa.Connection,
    *,
    team_id: str,
    channel_id: str,
    owner: str,
    began_at: datetime,
    threads_done: Collection[str],
    threads_failed: Collection[str],
    now: datetime,
    lease_s: float,
) -> bool:
    """Keep what a sweep has done and its lease; return whether it still held it."""
    kept = {"began_at": began_at.isoformat(), "done": sorted(threads_done), "failed": sorted(threads_failed)}
    values = {"threads_done": kept, "lease_until": now + timedelta(seconds=lease_s)}
    return _update(conn, team_id, channel_id, owner, values)


def finish_sweep(
    conn: sa.Connection,
    *,
    team_id: str,
    channel_id: str,
    owner: str,
    began_at: datetime,
    threads_failed: Collection[str] = (),
) -> bool:
    """Note that a whole sweep which began then is done, and what the next has to try again; return whether it was held."""
    kept = {"failed": sorted(threads_failed)}
    values = {"swept_at": began_at, "threads_done": kept, "lease_owner": None, "lease_until": None}
    return _update(conn, team_id, channel_id, owner, values)


def list_roots(conn: sa.Connection, *, team_id: str, channel_id: str, from_ts: str) -> dict[str, str]:
    """Return the revisions of the messages that begin a thread, from one on, by `ts`; without those deleted."""
    query = sa.select(messages.c.ts, messages.c.revision).where(
        messages.c.team_id == team_id,
        messages.c.channel_id == channel_id,
        messages.c.ts >= from_ts,
        messages.c.thread_ts == messages.c.ts,
        sa.not_(messages.c.deleted),
    )
    return {row.ts: row.revision for row in conn.execute(query)}


def list_paired(conn: sa.Connection, *, team_id: str, channel_id: str, from_ts: str) -> set[str]:
    """Return the threads with a pair that is not withdrawn, of replies from one on."""
    query = sa.select(pairs.c.thread_ts).where(
        pairs.c.team_id == team_id,
        pairs.c.channel_id == channel_id,
        pairs.c.reply_ts >= from_ts,
        pairs.c.state != "withdrawn",
    )
    return set(conn.execute(query.distinct()).scalars())


def _update(conn: sa.Connection, team_id: str, channel_id: str, owner: str, values: dict[str, object]) -> bool:
    mine = sa.and_(
        backfills.c.team_id == team_id, backfills.c.channel_id == channel_id, backfills.c.lease_owner == owner
    )
    return conn.execute(sa.update(backfills).where(mine).values(values)).rowcount > 0
