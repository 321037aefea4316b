"""Someone reacted to a message: where it may be an approval or a veto, it is kept and the message settled.

It does not know whose reaction counts.
"""

import sqlalchemy as sa

from thumbtune.bot.approval import end_of_edit, is_later, key_emoji, list_emojis, normalize_emoji
from thumbtune.bot.bot import Bot, Write
from thumbtune.bot.collecting import settle_reply
from thumbtune.bot.repairing import add_a_moment, repair_thread
from thumbtune.bot.slack import Json
from thumbtune.bot.threads import needs_repair
from thumbtune.core.records import Approval, InboxEvent
from thumbtune.core.store.approvals import load_approvals, record_approval
from thumbtune.core.store.messages import load_message, lock_channel
from thumbtune.core.store.tombstones import load_forgotten


def handle_reaction_added(event: InboxEvent, bot: Bot) -> Write | None:
    """Return what to store of a reaction that was given."""
    return keep_reaction(event, bot, given=True)


def keep_reaction(event: InboxEvent, bot: Bot, *, given: bool) -> Write | None:
    """Return what to store of a reaction; nothing when it means nothing to the desk or is not in its channels."""
    payload: Json = event.body["event"]
    item: Json = payload.get("item") or {}
    channel_id, ts = str(item.get("channel") or ""), str(item.get("ts") or "")
    user_id, emoji = str(payload.get("user") or ""), str(payload.get("reaction") or "")
    if item.get("type") != "message" or not (ts and user_id and emoji):
        return None
    desk = bot.find_desk(channel_id)
    if desk is None or normalize_emoji(emoji) not in list_emojis([*desk.emojis, *desk.vetoes]):
        return None
    roles = bot.people.fetch_roles(desk)
    bot.people.fetch_person(user_id)
    if event.attempts > 1:
        with bot.store.read() as conn:
            is_needed = needs_repair(conn, bot, channel_id=channel_id, ts=ts)
        if is_needed:
            repair_thread(bot, desk=desk, channel_id=channel_id, ts=ts)
    # Not the event's own team: in a channel shared with another workspace that may be the other one.
    place, key = {"team_id": bot.identity.team_id, "channel_id": channel_id}, key_emoji(emoji)

    def write(conn: sa.Connection) -> None:
        lock_channel(conn, **place)
        event_ts = str(payload.get("event_ts") or "") or _find_moment(conn, user_id, key, ts=ts, **place)
        giver = load_forgotten(conn, bot.store.sealer, **place).rename(user_id, ts=event_ts)
        record_approval(conn, Approval(giver, key, given, event_ts), message_ts=ts, **place)
        may_wait = event.attempts == 1
        settle_reply(conn, bot, desk=desk, roles=roles, channel_id=channel_id, reply_ts=ts, may_wait=may_wait)

    return write


def _find_moment(conn: sa.Connection, user_id: str, emoji: str, *, team_id: str, channel_id: str, ts: str) -> str:
    """Return when a reaction was given or taken back whose event has no time: after all that is known by now.

    Slack's events have one. Software that speaks as Slack does may leave it out.
    Source: docs.slack.dev/reference/events/reaction_added, seen 2026-11-21.
    """
    place = {"team_id": team_id, "channel_id": channel_id}
    message = load_message(conn, ts=ts, **place)
    known = {(item.user_id, item.emoji): item.event_ts for item in load_approvals(conn, message_ts=ts, **place)}
    since = known.get((user_id, emoji), ts)
    edited_at = end_of_edit(message.revision) if message is not None else ""
    return add_a_moment(edited_at if is_later(edited_at, since) else since)
