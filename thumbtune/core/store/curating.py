"""Decides which pairs are in: by what was found about each, and by those that come before it and say the same or else.

It does not know who approves, or Slack. What comes out is a matter of the pairs alone, whatever the order in which they
came: what a lead decided for comes before everything else, then the older reply before the newer. It is done last in a
transaction, under a lock on the desk, so that two writers see each other's pairs.
"""

import heapq
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from thumbtune.core.curation import Likeness, compare_exchanges, inspect_pair, sign_exchange
from thumbtune.core.prompt import Passage, Turn
from thumbtune.core.records import Finding, PairState
from thumbtune.core.redaction import Redactor
from thumbtune.core.settings import Settings
from thumbtune.core.store.approving import TimedApproval, explain_burst, watch_approver
from thumbtune.core.store.audits import record_act
from thumbtune.core.store.bands import COMPARED_COLUMNS, ComparedPair, Rank, keep_bands, list_near
from thumbtune.core.store.desks import find_desk
from thumbtune.core.store.engine import Store, match_columns, put_off
from thumbtune.core.store.findings import (
    BETWEEN_PAIRS,
    DEPENDENTS,
    OF_APPROVAL,
    add_findings,
    drop_findings,
    list_dependents,
    list_without,
    load_findings,
)
from thumbtune.core.store.prepared import Prepared
from thumbtune.core.store.schema import desks, findings, pairs
from thumbtune.core.store.signs import add_sign

logger = logging.getLogger(__name__)

ACTOR = "curation"

_ACTIONS: dict[PairState, str] = {
    "active": "pair_let_in",
    "merged": "pair_merged",
    "quarantined": "pair_quarantined",
}
_LEARNED = ("active", "merged")
_BATCH = 500

_HERE = sa.select(*COMPARED_COLUMNS).where(match_columns(pairs, ("team_id", "channel_id", "reply_ts")))
_OF_REPLY = Prepared(_HERE)
_OF_REPLY_LOCKED = Prepared(_HERE.with_for_update(skip_locked=True, key_share=True))
"""Who changes a pair that we do not will look at it after us; to wait for them, who wait for us, would be for ever.

Who merely refers to one, as a snapshot does, will not; it is not passed over for them.
"""
_OF_ID = sa.select(*COMPARED_COLUMNS).where(pairs.c.pair_id == sa.bindparam("pair_id"))
_OF_ID_LOCKED = _OF_ID.with_for_update(skip_locked=True, key_share=True)
_DEPENDENTS_LOCKED = (
    sa.select(*COMPARED_COLUMNS)
    .where(pairs.c.pair_id.in_(DEPENDENTS))
    .with_for_update(skip_locked=True, key_share=True)
)


@dataclass(frozen=True)
class Inspector:
    """What it takes to look at pairs by themselves."""

    settings: Settings
    redactor: Redactor | None = None
    """None when the texts have just been redacted."""
    is_new: bool = False
    """Whether the pair was not there before, so that nothing can be known of it."""


@dataclass(frozen=True)
class _Wish:
    store: Store
    shows_sign: bool
    inspector: Inspector | None
    place: tuple[str, str, str]


def ask_curation(
    conn: sa.Connection,
    store: Store,
    *,
    team_id: str,
    channel_id: str,
    reply_ts: str,
    shows_sign: bool,
    inspector: Inspector | None = None,
) -> None:
    """Have the pairs of a reply looked at before this transaction commits; whoever changes one must ask.

    `inspector` is given when what they hold is new or was changed.
    """
    put_off(conn, curate, _Wish(store, shows_sign, inspector, (team_id, channel_id, reply_ts)))


def ask_for_dependents(conn: sa.Connection, store: Store, pair_ids: Sequence[int], *, shows_sign: bool) -> None:
    """Have the pairs looked at that are out because of these, which are gone."""
    for pair_id in pair_ids:
        for dependent_id in list_dependents(conn, pair_id):
            row = conn.execute(_OF_ID, {"pair_id": dependent_id}).one()
            place = {"team_id": row.team_id, "channel_id": row.channel_id, "reply_ts": row.reply_ts}
            ask_curation(conn, store, shows_sign=shows_sign, **place)


