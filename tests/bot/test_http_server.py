"""Over HTTP the bot takes what Slack signed and nothing else, whatever is thrown at it; and it logs none of it."""

import contextlib
import hashlib
import hmac
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.bot.conftest import Office, wait_for
from thumbtune.bot.app import build_app, build_bot
from thumbtune.bot.http_server import MAX_CONNECTIONS, PATH, HttpServer
from thumbtune.bot.intake import build_keeper
from thumbtune.core.store.inbox import count_events
from thumbtune.demo.slack.seed import SIGNING_SECRET, TEAM_ID

SECRET = "secret words"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
REFUSALS = {400, 401, 404, 405, 413}
GOOD = {
    "type": "event_callback",
    "team_id": TEAM_ID,
    "event_id": "Ev1",
    "event": {"type": "message", "channel": "C1", "user": "U1", "text": SECRET, "ts": "1.1", "event_ts": "1.1"},
}


def sign(body: bytes, *, at: float | None = None, secret: str = SIGNING_SECRET, kind: str = JSON) -> dict[str, str]:
    stamp = str(int(time.time() if at is None else at))
    digest = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {"x-slack-request-timestamp": stamp, "x-slack-signature": f"v0={digest}", "content-type": kind}


@pytest.fixture
def server(office: Office) -> Iterator[HttpServer]:
    changed = office.settings.model_copy(update={"slack_transport": "http"})
    bot = build_bot(changed, office.store)
    keeper = build_keeper(changed, office.store, signals=bot.signals)
    keeper.start()
    app = build_app(changed, office.store, bot=bot, keeper=keeper)
    server = HttpServer(app, signing_secret=SIGNING_SECRET, host="127.0.0.1", port=0, request_timeout_s=2.0)
    server.start()
    yield server
    server.stop()
    keeper.stop(timeout_s=10)


@pytest.fixture
def client(server: HttpServer) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as opened:
        yield opened


def post(client: httpx2.Client, body: bytes, headers: dict[str, str], *, method: str = "POST") -> int:
    raw = {key: value.encode("latin-1") for key, value in headers.items()}
    return client.request(method, PATH, content=body, headers=raw).status_code


def post_good(client: httpx2.Client) -> int:
    body = json.dumps(GOOD).encode()
    return post(client, body, sign(body))


def signed(body: bytes, kind: str = JSON) -> tuple[bytes, dict[str, str]]:
    return body, sign(body, kind=kind)


def test_http_takes_what_slack_signed_and_nothing_else(
    office: Office,
    server: HttpServer,
    client: httpx2.Client,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    good = json.dumps(GOOD).encode()
    refused: list[tuple[bytes, dict[str, str], int]] = [
        (good, sign(good, secret="wrong"), 401),
        (good, sign(good, at=time.time() - 400), 401),
        (good, sign(good, at=time.time() + 400), 401),
        (good, {"content-type": JSON}, 401),
        (good, {**sign(good), "x-slack-request-timestamp": "soon"}, 401),
        (good, {**sign(good), "x-slack-request-timestamp": "9" * 400}, 401),
        (good, {**sign(good), "x-slack-signature": "v0=é"}, 401),
        (*signed(good, "multipart/form-data; boundary=x"), 400),
        (*signed(good, "text/plain"), 400),
        (*signed(b'{"type":'), 400),
        (*signed(b"[1,2]"), 400),
        (*signed(b"null"), 400),
        (*signed(b'"x"'), 400),
        (*signed(b""), 400),
        (*signed(b"\xff\xfe"), 400),
        (*signed(b"[" * 100_000), 400),
        (*signed(b'{"authorizations": [null], "type": "x"}'), 400),
        (*signed(b"payload=%7B", FORM), 400),
        (*signed(b"payload=", FORM), 400),
        (*signed(b"payload=[1]", FORM), 400),
        (*signed(b"payload={}&payload=null", FORM), 400),
        (b"x" * 1_000_001, sign(b"x"), 413),
    ]
    for body, headers, status in refused:
        assert post(client, body, headers) == status, (body[:40], headers)
    for length in ("²", "-5", "9" * 5000, "1e3"):
        head = f"POST {PATH} HTTP/1.1\r\ncontent-length: {length}\r\n\r\n".encode("latin-1")
        assert send_raw(server.port, head + good) == 400, length
    assert post(client, b"", {}, method="GET") == 405
    assert post(client, good, sign(good), method="PUT") == 405
    assert client.post("/", content=good, headers=sign(good)).status_code == 404
    assert post_good(client) == post_good(client) == 200
    hello = json.dumps({"type": "url_verification", "challenge": "abc"}).encode()
    assert "abc" in client.post(PATH, content=hello, headers=sign(hello)).text
    with office.store.read() as conn:
        assert count_events(conn) == {"received": 1}
    captured = capfd.readouterr()
    assert SECRET not in caplog.text + captured.err + captured.out
    assert "Traceback" not in captured.err


def test_forms_of_commands_and_clicks_are_taken(office: Office, client: httpx2.Client) -> None:
    command = urlencode({"command": "/draft", "trigger_id": "1", "team_id": TEAM_ID, "text": "", "x": "{"}).encode()
    click = {"type": "block_actions", "trigger_id": "2", "actions": [{"action_id": "a"}], "team": {"id": TEAM_ID}}
    unknown = {"type": "block_suggestion", "value": SECRET}
    for body in (command, *(urlencode({"payload": json.dumps(payload)}).encode() for payload in (click, unknown))):
        assert post(client, body, sign(body, kind=f"{FORM}; charset=utf-8")) == 200
    with office.store.read() as conn:
        assert count_events(conn) == {"received": 2}


bodies = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list("ab") + list(GOOD)), inner),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode()),
    st.dictionaries(st.sampled_from(["payload", "command", "ssl_check"]), st.text(max_size=20)).map(
        lambda form: urlencode(form, errors="replace").encode()
    ),
)
header_values = st.text(st.characters(min_codepoint=1, max_codepoint=255, exclude_characters="\r\n"), max_size=40)
odd_headers = st.dictionaries(
    st.sampled_from(["content-length", "content-type", "x-slack-signature", "x-slack-request-timestamp", "host"])
    | st.sampled_from(["transfer-encoding", "expect", "x-slack-retry-num", "x-slack-bolt-lazy-only", "connection"]),
    header_values | st.sampled_from(["chunked", "100-continue", "0", "7", "1e3", JSON, FORM]),
    max_size=3,
)
requests = st.builds(
    lambda method, path, version, headers, body, is_signed: (
        f"{method} {path} {version}\r\n".encode("latin-1")
        + b"".join(
            f"{name}: {value}\r\n".encode("latin-1")
            for name, value in {
                "content-length": str(len(body)),
                **(sign(body) if is_signed else {}),
                **headers,
            }.items()
        )
        + b"\r\n"
        + body
    ),
    st.sampled_from(["POST", "POST", "POST", "GET", "HEAD", "PUT", "BREW", "post"]),
    st.sampled_from([PATH, PATH, PATH, "/", "/slack/events/", "/slack/%65vents", "*", "/" + "x" * 70_000]),
    st.sampled_from(["HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/x", ""]),
    odd_headers,
    bodies,
    st.booleans(),
)


