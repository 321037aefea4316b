"""The control API: faults, pace, way of delivery, statistics, reset, and further people, groups and channels.

    curl -X POST localhost:3030/control/faults -H 'Content-Type: application/json' -d '{"duplicates": 0.3}'

It does not know what the faults do.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, fields
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from thumbtune.demo.slack import seed
from thumbtune.demo.slack.channels import Change, Channel, ChannelKind
from thumbtune.demo.slack.delivery import DeliveryCounts
from thumbtune.demo.slack.population import build_bot_user, build_group, build_user
from thumbtune.demo.slack.wire import Json, Refused

if TYPE_CHECKING:
    from thumbtune.demo.slack.local_slack import LocalSlack

Step = Callable[[Json], Awaitable[Json] | Json]


class Control:
    """What tests and demonstrations switch on and off."""

    def __init__(self, server: "LocalSlack") -> None:
        self._server = server

    def build_routes(self) -> list[Route]:
        """Return the routes under `/control`."""
        steps: dict[str, Step] = {
            "faults": self._change_faults,
            "clear": self._clear_faults,
            "pace": self._change_pace,
            "delivery": self._choose_delivery,
            "socket": self._disconnect,
            "reset": self._reset,
            "scopes": self._set_scopes,
            "event": self._inject_event,
            "users": self._put_user,
            "groups": self._put_group,
            "channels": self._put_channel,
            "members": self._change_member,
        }
        routes = [Route(f"/control/{name}", _serve(step), methods=["POST"]) for name, step in steps.items()]
        return [*routes, Route("/control/state", _serve(self._show_state), methods=["GET"])]

    def _show_state(self, _: Json) -> Json:
        server = self._server
        is_http = server.dispatcher.transport is server.http_delivery
        return {
            "faults": asdict(server.faults),
            "pace": asdict(server.pace),
            "delivery": {
                "mode": "http" if is_http else "socket",
                "request_url": server.http_delivery.request_url,
                "connections": server.socket_mode.count_connections(),
            },
            "statistics": {
                **asdict(server.dispatcher.counts),
                "calls": dict(server.web_api.calls),
                "errors": dict(server.web_api.errors),
                "messages": sum(len(channel.log.by_ts) for channel in server.workspace.channels.values()),
            },
        }

    def _change_faults(self, body: Json) -> Json:
        self._server.faults.change(body)
        return {"faults": asdict(self._server.faults)}

    def _clear_faults(self, _: Json) -> Json:
        self._server.faults.clear()
        return {"faults": asdict(self._server.faults)}

    def _change_pace(self, body: Json) -> Json:
        known = {item.name for item in fields(self._server.pace)}
        if set(body) - known:
            raise ValueError(f"unknown times {sorted(set(body) - known)}; known are {sorted(known)}")
        for name, value in body.items():
            is_list = name == "retry_delays_s"
            setattr(self._server.pace, name, tuple(float(item) for item in value) if is_list else float(value))
        return {"pace": asdict(self._server.pace)}

    async def _choose_delivery(self, body: Json) -> Json:
        server = self._server
        if body.get("mode") == "socket":
            server.dispatcher.transport = server.socket_mode
        elif body.get("mode") == "http":
            if not await server.http_delivery.verify(str(body.get("request_url", ""))):
                raise Refused("challenge_failed")
            server.dispatcher.transport = server.http_delivery
            server.workspace.publish(Change("app_status", {"connected": True}))
        else:
            raise ValueError("mode is socket or http")
        return {}

    async def _disconnect(self, body: Json) -> Json:
        if body.get("deaf"):
            return {"connections": self._server.socket_mode.deafen_all()}
        ended = await self._server.socket_mode.disconnect_all(
            reason=str(body.get("reason") or "refresh_requested"), is_abrupt=bool(body.get("abrupt"))
        )
        return {"connections": ended}

    def _reset(self, _: Json) -> Json:
        self._server.reset()
        self._server.dispatcher.counts = DeliveryCounts()
        return {}

    def _set_scopes(self, body: Json) -> Json:
        self._server.web_api.bot_scopes = frozenset(str(scope) for scope in body["scopes"])
        return {}

    def _inject_event(self, body: Json) -> Json:
        self._server.feed.send_raw(dict(body["event"]))
        return {}

    def _put_user(self, body: Json) -> Json:
        workspace = self._server.workspace
        user_id = str(body.get("id") or workspace.next_id("U0"))
        if body.get("is_bot"):
            user = build_bot_user(user_id, str(body["name"]), bot_id=f"B{user_id[1:]}", app_id=f"A{user_id[1:]}")
        else:
            names = ("title", "team_id", "is_admin", "is_restricted", "is_ultra_restricted", "deleted")
            options = {name: body[name] for name in names if name in body}
            user = build_user(user_id, str(body["name"]), **options)
        workspace.users[user_id] = user
        for channel_id in body.get("channels", ()):
            workspace.join(workspace.find_channel(channel_id), user_id)
        workspace.publish(Change("user_change", {"user": user}))
        return {"user": user}

    def _put_group(self, body: Json) -> Json:
        workspace = self._server.workspace
        group_id = str(body.get("id") or workspace.next_id("S0"))
        before: Json = workspace.groups.get(group_id) or {"users": [], "handle": "", "name": ""}
        users = [str(user_id) for user_id in (body if "users" in body else before)["users"]]
        group = build_group(
            group_id,
            str(body.get("handle") or before["handle"]),
            name=str(body.get("name") or before["name"]),
            users=users,
            created=int(workspace.clock()),
        )
        workspace.groups[group_id] = group
        payload = {
            "subteam_id": group_id,
            "team_id": seed.TEAM_ID,
            "added_users": [user_id for user_id in users if user_id not in before["users"]],
            "removed_users": [user_id for user_id in before["users"] if user_id not in users],
            "date_update": group["date_update"],
        }
        workspace.publish(Change("subteam_members_changed", payload))
        return {"usergroup": group}

    def _put_channel(self, body: Json) -> Json:
        workspace = self._server.workspace
        channel_id = str(body.get("id") or workspace.next_id("C0"))
        channel = workspace.channels.get(channel_id)
        if channel is None:
            kind: ChannelKind = "group" if body.get("is_private") else "channel"
            channel = Channel(channel_id, str(body["name"]), kind, created=int(workspace.clock()))
            workspace.channels[channel_id] = channel
            for user_id in body.get("members", ()):
                workspace.join(channel, str(user_id))
        channel.name = str(body.get("name") or channel.name)
        channel.topic = str(body.get("topic", channel.topic))
        channel.is_archived = bool(body.get("is_archived", channel.is_archived))
        channel.is_ext_shared = bool(body.get("is_ext_shared", channel.is_ext_shared))
        workspace.publish(Change("channel_changed", {}, channel=channel_id))
        return {"channel": channel.to_json("")}

    def _change_member(self, body: Json) -> Json:
        workspace = self._server.workspace
        channel = workspace.find_channel(str(body["channel"]))
        workspace.find_user(str(body["user"]))
        if body.get("is_member", True):
            return {"changed": workspace.join(channel, str(body["user"]))}
        return {"changed": workspace.leave(channel, str(body["user"]))}


def _serve(step: Step) -> Callable[[Request], Awaitable[JSONResponse]]:
    async def answer(request: Request) -> JSONResponse:
        try:
            raw = await request.body()
            body = json.loads(raw) if raw else {}
            if not isinstance(body, dict):
                raise ValueError("the body must be a JSON object")
            result = step(body)
            if not isinstance(result, dict):
                result = await result
        except Refused as refused:
            return JSONResponse(refused.to_json(), status_code=400)
        except (ValueError, KeyError, TypeError) as exc:
            return JSONResponse({"ok": False, "error": "invalid_arguments", "message": str(exc)}, status_code=400)
        return JSONResponse({"ok": True, **result})

    return answer
