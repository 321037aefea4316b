"""By what pairs are found that ask the same: the bands of their signatures, and the pairs that share one.

It does not know how alike two texts have to be.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from thumbtune.core.curation import Asked, Exchange, read_asked, read_exchange
from thumbtune.core.prompt import Passage, Turn
from thumbtune.core.records import PairState
from thumbtune.core.store.prepared import Prepared
from thumbtune.core.store.schema import pair_bands, pairs

MAX_COMPARED = 50
"""Pairs that one is compared with at most, those that come first in their order."""

Rank = tuple[int, str, str, int]


@dataclass(frozen=True)
class ComparedPair:
    """A pair as far as it matters to those that ask the same."""

    pair_id: int
    desk_id: str
    team_id: str
    channel_id: str
    thread_ts: str
    reply_ts: str
    turns: list[dict[str, Any]]  # Any: JSON
    reply: str
    passages: list[dict[str, Any]]  # Any: JSON
    state: PairState
    reason: str
    decided_by: str
    doubt: str
    approved_by: str
    approved_at: datetime | None

    @property
    def rank(self) -> Rank:
        """Where it stands: what was decided for first, then imported ones without Slack's time, then by that."""
        sent = (self.reply_ts, self.channel_id) if self.reply_ts[:1].isdigit() else ("", "")
        is_decided_for = self.decided_by and self.state == "active"
        return (0 if is_decided_for else 1, *sent, self.pair_id)

    @property
    def is_standing(self) -> bool:
        """Whether it is approved and its texts are there."""
        return self.state != "withdrawn" and bool(self.reply)

    def is_beside(self, other: "ComparedPair") -> bool:
        """Whether both are of one thread that moved on between them: the same question may have another answer then."""
        is_same_thread = (self.channel_id, self.thread_ts) == (other.channel_id, other.thread_ts)
        return is_same_thread and len(self.turns) != len(other.turns)

    @functools.cached_property
    def asked(self) -> Asked | None:
        """What others are found by that ask the same; None when it asks too little to be compared."""
        return read_asked([Turn(**turn) for turn in self.turns]) if self.is_standing else None

    @functools.cached_property
    def exchange(self) -> Exchange | None:
        """What is compared of it; None when it asks too little to be compared."""
        if not self.is_standing:
            return None
        passages = [Passage(**item) for item in self.passages]
        return read_exchange([Turn(**turn) for turn in self.turns], self.reply, passages)


COMPARED_COLUMNS = [pairs.c[field.name] for field in fields(ComparedPair)]

# Made once: making a statement takes longer than running it.
_BANDS_OF = sa.select(pair_bands.c.band).where(pair_bands.c.pair_id == sa.bindparam("pair_id"))
_DROP_BANDS = sa.delete(pair_bands).where(pair_bands.c.pair_id == sa.bindparam("of_pair"))
_IN_BANDS = sa.select(pair_bands.c.pair_id).where(pair_bands.c.band.in_(sa.bindparam("bands", expanding=True)))
_ADD_BAND = Prepared(sa.insert(pair_bands), columns=["band", "pair_id"])
_IS_SENT = sa.func.substr(pairs.c.reply_ts, 1, 1).in_(list("0123456789"))
_RANK = (
    sa.case((sa.and_(pairs.c.decided_by != "", pairs.c.state == "active"), 0), else_=1),
    sa.case((_IS_SENT, pairs.c.reply_ts), else_=""),
    sa.case((_IS_SENT, pairs.c.channel_id), else_=""),
    pairs.c.pair_id,
)
"""What `ComparedPair.rank` says."""
_NOT_BESIDE = sa.or_(
    pairs.c.channel_id != sa.bindparam("channel_id"),
    pairs.c.thread_ts != sa.bindparam("thread_ts"),
    sa.func.json_array_length(pairs.c.turns) == sa.bindparam("turns"),
)
"""The opposite of what `ComparedPair.is_beside` says."""
# Nothing of the desk: bands are of one desk already, and SQLite would read all its pairs by their index.
_NEAR = (
    sa.select(*COMPARED_COLUMNS)
    .where(
        pairs.c.pair_id.in_(_IN_BANDS),
        pairs.c.pair_id != sa.bindparam("pair_id"),
        sa.or_(pairs.c.state == "active", sa.and_(pairs.c.state == "quarantined", pairs.c.decided_by == "")),
        _NOT_BESIDE,
    )
    .order_by(*_RANK)
    .limit(MAX_COMPARED)
)


def keep_bands(conn: sa.Connection, pair_id: int, bands: Sequence[int], *, is_new: bool) -> None:
    """Keep by what a pair is found; nothing for one that others need not be compared with."""
    known = set() if is_new else set(conn.execute(_BANDS_OF, {"pair_id": pair_id}).scalars())
    if known == set(bands):
        return
    if known:
        conn.execute(_DROP_BANDS, {"of_pair": pair_id})
    if bands:
        _ADD_BAND.run_many(conn, [{"band": band, "pair_id": pair_id} for band in dict.fromkeys(bands)])


def list_near(conn: sa.Connection, pair: ComparedPair, bands: Sequence[int]) -> list[ComparedPair]:
    """Return the pairs that may ask the same and are in, or may come in."""
    if not bands:
        return []
    shared = {"pair_id": pair.pair_id, "bands": list(bands)}
    numbered = {f"band_{number}": band for number, band in enumerate(bands)}
    if not _prepare_has_near(len(bands)).all(conn, {**numbered, "pair_id": pair.pair_id}):  # as most have none
        return []
    values = {**shared, "channel_id": pair.channel_id, "thread_ts": pair.thread_ts, "turns": len(pair.turns)}
    return [ComparedPair(*row) for row in conn.execute(_NEAR, values)]


@functools.cache
def _prepare_has_near(bands: int) -> Prepared:
    in_bands = pair_bands.c.band.in_([sa.bindparam(f"band_{number}") for number in range(bands)])
    is_another = pair_bands.c.pair_id != sa.bindparam("pair_id")
    return Prepared(sa.select(pair_bands.c.pair_id).where(in_bands, is_another).limit(sa.literal_column("1")))
