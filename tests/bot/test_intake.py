"""What comes in is kept and acknowledged, whatever it is."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from slack_bolt import App, BoltRequest

from tests.bot.conftest import JONAS, MAYA, PRIYA, Office, wait_for
from thumbtune.bot.app import build_app, build_bot
from thumbtune.bot.intake import build_keeper, read_entry
from thumbtune.bot.listeners.table import LISTENERS
from thumbtune.core.store.inbox import count_events
from thumbtune.demo.slack.seed import TEAM_ID

EVENT = {
    "type": "event_callback",
    "team_id": TEAM_ID,
    "event_id": "Ev1",
    "event": {"type": "message", "channel": "C1", "user": "U1", "text": "secret words", "ts": "1.1", "event_ts": "1.1"},
}


SECRET = "secret words"
OF_NO_USE: list[dict[str, Any]] = [
    {},
    {"type": "event_callback"},
    {"type": "event_callback", "event": None, "event_id": 3},
    {"type": "event_callback", "event": {"type": 5, "text": SECRET}, "event_id": "Ev9"},
    {"command": None},
    {"type": "block_actions", "actions": []},
    {"type": "block_actions"},
    {"type": "block_actions", "actions": ["x"], "message": {"text": SECRET}},
    {"type": "view_submission", "view": 1},
    {"type": "view_closed", "view": {"callback_id": "draft_edit", "private_metadata": SECRET}, "is_cleared": True},
    {"type": "block_suggestion", "action_id": "x", "value": SECRET},
    {"type": "interactive_message", "callback_id": "x", "actions": [{"name": SECRET}]},
    {"type": "dialog_submission", "callback_id": "x", "submission": {"a": SECRET}},
    {"type": "dialog_cancellation", "callback_id": "x"},
    {"type": "dialog_suggestion", "callback_id": "x", "value": SECRET},
    {"type": "workflow_step_edit", "callback_id": "x", "workflow_step": {"inputs": SECRET}},
    {"type": "options", "value": SECRET},
    {"type": "app_rate_limited", "team_id": "T1", "minute_rate_limited": 1},
    {"type": "nonsense", "payload": SECRET * 100},
    {"ssl_check": "1", "token": SECRET},
]
UNKNOWN: list[dict[str, Any]] = [
    {"type": "block_actions", "trigger_id": "1", "actions": [{"action_id": "nobody_knows", "value": SECRET}]},
    {"type": "view_submission", "trigger_id": "2", "view": {"callback_id": "nobody_knows", "state": SECRET}},
    {"type": "shortcut", "trigger_id": "3", "callback_id": "nobody_knows"},
    {"type": "message_action", "trigger_id": "4", "callback_id": "nobody_knows", "message": {"text": SECRET}},
    {"command": "/nobody_knows", "trigger_id": "5", "text": SECRET},
    {"type": "event_callback", "event_id": "Ev5", "event": {"type": "function_executed", "inputs": {"a": SECRET}}},
    {"type": "event_callback", "event_id": "Ev6", "event": {"type": "workflow_step_execute", "text": SECRET}},
    {"type": "event_callback", "event_id": "Ev\0\ud800", "event": {"type": "odd\0\ud800", "text": SECRET + "\0\ud800"}},
]


@pytest.fixture
def door(office: Office) -> Iterator[App]:
    """The bot's Bolt app with nobody at work behind it: what comes in lies in the inbox."""
    bot = build_bot(office.settings, office.store)
    keeper = build_keeper(office.settings, office.store, signals=bot.signals)
    keeper.start()
    yield build_app(office.settings, office.store, bot=bot, keeper=keeper)
    keeper.stop(timeout_s=10)


def knock(door: App, body: dict[str, Any]) -> int:
    return door.dispatch(BoltRequest(body=body, mode="socket_mode")).status


