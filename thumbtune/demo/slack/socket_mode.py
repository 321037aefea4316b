"""Serves Socket Mode: connections of the app, hello, envelopes and their acknowledgements, disconnects.

It does not know what the envelopes carry or when they are retried.
"""

import asyncio
import contextlib
import json
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.websockets import WebSocket, WebSocketDisconnect

from thumbtune.demo.slack import seed
from thumbtune.demo.slack.connections import deafen
from thumbtune.demo.slack.delivery import Answer, Delivery
from thumbtune.demo.slack.faults import Faults
from thumbtune.demo.slack.wire import Json

MAX_CONNECTIONS = 10
MAX_OPEN_ENVELOPES = 20_000


@dataclass(eq=False)
class _Connection:
    socket: WebSocket
    outbox: asyncio.Queue[Json] = field(default_factory=asyncio.Queue)


class SocketMode:
    """The app's open connections; each envelope goes to one of them."""

    def __init__(self, *, faults: Faults, on_change: Callable[[bool], None]) -> None:
        self.faults = faults
        self._on_change = on_change
        self._tickets: set[str] = set()
        self._connections: list[_Connection] = []
        self._next = 0
        self._open: dict[str, Callable[[Answer], None]] = {}

    def issue_url(self, base_url: str) -> str:
        """Return a WebSocket address that admits one connection."""
        ticket = secrets.token_urlsafe(16)
        self._tickets.add(ticket)
        host = base_url.removeprefix("http://")
        return f"ws://{host}/link/?ticket={ticket}&app_id={seed.APP_ID}"

    def is_connected(self) -> bool:
        """Return whether the app has a connection."""
        return bool(self._connections)

    def count_connections(self) -> int:
        """Return how many connections the app has."""
        return len(self._connections)

    def send(self, delivery: Delivery, settle: Callable[[Answer], None]) -> None:
        """Put an envelope on one connection, in turn; a deaf server says nothing."""
        if self.faults.deaf:
            return
        envelope_id = str(uuid.uuid4())
        self._open[envelope_id] = settle
        if len(self._open) > MAX_OPEN_ENVELOPES:
            del self._open[next(iter(self._open))]
        envelope: Json = {
            "envelope_id": envelope_id,
            "type": delivery.kind,
            "accepts_response_payload": delivery.accepts_response,
            "payload": delivery.payload,
        }
        if delivery.kind == "events_api":
            envelope |= {"retry_attempt": delivery.retry_num, "retry_reason": delivery.retry_reason}
        self._next = (self._next + 1) % len(self._connections)
        self._connections[self._next].outbox.put_nowait(envelope)

    async def serve(self, socket: WebSocket) -> None:
        """Run one connection until either side ends it."""
        ticket = socket.query_params.get("ticket", "")
        if ticket not in self._tickets:
            await socket.close(4001)
            return
        self._tickets.discard(ticket)
        await socket.accept()
        connection = _Connection(socket)
        if len(self._connections) >= MAX_CONNECTIONS:
            await socket.send_json({"type": "disconnect", "reason": "too_many_websockets", "debug_info": {}})
            await socket.close()
            return
        self._connections.append(connection)
        await socket.send_json(
            {
                "type": "hello",
                "num_connections": len(self._connections),
                "connection_info": {"app_id": seed.APP_ID},
                "debug_info": {"host": "local", "approximate_connection_time": 18060},
            }
        )
        self._on_change(True)
        writer = asyncio.create_task(self._write(connection))
        try:
            while True:
                self._take(await socket.receive_text())
        except (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            self._connections.remove(connection)
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer
            self._on_change(self.is_connected())

    async def disconnect_all(self, *, reason: str, is_abrupt: bool) -> int:
        """End every connection, with Slack's disconnect message or without a word; return how many there were."""
        connections = list(self._connections)
        for connection in connections:
            if is_abrupt:
                await connection.socket.close(1011)
            else:
                connection.outbox.put_nowait({"type": "disconnect", "reason": reason, "debug_info": {"host": "local"}})
        return len(connections)

    def deafen_all(self) -> int:
        """Leave every connection open but let nothing through it any more; return how many there were."""
        for connection in self._connections:
            deafen(connection.socket.scope)
        return len(self._connections)

    def _take(self, text: str) -> None:
        try:
            answer = json.loads(text)
        except ValueError:
            return
        settle = self._open.pop(answer.get("envelope_id", ""), None) if isinstance(answer, dict) else None
        if settle is not None:
            payload = answer.get("payload")
            settle(Answer(True, payload=payload if isinstance(payload, dict) else None))

    async def _write(self, connection: _Connection) -> None:
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            while True:
                envelope = await connection.outbox.get()
                await connection.socket.send_text(json.dumps(envelope))
