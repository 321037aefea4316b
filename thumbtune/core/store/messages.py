"""Messages of the desks' channels as they arrive, redacted; edits make revisions, deletions tombstones.

It does not know who belongs to which desk.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from thumbtune.core.records import FormerText, Message
from thumbtune.core.store.engine import changes_a_row, insert_row
from thumbtune.core.store.schema import messages, placeholders


def lock_channel(conn: sa.Connection, *, team_id: str, channel_id: str) -> None:
    """Let others who store what happened in a channel wait until this transaction ends; take it first of all locks.

    What becomes of a reply depends on several rows of its thread, some of them not there yet. On SQLite writers follow
    one another anyway.
    """
    lock_channels(conn, [(team_id, channel_id)])


def lock_channels(conn: sa.Connection, places: Iterable[tuple[str, str]]) -> None:
    """Do so for several, by team and channel: everyone takes them in the same order, so that no two wait for each other."""
    if conn.dialect.name == "postgresql":
        for key in sorted({hash_channel(team_id, channel_id) for team_id, channel_id in places}):
            conn.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def hash_channel(team_id: str, channel_id: str) -> int:
    """Return the number under which PostgreSQL locks a channel."""
    return int.from_bytes(hashlib.blake2b(f"{team_id}:{channel_id}".encode(), digest_size=8).digest(), signed=True)


def record_message(conn: sa.Connection, message: Message, *, event_ts: str) -> bool:
    """Store a message as it stood at `event_ts`; an older state never overwrites a newer one.

    What it said before an edit is kept beside it, in whatever order the states come. A deleted message stays deleted,
    and all its texts are gone. Returns whether anything changed.
    """
    values = {field.name: getattr(message, field.name) for field in fields(Message)}
    values = {**values, "event_ts": event_ts, "former": []}
    if changes_a_row(conn, insert_row(conn, messages).values(values).on_conflict_do_nothing()):
        return True
    here = sa.and_(*(messages.c[name] == values[name] for name in ("team_id", "channel_id", "ts")))
    stored = conn.execute(sa.select(messages).where(here).with_for_update()).one()
    if stored.deleted:
        return False
    former = {item["revision"]: item["text"] for item in stored.former}
    if stored.event_ts < event_ts:
        if stored.revision != message.revision:
            former[stored.revision] = stored.text
        former.pop(message.revision, None)
        values["thread_ts"] = message.thread_ts or stored.thread_ts
        values["user_id"] = message.user_id or stored.user_id
    elif message.deleted or message.revision in (stored.revision, *former):
        return False
    else:
        former[message.revision] = message.text
        values = {}
    kept = [] if values.get("deleted") else [{"revision": key, "text": former[key]} for key in sorted(former)]
    conn.execute(sa.update(messages).where(here).values({**values, "former": kept}))
    return True


def load_message(conn: sa.Connection, *, team_id: str, channel_id: str, ts: str) -> Message | None:
    """Return one message, deleted or not."""
    query = _select().where(messages.c.team_id == team_id, messages.c.channel_id == channel_id, messages.c.ts == ts)
    row = conn.execute(query).first()
    return _read(row) if row else None


def load_thread(
    conn: sa.Connection, *, team_id: str, channel_id: str, thread_ts: str, before_ts: str | None = None
) -> list[Message]:
    """Return a thread's messages that are not deleted, oldest first, strictly before `before_ts` when given."""
    query = _select().where(
        messages.c.team_id == team_id,
        messages.c.channel_id == channel_id,
        messages.c.thread_ts == thread_ts,
        sa.not_(messages.c.deleted),
    )
    if before_ts is not None:
        query = query.where(messages.c.ts < before_ts)
    return [_read(row) for row in conn.execute(query.order_by(messages.c.ts))]


def number_placeholders(
    conn: sa.Connection, items: Sequence[tuple[str, str]], *, team_id: str, channel_id: str, thread_ts: str
) -> dict[tuple[str, str], int]:
    """Return the number of each (kind, digest) in this thread, giving new ones the next free number of their kind.

    The originals are never stored: a digest can be recognised, not read.
    """
    place = {"team_id": team_id, "channel_id": channel_id, "thread_ts": thread_ts}
    here = sa.and_(*(placeholders.c[name] == value for name, value in place.items()))
    known: dict[tuple[str, str], int] = {}
    if items:
        query = sa.select(placeholders.c.kind, placeholders.c.digest, placeholders.c.number).where(here)
        known = {(row.kind, row.digest): row.number for row in conn.execute(query)}
    for kind, digest in items:
        while (kind, digest) not in known:
            highest = sa.select(sa.func.coalesce(sa.func.max(placeholders.c.number), 0)).where(
                here, placeholders.c.kind == kind
            )
            number = conn.execute(highest).scalar_one() + 1
            insert = insert_row(conn, placeholders).values(kind=kind, digest=digest, number=number, **place)
            conn.execute(insert.on_conflict_do_nothing())
            mine = sa.select(placeholders.c.number).where(
                here, placeholders.c.kind == kind, placeholders.c.digest == digest
            )
            stored = conn.execute(mine).scalar()
            if stored is not None:
                known[kind, digest] = stored
    return {item: known[item] for item in items}


def _select() -> sa.Select[Any]:
    return sa.select(*(messages.c[field.name] for field in fields(Message)))


def _read(row: sa.Row[Any]) -> Message:
    return Message(**{**row._mapping, "former": tuple(FormerText(**item) for item in row.former)})
