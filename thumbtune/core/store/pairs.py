"""Training pairs: an approved reply with the conversation it answers; one row per reply and revision.

It does not know why a reply counts as approved.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from thumbtune.core.errors import Conflict, NotFound
from thumbtune.core.prompt import Passage, Turn
from thumbtune.core.records import PairSource, PairState, TrainingPair
from thumbtune.core.store.engine import match_columns
from thumbtune.core.store.findings import OF_APPROVAL
from thumbtune.core.store.golden import drop_cases_of
from thumbtune.core.store.prepared import Prepared, prepare_insert_of_new
from thumbtune.core.store.schema import approvals, findings, messages, pair_bands, pairs, runs, snapshot_pairs
from thumbtune.core.store.schema_training import trial_drafts
from thumbtune.core.store.triages import erase_deleted

Change = Literal["new", "approved", "changed", ""]
"""What became of a pair: `approved` when it changed by another approval; empty when it was there as it is."""


@dataclass(frozen=True)
class Made:
    """What a pair was made with: its conversation and the passages found for it."""

    turns: list[Turn]
    passages: list[Passage]


def put_pair(
    conn: sa.Connection,
    *,
    desk_id: str,
    team_id: str,
    channel_id: str,
    thread_ts: str,
    reply_ts: str,
    revision: str,
    turns: Sequence[Turn],
    reply: str,
    passages: Sequence[Passage],
    source: PairSource,
    approved_by: str,
    now: datetime,
    approved_at: datetime | None = None,
    last_approved_at: datetime | None = None,
    doubt: str = "",
) -> Change:
    """Bring the pair of this revision of a reply to this content; return whether it is new and what changed it.

    `approved_at` is None when it is not known. A doubt sets it aside. What a person decided about its state stays, as
    long as the reply is approved, and so does a reply that was corrected; the rest of its content follows all the same.
    One that was taken back in the Home tab counts again when it was approved after that. One that was erased stays erased.
    """
    key = {"team_id": team_id, "channel_id": channel_id, "reply_ts": reply_ts, "revision": revision}
    content: dict[str, Any] = {  # Any: columns of several types
        "turns": [asdict(turn) for turn in turns],
        "reply": reply,
        "passages": [asdict(passage) for passage in passages],
    }
    state: PairState = "quarantined" if doubt else "active"
    standing = {"state": state, "reason": doubt, "doubt": doubt, "approved_by": approved_by, "approved_at": approved_at}
    new = {**key, **content, **standing, "desk_id": desk_id, "thread_ts": thread_ts, "source": source}
    if _ADD.changes_a_row(conn, {**new, "created_at": now, "changed_at": now}):
        return "new"
    stored = conn.execute(sa.select(pairs).filter_by(**key).with_for_update()).one()
    if not stored.reply:
        return ""
    was_taken_back = stored.state == "withdrawn" and stored.reason == TAKEN_BACK
    is_approved_anew = was_taken_back and last_approved_at is not None and last_approved_at > stored.changed_at
    changes = {name: value for name, value in content.items() if getattr(stored, name) != value}
    if stored.corrected_by:
        changes.pop("reply", None)
    if stored.approved_at is None and stored.approved_by == approved_by and approved_at is not None:
        changes["approved_at"] = approved_at  # found at first, told of by an event since
    if is_approved_anew or (not stored.decided_by and (stored.state == "withdrawn" or stored.doubt != doubt)):
        changes.update(standing, decided_by="")
        is_other = (stored.approved_by, stored.approved_at) != (approved_by, approved_at)
        # An approval that was taken back and found again later has no time to be told by.
        is_approved_anew |= is_other or (stored.state == "withdrawn" and stored.reason in (NOT_APPROVED, EDITED))
        if is_other:
            said = sa.and_(findings.c.pair_id == stored.pair_id, findings.c.kind.in_(OF_APPROVAL))
            conn.execute(sa.delete(findings).where(said))
    if changes:
        # When a pair was taken back is compared with later approvals.
        changed_at = max(now, stored.changed_at) if was_taken_back and not is_approved_anew else now
        conn.execute(sa.update(pairs).filter_by(**key).values({**changes, "changed_at": changed_at}))
    if not changes:
        return ""
    return "approved" if is_approved_anew else "changed"


def check_texts(pair: TrainingPair, *, what: str) -> None:
    """Refuse to do something with a pair whose texts are gone; why they are stays said.

    Raises: Conflict.
    """
    if not (pair.turns and pair.reply):
        raise Conflict(f"pair {pair.pair_id} cannot be {what}: its texts are gone ({pair.reason})")


def list_made(conn: sa.Connection, *, team_id: str, channel_id: str, reply_ts: str) -> dict[str, Made]:
    """Return what the pairs of a reply were made with, by its revision, in whatever state they are."""
    rows = _MADE.all(conn, {"at_team_id": team_id, "at_channel_id": channel_id, "at_reply_ts": reply_ts})
    return {
        row.revision: Made([Turn(**turn) for turn in row.turns], [Passage(**passage) for passage in row.passages])
        for row in rows
    }


NOT_APPROVED = "no longer approved"
EDITED = "the reply was edited after the approval"
DELETED = "the reply was deleted"
QUESTION_DELETED = "a message before it was deleted"
LEFT_OUT = "left out by a lead"
TAKEN_BACK = "taken back in the Home tab"
VETOED = "an approver is against it"
NO_QUESTION = "no customer's message is left before the reply"
UNREADABLE = "a message of the thread could not be redacted"
FOUND_EDITED = "approved and edited while the bot was away; in which order is not known"
FORGOTTEN = "someone in it was forgotten"
ERASED = "an earlier message was erased here: its author was forgotten, or it was older than message_retention_days"
EXPIRED = "older than pair_retention_days"
LATE_EDIT = "an earlier message was edited after the reply, and what it said before is not known"

_ADD = prepare_insert_of_new(pairs)
_OF_REPLY = match_columns(pairs, ("team_id", "channel_id", "reply_ts"), prefix="at_")
_MADE = Prepared(sa.select(pairs.c.revision, pairs.c.turns, pairs.c.passages).where(_OF_REPLY))
_IS_LEARNED = Prepared(
    sa.select(
        sa.exists().where(_OF_REPLY, sa.or_(pairs.c.state == "active", pairs.c.state == "merged")).label("is_learned")
    )
)
_WAITS = sa.and_(pairs.c.state.in_(("merged", "quarantined")), pairs.c.decided_by == "")
_WITHDRAW = (
    sa.update(pairs)
    .where(_OF_REPLY, sa.or_(pairs.c.state == "active", _WAITS))
    .values(state="withdrawn", reason=sa.bindparam("why"), decided_by="", changed_at=sa.bindparam("now"))
)
_WITHDRAW_OTHERS = _WITHDRAW.where(pairs.c.revision != sa.bindparam("kept"))
_LET_GIVE_ANEW = (
    sa.update(pairs).where(_OF_REPLY, pairs.c.reason == TAKEN_BACK).values(decided_by="", reason=NOT_APPROVED)
)


def withdraw_reply(
    conn: sa.Connection,
    *,
    team_id: str,
    channel_id: str,
    reply_ts: str,
    reason: str,
    now: datetime,
    keep_revision: str | None = None,
) -> int:
    """Withdraw every pair of a reply that counts or waits for review, but the revision to keep; return how many."""
    place = {"at_team_id": team_id, "at_channel_id": channel_id, "at_reply_ts": reply_ts}
    if reason == NOT_APPROVED:  # a new 👍 counts again for whoever took theirs back; what a lead decided stays
        conn.execute(_LET_GIVE_ANEW, place)
    values = {**place, "why": reason, "now": now}
    if keep_revision is None:
        return conn.execute(_WITHDRAW, values).rowcount
    return conn.execute(_WITHDRAW_OTHERS, {**values, "kept": keep_revision}).rowcount


def erase_texts(
    conn: sa.Connection, *, team_id: str, channel_id: str, thread_ts: str, deleted_ts: str, now: datetime
) -> list[int]:
    """Erase what pairs, triages and trials still hold of a deleted message; return which pairs were withdrawn by it.

    Those that count by approvals are settled anew instead; an imported one that nobody approved here is withdrawn.
    """
    here = sa.and_(pairs.c.team_id == team_id, pairs.c.channel_id == channel_id)
    own = sa.and_(here, pairs.c.reply_ts == deleted_ts)
    later = sa.and_(here, pairs.c.thread_ts == thread_ts, pairs.c.reply_ts > deleted_ts)
    counts = pairs.c.state != "withdrawn"
    reacted = sa.exists().where(
        *(approvals.c[name] == pairs.c[name] for name in ("team_id", "channel_id")),
        approvals.c.message_ts == pairs.c.reply_ts,
    )
    drop_cases_of(conn, conn.execute(sa.select(pairs.c.pair_id).where(later)).scalars().all(), now=now)
    erase_deleted(conn, team_id=team_id, channel_id=channel_id, thread_ts=thread_ts, deleted_ts=deleted_ts)
    reached = sa.select(pairs.c.pair_id).where(sa.or_(own, later))
    conn.execute(sa.delete(trial_drafts).where(trial_drafts.c.pair_id.in_(reached)))  # those for golden cases too
    lost: list[int] = []
    for which, reason in ((own, DELETED), (sa.and_(later, sa.not_(reacted)), QUESTION_DELETED)):
        withdrawn = {"state": "withdrawn", "reason": reason, "decided_by": "", "changed_at": now}
        withdraw = sa.update(pairs).where(which, counts).values(withdrawn).returning(pairs.c.pair_id)
        lost += conn.execute(withdraw).scalars()
    conn.execute(sa.update(pairs).where(own).values(turns=[], passages=[], reply=""))
    conn.execute(sa.update(pairs).where(later, pairs.c.state == "withdrawn").values(turns=[], passages=[]))
    return lost


def erase_pairs(
    conn: sa.Connection, pair_ids: Sequence[int], *, reason: str, now: datetime
) -> list[tuple[str, str, str]]:
    """Withdraw pairs for good and erase their texts; return team, channel and `ts` of replies that were learned."""
    learned: list[tuple[str, str, str]] = []
    for start in range(0, len(pair_ids), 500):
        which = pairs.c.pair_id.in_(pair_ids[start : start + 500])
        active = sa.select(pairs.c.team_id, pairs.c.channel_id, pairs.c.reply_ts).where(
            which, pairs.c.state.in_(("active", "merged"))
        )
        learned += [(row.team_id, row.channel_id, row.reply_ts) for row in conn.execute(active)]
        gone = {"turns": [], "passages": [], "reply": "", "state": "withdrawn", "reason": reason, "changed_at": now}
        conn.execute(sa.update(pairs).where(which).values({**gone, "doubt": "", "decided_by": ""}))
        drop_cases_of(conn, pair_ids[start : start + 500], now=now)
        for table in (findings, pair_bands, trial_drafts):  # what is told, computed or written of their texts
            conn.execute(sa.delete(table).where(table.c.pair_id.in_(pair_ids[start : start + 500])))
    return learned


def holds_erased(conn: sa.Connection, pair_ids: Sequence[int]) -> bool:
    """Return whether the texts of one of these pairs were erased."""
    for start in range(0, len(pair_ids), 500):
        which = sa.and_(pairs.c.pair_id.in_(pair_ids[start : start + 500]), pairs.c.reply == "")
        if conn.execute(sa.select(sa.exists().where(which))).scalar_one():
            return True
    return False


def set_pair_state(
    conn: sa.Connection, pair_id: int, *, state: PairState, reason: str, now: datetime, decided_by: str = "cli"
) -> TrainingPair:
    """Withdraw, quarantine or restore one pair by hand.

    Raises: NotFound.
    """
    values = {"state": state, "reason": reason, "decided_by": decided_by, "changed_at": now}
    conn.execute(sa.update(pairs).where(pairs.c.pair_id == pair_id).values(values))
    return load_pair(conn, pair_id)


def load_pair(conn: sa.Connection, pair_id: int, *, lock: bool = False) -> TrainingPair:
    """Return one pair; `lock` holds its row until the transaction ends.

    Raises: NotFound.
    """
    query = sa.select(pairs).where(pairs.c.pair_id == pair_id)
    row = conn.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise NotFound(f"no pair {pair_id}; run `thumbtune pairs list`")
    return _read(row)


def is_outdated(conn: sa.Connection, pair_id: int) -> bool:
    """Return whether a pair's reply stands in Slack in another revision than the pair has."""
    here = sa.and_(
        pairs.c.team_id == messages.c.team_id,
        pairs.c.channel_id == messages.c.channel_id,
        pairs.c.reply_ts == messages.c.ts,
        pairs.c.revision != messages.c.revision,
    )
    return conn.execute(sa.select(sa.exists().where(pairs.c.pair_id == pair_id, here))).scalar_one()


