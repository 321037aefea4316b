"""How leads keep the golden set in Slack."""

from typing import Any

import pytest

from tests.bot.conftest import AIKO, JONAS, MAYA, PRIYA, RUTH, Office, make_desk, wait_for
from thumbtune.bot.blocks import golden_list, golden_modal
from thumbtune.bot.listeners.views.golden_case import handle_golden_case_submitted
from thumbtune.core.golden import CaseContent, Expectations, GoldenCase
from thumbtune.core.prompt import Turn
from thumbtune.core.records import InboxEvent
from thumbtune.core.store import golden
from thumbtune.core.store.audits import list_acts
from thumbtune.core.store.desks import save_desk

QUESTION = "Do you ship to Norway, and how long does it take?"


def learn(office: Office) -> str:
    asked = office.say(MAYA, QUESTION)
    ts = office.say(PRIYA, "Yes, we do, in 5 days.", thread=asked)
    office.react(JONAS, ts)
    wait_for(office.pairs)
    office.wait_quiet()
    return ts


def add(office: Office, title: str = "Norway", **expected: Any) -> GoldenCase:
    content = CaseContent(
        title=title, turns=(Turn("customer", QUESTION),), expectations=Expectations(**expected or {"max_chars": 500})
    )
    with office.store.write() as conn:
        return golden.add_case(conn, content, desk_id="support", added_by="cli", now=office.store.now())


def list_cases(office: Office) -> list[GoldenCase]:
    with office.store.read() as conn:
        return golden.list_cases(conn, desk_id="support")


def fill(**texts: str) -> dict[str, Any]:
    return {
        block_id: {golden_modal.INPUT_ID: {"type": "plain_text_input", "value": text}}
        for block_id, text in texts.items()
    }


def write(office: Office, action_id: str, *, by: str = RUTH, **texts: str) -> str:
    """Press a button of the Home tab, fill in the modal that opens, and keep it; return the modal as it was opened."""
    view = None
    for _ in range(3):  # a press that waited too long opens nothing, and a person presses again
        office.press_in_home(by, office.open_home(by, holding=action_id), action_id)
        office.wait_quiet()
        view = office.view(by)
        if view is not None:
            break
    assert view is not None
    answer = office.page("view_submit", user=by, view_id=view["id"], values=fill(**texts))
    assert answer["ok"], answer
    office.wait_quiet()
    return str(view)


def test_lead_makes_a_case_of_a_reply_edits_it_and_removes_it(staffed: Office) -> None:
    learn(staffed)
    shown = write(
        staffed, golden_list.MAKE, title="Norway, for Maya", contains_all="5 days\n\nNorway", contains_none="guarantee"
    )
    assert QUESTION in shown
    (case,) = list_cases(staffed)
    (pair,) = staffed.pairs()
    assert (case.pair_id, case.turns, case.added_by) == (pair.pair_id, pair.turns, RUTH)
    assert case.title == "Norway, for [NAME_1]"
    assert case.expectations == Expectations(("5 days", "Norway"), (), ("guarantee",), None)
    assert case.grounded
    assert "contains “5 days” and contains “Norway”" in str(staffed.open_home(RUTH, holding="Golden set"))

    shown = write(
        staffed, golden_list.EDIT, question="And to Sweden, Priya?", contains_any="yes\nof course", max_chars="400"
    )
    assert "5 days\\nNorway" in shown
    (edited,) = list_cases(staffed)
    assert edited.turns == (Turn("customer", "And to Sweden, [NAME_2]?"),)
    assert edited.expectations == Expectations(("5 days", "Norway"), ("yes", "of course"), ("guarantee",), 400)
    assert (edited.case_id, edited.pair_id, edited.added_by) == (case.case_id, pair.pair_id, RUTH)

    staffed.press_in_home(RUTH, staffed.open_home(RUTH, holding=golden_list.REMOVE), golden_list.REMOVE)
    wait_for(lambda: not list_cases(staffed))
    with staffed.store.read() as conn:
        acts = [(act.action, act.actor) for act in list_acts(conn, limit=50) if act.action.startswith("golden")]
    assert acts == [("golden_case_removed", RUTH), ("golden_case_edited", RUTH), ("golden_case_added", RUTH)]


def test_lead_writes_a_case_by_hand_redacted(staffed: Office) -> None:
    write(
        staffed,
        golden_list.ADD,
        title="Address",
        question="Write to maya@example.com, yes?",
        contains_any="maya@example.com",
    )
    (case,) = list_cases(staffed)
    assert case.turns == (Turn("customer", "Write to [EMAIL_1], yes?"),)
    assert (case.expectations.contains_any, case.pair_id) == (("[EMAIL_1]",), None)


