"""What the page's calls do for the person they act for, and what open pages are told."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from slack_sdk import WebClient
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as connect_websocket

from tests.demo.slack.conftest import control, page, send_json
from thumbtune.demo.slack.seed import BILLING_CHANNEL, BOT_USER_ID, SUPPORT_CHANNEL
from thumbtune.demo.slack.server import ServerThread


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    """One server for this module; each test starts from the seed."""
    with ServerThread() as running:
        yield running


@pytest.fixture(autouse=True)
def fresh(server: ServerThread) -> None:
    assert control(server, "reset")["ok"]


def read(server: ServerThread, name: str, **query: str) -> dict[str, Any]:
    pairs = "&".join(f"{key}={value}" for key, value in query.items())
    return send_json(f"{server.base_url}/demo/{name}?{pairs}")


@contextmanager
def watch(server: ServerThread, user_id: str) -> Iterator[ClientConnection]:
    """Opens a page's live connection and returns once it is told the app's status."""
    address = f"{server.base_url.replace('http', 'ws', 1)}/demo/live?user={user_id}"
    with connect_websocket(address, proxy=None) as socket:
        assert json.loads(socket.recv(timeout=15)) == {"type": "app_status", "connected": False}
        yield socket


def take(socket: ClientConnection) -> dict[str, Any]:
    pushed: dict[str, Any] = json.loads(socket.recv(timeout=15))
    return pushed


def test_bootstrap_shows_the_workspace_as_one_person_sees_it(server: ServerThread) -> None:
    control(server, "channels", id="C0SECRET1", name="secret", is_private=True, members=["U0RUTH001"])
    seen = read(server, "bootstrap", user="U0MAYA001")
    assert seen["me"]["id"] == "U0MAYA001"
    assert {channel["name"] for channel in seen["channels"]} == {"support", "general", "billing"}
    assert [item["command"] for item in seen["apps"][0]["commands"]] == ["/retrain", "/draft", "/forget"]
    assert seen["apps"][0]["shortcuts"][0]["callback_id"] == "draft_reply"
    assert "secret" in {item["name"] for item in read(server, "bootstrap", user="U0RUTH001")["channels"]}
    assert read(server, "bootstrap", user=BOT_USER_ID)["error"] == "user_not_found"


def test_typed_text_is_stored_as_slack_stores_it(server: ServerThread) -> None:
    typed = "@Thumbtune ask @Maya Lindqvist & mail a.b@example.com: https://example.com (x<y)"
    posted = page(server, "post", user="U0PRIYA01", channel=SUPPORT_CHANNEL, text=typed)
    assert posted["message"]["text"] == (
        f"<@{BOT_USER_ID}> ask <@U0MAYA001> &amp; mail <mailto:a.b@example.com|a.b@example.com>: "
        "<https://example.com> (x&lt;y)"
    )


def test_messages_page_backwards_oldest_first(server: ServerThread) -> None:
    sent = [
        page(server, "post", user="U0MAYA001", channel=SUPPORT_CHANNEL, text=str(number))["ts"] for number in range(5)
    ]
    newest = read(server, "messages", user="U0MAYA001", channel=SUPPORT_CHANNEL, limit="2")
    assert ([message["ts"] for message in newest["messages"]], newest["has_more"]) == (sent[3:], True)
    rest = read(server, "messages", user="U0MAYA001", channel=SUPPORT_CHANNEL, limit="9", before=sent[3])
    assert ([message["ts"] for message in rest["messages"]], rest["has_more"]) == (sent[:3], False)


def test_thread_keeps_its_root_and_its_newest_replies(server: ServerThread) -> None:
    root = page(server, "post", user="U0MAYA001", channel=SUPPORT_CHANNEL, text="root")["ts"]
    replies = [
        page(server, "post", user="U0PRIYA01", channel=SUPPORT_CHANNEL, text=str(number), thread_ts=root)["ts"]
        for number in range(4)
    ]
    thread = read(server, "messages", user="U0MAYA001", channel=SUPPORT_CHANNEL, thread_ts=root, limit="2")
    assert ([message["ts"] for message in thread["messages"]], thread["has_more"]) == ([root, *replies[2:]], True)


def test_people_change_their_own_messages_only(server: ServerThread) -> None:
    ts = page(server, "post", user="U0MAYA001", channel=SUPPORT_CHANNEL, text="one")["ts"]
    place = {"channel": SUPPORT_CHANNEL, "ts": ts}
    assert (
        page(server, "edit", user="U0TOMAS01", text="x", **place)["message"] == "You can edit your own messages only."
    )
    assert page(server, "edit", user="U0MAYA001", text="two", **place)["message"]["text"] == "two"
    assert page(server, "react", user="U0PRIYA01", name="+1", on=True, **place)["ok"]
    assert page(server, "react", user="U0PRIYA01", name="+1", on=True, **place)["error"] == "already_reacted"
    assert page(server, "react", user="U0PRIYA01", name="+1", on=False, **place)["ok"]
    assert page(server, "delete", user="U0TOMAS01", **place)["error"] == "cant_delete_message"
    assert page(server, "delete", user="U0MAYA001", **place)["ok"]
    assert read(server, "messages", user="U0MAYA001", channel=SUPPORT_CHANNEL)["messages"] == []


def test_outsiders_of_a_channel_are_told_so(server: ServerThread) -> None:
    control(server, "members", channel=BILLING_CHANNEL, user="U0MAYA001", is_member=False)
    answer = page(server, "post", user="U0MAYA001", channel=BILLING_CHANNEL, text="hello")
    assert (answer["error"], answer["message"]) == ("not_in_channel", "You are not a member of this channel.")
    assert page(server, "join", user="U0MAYA001", channel=BILLING_CHANNEL)["ok"]
    assert page(server, "post", user="U0MAYA001", channel=BILLING_CHANNEL, text="hello")["ok"]


def test_open_pages_hear_of_messages_reactions_and_replies(server: ServerThread) -> None:
    with watch(server, "U0TOMAS01") as socket:
        ts = page(server, "post", user="U0MAYA001", channel=SUPPORT_CHANNEL, text="one")["ts"]
        pushed = take(socket)
        assert (pushed["type"], pushed["channel"], pushed["message"]["ts"]) == ("message", SUPPORT_CHANNEL, ts)
        page(server, "react", user="U0PRIYA01", channel=SUPPORT_CHANNEL, ts=ts, name="+1", on=True)
        pushed = take(socket)
        assert (pushed["type"], pushed["ts"], pushed["reactions"][0]["count"]) == ("reaction_added", ts, 1)
        page(server, "post", user="U0PRIYA01", channel=SUPPORT_CHANNEL, text="reply", thread_ts=ts)
        assert take(socket)["root"]["reply_count"] == 1
        page(server, "delete", user="U0MAYA001", channel=SUPPORT_CHANNEL, ts=ts)
        pushed = take(socket)
        assert (pushed["type"], pushed["tombstone"]["reply_count"]) == ("message_deleted", 1)


def test_private_messages_reach_their_person_alone(server: ServerThread, bot: WebClient) -> None:
    with watch(server, "U0PRIYA01") as own, watch(server, "U0JONAS01") as other:
        bot.chat_postEphemeral(channel=SUPPORT_CHANNEL, user="U0PRIYA01", text="psst")
        bot.chat_postMessage(channel=SUPPORT_CHANNEL, text="hello")
        assert [take(own)["type"], take(own)["type"]] == ["ephemeral", "message"]
        assert take(other)["type"] == "message"


def test_private_channels_are_silent_for_others(server: ServerThread, act_as: Callable[[str], WebClient]) -> None:
    control(server, "channels", id="C0SECRET1", name="secret", is_private=True, members=["U0RUTH001"])
    with watch(server, "U0JONAS01") as socket:
        act_as("U0RUTH001").chat_postMessage(channel="C0SECRET1", text="hush")
        act_as("U0RUTH001").chat_postMessage(channel=SUPPORT_CHANNEL, text="hello")
        assert take(socket)["message"]["text"] == "hello"


def test_live_connection_from_a_foreign_page_is_refused(server: ServerThread) -> None:
    address = f"{server.base_url.replace('http', 'ws', 1)}/demo/live?user=U0MAYA001"
    with pytest.raises(InvalidStatus), connect_websocket(address, proxy=None, origin="https://evil.example"):
        pass
