"""Messages of the desks' channels as they arrive, redacted; edits make revisions, deletions tombstones.

It does not know who belongs to which desk.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import fields

import sqlalchemy as sa

from thumbtune.core.records import FormerText, Message
from thumbtune.core.store.engine import match_columns
from thumbtune.core.store.prepared import Prepared, Row, prepare_insert_of_new
from thumbtune.core.store.schema import messages, placeholders

_KEY = ("team_id", "channel_id", "ts")
_PLACE = ("team_id", "channel_id", "thread_ts")
_COLUMNS = [messages.c[field.name] for field in fields(Message)]
_ADD = prepare_insert_of_new(messages)
_ONE = Prepared(sa.select(*_COLUMNS).where(match_columns(messages, _KEY)))
_THREAD = Prepared(
    sa.select(*_COLUMNS).where(match_columns(messages, _PLACE), sa.not_(messages.c.deleted)).order_by(messages.c.ts)
)
_ITSELF = messages.alias()
_CONVERSATION = Prepared(
    sa.select(*_COLUMNS)
    .where(
        match_columns(messages, ("team_id", "channel_id")),
        messages.c.thread_ts == sa.select(_ITSELF.c.thread_ts).where(match_columns(_ITSELF, _KEY)).scalar_subquery(),
        messages.c.ts <= sa.bindparam("ts"),
    )
    .order_by(messages.c.ts)
)
_WAS_DELETED_IN_SLACK = sa.and_(
    messages.c.user_id != "", messages.c.event_ts > messages.c.ts, messages.c.revision == ""
)
_HOLE = Prepared(
    sa.select(messages.c.ts)
    .where(
        match_columns(messages, _PLACE),
        messages.c.ts < sa.bindparam("before"),
        messages.c.deleted,
        sa.not_(messages.c.is_bot),
        sa.not_(_WAS_DELETED_IN_SLACK),
        sa.or_(messages.c.user_id != "", messages.c.ts <= sa.bindparam("forgotten_up_to")),
    )
    .limit(1)
)
_HERE = match_columns(placeholders, _PLACE)
_OF_KIND = placeholders.c.kind == sa.bindparam("kind")
_NUMBERS = Prepared(sa.select(placeholders.c.kind, placeholders.c.digest, placeholders.c.number).where(_HERE))
_HIGHEST = sa.select(sa.func.coalesce(sa.func.max(placeholders.c.number), 0)).where(_HERE, _OF_KIND)
_NUMBER = sa.select(placeholders.c.number).where(_HERE, _OF_KIND, placeholders.c.digest == sa.bindparam("digest"))
_ADD_NUMBER = prepare_insert_of_new(placeholders)


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
    if _ADD.changes_a_row(conn, values):
        return True
    here = sa.and_(*(messages.c[name] == values[name] for name in _KEY))
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
    row = _ONE.first(conn, {"team_id": team_id, "channel_id": channel_id, "ts": ts})
    return _read(row) if row else None


def load_conversation(conn: sa.Connection, *, team_id: str, channel_id: str, ts: str) -> list[Message]:
    """Return what a message's thread says up to it, itself last, deleted or not; empty when it is not known."""
    rows = _CONVERSATION.all(conn, {"team_id": team_id, "channel_id": channel_id, "ts": ts})
    return [_read(row) for row in rows]


def load_thread(conn: sa.Connection, *, team_id: str, channel_id: str, thread_ts: str) -> list[Message]:
    """Return a thread's messages that are not deleted, oldest first."""
    rows = _THREAD.all(conn, {"team_id": team_id, "channel_id": channel_id, "thread_ts": thread_ts})
    return [_read(row) for row in rows]


def has_hole(
    conn: sa.Connection, *, team_id: str, channel_id: str, thread_ts: str, before_ts: str, forgotten_up_to: str
) -> bool:
    """Return whether a person's message before another one of a thread was erased here, not deleted in Slack.

    A forgetting leaves a message without an author, retention one without an event. What was deleted in Slack before it was
    ever stored had no author once either: without one, only what was written before `forgotten_up_to` counts, the last
    moment up to which anybody was forgotten.
    """
    place = {"team_id": team_id, "channel_id": channel_id, "thread_ts": thread_ts}
    return _HOLE.first(conn, {**place, "before": before_ts, "forgotten_up_to": forgotten_up_to}) is not None


def list_authors(
    conn: sa.Connection, *, team_id: str, channel_id: str, thread_ts: str, up_to: str
) -> list[tuple[str, str]]:
    """Return who wrote each message of a thread until `up_to`, and its `ts`; nobody wrote what was erased."""
    place = {"team_id": team_id, "channel_id": channel_id, "thread_ts": thread_ts}
    known = sa.or_(messages.c.user_id != "", messages.c.deleted)
    query = sa.select(messages.c.user_id, messages.c.ts).filter_by(**place).where(messages.c.ts <= up_to, known)
    return [(row.user_id, row.ts) for row in conn.execute(query.order_by(messages.c.ts))]


def number_placeholders(
    conn: sa.Connection, items: Sequence[tuple[str, str]], *, team_id: str, channel_id: str, thread_ts: str
) -> dict[tuple[str, str], int]:
    """Return the number of each (kind, digest) in this thread, giving new ones the next free number of their kind.

    The originals are never stored: a digest can be recognised, not read.
    """
    place = {"team_id": team_id, "channel_id": channel_id, "thread_ts": thread_ts}
    known: dict[tuple[str, str], int] = {}
    if items:
        known = {(row.kind, row.digest): row.number for row in _NUMBERS.all(conn, place)}
    for kind, digest in items:
        while (kind, digest) not in known:
            key = {"kind": kind, "digest": digest, **place}
            number = conn.execute(_HIGHEST, {"kind": kind, **place}).scalar_one() + 1
            _ADD_NUMBER.changes_a_row(conn, {**key, "number": number})
            stored = conn.execute(_NUMBER, key).scalar()
            if stored is not None:
                known[kind, digest] = stored
    return {item: known[item] for item in items}


def _read(row: Row) -> Message:
    return Message(**{**row._asdict(), "former": tuple(FormerText(**item) for item in row.former)})
