"""Makes a training pair of an approved reply, or withdraws it: whatever the stored state says now.

It does not know which event led here. It runs inside one transaction that holds the channel's lock, and asks Slack nothing.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

import sqlalchemy as sa

from thumbtune.bot.approval import (
    Verdict,
    find_text_at,
    judge,
    list_approvers_needed,
    list_emojis,
    normalize_emoji,
)
from thumbtune.bot.bot import Bot, Later
from thumbtune.bot.roles import DeskRoles, name_role
from thumbtune.bot.threads import FILE_ONLY, UNREDACTED, build_turns, holds_unredacted, lacks_beginning
from thumbtune.core.prompt import find_question
from thumbtune.core.records import Approval, Desk, Message, PairSource
from thumbtune.core.store.approvals import list_reacted, load_approvals
from thumbtune.core.store.audits import record_act
from thumbtune.core.store.curating import Inspector, ask_curation, ask_for_dependents
from thumbtune.core.store.documents import search_passages
from thumbtune.core.store.drafts import find_sent_state
from thumbtune.core.store.messages import has_hole, load_conversation, load_message
from thumbtune.core.store.pairs import (
    DELETED,
    EDITED,
    ERASED,
    FOUND_EDITED,
    LATE_EDIT,
    NO_QUESTION,
    NOT_APPROVED,
    UNREADABLE,
    VETOED,
    erase_texts,
    list_made,
    load_pair,
    put_pair,
    withdraw_reply,
)
from thumbtune.core.store.signs import add_sign
from thumbtune.core.store.tombstones import load_forgotten

logger = logging.getLogger(__name__)

WAIT_FOR_MESSAGE_S = 0.7
ACTOR = "bot"
"""Who withdraws in the audit: what happened in Slack may have several authors."""

_Became = Literal["in", "held", "out", ""]
"""What became of a reply's pair; empty when it is as it was."""


def settle_thread(
    conn: sa.Connection, bot: Bot, *, desk: Desk, roles: DeskRoles, channel_id: str, thread_ts: str, after_ts: str
) -> None:
    """Settle every reply after a message that came late, was edited or deleted: it is part of what they answer.

    Raises: PeopleMissing.
    """
    place = {"team_id": bot.identity.team_id, "channel_id": channel_id, "thread_ts": thread_ts}
    for reply_ts in list_reacted(conn, after_ts=after_ts, **place):
        settle_reply(conn, bot, desk=desk, roles=roles, channel_id=channel_id, reply_ts=reply_ts, may_wait=False)


def settle_reply(
    conn: sa.Connection, bot: Bot, *, desk: Desk, roles: DeskRoles, channel_id: str, reply_ts: str, may_wait: bool
) -> None:
    """Bring a reply's training pair to what its thread and its approvals say; doing it again changes nothing.

    Raises: Later when its thread is not stored yet and `may_wait`; PeopleMissing.
    """
    place = {"team_id": bot.identity.team_id, "channel_id": channel_id}
    approvals = load_approvals(conn, message_ts=reply_ts, **place)
    if not approvals:
        message = load_message(conn, ts=reply_ts, **place)
        if message is not None and (message.deleted or message.revision):  # an imported pair may stand at its place
            reason, kept = (DELETED, None) if message.deleted else (EDITED, message.revision)
            became = _withdraw(conn, bot, message, reason=reason, keep_revision=kept)
            if became:
                _ask_for_sign(conn, bot, channel_id=channel_id, reply_ts=reply_ts, cause=f"{became}:{message.revision}")
        return
    conversation = load_conversation(conn, ts=reply_ts, **place)
    if not conversation:
        if may_wait:
            raise Later(WAIT_FOR_MESSAGE_S)
        return
    message = conversation[-1]
    approvers = list_approvers_needed(approvals, desk=desk)
    people = bot.people.get_people([message.user_id, *approvers] if not message.is_bot else approvers)
    verdict = judge(message, approvals, desk=desk, roles=roles, people=people)
    is_reply = not message.is_bot and name_role(people.get(message.user_id), roles, ts=message.ts) == "agent"
    if verdict.is_approved and is_reply and message.text not in ("", FILE_ONLY, UNREDACTED):
        if may_wait and lacks_beginning(conversation):
            raise Later(WAIT_FOR_MESSAGE_S)
        became = _put(conn, bot, conversation, verdict, approvals, desk=desk, roles=roles)
    else:
        became = _withdraw(conn, bot, message, reason=_explain(message, verdict))
    if became:
        cause = f"{became}:{verdict.newest_event_ts}:{message.revision}"
        _ask_for_sign(conn, bot, channel_id=channel_id, reply_ts=reply_ts, cause=cause)


