"""Decides which threads of a channel a sweep looks at, from what Slack lists and what is stored; pure.

It does not know how Slack is asked. A channel's history shows what begins a thread as it stands now, of its replies
only when the newest was written: their edits show in the thread alone.
"""

import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from thumbtune.bot.approval import key_emoji, normalize_emoji
from thumbtune.bot.slack import Json

DAY_S = 86_400


@dataclass(frozen=True)
class Reacted:
    """Which messages someone has reacted to with what, as far as Slack listed it."""

    items: tuple[tuple[str, str, str, str], ...]
    """Channel, message `ts`, `thread_ts`, emoji as it is stored."""
    is_whole: bool


def list_changed(roots: Iterable[Json], stored: Mapping[str, str], *, since: str) -> set[str]:
    """Return the threads with a message from `since` on, and those that no longer begin as in `stored`: `ts`, revision."""
    changed: set[str] = set()
    shown: dict[str, str] = {}
    for root in roots:
        if max(str(root.get(key) or "") for key in ("ts", "latest_reply")) >= since:
            changed.add(str(root.get("thread_ts") or root["ts"]))
        if root.get("subtype") != "tombstone":
            shown[str(root["ts"])] = str((root.get("edited") or {}).get("ts") or "")
    return changed | {ts for ts, revision in stored.items() if shown.get(ts) != revision}


def read_reacted(items: Iterable[Json], user_id: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield what someone has reacted to, from the items that Slack lists."""
    for item in items:
        message: Json = item.get("message") or {}
        for reaction in message.get("reactions") or []:
            if user_id in (reaction.get("users") or []) and message.get("ts"):
                ts, emoji = str(message["ts"]), key_emoji(str(reaction.get("name") or ""))
                yield str(item.get("channel") or ""), ts, str(message.get("thread_ts") or ts), emoji


def compare_reactions(
    reacted: Reacted,
    known: Mapping[tuple[str, str], str],
    *,
    channel_id: str,
    emojis: Collection[str],
    oldest: str,
) -> set[str]:
    """Return the threads of a channel where what someone has reacted to from `oldest` on is not what is known of it.

    `known` holds the thread of each (message `ts`, emoji) that carries their reaction.
    """
    shown = {
        (ts, emoji): thread_ts
        for place, ts, thread_ts, emoji in reacted.items
        if place == channel_id and ts >= oldest and normalize_emoji(emoji) in emojis
    }
    missed = {thread_ts for key, thread_ts in shown.items() if key not in known}
    gone = {thread_ts for key, thread_ts in known.items() if key not in shown} if reacted.is_whole else set()
    return missed | gone


def choose_unchanged(
    threads: Iterable[str], *, swept_at: datetime | None, began_at: datetime, newest: int
) -> Sequence[str]:
    """Return those of some threads that are looked at although history shows no change, newest first.

    The `newest` are looked at in each sweep; of the others each once a day, at a time of its own, so that they are spread.
    """
    ordered = sorted(threads, reverse=True)
    return [*ordered[:newest], *(ts for ts in ordered[newest:] if _is_due(ts, swept_at, began_at))]


def _is_due(ts: str, swept_at: datetime | None, began_at: datetime) -> bool:
    time_of_day_s = zlib.crc32(ts.encode()) % DAY_S
    days = [(moment.timestamp() - time_of_day_s) // DAY_S for moment in (swept_at, began_at) if moment is not None]
    return swept_at is None or days[0] < days[1]
