"""Who reacted to which message with what, as last known: state by `event_ts`, never a counter.

It does not know whose reaction counts.
"""

import sqlalchemy as sa

from thumbtune.core.records import Approval
from thumbtune.core.store.engine import changes_a_row, insert_row
from thumbtune.core.store.schema import approvals


def record_approval(conn: sa.Connection, approval: Approval, *, team_id: str, channel_id: str, message_ts: str) -> bool:
    """Store a reaction given or taken back; the one with the later `event_ts` wins. Returns whether it changed."""
    statement = insert_row(conn, approvals).values(
        team_id=team_id,
        channel_id=channel_id,
        message_ts=message_ts,
        user_id=approval.user_id,
        emoji=approval.emoji,
        given=approval.given,
        event_ts=approval.event_ts,
    )
    statement = statement.on_conflict_do_update(
        index_elements=["team_id", "channel_id", "message_ts", "user_id", "emoji"],
        set_={"given": statement.excluded.given, "event_ts": statement.excluded.event_ts},
        where=approvals.c.event_ts < statement.excluded.event_ts,
    )
    return changes_a_row(conn, statement)


def load_approvals(conn: sa.Connection, *, team_id: str, channel_id: str, message_ts: str) -> list[Approval]:
    """Return every reaction known of a message, given or taken back."""
    columns = approvals.c
    query = sa.select(columns.user_id, columns.emoji, columns.given, columns.event_ts).where(
        columns.team_id == team_id, columns.channel_id == channel_id, columns.message_ts == message_ts
    )
    return [Approval(*row) for row in conn.execute(query)]
