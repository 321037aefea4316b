"""Reads a Slack export: its people, its channels, and the threads in which somebody reacted.

It does not know desks' rules or the store. Source of the form: slack.com/help/articles/220556107 (how to read exports),
seen 2026-11-21.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from thumbtune.bot.approval import normalize_emoji
from thumbtune.bot.slack import Json
from thumbtune.cli.importing.archive import JsonArchive
from thumbtune.cli.importing.conversations import MAX_MESSAGES, MAX_TEXT_CHARS, Problem
from thumbtune.core.errors import BadInput

_TS = re.compile(r"\d{1,12}\.\d{6}")
_CHANNEL_FILES = ("channels.json", "groups.json")


@dataclass(frozen=True)
class ExportChannel:
    """A channel as the export lists it; its messages lie in the folder of its name."""

    channel_id: str
    name: str
    members: tuple[str, ...]


@dataclass
class ExportThread:
    """A thread with its messages as Slack wrote them."""

    channel: ExportChannel
    thread_ts: str
    messages: list[Json] = field(default_factory=list)
    is_broken: bool = False
    """A message of it cannot be read, so that nobody knows what its replies answer."""


@dataclass(frozen=True)
class _Entry:
    where: str
    message: Json
    thread_ts: str
    reason: str
    """Why it cannot be read; empty when it can."""


class SlackExport:
    """An open export."""

    def __init__(self, archive: JsonArchive, *, path: Path) -> None:
        self._archive = archive
        users = [user for user in archive.read_list("users.json") if isinstance(user, dict)]
        self.users: dict[str, Json] = {str(user["id"]): user for user in users if isinstance(user.get("id"), str)}
        self.channels = [
            ExportChannel(str(item["id"]), str(item["name"]), tuple(map(str, item.get("members") or [])))
            for name in _CHANNEL_FILES
            if archive.holds(name)
            for item in archive.read_list(name)
            if isinstance(item, dict) and isinstance(item.get("id"), str) and isinstance(item.get("name"), str)
        ]
        if not self.users or not self.channels:
            raise BadInput(f"{path} lists no {'channels' if self.users else 'people'}: is it a whole Slack export?")

    def find_reacted(self, channel: ExportChannel, *, emojis: Collection[str]) -> set[str]:
        """Return the threads with a message that bears one of these reactions, by `thread_ts`."""
        return {
            entry.thread_ts
            for entry in self._read_entries(channel)
            if not entry.reason
            and any(normalize_emoji(item["name"]) in emojis for item in entry.message.get("reactions") or [])
        }

    def read_threads(
        self, channel: ExportChannel, *, thread_ts: Collection[str], problems: list[Problem]
    ) -> list[ExportThread]:
        """Return these threads whole; a message that cannot be read is noted, and breaks its thread."""
        threads = {ts: ExportThread(channel, ts) for ts in sorted(thread_ts)}
        for entry in self._read_entries(channel):
            if entry.reason:
                problems.append(Problem(entry.where, entry.reason))
            thread = threads.get(entry.thread_ts)
            if thread is None:
                continue
            if entry.reason or len(thread.messages) >= MAX_MESSAGES:
                thread.is_broken = True
            else:
                thread.messages.append(entry.message)
                self._meet_stranger(entry.message)
        return list(threads.values())

    def _read_entries(self, channel: ExportChannel) -> Iterator[_Entry]:
        for name in self._archive.list_files(channel.name):
            for position, raw in enumerate(self._archive.read_list(name), start=1):
                where = f"{name} message {position}"
                message = raw if isinstance(raw, dict) else {}
                reason = _find_fault(raw)
                yield _Entry(where, message, str(message.get("thread_ts") or message.get("ts") or ""), reason)

    def _meet_stranger(self, message: Json) -> None:
        """Know a person of another workspace, whom only their messages name."""
        user_id, profile = message.get("user"), message.get("user_profile")
        if isinstance(user_id, str) and isinstance(profile, dict):
            team_id = message.get("user_team") or profile.get("team")
            user = {"id": user_id, "team_id": team_id, "profile": profile, "is_stranger": True}
            self.users.setdefault(user_id, user)


def _find_fault(raw: object) -> str:
    """Return why a message cannot be read; empty when it can."""
    if not isinstance(raw, dict):
        return "not an object"
    if not all(isinstance(raw.get(name, ""), str) for name in ("ts", "thread_ts", "user", "bot_id", "subtype")):
        return "ts, user or subtype is not text"
    if not _TS.fullmatch(raw.get("ts", "")) or not _TS.fullmatch(raw.get("thread_ts") or raw["ts"]):
        return "its ts is not a time as Slack writes it"
    text = raw.get("text") or ""
    if not isinstance(text, str):
        return "its text is not text"
    if len(text) > MAX_TEXT_CHARS:
        return f"its text has {len(text)} characters, more than {MAX_TEXT_CHARS}"
    edited = raw.get("edited")
    if edited is not None and not (isinstance(edited, dict) and _TS.fullmatch(str(edited.get("ts")))):
        return "its edit has no time"
    reactions = raw.get("reactions") or []
    if not isinstance(reactions, list) or not all(_is_reaction(item) for item in reactions):
        return "its reactions are not as Slack writes them"
    return ""


def _is_reaction(item: object) -> bool:
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        return False
    users = item.get("users")
    is_list = isinstance(users, list) and all(isinstance(user, str) for user in users)
    return is_list and isinstance(item.get("count", 0), int)
