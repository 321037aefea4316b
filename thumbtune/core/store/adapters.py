"""Published adapters and which one is live: one row per adapter, at most one live per desk.

It does not know files or servers.
"""

from collections.abc import Collection
from dataclasses import fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from thumbtune.core.errors import Conflict, NotFound
from thumbtune.core.records import Adapter, AdapterState
from thumbtune.core.store.replicas import list_replicas
from thumbtune.core.store.schema import adapters, pairs, runs, snapshot_pairs
from thumbtune.core.store.schema_training import overrides
from thumbtune.core.store.triages import select_learned
from thumbtune.core.store.trials import may_go_live

ROLLED_BACK = "rolled back"
LEARNED_FORGOTTEN = "learned from someone who was forgotten"
ASKED_FOR = "asked for by hand; goes live once every server has loaded and proven it"
_COLUMNS = [adapters.c[field.name] for field in fields(Adapter)]


def add_adapter(
    conn: sa.Connection,
    *,
    name: str,
    desk_id: str,
    run_id: str,
    path: str,
    manifest_hash: str,
    base_model: str,
    now: datetime,
    is_held: bool = False,
) -> Adapter:
    """Store an adapter whose files are in place, as `published`, or as `held` until someone asks for it."""
    conn.execute(
        sa.insert(adapters).values(
            name=name,
            desk_id=desk_id,
            run_id=run_id,
            path=path,
            manifest_hash=manifest_hash,
            base_model=base_model,
            state="held" if is_held else "published",
            published_at=now,
        )
    )
    return load_adapter(conn, name)


def mark_proven(conn: sa.Connection, name: str, *, now: datetime) -> None:
    """Note that a published adapter was proven on every healthy replica."""
    which = sa.and_(adapters.c.name == name, adapters.c.state == "published")
    conn.execute(sa.update(adapters).where(which).values(state="proven", proven_at=now))


def lock_adapters(conn: sa.Connection) -> None:
    """Let nobody else decide which adapters are live until this transaction ends; what is read after this holds."""
    conn.execute(sa.select(adapters.c.name).order_by(adapters.c.name).with_for_update()).all()


def promote(conn: sa.Connection, name: str, *, now: datetime) -> Adapter:
    """Make an adapter its desk's live one and retire the one before, in this transaction.

    Raises: NotFound; Conflict when it was never proven, is quarantined or learned from someone who was forgotten.
    """
    lock_adapters(conn)
    adapter = load_adapter(conn, name)
    if adapter.state == "live":
        return adapter
    _check_may_return(adapter)
    if adapter.state not in ("proven", "canary", "retired") or adapter.proven_at is None:
        raise Conflict(f"adapter {name} is {adapter.state} and cannot go live; run `thumbtune adapters show {name}`")
    _retire_live(conn, desk_id=adapter.desk_id, reason=f"replaced by {name}")
    values = {"state": "live", "live_at": now, "reason": ""}
    conn.execute(sa.update(adapters).where(adapters.c.name == name).values(values))
    overtaken = sa.and_(
        adapters.c.desk_id == adapter.desk_id,
        adapters.c.state.in_(("published", "proven")),
        adapters.c.published_at < adapter.published_at,
        adapters.c.reason != ASKED_FOR,
    )
    _tell_anew(conn, sa.or_(adapters.c.name == name, overtaken))
    conn.execute(sa.update(adapters).where(overtaken).values(state="retired", reason=f"overtaken by {name}"))
    return load_adapter(conn, name)


