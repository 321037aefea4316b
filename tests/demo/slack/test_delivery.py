"""Acknowledgement, retries and the faults of deliveries and calls, seen by a real Bolt app or a real client."""

import json
import socket
import urllib.error
from collections.abc import Callable
from typing import Any

import pytest
from slack_bolt import App
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect as connect_websocket

from tests.demo.slack.conftest import Inbox, control, send_json, wait_until
from thumbtune.demo.slack.seed import APP_TOKEN, SUPPORT_CHANNEL
from thumbtune.demo.slack.server import ServerThread

Connect = Callable[[App], Any]
ActAs = Callable[[str], WebClient]


def read_statistics(server: ServerThread) -> dict[str, Any]:
    return send_json(f"{server.base_url}/control/state")["statistics"]


def test_bolts_acknowledgement_settles_an_event(
    bolt_app: App, connect: Connect, server: ServerThread, act_as: ActAs
) -> None:
    inbox = Inbox()
    bolt_app.event("message")(lambda body: inbox.put(body["event_id"]))
    connect(bolt_app)
    act_as("U0MAYA001").chat_postMessage(channel=SUPPORT_CHANNEL, text="one")
    inbox.take()
    wait_until(lambda: read_statistics(server)["acknowledged"] == 1)
    statistics = read_statistics(server)
    assert (statistics["attempts"], statistics["retries"], statistics["pending"]) == (1, 0, 0)


def test_unacknowledged_event_comes_three_more_times_with_its_reason(
    bolt_app: App, connect: Connect, server: ServerThread, act_as: ActAs
) -> None:
    inbox = Inbox()
    control(server, "pace", time_scale=0.01, ack_timeout_s=10, retry_delays_s=[0, 6, 30])

    @bolt_app.middleware
    def refuse(body: dict[str, Any], req: Any, resp: Any) -> Any:
        inbox.put((body["event_id"], req.headers.get("x-slack-retry-num")))
        resp.status = 500
        return resp

    connect(bolt_app)
    act_as("U0MAYA001").chat_postMessage(channel=SUPPORT_CHANNEL, text="one")
    seen = inbox.take_all(4)
    assert len({event_id for event_id, _ in seen}) == 1
    assert sorted(number for _, number in seen) == [["0"], ["1"], ["2"], ["3"]]
    wait_until(lambda: read_statistics(server)["undelivered"] == 1)
    assert inbox.is_empty()


def test_event_of_a_time_without_connection_arrives_by_retry(
    bolt_app: App, connect: Connect, server: ServerThread, act_as: ActAs
) -> None:
    inbox = Inbox()
    control(server, "pace", retry_delays_s=[0, 0.5, 5])
    bolt_app.event("message")(lambda event: inbox.put(event["text"]))
    act_as("U0MAYA001").chat_postMessage(channel=SUPPORT_CHANNEL, text="while away")
    connect(bolt_app)
    assert inbox.take() == "while away"


def test_duplicates_carry_the_same_event_id(
    bolt_app: App, connect: Connect, server: ServerThread, act_as: ActAs
) -> None:
    inbox = Inbox()
    bolt_app.event("message")(lambda body: inbox.put(body["event_id"]))
    connect(bolt_app)
    control(server, "faults", duplicates=1.0)
    act_as("U0MAYA001").chat_postMessage(channel=SUPPORT_CHANNEL, text="twice")
    first, second = inbox.take_all(2)
    assert first == second


def test_dropped_events_never_come_and_reordered_ones_overtake(
    bolt_app: App, connect: Connect, server: ServerThread, act_as: ActAs
) -> None:
    inbox = Inbox()
    bolt_app.event("message")(lambda event: inbox.put(event["text"]))
    connect(bolt_app)
    client = act_as("U0MAYA001")
    control(server, "faults", drops=1.0)
    client.chat_postMessage(channel=SUPPORT_CHANNEL, text="lost")
    control(server, "faults", drops=0.0, reorder_window_s=0.6, seed=3)
    sent = [str(number) for number in range(12)]
    for text in sent:
        client.chat_postMessage(channel=SUPPORT_CHANNEL, text=text)
    got = inbox.take_all(12)
    assert sorted(got) == sorted(sent)
    assert got != sent
    assert read_statistics(server)["dropped"] == 1


