"""Training runs: at most one open per desk, held by lease and fencing number.

It does not know how a run is carried out.
"""

import uuid
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from thumbtune.core.errors import LeaseLost, NotFound
from thumbtune.core.records import OPEN_RUN_STATES, RunState, TrainingRun
from thumbtune.core.store.schema import pairs, runs, snapshot_pairs
from thumbtune.core.store.triages import saw_erased_triage

_COLUMNS = [runs.c[field.name] for field in fields(TrainingRun)]


def open_run(
    conn: sa.Connection,
    *,
    desk_id: str,
    reason: str,
    now: datetime,
    requested_by: str = "",
    announce_channel: str | None = None,
) -> tuple[TrainingRun, bool]:
    """Queue a run and return it with True; when the desk has an open one already, return that with False."""
    run_id = f"run-{uuid.uuid4().hex[:12]}"
    try:
        with conn.begin_nested():
            conn.execute(
                sa.insert(runs).values(
                    run_id=run_id,
                    desk_id=desk_id,
                    state="queued",
                    reason=reason,
                    requested_by=requested_by,
                    gate={},
                    announce_channel=announce_channel,
                    created_at=now,
                )
            )
    except IntegrityError:
        existing = find_open_run(conn, desk_id=desk_id)
        if existing is None:
            raise
        return existing, False
    return load_run(conn, run_id), True