def test_no_malformed_request_is_a_server_error_and_a_good_one_works_afterwards(
    office: Office,
    server: HttpServer,
    client: httpx2.Client,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(requests | st.binary(max_size=200))
    def throw(request: bytes) -> None:
        status = send_raw(server.port, request)
        assert status in REFUSALS | {200, None}, (status, request)

    throw()
    assert post_good(client) == 200
    with office.store.read() as conn:
        assert count_events(conn).get("received", 0) >= 1
    captured = capfd.readouterr()
    assert "Traceback" not in captured.err + caplog.text


def test_connection_that_says_nothing_hinders_no_other(server: HttpServer, client: httpx2.Client) -> None:
    with contextlib.ExitStack() as stack:
        for start in [b"", b"POST ", b"POST /slack/events HTTP/1.1\r\ncontent-length: 100\r\n\r\n{"] * 20:
            silent = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            silent.sendall(start)
        assert post_good(client) == 200


def test_more_connections_than_there_may_be_are_told_so_and_take_no_thread(
    server: HttpServer, client: httpx2.Client
) -> None:
    threads = threading.active_count()
    with contextlib.ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=9))
            for _ in range(MAX_CONNECTIONS + 20)
        ]
        for connection in silent[MAX_CONNECTIONS:]:
            assert connection.recv(100).startswith(b"HTTP/1.0 503 ")
        assert threading.active_count() <= threads + MAX_CONNECTIONS
    wait_for(lambda: threading.active_count() <= threads, what="the end of the threads")
    assert post_good(client) == 200


def test_request_that_never_ends_is_ended(server: HttpServer, client: httpx2.Client) -> None:
    """Each byte comes well within the time for a read; all of them would take days."""
    heads = [b"POST /slack/events HTTP/1.1\r\nx: ", signed_head(length=1_000_000)]
    with contextlib.ExitStack() as stack:
        drips = []
        for head in heads:
            drips.append(stack.enter_context(socket.create_connection(("127.0.0.1", server.port))))
            drips[-1].sendall(head)
            drips[-1].settimeout(0.1)
        for drip in drips:
            wait_for(lambda drip=drip: not hangs_on(drip), what="the end of the request", timeout_s=8)
        assert post_good(client) == 200


def signed_head(*, length: int) -> bytes:
    headers = {**sign(b"x" * length), "content-length": str(length)}
    return b"POST /slack/events HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()).encode() + b"\r\n"


def hangs_on(connection: socket.socket) -> bool:
    """Send one more byte and return whether the other side still waits for the rest."""
    try:
        connection.sendall(b"x")
        connection.recv(100)
        return False
    except TimeoutError:
        return True
    except ConnectionError:
        return False


def send_raw(port: int, request: bytes) -> int | None:
    """Send bytes and nothing more; return the status, or None where the answer has no status line."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(65536):
                answer += part
    words = answer.split(b" ", 2)
    return int(words[1]) if words[0].startswith(b"HTTP/") else None
