"""Triage beside a draft: what the card shows, what an agent makes of it, and that it never holds a draft up."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.bot.conftest import JONAS, MAYA, PRIYA, SUPPORT, Office, make_desk, wait_for
from thumbtune.core.records import ThreadTriage
from thumbtune.core.store import triages
from thumbtune.core.store.adapters import load_adapter
from thumbtune.core.store.desks import save_desk
from thumbtune.core.store.messages import load_message
from thumbtune.core.triage import MAX_TRIAGE_TOKENS, Triage, build_pattern, dump_triage
from thumbtune.demo.slack.seed import TEAM_ID

CATEGORIES = ("Delivery", "Returns")
SUGGESTED = Triage("Delivery", "normal", "[NAME_1] asks where [ORDER_1] is.", "Look up [ORDER_1].")
QUESTION = "Where is parcel RE-48213?"


@pytest.fixture
def sorted_office(office: Office) -> Iterator[Office]:
    """The office of a desk with categories, whose model suggests a triage beside each draft."""
    with office.store.write() as conn:
        save_desk(conn, make_desk(categories=CATEGORIES))
    office.start_bot()
    answer(office, dump_triage(SUGGESTED))
    yield office


def is_triage(request: dict[str, Any]) -> bool:
    return "response_format" in request


def answer(office: Office, triage: str) -> None:
    office.model.reply = lambda request: triage if is_triage(request) else "It arrives on Friday."


def ask(office: Office) -> tuple[str, dict]:
    question = office.say(MAYA, QUESTION)
    office.ask(PRIYA, question)
    return question, office.wait_for_card(PRIYA, question)


def stored(office: Office) -> list[ThreadTriage]:
    with office.store.read() as conn:
        return triages.list_triages(conn)


def submit(office: Office, *, user: str = PRIYA, **changes: str) -> None:
    """Submit the modal with what stands in it but for some changes."""
    view = wait_for(lambda: office.view(user))
    values: dict[str, Any] = {}
    for block in view["blocks"]:
        if block["type"] == "input":
            element, name = block["element"], block["block_id"]
            if element["type"] == "static_select":
                value = changes.get(name) or element["initial_option"]["value"]
                chosen = next(option for option in element["options"] if option["value"] == value)
                values[name] = {"value": {"type": "static_select", "selected_option": chosen}}
            else:
                value = changes.get(name, element.get("initial_value") or "")
                values[name] = {"value": {"type": "plain_text_input", "value": value}}
    office.page("view_submit", user=user, view_id=view["id"], values=values)


def press(office: Office, card: dict) -> None:
    """Press the triage button, which stands beside the triage or in the row of buttons."""
    for block in card["blocks"]:
        for element in [*block.get("elements", []), block.get("accessory") or {}]:
            if element.get("action_id") == "triage_correct":
                container = {"type": "message", "channel": card["channel"], "message_ts": card["ts"]}
                names = {"block_id": block["block_id"], "action_id": "triage_correct", "value": element["value"]}
                office.page("action", user=PRIYA, container=container, **names)
                return
    raise AssertionError("the card has no triage button")


def test_card_shows_the_triage_filled_back_and_the_model_was_held_to_the_pattern(sorted_office: Office) -> None:
    _, card = ask(sorted_office)
    assert "*Delivery* · normal\nMaya asks where RE-48213 is.\n_Next:_ Look up RE-48213." in [
        block.get("text", {}).get("text") for block in card["blocks"]
    ]
    (request,) = [request for request in sorted_office.model.requests if is_triage(request)]
    assert request["response_format"]["format"]["pattern"] == build_pattern(CATEGORIES)
    assert request["temperature"] == 0.0
    assert request["messages"][-1]["content"] == "Customer: Where is parcel [ORDER_1]?"
    (found,) = stored(sorted_office)
    assert (found.state, found.suggested, found.adapter) == ("suggested", SUGGESTED, None)
    assert "Maya" not in str(found)


def test_unchanged_triage_is_confirmed_and_the_card_says_so(sorted_office: Office) -> None:
    question, card = ask(sorted_office)
    press(sorted_office, card)
    submit(sorted_office)
    after = sorted_office.wait_for_card(PRIYA, question, holding="Change triage")
    assert "It arrives on Friday." in str(after)
    (found,) = stored(sorted_office)
    assert (found.state, found.decided, found.decided_by) == ("confirmed", SUGGESTED, PRIYA)


def test_correction_is_redacted_and_is_what_the_card_shows(sorted_office: Office) -> None:
    question, card = ask(sorted_office)
    press(sorted_office, card)
    submit(
        sorted_office,
        category="Returns",
        priority="urgent",
        summary='Maya wants "all" back, mail maya@example.com',
    )
    after = sorted_office.wait_for_card(PRIYA, question, holding="Change triage")
    assert "*Returns* · urgent" in str(after)
    (found,) = stored(sorted_office)
    assert (found.state, found.suggested) == ("corrected", SUGGESTED)
    summary = "[NAME_1] wants 'all' back, mail [EMAIL_1]"
    assert found.decided == Triage("Returns", "urgent", summary, SUGGESTED.suggested_action)


def test_what_nobody_could_keep_is_not_kept_and_said(sorted_office: Office) -> None:
    question, card = ask(sorted_office)
    press(sorted_office, card)
    submit(sorted_office, summary="   ")
    sorted_office.wait_for_card(PRIYA, question, holding="Your triage was not kept")
    assert [item.state for item in stored(sorted_office)] == ["suggested"]


def test_modal_of_someone_who_is_no_agent_any_more_changes_nothing(sorted_office: Office) -> None:
    _, card = ask(sorted_office)
    press(sorted_office, card)
    view = wait_for(lambda: sorted_office.view(PRIYA))
    draft_id = json.loads(view["private_metadata"])["draft_id"]
    with sorted_office.store.write() as conn:
        save_desk(conn, make_desk(categories=CATEGORIES, agents=(JONAS,)))
    submit(sorted_office, category="Returns")
    sorted_office.wait_quiet()
    assert [(item.draft_id, item.state) for item in stored(sorted_office)] == [(draft_id, "suggested")]


@pytest.mark.parametrize("said", ["no JSON", dump_triage(Triage("Else", "low", "x", "y")), ""])
def test_draft_does_without_a_triage_that_cannot_be_read_and_an_agent_may_write_it(
    sorted_office: Office, said: str
) -> None:
    answer(sorted_office, said)
    question, card = ask(sorted_office)
    assert "It arrives on Friday." in str(card)
    assert "_Next:_" not in str(card)
    press(sorted_office, card)
    submit(sorted_office, category="Returns", summary="Asks for RE-48213.", suggested_action="Look it up.")
    sorted_office.wait_for_card(PRIYA, question, holding="Change triage")
    (found,) = stored(sorted_office)
    assert found.decided == Triage("Returns", "normal", "Asks for [ORDER_1].", "Look it up.")
    assert (found.state, found.suggested, found.turns[0].text) == ("corrected", None, "Where is parcel [ORDER_1]?")


def test_late_triage_does_not_hold_the_draft_up(sorted_office: Office) -> None:
    may_end = threading.Event()

    def reply(request: dict[str, Any]) -> str:
        if is_triage(request):
            may_end.wait(10)
            return dump_triage(SUGGESTED)
        return "It arrives on Friday."

    sorted_office.model.reply = reply
    _, card = ask(sorted_office)
    assert "It arrives on Friday." in str(card)
    assert stored(sorted_office) == []
    may_end.set()


def test_message_deleted_while_its_draft_is_written_comes_back_in_no_triage(sorted_office: Office) -> None:
    is_asked, may_end = threading.Event(), threading.Event()

    def reply(request: dict[str, Any]) -> str:
        if is_triage(request):
            return dump_triage(SUGGESTED)
        is_asked.set()
        may_end.wait(30)
        return "It arrives on Friday."

    sorted_office.model.reply = reply
    question = sorted_office.say(MAYA, "Good morning!")
    parcel = sorted_office.say(MAYA, QUESTION, thread=question)
    sorted_office.ask(PRIYA, question)
    assert is_asked.wait(30)
    sorted_office.call("chat.delete", user=MAYA, channel=SUPPORT, ts=parcel)
    wait_for(lambda: is_gone(sorted_office, parcel))
    may_end.set()
    card = sorted_office.wait_for_card(PRIYA, question)
    assert "RE-48213" not in str(card)
    press(sorted_office, card)
    submit(sorted_office, category="Returns", summary="Asks for RE-48213.", suggested_action="Look it up.")
    sorted_office.wait_for_card(PRIYA, question, holding="Your triage was not kept")
    with sorted_office.store.read() as conn:
        assert triages.list_taught(conn, desk_id="support") == []
    assert [(item.state, item.turns, item.decided) for item in stored(sorted_office)] == [("erased", (), None)]


def is_gone(office: Office, ts: str) -> bool:
    with office.store.read() as conn:
        message = load_message(conn, team_id=TEAM_ID, channel_id=SUPPORT, ts=ts)
    return message is not None and message.deleted


def test_model_whose_context_has_no_room_for_a_triage_is_not_asked_for_one(office: Office) -> None:
    with office.store.write() as conn:
        save_desk(conn, make_desk(categories=CATEGORIES))
    office.start_bot(max_model_len=MAX_TRIAGE_TOKENS)
    _, card = ask(office)
    assert "It arrives on Friday." in str(card)
    assert not [request for request in office.model.requests if is_triage(request)]


def test_desk_without_categories_has_no_triage(staffed: Office) -> None:
    _, card = ask(staffed)
    assert "triage" not in str(card).lower()
    assert not [request for request in staffed.model.requests if is_triage(request)]


def test_untaught_model_suggests_only_where_that_is_wanted_and_a_taught_adapter_always(office: Office) -> None:
    with office.store.write() as conn:
        save_desk(conn, make_desk(categories=CATEGORIES))
    office.start_bot(triage_untrained=False)
    answer(office, dump_triage(SUGGESTED))
    question, card = ask(office)
    assert "_Next:_" not in str(card)
    press(office, card)
    submit(office, category="Returns", summary="x", suggested_action="y")
    office.wait_for_card(PRIYA, question, holding="Change triage")
    office.make_live("support-0001")
    office.serve_model(proven=("support-0001",))
    _, card = ask(office)
    assert "_Next:_" not in str(card)
    with office.store.write() as conn:
        run_id = load_adapter(conn, "support-0001").run_id
        triages.record_triages_used(conn, run_id, trained=[stored(office)[0].triage_id], held_out=[])
    _, card = ask(office)
    assert "*Delivery* · normal" in str(card)
    assert stored(office)[-1].adapter == "support-0001"
