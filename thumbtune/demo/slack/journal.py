"""Keeps a workspace in an append-only file, so that a restarted server goes on where it was, even after kill -9.

It does not keep what Slack does not keep either: private messages, open modals; nor the bytes of uploaded files.
"""

import json
import os
from pathlib import Path
from typing import IO

from thumbtune.core.errors import BadInput
from thumbtune.demo.slack.channels import Change, Channel
from thumbtune.demo.slack.message_log import COUNTERS
from thumbtune.demo.slack.reacted_items import ReactedItems
from thumbtune.demo.slack.views import Views
from thumbtune.demo.slack.wire import Json
from thumbtune.demo.slack.workspace import Workspace

_CHANNEL_FIELDS = ("channel_id", "name", "kind", "topic", "created", "is_archived", "is_ext_shared")


class Journal:
    """One file of JSON lines, each the newest state of one thing."""

    def __init__(self, path: Path, workspace: Workspace, views: Views) -> None:
        self.path = path
        self._workspace = workspace
        self._views = views
        self._file: IO[str] | None = None

    def load(self) -> None:
        """Bring the workspace to what the file says, then rewrite the file without what was replaced.

        Raises: BadInput when a line is none that a journal holds.
        """
        if self.path.exists():
            with self.path.open(encoding="utf-8") as lines:
                for number, line in enumerate(lines, start=1):
                    if line.endswith("\n"):  # the last line is torn when the machine went down in it
                        self._read(line, number)
            self._index_reactions()
        self._rewrite()

    def take(self, change: Change) -> None:
        """Write down what a change leaves behind."""
        if change.kind == "reset":
            self._rewrite()
            return
        for entry in self._describe(change):
            self._write(entry)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _describe(self, change: Change) -> list[Json]:
        payload = change.payload
        channel = self._workspace.channels.get(change.channel or "")
        if channel is not None:
            place = {"channel": channel.channel_id}
            if change.kind == "message":
                return [{"message": payload, **place}]
            if change.kind == "message_changed":
                return [{"message": payload["message"], **place}]
            if change.kind in ("reaction_added", "reaction_removed"):
                return [{"reactions": payload["reactions"], "ts": payload["item"]["ts"], **place}]
            if change.kind == "message_deleted":
                return [{"delete": payload["deleted_ts"], **place}]
            return [_describe_channel(channel)]
        if change.kind == "user_change":
            return [{"user": payload["user"]}]
        if change.kind == "subteam_members_changed":
            return [{"group": self._workspace.groups[payload["subteam_id"]]}]
        if change.kind == "home_published":
            return [{"home": payload, "of": change.user}]
        return []

    def _read(self, line: str, number: int) -> None:
        try:
            self._apply(json.loads(line))
        except (ValueError, KeyError, TypeError) as exc:
            raise BadInput(f"{self.path} line {number} is no journal entry; remove the file to start afresh") from exc

    def _apply(self, entry: Json) -> None:
        workspace = self._workspace
        if "user" in entry:
            workspace.users[entry["user"]["id"]] = entry["user"]
        elif "group" in entry:
            workspace.groups[entry["group"]["id"]] = entry["group"]
        elif "home" in entry:
            self._views.restore_home(entry["of"], entry["home"])
        elif "members" in entry:
            fields = {name: entry[name] for name in _CHANNEL_FIELDS}
            known = workspace.channels.get(entry["channel_id"])
            channel = Channel(**fields, members=dict.fromkeys(entry["members"]))
            if known is not None:
                channel.log = known.log
            workspace.channels[channel.channel_id] = channel
        else:
            self._apply_message(entry)

    def _apply_message(self, entry: Json) -> None:
        log = self._workspace.channels[entry["channel"]].log
        if "delete" in entry:
            if entry["delete"] in log.by_ts:
                log.remove(entry["delete"])
        elif "reactions" in entry:
            message = log.by_ts[entry["ts"]]
            message.pop("reactions", None)
            if entry["reactions"]:
                message["reactions"] = entry["reactions"]
        elif entry["message"]["ts"] in log.by_ts:
            known = log.by_ts[entry["message"]["ts"]]
            counters = {key: known[key] for key in COUNTERS if key in known}
            known.clear()
            known.update(entry["message"] | counters)
        else:
            message = entry["message"]
            is_root = message.get("thread_ts") == message["ts"]
            self._workspace.see_ts(message["ts"])
            kept = {key: value for key, value in message.items() if not (is_root and key in COUNTERS)}
            log.add(kept)

    def _index_reactions(self) -> None:
        for channel in self._workspace.channels.values():
            for ts, message in channel.log.by_ts.items():
                for reaction in message.get("reactions", ()):
                    for user_id in reaction["users"]:
                        self._workspace.reacted.setdefault(user_id, ReactedItems()).add((channel.channel_id, ts))

    def _rewrite(self) -> None:
        self.close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_name(self.path.name + ".new")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file = os.fdopen(descriptor, "w", encoding="utf-8")
        workspace = self._workspace
        for user in workspace.users.values():
            self._write({"user": user}, is_flushed=False)
        for group in workspace.groups.values():
            self._write({"group": group}, is_flushed=False)
        for channel in workspace.channels.values():
            self._write(_describe_channel(channel), is_flushed=False)
            for message in channel.log.by_ts.values():
                self._write({"message": message, "channel": channel.channel_id}, is_flushed=False)
        for user_id in workspace.users:
            home = self._views.find_home(user_id)
            if home is not None:
                self._write({"home": home, "of": user_id}, is_flushed=False)
        self._file.flush()
        aside.replace(self.path)

    def _write(self, entry: Json, *, is_flushed: bool = True) -> None:
        if self._file is None:
            return
        self._file.write(json.dumps(entry) + "\n")
        if is_flushed:
            self._file.flush()


def _describe_channel(channel: Channel) -> Json:
    return {**{name: getattr(channel, name) for name in _CHANNEL_FIELDS}, "members": list(channel.members)}
