"""A real Bolt app behind a real web server receives signed requests from the local workspace."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from slack_bolt import App, BoltRequest
from slack_sdk import WebClient

from tests.demo.slack.conftest import Inbox, control, page, send_json, wait_until
from thumbtune.demo.slack.seed import BOT_TOKEN, SUPPORT_CHANNEL
from thumbtune.demo.slack.server import ServerThread


@pytest.fixture
def request_url(bolt_app: App) -> Iterator[str]:
    """The address of a web server that hands every request to the Bolt app."""
    with serve(bolt_app) as url:
        yield url


@contextmanager
def serve(app: App) -> Iterator[str]:

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
            answer = app.dispatch(BoltRequest(body=body, query=query, headers=dict(self.headers)))
            self.send_response(answer.status)
            for name, values in answer.headers.items():
                self.send_header(name, values[0])
            self.end_headers()
            self.wfile.write(answer.body.encode())

        def log_message(self, *_: Any) -> None:
            pass

    web_server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=web_server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{web_server.server_port}/slack/events"
    web_server.shutdown()
    thread.join()
    web_server.server_close()


def test_signed_events_and_interactions_reach_the_app(
    bolt_app: App, request_url: str, server: ServerThread, act_as: Any
) -> None:
    inbox = Inbox()
    bolt_app.event("message")(lambda event: inbox.put(event["text"]))

    @bolt_app.command("/retrain")
    def retrain(ack: Any) -> None:
        ack("Starting")

    assert control(server, "delivery", mode="http", request_url=request_url)["ok"]
    act_as("U0MAYA001").chat_postMessage(channel=SUPPORT_CHANNEL, text="hello")
    assert inbox.take() == "hello"
    assert page(server, "post", user="U0RUTH001", channel=SUPPORT_CHANNEL, text="/retrain")["ok"]
    shown = send_json(f"{server.base_url}/demo/messages?user=U0RUTH001&channel={SUPPORT_CHANNEL}")["messages"]
    assert [message["text"] for message in shown] == ["hello", "Starting"]


def test_event_that_the_app_cannot_verify_is_retried_and_given_up(
    request_url: str, bolt_app: App, server: ServerThread, act_as: Any
) -> None:
    inbox = Inbox()
    control(server, "pace", retry_delays_s=[0, 0, 0])
    assert control(server, "delivery", mode="http", request_url=request_url)["ok"]

    @bolt_app.middleware
    def refuse(req: Any, resp: Any) -> Any:
        inbox.put(req.headers.get("x-slack-retry-num"))
        resp.status = 503
        return resp

    act_as("U0MAYA001").chat_postMessage(channel=SUPPORT_CHANNEL, text="hello")
    assert inbox.take_all(4) == [None, ["1"], ["2"], ["3"]]
    wait_until(lambda: send_json(f"{server.base_url}/control/state")["statistics"]["undelivered"] == 1)


def test_wrong_signing_secret_fails_the_challenge(server: ServerThread) -> None:
    stranger = App(client=WebClient(BOT_TOKEN, base_url=server.api_url), signing_secret="another")
    with serve(stranger) as url:
        answer = control(server, "delivery", mode="http", request_url=url)
    assert answer == {"ok": False, "error": "challenge_failed"}
