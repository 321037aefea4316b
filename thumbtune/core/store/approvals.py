"""Who reacted to which message with what, as last known: state by `event_ts`, never a counter.

It does not know whose reaction counts.
"""

from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from thumbtune.core.records import Approval
from thumbtune.core.store.engine import match_columns
from thumbtune.core.store.prepared import Prepared, PreparedInsert
from thumbtune.core.store.schema import approvals, messages, pairs


def _let_the_later_win(insert: Any) -> Any:  # Any: either dialect's Insert
    told = insert.excluded
    is_certain_now = sa.and_(approvals.c.event_ts == told.event_ts, approvals.c.found, sa.not_(told.found))
    return insert.on_conflict_do_update(
        index_elements=["team_id", "channel_id", "message_ts", "user_id", "emoji"],
        set_={name: told[name] for name in ("given", "event_ts", "found")},
        where=sa.or_(approvals.c.event_ts < told.event_ts, is_certain_now),
    )


_RECORD = PreparedInsert(approvals, _let_the_later_win)
_OF_MESSAGE = Prepared(
    sa.select(*(approvals.c[field.name] for field in fields(Approval))).where(
        match_columns(approvals, ("team_id", "channel_id", "message_ts"))
    )
)
_ITS_MESSAGE = sa.and_(
    *(approvals.c[name] == messages.c[name] for name in ("team_id", "channel_id")),
    approvals.c.message_ts == messages.c.ts,
)
_REACTED = Prepared(
    sa.select(messages.c.ts)
    .distinct()
    .join(approvals, _ITS_MESSAGE)
    .where(
        match_columns(messages, ("team_id", "channel_id", "thread_ts")),
        messages.c.ts > sa.bindparam("after"),
    )
    .order_by(messages.c.ts)
)


def record_approval(conn: sa.Connection, approval: Approval, *, team_id: str, channel_id: str, message_ts: str) -> bool:
    """Store a reaction given or taken back; the one with the later `event_ts` wins, at the same moment what an event says.

    Returns whether it changed.
    """
    place = {"team_id": team_id, "channel_id": channel_id, "message_ts": message_ts}
    return _RECORD.changes_a_row(conn, {**place, **vars(approval)})


def list_reacted(conn: sa.Connection, *, team_id: str, channel_id: str, thread_ts: str, after_ts: str) -> list[str]:
    """Return the `ts` of a thread's messages after one that have or had reactions, oldest first."""
    place = {"team_id": team_id, "channel_id": channel_id, "thread_ts": thread_ts}
    return [row.ts for row in _REACTED.all(conn, {**place, "after": after_ts})]


def list_given(
    conn: sa.Connection, *, team_id: str, channel_id: str, user_id: str, from_ts: str
) -> dict[tuple[str, str], str]:
    """Return which (message `ts`, emoji) of a channel someone's reaction is known to be on, from one message on.

    Each with the thread it is in, as far as that is known; without messages that were deleted.
    """
    columns = approvals.c
    query = (
        sa.select(columns.message_ts, columns.emoji, messages.c.thread_ts)
        .outerjoin(messages, _ITS_MESSAGE)
        .where(
            columns.team_id == team_id,
            columns.channel_id == channel_id,
            columns.user_id == user_id,
            columns.message_ts >= from_ts,
            columns.given,
            sa.func.coalesce(messages.c.deleted, sa.false()).is_(False),
        )
    )
    return {(row.message_ts, row.emoji): row.thread_ts or row.message_ts for row in conn.execute(query)}


def list_given_pairs(
    conn: sa.Connection, *, desk_id: str, user_id: str, among: int
) -> list[tuple[int, str, str, Approval]]:
    """Return which of a desk's newest pairs in use someone has reacted to without being the first to approve them.

    Each with the revision that the pair is of and who wrote the reply, newest first.
    """
    which = sa.and_(pairs.c.desk_id == desk_id, pairs.c.state == "active")
    newest = sa.select(pairs).where(which).order_by(pairs.c.pair_id.desc()).limit(among).subquery()
    is_theirs = sa.and_(
        *(approvals.c[name] == newest.c[name] for name in ("team_id", "channel_id")),
        approvals.c.message_ts == newest.c.reply_ts,
        approvals.c.user_id == user_id,
    )
    columns = (approvals.c[field.name] for field in fields(Approval))
    query = sa.select(newest.c.pair_id, newest.c.revision, messages.c.user_id, *columns)
    query = query.select_from(newest.join(approvals, is_theirs).join(messages, _ITS_MESSAGE))
    query = query.where(newest.c.approved_by != user_id, approvals.c.given).order_by(newest.c.pair_id.desc())
    rows = conn.execute(query)
    return [(pair_id, revision, author_id, Approval(*values)) for pair_id, revision, author_id, *values in rows]


def list_moments(
    conn: sa.Connection, *, team_id: str, channel_id: str, from_ts: str
) -> dict[tuple[str, str, str], str]:
    """Return the `event_ts` of each (message `ts`, person, emoji) of a channel, from one message on."""
    columns = approvals.c
    query = sa.select(columns.message_ts, columns.user_id, columns.emoji, columns.event_ts).where(
        columns.team_id == team_id, columns.channel_id == channel_id, columns.message_ts >= from_ts
    )
    return {(row.message_ts, row.user_id, row.emoji): row.event_ts for row in conn.execute(query)}


def load_approvals(conn: sa.Connection, *, team_id: str, channel_id: str, message_ts: str) -> list[Approval]:
    """Return every reaction known of a message, given or taken back."""
    place = {"team_id": team_id, "channel_id": channel_id, "message_ts": message_ts}
    return [Approval(*row) for row in _OF_MESSAGE.all(conn, place)]