def curate(conn: sa.Connection, wishes: list[_Wish]) -> None:
    """Bring the pairs of these replies, and those that depend on them, to the state that follows from all there is."""
    places: dict[tuple[str, str, str], Inspector | None] = {}
    for wish in wishes:
        places[wish.place] = wish.inspector or places.get(wish.place)
    if conn.dialect.name == "postgresql":
        _lock_desks(conn, list(places))
    current = _Round(conn, wishes[0].store, shows_sign=any(wish.shows_sign for wish in wishes))
    for place, inspector in places.items():
        for pair in _load_reply(conn, place, _OF_REPLY_LOCKED):
            current.add(pair, inspector)
    current.run()


def _load_reply(conn: sa.Connection, place: tuple[str, str, str], query: Prepared) -> list[ComparedPair]:
    values = dict(zip(("team_id", "channel_id", "reply_ts"), place, strict=True))
    return [ComparedPair(*row) for row in query.all(conn, values)]


def _lock_desks(conn: sa.Connection, places: Sequence[tuple[str, str, str]]) -> None:
    """Let one writer at a time curate a desk; it is less than an update's lock, so that others may still add pairs."""
    desk_ids = {pair.desk_id for place in places for pair in _load_reply(conn, place, _OF_REPLY)}
    lock = sa.select(desks.c.desk_id).where(desks.c.desk_id.in_(desk_ids)).order_by(desks.c.desk_id)
    conn.execute(lock.with_for_update(key_share=True))


