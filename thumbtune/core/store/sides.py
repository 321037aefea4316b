"""On which side of the split each thread of a desk is, from the first snapshot on that had pairs of it.

It does not know how sides are chosen. Rows are only added: a thread never changes sides.
"""

from collections.abc import Collection, Mapping

import sqlalchemy as sa

from thumbtune.core.store.engine import insert_row
from thumbtune.core.store.schema import desks, findings, pairs
from thumbtune.core.store.schema_training import thread_sides

_BATCH = 1000
_PLACE = ("team_id", "channel_id", "thread_ts")

Place = tuple[str, str, str]
"""Workspace, channel and thread."""


def lock_sides(conn: sa.Connection, *, desk_id: str) -> None:
    """Let one writer at a time give threads of a desk their sides; others may still add pairs."""
    conn.execute(sa.select(desks.c.desk_id).where(desks.c.desk_id == desk_id).with_for_update(key_share=True))


def load_sides(conn: sa.Connection, *, desk_id: str) -> dict[Place, bool]:
    """Return of each thread that has a side whether it is held out."""
    query = sa.select(thread_sides).where(thread_sides.c.desk_id == desk_id)
    return {(row.team_id, row.channel_id, row.thread_ts): row.held_out for row in conn.execute(query)}


def find_sides(conn: sa.Connection, places: Collection[Place], *, desk_id: str) -> dict[Place, bool]:
    """Return the sides of those of a few threads that have one."""
    here = sa.tuple_(*(thread_sides.c[name] for name in _PLACE)).in_(places)
    query = sa.select(thread_sides).where(thread_sides.c.desk_id == desk_id, here)
    return {(row.team_id, row.channel_id, row.thread_ts): row.held_out for row in conn.execute(query)}


def keep_sides(conn: sa.Connection, sides: Mapping[Place, bool], *, desk_id: str) -> None:
    """Give threads their sides; one that has a side keeps it."""
    rows = [
        {"desk_id": desk_id, **dict(zip(_PLACE, place, strict=True)), "held_out": held_out}
        for place, held_out in sides.items()
    ]
    insert = insert_row(conn, thread_sides).on_conflict_do_nothing()
    for start in range(0, len(rows), _BATCH):
        conn.execute(insert, rows[start : start + _BATCH])


def list_twins(conn: sa.Connection, *, desk_id: str) -> list[tuple[Place, int]]:
    """Return the threads of a desk's merged pairs, each with the pair in use that says the same."""
    joined = pairs.join(findings, sa.and_(findings.c.pair_id == pairs.c.pair_id, findings.c.kind == "same"))
    query = sa.select(pairs.c.team_id, pairs.c.channel_id, pairs.c.thread_ts, findings.c.other_id).select_from(joined)
    which = sa.and_(pairs.c.desk_id == desk_id, pairs.c.state == "merged", findings.c.other_id.is_not(None))
    rows = conn.execute(query.where(which))
    return [((row.team_id, row.channel_id, row.thread_ts), row.other_id) for row in rows]
