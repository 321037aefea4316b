"""Where pairs come from: a reply's place and revision, under which it is learned once, whichever way it came.

It does not know imports or exports.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from thumbtune.core.records import PairState
from thumbtune.core.store.engine import insert_row
from thumbtune.core.store.schema import pair_authors, pairs

IMPORT_CHANNEL = "import"
"""Stands where a pair from Slack has its channel."""


@dataclass(frozen=True)
class Place:
    """One revision of one reply."""

    team_id: str
    channel_id: str
    thread_ts: str
    reply_ts: str
    revision: str


@dataclass(frozen=True)
class FoundPair:
    """The pair at a place, as far as one has to know to leave it alone."""

    pair_id: int
    desk_id: str
    state: PairState
    reason: str


def find_pair(conn: sa.Connection, place: Place) -> FoundPair | None:
    """Return the pair of this revision of a reply, in whatever state and of whichever desk."""
    query = sa.select(pairs.c.pair_id, pairs.c.desk_id, pairs.c.state, pairs.c.reason).where(
        pairs.c.team_id == place.team_id,
        pairs.c.channel_id == place.channel_id,
        pairs.c.reply_ts == place.reply_ts,
        pairs.c.revision == place.revision,
    )
    row = conn.execute(query).first()
    return FoundPair(**row._mapping) if row else None


def find_place(conn: sa.Connection, pair_id: int) -> Place | None:
    """Return where a pair comes from."""
    columns = (pairs.c[name] for name in ("team_id", "channel_id", "thread_ts", "reply_ts", "revision"))
    row = conn.execute(sa.select(*columns).where(pairs.c.pair_id == pair_id)).first()
    return Place(**row._mapping) if row else None


def record_authors(conn: sa.Connection, place: Place, digests: Sequence[str]) -> None:
    """Note by keyed digest whose words the pair at a place holds, as far as a file said who wrote."""
    found = find_pair(conn, place)
    if found is None:
        return
    for digest in digests:
        row = insert_row(conn, pair_authors).values(pair_id=found.pair_id, digest=digest)
        conn.execute(row.on_conflict_do_nothing())


def load_authors(conn: sa.Connection, pair_id: int) -> list[str]:
    """Return by keyed digest whose words a pair is noted to hold."""
    query = sa.select(pair_authors.c.digest).where(pair_authors.c.pair_id == pair_id)
    return list(conn.execute(query.order_by(pair_authors.c.digest)).scalars())


def mark_imported(conn: sa.Connection, pair_id: int) -> None:
    """Note that a pair came from a file, unless a model drafted its reply: that counts for more."""
    which = sa.and_(pairs.c.pair_id == pair_id, pairs.c.source == "human")
    conn.execute(sa.update(pairs).where(which).values(source="imported"))


def load_revisions(conn: sa.Connection, pair_ids: Sequence[int]) -> dict[int, str]:
    """Return which revision of its reply each pair holds."""
    query = sa.select(pairs.c.pair_id, pairs.c.revision).where(pairs.c.pair_id.in_(pair_ids))
    return {row.pair_id: row.revision for row in conn.execute(query)}