def test_everything_is_acknowledged_and_only_what_we_use_is_stored_once(
    office: Office, door: App, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for body in [*OF_NO_USE, EVENT, EVENT]:
        assert knock(door, body) == 200, body
    with office.store.read() as conn:
        assert count_events(conn) == {"received": 1}
    assert SECRET not in caplog.text


def test_what_nobody_knows_is_acknowledged_and_done_without_a_word_of_it(
    office: Office, door: App, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for body in [*UNKNOWN, *UNKNOWN]:
        assert knock(door, body) == 200, body
    office.start_bot()
    wait_for(lambda: _count(office) == {"done": len(UNKNOWN)})
    assert SECRET not in caplog.text


def test_nothing_is_acknowledged_that_neither_store_nor_spool_takes(office: Office) -> None:
    settings = office.settings.model_copy(update={"data_dir": office.settings.data_dir / "secret.key"})
    settings.data_dir.write_text("a file where the folder should be")
    bot = build_bot(settings, office.store)
    keeper = build_keeper(settings, office.store, signals=bot.signals)  # not started: as with a store that is away
    assert knock(build_app(settings, office.store, bot=bot, keeper=keeper), EVENT) == 503


def _count(office: Office) -> dict[str, int]:
    with office.store.read() as conn:
        return count_events(conn)


def test_own_doings_do_not_come_back(office: Office, door: App) -> None:
    bot = build_bot(office.settings, office.store)
    own = [
        {"type": "message", "bot_id": bot.identity.bot_id, "user": bot.identity.user_id, "text": "x", "ts": "1.2"},
        {"type": "message", "subtype": "message_changed", "message": {"bot_id": bot.identity.bot_id, "ts": "1.2"}},
        {"type": "reaction_added", "user": bot.identity.user_id, "reaction": "books", "item": {}},
    ]
    for number, event in enumerate(own):
        body = {**EVENT, "event_id": f"Ev{number}", "event": event}
        assert knock(door, body) == 200
    with office.store.read() as conn:
        assert count_events(conn) == {}


def test_signed_http_collects_like_socket_mode(office: Office) -> None:
    settings = office.settings.model_copy(update={"slack_transport": "http"})
    bot = office.start_bot(slack_transport="http", http_port=_find_port())
    office.control("delivery", mode="http", request_url=f"http://127.0.0.1:{bot.bot.settings.http_port}/slack/events")
    question = office.say(MAYA, "Where is my parcel?")
    office.react(JONAS, office.say(PRIYA, "It comes on Friday.", thread=question))
    wait_for(office.pairs)
    assert settings.slack_transport == "http"


def test_event_that_cannot_be_worked_on_harms_no_other(office: Office) -> None:
    office.start_bot()
    office.control("event", event={"type": "message", "channel": 7, "text": ["x"], "ts": {"a": 1}, "user": "U0NOBODY1"})
    question = office.say(MAYA, "Where is my parcel?")
    office.react(JONAS, office.say(PRIYA, "It comes on Friday.", thread=question))
    wait_for(office.pairs)


def test_manifest_asks_for_exactly_what_is_listened_to() -> None:
    manifest = json.loads(Path("deploy/slack-manifest.json").read_text(encoding="utf-8"))
    events = {name.split(".")[0] for name in manifest["settings"]["event_subscriptions"]["bot_events"]}
    assert events == {name for kind, name in LISTENERS if kind == "event"}
    commands = {entry["command"] for entry in manifest["features"]["slash_commands"]}
    assert commands == {name for kind, name in LISTENERS if kind == "command"}
    shortcuts = {entry["callback_id"] for entry in manifest["features"]["shortcuts"]}
    assert shortcuts == {name for kind, name in LISTENERS if kind == "shortcut"}


def test_command_twice_in_the_same_words_is_two_commands() -> None:
    first = read_entry({"command": "/draft", "trigger_id": "1.1.a", "team_id": "T"})
    second = read_entry({"command": "/draft", "trigger_id": "1.2.b", "team_id": "T"})
    assert first is not None and second is not None
    assert first.event_key != second.event_key


def _find_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