def lost_a_part(conn: sa.Connection, bot: Bot, message: Message) -> bool:
    """Return whether something before a message of a thread was erased here: nobody knows what it answers."""
    place = {"team_id": message.team_id, "channel_id": message.channel_id}
    up_to = max(load_forgotten(conn, bot.store.sealer, **place).up_to.values(), default="")
    return has_hole(conn, thread_ts=message.thread_ts, before_ts=message.ts, forgotten_up_to=up_to, **place)


def erase_deleted(conn: sa.Connection, bot: Bot, *, channel_id: str, thread_ts: str, deleted_ts: str) -> None:
    """Erase what pairs still hold of a deleted message, once its thread is settled, and withdraw what that ends."""
    place, now = {"team_id": bot.identity.team_id, "channel_id": channel_id}, bot.store.now()
    lost = erase_texts(conn, thread_ts=thread_ts, deleted_ts=deleted_ts, now=now, **place)
    ask_for_dependents(conn, bot.store, lost, shows_sign=bot.shows_sign)
    for reply_ts in sorted({load_pair(conn, pair_id).reply_ts for pair_id in lost}):
        record_act(conn, actor=ACTOR, action="pair_withdrawn", subject=f"{channel_id}:{reply_ts}", now=now)
        _ask_for_sign(conn, bot, channel_id=channel_id, reply_ts=reply_ts, cause=f"deleted:{deleted_ts}")


def _put(
    conn: sa.Connection,
    bot: Bot,
    conversation: Sequence[Message],
    verdict: Verdict,
    approvals: Sequence[Approval],
    *,
    desk: Desk,
    roles: DeskRoles,
) -> _Became:
    message, earlier = conversation[-1], [item for item in conversation[:-1] if not item.deleted]
    place = {"team_id": message.team_id, "channel_id": message.channel_id}
    if len(earlier) < len(conversation) - 1 and lost_a_part(conn, bot, message):
        return _withdraw(conn, bot, message, reason=ERASED)
    people = bot.people.get_people(item.user_id for item in earlier if not item.is_bot)
    texts = [find_text_at(item, message.ts) for item in earlier]
    then = [
        item if text in (None, item.text) else replace(item, text=text)
        for item, text in zip(earlier, texts, strict=True)
    ]
    turns = build_turns(then, roles=roles, people=people)
    question = find_question(turns)
    if not question or holds_unredacted(turns):
        return _withdraw(conn, bot, message, reason=UNREADABLE if question else NO_QUESTION)
    now = bot.store.now()
    where = {"reply_ts": message.ts, **place}
    made = list_made(conn, **where)
    withdrawn: _Became = ""
    if made.keys() - {message.revision}:
        withdrawn = _withdraw(conn, bot, message, reason=EDITED, keep_revision=message.revision)
    if message.revision in made and made[message.revision].turns == turns:
        passages = made[message.revision].passages
    else:
        limit = bot.settings.grounding_passages
        passages = search_passages(conn, question, desk_id=desk.desk_id, limit=limit) if limit else []
    last = _find_last_approval(approvals, verdict, desk=desk)
    doubt = LATE_EDIT if None in texts else "" if verdict.is_certain else FOUND_EDITED
    changed = put_pair(
        conn,
        desk_id=desk.desk_id,
        thread_ts=message.thread_ts,
        revision=message.revision,
        turns=turns,
        reply=message.text,
        passages=passages,
        source=_find_source(conn, message),
        approved_by=verdict.approvers[0],
        now=now,
        approved_at=_find_approval_time(approvals, verdict.approvers[0], desk=desk),
        last_approved_at=datetime.fromtimestamp(float(last.event_ts), UTC),
        doubt=doubt,
        **where,
    )
    # Even if nothing changed: another writer's curation passes over what this one holds.
    inspector = Inspector(bot.settings, is_new=changed == "new") if changed else None
    ask_curation(conn, bot.store, shows_sign=bot.shows_sign, inspector=inspector, **where)
    if changed:
        logger.info("pair_settled", extra={"channel_id": message.channel_id, "reply_ts": message.ts})
        action = "pair_changed" if changed == "changed" else "pair_quarantined" if doubt else "pair_approved"
        actors = {"new": verdict.approvers[0], "approved": last.user_id, "changed": ACTOR}
        _note(conn, bot, message, actor=actors[changed], action=action)
    if not (changed or withdrawn):
        return ""
    return "held" if doubt else "in"