def list_pairs(
    conn: sa.Connection,
    *,
    desk_id: str | None = None,
    state: PairState | None = None,
    approved_by: str | None = None,
    is_decided: bool = False,
    after_id: int = 0,
    limit: int = 100,
    newest_first: bool = False,
) -> list[TrainingPair]:
    """Return a page of pairs in order of their ids; `is_decided`: those somebody decided about by hand."""
    query = sa.select(pairs).where(pairs.c.pair_id > after_id).limit(limit)
    query = query.order_by(pairs.c.pair_id.desc() if newest_first else pairs.c.pair_id)
    if desk_id is not None:
        query = query.where(pairs.c.desk_id == desk_id)
    if state is not None:
        # Of an approver it is an expression: SQLite is to find their few pairs by index, not among all of the desk's.
        query = query.where((pairs.c.state if approved_by is None else pairs.c.state.concat("")) == state)
    if approved_by is not None:
        query = query.where(pairs.c.approved_by == approved_by)
    if is_decided:
        query = query.where(pairs.c.decided_by != "", pairs.c.reply != "")
    return [_read(row) for row in conn.execute(query)]


def count_pairs(conn: sa.Connection, *, desk_id: str) -> dict[PairState, int]:
    """Return how many pairs of a desk are in each state."""
    query = (
        sa.select(pairs.c.state, sa.func.count().label("rows"))
        .where(pairs.c.desk_id == desk_id)
        .group_by(pairs.c.state)
    )
    return {row.state: row.rows for row in conn.execute(query)}


