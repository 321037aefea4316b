"""Drafts: what was asked for, what the model wrote, and what became of it.

It does not know how a draft is written or shown.
"""

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from thumbtune.core.errors import NotFound
from thumbtune.core.prompt import Passage
from thumbtune.core.records import Draft, DraftMode, DraftState
from thumbtune.core.store.engine import insert_row, match_columns
from thumbtune.core.store.prepared import Prepared
from thumbtune.core.store.schema import drafts

_COLUMNS = [drafts.c[field.name] for field in fields(Draft)]
_OF_SENT = match_columns(drafts, ("team_id", "channel_id", "sent_ts"))
_SENT = sa.select(*_COLUMNS).where(_OF_SENT)
_SENT_STATE = Prepared(sa.select(drafts.c.state).where(_OF_SENT))


def request_draft(
    conn: sa.Connection,
    *,
    draft_id: str,
    request_key: str,
    desk_id: str,
    team_id: str,
    channel_id: str,
    thread_ts: str,
    asked_by: str,
    last_seen_ts: str,
    now: datetime,
) -> Draft:
    """Store that a draft was asked for and return it; the same request key gives back the first one."""
    statement = insert_row(conn, drafts).values(
        draft_id=draft_id,
        request_key=request_key,
        desk_id=desk_id,
        team_id=team_id,
        channel_id=channel_id,
        thread_ts=thread_ts,
        asked_by=asked_by,
        state="requested",
        passages=[],
        last_seen_ts=last_seen_ts,
        requested_at=now,
    )
    conn.execute(statement.on_conflict_do_nothing())
    row = conn.execute(sa.select(*_COLUMNS).where(drafts.c.request_key == request_key)).one()
    return _read(row)


def fill_draft(
    conn: sa.Connection,
    draft_id: str,
    *,
    mode: DraftMode,
    adapter: str | None,
    text: str,
    passages: Sequence[Passage],
    latency_ms: int,
) -> bool:
    """Store what the model wrote, with placeholders, and how; the draft is then ready.

    False when it is not being written any more: another writer was quicker, or it was settled.
    """
    values = {
        "state": "ready",
        "mode": mode,
        "adapter": adapter,
        "text": text,
        "passages": [asdict(passage) for passage in passages],
        "latency_ms": latency_ms,
    }
    which = sa.and_(drafts.c.draft_id == draft_id, drafts.c.state == "requested")
    return bool(conn.execute(sa.update(drafts).where(which).values(values)).rowcount)


def settle_draft(
    conn: sa.Connection,
    draft_id: str,
    *,
    state: DraftState,
    now: datetime,
    only_from: Sequence[DraftState] = ("requested", "ready"),
    sent_text: str = "",
    edit_share: float | None = None,
) -> bool:
    """Move a draft that is still open to its last state; return False when it was settled before."""
    values = {"state": state, "sent_text": sent_text, "edit_share": edit_share, "settled_at": now}
    which = sa.and_(drafts.c.draft_id == draft_id, drafts.c.state.in_(only_from))
    return bool(conn.execute(sa.update(drafts).where(which).values(values)).rowcount)


def fail_sent_draft(conn: sa.Connection, draft_id: str, *, now: datetime) -> bool:
    """Take back that a draft was sent, when Slack did not take it; False when it was posted or never sent."""
    which = sa.and_(drafts.c.draft_id == draft_id, drafts.c.state.in_(("sent", "edited")), drafts.c.sent_ts.is_(None))
    return bool(conn.execute(sa.update(drafts).where(which).values(state="failed", settled_at=now)).rowcount)


def set_sent_ts(conn: sa.Connection, draft_id: str, *, sent_ts: str) -> None:
    """Store the `ts` under which a draft was posted."""
    conn.execute(sa.update(drafts).where(drafts.c.draft_id == draft_id).values(sent_ts=sent_ts))


def load_draft(conn: sa.Connection, draft_id: str) -> Draft:
    """Return one draft.

    Raises: NotFound.
    """
    row = conn.execute(sa.select(*_COLUMNS).where(drafts.c.draft_id == draft_id)).first()
    if row is None:
        raise NotFound(f"no draft {draft_id!r}; run `thumbtune drafts list`")
    return _read(row)


def find_requested_draft(conn: sa.Connection, request_key: str) -> Draft | None:
    """Return the draft that was asked for under this key, if any."""
    row = conn.execute(sa.select(*_COLUMNS).where(drafts.c.request_key == request_key)).first()
    return _read(row) if row else None


def find_sent_draft(conn: sa.Connection, *, team_id: str, channel_id: str, sent_ts: str) -> Draft | None:
    """Return the draft that was posted as this message, if any."""
    row = conn.execute(_SENT, {"team_id": team_id, "channel_id": channel_id, "sent_ts": sent_ts}).first()
    return _read(row) if row else None


def find_sent_state(conn: sa.Connection, *, team_id: str, channel_id: str, sent_ts: str) -> DraftState | None:
    """Return the state of the draft that was posted as this message, if any."""
    row = _SENT_STATE.first(conn, {"team_id": team_id, "channel_id": channel_id, "sent_ts": sent_ts})
    return row.state if row else None


def list_thread_drafts(conn: sa.Connection, *, channel_id: str, thread_ts: str) -> list[Draft]:
    """Return a thread's drafts, newest first."""
    which = sa.and_(drafts.c.channel_id == channel_id, drafts.c.thread_ts == thread_ts)
    query = sa.select(*_COLUMNS).where(which).order_by(drafts.c.requested_at.desc())
    return [_read(row) for row in conn.execute(query)]


def list_drafts(conn: sa.Connection, *, desk_id: str | None = None, limit: int = 100) -> list[Draft]:
    """Return the newest drafts first."""
    query = sa.select(*_COLUMNS).order_by(drafts.c.requested_at.desc()).limit(limit)
    if desk_id is not None:
        query = query.where(drafts.c.desk_id == desk_id)
    return [_read(row) for row in conn.execute(query)]


def _read(row: sa.Row[Any]) -> Draft:
    values = dict(row._mapping)
    values["passages"] = tuple(Passage(**passage) for passage in values["passages"])
    return Draft(**values)
