"""Desks and their channels.

It does not know Slack's user groups: ids are kept as given.
"""

from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from thumbtune.core.errors import Conflict, NotFound
from thumbtune.core.records import Desk
from thumbtune.core.store.engine import changes_a_row, insert_row
from thumbtune.core.store.schema import desk_channels, desks
from thumbtune.core.store.tombstones import leave_to_channel


def save_desk(conn: sa.Connection, desk: Desk) -> None:
    """Store a desk and its channels, replacing what was stored under the same id.

    Raises: Conflict when a channel already belongs to another desk.
    """
    values = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(desk).items()}
    channels = values.pop("channels")
    statement = insert_row(conn, desks).values(values)
    conn.execute(statement.on_conflict_do_update(index_elements=["desk_id"], set_=values))
    left = sa.delete(desk_channels).where(desk_channels.c.desk_id == desk.desk_id).returning(desk_channels)
    for place in conn.execute(left).all():
        if place.team_id != desk.team_id or place.channel_id not in channels:
            leave_to_channel(conn, desk_id=desk.desk_id, team_id=place.team_id, channel_id=place.channel_id)
    for channel_id in channels:
        row = {"team_id": desk.team_id, "channel_id": channel_id, "desk_id": desk.desk_id}
        if not changes_a_row(conn, insert_row(conn, desk_channels).values(row).on_conflict_do_nothing()):
            raise Conflict(f"channel {channel_id} already belongs to another desk; remove it there first")


def load_desk(conn: sa.Connection, desk_id: str) -> Desk:
    """Return a desk.

    Raises: NotFound.
    """
    for desk in list_desks(conn, desk_id=desk_id):
        return desk
    raise NotFound(f"no desk {desk_id!r}; run `thumbtune desks list`")


def find_desk(conn: sa.Connection, *, team_id: str, channel_id: str) -> Desk | None:
    """Return the desk this channel belongs to, if any."""
    query = sa.select(desk_channels.c.desk_id).where(
        desk_channels.c.team_id == team_id, desk_channels.c.channel_id == channel_id
    )
    desk_id = conn.execute(query).scalar()
    return load_desk(conn, desk_id) if desk_id else None


def list_desks(conn: sa.Connection, *, desk_id: str | None = None) -> list[Desk]:
    """Return all desks, or the one with this id, ordered by id."""
    query = sa.select(desks).order_by(desks.c.desk_id)
    channel_query = sa.select(desk_channels.c.desk_id, desk_channels.c.channel_id).order_by(desk_channels.c.channel_id)
    if desk_id is not None:
        query = query.where(desks.c.desk_id == desk_id)
        channel_query = channel_query.where(desk_channels.c.desk_id == desk_id)
    channels: dict[str, list[str]] = {}
    for row in conn.execute(channel_query):
        channels.setdefault(row.desk_id, []).append(row.channel_id)
    found = []
    for stored in conn.execute(query):
        values: dict[str, Any] = {  # Any: columns of several types
            key: tuple(value) if isinstance(value, list) else value for key, value in stored._mapping.items()
        }
        found.append(Desk(**values, channels=tuple(channels.get(stored.desk_id, ()))))
    return found
