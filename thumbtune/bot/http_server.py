"""Takes signed HTTP requests from Slack: a small threaded WSGI server with a guard in front of Bolt.

It does not know what is asked. Put a reverse proxy with TLS before it. Bolt parses a body before it checks the
signature, answers broken requests with 500 and logs the bodies of unsigned ones; the guard turns those away first.
"""

import contextlib
import io
import json
import logging
import re
import socket
import threading
import time
from collections.abc import Iterable
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from slack_bolt import App
from slack_bolt.adapter.wsgi import SlackRequestHandler
from slack_sdk.signature import SignatureVerifier

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)

PATH = "/slack/events"
MAX_BODY_BYTES = 1_000_000
MAX_CONNECTIONS = 64
"""Requests at a time; a thread each."""

REQUEST_TIMEOUT_S = 10.0
"""For a whole request to arrive; Slack has given up after three seconds."""

_BUSY = b"HTTP/1.0 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
_LENGTH = re.compile(r"[0-9]{1,9}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")
_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"
_BAD_REQUEST = "400 Bad Request"


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128
    request_timeout_s = REQUEST_TIMEOUT_S

    def __init__(self, address: tuple[str, int], handler_class: type[WSGIRequestHandler]) -> None:
        self._began_at: dict[socket.socket, float] = {}
        super().__init__(address, handler_class)

    def process_request(self, request: Any, client_address: Any) -> None:  # Any: socketserver leaves both open
        """Answer in a thread of its own, or at once that there are too many."""
        if len(self._began_at) >= MAX_CONNECTIONS:
            logger.warning("http_too_many_requests")
            with contextlib.suppress(OSError):
                request.sendall(_BUSY)
            self.shutdown_request(request)
            return
        self._began_at[request] = time.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # Any: as above
        """End a connection, whatever became of its request."""
        self._began_at.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Let nobody take longer than a request may: nothing more is read from them; called twice a second."""
        latest = time.monotonic() - self.request_timeout_s
        for request, began_at in list(self._began_at.items()):
            if began_at < latest:
                with contextlib.suppress(OSError):
                    request.shutdown(socket.SHUT_RD)

    def handle_error(self, request: object, client_address: object) -> None:
        """Pass over a connection that broke off or stayed silent."""
        logger.debug("http_connection_failed")


class _QuietHandler(WSGIRequestHandler):
    timeout = REQUEST_TIMEOUT_S

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no HTTP request as plainly as the guard refuses the rest."""
        super().send_error(HTTPStatus.BAD_REQUEST)

    def log_message(self, format: str, *args: object) -> None:
        logger.debug("http_request")


class HttpServer:
    """Listens for Slack until it is stopped."""

    def __init__(
        self, app: App, *, signing_secret: str, host: str, port: int, request_timeout_s: float = REQUEST_TIMEOUT_S
    ) -> None:
        guarded = guard(SlackRequestHandler(app, path=PATH), SignatureVerifier(signing_secret))
        self._server = make_server(host, port, guarded, server_class=_Server, handler_class=_QuietHandler)
        self._server.request_timeout_s = request_timeout_s
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)
        self.port = self._server.server_port

    def start(self) -> None:
        """Listen from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more requests."""
        self._server.shutdown()
        self._server.server_close()


def guard(app: "WSGIApplication", verifier: SignatureVerifier) -> "WSGIApplication":
    """Return the application behind a check that a request is one of Slack's, in form and by signature."""

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        refusal = find_refusal(environ, verifier)
        if refusal is None:
            try:
                return app(environ, start_response)
            except Exception as exc:  # Bolt reads a body before it begins; nothing has been answered yet
                logger.warning("http_request_unreadable", extra={"error": type(exc).__name__})
                refusal = _BAD_REQUEST
        headers = [("content-type", "text/plain"), ("content-length", "0")]
        start_response(refusal, [*headers, ("allow", "POST")] if refusal.startswith("405") else headers)
        return [b""]

    return answer


def find_refusal(environ: "WSGIEnvironment", verifier: SignatureVerifier) -> str | None:
    """Return the status to refuse a request with, or None; a body that was read can be read again.

    Nothing is made of a body before its signature was found to be right.
    """
    if environ.get("PATH_INFO") != PATH:
        return "404 Not Found"
    if environ.get("REQUEST_METHOD") != "POST":
        return "405 Method Not Allowed"
    length = str(environ.get("CONTENT_LENGTH") or "")
    if not _LENGTH.fullmatch(length) or environ.get("HTTP_TRANSFER_ENCODING"):
        return _BAD_REQUEST
    if int(length) > MAX_BODY_BYTES:
        return "413 Content Too Large"
    timestamp = str(environ.get("HTTP_X_SLACK_REQUEST_TIMESTAMP") or "")
    signature = str(environ.get("HTTP_X_SLACK_SIGNATURE") or "")
    if not _TIMESTAMP.fullmatch(timestamp) or not _SIGNATURE.fullmatch(signature):
        return "401 Unauthorized"
    try:
        body = environ["wsgi.input"].read(int(length))
        environ["wsgi.input"] = io.BytesIO(body)
        text = body.decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return _BAD_REQUEST
    if not verifier.is_valid(text, timestamp, signature):
        return "401 Unauthorized"
    return None if _is_readable(text, str(environ.get("CONTENT_TYPE") or "")) else _BAD_REQUEST


def _is_readable(text: str, content_type: str) -> bool:
    """Return whether Bolt can make a body of the text: it takes what looks like JSON for JSON, whatever its type."""
    kind = content_type.partition(";")[0].strip().lower()
    try:
        if kind == _JSON or (kind == _FORM and text.startswith("{")):
            return isinstance(json.loads(text), dict)
        payloads = [value for name, value in parse_qsl(text, keep_blank_values=True) if name == "payload"]
        return kind == _FORM and all(isinstance(json.loads(payload), dict) for payload in payloads)
    except (ValueError, RecursionError):
        return False
