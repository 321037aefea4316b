"""Finds the drafts that lost against an approved reply: they were written for the same conversation and not sent so.

Nothing is stored: whatever takes a pair, a draft or a text away takes it away here too. It does not know how much a draft
has to differ, or what is learned from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from thumbtune.core.records import DraftMode, DraftState
from thumbtune.core.store.schema import drafts, messages, pairs

_PLACE = ("team_id", "channel_id", "thread_ts")
_BATCH = 500


@dataclass(frozen=True)
class LostDraft:
    """A draft, and the pair whose reply was approved in its place."""

    pair_id: int
    draft_id: str
    text: str
    state: DraftState
    mode: DraftMode | None
    adapter: str | None


def list_lost_drafts(conn: sa.Connection, *, desk_id: str) -> list[LostDraft]:
    """Return them by pair and in the order in which they were asked for, whatever they say.

    A draft that was posted is compared with the reply it became. One that was not lost against the next reply, as long as
    nobody wrote in between: a later reply answers another conversation. What was edited or deleted after the draft was
    asked for, by Slack's clock, makes it another conversation too.
    """
    is_posted = sa.and_(drafts.c.state.in_(("sent", "edited")), drafts.c.sent_ts == pairs.c.reply_ts)
    in_thread = sa.and_(*(messages.c[name] == drafts.c[name] for name in _PLACE))
    was_said = sa.exists().where(
        in_thread,
        messages.c.ts > drafts.c.last_seen_ts,
        messages.c.ts < pairs.c.reply_ts,
        sa.not_(messages.c.deleted),
        sa.not_(messages.c.is_bot),
    )
    has_changed = sa.exists().where(
        in_thread,
        messages.c.ts <= drafts.c.last_seen_ts,
        sa.or_(
            messages.c.revision > drafts.c.last_seen_ts,
            sa.and_(messages.c.deleted, messages.c.event_ts > drafts.c.last_seen_ts),
        ),
    )
    is_next = sa.and_(
        drafts.c.state.in_(("discarded", "stale")), drafts.c.last_seen_ts < pairs.c.reply_ts, sa.not_(was_said)
    )
    query = (
        sa.select(
            pairs.c.pair_id,
            *(drafts.c[name] for name in ("draft_id", "text", "state", "mode", "adapter")),
        )
        .join_from(drafts, pairs, sa.and_(*(pairs.c[name] == drafts.c[name] for name in ("desk_id", *_PLACE))))
        .where(
            drafts.c.desk_id == desk_id,
            drafts.c.text != "",
            pairs.c.state == "active",
            sa.or_(is_posted, is_next),
            sa.not_(has_changed),
        )
        .order_by(pairs.c.pair_id, drafts.c.requested_at, drafts.c.draft_id)
    )
    return [LostDraft(**row._mapping) for row in conn.execute(query)]


def holds_erased_draft(conn: sa.Connection, draft_ids: Sequence[str]) -> bool:
    """Return whether the text of one of these drafts is not there any more."""
    wanted = sorted(set(draft_ids))
    for start in range(0, len(wanted), _BATCH):
        some = wanted[start : start + _BATCH]
        which = sa.and_(drafts.c.draft_id.in_(some), drafts.c.text != "")
        if conn.execute(sa.select(sa.func.count()).select_from(drafts).where(which)).scalar_one() < len(some):
            return True
    return False
