"""Brings a thread to what Slack has now: messages, edits, deletions and reactions that never reached us.

It does not know which threads need it. What Slack shows has no times: of a reaction it is only claimed that it came
after what is known, so that no event which is still on its way is overruled.
"""

import logging
from collections.abc import Mapping

import sqlalchemy as sa

from thumbtune.bot.approval import date_found, end_of_edit, is_later, key_emoji, list_emojis, normalize_emoji
from thumbtune.bot.bot import Bot
from thumbtune.bot.collecting import erase_deleted, settle_reply, settle_thread
from thumbtune.bot.people import PeopleMissing
from thumbtune.bot.roles import DeskRoles
from thumbtune.bot.slack import SlackLockedOut
from thumbtune.bot.threads import (
    MAX_THREAD_MESSAGES,
    LiveMessage,
    fetch_thread,
    is_request,
    record_deletion,
    record_live,
)
from thumbtune.core.errors import SlackRefused
from thumbtune.core.records import Approval, Desk
from thumbtune.core.store.approvals import list_moments, load_approvals, record_approval
from thumbtune.core.store.messages import load_message, load_thread, lock_channel
from thumbtune.core.store.tombstones import load_forgotten

logger = logging.getLogger(__name__)

SURELY_WHOLE = MAX_THREAD_MESSAGES // 2
"""Messages up to which a fetched thread was not cut off, so that what it lacks is gone."""
LAST_TS = "9999999999.999999"
"""When a message is gone is not known, and nothing comes after it."""


def repair_thread(bot: Bot, *, desk: Desk, channel_id: str, ts: str, may_be_gone: bool = False) -> bool:
    """Store the thread that a message belongs to as Slack has it, and settle its replies; return whether that was done.

    A thread that Slack does not know is gone when it `may_be_gone`, with all that is known of it. Not so when an event
    has just told of it: Slack's events may be ahead of what it shows.
    Raises: SlackError.
    """
    team_id = bot.identity.team_id
    with bot.store.read() as conn:
        message = load_message(conn, team_id=team_id, channel_id=channel_id, ts=ts)
        thread_ts = message.thread_ts if message is not None and message.thread_ts else ts
        known = {item.ts for item in load_thread(conn, team_id=team_id, channel_id=channel_id, thread_ts=thread_ts)}
        moments = list_moments(conn, team_id=team_id, channel_id=channel_id, from_ts=thread_ts)
    live = fetch_thread(bot, channel_id=channel_id, ts=thread_ts)
    if not live and not (may_be_gone and _can_read(bot, channel_id)):  # nothing follows from what the bot cannot see
        return False
    lost = known - {message.ts for message in live} if len(live) < SURELY_WHOLE else set()
    roles = bot.people.fetch_roles(desk)
    bot.people.fetch_people(user_id for item in live for reaction in item.reactions for user_id in reaction.user_ids)

    def write() -> int:
        with bot.store.write() as conn:
            lock_channel(conn, team_id=team_id, channel_id=channel_id)
            gone = [ts for ts in lost if _record_loss(conn, bot, channel_id=channel_id, thread_ts=thread_ts, ts=ts)]
            changed = len(gone)
            edited: list[str] = []
            for message in live:
                # A forgotten agent's word to the bot was no part of the conversation either.
                if not is_request(bot, message, roles) and not (message.is_forgotten and message.calls_bot):
                    edited += [message.ts] if record_live(conn, bot, message) else []
                    changed += record_reactions(conn, bot, message, desk=desk, roles=roles, moments=moments)
            changed += len(edited)
            at = {"channel_id": channel_id}
            for reply_ts in sorted({thread_ts, *edited}):
                settle_reply(conn, bot, desk=desk, roles=roles, reply_ts=reply_ts, may_wait=False, **at)
            settle_thread(conn, bot, desk=desk, roles=roles, thread_ts=thread_ts, after_ts=thread_ts, **at)
            for gone_ts in gone:  # only now, when the pairs that lack it are withdrawn
                erase_deleted(conn, bot, thread_ts=thread_ts, deleted_ts=gone_ts, **at)
            return changed

    try:
        changed = write()
    except PeopleMissing as missing:
        bot.people.fetch_people(missing.user_ids)
        changed = write()
    logger.info("thread_repaired", extra={"channel_id": channel_id, "ts": ts, "changed": changed})
    return True


def record_reactions(
    conn: sa.Connection,
    bot: Bot,
    live: LiveMessage,
    *,
    desk: Desk,
    roles: DeskRoles,
    moments: Mapping[tuple[str, str, str], str],
) -> int:
    """Store which reactions that matter are on a message and which are gone; return how many were not known so.

    `moments` says when each was last given or taken back as known before Slack was asked: one that was given or taken
    back since is left as it is, for what Slack showed may be older.
    """
    emojis = list_emojis([*desk.emojis, *desk.vetoes])
    place = {"team_id": bot.identity.team_id, "channel_id": live.channel_id, "message_ts": live.ts}
    known = {(item.user_id, item.emoji): item for item in load_approvals(conn, **place)}
    forgotten = load_forgotten(conn, bot.store.sealer, team_id=bot.identity.team_id, channel_id=live.channel_id)
    named = {
        (user_id, key_emoji(reaction.emoji))
        for reaction in live.reactions
        if normalize_emoji(reaction.emoji) in emojis
        for user_id in reaction.user_ids
    }
    shown = {  # what is known under their id was given after they were forgotten
        item if item in known else (forgotten.rename(item[0], ts=live.ts), item[1]) for item in named
    }
    partly_shown = {key_emoji(reaction.emoji) for reaction in live.reactions if not reaction.is_complete}
    changed = 0
    for user_id, emoji in shown | known.keys():
        before, given = known.get((user_id, emoji)), (user_id, emoji) in shown
        if given == (before is not None and before.given) or (not given and emoji in partly_shown):
            continue
        if (before.event_ts if before is not None else None) != moments.get((live.ts, user_id, emoji)):
            continue
        since = before.event_ts if before is not None else live.ts
        if given and is_later(end_of_edit(live.revision), since):
            since = end_of_edit(live.revision)
        if given:
            person = bot.people.get_person(user_id)
            since = date_found(emoji, person, desk=desk, roles=roles, since=since, now=bot.store.now())
        approval = Approval(user_id, emoji, given, add_a_moment(since), found=given)
        changed += record_approval(conn, approval, **place)
    return changed


def add_a_moment(ts: str) -> str:
    """Return the next Slack `ts` after this one."""
    whole, _, part = ts.partition(".")
    micros = int(whole) * 1_000_000 + int(part.ljust(6, "0")[:6]) + 1
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"


def _can_read(bot: Bot, channel_id: str) -> bool:
    """Return whether Slack shows the bot what is written in a channel."""
    try:
        bot.slack.call("conversations.history", channel=channel_id, limit=1)
    except SlackLockedOut:
        raise
    except SlackRefused:
        return False
    return True


def _record_loss(conn: sa.Connection, bot: Bot, *, channel_id: str, thread_ts: str, ts: str) -> bool:
    """Store that a message of a thread is gone from Slack."""
    return record_deletion(conn, bot, channel_id=channel_id, thread_ts=thread_ts, ts=ts, event_ts=LAST_TS)
