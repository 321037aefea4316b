"""What becomes of what was made in a channel before it moved to another desk, or to none."""

from dataclasses import replace

import pytest

from tests.core.store.test_forgetting import HERE, JONAS, MAYA, PRIYA, forget, make_adapter, talk
from thumbtune.core.prompt import Turn
from thumbtune.core.pseudonyms import is_pseudonym
from thumbtune.core.records import Desk
from thumbtune.core.store import Store, adapters, desks, drafts, pairs, runs, triages
from thumbtune.core.store.messages import load_message
from thumbtune.core.triage import Triage

SALES = Desk("sales", "T1", "Sales", "Be brief.", channels=("C2",))
FORGETTINGS = [("support",), ("sales",), ("sales", "support")]


@pytest.fixture(autouse=True)
def sales(store: Store, desk: Desk) -> None:
    with store.write() as conn:
        desks.save_desk(conn, SALES)


def move(store: Store, desk: Desk, *, to_sales: bool = True) -> None:
    """Take the channel away from support."""
    with store.write() as conn:
        desks.save_desk(conn, replace(desk, channels=()))
        if to_sales:
            desks.save_desk(conn, replace(SALES, channels=("C1", "C2")))


def draft_for_maya(store: Store) -> None:
    """Let support draft a reply to Maya, with a triage."""
    place = {**HERE, "thread_ts": "100.000001"}
    asked = {"desk_id": "support", "asked_by": PRIYA, "last_seen_ts": "100.000001", "now": store.now()}
    with store.write() as conn:
        draft = drafts.request_draft(conn, draft_id="d1", request_key="k1", **asked, **place)  # type: ignore[arg-type]  # texts
        drafts.fill_draft(conn, "d1", mode="grounded", adapter=None, text="Today.", passages=[], latency_ms=1)
        turns = [Turn("customer", "Where is [ORDER_1]?")]
        triage = Triage("Delivery", "normal", "Where is [ORDER_1]?", "Look it up.")
        triages.suggest_triage(conn, draft, triage, turns=turns, heard=(), adapter=None, now=store.now())


@pytest.mark.parametrize("to_sales", [True, False])
@pytest.mark.parametrize("desk_ids", FORGETTINGS)
def test_what_support_made_goes_whichever_desk_forgets(
    store: Store, desk: Desk, desk_ids: tuple[str, ...], to_sales: bool
) -> None:
    hers, his = talk(store)
    draft_for_maya(store)
    move(store, desk, to_sales=to_sales)
    counts = forget(store, MAYA, *desk_ids).counts
    assert (counts["pairs"], counts["drafts"], counts["triages"]) == (1, 1, 1)
    with store.read() as conn:
        gone, kept = pairs.load_pair(conn, hers), pairs.load_pair(conn, his)
        triage = triages.find_triage(conn, "d1")
        assert (gone.reason, gone.reply, gone.turns) == (pairs.FORGOTTEN, "", ())
        assert kept.state == "active"
        assert drafts.load_draft(conn, "d1").text == ""
    assert triage is not None
    assert (triage.state, triage.turns) == ("erased", ())


@pytest.mark.parametrize("first", ["support", "sales"])
@pytest.mark.parametrize("to_sales", [True, False])
def test_nothing_is_out_of_reach_of_all_desks_after_one_forgot(
    store: Store, desk: Desk, first: str, to_sales: bool
) -> None:
    talk(store)
    draft_for_maya(store)
    move(store, desk, to_sales=to_sales)
    forget(store, MAYA, first)
    forget(store, MAYA, "sales", "support")
    with store.read() as conn:
        texts = [pair.reply for pair in pairs.list_pairs(conn)]
        message = load_message(conn, ts="100.000001", **HERE)
        assert drafts.load_draft(conn, "d1").text == ""
    assert texts == ["", "It ships today."]
    assert message is not None
    assert (message.text, message.user_id) == ("", "")
    assert not any(forget(store, MAYA, "sales", "support").counts.values())


def test_messages_of_a_channel_that_another_desk_has_now_stay_that_desk_s(store: Store, desk: Desk) -> None:
    talk(store)
    move(store, desk)
    assert forget(store, MAYA, "support").counts["messages"] == 0
    with store.read() as conn:
        message = load_message(conn, ts="100.000001", **HERE)
    assert message is not None
    assert message.user_id == MAYA
    assert forget(store, MAYA, "sales").counts["messages"] == 1


def test_what_another_desk_has_in_its_own_channel_stays(store: Store) -> None:
    hers, _ = talk(store)
    draft_for_maya(store)
    assert not any(forget(store, MAYA, "sales").counts.values())
    with store.read() as conn:
        assert pairs.load_pair(conn, hers).state == "active"


def test_approver_is_not_named_on_what_came_from_the_channel(store: Store, desk: Desk) -> None:
    hers, _ = talk(store)
    move(store, desk)
    forget(store, JONAS, "sales")
    with store.read() as conn:
        assert is_pseudonym(pairs.load_pair(conn, hers).approved_by)


def test_adapter_of_the_desk_that_had_the_channel_is_replaced_and_its_open_run_begins_anew(
    store: Store, desk: Desk
) -> None:
    hers, his = talk(store)
    make_adapter(store, "support-0001", trained=[hers, his], is_live=True)
    with store.write() as conn:
        runs.open_run(conn, desk_id="support", reason="threshold", now=store.now())
        held = runs.claim_run(conn, owner="t", now=store.now(), lease_s=60)
        assert held is not None
        runs.record_snapshot(conn, held, trained=[hers, his], held_out=[])
    move(store, desk)
    receipt = forget(store, MAYA, "sales")
    assert (receipt.desks, receipt.adapters, receipt.begun_anew) == (("sales",), ("support-0001",), (held.run_id,))
    assert receipt.replacements == {"support": held.run_id}
    with store.read() as conn:
        assert [item.name for item in adapters.list_to_replace(conn)] == ["support-0001"]
