"""The Slack manifest asks for what the bot uses: nothing less, nothing more."""

import json
import re
from pathlib import Path
from typing import Any

from thumbtune.bot.listeners.table import LISTENERS
from thumbtune.cli.context import SLACK_MANIFEST

ROOT = Path(__file__).resolve().parents[2]
CHANNELS_READ = {"channels:read", "groups:read"}
HISTORY = {"channels:history", "groups:history"}
OWN_HISTORY = {"im:history"}  # progress of a run that is told in private is looked up there
SCOPES_OF_METHODS = {
    "auth.test": set(),
    "bots.info": {"users:read"},
    "chat.postEphemeral": {"chat:write"},
    "chat.postMessage": {"chat:write"},
    "chat.update": {"chat:write"},
    "conversations.history": HISTORY | OWN_HISTORY,
    "conversations.members": CHANNELS_READ,
    "conversations.open": {"im:write"},
    "conversations.replies": HISTORY,
    "files.completeUploadExternal": {"files:write"},
    "reactions.add": {"reactions:write"},
    "reactions.list": {"reactions:read"},
    "reactions.remove": {"reactions:write"},
    "usergroups.users.list": {"usergroups:read"},
    "users.info": {"users:read"},
    "users.list": {"users:read"},
    "views.open": set(),
    "views.publish": set(),
}
"""Source: docs.slack.dev/reference/methods, seen 2026-11-20."""
SCOPES_OF_EVENTS = {
    "app_home_opened": set(),
    "app_mention": {"app_mentions:read"},
    "member_joined_channel": CHANNELS_READ,
    "message.channels": {"channels:history"},
    "message.groups": {"groups:history"},
    "reaction_added": {"reactions:read"},
    "reaction_removed": {"reactions:read"},
}
"""Source: docs.slack.dev/reference/events, seen 2026-11-20."""


def load_manifest() -> dict[str, Any]:  # Any: JSON
    manifest: dict[str, Any] = json.loads((ROOT / "deploy/slack-manifest.json").read_text())
    return manifest


def test_package_brings_the_same_manifest() -> None:
    assert SLACK_MANIFEST.read_bytes() == (ROOT / "deploy/slack-manifest.json").read_bytes()


def listened(kind: str) -> set[str]:
    """What the bot handles of one kind, by Slack's word."""
    return {name for listener_kind, name in LISTENERS if listener_kind == kind}


def methods_called() -> set[str]:
    """The Web API methods that the bot names."""
    code = "\n".join(path.read_text() for path in (ROOT / "thumbtune/bot").rglob("*.py"))
    return set(
        re.findall(r'"((?:auth|chat|conversations|reactions|usergroups|users|views|files|bots|team)\.\w+[\w.]*)"', code)
    )


def test_every_event_listened_to_is_subscribed_and_no_other() -> None:
    subscribed = load_manifest()["settings"]["event_subscriptions"]["bot_events"]
    assert {event.split(".")[0] for event in subscribed} == listened("event")


def test_every_command_and_shortcut_is_offered_and_no_other() -> None:
    features = load_manifest()["features"]
    assert {command["command"] for command in features["slash_commands"]} == listened("command")
    assert {shortcut["callback_id"] for shortcut in features["shortcuts"]} == listened("shortcut")


def test_scopes_are_those_that_calls_and_events_need() -> None:
    manifest = load_manifest()
    needed = {"commands"}.union(*(SCOPES_OF_METHODS[method] for method in methods_called()))
    needed.update(*(SCOPES_OF_EVENTS[event] for event in manifest["settings"]["event_subscriptions"]["bot_events"]))
    assert set(manifest["oauth_config"]["scopes"]["bot"]) == needed
    assert "user" not in manifest["oauth_config"]["scopes"]


def test_every_scope_is_explained_to_whoever_installs_the_app() -> None:
    readme = (ROOT / "README.md").read_text()
    scopes = load_manifest()["oauth_config"]["scopes"]["bot"]
    assert [scope for scope in scopes if f"`{scope}`" not in readme] == []


def test_texts_fit_into_slack_s_limits() -> None:
    manifest = load_manifest()
    about = manifest["display_information"]
    assert len(about["name"]) <= 35
    assert len(about["description"]) <= 140
    assert 174 <= len(about["long_description"]) <= 4000
    for shortcut in manifest["features"]["shortcuts"]:
        assert len(shortcut["name"]) <= 24
        assert len(shortcut["description"]) <= 150
    for command in manifest["features"]["slash_commands"]:
        assert len(command["description"]) <= 2000