class _Round:
    """One look at some pairs and at all that follows, the earliest first."""

    def __init__(self, conn: sa.Connection, store: Store, *, shows_sign: bool) -> None:
        self._conn = conn
        self._store = store
        self._shows_sign = shows_sign
        self._asked: dict[int, ComparedPair] = {}
        self._due: list[tuple[Rank, int]] = []
        self._is_due: set[tuple[Rank, int]] = set()
        self._inspected: set[int] = set()
        self._followers: dict[int, list[ComparedPair]] = {}
        self._found: dict[int, list[Finding]] = {}
        self._new: set[int] = set()

    def add(self, pair: ComparedPair, inspector: Inspector | None) -> None:
        """Take in a pair that may have changed, and look at it by itself."""
        self._asked[pair.pair_id] = pair
        if inspector is not None and inspector.is_new and pair.is_standing:
            self._new.add(pair.pair_id)
            self._found.setdefault(pair.pair_id, [])  # another of the round may have found that it is of a burst
        self._push(pair)
        if pair.is_standing and inspector is not None:
            self._inspected.add(pair.pair_id)
            self._inspect(pair, inspector)

    def run(self) -> None:
        """Judge what is due until nothing is."""
        while self._due:
            item = heapq.heappop(self._due)
            self._is_due.remove(item)
            _, pair_id = item
            asked = self._asked.pop(pair_id, None)
            pair = asked or self._load(pair_id)
            if pair is not None:
                self._judge(pair, is_asked=asked is not None)

    def _load(self, pair_id: int) -> ComparedPair | None:
        """Return a pair, locked; None when another writer holds it, who will look at it after us."""
        row = self._conn.execute(_OF_ID_LOCKED, {"pair_id": pair_id}).first()
        return ComparedPair(**row._mapping) if row else None

    def _push(self, pair: ComparedPair) -> None:
        item = (pair.rank, pair.pair_id)
        if item not in self._is_due:
            self._is_due.add(item)
            heapq.heappush(self._due, item)

    def _inspect(self, pair: ComparedPair, inspector: Inspector) -> None:
        """Find what speaks against a pair by itself; what was said of its approval stays."""
        own = self._load_own(pair)
        turns, passages = [Turn(**turn) for turn in pair.turns], [Passage(**item) for item in pair.passages]
        settings = inspector.settings
        found = inspect_pair(turns, pair.reply, passages, settings=settings, redactor=inspector.redactor)
        found += [item for item in own if item.kind in OF_APPROVAL]
        if pair.approved_at is not None and not pair.decided_by:
            approval = TimedApproval(pair.desk_id, pair.approved_by, pair.approved_at)
            found = self._watch_approver(pair, approval, found, settings=settings)
        self._replace(pair, found, before=own, between_pairs=False)

    def _watch_approver(
        self, pair: ComparedPair, approval: TimedApproval, found: Sequence[Finding], *, settings: Settings
    ) -> list[Finding]:
        in_burst, over_cap = watch_approver(self._conn, approval, settings=settings)
        found = [*found, over_cap] if over_cap and not _holds_kind(found, over_cap) else list(found)
        if not in_burst:
            return found
        burst = explain_burst(settings)
        for pair_id in list_without(self._conn, in_burst, kind="burst"):
            if pair_id == pair.pair_id:
                found = found if _holds_kind(found, burst) else [*found, burst]
            else:
                self._add_to_burst(pair_id, burst)
        return found

    def _add_to_burst(self, pair_id: int, burst: Finding) -> None:
        pair = self._asked.get(pair_id) or self._load(pair_id)
        if pair is not None:
            own = self._load_own(pair)
            self._replace(pair, [*own, burst], before=own, between_pairs=False)
            self._push(pair)

    def _load_found(self, pair: ComparedPair) -> list[Finding]:
        if pair.pair_id not in self._found:
            self._found.update(load_findings(self._conn, [pair.pair_id]))
        return self._found[pair.pair_id]

    def _load_own(self, pair: ComparedPair) -> list[Finding]:
        return [item for item in self._load_found(pair) if item.kind not in BETWEEN_PAIRS]

    def _replace(
        self, pair: ComparedPair, found: Sequence[Finding], *, before: Sequence[Finding], between_pairs: bool
    ) -> None:
        if list(found) != list(before):
            if before:
                drop_findings(self._conn, pair.pair_id, between_pairs=between_pairs)
            add_findings(self._conn, pair.pair_id, found)
            rest = [item for item in self._load_found(pair) if (item.kind in BETWEEN_PAIRS) != between_pairs]
            self._found[pair.pair_id] = [*rest, *found]

    def _judge(self, pair: ComparedPair, *, is_asked: bool) -> None:
        bands = sign_exchange(pair.asked, desk_id=pair.desk_id) if pair.asked else []
        alike = self._find_alike(pair, bands)
        before = [item for item in self._load_found(pair) if item.kind in BETWEEN_PAIRS]
        is_open = pair.is_standing and not pair.decided_by
        between = self._relate(pair, alike) if is_open else []
        self._replace(pair, between, before=before, between_pairs=True)
        state = self._settle(pair, [*between, *self._load_own(pair)]) if is_open else pair.state
        if is_asked or state != pair.state:
            is_compared = state in ("active", "quarantined")
            keep_bands(self._conn, pair.pair_id, bands if is_compared else [], is_new=pair.pair_id in self._new)
            if not self._is_as_it_was(pair, state):
                self._push_dependents(pair)
                for other, _ in alike if state == "active" else ():
                    if not other.decided_by and other.rank > pair.rank:
                        self._push(other)
        self._lead(pair, state, alike, same=[item for item in between if item.kind == "same"])

    def _is_as_it_was(self, pair: ComparedPair, state: PairState) -> bool:
        """Whether a pair is in as it was before it was asked about, so that nothing follows for others."""
        is_same = state == pair.state == "active" and not pair.decided_by
        return is_same and pair.pair_id not in self._inspected

    def _push_dependents(self, pair: ComparedPair) -> None:
        """Have the pairs judged that depend on one; of merged ones that say word for word the same, only the first."""
        if pair.pair_id in self._new:
            return
        leaders: dict[str, ComparedPair] = {}
        rows = self._conn.execute(_DEPENDENTS_LOCKED, {"other_id": pair.pair_id})
        for dependent in sorted((ComparedPair(**row._mapping) for row in rows), key=lambda item: item.rank):
            if dependent.state == "merged" and dependent.pair_id not in self._asked:
                said = json.dumps([dependent.turns, dependent.reply, dependent.passages], sort_keys=True)
                leader = leaders.setdefault(said, dependent)
                if leader is not dependent:
                    self._followers.setdefault(leader.pair_id, []).append(dependent)
                    continue
            self._push(dependent)

    def _lead(
        self,
        pair: ComparedPair,
        state: PairState,
        alike: Sequence[tuple[ComparedPair, Likeness]],
        *,
        same: Sequence[Finding],
    ) -> None:
        """Merge those that say word for word the same into what this one is merged into, or else into it."""
        followers = self._followers.pop(pair.pair_id, [])
        if not followers:
            return
        heads = [other for other, _ in alike if same and other.pair_id == same[0].other_id]
        if (state == "active" or same) and not any(head.is_beside(item) for head in heads for item in followers):
            self._follow(followers, same[0] if same else _explain_same(pair, Likeness("same", 1.0, 1.0)))
        else:
            self._followers[followers[0].pair_id] = followers[1:]
            self._push(followers[0])

    def _follow(self, followers: Sequence[ComparedPair], same: Finding) -> None:
        """Point merged pairs to the one they are the same as now."""
        pair_ids = [item.pair_id for item in followers if item.reason != same.explanation]
        pointed = {"other_id": same.other_id, "explanation": same.explanation}
        told = {"reason": same.explanation, "changed_at": self._store.now()}
        for start in range(0, len(pair_ids), _BATCH):
            some = pair_ids[start : start + _BATCH]
            which = sa.and_(findings.c.pair_id.in_(some), findings.c.kind == "same")
            self._conn.execute(sa.update(findings).where(which).values(pointed))
            self._conn.execute(sa.update(pairs).where(pairs.c.pair_id.in_(some)).values(told))
        for pair_id in pair_ids:
            self._found.pop(pair_id, None)

    def _find_alike(self, pair: ComparedPair, bands: Sequence[int]) -> list[tuple[ComparedPair, Likeness]]:
        """Return the pairs of the desk that ask the same, with how they relate."""
        alike: list[tuple[ComparedPair, Likeness]] = []
        for other in list_near(self._conn, pair, bands):
            likeness = compare_exchanges(pair.exchange, other.exchange) if pair.exchange and other.exchange else None
            if likeness is not None:
                alike.append((other, likeness))
        return alike

    def _relate(self, pair: ComparedPair, alike: Sequence[tuple[ComparedPair, Likeness]]) -> list[Finding]:
        """Return what follows from the pairs that are in and come before this one."""
        earlier = [item for item in alike if item[0].state == "active" and item[0].rank < pair.rank]
        if not earlier:
            return []
        other, likeness = min(earlier, key=lambda item: (item[1].kind != "same", not item[1].holds, item[0].rank))
        if likeness.kind == "same":
            return [_explain_same(other, likeness)]
        text = f"contradicts #{other.pair_id}: {likeness.difference} ({_explain_shares(likeness)})"
        holds = likeness.holds and self._store.holds_contradictions
        return [Finding("contradiction", text, holds=holds, other_id=other.pair_id)]

    def _settle(self, pair: ComparedPair, found: Sequence[Finding]) -> PairState:
        """Bring a pair that nobody decided about to the state that follows; return it."""
        same = [item for item in found if item.kind == "same"]
        holding = [item for item in found if item.holds]
        state: PairState = "merged" if same else "quarantined" if holding or pair.doubt else "active"
        doubts = [pair.doubt] if pair.doubt and not same else []
        reason = "; ".join([*(item.explanation for item in same or holding), *doubts])
        if (state, reason) != (pair.state, pair.reason):
            now = self._store.now()
            values = {"state": state, "reason": reason, "changed_at": now}
            self._conn.execute(sa.update(pairs).where(pairs.c.pair_id == pair.pair_id).values(values))
            if state != pair.state:
                self._tell(pair, state, kinds=[item.kind for item in same or holding])
        return state

    def _tell(self, pair: ComparedPair, state: PairState, *, kinds: Sequence[str]) -> None:
        """Audit a change of state, and have the sign on the reply set right."""
        now, subject = self._store.now(), str(pair.pair_id)
        logger.info("pair_curated", extra={"pair_id": pair.pair_id, "state": state, "kinds": list(kinds)})
        detail = {"kinds": list(kinds)}
        record_act(self._conn, actor=ACTOR, action=_ACTIONS[state], subject=subject, now=now, detail=detail)
        place = {"team_id": pair.team_id, "channel_id": pair.channel_id}
        is_shown = self._shows_sign and (state in _LEARNED) != (pair.state in _LEARNED)
        if is_shown and find_desk(self._conn, **place):
            cause = f"{state}:{now.isoformat()}"
            add_sign(self._conn, self._store, channel_id=pair.channel_id, reply_ts=pair.reply_ts, cause=cause)


def _holds_kind(found: Sequence[Finding], item: Finding) -> bool:
    return any(known.kind == item.kind for known in found)


def _explain_same(other: ComparedPair, likeness: Likeness) -> Finding:
    kept = "which a lead kept" if other.decided_by else "the earlier one"
    text = f"same as #{other.pair_id}, {kept} ({_explain_shares(likeness)})"
    return Finding("same", text, other_id=other.pair_id)


def _explain_shares(likeness: Likeness) -> str:
    return f"question {likeness.question_share:.0%}, reply {likeness.reply_share:.0%} alike"
