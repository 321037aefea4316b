"""Guards the server's connections: only this machine's own pages and programs get in; faults cut or deafen one.

It does not know what is served.
"""

import asyncio
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


_CONNECTION = "thumbtune.connection"


class CutResponse(Response):
    """Closes the connection without an answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Abort the connection and return once the server knows that it is gone."""
        scope[_CONNECTION].transport.abort()
        while (await receive())["type"] != "http.disconnect":
            pass


def deafen(scope: Scope) -> None:
    """Keep a WebSocket's connection open, throw away what comes on it, and send nothing more, not even pongs."""
    protocol = scope[_CONNECTION]
    transport: asyncio.Transport = protocol.transport
    transport.set_protocol(_DeafProtocol(protocol))
    transport.resume_reading()
    protocol.transport = _MuteTransport()


class _DeafProtocol(asyncio.Protocol):
    def __init__(self, inner: asyncio.Protocol) -> None:
        self._inner = inner

    def data_received(self, data: bytes) -> None:
        pass

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)


class _MuteTransport(asyncio.Transport):
    def write(self, data: object) -> None:
        pass

    def close(self) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class ConnectionGuard:
    """Refuses foreign hosts and origins with 403 and closes connections that a fault cuts.

    A page from elsewhere must not reach the workspace: its tokens are no secret (DNS rebinding, cross-site posts).
    """

    def __init__(self, app: ASGIApp, *, extra_hosts: Collection[str] = ()) -> None:
        self.app = app
        self.hosts = LOOPBACK_HOSTS | set(extra_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the ASGI server."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if not self._is_ours(headers.get("host", "")) or not self._is_own_origin(headers, scope["path"]):
            await _refuse(scope, send)
            return
        # uvicorn's send is a method of a request's cycle or of a WebSocket's protocol; both hold the transport.
        scope[_CONNECTION] = getattr(send, "__self__", None)
        await self.app(scope, receive, send)

    def _is_ours(self, host: str) -> bool:
        try:
            return urlsplit(f"//{host}").hostname in self.hosts
        except ValueError:
            return False

    def _is_own_origin(self, headers: dict[str, str], path: str) -> bool:
        origin = headers.get("origin")
        if origin is not None:
            return urlsplit(origin).netloc == headers.get("host")
        if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
            return True
        # A link from elsewhere may open the page itself, in a tab of its own; it reaches no call.
        is_page = path == "/" or path.startswith("/archives/")
        return is_page and headers.get("sec-fetch-dest") == "document"


async def _refuse(scope: Scope, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 4003})
        return
    body = b"This local workspace answers programs and pages of this machine only."
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