def test_rate_limit_says_when_to_try_again(server: ServerThread, bot: WebClient) -> None:
    control(server, "faults", rate_limits={"conversations.history": 1.0}, retry_after_s=7)
    with pytest.raises(SlackApiError) as refused:
        bot.conversations_history(channel=SUPPORT_CHANNEL)
    assert refused.value.response.status_code == 429
    assert refused.value.response.headers["Retry-After"] == "7"
    assert bot.auth_test()["ok"]


def test_cut_connection_hides_whether_the_call_happened(server: ServerThread, bot: WebClient) -> None:
    for fault, expected in (("cut_before", 0), ("cut_after", 1)):
        control(server, "faults", **{fault: 1.0}, methods=["chat.postMessage"])
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            bot.chat_postMessage(channel=SUPPORT_CHANNEL, text="cut")
        control(server, "clear")
        assert len(bot.conversations_history(channel=SUPPORT_CHANNEL)["messages"]) == expected


def test_server_errors_and_slow_answers(server: ServerThread, bot: WebClient) -> None:
    control(server, "faults", server_errors=1.0)
    with pytest.raises(SlackApiError) as failed:
        bot.auth_test()
    assert failed.value.response.status_code == 500
    control(server, "clear")
    control(server, "faults", slow=1.0, slow_s=1.5)
    hasty = WebClient(bot.token, base_url=server.api_url, timeout=1, retry_handlers=[])
    with pytest.raises((TimeoutError, socket.timeout)):
        hasty.auth_test()


def test_app_comes_back_after_its_connection_broke(
    bolt_app: App, connect: Connect, server: ServerThread, act_as: ActAs
) -> None:
    inbox, hello = Inbox(), Inbox()
    bolt_app.event("message")(lambda event: inbox.put(event["text"]))
    connect(bolt_app).client.on_message_listeners.append(hello.put)
    assert control(server, "socket", abrupt=True)["connections"] == 1
    assert "hello" in hello.take()
    act_as("U0MAYA001").chat_postMessage(channel=SUPPORT_CHANNEL, text="after")
    assert inbox.take() == "after"


def test_app_is_asked_to_reconnect_and_each_address_works_once(server: ServerThread) -> None:
    address = WebClient(APP_TOKEN, base_url=server.api_url).apps_connections_open(app_token=APP_TOKEN)["url"]
    with connect_websocket(address, proxy=None) as connection:
        hello = json.loads(connection.recv(timeout=15))
        assert (hello["type"], hello["num_connections"]) == ("hello", 1)
        control(server, "socket", reason="warning")
        asked = json.loads(connection.recv(timeout=15))
        assert (asked["type"], asked["reason"]) == ("disconnect", "warning")
    with pytest.raises(InvalidStatus), connect_websocket(address, proxy=None):
        pass


def test_deaf_connection_stays_open_and_says_nothing(
    bolt_app: App, connect: Connect, server: ServerThread, act_as: ActAs
) -> None:
    inbox = Inbox()
    bolt_app.event("message")(lambda event: inbox.put(event["text"]))
    handler = connect(bolt_app)
    control(server, "faults", deaf=True)
    control(server, "pace", ack_timeout_s=0.1, retry_delays_s=[])
    act_as("U0MAYA001").chat_postMessage(channel=SUPPORT_CHANNEL, text="unheard")
    wait_until(lambda: read_statistics(server)["undelivered"] == 1)
    assert inbox.is_empty()
    assert handler.client.is_connected()


def test_unknown_fault_is_refused_by_name(server: ServerThread) -> None:
    answer = control(server, "faults", duplicate=1.0)
    assert not answer["ok"]
    assert "unknown faults duplicate" in answer["message"]
