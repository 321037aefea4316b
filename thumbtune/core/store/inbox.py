"""What Slack sent, kept until it is worked on: one row an event, claimed by lease.

It does not know what an event means.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from thumbtune.core.errors import ConfigError
from thumbtune.core.records import DeadEvent, EventKind, InboxEvent
from thumbtune.core.sealing import Sealer
from thumbtune.core.store.prepared import Prepared, prepare_insert_of_new
from thumbtune.core.store.schema import inbox

OTHER_KEY = "sealed with another key"


@dataclass(frozen=True)
class Lease:
    """Whose an event is from the moment it is kept, and until when."""

    owner: str
    until: datetime


_ADD = prepare_insert_of_new(inbox, returning=inbox.c.inbox_id)
_NAMES: sa.BindParameter[Any] = sa.bindparam("names", expanding=True)
_IS_FREE = (
    inbox.c.state != sa.literal_column("'done'"),  # written out, or the index of open events is not used
    inbox.c.state.in_(("received", "working")),
    sa.or_(inbox.c.lease_until.is_(None), inbox.c.lease_until < sa.bindparam("now")),
)
_CLAIMED = [inbox.c[name] for name in ("inbox_id", "team_id", "kind", "name", "sealed_body", "attempts", "received_at")]


def _lease(which: sa.ColumnElement[bool]) -> sa.Update:
    free = sa.select(inbox.c.inbox_id).where(which, *_IS_FREE).order_by(inbox.c.inbox_id).limit(sa.bindparam("most"))
    chosen = free.with_for_update(skip_locked=True).cte("chosen")  # which PostgreSQL runs once: it locks
    leased: dict[str, Any] = {"lease_owner": sa.bindparam("owner"), "lease_until": sa.bindparam("until")}
    return (
        sa.update(inbox)
        .where(inbox.c.inbox_id.in_(sa.select(chosen.c.inbox_id)))
        .values(state="working", attempts=inbox.c.attempts + 1, **leased)
        .returning(*_CLAIMED)
    )


_LEASE_NAMED, _LEASE_BUT = _lease(inbox.c.name.in_(_NAMES)), _lease(inbox.c.name.not_in(_NAMES))
_FINISH = Prepared(
    sa.update(inbox)
    .where(inbox.c.inbox_id == sa.bindparam("which"), inbox.c.lease_owner == sa.bindparam("owner"))
    .values(state="done", done_at=sa.bindparam("now"), sealed_body=sa.null(), lease_until=sa.null())
    .returning(inbox.c.inbox_id)
)


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
    sealed_body = sealer.seal(body)
    inbox_id = add_sealed_event(
        conn, team_id=team_id, event_key=event_key, kind=kind, name=name, sealed_body=sealed_body, received_at=now
    )
    return inbox_id is not None


def add_sealed_event(
    conn: sa.Connection,
    *,
    team_id: str,
    event_key: str,
    kind: EventKind,
    name: str,
    sealed_body: str,
    received_at: datetime,
    lease: Lease | None = None,
) -> int | None:
    """As `add_event`, for a body that the store's sealer has sealed already; return the id, None when it is not new.

    With a lease it is kept as one that its owner has claimed.
    """
    values = {
        "team_id": team_id,
        "event_key": event_key,
        "kind": kind,
        "name": name,
        "sealed_body": sealed_body,
        "received_at": received_at,
        "state": "received" if lease is None else "working",
        "attempts": 0 if lease is None else 1,
        "lease_owner": lease and lease.owner,
        "lease_until": lease and lease.until,
    }
    inbox_id: int | None = _ADD.run(conn, values)
    return inbox_id


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
    lease, named = (_LEASE_NAMED, names) if names is not None else (_LEASE_BUT, but_names)
    values = {
        "owner": owner,
        "until": now + timedelta(seconds=lease_s),
        "names": list(named),
        "now": now,
        "most": limit,
    }
    claimed: list[InboxEvent] = []
    for row in conn.execute(lease, values).mappings().all():
        event = dict(row)
        try:
            claimed.append(InboxEvent(body=sealer.open(event.pop("sealed_body")), **event))
        except ConfigError:
            bury_event(conn, row["inbox_id"], owner=owner, error=OTHER_KEY, now=now)
    return sorted(claimed, key=lambda event: event.inbox_id)


def extend_leases(conn: sa.Connection, inbox_ids: list[int], *, owner: str, now: datetime, lease_s: float) -> int:
    """Keep events leased for longer while they are worked on; return how many this owner still held."""
    mine = inbox.c.inbox_id.in_(inbox_ids) & (inbox.c.state == "working") & (inbox.c.lease_owner == owner)
    until = now + timedelta(seconds=lease_s)
    return conn.execute(sa.update(inbox).where(mine).values(lease_until=until)).rowcount


def finish_events(conn: sa.Connection, inbox_ids: list[int], *, owner: str, now: datetime) -> int:
    """Mark events done and erase their bodies; return how many this owner still held."""
    return sum(len(_FINISH.all(conn, {"which": inbox_id, "owner": owner, "now": now})) for inbox_id in inbox_ids)


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
    """Set an event aside, keeping its sealed body for another try by hand; False when it was taken over."""
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


def list_dead_events(conn: sa.Connection) -> list[DeadEvent]:
    """Return what was set aside, the oldest first; never a body."""
    query = sa.select(*(inbox.c[field.name] for field in fields(DeadEvent))).where(inbox.c.state == "dead")
    return [DeadEvent(**row) for row in conn.execute(query.order_by(inbox.c.inbox_id)).mappings()]


def retry_dead_events(conn: sa.Connection, inbox_ids: Collection[int]) -> list[int]:
    """Give events that were set aside back to the workers, as if they were new; return which those were."""
    which = inbox.c.inbox_id.in_(inbox_ids) & (inbox.c.state == "dead")
    values = {"state": "received", "attempts": 0, "error": "", "done_at": None, "lease_owner": None}
    return sorted(conn.execute(sa.update(inbox).where(which).values(values).returning(inbox.c.inbox_id)).scalars())


def forget_dead_events(conn: sa.Connection, inbox_ids: Collection[int]) -> list[int]:
    """Delete events that were set aside, with their bodies; return which those were."""
    which = inbox.c.inbox_id.in_(inbox_ids) & (inbox.c.state == "dead")
    return sorted(conn.execute(sa.delete(inbox).where(which).returning(inbox.c.inbox_id)).scalars())


def forget_old_events(conn: sa.Connection, *, done_before: datetime, dead_before: datetime) -> int:
    """Delete events done or set aside before these times; return how many there were.

    The keys of what is done guard against Slack's retries only for minutes; what is dead still has its body.
    """
    done = (inbox.c.state == "done") & (inbox.c.done_at < done_before)
    dead = (inbox.c.state == "dead") & (inbox.c.done_at < dead_before)
    return conn.execute(sa.delete(inbox).where(done | dead)).rowcount


def find_channel(body: Mapping[str, Any]) -> str:  # Any: Slack's JSON
    """Return the channel where what Slack sent happened, empty when it was in none."""
    event = body.get("event")
    event = event if isinstance(event, dict) else {}
    item = event.get("item")
    for found in (event.get("channel"), item.get("channel") if isinstance(item, dict) else "", body.get("channel")):
        channel_id = found.get("id") if isinstance(found, dict) else found
        if channel_id:
            return str(channel_id)
    return str(body.get("channel_id") or "")
