"""Decides who is an agent, an approver or a lead of a desk; pure, and closed by default.

It does not know where people and groups come from.
"""

from dataclasses import dataclass, replace

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


def is_lead(person: Person | None, roles: DeskRoles) -> bool:
    """Return whether this person may start training and change what is live."""
    return is_staff(person, roles) and person is not None and person.user_id in roles.leads


def may_ask(person: Person | None, roles: DeskRoles) -> bool:
    """Return whether this person may ask for a draft and send it."""
    return is_agent(person, roles)


def name_role(person: Person | None, roles: DeskRoles) -> Role | None:
    """Return whose turn a message is; None for messages of bots, which are nobody's.

    Who has left and is still listed wrote for the team: an account that is switched off writes nothing new.
    """
    if person is None or person.is_bot:
        return None
    return "agent" if is_agent(replace(person, is_deleted=False), roles) else "customer"
