"""Puts the local Slack workspace together and serves it.

    python -m thumbtune.demo.slack.server --port 3030

It does not know Thumbtune's bot: any Slack app that takes a base URL can connect.
"""

import argparse
import contextlib
import json
import logging
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from thumbtune.demo.shop import SHOP_NAME
from thumbtune.demo.slack.channels import Change
from thumbtune.demo.slack.connections import ConnectionGuard
from thumbtune.demo.slack.control import Control
from thumbtune.demo.slack.delivery import Dispatcher, Pace
from thumbtune.demo.slack.events import EventFeed
from thumbtune.demo.slack.faults import Faults
from thumbtune.demo.slack.files import Files
from thumbtune.demo.slack.http_delivery import HttpDelivery
from thumbtune.demo.slack.interactivity import Interactivity
from thumbtune.demo.slack.journal import Journal
from thumbtune.demo.slack.live import Live
from thumbtune.demo.slack.page_api import PageApi
from thumbtune.demo.slack.population import open_seed_workspace, populate
from thumbtune.demo.slack.profile import load_profile
from thumbtune.demo.slack.responses import apply_response
from thumbtune.demo.slack.socket_mode import SocketMode
from thumbtune.demo.slack.triggers import Triggers
from thumbtune.demo.slack.views import Views
from thumbtune.demo.slack.web_api import WebApi
from thumbtune.demo.slack.wire import Json, Refused

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServerOptions:
    """How to serve: every field has a default that suits `make demo`."""

    host: str = "127.0.0.1"
    port: int = 3030  # 0 picks a free one
    team_name: str = SHOP_NAME
    manifest: Path | None = None
    extra_hosts: tuple[str, ...] = ()
    public_url: str | None = None  # how the app and people reach the server, when it is not the loopback address
    journal: Path | None = None  # keeps the workspace over restarts
    pace: Pace = field(default_factory=Pace)


class LocalSlack:
    """One workspace with everything that serves it."""

    def __init__(self, options: ServerOptions, *, base_url: str) -> None:
        self.options = options
        self.base_url = base_url
        self.team_name = options.team_name
        self.profile = load_profile(options.manifest)
        self.workspace = open_seed_workspace()
        self.faults = Faults()
        self.pace = options.pace
        self.views = Views(self.workspace)
        self.files = Files(self)
        self.triggers = Triggers(self.pace)
        self.socket_mode = SocketMode(faults=self.faults, on_change=self._publish_status)
        self.http_delivery = HttpDelivery(self.pace)
        self.dispatcher = Dispatcher(self.socket_mode, pace=self.pace, faults=self.faults)
        self.interactivity = Interactivity(self)
        self.feed = EventFeed(self.workspace, self.dispatcher.send_event, subscriptions=self.profile.events)
        self.web_api = WebApi(self)
        self.live = Live(self)
        self.workspace.subscribe(self.feed.take)
        self.workspace.subscribe(self.live.take)
        self.journal = Journal(options.journal, self.workspace, self.views) if options.journal else None
        if self.journal is not None:
            self.journal.load()
            self.workspace.subscribe(self.journal.take)

    def reset(self) -> None:
        """Bring the workspace back to its seed."""
        populate(self.workspace)
        self.views.clear()
        self.files.clear()
        self.workspace.publish(Change("reset", {}))

    def close(self) -> None:
        """End what outlives the server's loop."""
        self.http_delivery.close()
        if self.journal is not None:
            self.journal.close()

    def list_names(self) -> dict[str, str]:
        """Return the names that a person can mention with `@`, and whom they mean."""
        names: dict[str, str] = {}
        for user in self.workspace.users.values():
            if not user["deleted"]:
                names |= {user["real_name"]: user["id"], user["profile"]["display_name"]: user["id"]}
        return names

    def build_permalink(self, channel_id: str, message: Json) -> str:
        """Return a message's address in Slack's form."""
        link = f"{self.base_url}/archives/{channel_id}/p{message['ts'].replace('.', '')}"
        root_ts = message.get("thread_ts")
        return f"{link}?thread_ts={root_ts}&cid={channel_id}" if root_ts not in (None, message["ts"]) else link

    def build_app(self) -> ASGIApp:
        """Return the ASGI application."""
        pages = Path(__file__).parent / "page"
        routes: list[BaseRoute] = [
            Route("/api/{method}", self.web_api.answer, methods=["GET", "POST"]),
            WebSocketRoute("/link/", self.socket_mode.serve),
            Route("/{kind:str}/T0THUMB01/{key}", self._take_response, methods=["POST"]),
            Route("/upload/{file_id}", self.files.take, methods=["POST"]),
            Route("/files/{file_id}", self.files.serve, methods=["GET"]),
            *PageApi(self).build_routes(),
            WebSocketRoute("/demo/live", self.live.serve),
            *Control(self).build_routes(),
            Route("/archives/{rest:path}", lambda _: FileResponse(pages / "index.html")),
            Mount("/static", StaticFiles(directory=pages, check_dir=False)),
            Route("/", lambda _: FileResponse(pages / "index.html")),
        ]
        return ConnectionGuard(Starlette(routes=routes), extra_hosts=self.options.extra_hosts)

    async def _take_response(self, request: Request) -> JSONResponse:
        try:
            body = json.loads(await request.body())
            if not isinstance(body, dict):
                raise Refused("invalid_payload", status=400)
            apply_response(self.workspace, self.triggers.use_response(request.path_params["key"]), body)
        except Refused as refused:
            return JSONResponse(refused.to_json(), status_code=refused.status)
        except ValueError:
            return JSONResponse({"ok": False, "error": "invalid_payload"}, status_code=400)
        return JSONResponse({"ok": True})

    def _publish_status(self, is_connected: bool) -> None:
        self.workspace.publish(Change("app_status", {"connected": is_connected}))


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
