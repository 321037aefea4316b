"""Names the people, channels, groups and tokens that a fresh local workspace starts with.

It does not know how the workspace keeps or serves them.
"""

from dataclasses import dataclass

from thumbtune.demo.slack.wire import Json

TEAM_ID = "T0THUMB01"
TEAM_DOMAIN = "local-workspace"

APP_ID = "A0THUMB01"
APP_NAME = "Thumbtune"
BOT_USER_ID = "U0THUMBOT"
BOT_ID = "B0THUMB01"

BOT_TOKEN = "xoxb-demo-000000000001-thumbtune"
APP_TOKEN = "xapp-demo-1-A0THUMB01-thumbtune"
SIGNING_SECRET = "demo-signing-secret-of-the-local-workspace"
VERIFICATION_TOKEN = "demo-verification-token"

BOT_SCOPES = (
    "app_mentions:read",
    "assistant:write",
    "channels:history",
    "channels:join",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "files:write",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "reactions:read",
    "reactions:write",
    "team:read",
    "usergroups:read",
    "users:read",
)

BOT_EVENTS = (
    "app_home_opened",
    "app_mention",
    "channel_archive",
    "channel_rename",
    "channel_unarchive",
    "member_joined_channel",
    "member_left_channel",
    "message.channels",
    "message.groups",
    "message.im",
    "reaction_added",
    "reaction_removed",
    "subteam_members_changed",
)


@dataclass(frozen=True)
class Person:
    """One member of the seed workspace."""

    user_id: str
    name: str
    title: str
    role: str
    color: str
    is_admin: bool = False


PEOPLE = (
    Person("U0MAYA001", "Maya Lindqvist", "Customer", "customer", "c2410c"),
    Person("U0TOMAS01", "Tomás Oliveira", "Customer", "customer", "b45309"),
    Person("U0PRIYA01", "Priya Nair", "Support agent", "agent", "0f766e"),
    Person("U0JONAS01", "Jonas Weber", "Support agent", "agent", "1d4ed8"),
    Person("U0AIKO001", "Aiko Tanaka", "Support agent", "agent", "7e22ce"),
    Person("U0RUTH001", "Ruth Mensah", "Support lead", "lead", "be123c", is_admin=True),
)

SUPPORT_CHANNEL = "C0SUPPORT"
GENERAL_CHANNEL = "C0GENERAL"
BILLING_CHANNEL = "C0BILLING"
CHANNELS = (
    (SUPPORT_CHANNEL, "support", "Questions from customers, one thread each"),
    (GENERAL_CHANNEL, "general", "Everything else"),
    (BILLING_CHANNEL, "billing", "Invoices and refunds"),
)

AGENTS_GROUP = "S0AGENTS1"
LEADS_GROUP = "S0LEADS01"
GROUPS = (
    (AGENTS_GROUP, "support-agents", "Support agents", ("U0PRIYA01", "U0JONAS01", "U0AIKO001", "U0RUTH001")),
    (LEADS_GROUP, "support-leads", "Support leads", ("U0RUTH001",)),
)


def user_token(user_id: str) -> str:
    """Return the token that lets a program act as this person."""
    return f"xoxp-demo-{user_id}"


def build_user(
    user_id: str,
    name: str,
    *,
    title: str = "",
    color: str = "475569",
    team_id: str = TEAM_ID,
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
    if team_id != TEAM_ID:
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
