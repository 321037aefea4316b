"""Erases what the store holds of a person: messages, pairs, drafts, what is on its way, their name in every column.

It does not know why. A person is given by keyed digest, so that the same can be done again on a store that was
restored from an older backup, where nobody says their name any more.
"""

import re
import secrets
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from thumbtune.core.pseudonyms import name_forgotten
from thumbtune.core.store.curating import ask_curation, ask_for_dependents
from thumbtune.core.store.engine import Store, insert_row
from thumbtune.core.store.erasing_events import Thread, erase_events, erase_posts
from thumbtune.core.store.golden import drop_cases_of
from thumbtune.core.store.members import erase_member, list_members
from thumbtune.core.store.pairs import FORGOTTEN, erase_pairs
from thumbtune.core.store.schema import (
    approvals,
    desk_channels,
    desks,
    drafts,
    messages,
    pair_authors,
    pairs,
    placeholders,
    runs,
    tombstones,
)
from thumbtune.core.store.schema_training import golden_cases, overrides, triages
from thumbtune.core.store.signs import add_signs
from thumbtune.core.store.tombstones import Tombstone, digest_person, is_kept
from thumbtune.core.store.triages import erase_triages

_PLACEHOLDER = re.compile(r"\[([A-Z]+)_(\d+)\]")
_BATCH = 200


@dataclass(frozen=True)
class Erased:
    """What was erased."""

    counts: Counter[str]
    desk_ids: frozenset[str]
    """Desks that lost pairs or triages: of a channel that moved, also others than those of the tombstone."""