def count_pairs_since(conn: sa.Connection, *, desk_id: str, since: datetime) -> int:
    """Return how many of a desk's active pairs were made after a moment."""
    which = sa.and_(pairs.c.desk_id == desk_id, pairs.c.state == "active", pairs.c.created_at > since)
    return conn.execute(sa.select(sa.func.count()).select_from(pairs).where(which)).scalar_one()


def count_new_pairs(conn: sa.Connection, *, desk_id: str) -> int:
    """Return how many active pairs the desk's last judged run did not see, whether it would have trained on them or not."""
    judged = sa.and_(runs.c.desk_id == desk_id, runs.c.state.in_(("passed", "rejected", "inconclusive")))
    last = sa.select(runs.c.run_id).where(judged).order_by(runs.c.created_at.desc()).limit(1).scalar_subquery()
    of_last, of_desk = snapshot_pairs.c.run_id == last, pairs.c.desk_id == desk_id
    was_seen = sa.exists().where(of_last, snapshot_pairs.c.pair_id == pairs.c.pair_id)
    # All active ones less those seen that still are: counts over indexes, which stay quick where a look at each does not.
    active = sa.select(sa.func.count()).select_from(pairs).where(of_desk, pairs.c.state == "active")
    seen = sa.select(sa.func.count()).select_from(snapshot_pairs).where(of_last)
    gone = sa.select(sa.func.count()).select_from(pairs)
    gone = gone.where(of_desk, pairs.c.state.in_(("merged", "withdrawn", "quarantined")), was_seen)
    new = active.scalar_subquery() - seen.scalar_subquery() + gone.scalar_subquery()
    return int(conn.execute(sa.select(new)).scalar_one())


def is_learned(conn: sa.Connection, *, team_id: str, channel_id: str, reply_ts: str) -> bool:
    """Return whether a reply has a pair that is in, by itself or in another that says the same."""
    place = {"at_team_id": team_id, "at_channel_id": channel_id, "at_reply_ts": reply_ts}
    return bool(_IS_LEARNED.all(conn, place)[0].is_learned)


def _read(row: sa.Row[Any]) -> TrainingPair:
    values = dict(row._mapping)
    values["turns"] = tuple(Turn(**turn) for turn in values["turns"])
    values["passages"] = tuple(Passage(**passage) for passage in values["passages"])
    for name in ("revision", "doubt", "approved_at"):
        del values[name]
    return TrainingPair(**values)
