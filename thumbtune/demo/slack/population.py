"""Fills a workspace with the seed's people, channels and groups, and builds further ones.

It does not know what they do.
"""

import time
from collections.abc import Callable, Iterable

from thumbtune.demo.slack import seed
from thumbtune.demo.slack.channels import Channel
from thumbtune.demo.slack.wire import Json
from thumbtune.demo.slack.workspace import Workspace


def open_seed_workspace(*, clock: Callable[[], float] = time.time) -> Workspace:
    """Return the workspace that a fresh local server starts with."""
    workspace = Workspace(clock=clock)
    populate(workspace)
    return workspace


def populate(workspace: Workspace) -> None:
    """Replace everything in a workspace by the seed."""
    workspace.clear()
    created = int(workspace.clock())
    for person in seed.PEOPLE:
        workspace.users[person.user_id] = build_user(
            person.user_id, person.name, title=person.title, color=person.color, is_admin=person.is_admin
        )
    workspace.users[seed.BOT_USER_ID] = build_bot_user(
        seed.BOT_USER_ID, seed.APP_NAME, bot_id=seed.BOT_ID, app_id=seed.APP_ID
    )
    people = [person.user_id for person in seed.PEOPLE]
    for channel_id, name, topic in seed.CHANNELS:
        members = dict.fromkeys(people)
        if channel_id == seed.SUPPORT_CHANNEL:
            members[seed.BOT_USER_ID] = None
        workspace.channels[channel_id] = Channel(channel_id, name, topic=topic, created=created, members=members)
    for group_id, handle, name, users in seed.GROUPS:
        workspace.groups[group_id] = build_group(group_id, handle, name=name, users=users, created=created)


def build_user(
    user_id: str,
    name: str,
    *,
    title: str = "",
    color: str = "475569",
    team_id: str = seed.TEAM_ID,
    is_admin: bool = False,
    is_bot: bool = False,
    is_restricted: bool = False,
    is_ultra_restricted: bool = False,
    deleted: bool = False,
) -> Json:
    """Return a Slack user object; one of another team is a stranger."""
    handle = name.lower().replace(" ", ".")
    first, _, last = name.partition(" ")
    user: Json = {
        "id": user_id,
        "team_id": team_id,
        "name": handle,
        "deleted": deleted,
        "color": color,
        "real_name": name,
        "tz": "Europe/Stockholm",
        "tz_label": "Central European Time",
        "tz_offset": 3600,
        "profile": {
            "title": title,
            "phone": "",
            "real_name": name,
            "real_name_normalized": name,
            "display_name": first if not is_bot else name,
            "display_name_normalized": first if not is_bot else name,
            "first_name": first,
            "last_name": last,
            "status_text": "",
            "status_emoji": "",
            "avatar_hash": "",
            "team": team_id,
        },
        "is_admin": is_admin,
        "is_owner": False,
        "is_primary_owner": False,
        "is_restricted": is_restricted,
        "is_ultra_restricted": is_ultra_restricted,
        "is_bot": is_bot,
        "is_app_user": False,
        "updated": 1_760_000_000,
        "is_email_confirmed": True,
        "who_can_share_contact_card": "EVERYONE",
    }
    if team_id != seed.TEAM_ID:
        user["is_stranger"] = True
    if not is_bot:
        user["profile"]["email"] = f"{handle}@example.com"
    return user


def build_bot_user(user_id: str, name: str, *, bot_id: str, app_id: str, color: str = "4f46e5") -> Json:
    """Return the Slack user object of an app's bot."""
    user = build_user(user_id, name, is_bot=True, color=color)
    user["name"] = name.lower()
    user["profile"]["api_app_id"] = app_id
    user["profile"]["bot_id"] = bot_id
    user["profile"]["always_active"] = True
    return user


def build_group(group_id: str, handle: str, *, name: str, users: Iterable[str], created: int) -> Json:
    """Return a Slack user group object that also carries its members."""
    members = list(users)
    return {
        "id": group_id,
        "team_id": seed.TEAM_ID,
        "is_usergroup": True,
        "is_subteam": True,
        "name": name,
        "handle": handle,
        "description": "",
        "is_external": False,
        "date_create": created,
        "date_update": created,
        "date_delete": 0,
        "auto_type": None,
        "created_by": "U0RUTH001",
        "updated_by": "U0RUTH001",
        "deleted_by": None,
        "prefs": {"channels": [], "groups": []},
        "users": members,
        "user_count": len(members),
    }