class Eraser:
    """Erases one person from the desks of a tombstone, inside one transaction; doing it again erases what came since."""

    def __init__(self, conn: sa.Connection, store: Store, tombstone: Tombstone, *, shows_sign: bool) -> None:
        self._conn = conn
        self._store = store
        self._tombstone = tombstone
        self._shows_sign = shows_sign
        self._pseudonym = name_forgotten(tombstone.digest)
        self._teams = list(conn.execute(sa.select(desks.c.team_id).where(self._ours(desks)).distinct()).scalars())
        places = conn.execute(sa.select(desk_channels)).all()
        self._places = {(row.team_id, row.channel_id): row.desk_id in tombstone.desk_ids for row in places}
        self._channels = {row.channel_id for row in places if row.desk_id in tombstone.desk_ids}
        self._user_ids = self._find_user_ids()
        self._reached: set[str] = set()

    def erase(self) -> Erased:
        """Erase everything and return how much that was."""
        threads = self._list_threads(self._said())
        blanked = self._list_threads(sa.and_(self._in_reach(messages), self._said()))
        found = self._find_pairs()
        counts = Counter(
            pairs=len(found),
            golden_cases=drop_cases_of(self._conn, list(found), now=self._store.now()),
            triages=self._erase_triages(),
            messages=self._erase_messages(),
            approvals=self._rename_approvals(),
            drafts=self._erase_drafts(threads),
            placeholders=self._cut_placeholders(blanked),
            events=erase_events(
                self._conn, self._store, is_ours=self._is_ours, is_person=self._is_person, at=self._tombstone.at
            ),
            posts=erase_posts(self._conn, self._store, blanked, why=FORGOTTEN),
        )
        cause = f"forgotten:{self._tombstone.receipt_id}"
        erase_for_good(self._conn, self._store, list(found), reason=FORGOTTEN, cause=cause, shows_sign=self._shows_sign)
        self._rename()
        self._leave_groups()
        return Erased(counts, frozenset(self._reached.union(found.values())))

    def _ours(self, table: sa.Table) -> sa.ColumnElement[bool]:
        return table.c.desk_id.in_(self._tombstone.desk_ids)

    def _in_reach(self, table: sa.Table) -> sa.ColumnElement[bool]:
        """Limit what came from channels to those that belong to no other desk: messages go in these alone."""
        return sa.and_(table.c.team_id.in_(self._teams), sa.not_(self._of_others(table)))

    def _of_others(self, table: sa.Table) -> sa.ColumnElement[bool]:
        return sa.exists().where(
            desk_channels.c.team_id == table.c.team_id,
            desk_channels.c.channel_id == table.c.channel_id,
            desk_channels.c.desk_id.not_in(self._tombstone.desk_ids),
        )

    def _of_ours(self, table: sa.Table) -> sa.ColumnElement[bool]:
        """Limit what is made of messages to our desks and their channels: what was made before a channel moved keeps its desk."""
        here = sa.exists().where(
            desk_channels.c.team_id == table.c.team_id,
            desk_channels.c.channel_id == table.c.channel_id,
            self._ours(desk_channels),
        )
        return sa.or_(self._ours(table), here)

    def _goes_with_messages(self, table: sa.Table) -> sa.ColumnElement[bool]:
        """Limit what is made of messages to what is ours, or would be left behind where nobody can tell any more whose it is."""
        return sa.or_(self._ours(table), self._in_reach(table))

    def _is_person(self, user_id: object) -> bool:
        return isinstance(user_id, str) and digest_person(self._store.sealer, user_id) == self._tombstone.digest

    def _find_user_ids(self) -> list[str]:
        columns = [messages.c.user_id, approvals.c.user_id, drafts.c.asked_by, runs.c.requested_by]
        columns += [pairs.c.approved_by, pairs.c.decided_by, pairs.c.corrected_by, overrides.c.overridden_by]
        columns += [golden_cases.c.added_by, golden_cases.c.changed_by, triages.c.decided_by]
        query = sa.union(*(sa.select(column) for column in columns))
        return [user_id for user_id in self._conn.execute(query).scalars() if user_id and self._is_person(user_id)]

    def _said(self) -> sa.ColumnElement[bool]:
        return sa.and_(messages.c.user_id.in_(self._user_ids), messages.c.ts <= self._tombstone.up_to)

    def _list_threads(self, which: sa.ColumnElement[bool]) -> set[Thread]:
        query = sa.select(messages.c.team_id, messages.c.channel_id, messages.c.thread_ts).where(which)
        return {(row.team_id, row.channel_id, row.thread_ts) for row in self._conn.execute(query.distinct())}

    def _find_pairs(self) -> dict[int, str]:
        """Return the pairs whose reply is theirs, or that answer something of theirs, with their desks."""
        wanted = sa.select(pairs.c.pair_id, pairs.c.desk_id).where(pairs.c.reason != FORGOTTEN)
        same = [messages.c[name] == pairs.c[name] for name in ("team_id", "channel_id", "thread_ts")]
        said = wanted.where(self._goes_with_messages(pairs), self._said(), *same, messages.c.ts <= pairs.c.reply_ts)
        imported = wanted.where(
            self._of_ours(pairs),
            pair_authors.c.pair_id == pairs.c.pair_id,
            pair_authors.c.digest == self._tombstone.digest,
            pairs.c.created_at <= self._tombstone.at,
        )
        query = sa.union(said, imported).order_by("pair_id")
        return {row.pair_id: row.desk_id for row in self._conn.execute(query)}

    def _erase_triages(self) -> int:
        """Erase triages of what they wrote, and those that they put in their own words."""
        same = [messages.c[name] == triages.c[name] for name in ("team_id", "channel_id", "thread_ts")]
        said = sa.exists().where(self._said(), *same, messages.c.ts <= triages.c.last_seen_ts)
        worded = sa.and_(self._are_named(triages, "decided_by"), triages.c.state == "corrected")
        which = sa.or_(sa.and_(self._goes_with_messages(triages), said), worded)
        desk_ids = sa.select(triages.c.desk_id).where(which, triages.c.state != "erased").distinct()
        self._reached.update(self._conn.execute(desk_ids).scalars())
        return erase_triages(self._conn, which, reason=FORGOTTEN)

    def _rename(self) -> None:
        """Take their name out of pairs, runs and golden cases.

        Another writer's curation passes over the pairs that this holds on PostgreSQL, so they are looked at after it.
        """
        place = [pairs.c[name] for name in ("team_id", "channel_id", "reply_ts")]
        held: set[tuple[str, str, str]] = set()
        for column in ("approved_by", "decided_by", "corrected_by"):
            update = sa.update(pairs).where(self._are_named(pairs, column)).values({column: self._pseudonym})
            held.update(
                (row.team_id, row.channel_id, row.reply_ts) for row in self._conn.execute(update.returning(*place))
            )
        for team_id, channel_id, reply_ts in sorted(held) if self._conn.dialect.name == "postgresql" else ():
            where = {"team_id": team_id, "channel_id": channel_id, "reply_ts": reply_ts}
            ask_curation(self._conn, self._store, shows_sign=self._shows_sign, inspector=None, **where)
        in_private = sa.or_(*(runs.c.announce_channel.startswith(letter) for letter in "DUW"))
        told = sa.and_(self._are_named(runs, "requested_by"), in_private)
        self._conn.execute(sa.update(runs).where(told).values(announce_channel=None))
        columns = ((runs, "requested_by"), (golden_cases, "added_by"), (golden_cases, "changed_by"))
        for table, column in (*columns, (triages, "decided_by")):
            named = self._are_named(table, column)
            self._conn.execute(sa.update(table).where(named).values({column: self._pseudonym}))
        of_ours = sa.select(runs.c.run_id).where(self._ours(runs))
        theirs = sa.and_(overrides.c.run_id.in_(of_ours), overrides.c.overridden_by.in_(self._user_ids))
        theirs = sa.and_(theirs, overrides.c.overridden_at <= self._tombstone.at)
        self._conn.execute(sa.update(overrides).where(theirs).values(overridden_by=self._pseudonym))

    def _leave_groups(self) -> None:
        """Forget which groups they were in; what desks that do not forget them learned goes on to need it."""
        forgot = sa.select(tombstones.c.desk_id).where(tombstones.c.digest == self._tombstone.digest)
        others = sa.select(desks.c.desk_id).where(sa.not_(self._ours(desks)), desks.c.desk_id.not_in(forgot)).limit(1)
        if self._conn.execute(others).first() is None:
            for user_id in filter(self._is_person, list_members(self._conn)):
                erase_member(self._conn, user_id)

    def _are_named(self, table: sa.Table, column: str) -> sa.ColumnElement[bool]:
        ours = self._of_ours(table) if "channel_id" in table.c else self._ours(table)
        theirs = sa.and_(ours, table.c[column].in_(self._user_ids))
        return sa.and_(theirs, table.c.created_at <= self._tombstone.at)

    def _erase_messages(self) -> int:
        """Leave of each message that there was one: its place blocks whatever would bring it back."""
        values = {"text": "", "former": [], "deleted": True, "user_id": ""}
        which = sa.and_(self._in_reach(messages), self._said())
        return self._conn.execute(sa.update(messages).where(which).values(values)).rowcount

    def _rename_approvals(self) -> int:
        which = sa.and_(
            # Those of a shared channel were once kept under the other workspace.
            sa.or_(approvals.c.team_id.in_(self._teams), approvals.c.channel_id.in_(self._channels)),
            sa.not_(self._of_others(approvals)),
            approvals.c.user_id.in_(self._user_ids),
            approvals.c.event_ts <= self._tombstone.up_to,
        )
        rows = [
            dict(row) | {"user_id": self._pseudonym}
            for row in self._conn.execute(sa.select(approvals).where(which)).mappings()
        ]
        if rows:
            self._conn.execute(insert_row(self._conn, approvals).on_conflict_do_nothing(), rows)
            self._conn.execute(sa.delete(approvals).where(which))
        return len(rows)

    def _erase_drafts(self, threads: set[Thread]) -> int:
        """Erase drafts they asked for, and drafts that answer them."""
        ours = sa.and_(self._goes_with_messages(drafts), drafts.c.requested_at <= self._tombstone.at)
        asked = drafts.c.asked_by.in_(self._user_ids)
        query = sa.select(drafts.c.draft_id, drafts.c.team_id, drafts.c.channel_id, drafts.c.thread_ts).where(ours)
        answering = [
            row.draft_id for row in self._conn.execute(query) if (row.team_id, row.channel_id, row.thread_ts) in threads
        ]
        full = sa.or_(drafts.c.text != "", drafts.c.sent_text != "", asked, drafts.c.state == "requested")
        which = sa.and_(ours, full, sa.or_(asked, drafts.c.draft_id.in_(answering)))
        is_open = drafts.c.state.in_(("requested", "ready"))
        values: dict[str, Any] = {  # Any: columns of several types
            "text": "",
            "sent_text": "",
            "passages": [],
            "asked_by": sa.case((asked, self._pseudonym), else_=drafts.c.asked_by),
            "state": sa.case((is_open, "discarded"), else_=drafts.c.state),
        }
        return self._conn.execute(sa.update(drafts).where(which).values(values)).rowcount

    def _cut_placeholders(self, threads: set[Thread]) -> int:
        """Cut the link between a placeholder and its original, where nobody else's message holds it.

        The number stays taken, so that it never comes to mean something else.
        """
        cut = [row for some in _cut_batches(threads) for row in self._list_unused(some)]
        if not is_kept(self._conn, self._tombstone):  # else the number is that of something new
            theirs = sa.and_(
                placeholders.c.digest == self._tombstone.digest, placeholders.c.thread_ts <= self._tombstone.up_to
            )
            cut += self._conn.execute(sa.select(placeholders).where(self._in_reach(placeholders), theirs)).all()
        for row in cut:
            here = sa.and_(*(placeholders.c[name] == value for name, value in row._mapping.items()))
            self._conn.execute(sa.update(placeholders).where(here).values(digest=secrets.token_hex(32)))
        return len(cut)

    def _list_unused(self, threads: Collection[Thread]) -> list[sa.Row[Any]]:
        def in_one(table: sa.Table) -> sa.ColumnElement[bool]:
            return sa.tuple_(table.c.team_id, table.c.channel_id, table.c.thread_ts).in_(threads)

        left = sa.select(messages).where(in_one(messages), sa.not_(messages.c.deleted))
        used = {
            (row.team_id, row.channel_id, row.thread_ts, *match.groups())
            for row in self._conn.execute(left)
            for text in (row.text, *(item["text"] for item in row.former))
            for match in _PLACEHOLDER.finditer(text)
        }
        found = self._conn.execute(sa.select(placeholders).where(in_one(placeholders), placeholders.c.kind != "NAME"))
        return [
            row for row in found if (row.team_id, row.channel_id, row.thread_ts, row.kind, str(row.number)) not in used
        ]

    def _is_ours(self, team_id: str, channel_id: str) -> bool:
        """Return whether what happened there is ours; a shared channel has one id, and sends as either workspace."""
        own = self._places.get((team_id, channel_id))
        return (team_id in self._teams or channel_id in self._channels) if own is None else own


def erase_for_good(
    conn: sa.Connection, store: Store, pair_ids: Sequence[int], *, reason: str, cause: str, shows_sign: bool
) -> None:
    """Erase pairs, have those looked at that are out because of them, and the signs on their replies taken off."""
    learned = erase_pairs(conn, pair_ids, reason=reason, now=store.now())
    ask_for_dependents(conn, store, pair_ids, shows_sign=shows_sign)
    known = {(row.team_id, row.channel_id) for row in conn.execute(sa.select(desk_channels))}
    shown = [place for place in learned if place[:2] in known] if shows_sign else []
    add_signs(conn, store, shown, cause=cause)


def _cut_batches(threads: Collection[Thread]) -> Iterator[list[Thread]]:
    ordered = sorted(threads)
    for start in range(0, len(ordered), _BATCH):
        yield ordered[start : start + _BATCH]
