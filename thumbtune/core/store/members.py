"""Who is in a user group and who was: Slack tells only the first, and what people did then goes on to count.

It does not know desks or what membership means.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from thumbtune.core.store.engine import Store, insert_row
from thumbtune.core.store.schema import group_members


@dataclass(frozen=True)
class Departure:
    """Between which two looks at a group someone left it, in seconds since 1970."""

    last_seen: float
    """When they were last seen in it; 0 where that is not known."""
    missed: float
    """When they were first seen not to be in it."""


def remember_members(store: Store, group_id: str, user_ids: Collection[str]) -> dict[str, Departure]:
    """Keep who is in a group now; return those who left it.

    Raises: StoreUnavailable.
    """
    with store.write() as conn:
        _keep(conn, group_id, set(user_ids), now=store.now())
        return _pick_former(conn, group_id)


def list_former(store: Store, group_id: str) -> dict[str, Departure]:
    """Return who left a group, by what was kept so far.

    Raises: StoreUnavailable.
    """
    with store.read() as conn:
        return _pick_former(conn, group_id)


def list_members(conn: sa.Connection) -> list[str]:
    """Return everybody who is or was in a group."""
    return list(conn.execute(sa.select(group_members.c.user_id).distinct()).scalars())


def erase_member(conn: sa.Connection, user_id: str) -> None:
    """Forget which groups someone was in."""
    conn.execute(sa.delete(group_members).where(group_members.c.user_id == user_id))


def _pick_former(conn: sa.Connection, group_id: str) -> dict[str, Departure]:
    has_left = sa.and_(group_members.c.group_id == group_id, group_members.c.left_at.is_not(None))
    rows = conn.execute(sa.select(group_members).where(has_left))
    return {
        row.user_id: Departure(row.seen_at.timestamp() if row.seen_at else 0.0, row.left_at.timestamp()) for row in rows
    }


def _keep(conn: sa.Connection, group_id: str, members: set[str], *, now: datetime) -> None:
    seen = {"seen_at": now, "left_at": None}
    rows = [{"group_id": group_id, "user_id": user_id, **seen} for user_id in sorted(members)]
    if rows:
        insert = insert_row(conn, group_members)
        conn.execute(insert.on_conflict_do_update(index_elements=["group_id", "user_id"], set_=seen), rows)
    has_left = sa.and_(
        group_members.c.group_id == group_id,
        group_members.c.user_id.not_in(members),
        group_members.c.left_at.is_(None),
    )
    conn.execute(sa.update(group_members).where(has_left).values(left_at=now))
