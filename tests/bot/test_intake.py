"""What comes in is stored and acknowledged, whatever it is; over HTTP only what Slack signed."""

import hashlib
import hmac
import json
import logging
import time
from pathlib import Path

import httpx2
import pytest
from slack_bolt import BoltRequest

from tests.bot.conftest import JONAS, MAYA, PRIYA, Office, wait_for
from thumbtune.bot.app import build_app, build_bot
from thumbtune.bot.http_server import HttpServer
from thumbtune.bot.intake import read_entry
from thumbtune.bot.listeners.table import LISTENERS
from thumbtune.core.store.inbox import count_events
from thumbtune.demo.slack.seed import SIGNING_SECRET, TEAM_ID


def sign(body: bytes, *, at: float, secret: str = SIGNING_SECRET) -> dict[str, str]:
    stamp = str(int(at))
    digest = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    names = {"x-slack-request-timestamp": stamp, "x-slack-signature": f"v0={digest}"}
    return {**names, "content-type": "application/json"}


EVENT = {
    "type": "event_callback",
    "team_id": TEAM_ID,
    "event_id": "Ev1",
    "event": {"type": "message", "channel": "C1", "user": "U1", "text": "secret words", "ts": "1.1", "event_ts": "1.1"},
}


def test_everything_is_acknowledged_and_only_what_we_use_is_stored_once(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    app = build_app(office.settings, office.store, bot=build_bot(office.settings, office.store))
    odd = [{}, {"type": "event_callback"}, {"type": "event_callback", "event": None, "event_id": 3}, {"command": None}]
    odd += [{"type": "block_actions", "actions": []}, {"type": "block_actions"}, {"type": "view_submission", "view": 1}]
    odd += [{"type": "nonsense", "payload": "x" * 100}, {"type": "block_suggestion", "action_id": "x"}]
    for body in [*odd, EVENT, EVENT]:
        assert app.dispatch(BoltRequest(body=body, mode="socket_mode")).status == 200, body
    with office.store.read() as conn:
        assert count_events(conn) == {"received": 1}
    assert "secret words" not in caplog.text


def test_own_doings_do_not_come_back(office: Office) -> None:
    bot = build_bot(office.settings, office.store)
    app = build_app(office.settings, office.store, bot=bot)
    own = [
        {"type": "message", "bot_id": bot.identity.bot_id, "user": bot.identity.user_id, "text": "x", "ts": "1.2"},
        {"type": "message", "subtype": "message_changed", "message": {"bot_id": bot.identity.bot_id, "ts": "1.2"}},
        {"type": "reaction_added", "user": bot.identity.user_id, "reaction": "books", "item": {}},
    ]
    for number, event in enumerate(own):
        body = {**EVENT, "event_id": f"Ev{number}", "event": event}
        assert app.dispatch(BoltRequest(body=body, mode="socket_mode")).status == 200
    with office.store.read() as conn:
        assert count_events(conn) == {}


def test_http_takes_what_slack_signed_and_nothing_else(office: Office) -> None:
    settings = office.settings.model_copy(update={"slack_transport": "http"})
    server = HttpServer(
        build_app(settings, office.store, bot=build_bot(settings, office.store)), host="127.0.0.1", port=0
    )
    server.start()
    good = json.dumps(EVENT).encode()
    now = time.time()
    refused: list[tuple[bytes, dict[str, str], int]] = [
        (good, sign(good, at=now, secret="wrong"), 401),
        (good, sign(good, at=now - 400), 401),
        (good, {}, 401),
        (good, {**sign(good, at=now), "x-slack-request-timestamp": "soon"}, 401),
        (good, {**sign(good, at=now), "x-slack-signature": "v0=é"}, 401),
        (b'{"type":', sign(b'{"type":', at=now), 400),
        (b"[1,2]", sign(b"[1,2]", at=now), 400),
        (b"payload=%7B", {**sign(b"payload=%7B", at=now), "content-type": "application/x-www-form-urlencoded"}, 400),
        (b"\xff\xfe", sign(b"\xff\xfe", at=now), 400),
        (b"x" * 1_000_001, sign(b"x", at=now), 413),
    ]
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
            for body, headers, status in refused:
                raw = {key: value.encode() for key, value in headers.items()}
                assert client.post("/slack/events", content=body, headers=raw).status_code == status, (
                    body[:20],
                    headers,
                )
            assert client.get("/slack/events").status_code == 404
            for _ in range(2):
                assert client.post("/slack/events", content=good, headers=sign(good, at=now)).status_code == 200
            hello = json.dumps({"type": "url_verification", "challenge": "abc"}).encode()
            answer = client.post("/slack/events", content=hello, headers=sign(hello, at=now))
            assert "abc" in answer.text
    finally:
        server.stop()
    with office.store.read() as conn:
        assert count_events(conn) == {"received": 1}


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
