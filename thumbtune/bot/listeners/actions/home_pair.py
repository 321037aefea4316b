"""The buttons beside training pairs in the Home tab: a lead decides about any, an approver takes theirs back.

It does not know why a pair was set aside.
"""

import contextlib
from datetime import UTC, datetime

import sqlalchemy as sa

from thumbtune.bot.approval import has_approved
from thumbtune.bot.blocks import home
from thumbtune.bot.blocks.parts import render_blocks, section
from thumbtune.bot.bot import Bot
from thumbtune.bot.homes import publish_home
from thumbtune.bot.roles import DeskRoles, Person, is_approver, is_lead
from thumbtune.core.errors import Conflict, NotFound
from thumbtune.core.records import Desk, InboxEvent, PairState, TrainingPair
from thumbtune.core.store.approvals import load_approvals
from thumbtune.core.store.decisions import Keep, decide_between, decide_pair
from thumbtune.core.store.desks import load_desk
from thumbtune.core.store.messages import load_message
from thumbtune.core.store.pairs import LEFT_OUT, TAKEN_BACK, load_pair
from thumbtune.core.store.places import find_place

_SHOWN_AS: dict[str, PairState] = {
    home.KEEP: "quarantined",
    home.LEAVE_OUT: "quarantined",
    home.UNDO: "active",
    home.WITHDRAW: "active",
    home.RESTORE: "withdrawn",
}
"""What a pair was when the button was drawn: what became something else meanwhile is not decided unseen."""
_DECISIONS: dict[str, tuple[PairState, str]] = {
    home.KEEP: ("active", ""),
    home.RESTORE: ("active", ""),
    home.LEAVE_OUT: ("withdrawn", LEFT_OUT),
    home.WITHDRAW: ("withdrawn", LEFT_OUT),
    home.UNDO: ("withdrawn", TAKEN_BACK),
}
_TOGETHER = {home.KEEP_ALL: home.KEEP, home.LEAVE_OUT_ALL: home.LEAVE_OUT}
_BETWEEN: dict[str, Keep] = {home.KEEP_THIS: "this", home.KEEP_OTHER: "other", home.KEEP_BOTH: "both"}

DECISIONS = (*_DECISIONS, *_BETWEEN, *_TOGETHER)

TAKEN = (
    "Taken back: nothing is learned from that reply any more, though the 👍 still stands in Slack. To approve it again, take "
    "yours off it and give it anew."
)
IMPORT_OUT = "Taken out: nothing is learned from that imported reply any more. A lead of the desk can restore it."


def handle_home_pair(event: InboxEvent, bot: Bot) -> None:
    """Carry out what was decided, if who pressed may decide it, and draw the Home tab anew."""
    action = (event.body.get("actions") or [{}])[0]
    user_id = str((event.body.get("user") or {}).get("id") or "")
    shown, decision = _read_ids(str(action.get("value") or "")), str(action.get("action_id") or "")
    if not shown or decision not in DECISIONS:
        return
    pressed_at = _read_time(str(action.get("action_ts") or "")) or bot.store.now()
    try:
        with bot.store.read() as conn:
            pair = load_pair(conn, shown[0])
            desk = load_desk(conn, pair.desk_id)
            is_own = not pair.decided_by and _has_approved(conn, pair, desk, user_id=user_id)
    except NotFound:
        return
    person, roles, notice = bot.people.fetch_person(user_id), bot.people.fetch_roles(desk), ""
    if desk.team_id == bot.identity.team_id and _may_decide(person, roles, decision=decision, is_own=is_own):
        for pair_id in shown if decision in _TOGETHER else shown[:1]:
            with contextlib.suppress(Conflict, NotFound):  # it changed: the Home tab drawn anew shows how it stands
                _decide(bot, desk, pair_id, shown, decision=decision, user_id=user_id, pressed_at=pressed_at)
                notice = (IMPORT_OUT if pair.source == "imported" else TAKEN) if decision == home.UNDO else ""
        bot.signals.send.set()
    publish_home(bot, user_id, notice=render_blocks([section(notice)]) if notice else ())


def _read_ids(value: str) -> tuple[int, ...]:
    """Return the pairs that a button stands for: one, or this and the other; none when it holds something else."""
    ids = value.split(":")
    return tuple(map(int, ids)) if all(item.isdecimal() for item in ids) else ()


def _read_time(ts: str) -> datetime | None:
    return datetime.fromtimestamp(float(ts), UTC) if ts.replace(".", "", 1).isdecimal() else None


def _decide(
    bot: Bot,
    desk: Desk,
    pair_id: int,
    shown: tuple[int, ...],
    *,
    decision: str,
    user_id: str,
    pressed_at: datetime,
) -> None:
    with bot.store.write() as conn:
        pair = load_pair(conn, pair_id)
        if pair.desk_id != desk.desk_id:
            raise NotFound(f"pair {pair_id} belongs to another desk")
        if decision in _BETWEEN:
            if len(shown) != 2:
                raise Conflict(f"pair {pair_id} was shown without the other: the Home tab is from before an upgrade")
            decide_between(
                conn,
                bot.store,
                pair_id,
                keep=_BETWEEN[decision],
                decided_by=user_id,
                shows_sign=bot.shows_sign,
                shown_id=shown[1],
            )
            return
        single = _TOGETHER.get(decision, decision)
        state, reason = _DECISIONS[single]
        decide_pair(
            conn,
            bot.store,
            pair_id,
            state=state,
            reason=reason,
            decided_by=user_id,
            shows_sign=bot.shows_sign,
            only_if=_SHOWN_AS[single],
            decided_at=_date_undo(conn, pair, pressed_at) if decision == home.UNDO else None,
        )


def _has_approved(conn: sa.Connection, pair: TrainingPair, desk: Desk, *, user_id: str) -> bool:
    if pair.approved_by == user_id:
        return True
    at = {"team_id": pair.team_id, "channel_id": pair.channel_id}
    place, message = find_place(conn, pair.pair_id), load_message(conn, ts=pair.reply_ts, **at)
    if place is None or message is None:
        return False
    approvals = load_approvals(conn, message_ts=pair.reply_ts, **at)
    return has_approved(approvals, user_id=user_id, author_id=message.user_id, revision=place.revision, desk=desk)


def _date_undo(conn: sa.Connection, pair: TrainingPair, pressed_at: datetime) -> datetime:
    """Return when a pair was taken back, by Slack's clock: after every reaction that is known of its reply."""
    known = load_approvals(conn, team_id=pair.team_id, channel_id=pair.channel_id, message_ts=pair.reply_ts)
    return max([pressed_at, *(datetime.fromtimestamp(float(item.event_ts), UTC) for item in known)])


def _may_decide(person: Person, roles: DeskRoles, *, decision: str, is_own: bool) -> bool:
    return is_lead(person, roles) or (decision == home.UNDO and is_own and is_approver(person, roles))
