"""Names the people, channels, groups and tokens that a fresh local workspace starts with.

It does not know how the workspace keeps or serves them.
"""

from dataclasses import dataclass

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
