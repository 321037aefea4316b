"""What Slack sent, kept until it is worked on: one row an event, claimed by lease.

It does not know what an event means.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from thumbtune.core.errors import ConfigError
from thumbtune.core.records import EventKind, InboxEvent
from thumbtune.core.sealing import Sealer
from thumbtune.core.store.engine import changes_a_row, insert_row
from thumbtune.core.store.schema import inbox

OTHER_KEY = "sealed with another key"


def add_event(
    conn: sa.Connection,
    sealer: Sealer,
    *,
    team_id: str,
    event_key: str,
    kind: EventKind,
    name: str,
    body: dict[str, Any],  # Any: Slack's JSON
    now: datetime,
) -> bool:
    """Store an event unless this team already sent one with the same key; return whether it is new."""
    statement = insert_row(conn, inbox).values(
        team_id=team_id, event_key=event_key, kind=kind, name=name, sealed_body=sealer.seal(body), received_at=now
    )
    return changes_a_row(conn, statement.on_conflict_do_nothing())


def claim_events(
    conn: sa.Connection,
    sealer: Sealer,
    *,
    owner: str,
    limit: int,
    now: datetime,
    lease_s: float,
    names: Collection[str] | None = None,
    but_names: Collection[str] = (),
) -> list[InboxEvent]:
    """Lease up to `limit` events, oldest first, that nobody works on: of these names, or of all but those.

    What was sealed with another key is set aside, and the rest goes on.
    """
    free = (
        sa.select(inbox)
        .where(inbox.c.state.in_(("received", "working")))
        .where(inbox.c.name.in_(names) if names is not None else inbox.c.name.not_in(but_names))
        .where(sa.or_(inbox.c.lease_until.is_(None), inbox.c.lease_until < now))
        .order_by(inbox.c.inbox_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    bodies: dict[int, Any] = {}  # Any: Slack's JSON
    rows = []
    for row in conn.execute(free).all():
        try:
            bodies[row.inbox_id] = sealer.open(row.sealed_body)
            rows.append(row)
        except ConfigError:
            which = sa.update(inbox).where(inbox.c.inbox_id == row.inbox_id)
            conn.execute(which.values(state="dead", error=OTHER_KEY, done_at=now))
    if rows:
        conn.execute(
            sa.update(inbox)
            .where(inbox.c.inbox_id.in_([row.inbox_id for row in rows]))
            .values(
                state="working",
                attempts=inbox.c.attempts + 1,
                lease_owner=owner,
                lease_until=now + timedelta(seconds=lease_s),
            )
        )
    return [
        InboxEvent(
            inbox_id=row.inbox_id,
            team_id=row.team_id,
            kind=row.kind,
            name=row.name,
            body=bodies[row.inbox_id],
            attempts=row.attempts + 1,
            received_at=row.received_at,
        )
        for row in rows
    ]


def extend_leases(conn: sa.Connection, inbox_ids: list[int], *, owner: str, now: datetime, lease_s: float) -> int:
    """Keep events leased for longer while they are worked on; return how many this owner still held."""
    mine = inbox.c.inbox_id.in_(inbox_ids) & (inbox.c.state == "working") & (inbox.c.lease_owner == owner)
    until = now + timedelta(seconds=lease_s)
    return conn.execute(sa.update(inbox).where(mine).values(lease_until=until)).rowcount


def finish_events(conn: sa.Connection, inbox_ids: list[int], *, owner: str, now: datetime) -> int:
    """Mark events done and erase their bodies; return how many this owner still held."""
    mine = inbox.c.inbox_id.in_(inbox_ids) & (inbox.c.lease_owner == owner)
    values = {"state": "done", "done_at": now, "sealed_body": None, "lease_until": None}
    return conn.execute(sa.update(inbox).where(mine).values(values)).rowcount


def postpone_event(
    conn: sa.Connection, inbox_id: int, *, owner: str, until: datetime, error: str, counts: bool = True
) -> None:
    """Give an event back to be tried again after `until`; `error` is a class name, never a text of Slack's.

    One that only had to wait does not count as an attempt, but for the first: then it is known to have been tried.
    """
    mine = (inbox.c.inbox_id == inbox_id) & (inbox.c.lease_owner == owner)
    tried = inbox.c.attempts if counts else sa.case((inbox.c.attempts > 1, inbox.c.attempts - 1), else_=1)
    values = {"state": "received", "attempts": tried, "lease_until": until, "lease_owner": None, "error": error}
    conn.execute(sa.update(inbox).where(mine).values(values))


def bury_event(conn: sa.Connection, inbox_id: int, *, owner: str, error: str, now: datetime) -> bool:
    """Set an event aside for good, keeping its sealed body for whoever looks into it; False when it was taken over."""
    mine = (inbox.c.inbox_id == inbox_id) & (inbox.c.lease_owner == owner)
    buried = conn.execute(sa.update(inbox).where(mine).values(state="dead", error=error, done_at=now, lease_until=None))
    return bool(buried.rowcount)


def count_events(conn: sa.Connection) -> dict[str, int]:
    """Return how many events are in each state: received, working, done, dead."""
    rows = conn.execute(sa.select(inbox.c.state, sa.func.count().label("rows")).group_by(inbox.c.state))
    return {row.state: row.rows for row in rows}


def count_received(conn: sa.Connection) -> int:
    """Return how many events were ever taken in; cheap however many there are."""
    return int(conn.execute(sa.select(sa.func.coalesce(sa.func.max(inbox.c.inbox_id), 0))).scalar_one())


def forget_done_events(conn: sa.Connection, *, before: datetime) -> int:
    """Delete events done before this time; their keys guard against Slack's retries only for minutes."""
    return conn.execute(sa.delete(inbox).where(inbox.c.state == "done", inbox.c.done_at < before)).rowcount
