"""Pushes what happens to the pages that are open, each as its person may see it.

It does not know how a page draws it.
"""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.websockets import WebSocket, WebSocketDisconnect

from thumbtune.demo.slack.channels import Change, Channel
from thumbtune.demo.slack.wire import Json

if TYPE_CHECKING:
    from thumbtune.demo.slack.local_slack import LocalSlack

MAX_WAITING = 5_000
"""Pushes a slow page may fall behind by before it is cut off; it then loads afresh."""


@dataclass(eq=False)
class _Page:
    user_id: str
    outbox: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)


class Live:
    """The open pages."""

    def __init__(self, server: "LocalSlack") -> None:
        self._server = server
        self._pages: list[_Page] = []

    def take(self, change: Change) -> None:
        """Push a change to every page whose person may see it."""
        if not self._pages:
            return
        channel = self._server.workspace.channels.get(change.channel or "")
        shared: str | None = None
        for page in self._pages:
            if change.user not in (None, page.user_id):
                continue
            if channel is not None and channel.kind != "channel" and page.user_id not in channel.members:
                continue
            if change.kind in _PERSONAL:
                text = json.dumps(self._build_push(change, channel, page.user_id))
            else:
                shared = shared or json.dumps(self._build_push(change, channel, page.user_id))
                text = shared
            page.outbox.put_nowait(text if page.outbox.qsize() < MAX_WAITING else None)

    async def serve(self, socket: WebSocket) -> None:
        """Run one page's connection."""
        user_id = socket.query_params.get("user", "")
        if user_id not in self._server.workspace.users:
            await socket.close(4004)
            return
        await socket.accept()
        page = _Page(user_id)
        self._pages.append(page)
        status = {"type": "app_status", "connected": self._server.dispatcher.transport.is_connected()}
        page.outbox.put_nowait(json.dumps(status))
        writer = asyncio.create_task(_write(socket, page))
        try:
            while True:
                await socket.receive_text()
        except (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            self._pages.remove(page)
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer

    def _build_push(self, change: Change, channel: Channel | None, user_id: str) -> Json:
        push: Json = {"type": change.kind}
        payload = change.payload
        if channel is not None:
            push["channel"] = channel.channel_id
        if change.kind in ("message", "ephemeral", "ephemeral_changed"):
            push |= {"message": payload, "root": _find_root(channel, payload)}
        elif change.kind == "message_changed":
            push |= {"message": payload["message"], "root": _find_root(channel, payload["message"])}
        elif change.kind == "message_deleted":
            before = payload["previous_message"]
            push |= {"ts": payload["deleted_ts"], "thread_ts": before.get("thread_ts")}
            push |= {"tombstone": payload["tombstone"], "root": _find_root(channel, before)}
        elif change.kind in ("reaction_added", "reaction_removed"):
            ts = payload["item"]["ts"]
            message = channel.log.by_ts.get(ts) if channel is not None else None
            push |= {"ts": ts, "user": payload["user"], "reaction": payload["reaction"]}
            push |= {"reactions": payload["reactions"], "message": message}
        elif change.kind in ("view_opened", "view_updated", "home_published"):
            push["view"] = payload
        elif change.kind in ("channel_changed", "member_joined_channel", "member_left_channel"):
            push |= payload
            push["channel"] = channel.to_json(user_id) if channel is not None else None
        else:
            push |= payload
        return push


_PERSONAL = frozenset({"channel_changed", "member_joined_channel", "member_left_channel"})


def _find_root(channel: Channel | None, message: Json) -> Json | None:
    root_ts = message.get("thread_ts")
    if channel is None or root_ts is None or root_ts == message["ts"]:
        return None
    return channel.log.by_ts.get(root_ts)


async def _write(socket: WebSocket, page: _Page) -> None:
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        while True:
            text = await page.outbox.get()
            if text is None:
                await socket.close(4008)
                return
            await socket.send_text(text)
