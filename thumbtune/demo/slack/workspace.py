"""Holds the whole state of the local workspace and tells its subscribers about every change.

It does not know HTTP, tokens, apps' subscriptions or the web page.
"""

import time
from collections.abc import Callable, Iterable

from thumbtune.demo.slack import seed
from thumbtune.demo.slack.channels import Author, Change, Channel
from thumbtune.demo.slack.reacted_items import ReactedItems
from thumbtune.demo.slack.wire import Json, Refused

MAX_TEXT_CHARS = 40_000


class Workspace:
    """The people, channels and messages of one team."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.users: dict[str, Json] = {}
        self.channels: dict[str, Channel] = {}
        self.groups: dict[str, Json] = {}
        self.ephemerals: dict[tuple[str, str], dict[str, Json]] = {}
        self.reacted: dict[str, ReactedItems] = {}
        self._subscribers: list[Callable[[Change], None]] = []
        self._last_us = 0
        self._last_number = int(clock() * 1_000)

    def clear(self) -> None:
        """Forget everything but the subscribers; ids and timestamps go on rising."""
        for held in (self.users, self.channels, self.groups, self.ephemerals, self.reacted):
            held.clear()

    def subscribe(self, subscriber: Callable[[Change], None]) -> None:
        """Call `subscriber` at once for every change from now on."""
        self._subscribers.append(subscriber)

    def publish(self, change: Change) -> None:
        """Tell every subscriber."""
        for subscriber in self._subscribers:
            subscriber(change)

    def next_ts(self) -> str:
        """Return a timestamp above every earlier one."""
        self._last_us = max(int(self.clock() * 1_000_000), self._last_us + 1)
        return f"{self._last_us // 1_000_000}.{self._last_us % 1_000_000:06d}"

    def see_ts(self, ts: str) -> None:
        """Take note of a timestamp that exists already, so that new ones lie above it."""
        self._last_us = max(self._last_us, int(ts.replace(".", "")))

    def next_id(self, prefix: str) -> str:
        """Return a new id such as `Ev0MHX2K9QJ7`; ids of an earlier server do not come again."""
        self._last_number += 1
        return prefix + _encode_base36(self._last_number)

    def find_channel(self, channel_id: str, *, viewer: str | None = None) -> Channel:
        """Return a channel; private ones exist for their members only.

        Raises: Refused `channel_not_found`.
        """
        channel = self.channels.get(channel_id)
        if channel is None or (channel.kind != "channel" and viewer is not None and viewer not in channel.members):
            raise Refused("channel_not_found")
        return channel

    def find_message(self, channel: Channel, ts: str) -> Json:
        """Return a message.

        Raises: Refused `message_not_found`.
        """
        message = channel.log.by_ts.get(ts)
        if message is None or message.get("subtype") == "tombstone":
            raise Refused("message_not_found")
        return message

    def find_user(self, user_id: str) -> Json:
        """Return a user.

        Raises: Refused `user_not_found`.
        """
        if user_id not in self.users:
            raise Refused("user_not_found")
        return self.users[user_id]

    def post_message(
        self,
        channel: Channel,
        author: Author,
        *,
        text: str,
        thread_ts: str | None = None,
        is_broadcast: bool = False,
        fields: Json | None = None,
    ) -> Json:
        """Add a message and return it; `fields` are further keys of Slack's message object.

        Raises: Refused `is_archived` or `thread_not_found`; a reply to a reply goes to its root.
        """
        if channel.is_archived:
            raise Refused("is_archived")
        if thread_ts is not None:
            root = channel.log.by_ts.get(thread_ts)
            if root is None:
                raise Refused("thread_not_found")
            thread_ts = str(root.get("thread_ts") or thread_ts)
        message = self._build_message(author, text=text, ts=self.next_ts(), fields=fields or {})
        if thread_ts is not None:
            message["thread_ts"] = thread_ts
            message["parent_user_id"] = channel.log.by_ts[thread_ts].get("user", "")
            if is_broadcast:
                message["subtype"] = "thread_broadcast"
        channel.log.add(message)
        self.publish(Change("message", message, channel=channel.channel_id))
        return message

    def post_ephemeral(
        self, channel: Channel, author: Author, *, user_id: str, text: str, thread_ts: str | None, fields: Json
    ) -> Json:
        """Show a message to one person only and return it."""
        message = self._build_message(author, text=text, ts=self.next_ts(), fields=fields)
        message["is_ephemeral"] = True
        message["channel"] = channel.channel_id
        if thread_ts:
            message["thread_ts"] = thread_ts
        self.ephemerals.setdefault((user_id, channel.channel_id), {})[message["ts"]] = message
        self.publish(Change("ephemeral", message, channel=channel.channel_id, user=user_id))
        return message

    def change_message(self, channel: Channel, ts: str, *, changes: Json, editor: str | None = None) -> Json:
        """Replace keys of a message (a value of None removes one) and return it; an `editor` marks it as edited."""
        message = self.find_message(channel, ts)
        before = dict(message)
        _apply(message, changes)
        if editor is not None:
            message["edited"] = {"user": editor, "ts": self.next_ts()}
        payload = {"message": message, "previous_message": before}
        self.publish(Change("message_changed", payload, channel=channel.channel_id))
        return message

    def change_ephemeral(self, channel_id: str, ts: str, *, user_id: str, changes: Json | None) -> bool:
        """Replace keys of a private message, or take it away; return whether it was there."""
        held = self.ephemerals.get((user_id, channel_id), {})
        message = held.get(ts)
        if message is None:
            return False
        if changes is None:
            del held[ts]
            self.publish(Change("ephemeral_deleted", {"ts": ts}, channel=channel_id, user=user_id))
        else:
            _apply(message, changes)
            self.publish(Change("ephemeral_changed", message, channel=channel_id, user=user_id))
        return True

    def delete_message(self, channel: Channel, ts: str) -> None:
        """Take a message out of its channel."""
        self.find_message(channel, ts)
        root_ts = channel.log.by_ts[ts].get("thread_ts", ts)
        root = channel.log.by_ts.get(root_ts)
        message = channel.log.remove(ts)
        for reaction in message.get("reactions", ()):
            for user_id in reaction["users"]:
                self.reacted[user_id].discard((channel.channel_id, ts))
        tombstone = channel.log.by_ts.get(ts)
        payload = {"previous_message": message, "deleted_ts": ts, "tombstone": tombstone}
        self.publish(Change("message_deleted", payload, channel=channel.channel_id))
        if root is not None and root_ts != ts and root_ts not in channel.log.by_ts:
            gone = {"previous_message": root, "deleted_ts": root_ts, "tombstone": None}
            self.publish(Change("message_deleted", gone, channel=channel.channel_id))

    def join(self, channel: Channel, user_id: str, *, inviter: str | None = None) -> bool:
        """Make someone a member; return whether they were not one before."""
        if user_id in channel.members:
            return False
        channel.members[user_id] = None
        payload = {"user": user_id, "inviter": inviter}
        self.publish(Change("member_joined_channel", payload, channel=channel.channel_id))
        return True

    def leave(self, channel: Channel, user_id: str) -> bool:
        """End a membership; return whether there was one."""
        if user_id not in channel.members:
            return False
        del channel.members[user_id]
        self.publish(Change("member_left_channel", {"user": user_id}, channel=channel.channel_id))
        return True

    def open_direct(self, users: Iterable[str]) -> tuple[Channel, bool]:
        """Return the direct conversation of these people and whether it was there before."""
        members = sorted(set(users))
        channel_id = "D" + "".join(user_id.removeprefix("U").removeprefix("0")[:6] for user_id in members)
        if channel_id in self.channels:
            return self.channels[channel_id], True
        channel = Channel(channel_id, "", "im", created=int(self.clock()), members=dict.fromkeys(members))
        self.channels[channel_id] = channel
        self.publish(Change("channel_changed", {}, channel=channel_id))
        return channel, False

    def _build_message(self, author: Author, *, text: str, ts: str, fields: Json) -> Json:
        message: Json = {"type": "message", "user": author.user_id, "text": text[:MAX_TEXT_CHARS], "ts": ts}
        message["team"] = self.users.get(author.user_id, {}).get("team_id", seed.TEAM_ID)
        if author.bot_id is not None:
            name = self.users[author.user_id]["real_name"]
            message |= {"bot_id": author.bot_id, "app_id": author.app_id}
            message["bot_profile"] = {
                "id": author.bot_id,
                "app_id": author.app_id,
                "user_id": author.user_id,
                "name": name,
                "deleted": False,
                "updated": int(self.clock()),
                "team_id": seed.TEAM_ID,
                "icons": {},
            }
        return message | {key: value for key, value in fields.items() if value is not None}


def _apply(message: Json, changes: Json) -> None:
    for key, value in changes.items():
        if value is None:
            message.pop(key, None)
        else:
            message[key] = value


def _encode_base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[rest] + digits
    return digits
