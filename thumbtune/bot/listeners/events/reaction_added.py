"""Someone reacted to a message: where it may be an approval or a veto, it is kept and the message settled.

It does not know whose reaction counts.
"""

import sqlalchemy as sa

from thumbtune.bot.approval import key_emoji, list_emojis, normalize_emoji
from thumbtune.bot.bot import Bot, Write
from thumbtune.bot.collecting import settle_reply
from thumbtune.bot.repairing import repair_thread
from thumbtune.bot.slack import Json
from thumbtune.bot.threads import needs_repair
from thumbtune.core.records import Approval, InboxEvent
from thumbtune.core.store.approvals import record_approval


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
    approval = Approval(user_id, key_emoji(emoji), given, str(payload.get("event_ts") or ""))

    def write(conn: sa.Connection) -> None:
        record_approval(conn, approval, team_id=event.team_id, channel_id=channel_id, message_ts=ts)
        may_wait = event.attempts == 1
        settle_reply(conn, bot, desk=desk, roles=roles, channel_id=channel_id, reply_ts=ts, may_wait=may_wait)

    return write
