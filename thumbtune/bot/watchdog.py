"""Notices when nothing of Slack arrives any more on a Socket Mode connection that seems open.

It does not know how the connection is kept, and does not mend it: the process ends and its supervisor starts it again.
"""

import json
import logging
import threading
from collections.abc import Callable, Hashable

from slack_sdk.socket_mode.builtin import SocketModeClient

logger = logging.getLogger(__name__)

DEAF_EXIT_CODE = 75
"""EX_TEMPFAIL of sysexits.h: start me again."""

LOOKS = 20
"""Looks in a row without a sign that make a connection deaf: it is noticed one look later at the latest."""


class Watchdog:
    """Calls `on_deaf` once when `read_sign` has returned the same for `deaf_s` seconds, in a thread of its own.

    Looks are counted rather than time, so that a process that was held up has its chance to hear again.
    """

    def __init__(self, read_sign: Callable[[], Hashable], *, deaf_s: float, on_deaf: Callable[[], None]) -> None:
        self._read_sign = read_sign
        self._deaf_s = deaf_s
        self._on_deaf = on_deaf
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Watch from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._stop.set()

    def _run(self) -> None:
        last, silent_looks = self._read_sign(), 0
        while not self._stop.wait(self._deaf_s / LOOKS):
            sign = self._read_sign()
            silent_looks = silent_looks + 1 if sign == last else 0
            last = sign
            if silent_looks >= LOOKS:
                logger.error("socket_deaf", extra={"silent_s": self._deaf_s})
                self._on_deaf()
                return


class SocketSigns:
    """The signs of life of a Socket Mode client: frames that arrive and answers to its pings.

    Both are noted by the thread that reads the connection, so one that reads nothing shows none, whatever the client's
    own monitor thinks: with no answer to the first ping of a connection, that never calls it stale. While messages wait
    to be handled, only handling counts. A new connection by itself is no sign; from the second on, `on_reconnect` is
    called for each, since something may have been missed before it.
    Source: slack_sdk/socket_mode/builtin/client.py and connection.py of slack-sdk 3.47.0, seen 2026-11-21.
    """

    def __init__(self, client: SocketModeClient, *, on_reconnect: Callable[[], None] = lambda: None) -> None:
        self._client = client
        self._on_reconnect = on_reconnect
        self._connections = 0
        self._arrived = self._handled = 0
        self._pong_at: float | None = None
        client.on_message_listeners.append(self._count_arrived)
        client.message_listeners.append(self._count_handled)

    def read(self) -> Hashable:
        """Return something that differs from what it was as soon as there was a sign."""
        session = self._client.current_session
        pong_at = session.last_ping_pong_time if session is not None else None
        if pong_at is not None:
            self._pong_at = pong_at
        if not self._client.message_queue.empty():
            return ("handled", self._handled)
        return ("arrived", self._arrived, self._pong_at)

    def _count_arrived(self, message: str) -> None:
        self._arrived += 1
        if _is_hello(message):
            self._connections += 1
            if self._connections > 1:
                self._on_reconnect()

    def _count_handled(self, *_: object) -> None:
        self._handled += 1


def _is_hello(message: str) -> bool:
    try:
        content = json.loads(message)
    except ValueError:
        return False
    return isinstance(content, dict) and content.get("type") == "hello"
