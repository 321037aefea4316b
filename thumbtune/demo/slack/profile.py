"""Reads what an app offers and asks for from its Slack manifest: commands, shortcuts, scopes, events.

It does not know how the workspace uses it.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from thumbtune.demo.slack import seed
from thumbtune.demo.slack.wire import Json


@dataclass(frozen=True)
class Command:
    """A slash command."""

    command: str
    description: str
    usage_hint: str = ""
    should_escape: bool = False


@dataclass(frozen=True)
class Shortcut:
    """A shortcut in a message's menu."""

    callback_id: str
    name: str
    description: str = ""


@dataclass(frozen=True)
class AppProfile:
    """What the workspace knows about the app."""

    name: str = seed.APP_NAME
    commands: tuple[Command, ...] = (
        Command("/retrain", "Train on the replies your team approved", "[desk]"),
        Command("/draft", "Draft a reply to a thread", "LINK"),
        Command("/forget", "Erase what was kept of a person", "@person", should_escape=True),
    )
    shortcuts: tuple[Shortcut, ...] = (Shortcut("draft_reply", "Draft a reply"),)
    scopes: frozenset[str] = frozenset(seed.BOT_SCOPES)
    events: frozenset[str] = frozenset(seed.BOT_EVENTS)

    def find_command(self, command: str) -> Command | None:
        """Return a command by its name with the slash."""
        return next((item for item in self.commands if item.command == command), None)

    def to_json(self) -> Json:
        """Return what the page shows of the app."""
        return {
            "app_id": seed.APP_ID,
            "name": self.name,
            "bot_user_id": seed.BOT_USER_ID,
            "commands": [
                {"command": item.command, "description": item.description, "usage_hint": item.usage_hint}
                for item in self.commands
            ],
            "shortcuts": [
                {"callback_id": item.callback_id, "name": item.name, "description": item.description}
                for item in self.shortcuts
            ],
        }


def load_profile(path: Path | None) -> AppProfile:
    """Return the profile that a manifest describes, or the default one when there is no such file."""
    if path is None or not path.exists():
        return AppProfile()
    manifest: Json = json.loads(path.read_text(encoding="utf-8"))
    features = manifest.get("features", {})
    events = manifest.get("settings", {}).get("event_subscriptions", {}).get("bot_events", [])
    return AppProfile(
        name=manifest["display_information"]["name"],
        commands=tuple(
            Command(
                item["command"],
                item.get("description", ""),
                usage_hint=item.get("usage_hint", ""),
                should_escape=bool(item.get("should_escape")),
            )
            for item in features.get("slash_commands", [])
        ),
        shortcuts=tuple(
            Shortcut(item["callback_id"], item["name"], description=item.get("description", ""))
            for item in features.get("shortcuts", [])
            if item.get("type") == "message"
        ),
        scopes=frozenset(manifest.get("oauth_config", {}).get("scopes", {}).get("bot", [])),
        events=frozenset(events),
    )
