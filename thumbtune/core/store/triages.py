"""Triages of threads: what models suggested, what agents made of it, and which of them each run used.

It does not know how a triage is written or shown. Texts are redacted. Of what is erased the row stays, so that what learned
from it is known.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from thumbtune.core.errors import Conflict
from thumbtune.core.prompt import Turn
from thumbtune.core.records import Draft, ThreadTriage, TriageState
from thumbtune.core.store.audits import record_act
from thumbtune.core.store.engine import insert_row
from thumbtune.core.store.messages import lock_channel
from thumbtune.core.store.schema import adapters, desks, drafts, messages
from thumbtune.core.store.schema_training import snapshot_triages, triages, trial_drafts
from thumbtune.core.triage import Triage

DELETED = "a message in it was deleted"
TAUGHT: tuple[TriageState, ...] = ("confirmed", "corrected")
UNTAUGHT: tuple[TriageState, ...] = ("suggested",)
_PLACE = ("team_id", "channel_id", "thread_ts")
_BATCH = 500


def suggest_triage(
    conn: sa.Connection,
    draft: Draft,
    triage: Triage,
    *,
    turns: Sequence[Turn],
    heard: Collection[str],
    adapter: str | None,
    now: datetime,
) -> None:
    """Store what a model suggested beside a draft; what is there already stays.

    `heard` are the `ts` of the messages in the turns: where one is gone by now, the triage counts as erased with it.
    """
    if _is_gone(conn, draft, heard):
        _add(conn, draft, turns=(), now=now, state="erased", reason=DELETED)
    else:
        _add(conn, draft, turns=turns, now=now, suggested=asdict(triage), adapter=adapter)


def decide_triage(
    conn: sa.Connection,
    draft: Draft,
    triage: Triage,
    *,
    turns: Sequence[Turn],
    heard: Collection[str],
    decided_by: str,
    now: datetime,
) -> ThreadTriage:
    """Store what an agent made of the triage beside a draft; the same again changes nothing.

    Raises: Conflict when its texts were erased, or one of the messages that were `heard` for it is gone by now.
    """
    if _is_gone(conn, draft, heard):
        raise Conflict(f"what {draft.draft_id} answers was deleted or erased meanwhile; ask for a new draft")
    _add(conn, draft, turns=turns, now=now)
    row = conn.execute(sa.select(triages).where(triages.c.draft_id == draft.draft_id).with_for_update()).one()
    before = _read(row)
    if before.state == "erased":
        raise Conflict(f"the triage of {draft.draft_id} was erased; ask for a new draft")
    if before.decided == triage and before.decided_by == decided_by:
        return before
    state: TriageState = "confirmed" if before.suggested == triage else "corrected"
    values = {"decided": asdict(triage), "state": state, "decided_by": decided_by, "decided_at": now}
    conn.execute(sa.update(triages).where(triages.c.triage_id == before.triage_id).values(values))
    subject = str(before.triage_id)
    record_act(conn, actor=decided_by, action=f"triage_{state}", subject=subject, now=now)
    after = find_triage(conn, draft.draft_id)
    assert after is not None
    return after


def find_triage(conn: sa.Connection, draft_id: str) -> ThreadTriage | None:
    """Return the triage beside a draft, if there is one."""
    row = conn.execute(sa.select(triages).where(triages.c.draft_id == draft_id)).first()
    return _read(row) if row else None


def list_triages(
    conn: sa.Connection,
    *,
    desk_id: str | None = None,
    states: Sequence[TriageState] = (),
    after_id: int = 0,
    limit: int = 100,
) -> list[ThreadTriage]:
    """Return a page of triages in order of their ids."""
    query = sa.select(triages).where(triages.c.triage_id > after_id).order_by(triages.c.triage_id).limit(limit)
    if desk_id is not None:
        query = query.where(triages.c.desk_id == desk_id)
    if states:
        query = query.where(triages.c.state.in_(states))
    return [_read(row) for row in conn.execute(query)]


def list_taught(conn: sa.Connection, *, desk_id: str) -> list[ThreadTriage]:
    """Return what agents made of triages, the newest of each thread, in order of their ids.

    What names a category that the desk has no more is left out.
    """
    query = sa.select(triages).where(triages.c.desk_id == desk_id, triages.c.state.in_(TAUGHT))
    categories = conn.execute(sa.select(desks.c.categories).where(desks.c.desk_id == desk_id)).scalar() or ()
    found = [_read(row) for row in conn.execute(query.order_by(triages.c.decided_at, triages.c.triage_id))]
    newest = {(item.team_id, item.channel_id, item.thread_ts): item for item in found}
    kept = [item for item in newest.values() if item.decided is not None and item.decided.category in categories]
    return sorted(kept, key=lambda item: item.triage_id)


def record_triages_used(conn: sa.Connection, run_id: str, *, trained: Sequence[int], held_out: Sequence[int]) -> None:
    """Store which triages a run saw: the lineage from a triage to every adapter that learned from it."""
    conn.execute(sa.delete(snapshot_triages).where(snapshot_triages.c.run_id == run_id))
    rows = [
        {"run_id": run_id, "triage_id": triage_id, "held_out": is_held_out}
        for ids, is_held_out in ((trained, False), (held_out, True))
        for triage_id in ids
    ]
    if rows:
        conn.execute(sa.insert(snapshot_triages), rows)


def has_learned_triage(conn: sa.Connection, adapter: str) -> bool:
    """Return whether an adapter was trained on triages."""
    joined = snapshot_triages.join(adapters, adapters.c.run_id == snapshot_triages.c.run_id)
    which = sa.and_(adapters.c.name == adapter, sa.not_(snapshot_triages.c.held_out))
    return bool(conn.execute(sa.select(sa.exists().select_from(joined).where(which))).scalar_one())


def list_held_out(conn: sa.Connection, run_id: str, *, limit: int) -> list[ThreadTriage]:
    """Return triages that a run held out and that are not erased; none when it learned from none.

    The choice hangs on the triages alone, so that the next run's is mostly the same.
    """
    of_run = snapshot_triages.c.run_id == run_id
    learned = sa.select(sa.exists().where(of_run, sa.not_(snapshot_triages.c.held_out)))
    if not conn.execute(learned).scalar_one():
        return []
    ids = sa.select(snapshot_triages.c.triage_id).where(of_run, snapshot_triages.c.held_out)
    which = sa.and_(triages.c.triage_id.in_(ids), triages.c.state.in_(TAUGHT))
    found = [_read(row) for row in conn.execute(sa.select(triages).where(which))]
    return sorted(found, key=lambda item: hashlib.sha256(name_case(item.triage_id).encode()).digest())[:limit]


def holds_erased_triage(conn: sa.Connection, triage_ids: Sequence[int]) -> bool:
    """Return whether one of these triages was erased."""
    for start in range(0, len(triage_ids), _BATCH):
        which = sa.and_(triages.c.triage_id.in_(triage_ids[start : start + _BATCH]), triages.c.state == "erased")
        if conn.execute(sa.select(sa.exists().where(which))).scalar_one():
            return True
    return False


def saw_erased_triage(conn: sa.Connection, run_id: str) -> bool:
    """Return whether a run saw a triage that was erased since."""
    ids = sa.select(snapshot_triages.c.triage_id).where(snapshot_triages.c.run_id == run_id)
    which = sa.and_(triages.c.triage_id.in_(ids), triages.c.state == "erased")
    return bool(conn.execute(sa.select(sa.exists().where(which))).scalar_one())


def select_learned(reason: str) -> sa.Select[tuple[str]]:
    """Return the query for the runs that trained on a triage which was erased for this reason."""
    joined = snapshot_triages.join(triages, triages.c.triage_id == snapshot_triages.c.triage_id)
    query = sa.select(snapshot_triages.c.run_id).select_from(joined)
    return query.where(sa.not_(snapshot_triages.c.held_out), triages.c.reason == reason)


def erase_triages(conn: sa.Connection, which: sa.ColumnElement[bool], *, reason: str, limit: int | None = None) -> int:
    """Erase the texts of triages, and what was written for them in trials; return how many there were."""
    found = sa.select(triages.c.triage_id).where(which, triages.c.state != "erased").order_by(triages.c.triage_id)
    ids = conn.execute(found.limit(limit)).scalars().all()
    gone: dict[str, Any] = {
        "turns": [],
        "suggested": None,
        "decided": None,
        "state": "erased",
        "reason": reason,
    }  # Any: columns of several types
    for start in range(0, len(ids), _BATCH):
        some = ids[start : start + _BATCH]
        conn.execute(sa.update(triages).where(triages.c.triage_id.in_(some)).values(gone))
        keys = [name_case(triage_id) for triage_id in some]
        conn.execute(sa.delete(trial_drafts).where(trial_drafts.c.case_key.in_(keys)))
    return len(ids)


def erase_deleted(conn: sa.Connection, *, team_id: str, channel_id: str, thread_ts: str, deleted_ts: str) -> int:
    """Erase the triages that are about a message which was deleted."""
    place = {"team_id": team_id, "channel_id": channel_id, "thread_ts": thread_ts}
    here = [triages.c[name] == value for name, value in place.items()]
    return erase_triages(conn, sa.and_(*here, triages.c.last_seen_ts >= deleted_ts), reason=DELETED)


def name_case(triage_id: int) -> str:
    """Return the key under which models write this triage in trials."""
    return f"triage:{triage_id}"


def _is_gone(conn: sa.Connection, draft: Draft, heard: Collection[str]) -> bool:
    """Return whether a message that was heard is deleted or erased by now, or the draft's text is; none goes after that."""
    lock_channel(conn, team_id=draft.team_id, channel_id=draft.channel_id)
    here = [messages.c[name] == getattr(draft, name) for name in _PLACE]
    if not set(heard).isdisjoint(conn.execute(sa.select(messages.c.ts).where(*here, messages.c.deleted)).scalars()):
        return True
    emptied = sa.and_(drafts.c.draft_id == draft.draft_id, drafts.c.state != "requested", drafts.c.text == "")
    return bool(conn.execute(sa.select(sa.exists().where(emptied))).scalar_one())


def _add(conn: sa.Connection, draft: Draft, *, turns: Sequence[Turn], now: datetime, **suggestion: Any) -> None:
    values = {
        "desk_id": draft.desk_id,
        **{name: getattr(draft, name) for name in _PLACE},
        "draft_id": draft.draft_id,
        "last_seen_ts": draft.last_seen_ts,
        "turns": [asdict(turn) for turn in turns],
        "state": "suggested",
        "created_at": now,
        **suggestion,
    }
    conn.execute(insert_row(conn, triages).values(values).on_conflict_do_nothing())


def _read(row: sa.Row[Any]) -> ThreadTriage:
    values = dict(row._mapping)
    values["turns"] = tuple(Turn(**turn) for turn in values["turns"])
    for name in ("suggested", "decided"):
        values[name] = Triage(**values[name]) if values[name] else None
    return ThreadTriage(**values)
