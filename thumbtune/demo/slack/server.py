"""Serves the local Slack workspace.

    python -m thumbtune.demo.slack.server --port 3030

It does not know Thumbtune's bot: any Slack app that takes a base URL can connect.
"""

import argparse
import contextlib
import socket
import threading
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from thumbtune.demo.slack.delivery import Pace
from thumbtune.demo.slack.local_slack import LocalSlack, ServerOptions


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A local Slack workspace for trying and testing apps.")
    parser.add_argument("--port", type=int, default=3030, help="port to listen on; 0 picks a free one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--allow-host", action="append", default=[], help="further host name that callers may use")
    parser.add_argument("--manifest", type=Path, help="the app's manifest: commands, shortcuts, scopes, events")
    parser.add_argument("--public-url", help="how the app and people reach this server, if not on this machine")
    parser.add_argument("--journal", type=Path, help="file that keeps the workspace over restarts")
    parser.add_argument("--time-scale", type=float, default=1.0, help="multiplies all of Slack's waiting times")
    chosen = parser.parse_args(arguments)
    options = ServerOptions(
        host=chosen.host,
        port=chosen.port,
        manifest=chosen.manifest,
        extra_hosts=tuple(chosen.allow_host),
        public_url=chosen.public_url,
        journal=chosen.journal,
        pace=Pace(time_scale=chosen.time_scale),
    )
    listener = open_listener(options)
    server, slack = build_server(options, listener)
    print(f"Local Slack workspace: {slack.base_url}", flush=True)
    with contextlib.closing(slack), contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])


def open_listener(options: ServerOptions) -> socket.socket:
    """Return a listening socket; connections wait in it until the server runs."""
    listener = socket.create_server((options.host, options.port), backlog=512)
    listener.setblocking(False)
    return listener


def build_server(options: ServerOptions, listener: socket.socket) -> tuple[uvicorn.Server, LocalSlack]:
    """Return a server for this listener and the workspace that it serves."""
    base_url = options.public_url or f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        slack = LocalSlack(options, base_url=base_url.rstrip("/"))
    except BaseException:
        listener.close()
        raise
    config = uvicorn.Config(
        slack.build_app(),
        log_level="warning",
        access_log=False,
        ws="websockets-sansio",
        timeout_graceful_shutdown=1,
        lifespan="off",
        proxy_headers=False,
    )
    return uvicorn.Server(config), slack


class ServerThread:
    """A server in a thread of this process; for tests and for programs that end with it."""

    def __init__(self, options: ServerOptions | None = None) -> None:
        self.options = options or ServerOptions(port=0)
        self._listener = open_listener(self.options)
        self._server, self.slack = build_server(self.options, self._listener)
        self.base_url = self.slack.base_url
        self.api_url = f"{self.base_url}/api/"
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]}, daemon=True)

    def __enter__(self) -> "ServerThread":
        """Start serving; calls are answered as soon as the thread runs."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving and close every connection."""
        self._server.should_exit = True
        self._thread.join(10)
        self._listener.close()
        self.slack.close()


if __name__ == "__main__":
    main()