@pytest.mark.parametrize(
    ("texts", "block_id", "why"),
    [
        ({"contains_all": ""}, "contains_all", "needs something to expect"),
        ({"max_chars": "many"}, "max_chars", "“many” is no number of characters"),
        ({"contains_all": "a refund", "contains_none": "refund"}, "contains_none", "no reply can pass"),
        ({"contains_all": "a refund", "max_chars": "0"}, "max_chars", "a number from 1 to"),
        ({"title": " ", "contains_all": "a refund"}, "title", "needs a title"),
    ],
)
def test_case_that_cannot_be_right_is_told_under_its_input_and_its_dialog_stays_open(
    staffed: Office, texts: dict[str, str], block_id: str, why: str
) -> None:
    texts = {"title": "Refunds", "question": "May I have it back?", **texts}
    staffed.press_in_home(RUTH, staffed.open_home(RUTH, holding=golden_list.ADD), golden_list.ADD)
    view = wait_for(lambda: staffed.view(RUTH))
    answer = staffed.page("view_submit", user=RUTH, view_id=view["id"], values=fill(**texts))
    assert answer["response_action"] == "errors"
    assert why in answer["errors"].pop(block_id)
    assert set(answer["errors"]) <= {"max_chars"}, "nothing else is wrong"
    open_view = staffed.view(RUTH)
    assert open_view is not None
    assert open_view["id"] == view["id"]
    mended = texts | {"title": "Refunds", "max_chars": "80", "contains_none": ""}
    answer = staffed.page("view_submit", user=RUTH, view_id=view["id"], values=fill(**mended))
    assert answer["response_action"] == "close"
    wait_for(lambda: list_cases(staffed))


@pytest.mark.parametrize("view", [{"state": [1]}, {"private_metadata": "{"}, {"state": {"values": {"title": 1}}}])
def test_form_that_slack_would_not_send_is_not_sent_back(view: dict[str, Any]) -> None:
    assert golden_modal.list_golden_errors(view) == {}


def test_case_that_cannot_be_kept_is_told_with_what_was_written(staffed: Office) -> None:
    add(staffed, "Refunds")
    (case,) = list_cases(staffed)
    change = golden_modal.build_golden_modal(case, desk_id="support", case_id=case.case_id)
    with staffed.store.write() as conn:
        golden.remove_case(conn, case.case_id, removed_by="cli", now=staffed.store.now())
    told = submit(staffed, change, title="Refunds <now>", question="May I have it back?", max_chars="80")
    assert "Your golden case was not kept" in told
    assert "Refunds &lt;now&gt;\\nMay I have it back?" in told


def submit(office: Office, view: dict[str, Any], *, by: str = RUTH, attempts: int = 1, **texts: str) -> str:
    """Have a bot work on a modal that was kept; return the Home tab drawn then."""
    body = {"view": {**view, "state": {"values": fill(**texts)}}, "user": {"id": by}}
    now = office.store.now()
    event = InboxEvent(1, "T0THUMB01", "view", golden_modal.CALLBACK_ID, body, attempts=attempts, received_at=now)
    handle_golden_case_submitted(event, office.bots[0].bot)
    return str(office.slack.slack.views.find_home(by))


def test_case_of_a_killed_bot_is_kept_once_and_what_changed_meanwhile_is_told(staffed: Office) -> None:
    empty = CaseContent(title="", turns=(), expectations=Expectations())
    new = golden_modal.build_golden_modal(empty, desk_id="support")
    texts = {"title": "Norway", "question": QUESTION, "max_chars": "500"}
    for attempts in (1, 2):
        assert "was not kept" not in submit(staffed, new, attempts=attempts, **texts)
    (case,) = list_cases(staffed)
    change = golden_modal.build_golden_modal(case, desk_id="support", case_id=case.case_id)
    for attempts in (1, 2):
        assert "was not kept" not in submit(staffed, change, attempts=attempts, **texts | {"title": "To Norway"})
    assert "was changed since it was shown" in submit(staffed, change, **texts | {"title": "Oslo"})
    assert [item.title for item in list_cases(staffed)] == ["To Norway"]


def test_only_leads_see_and_change_the_golden_set(staffed: Office) -> None:
    learn(staffed)
    add(staffed)
    assert "Golden set" not in str(staffed.open_home(AIKO, holding="approved"))
    shown = staffed.open_home(RUTH, holding=golden_list.REMOVE)
    modal = golden_modal.build_golden_modal(list_cases(staffed)[0], desk_id="support")
    with staffed.store.write() as conn:
        save_desk(conn, make_desk(leads=(AIKO,)))
    for action_id in (golden_list.ADD, golden_list.MAKE, golden_list.EDIT, golden_list.REMOVE):
        staffed.press_in_home(RUTH, shown, action_id)
        staffed.wait_quiet()
    submit(staffed, modal, title="Mine", question="And now?", max_chars="5")
    assert (len(list_cases(staffed)), staffed.view(RUTH)) == (1, None)


def test_long_set_is_shown_in_part_and_told_where_the_rest_is(staffed: Office) -> None:
    for number in range(golden_list.SHOWN_CASES + 2):
        add(staffed, f"Case <{number}>", contains_all=("a *b*",))
    shown = str(staffed.open_home(RUTH, holding="Golden set"))
    assert "2 more · all of them: `thumbtune golden list --desk support`" in shown
    assert "Case &lt;6&gt;" in shown
    assert "Case &lt;1&gt;" not in shown
