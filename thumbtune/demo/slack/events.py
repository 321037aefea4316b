"""Turns what happens in the workspace into the events that Slack would send to the app.

It does not know how they are delivered.
"""

import base64
import copy
import json
from collections.abc import Callable, Collection

from thumbtune.demo.slack import seed
from thumbtune.demo.slack.channels import Change, Channel
from thumbtune.demo.slack.wire import Json
from thumbtune.demo.slack.workspace import Workspace

_MESSAGE_EVENTS = {"channel": "message.channels", "group": "message.groups", "im": "message.im"}
_HIDDEN_KEYS = ("metadata", "reactions", "is_ephemeral")


class EventFeed:
    """Watches a workspace on behalf of one app."""

    def __init__(self, workspace: Workspace, send: Callable[[Json], None], *, subscriptions: Collection[str]) -> None:
        self.workspace = workspace
        self.subscriptions = set(subscriptions)
        self._send = send

    def take(self, change: Change) -> None:
        """Send the events that a change causes, if the app subscribed to them and can see the channel."""
        channel = self.workspace.channels.get(change.channel or "")
        if channel is not None and seed.BOT_USER_ID not in channel.members and change.kind != "member_left_channel":
            return
        if channel is not None and change.kind in ("message", "message_changed", "message_deleted"):
            self._send_message(change, channel)
        elif channel is not None and change.kind in ("reaction_added", "reaction_removed"):
            event = {key: value for key, value in change.payload.items() if key != "reactions"}
            self._emit(change.kind, {"type": change.kind, **event}, channel=channel)
        elif channel is not None and change.kind in ("member_joined_channel", "member_left_channel"):
            self._send_membership(change, channel)
        elif change.kind in _PLAIN_EVENTS:
            self._emit(change.kind, {"type": change.kind, **change.payload}, channel=channel)

    def send_raw(self, event: Json) -> None:
        """Send an event as it is, whether or not the app subscribed to its type."""
        self._emit(str(event["type"]), event, channel=None, is_forced=True)

    def _send_message(self, change: Change, channel: Channel) -> None:
        name = _MESSAGE_EVENTS[channel.kind]
        ts = self.workspace.next_ts() if change.kind != "message" else change.payload["ts"]
        shared = {"channel": channel.channel_id, "ts": ts, "event_ts": ts}
        shared["channel_type"] = channel.kind
        if change.kind == "message":
            message = _copy_message(change.payload)
            self._emit(name, {**message, **shared}, channel=channel)
            if f"<@{seed.BOT_USER_ID}>" in message["text"] and message["user"] != seed.BOT_USER_ID:
                mention = {key: value for key, value in message.items() if key not in ("type", "parent_user_id")}
                mention |= {"type": "app_mention", "channel": channel.channel_id, "event_ts": ts}
                if channel.kind != "im":
                    self._emit("app_mention", mention, channel=channel)
            return
        if change.payload.get("message", {}).get("streaming_state") == "in_progress":
            return
        before = _copy_message(change.payload["previous_message"])
        tombstone = change.payload.get("tombstone")
        event: Json = {"type": "message", "hidden": True, "previous_message": before, **shared}
        if change.kind == "message_deleted" and tombstone is None:
            event |= {"subtype": "message_deleted", "deleted_ts": change.payload["deleted_ts"]}
        else:
            after = tombstone if tombstone is not None else change.payload["message"]
            event |= {"subtype": "message_changed", "message": _copy_message(after)}
        self._emit(name, event, channel=channel)

    def _send_membership(self, change: Change, channel: Channel) -> None:
        event: Json = {
            "type": change.kind,
            "user": change.payload["user"],
            "channel": channel.channel_id,
            "channel_type": "G" if channel.kind == "group" else "C",
            "team": seed.TEAM_ID,
            "event_ts": self.workspace.next_ts(),
        }
        if change.payload.get("inviter"):
            event["inviter"] = change.payload["inviter"]
        self._emit(change.kind, event, channel=channel)

    def _emit(self, name: str, event: Json, *, channel: Channel | None, is_forced: bool = False) -> None:
        if name not in self.subscriptions and not is_forced:
            return
        event.setdefault("event_ts", self.workspace.next_ts())
        context = json.dumps({"et": event["type"], "tid": seed.TEAM_ID, "aid": seed.APP_ID}, separators=(",", ":"))
        envelope: Json = {
            "token": seed.VERIFICATION_TOKEN,
            "team_id": seed.TEAM_ID,
            "context_team_id": seed.TEAM_ID,
            "context_enterprise_id": None,
            "api_app_id": seed.APP_ID,
            "event": event,
            "type": "event_callback",
            "event_id": self.workspace.next_id("Ev0"),
            "event_time": int(float(event["event_ts"])),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": seed.TEAM_ID,
                    "user_id": seed.BOT_USER_ID,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": channel.is_ext_shared if channel is not None else False,
            "event_context": "4-" + base64.urlsafe_b64encode(context.encode()).decode().rstrip("="),
        }
        self._send(envelope)


_PLAIN_EVENTS = frozenset(
    [
        "app_home_opened",
        "subteam_members_changed",
        "channel_rename",
        "channel_archive",
        "channel_unarchive",
        "user_change",
    ]
)


def _copy_message(message: Json) -> Json:
    kept = {key: value for key, value in message.items() if key not in _HIDDEN_KEYS}
    if "reactions" in message:
        kept["reactions"] = copy.deepcopy(message["reactions"])
    return kept
