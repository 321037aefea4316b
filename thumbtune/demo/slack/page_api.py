"""What the web page and the demo loop call: the workspace as one person sees it and what that person does.

It does not know how a page looks; its calls act for whoever they name, so they stay on this machine.
"""

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from thumbtune.demo.slack import seed
from thumbtune.demo.slack.calls import Arguments
from thumbtune.demo.slack.channels import Author, Channel
from thumbtune.demo.slack.reactions import add_reaction, remove_reaction
from thumbtune.demo.slack.text import compose_text
from thumbtune.demo.slack.wire import Json, Refused

if TYPE_CHECKING:
    from thumbtune.demo.slack.local_slack import LocalSlack

Step = Callable[[str, Arguments], Awaitable[Json] | Json]

_SENTENCES = {
    "dispatch_failed": "The app is not connected, so nothing happened. Try again in a moment.",
    "operation_timeout": "The app did not answer in time. Try again in a moment.",
    "not_in_channel": "You are not a member of this channel.",
    "is_archived": "This channel is archived.",
    "no_text": "Write something first.",
    "cant_update_message": "You can edit your own messages only.",
    "cant_delete_message": "You can delete your own messages only.",
    "message_not_found": "This message is gone.",
    "thread_not_found": "This thread is gone.",
}


class PageApi:
    """The routes under `/demo`."""

    def __init__(self, server: "LocalSlack") -> None:
        self._server = server

    def build_routes(self) -> list[Route]:
        """Return the routes under `/demo`."""
        reads: dict[str, Step] = {
            "bootstrap": self._bootstrap,
            "messages": self._read_messages,
            "home": self._read_home,
        }
        writes: dict[str, Step] = {
            "post": self._post,
            "react": self._react,
            "edit": self._edit,
            "delete": self._delete,
            "join": self._join,
            "shortcut": self._run_shortcut,
            "action": self._press,
            "view_submit": self._submit_view,
            "view_close": self._close_view,
            "home_open": self._open_home,
        }
        routes = [Route(f"/demo/{name}", self._serve(step), methods=["GET"]) for name, step in reads.items()]
        return routes + [Route(f"/demo/{name}", self._serve(step), methods=["POST"]) for name, step in writes.items()]

    def _serve(self, step: Step) -> Callable[[Request], Awaitable[JSONResponse]]:
        async def answer(request: Request) -> JSONResponse:
            try:
                body = dict(request.query_params)
                if request.method == "POST":
                    body = json.loads(await request.body())
                    if not isinstance(body, dict):
                        raise ValueError
                args = Arguments(body)
                user_id = args.text("user")
                user = self._server.workspace.find_user(user_id)
                if user["is_bot"] or user["deleted"]:
                    raise Refused("user_not_found")
                result = step(user_id, args)
                if not isinstance(result, dict):
                    result = await result
            except Refused as refused:
                message = _SENTENCES.get(refused.code, f"That did not work ({refused.code.replace('_', ' ')}).")
                return JSONResponse({"message": message, **refused.to_json()})
            except (ValueError, KeyError, TypeError):
                return JSONResponse({"ok": False, "error": "invalid_arguments", "message": "Bad request."}, 400)
            return JSONResponse({"ok": True, **result})

        return answer

    def _bootstrap(self, user_id: str, _: Arguments) -> Json:
        workspace = self._server.workspace
        channels = [
            {**channel.to_json(user_id), "latest_ts": channel.log.timeline[-1] if channel.log.timeline else None}
            for channel in workspace.channels.values()
            if channel.kind == "channel" or user_id in channel.members
        ]
        return {
            "team": {"id": seed.TEAM_ID, "name": self._server.team_name, "domain": seed.TEAM_DOMAIN},
            "me": workspace.users[user_id],
            "users": list(workspace.users.values()),
            "usergroups": list(workspace.groups.values()),
            "channels": channels,
            "apps": [self._server.profile.to_json()],
            "app_status": {"connected": self._server.dispatcher.transport.is_connected()},
            "view": self._server.views.find_top(user_id),
        }

    def _read_messages(self, user_id: str, args: Arguments) -> Json:
        channel = self._find_channel(user_id, args)
        limit = args.limit(50, maximum=1000)
        before, root_ts = args.text("before"), args.text("thread_ts")
        if root_ts:
            if root_ts not in channel.log.by_ts:
                raise Refused("thread_not_found")
            messages, has_more = channel.log.page_thread(
                root_ts, limit=1_000_000, oldest="", latest=before, inclusive=False
            )
            if len(messages) > limit + 1:
                messages, has_more = [messages[0], *messages[-limit:]], True
        else:
            messages, has_more = channel.log.page_timeline(limit, oldest="", latest=before, inclusive=False)
            messages.reverse()
        first_ts = messages[1 if root_ts and len(messages) > 1 else 0]["ts"] if messages else ""
        private = [
            message
            for ts, message in self._server.workspace.ephemerals.get((user_id, channel.channel_id), {}).items()
            if message.get("thread_ts", "") == root_ts
            and (not before or ts < before)
            and (not has_more or ts > first_ts)
        ]
        return {"messages": sorted([*messages, *private], key=lambda item: str(item["ts"])), "has_more": has_more}

    async def _post(self, user_id: str, args: Arguments) -> Json:
        channel = self._find_joined(user_id, args)
        typed = args.text("text")
        thread_ts = args.text("thread_ts") or None
        if typed.startswith("/") and not typed.startswith("//") and typed[1:2].isalpha():
            await self._server.interactivity.run_command(user_id, channel, typed=typed, thread_ts=thread_ts)
            return {"ts": None}
        if not typed.strip():
            raise Refused("no_text")
        text = compose_text(typed, self._server.list_names())
        fields: Json = {"client_msg_id": self._server.workspace.next_id("demo-")}
        message = self._server.workspace.post_message(
            channel,
            Author(user_id),
            text=text,
            thread_ts=thread_ts,
            is_broadcast=args.flag("reply_broadcast"),
            fields=fields,
        )
        return {"ts": message["ts"], "message": message}

    def _react(self, user_id: str, args: Arguments) -> Json:
        channel = self._find_joined(user_id, args)
        change = add_reaction if args.flag("on", default=True) else remove_reaction
        change(self._server.workspace, channel, ts=args.text("ts"), user_id=user_id, name=args.text("name"))
        return {}

    def _edit(self, user_id: str, args: Arguments) -> Json:
        channel = self._find_joined(user_id, args)
        workspace = self._server.workspace
        if workspace.find_message(channel, args.text("ts"))["user"] != user_id:
            raise Refused("cant_update_message")
        if not args.text("text").strip():
            raise Refused("no_text")
        text = compose_text(args.text("text"), self._server.list_names())
        return {"message": workspace.change_message(channel, args.text("ts"), changes={"text": text}, editor=user_id)}

    def _delete(self, user_id: str, args: Arguments) -> Json:
        channel = self._find_joined(user_id, args)
        ts = args.text("ts")
        if self._server.workspace.change_ephemeral(channel.channel_id, ts, user_id=user_id, changes=None):
            return {}
        if self._server.workspace.find_message(channel, ts)["user"] != user_id:
            raise Refused("cant_delete_message")
        self._server.workspace.delete_message(channel, ts)
        return {}

    def _join(self, user_id: str, args: Arguments) -> Json:
        self._server.workspace.join(self._find_channel(user_id, args), user_id)
        return {}

    async def _run_shortcut(self, user_id: str, args: Arguments) -> Json:
        channel = self._find_joined(user_id, args)
        await self._server.interactivity.run_shortcut(
            user_id, channel, callback_id=args.text("callback_id"), ts=args.text("ts")
        )
        return {}

    async def _press(self, user_id: str, args: Arguments) -> Json:
        container = Arguments(args.object("container"))
        names = {"block_id": args.text("block_id"), "action_id": args.text("action_id")}
        if container.text("type") == "view":
            view_id = container.text("view_id")
            await self._server.interactivity.press_in_view(user_id, view_id, **names, sent=args.values)
        else:
            channel = self._find_channel(user_id, container)
            ts = container.text("message_ts")
            await self._server.interactivity.press_in_message(user_id, channel, ts=ts, **names, sent=args.values)
        return {}

    async def _submit_view(self, user_id: str, args: Arguments) -> Json:
        values = args.object("values")
        return await self._server.interactivity.submit_view(user_id, args.text("view_id"), values=values)

    async def _close_view(self, user_id: str, args: Arguments) -> Json:
        await self._server.interactivity.close_view(user_id, args.text("view_id"))
        return {}

    def _open_home(self, user_id: str, args: Arguments) -> Json:
        self._server.interactivity.open_home(user_id, tab=args.text("tab", "home"))
        return {}

    def _read_home(self, user_id: str, _: Arguments) -> Json:
        return {"view": self._server.views.find_home(user_id)}

    def _find_channel(self, user_id: str, args: Arguments) -> Channel:
        return self._server.workspace.find_channel(args.text("channel"), viewer=user_id)

    def _find_joined(self, user_id: str, args: Arguments) -> Channel:
        channel = self._find_channel(user_id, args)
        if user_id not in channel.members:
            raise Refused("not_in_channel")
        return channel
