"""Calls to Slack that must happen exactly once: committed first, sent after, looked up when the outcome is unknown.

It does not know Slack's methods.
"""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from thumbtune.core.errors import ConfigError
from thumbtune.core.records import Post
from thumbtune.core.sealing import Sealer
from thumbtune.core.store.prepared import prepare_insert_of_new
from thumbtune.core.store.schema import outbox

OTHER_KEY = "sealed with another key"

_ADD = prepare_insert_of_new(outbox)


def add_post(
    conn: sa.Connection,
    sealer: Sealer,
    *,
    dedupe_key: str,
    method: str,
    channel_id: str,
    payload: dict[str, Any],  # Any: Slack's JSON
    now: datetime,
) -> bool:
    """Store a call to make; a second one with the same key is ignored. Returns whether it is new."""
    values = {
        "dedupe_key": dedupe_key,
        "method": method,
        "channel_id": channel_id,
        "sealed_payload": sealer.seal(payload),
        "state": "pending",
        "not_before": now,
        "created_at": now,
    }
    return _ADD.changes_a_row(conn, values)


def claim_posts(
    conn: sa.Connection, sealer: Sealer, *, owner: str, limit: int, now: datetime, lease_s: float
) -> list[Post]:
    """Lease up to `limit` calls that are due: messages before bookkeeping such as reactions, oldest first.

    A call found in state `sending` was begun by a process that died: it comes back as `unknown`. What was sealed with
    another key is set aside as failed, and the rest goes on.
    """
    free = (
        sa.select(outbox)
        .where(outbox.c.state.in_(("pending", "sending", "unknown")), outbox.c.not_before <= now)
        .where(sa.or_(outbox.c.lease_until.is_(None), outbox.c.lease_until < now))
        .order_by(sa.case((outbox.c.method.like("chat.%"), 0), else_=1), outbox.c.post_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    payloads: dict[int, Any] = {}  # Any: Slack's JSON
    rows = []
    for row in conn.execute(free).all():
        which = sa.update(outbox).where(outbox.c.post_id == row.post_id)
        try:
            payloads[row.post_id] = sealer.open(row.sealed_payload)
        except ConfigError:
            conn.execute(which.values(state="failed", error=OTHER_KEY))
            continue
        rows.append(row)
        values = {
            "state": "sending" if row.state == "pending" else "unknown",
            "attempts": row.attempts + 1,
            "lease_owner": owner,
            "lease_until": now + timedelta(seconds=lease_s),
        }
        conn.execute(which.values(values))
    return [
        Post(
            post_id=row.post_id,
            dedupe_key=row.dedupe_key,
            method=row.method,
            payload=payloads[row.post_id],
            state="sending" if row.state == "pending" else "unknown",
            attempts=row.attempts + 1,
        )
        for row in rows
    ]


def mark_sent(conn: sa.Connection, post_id: int, *, owner: str, slack_ts: str | None) -> bool:
    """Settle a call that happened and erase its payload; like all that settle, False when another took it over."""
    return _settle(conn, post_id, owner=owner, state="sent", slack_ts=slack_ts, sealed_payload=None)


def mark_failed(conn: sa.Connection, post_id: int, *, owner: str, error: str) -> bool:
    """Set a call aside that Slack refused for good, and erase its payload; `error` is Slack's code."""
    return _settle(conn, post_id, owner=owner, state="failed", error=error, sealed_payload=None)


def mark_unknown(conn: sa.Connection, post_id: int, *, owner: str, retry_at: datetime, error: str) -> bool:
    """Note that the call may or may not have happened; it is looked up before anything is sent again."""
    return _settle(conn, post_id, owner=owner, state="unknown", not_before=retry_at, error=error)


def postpone_post(conn: sa.Connection, post_id: int, *, owner: str, retry_at: datetime, error: str) -> bool:
    """Note that the call surely did not happen and may be sent again after `retry_at`."""
    return _settle(conn, post_id, owner=owner, state="pending", not_before=retry_at, error=error)


def find_post(conn: sa.Connection, dedupe_key: str) -> tuple[str, str | None] | None:
    """Return the state and Slack `ts` of a call, if it was ever stored."""
    row = conn.execute(sa.select(outbox.c.state, outbox.c.slack_ts).where(outbox.c.dedupe_key == dedupe_key)).first()
    return (row.state, row.slack_ts) if row else None


def count_posts(conn: sa.Connection) -> dict[str, int]:
    """Return how many calls are in each state."""
    rows = conn.execute(sa.select(outbox.c.state, sa.func.count().label("rows")).group_by(outbox.c.state))
    return {row.state: row.rows for row in rows}


def _settle(conn: sa.Connection, post_id: int, *, owner: str, **values: object) -> bool:
    values |= {"lease_owner": None, "lease_until": None}
    mine = (outbox.c.post_id == post_id) & (outbox.c.lease_owner == owner)
    return bool(conn.execute(sa.update(outbox).where(mine).values(values)).rowcount)
