"""Adds, removes and finds reactions on messages.

It does not know the Web API or who may react.
"""

import re

from thumbtune.demo.slack.channels import Change, Channel
from thumbtune.demo.slack.reacted_items import ReactedItems
from thumbtune.demo.slack.wire import Json, Refused
from thumbtune.demo.slack.workspace import Workspace

_EMOJI_NAME = re.compile(r"[a-z0-9_'+\-]{1,100}(::skin-tone-[2-6])?")
_ALIASES = {"thumbsup": "+1", "thumbsdown": "-1"}
MAX_REACTIONS = 50
"""Different emoji that one message can carry."""


def normalize_emoji(name: str) -> str:
    """Return the name Slack stores for an emoji.

    Raises: Refused `invalid_name`.
    """
    base, tone, number = name.strip(":").partition("::")
    full = _ALIASES.get(base, base) + tone + number
    if not _EMOJI_NAME.fullmatch(full):
        raise Refused("invalid_name")
    return full


def add_reaction(workspace: Workspace, channel: Channel, *, ts: str, user_id: str, name: str) -> None:
    """Put one person's emoji on a message.

    Raises: Refused `already_reacted`, `too_many_reactions`, `message_not_found` or `invalid_name`.
    """
    message = workspace.find_message(channel, ts)
    emoji = normalize_emoji(name)
    reactions: list[Json] = message.setdefault("reactions", [])
    for reaction in reactions:
        if reaction["name"] == emoji:
            if user_id in reaction["users"]:
                raise Refused("already_reacted")
            reaction["users"].append(user_id)
            reaction["count"] += 1
            break
    else:
        if len(reactions) >= MAX_REACTIONS:
            raise Refused("too_many_reactions")
        reactions.append({"name": emoji, "users": [user_id], "count": 1})
    workspace.reacted.setdefault(user_id, ReactedItems()).add((channel.channel_id, ts))
    _publish(workspace, channel, kind="reaction_added", message=message, user_id=user_id, emoji=emoji)


def remove_reaction(workspace: Workspace, channel: Channel, *, ts: str, user_id: str, name: str) -> None:
    """Take one person's emoji off a message.

    Raises: Refused `no_reaction`, `message_not_found` or `invalid_name`.
    """
    message = workspace.find_message(channel, ts)
    emoji = normalize_emoji(name)
    for reaction in message.get("reactions", []):
        if reaction["name"] == emoji and user_id in reaction["users"]:
            reaction["users"].remove(user_id)
            reaction["count"] -= 1
            if not reaction["users"]:
                message["reactions"].remove(reaction)
            break
    else:
        raise Refused("no_reaction")
    if not message["reactions"]:
        del message["reactions"]
    if not any(user_id in reaction["users"] for reaction in message.get("reactions", [])):
        workspace.reacted[user_id].discard((channel.channel_id, ts))
    _publish(workspace, channel, kind="reaction_removed", message=message, user_id=user_id, emoji=emoji)


def _publish(workspace: Workspace, channel: Channel, *, kind: str, message: Json, user_id: str, emoji: str) -> None:
    payload: Json = {
        "user": user_id,
        "reaction": emoji,
        "item": {"type": "message", "channel": channel.channel_id, "ts": message["ts"]},
        "event_ts": workspace.next_ts(),
        "reactions": message.get("reactions", []),
    }
    if "user" in message:
        payload["item_user"] = message["user"]
    workspace.publish(Change(kind, payload, channel=channel.channel_id))
