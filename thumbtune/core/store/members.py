"""Who is in a user group and who was: Slack tells only the first, and what people did then goes on to count.

It does not know desks or what membership means.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

import sqlalchemy as sa

from thumbtune.core.store.engine import Store, insert_row
from thumbtune.core.store.schema import group_members


def remember_members(store: Store, group_id: str, user_ids: Collection[str]) -> dict[str, float]:
    """Keep who is in a group now; return when those were seen to have left who were, in seconds since 1970.

    Raises: StoreUnavailable.
    """
    members = set(user_ids)
    with store.read() as conn:
        known = _load(conn, group_id)
    if members != {user_id for user_id, left in known.items() if left is None}:
        with store.write() as conn:
            _keep(conn, group_id, members, now=store.now())
            known = _load(conn, group_id)
    return _pick_former(known)


def list_former(store: Store, group_id: str) -> dict[str, float]:
    """Return who was in a group, as above, by what was kept so far.

    Raises: StoreUnavailable.
    """
    with store.read() as conn:
        return _pick_former(_load(conn, group_id))


def list_members(conn: sa.Connection) -> list[str]:
    """Return everybody who is or was in a group."""
    return list(conn.execute(sa.select(group_members.c.user_id).distinct()).scalars())


def erase_member(conn: sa.Connection, user_id: str) -> None:
    """Forget which groups someone was in."""
    conn.execute(sa.delete(group_members).where(group_members.c.user_id == user_id))


def _load(conn: sa.Connection, group_id: str) -> dict[str, float | None]:
    rows = conn.execute(sa.select(group_members).where(group_members.c.group_id == group_id))
    return {row.user_id: row.left_at and row.left_at.timestamp() for row in rows}


def _pick_former(known: Mapping[str, float | None]) -> dict[str, float]:
    return {user_id: left for user_id, left in known.items() if left is not None}


def _keep(conn: sa.Connection, group_id: str, members: set[str], *, now: datetime) -> None:
    rows = [{"group_id": group_id, "user_id": user_id, "left_at": None} for user_id in sorted(members)]
    if rows:
        insert = insert_row(conn, group_members)
        conn.execute(insert.on_conflict_do_update(index_elements=["group_id", "user_id"], set_={"left_at": None}), rows)
    has_left = sa.and_(
        group_members.c.group_id == group_id,
        group_members.c.user_id.not_in(members),
        group_members.c.left_at.is_(None),
    )
    conn.execute(sa.update(group_members).where(has_left).values(left_at=now))
