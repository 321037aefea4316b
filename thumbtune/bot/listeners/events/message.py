"""A message was written, edited or deleted in a channel: it is kept, and what depends on it is settled.

It does not know threads' turns or pairs.
"""

import sqlalchemy as sa

from thumbtune.bot.bot import Bot, Write
from thumbtune.bot.collecting import erase_deleted, settle_reply, settle_thread
from thumbtune.bot.repairing import repair_thread
from thumbtune.bot.slack import Json
from thumbtune.bot.threads import is_request, needs_repair, read_message, record_deletion, record_live
from thumbtune.core.records import Desk, InboxEvent
from thumbtune.core.store.messages import lock_channel


def handle_message(event: InboxEvent, bot: Bot) -> Write | None:
    """Return what to store of a message event; nothing for channels without a desk."""
    payload: Json = event.body["event"]
    channel_id = str(payload.get("channel") or "")
    desk = bot.find_desk(channel_id)
    if desk is None:
        return None
    roles = bot.people.fetch_roles(desk)
    event_ts = str(payload.get("event_ts") or payload.get("ts") or "")
    raw, deleted_ts = _read_change(payload)
    live = read_message(bot, raw, channel_id=channel_id) if raw is not None else None
    ts = deleted_ts or (live.ts if live is not None else "")
    if not ts or (live is not None and is_request(bot, live, roles)):
        return None
    if event.attempts > 1:
        _repair(bot, desk, channel_id, ts)

    def write(conn: sa.Connection) -> None:
        lock_channel(conn, team_id=bot.identity.team_id, channel_id=channel_id)
        if live is not None:
            thread_ts = live.thread_ts
            changed = record_live(conn, bot, live, event_ts=event_ts)
        else:
            gone: Json = payload.get("previous_message") or {}
            thread_ts, user_id = str(gone.get("thread_ts") or ts), str(gone.get("user") or gone.get("bot_id") or "")
            at = {"channel_id": channel_id, "thread_ts": thread_ts, "ts": ts}
            changed = record_deletion(conn, bot, event_ts=event_ts, user_id=user_id, **at)
        may_wait = event.attempts == 1
        settle_reply(conn, bot, desk=desk, roles=roles, channel_id=channel_id, reply_ts=ts, may_wait=may_wait)
        if changed:
            settle_thread(conn, bot, desk=desk, roles=roles, channel_id=channel_id, thread_ts=thread_ts, after_ts=ts)
        if live is None:
            erase_deleted(conn, bot, channel_id=channel_id, thread_ts=thread_ts, deleted_ts=ts)

    return write


def _read_change(payload: Json) -> tuple[Json | None, str]:
    """Return the message as it stands now, or the `ts` of one that is gone."""
    subtype = str(payload.get("subtype") or "")
    if subtype == "message_deleted":
        return None, str(payload.get("deleted_ts") or "")
    if subtype != "message_changed":
        return payload, ""
    message = payload.get("message")
    if not isinstance(message, dict):
        return None, ""
    if message.get("subtype") == "tombstone":
        return None, str(message.get("ts") or "")
    return message, ""


def _repair(bot: Bot, desk: Desk, channel_id: str, ts: str) -> None:
    with bot.store.read() as conn:
        is_needed = needs_repair(conn, bot, channel_id=channel_id, ts=ts)
    if is_needed:
        repair_thread(bot, desk=desk, channel_id=channel_id, ts=ts)