def request_live(conn: sa.Connection, name: str, *, now: datetime, overrides_gate: bool = False) -> Adapter:
    """Make an adapter live that passed its trial and that every healthy server holds and has proven; else serving does so
    once all that is done.

    What was asked for before and is not live yet is taken back.
    Raises: NotFound; Conflict when it is quarantined or learned from someone who was forgotten, or is held and this is no
    override of the gate.
    """
    lock_adapters(conn)
    adapter = load_adapter(conn, name)
    if adapter.state == "held" and not overrides_gate:
        raise Conflict(
            f"adapter {name} is held, because the gate could not tell whether it is better; `thumbtune runs override "
            f"{adapter.run_id}` puts it live anyway"
        )
    if adapter.state == "quarantined":
        raise Conflict(f"adapter {name} is quarantined and cannot go live; run `thumbtune adapters show {name}`")
    if adapter.state != "live":
        _check_may_return(adapter)
    _take_back_asked_for(conn, desk_id=adapter.desk_id, reason=f"{name} was asked for instead")
    if adapter.state == "live":
        return adapter
    wish = {"state": "published", "reason": ASKED_FOR}
    conn.execute(sa.update(adapters).where(adapters.c.name == name).values(wish))
    healthy = [replica for replica in list_replicas(conn, now=now) if replica.healthy]
    if healthy and all(name in replica.proven for replica in healthy) and may_go_live(conn, name):
        mark_proven(conn, name, now=now)
        return promote(conn, name, now=now)
    return load_adapter(conn, name)


def roll_back(conn: sa.Connection, *, desk_id: str, now: datetime, by_hand: bool = True) -> Adapter | None:
    """Retire the live adapter and make the one before it live again; None when the base answers from now on.

    By hand, it also takes back what was asked for and is not live yet.
    Raises: Conflict when the desk has no live adapter.
    """
    lock_adapters(conn)
    live = find_live(conn, desk_id=desk_id)
    if live is None:
        raise Conflict(f"desk {desk_id} has no live adapter to roll back from; run `thumbtune adapters list`")
    previous = find_previous(conn, desk_id=desk_id)
    if by_hand:
        _take_back_asked_for(conn, desk_id=desk_id, reason=f"{live.name} was rolled back after this was asked for")
    _retire_live(conn, desk_id=desk_id, reason=ROLLED_BACK)
    if previous is None:
        return None
    values = {"state": "live", "reason": f"back after {live.name} was rolled back"}
    conn.execute(sa.update(adapters).where(adapters.c.name == previous.name).values(values))
    return load_adapter(conn, previous.name)


def mark_to_replace(conn: sa.Connection, *, desk_ids: Collection[str], reason: str, now: datetime) -> list[str]:
    """Mark the adapters that learned from a pair or triage with this reason as to be replaced; return new ones' names.

    What is live stays until its replacement is; nothing else of them ever goes live.
    """
    joined = snapshot_pairs.join(pairs, pairs.c.pair_id == snapshot_pairs.c.pair_id)
    learned = sa.select(snapshot_pairs.c.run_id).select_from(joined)
    learned = learned.where(sa.not_(snapshot_pairs.c.held_out), pairs.c.reason == reason)
    runs_of_it = sa.or_(adapters.c.run_id.in_(learned), adapters.c.run_id.in_(select_learned(reason)))
    which = sa.and_(adapters.c.desk_id.in_(desk_ids), adapters.c.replace_since.is_(None), runs_of_it)
    names = list(conn.execute(sa.select(adapters.c.name).where(which).order_by(adapters.c.name)).scalars())
    marked = adapters.c.name.in_(names)
    conn.execute(sa.update(adapters).where(marked).values(replace_since=now))
    waiting = sa.and_(marked, adapters.c.state.in_(("held", "published", "proven", "canary")))
    _tell_anew(conn, waiting)
    conn.execute(sa.update(adapters).where(waiting).values(state="retired", reason=LEARNED_FORGOTTEN))
    return names


def list_to_replace(conn: sa.Connection) -> list[Adapter]:
    """Return live adapters that have to be replaced."""
    return [adapter for adapter in list_adapters(conn, state="live") if adapter.replace_since is not None]


