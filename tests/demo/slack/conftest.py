"""Starts a real local workspace on a free port for each test, and real Bolt apps against it."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from queue import Empty, Queue
from typing import Any

import pytest
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient

from thumbtune.demo.slack.delivery import Pace
from thumbtune.demo.slack.local_slack import ServerOptions
from thumbtune.demo.slack.seed import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, user_token
from thumbtune.demo.slack.server import ServerThread

PATIENT = ServerOptions(port=0, pace=Pace(ack_timeout_s=10.0, trigger_lifetime_s=30.0))
"""A busy machine may be slow to answer; tests that are about time set their own."""


class Inbox:
    """Collects what a listener sees, for a test that waits for it."""

    def __init__(self) -> None:
        self._items: Queue[Any] = Queue()

    def put(self, item: Any) -> None:
        self._items.put(item)

    def take(self, timeout_s: float = 15.0) -> Any:
        try:
            return self._items.get(timeout=timeout_s)
        except Empty:
            raise AssertionError(f"nothing arrived within {timeout_s} s") from None

    def take_all(self, count: int, *, timeout_s: float = 15.0) -> list[Any]:
        return [self.take(timeout_s) for _ in range(count)]

    def is_empty(self) -> bool:
        return self._items.empty()


@pytest.fixture
def server() -> Iterator[ServerThread]:
    with ServerThread(PATIENT) as running:
        yield running


@pytest.fixture
def bot(server: ServerThread) -> WebClient:
    return WebClient(BOT_TOKEN, base_url=server.api_url, retry_handlers=[])


@pytest.fixture
def act_as(server: ServerThread) -> Callable[[str], WebClient]:
    return lambda user_id: WebClient(user_token(user_id), base_url=server.api_url, retry_handlers=[])


@pytest.fixture
def bolt_app(server: ServerThread) -> App:
    return App(client=WebClient(BOT_TOKEN, base_url=server.api_url), signing_secret=SIGNING_SECRET)


@pytest.fixture
def connect(server: ServerThread) -> Iterator[Callable[[App], SocketModeHandler]]:
    """Connects an app by Socket Mode and returns once the workspace says hello."""
    with ExitStack() as stack:

        def start(app: App) -> SocketModeHandler:
            hello = Inbox()
            client = WebClient(APP_TOKEN, base_url=server.api_url)
            handler = SocketModeHandler(app, APP_TOKEN, web_client=client, ping_interval=2)
            handler.client.on_message_listeners.append(hello.put)
            stack.callback(_close, handler, server)
            handler.connect()
            assert '"hello"' in hello.take()
            return handler

        yield start


def _close(handler: SocketModeHandler, server: ServerThread) -> None:
    # The client holds its lock while it waits for data: ending the connection from here lets it close at once. Its own
    # thread must be done with the socket first, or both close it and one of them fails.
    handler.client.auto_reconnect_enabled = False
    handler.client.closed = True
    handler.client.message_queue.put(None)
    control(server, "socket", abrupt=True)
    wait_until(lambda: not handler.client.is_connected())
    handler.close()


def control(server: ServerThread, name: str, /, **body: Any) -> dict[str, Any]:
    """Calls the control API and returns its answer."""
    return send_json(f"{server.base_url}/control/{name}", body)


def page(server: ServerThread, name: str, /, **body: Any) -> dict[str, Any]:
    """Does what the page does when its person acts."""
    return send_json(f"{server.base_url}/demo/{name}", body)


def send_json(url: str, body: dict[str, Any] | None = None, *, token: str = "") -> dict[str, Any]:
    """Posts JSON, or gets when there is no body; returns the JSON answer whatever its status."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, data=data, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return json.loads(error.read())


def wait_until(is_done: Callable[[], bool], *, timeout_s: float = 15.0) -> None:
    """Returns as soon as the condition holds; each look at it goes through the server."""
    ends_at = time.monotonic() + timeout_s
    while not is_done():
        assert time.monotonic() < ends_at, f"condition not met within {timeout_s} s"
