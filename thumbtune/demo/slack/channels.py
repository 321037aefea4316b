"""Describes a channel, who writes in it and a change that others may want to hear of.

It does not know the rest of the workspace.
"""

from dataclasses import dataclass, field
from typing import Literal

from thumbtune.demo.slack import seed
from thumbtune.demo.slack.message_log import MessageLog
from thumbtune.demo.slack.wire import Json

ChannelKind = Literal["channel", "group", "im"]


@dataclass(frozen=True)
class Change:
    """Something that happened; `user` is the one person who may see it, when it is private."""

    kind: str
    payload: Json
    channel: str | None = None
    user: str | None = None


@dataclass(frozen=True)
class Author:
    """Who writes: a person, or an app through its bot user."""

    user_id: str
    bot_id: str | None = None
    app_id: str | None = None


@dataclass
class Channel:
    """A public channel, a private one or a direct conversation with the bot."""

    channel_id: str
    name: str
    kind: ChannelKind = "channel"
    topic: str = ""
    created: int = 0
    is_archived: bool = False
    is_ext_shared: bool = False
    members: dict[str, None] = field(default_factory=dict)
    log: MessageLog = field(default_factory=MessageLog)

    def to_json(self, user_id: str) -> Json:
        """Return Slack's conversation object as this user sees it."""
        is_im = self.kind == "im"
        shared = {
            "id": self.channel_id,
            "created": self.created,
            "is_archived": self.is_archived,
            "is_im": is_im,
            "is_org_shared": False,
            "context_team_id": seed.TEAM_ID,
            "updated": self.created * 1000,
        }
        if is_im:
            others = [member for member in self.members if member != user_id]
            return {**shared, "user": others[0] if others else user_id, "is_user_deleted": False, "is_open": True}
        return {
            **shared,
            "name": self.name,
            "name_normalized": self.name,
            "is_channel": self.kind == "channel",
            "is_group": self.kind == "group",
            "is_mpim": False,
            "is_private": self.kind == "group",
            "is_general": self.channel_id == seed.GENERAL_CHANNEL,
            "is_shared": self.is_ext_shared,
            "is_ext_shared": self.is_ext_shared,
            "is_pending_ext_shared": False,
            "is_member": user_id in self.members,
            "creator": "U0RUTH001",
            "topic": {"value": self.topic, "creator": "U0RUTH001", "last_set": self.created},
            "purpose": {"value": self.topic, "creator": "U0RUTH001", "last_set": self.created},
            "previous_names": [],
            "num_members": len(self.members),
        }
