"""Writes Slack exports as Slack does, for tests.

It does not know what is done with them.
"""

import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Json = dict[str, Any]  # Any: Slack's JSON
TEAM = "T1"


def make_user(user_id: str, name: str, **more: object) -> Json:
    first, _, last = name.partition(" ")
    profile = {"real_name": name, "display_name": first, "first_name": first, "last_name": last}
    return {"id": user_id, "team_id": TEAM, "name": first.lower(), "profile": profile, **more}


def make_message(
    ts: str, user: str, text: str, *, thread: str = "", thumbs: Sequence[str] = (), **more: object
) -> Json:
    """A message; `thumbs` are those who gave it a 👍."""
    message: Json = {"type": "message", "ts": ts, "user": user, "text": text, **more}
    if thread:
        message |= {"thread_ts": thread, "parent_user_id": "UMAYA"}
    if thumbs:
        reaction = {"name": "+1", "users": list(thumbs), "count": len(thumbs)}
        message["reactions"] = [*message.get("reactions", []), reaction]
    return message


def write_export(
    path: Path,
    *,
    users: Iterable[Json],
    channels: Iterable[Json],
    messages: Mapping[str, Iterable[object]],
    folder: str = "",
    private: Iterable[Json] = (),
) -> Path:
    """Write a zip with a file for each day of each channel."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{folder}users.json", json.dumps(list(users)))
        archive.writestr(f"{folder}channels.json", json.dumps(list(channels)))
        archive.writestr(f"{folder}groups.json", json.dumps(list(private)))
        for channel, items in messages.items():
            days: dict[str, list[object]] = {}
            for item in items:
                seconds = float(item["ts"]) if isinstance(item, dict) and isinstance(item.get("ts"), str) else 0.0
                days.setdefault(datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d"), []).append(item)
            for day, found in days.items():
                archive.writestr(f"{folder}{channel}/{day}.json", json.dumps(found))
    return path
