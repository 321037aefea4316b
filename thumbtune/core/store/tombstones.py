"""Who was forgotten: a keyed digest for each person and desk, and up to which moment what they wrote stays forgotten.

A desk's place is also taken by every desk there is or will be, or by a channel that has left a desk.

It does not know how forgetting is done. A digest can be recognised, not read; it is the one under which the
person's name is numbered in threads.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from thumbtune.core.pseudonyms import is_pseudonym, name_forgotten
from thumbtune.core.sealing import Sealer
from thumbtune.core.store.engine import insert_row, match_columns
from thumbtune.core.store.prepared import Prepared
from thumbtune.core.store.schema import desk_channels, tombstones

EVERY_DESK = "*"
"""Stands for all desks, also those that are made later."""
_SLACK_ID = re.compile(r"[UWB][A-Z0-9]+")
_DESK_HERE = sa.select(desk_channels.c.desk_id).where(match_columns(desk_channels, ("team_id", "channel_id")))
_OF_CHANNEL = Prepared(
    sa.select(tombstones.c.digest, tombstones.c.up_to)
    .where(
        tombstones.c.desk_id.in_(
            (EVERY_DESK, sa.bindparam("channel"), sa.bindparam("reader"), _DESK_HERE.scalar_subquery())
        )
    )
    .order_by(tombstones.c.up_to)
)


@dataclass(frozen=True)
class Tombstone:
    """One person forgotten by some desks."""

    receipt_id: str
    digest: str
    desk_ids: tuple[str, ...]
    """With `EVERY_DESK`, all of them."""
    up_to: str
    """Slack `ts`: what they wrote until then stays forgotten; what comes later is new."""
    by: str
    at: datetime


@dataclass(frozen=True)
class Forgotten:
    """Whom the desk of one channel forgot, and up to which `ts`, by digest."""

    sealer: Sealer
    up_to: Mapping[str, str]

    def holds(self, user_id: str, *, ts: str) -> bool:
        """Return whether what someone wrote or did at `ts` was forgotten."""
        if is_pseudonym(user_id) or not self.up_to:
            return is_pseudonym(user_id)
        return ts <= self.up_to.get(digest_person(self.sealer, user_id), "")

    def rename(self, user_id: str, *, ts: str) -> str:
        """Return under which id someone's reaction of this `ts` is kept."""
        return name_forgotten(digest_person(self.sealer, user_id)) if self.holds(user_id, ts=ts) else user_id


def digest_person(sealer: Sealer, person: str) -> str:
    """Return the digest of a Slack user id, or of a name or address as the author column of a file spells it."""
    spelled = person.strip()
    return sealer.digest(f"NAME\x1f{spelled if _SLACK_ID.fullmatch(spelled) else spelled.casefold()}")


def add_tombstone(conn: sa.Connection, tombstone: Tombstone) -> None:
    """Store that these desks forgot this person; a later forgetting reaches further."""
    for desk_id in tombstone.desk_ids:
        values = {
            "up_to": tombstone.up_to,
            "receipt_id": tombstone.receipt_id,
            "forgotten_by": tombstone.by,
            "forgotten_at": tombstone.at,
        }
        insert = insert_row(conn, tombstones).values(desk_id=desk_id, digest=tombstone.digest, **values)
        later = tombstones.c.up_to < tombstone.up_to
        conn.execute(insert.on_conflict_do_update(index_elements=["desk_id", "digest"], set_=values, where=later))


def list_tombstones(conn: sa.Connection) -> list[Tombstone]:
    """Return every forgetting that still is the latest of a person somewhere, oldest first."""
    found: dict[str, Tombstone] = {}
    for row in conn.execute(sa.select(tombstones).order_by(tombstones.c.forgotten_at, tombstones.c.desk_id)):
        before = found[row.receipt_id].desk_ids if row.receipt_id in found else ()
        found[row.receipt_id] = Tombstone(
            row.receipt_id, row.digest, (*before, row.desk_id), row.up_to, row.forgotten_by, row.forgotten_at
        )
    return list(found.values())


def leave_to_channel(conn: sa.Connection, *, desk_id: str, team_id: str, channel_id: str) -> None:
    """Let what a desk forgot so far stay forgotten in a channel that leaves it, whichever desk takes it."""
    for tombstone in list_tombstones(conn):
        if desk_id in tombstone.desk_ids:
            add_tombstone(conn, replace(tombstone, desk_ids=(_name_channel(team_id, channel_id),)))


def is_kept(conn: sa.Connection, tombstone: Tombstone) -> bool:
    """Return whether the store knows of this forgetting, or of a later one, at each of its desks."""
    which = sa.and_(tombstones.c.digest == tombstone.digest, tombstones.c.up_to >= tombstone.up_to)
    kept = set(conn.execute(sa.select(tombstones.c.desk_id).where(which)).scalars())
    return EVERY_DESK in kept or kept.issuperset(tombstone.desk_ids)


def load_forgotten(
    conn: sa.Connection, sealer: Sealer, *, team_id: str, channel_id: str, desk_id: str = ""
) -> Forgotten:
    """Return whom the desk of a channel forgot, and in it the desks it belonged to before.

    `desk_id` is a desk that reads what was said there without having the channel.
    """
    place = {"team_id": team_id, "channel_id": channel_id, "channel": _name_channel(team_id, channel_id)}
    rows = _OF_CHANNEL.all(conn, {**place, "reader": desk_id})
    return Forgotten(sealer, {row.digest: row.up_to for row in rows})


def holds_forgotten(conn: sa.Connection, digests: Collection[str], *, desk_id: str) -> bool:
    """Return whether a desk forgot one of the people with these digests, whenever that was."""
    which = sa.and_(tombstones.c.desk_id.in_((desk_id, EVERY_DESK)), tombstones.c.digest.in_(digests))
    return bool(digests) and bool(conn.execute(sa.select(sa.exists().where(which))).scalar_one())


def _name_channel(team_id: str, channel_id: str) -> str:
    """Return what stands for a channel where else a desk's id does; no desk is named like this."""
    return f"{team_id}/{channel_id}"
