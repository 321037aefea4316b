"""A connection on which nothing arrives is noticed, whoever is to blame; a quiet workspace is not taken for one."""

import itertools
import threading
from collections.abc import Iterator

import pytest
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient

from tests.bot.conftest import PATIENCE_S, Office, wait_for
from thumbtune.bot.watchdog import SocketSigns, Watchdog
from thumbtune.demo.slack.seed import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET

DEAF_S = 1.0
PINGS = 4
REFRESH_S = 4.0
"""The SDK reads nothing for up to three seconds while it changes over to a new connection."""


class Ears:
    """A real Socket Mode client on the local workspace, its watchdog, and the answers to its pings."""

    def __init__(self, office: Office, *, deaf_s: float) -> None:
        app = App(client=WebClient(BOT_TOKEN, base_url=office.slack.api_url), signing_secret=SIGNING_SECRET)
        client = WebClient(APP_TOKEN, base_url=office.slack.api_url)
        self.handler = SocketModeHandler(app, APP_TOKEN, web_client=client, ping_interval=DEAF_S / PINGS)
        self.client = self.handler.client
        self.pongs: set[float] = set()
        self.deaf = threading.Event()
        self.watchdog = Watchdog(SocketSigns(self.client).read, deaf_s=deaf_s, on_deaf=self.deaf.set)
        self.handler.connect()
        self.watchdog.start()

    def count_pongs(self) -> int:
        session = self.client.current_session
        if session is not None and session.last_ping_pong_time is not None:
            self.pongs.add(session.last_ping_pong_time)
        return len(self.pongs)

    def stop_reading(self) -> None:
        """Let the reading thread end: it and `close` must not both close the connection."""
        self.client.auto_reconnect_enabled = False
        self.client.current_session_runner.event.set()
        self.client.current_session_state.terminated = True
        self.client.current_session_runner.thread.join(PATIENCE_S)


@pytest.fixture
def ears(office: Office, request: pytest.FixtureRequest) -> Iterator[Ears]:
    listening = Ears(office, deaf_s=getattr(request, "param", DEAF_S))
    wait_for(listening.count_pongs)
    yield listening
    listening.watchdog.stop()
    listening.stop_reading()
    listening.handler.close()


def test_quiet_workspace_that_answers_pings_is_not_deaf(ears: Ears) -> None:
    wait_for(lambda: ears.count_pongs() > 3 * PINGS, what="pongs of three deaf times")
    assert not ears.deaf.is_set()


def test_connection_on_which_nothing_comes_is_noticed(ears: Ears, office: Office) -> None:
    assert office.control("socket", deaf=True)["connections"] == 1
    assert ears.deaf.wait(PATIENCE_S)


def test_client_that_reads_its_connection_no_more_is_noticed_though_slack_answers(ears: Ears) -> None:
    ears.stop_reading()
    assert ears.deaf.wait(PATIENCE_S)
    assert ears.client.is_connected()


def test_client_that_handles_nothing_is_noticed_though_it_reads(ears: Ears, office: Office) -> None:
    ears.client.message_processor.event.set()
    ears.client.closed = True
    ears.client.message_queue.put("{}")
    office.control("event", event={"type": "message", "channel": "C1", "text": "x", "ts": "1.1", "user": "U1"})
    office.control("event", event={"type": "message", "channel": "C1", "text": "x", "ts": "1.2", "user": "U1"})
    assert ears.deaf.wait(PATIENCE_S)


@pytest.mark.parametrize("ears", [REFRESH_S + DEAF_S], indirect=True)
def test_asked_to_reconnect_the_client_hears_on(ears: Ears, office: Office) -> None:
    before = ears.client.session_id()
    office.control("socket", reason="refresh_requested")
    wait_for(lambda: ears.client.session_id() != before)
    count = ears.count_pongs()
    wait_for(lambda: ears.count_pongs() > count + PINGS)
    assert not ears.deaf.is_set()


def test_silence_is_counted_in_looks_and_told_once() -> None:
    called: list[str] = []
    told = threading.Event()

    def on_deaf() -> None:
        called.append("deaf")
        told.set()

    signs = itertools.chain(range(50), itertools.repeat(50))
    watchdog = Watchdog(lambda: next(signs), deaf_s=0.1, on_deaf=on_deaf)
    watchdog.start()
    assert told.wait(PATIENCE_S)
    assert called == ["deaf"]
    assert next(signs) == 50
