"""Decides who is an agent, an approver or a lead of a desk; pure, and closed by default.

It does not know where people and groups come from.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from thumbtune.core.prompt import Role


@dataclass(frozen=True)
class Person:
    """A Slack user as far as roles and names need."""

    user_id: str
    team_id: str
    name: str
    """What to call them in a sentence."""
    first_name: str
    names: tuple[str, ...]
    """Every form of their name that may occur in a text."""
    is_bot: bool
    is_guest: bool
    """A guest of the workspace, or someone of another one."""
    is_deleted: bool


@dataclass(frozen=True)
class DeskRoles:
    """Who plays which part on a desk, as user ids; groups are resolved."""

    team_id: str
    agents: frozenset[str]
    approvers: frozenset[str]
    leads: frozenset[str]
    former_agents: Mapping[str, float] = field(default_factory=dict)
    """Who has left their group, and when that was seen, in seconds since 1970: until then they wrote for the team."""
    former_approvers: Mapping[str, float] = field(default_factory=dict)
    """Who has left their group, and until when they surely were in it: nobody approves who may have been gone by then."""


def is_staff(person: Person | None, roles: DeskRoles) -> bool:
    """Return whether someone may play any part at all: a full, active member of the desk's own workspace."""
    if person is None or person.is_bot or person.is_guest or person.is_deleted:
        return False
    return person.team_id == roles.team_id


def is_agent(person: Person | None, roles: DeskRoles) -> bool:
    """Return whether what this person writes is the team's: agents and leads."""
    return is_staff(person, roles) and person is not None and person.user_id in roles.agents | roles.leads


def is_approver(person: Person | None, roles: DeskRoles) -> bool:
    """Return whether this person's 👍 counts."""
    return is_staff(person, roles) and person is not None and person.user_id in roles.approvers


def was_approver(person: Person | None, roles: DeskRoles, *, ts: str) -> bool:
    """Return whether a 👍 that this person gave at a Slack `ts` counts: now, or as one who has left their group since."""
    return is_approver(person, roles) or _belonged(person, roles, roles.former_approvers, ts=ts)


def is_lead(person: Person | None, roles: DeskRoles) -> bool:
    """Return whether this person may start training and change what is live."""
    return is_staff(person, roles) and person is not None and person.user_id in roles.leads


def may_ask(person: Person | None, roles: DeskRoles) -> bool:
    """Return whether this person may ask for a draft and send it."""
    return is_agent(person, roles)


def name_role(person: Person | None, roles: DeskRoles, *, ts: str) -> Role | None:
    """Return whose turn a message of this `ts` is; None for messages of bots, which are nobody's.

    Who has left since wrote for the team.
    """
    if person is None or person.is_bot:
        return None
    is_listed = is_agent(replace(person, is_deleted=False), roles)  # who is switched off and still listed wrote before
    return "agent" if is_listed or _belonged(person, roles, roles.former_agents, ts=ts) else "customer"


def _belonged(person: Person | None, roles: DeskRoles, former: Mapping[str, float], *, ts: str) -> bool:
    """Return whether someone belonged to these then, whose account may be switched off now."""
    if person is None or not is_staff(replace(person, is_deleted=False), roles):
        return False
    then = float(ts) if ts.replace(".", "", 1).isdigit() else math.inf
    return then <= former.get(person.user_id, 0.0)
