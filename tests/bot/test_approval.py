"""Whose reaction counts, and when it is enough."""

from dataclasses import replace

import pytest

from thumbtune.bot.approval import judge, key_emoji, normalize_emoji
from thumbtune.bot.roles import DeskRoles, Person, is_agent, is_approver, is_lead, may_ask, name_role, was_approver
from thumbtune.core.records import Approval, Desk, Message

TEAM = "T1"
DESK = Desk("support", TEAM, "Support", "voice")
MESSAGE = Message(TEAM, "C1", "100.000002", "100.000001", "AUTHOR", False, "text", "", False)
ROLES = DeskRoles(TEAM, frozenset({"AUTHOR", "ANN", "BEN"}), frozenset({"AUTHOR", "ANN", "BEN", "GUEST"}), frozenset())


def make_person(user_id: str, **changes: object) -> Person:
    values: dict[str, object] = {"team_id": TEAM, "is_bot": False, "is_guest": False, "is_deleted": False}
    values |= {"name": user_id, "first_name": user_id, "names": (user_id,)}
    return Person(user_id=user_id, **{**values, **changes})  # type: ignore[arg-type]


PEOPLE = {name: make_person(name) for name in ("AUTHOR", "ANN", "BEN", "CUSTOMER")}


def give(user_id: str, ts: str = "100.000009", emoji: str = "+1", *, given: bool = True) -> Approval:
    return Approval(user_id, emoji, given, ts)


@pytest.mark.parametrize(
    ("approvals", "desk", "expected"),
    [
        ([give("ANN")], DESK, True),
        ([give("AUTHOR")], DESK, False),
        ([give("AUTHOR"), give("ANN")], DESK, True),
        ([give("CUSTOMER")], DESK, False),
        ([give("ANN", given=False)], DESK, False),
        ([give("ANN", given=False), give("BEN")], DESK, True),
        ([give("ANN", emoji="heart")], DESK, False),
        ([give("ANN", emoji="thumbsup::skin-tone-4")], DESK, True),
        ([give("ANN"), give("ANN", emoji="+1::skin-tone-2")], Desk("s", TEAM, "S", "v", approvals_needed=2), False),
        ([give("ANN"), give("BEN")], Desk("s", TEAM, "S", "v", approvals_needed=2), True),
        ([give("AUTHOR")], Desk("s", TEAM, "S", "v", author_may_approve=True), True),
        ([give("ANN", emoji="white_check_mark")], Desk("s", TEAM, "S", "v", emojis=("white_check_mark",)), True),
    ],
)
def test_verdict(approvals: list[Approval], desk: Desk, expected: bool) -> None:
    assert judge(MESSAGE, approvals, desk=desk, roles=ROLES, people=PEOPLE).is_approved is expected


def test_desk_may_let_approvals_and_vetoes_outlast_an_edit() -> None:
    edited = Message(TEAM, "C1", "100.000002", "100.000001", "AUTHOR", False, "text", "100.000010", False)
    desk = replace(DESK, edits_keep_approval=True)
    verdict = judge(edited, [give("ANN", "100.000009")], desk=desk, roles=ROLES, people=PEOPLE)
    assert (verdict.is_approved, verdict.is_certain) == (True, True)
    found = replace(give("ANN", "100.000009"), found=True)
    assert judge(edited, [found], desk=desk, roles=ROLES, people=PEOPLE).is_certain
    against = [give("ANN", "100.000009"), give("BEN", "100.000008", emoji="-1")]
    assert not judge(edited, against, desk=desk, roles=ROLES, people=PEOPLE).is_approved


def test_reaction_before_the_last_edit_does_not_count() -> None:
    edited = Message(TEAM, "C1", "100.000002", "100.000001", "AUTHOR", False, "text", "100.000010", False)
    assert not judge(edited, [give("ANN", "100.000009")], desk=DESK, roles=ROLES, people=PEOPLE).is_approved
    assert judge(edited, [give("ANN", "100.000011")], desk=DESK, roles=ROLES, people=PEOPLE).is_approved


@pytest.mark.parametrize("name", ["+1", "thumbsup", "thumbsup::skin-tone-6", ":+1:", "+1::skin-tone-2"])
def test_aliases_and_skin_tones_are_one_emoji(name: str) -> None:
    assert normalize_emoji(name) == "+1"


def test_skin_tones_are_stored_apart() -> None:
    assert key_emoji("thumbsup::skin-tone-2") != key_emoji("thumbsup") == "+1"


@pytest.mark.parametrize(
    "changes",
    [{"is_guest": True}, {"is_bot": True}, {"is_deleted": True}, {"team_id": "T2"}, {"team_id": ""}],
)
def test_guests_bots_strangers_and_the_gone_play_no_part_even_when_listed(changes: dict[str, object]) -> None:
    everyone = frozenset({"X"})
    roles = DeskRoles(TEAM, everyone, everyone, everyone)
    assert is_agent(make_person("X"), roles)
    person = make_person("X", **changes)
    for decide in (is_agent, is_approver, is_lead, may_ask):
        assert not decide(person, roles)
        assert not decide(None, roles)


def test_who_left_the_team_wrote_and_approved_for_it_until_then() -> None:
    nobody = frozenset[str]()
    roles = DeskRoles(TEAM, nobody, nobody, nobody, former_agents={"ANN": 100.5}, former_approvers={"BEN": 100.5})
    for is_deleted in (False, True):
        ann, ben = make_person("ANN", is_deleted=is_deleted), make_person("BEN", is_deleted=is_deleted)
        assert [name_role(ann, roles, ts=ts) for ts in ("99.1", "100.500000", "101.0")] == [
            "agent",
            "agent",
            "customer",
        ]
        assert [was_approver(ben, roles, ts=ts) for ts in ("99.1", "100.500000", "101.0", "")] == [
            True,
            True,
            False,
            False,
        ]
        assert not is_agent(ann, roles)
        assert not is_approver(ben, roles)
    assert not was_approver(make_person("BEN", is_guest=True), roles, ts="99.1")


def test_lead_writes_for_the_team_but_an_agent_leads_nothing() -> None:
    roles = DeskRoles(TEAM, frozenset({"ANN"}), frozenset({"ANN"}), frozenset({"BEN"}))
    assert is_agent(make_person("BEN"), roles)
    assert not is_lead(make_person("ANN"), roles)
