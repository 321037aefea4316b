"""Takes signed HTTP requests from Slack: a small threaded WSGI server with a guard in front of Bolt.

It does not know what is asked. Put a reverse proxy with TLS before it. Bolt parses a body before it checks the
signature and answers broken requests with 500; the guard turns those away first.
"""

import json
import logging
import re
import threading
from collections.abc import Iterable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from slack_bolt import App
from slack_bolt.adapter.wsgi import SlackRequestHandler

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)

PATH = "/slack/events"
MAX_BODY_BYTES = 1_000_000
SOCKET_TIMEOUT_S = 10
_TIMESTAMP = re.compile(r"\d{1,12}")
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class _QuietHandler(WSGIRequestHandler):
    timeout = SOCKET_TIMEOUT_S

    def log_message(self, format: str, *args: object) -> None:
        logger.debug("http_request")


class HttpServer:
    """Listens for Slack until it is stopped."""

    def __init__(self, app: App, *, host: str, port: int) -> None:
        guarded = guard(SlackRequestHandler(app, path=PATH))
        self._server = make_server(host, port, guarded, server_class=_Server, handler_class=_QuietHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)
        self.port = self._server.server_port

    def start(self) -> None:
        """Listen from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more requests."""
        self._server.shutdown()
        self._server.server_close()


def guard(app: "WSGIApplication") -> "WSGIApplication":
    """Return the application behind a check that a request has the form of one of Slack's."""

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        refusal = find_refusal(environ)
        if refusal is None:
            return app(environ, start_response)
        start_response(refusal, [("content-type", "text/plain"), ("content-length", "0")])
        return [b""]

    return answer


def find_refusal(environ: "WSGIEnvironment") -> str | None:
    """Return the status to refuse a request with, or None; a body that was read can be read again."""
    if environ.get("PATH_INFO") != PATH or environ.get("REQUEST_METHOD") != "POST":
        return "404 Not Found"
    length = str(environ.get("CONTENT_LENGTH") or "")
    if not length.isdigit() or int(length) > MAX_BODY_BYTES:
        return "413 Content Too Large" if length.isdigit() else "411 Length Required"
    has_form = _TIMESTAMP.fullmatch(str(environ.get("HTTP_X_SLACK_REQUEST_TIMESTAMP") or ""))
    if not has_form or not _SIGNATURE.fullmatch(str(environ.get("HTTP_X_SLACK_SIGNATURE") or "")):
        return "401 Unauthorized"
    body = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = _Body(body)
    return None if _is_readable(body, str(environ.get("CONTENT_TYPE") or "")) else "400 Bad Request"


class _Body:
    """A request body that was read already."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, size: int = -1) -> bytes:
        return self._content if size < 0 else self._content[:size]


def _is_readable(body: bytes, content_type: str) -> bool:
    try:
        text = body.decode("utf-8")
        if "json" in content_type or text.lstrip().startswith("{"):
            return isinstance(json.loads(text), dict)
        payloads = parse_qs(text).get("payload", [])
        return all(isinstance(json.loads(payload), dict) for payload in payloads)
    except (ValueError, RecursionError):
        return False
