"""Puts the local workspace together: its state, its deliveries to the app and everything it answers.

It does not know sockets or processes.
"""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import ASGIApp

from thumbtune.demo.shop import SHOP_NAME
from thumbtune.demo.slack import seed
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
from thumbtune.demo.slack.page_files import PageFiles
from thumbtune.demo.slack.population import open_seed_workspace, populate
from thumbtune.demo.slack.profile import load_profile
from thumbtune.demo.slack.responses import apply_response
from thumbtune.demo.slack.socket_mode import SocketMode
from thumbtune.demo.slack.triggers import Triggers
from thumbtune.demo.slack.views import Views
from thumbtune.demo.slack.web_api import WebApi
from thumbtune.demo.slack.wire import Json, Refused


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
        self.pace = replace(options.pace)  # the control API changes it
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
        pages = PageFiles()
        routes: list[BaseRoute] = [
            Route("/api/{method}", self.web_api.answer, methods=["GET", "POST"]),
            WebSocketRoute("/link/", self.socket_mode.serve),
            Route(f"/{{kind}}/{seed.TEAM_ID}/{{key}}", self._take_response, methods=["POST"]),
            Route("/upload/{file_id}", self.files.take, methods=["POST"]),
            Route("/files/{file_id}", self.files.serve, methods=["GET"]),
            *PageApi(self).build_routes(),
            WebSocketRoute("/demo/live", self.live.serve),
            *Control(self).build_routes(),
            Route("/archives/{rest:path}", pages.serve_index),
            Mount("/static", pages),
            Route("/", pages.serve_index),
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