def quarantine(conn: sa.Connection, name: str, *, reason: str) -> None:
    """Set an adapter aside for good, live or not."""
    _tell_anew(conn, adapters.c.name == name)
    conn.execute(sa.update(adapters).where(adapters.c.name == name).values(state="quarantined", reason=reason))


def note_waiting(conn: sa.Connection, name: str, *, reason: str) -> None:
    """Say what an adapter that is on its way waits for; one that was asked for by hand keeps saying that."""
    coming = sa.and_(adapters.c.name == name, adapters.c.state.in_(("published", "proven")))
    which = sa.and_(coming, adapters.c.reason != ASKED_FOR)
    conn.execute(sa.update(adapters).where(which).values(reason=reason))


def find_live(conn: sa.Connection, *, desk_id: str) -> Adapter | None:
    """Return the desk's live adapter, if it has one."""
    which = sa.and_(adapters.c.desk_id == desk_id, adapters.c.state == "live")
    row = conn.execute(sa.select(*_COLUMNS).where(which)).first()
    return Adapter(**row._mapping) if row else None


def find_previous(conn: sa.Connection, *, desk_id: str) -> Adapter | None:
    """Return the adapter a rollback would make live: the newest that was live before this one and not rolled back from."""
    live = find_live(conn, desk_id=desk_id)
    if live is None or live.live_at is None:
        return None
    which = sa.and_(
        adapters.c.desk_id == desk_id,
        adapters.c.state == "retired",
        adapters.c.live_at <= live.live_at,
        adapters.c.reason != ROLLED_BACK,
        adapters.c.replace_since.is_(None),
    )
    row = conn.execute(sa.select(*_COLUMNS).where(which).order_by(adapters.c.live_at.desc()).limit(1)).first()
    return Adapter(**row._mapping) if row else None


def load_adapter(conn: sa.Connection, name: str) -> Adapter:
    """Return one adapter.

    Raises: NotFound.
    """
    row = conn.execute(sa.select(*_COLUMNS).where(adapters.c.name == name)).first()
    if row is None:
        raise NotFound(f"no adapter {name!r}; run `thumbtune adapters list`")
    return Adapter(**row._mapping)


def list_adapters(
    conn: sa.Connection, *, desk_id: str | None = None, state: AdapterState | None = None
) -> list[Adapter]:
    """Return adapters, newest first."""
    query = sa.select(*_COLUMNS).order_by(adapters.c.published_at.desc(), adapters.c.name.desc())
    if desk_id is not None:
        query = query.where(adapters.c.desk_id == desk_id)
    if state is not None:
        query = query.where(adapters.c.state == state)
    return [Adapter(**row._mapping) for row in conn.execute(query)]


def _check_may_return(adapter: Adapter) -> None:
    if adapter.replace_since is not None:
        raise Conflict(f"adapter {adapter.name} {LEARNED_FORGOTTEN} and cannot go live; run `thumbtune adapters list`")


def _take_back_asked_for(conn: sa.Connection, *, desk_id: str, reason: str) -> None:
    which = sa.and_(adapters.c.desk_id == desk_id, adapters.c.reason == ASKED_FOR)
    _tell_anew(conn, which)
    conn.execute(sa.update(adapters).where(which).values(state="retired", reason=reason))


def _tell_anew(conn: sa.Connection, which: sa.ColumnElement[bool]) -> None:
    """Have Slack told anew of the runs whose adapters a lead put live against the gate: what becomes of those changes."""
    overridden = sa.select(overrides.c.run_id).join(adapters, adapters.c.run_id == overrides.c.run_id).where(which)
    conn.execute(sa.update(runs).where(runs.c.run_id.in_(overridden)).values(announced=""))


def _retire_live(conn: sa.Connection, *, desk_id: str, reason: str) -> None:
    which = sa.and_(adapters.c.desk_id == desk_id, adapters.c.state == "live")
    values: dict[str, Any] = {"state": "retired", "reason": reason}  # Any: columns of several types
    conn.execute(sa.update(adapters).where(which).values(values))
