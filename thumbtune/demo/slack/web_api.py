"""Answers Web API calls over HTTP: arguments, tokens, scopes, faults and Slack's form of answers.

It does not know what the methods do.
"""

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from thumbtune.demo.slack import seed
from thumbtune.demo.slack.api import METHODS
from thumbtune.demo.slack.calls import Arguments, Call, Caller, Method
from thumbtune.demo.slack.channels import Author
from thumbtune.demo.slack.connections import CutResponse
from thumbtune.demo.slack.wire import Json, Refused

if TYPE_CHECKING:
    from thumbtune.demo.slack.local_slack import LocalSlack

USER_SCOPES = frozenset({*seed.BOT_SCOPES, "users:read.email", "search:read"})


class WebApi:
    """The methods of the Web API behind one HTTP route."""

    def __init__(self, server: "LocalSlack") -> None:
        self.server = server
        self.calls: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.bot_scopes = server.profile.scopes

    async def answer(self, request: Request) -> Response:
        """Answer one request to `/api/METHOD`."""
        name: str = request.path_params["method"]
        self.calls[name] += 1
        faults = self.server.faults
        delay_s = faults.choose_delay(name)
        if delay_s:
            await asyncio.sleep(delay_s)
        outcome = faults.choose_outcome(name)
        if outcome == "cut_before":
            return CutResponse()
        if outcome == "server_error":
            return Response("Internal Server Error", status_code=500, media_type="text/plain")
        scopes: frozenset[str] = frozenset()
        accepted = ""
        try:
            wait_s = faults.retry_after_s if outcome == "ratelimited" else faults.count_call(name)
            if wait_s:
                raise Refused("ratelimited", status=429, headers={"Retry-After": str(wait_s)})
            arguments = Arguments(_read_arguments(request, await request.body()))
            caller = self._authenticate(request, arguments, name)
            scopes = caller.scopes
            method = _choose_method(name, caller)
            accepted = method.scope or ""
            call = Call(self.server, caller, arguments)
            if method.scope is not None:
                call.require_scope(method.scope)
            body: Json = {"ok": True, **method.run(call)}
            status, headers = 200, {}
        except Refused as refused:
            body, status, headers = refused.to_json(), refused.status, refused.headers
            self.errors[refused.code] += 1
        if outcome == "cut_after":
            return CutResponse()
        headers = {
            **headers,
            "x-oauth-scopes": ",".join(sorted(scopes)),
            "x-accepted-oauth-scopes": accepted,
            "x-slack-req-id": self.server.workspace.next_id("req"),
        }
        return Response(json.dumps(body), status_code=status, headers=headers, media_type="application/json")

    def _authenticate(self, request: Request, arguments: Arguments, name: str) -> Caller:
        header = request.headers.get("authorization", "")
        token = header.removeprefix("Bearer ").strip() if header.startswith("Bearer ") else arguments.text("token")
        arguments.values.pop("token", None)
        bot = Author(seed.BOT_USER_ID, bot_id=seed.BOT_ID, app_id=seed.APP_ID)
        if not token:
            if name in METHODS and METHODS[name].is_open:
                return Caller("bot", bot, frozenset())
            raise Refused("not_authed")
        if token == seed.BOT_TOKEN:
            return Caller("bot", bot, self.bot_scopes)
        if token == seed.APP_TOKEN:
            return Caller("app", bot, frozenset({"connections:write"}))
        user = self.server.workspace.users.get(token.removeprefix("xoxp-demo-"))
        if user is None or token != seed.user_token(user["id"]) or user["is_bot"]:
            raise Refused("invalid_auth")
        if user["deleted"]:
            raise Refused("account_inactive")
        return Caller("user", Author(user["id"]), USER_SCOPES)


def _choose_method(name: str, caller: Caller) -> Method:
    method = METHODS.get(name)
    if method is None:
        raise Refused("unknown_method", req_method=name)
    if caller.kind not in method.kinds:
        raise Refused("not_allowed_token_type")
    return method


def _read_arguments(request: Request, body: bytes) -> Json:
    values: Json = dict(request.query_params)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not body:
        return values
    if kind == "application/json":
        try:
            sent = json.loads(body)
        except ValueError as exc:
            raise Refused("invalid_json") from exc
        if not isinstance(sent, dict):
            raise Refused("json_not_object")
        return values | sent
    if kind in ("application/x-www-form-urlencoded", ""):
        try:
            return values | dict(parse_qsl(body.decode(), keep_blank_values=True))
        except UnicodeDecodeError as exc:
            raise Refused("invalid_charset") from exc
    raise Refused("invalid_post_type")