def _withdraw(
    conn: sa.Connection, bot: Bot, message: Message, *, reason: str, keep_revision: str | None = None
) -> _Became:
    place = {"team_id": message.team_id, "channel_id": message.channel_id, "reply_ts": message.ts}
    changed = bool(withdraw_reply(conn, reason=reason, now=bot.store.now(), keep_revision=keep_revision, **place))
    if changed:
        ask_curation(conn, bot.store, shows_sign=bot.shows_sign, inspector=None, **place)
        logger.info(
            "pair_withdrawn", extra={"channel_id": message.channel_id, "reply_ts": message.ts, "reason": reason}
        )
        _note(conn, bot, message, actor=ACTOR, action="pair_withdrawn")
    return "out" if changed else ""


def _ask_for_sign(conn: sa.Connection, bot: Bot, *, channel_id: str, reply_ts: str, cause: str) -> None:
    if bot.shows_sign:
        add_sign(conn, bot.store, channel_id=channel_id, reply_ts=reply_ts, cause=cause)


def _note(conn: sa.Connection, bot: Bot, message: Message, *, actor: str, action: str) -> None:
    record_act(conn, actor=actor, action=action, subject=f"{message.channel_id}:{message.ts}", now=bot.store.now())


def _explain(message: Message, verdict: Verdict) -> str:
    """Return why a reply that was approved once is not any more."""
    if message.deleted:
        return DELETED
    if verdict.against:
        return VETOED
    return EDITED if verdict.is_outdated and not verdict.approvers else NOT_APPROVED


def _find_approval_time(approvals: Sequence[Approval], user_id: str, *, desk: Desk) -> datetime | None:
    """Return when someone first approved, by Slack's clock; None when their approval was found later."""
    emojis = list_emojis(desk.emojis)
    given = [item for item in approvals if item.user_id == user_id and item.given]
    times = [float(item.event_ts) for item in given if not item.found and normalize_emoji(item.emoji) in emojis]
    return datetime.fromtimestamp(min(times), UTC) if times else None


def _find_last_approval(approvals: Sequence[Approval], verdict: Verdict, *, desk: Desk) -> Approval:
    """Return the latest 👍 of those who approve."""
    emojis = list_emojis(desk.emojis)
    given = [item for item in approvals if item.user_id in verdict.approvers and item.given]
    return max((item for item in given if normalize_emoji(item.emoji) in emojis), key=lambda item: float(item.event_ts))


def _find_source(conn: sa.Connection, message: Message) -> PairSource:
    state = find_sent_state(conn, team_id=message.team_id, channel_id=message.channel_id, sent_ts=message.ts)
    if state is None:
        return "human"
    return "edited" if state == "edited" else "draft"