def claim_run(conn: sa.Connection, *, owner: str, now: datetime, lease_s: float) -> TrainingRun | None:
    """Lease the oldest open run nobody holds; its fence rises, so that an earlier holder can write no more."""
    free = (
        sa.select(runs.c.run_id)
        .where(runs.c.state.in_(OPEN_RUN_STATES))
        .where(sa.or_(runs.c.lease_until.is_(None), runs.c.lease_until < now))
        .order_by(runs.c.created_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    run_id = conn.execute(free).scalar()
    if run_id is None:
        return None
    conn.execute(
        sa.update(runs)
        .where(runs.c.run_id == run_id)
        .values(
            lease_owner=owner,
            lease_until=now + timedelta(seconds=lease_s),
            fence=runs.c.fence + 1,
            attempts=runs.c.attempts + 1,
            started_at=sa.func.coalesce(runs.c.started_at, sa.bindparam("now", now, type_=runs.c.started_at.type)),
        )
    )
    return load_run(conn, run_id)


def update_run(
    conn: sa.Connection,
    run: TrainingRun,
    *,
    used_s: float = 0.0,
    **values: Any,  # Any: columns of several types
) -> None:
    """Write columns of an open run under its fence, and add the seconds it used since they were last written.

    Raises: LeaseLost when another trainer took the run over or it was closed.
    """
    mine = sa.and_(runs.c.run_id == run.run_id, runs.c.fence == run.fence, runs.c.state.in_(OPEN_RUN_STATES))
    if not conn.execute(sa.update(runs).where(mine).values(gpu_s=runs.c.gpu_s + used_s, **values)).rowcount:
        raise LeaseLost(f"run {run.run_id} is no longer held by this trainer")


def beat(
    conn: sa.Connection,
    run: TrainingRun,
    *,
    now: datetime,
    lease_s: float,
    phase: str,
    progress: float,
    eta_s: float | None,
    **values: Any,  # Any: columns of several types
) -> bool:
    """Extend the lease, store the progress (0 to 1) and return whether a cancel was asked for.

    Raises: LeaseLost.
    """
    until = now + timedelta(seconds=lease_s)
    update_run(conn, run, lease_until=until, phase=phase, progress=progress, eta_s=eta_s, **values)
    return bool(conn.execute(sa.select(runs.c.cancel_requested).where(runs.c.run_id == run.run_id)).scalar_one())


def finish_run(
    conn: sa.Connection, run: TrainingRun, *, state: RunState, message: str, now: datetime, **values: Any
) -> None:
    """Close a run under its fence, with the result in words.

    Raises: LeaseLost.
    """
    values |= {"lease_owner": None, "lease_until": None, "finished_at": now, "eta_s": None, "phase": state}
    update_run(conn, run, state=state, message=message, progress=1.0, **values)


def release_run(conn: sa.Connection, run: TrainingRun, *, used_s: float = 0.0) -> None:
    """Give a run back to be claimed at once, as when the trainer is stopped."""
    update_run(conn, run, lease_owner=None, lease_until=None, attempts=runs.c.attempts - 1, used_s=used_s)


def request_cancel(conn: sa.Connection, run_id: str, *, now: datetime) -> TrainingRun:
    """Ask for a run to be cancelled; one that nobody holds is closed at once.

    Raises: NotFound.
    """
    run = load_run(conn, run_id)
    if run.state in OPEN_RUN_STATES:
        conn.execute(sa.update(runs).where(runs.c.run_id == run_id).values(cancel_requested=True))
        unheld = sa.and_(runs.c.run_id == run_id, runs.c.state == "queued", runs.c.lease_owner.is_(None))
        closed = {
            "state": "cancelled",
            "message": "Cancelled before it began.",
            "finished_at": now,
            "phase": "cancelled",
        }
        conn.execute(sa.update(runs).where(unheld).values(closed))
    return load_run(conn, run_id)


def begin_anew(conn: sa.Connection, run_id: str) -> bool:
    """Put an open run back to its beginning; whoever holds it loses it, and its snapshot is frozen anew.

    Returns False when it is closed by now, which nothing undoes.
    """
    values = {"state": "queued", "phase": "waiting", "progress": 0.0, "eta_s": None, "attempts": 0, "started_at": None}
    values |= {"fence": runs.c.fence + 1, "lease_owner": None, "lease_until": None, "snapshot_hash": ""}
    open_still = sa.and_(runs.c.run_id == run_id, runs.c.state.in_(OPEN_RUN_STATES))
    return bool(conn.execute(sa.update(runs).where(open_still).values(values)).rowcount)


def load_run(conn: sa.Connection, run_id: str) -> TrainingRun:
    """Return one run.

    Raises: NotFound.
    """
    row = conn.execute(sa.select(*_COLUMNS).where(runs.c.run_id == run_id)).first()
    if row is None:
        raise NotFound(f"no run {run_id!r}; run `thumbtune runs list`")
    return TrainingRun(**row._mapping)


def find_open_run(conn: sa.Connection, *, desk_id: str) -> TrainingRun | None:
    """Return the desk's open run, if it has one."""
    which = sa.and_(runs.c.desk_id == desk_id, runs.c.state.in_(OPEN_RUN_STATES))
    row = conn.execute(sa.select(*_COLUMNS).where(which)).first()
    return TrainingRun(**row._mapping) if row else None


def list_runs(conn: sa.Connection, *, desk_id: str | None = None, limit: int = 50) -> list[TrainingRun]:
    """Return the newest runs first."""
    query = sa.select(*_COLUMNS).order_by(runs.c.created_at.desc()).limit(limit)
    if desk_id is not None:
        query = query.where(runs.c.desk_id == desk_id)
    return [TrainingRun(**row._mapping) for row in conn.execute(query)]


def find_last_run(
    conn: sa.Connection, *, desk_id: str, reason: str | None = None, states: Sequence[RunState] = ()
) -> TrainingRun | None:
    """Return the desk's newest run, of those that started for this reason and are in one of these states."""
    query = sa.select(*_COLUMNS).where(runs.c.desk_id == desk_id).order_by(runs.c.created_at.desc()).limit(1)
    if reason is not None:
        query = query.where(runs.c.reason == reason)
    if states:
        query = query.where(runs.c.state.in_(states))
    row = conn.execute(query).first()
    return TrainingRun(**row._mapping) if row else None


def sum_gpu_s(conn: sa.Connection, *, desk_id: str, since: datetime) -> float:
    """Return the seconds of training of the desk's runs that were queued since then."""
    which = sa.and_(runs.c.desk_id == desk_id, runs.c.created_at >= since)
    return float(conn.execute(sa.select(sa.func.coalesce(sa.func.sum(runs.c.gpu_s), 0.0)).where(which)).scalar_one())


def overturn_run(conn: sa.Connection, run_id: str, *, why: str) -> None:
    """Say of a closed run that its adapter does not go live after all, and have Slack told anew."""
    overturned = sa.case((runs.c.state == "passed", "rejected"), else_=runs.c.state)
    values = {"state": overturned, "message": f"{why} What was live stays live.", "announced": ""}
    closed = sa.and_(runs.c.run_id == run_id, runs.c.state.not_in(OPEN_RUN_STATES))
    conn.execute(sa.update(runs).where(closed).values(values))


def add_to_message(conn: sa.Connection, run_id: str, text: str) -> None:
    """Say something more of a closed run, and have Slack told anew."""
    values = {"message": f"{load_run(conn, run_id).message} {text}".strip(), "announced": ""}
    closed = sa.and_(runs.c.run_id == run_id, runs.c.state.not_in(OPEN_RUN_STATES))
    conn.execute(sa.update(runs).where(closed).values(values))


def list_idle_runs(conn: sa.Connection) -> set[str]:
    """Return the runs that nobody carries out: closed ones, and open ones that wait for a trainer."""
    idle = sa.or_(runs.c.state.not_in(OPEN_RUN_STATES), sa.and_(runs.c.state == "queued", runs.c.lease_owner.is_(None)))
    return set(conn.execute(sa.select(runs.c.run_id).where(idle)).scalars())


def list_unannounced_runs(conn: sa.Connection) -> list[tuple[TrainingRun, str]]:
    """Return runs whose state Slack has not been told yet, each with what it was last told."""
    query = sa.select(*_COLUMNS, runs.c.announced).where(
        runs.c.announce_channel.is_not(None), runs.c.announced != "closed"
    )
    rows = conn.execute(query.order_by(runs.c.created_at)).mappings()
    return [
        (TrainingRun(**{key: value for key, value in row.items() if key != "announced"}), row["announced"])
        for row in rows
    ]


def set_announce_channel(conn: sa.Connection, run_id: str, channel_id: str) -> None:
    """Store where a run is told of, once it is known which conversation that is."""
    conn.execute(sa.update(runs).where(runs.c.run_id == run_id).values(announce_channel=channel_id))


def mark_announced(conn: sa.Connection, run_id: str, *, announced: str, after: str | None = None) -> bool:
    """Store what Slack was last told of a run; `closed` when nothing more will follow.

    With `after`, only where that still stands; False when it does not: the run has moved since, and is to be told of again.
    """
    is_meant = runs.c.run_id == run_id
    if after is not None:
        is_meant &= runs.c.announced == after
    return bool(conn.execute(sa.update(runs).where(is_meant).values(announced=announced)).rowcount)


def record_snapshot(
    conn: sa.Connection,
    run: TrainingRun,
    *,
    trained: Sequence[int],
    held_out: Sequence[int],
    left_out: Sequence[int] = (),
) -> None:
    """Store which pairs a run saw: the lineage from a pair to every adapter that learned from it.

    Those it left out stand beside those it was judged by: seen, and not trained on.
    """
    conn.execute(sa.delete(snapshot_pairs).where(snapshot_pairs.c.run_id == run.run_id))
    rows = [{"run_id": run.run_id, "pair_id": pair_id, "held_out": False} for pair_id in trained]
    rows += [{"run_id": run.run_id, "pair_id": pair_id, "held_out": True} for pair_id in (*held_out, *left_out)]
    if rows:
        conn.execute(sa.insert(snapshot_pairs), rows)


def saw_erased(conn: sa.Connection, run_id: str) -> bool:
    """Return whether a run saw a pair or triage whose texts were erased since, to train on it or to be judged by it."""
    joined = snapshot_pairs.join(pairs, pairs.c.pair_id == snapshot_pairs.c.pair_id)
    which = sa.and_(snapshot_pairs.c.run_id == run_id, pairs.c.reply == "")
    saw_pair = conn.execute(sa.select(sa.exists().select_from(joined).where(which))).scalar_one()
    return bool(saw_pair) or saw_erased_triage(conn, run_id)


def count_withdrawn_pairs(conn: sa.Connection, run_id: str) -> int:
    """Return how many pairs that a run trained on are out since; what is merged is in, in another pair."""
    joined = snapshot_pairs.join(pairs, pairs.c.pair_id == snapshot_pairs.c.pair_id)
    which = sa.and_(snapshot_pairs.c.run_id == run_id, sa.not_(snapshot_pairs.c.held_out))
    which = sa.and_(which, pairs.c.state.in_(("withdrawn", "quarantined")))
    return conn.execute(sa.select(sa.func.count()).select_from(joined).where(which)).scalar_one()
