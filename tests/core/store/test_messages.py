import itertools
from dataclasses import replace

import pytest

from thumbtune.core.records import Approval, FormerText, Message
from thumbtune.core.store import Store, approvals, messages

PLACE = {"team_id": "T1", "channel_id": "C1"}


def message(ts: str, text: str, *, revision: str = "", deleted: bool = False) -> Message:
    return Message("T1", "C1", ts, "100.000001", "U1", False, text, revision, deleted)


STATES = {
    "posted": (message("100.000002", "old"), "100.000002"),
    "edited": (message("100.000002", "new", revision="150.000001"), "150.000001"),
    "deleted": (message("100.000002", "", deleted=True), "160.000001"),
}


@pytest.mark.parametrize("order", list(itertools.permutations(STATES)))
def test_any_order_of_post_edit_and_delete_ends_deleted(store: Store, order: tuple[str, ...]) -> None:
    with store.write() as conn:
        for name in order:
            state, event_ts = STATES[name]
            messages.record_message(conn, state, event_ts=event_ts)
        stored = messages.load_message(conn, ts="100.000002", **PLACE)
        assert stored is not None
        assert stored.deleted
        assert messages.load_thread(conn, thread_ts="100.000001", **PLACE) == []


def test_edit_that_arrives_first_is_not_overwritten_by_the_original(store: Store) -> None:
    with store.write() as conn:
        for name in ("edited", "posted", "edited"):
            state, event_ts = STATES[name]
            messages.record_message(conn, state, event_ts=event_ts)
        stored = messages.load_message(conn, ts="100.000002", **PLACE)
    assert stored == replace(STATES["edited"][0], former=(FormerText("", "old"),))


@pytest.mark.parametrize("order", list(itertools.permutations(["posted", "edited", "edited again"])))
def test_former_texts_are_kept_in_any_order_and_gone_when_the_message_is(store: Store, order: tuple[str, ...]) -> None:
    again = (message("100.000002", "newest", revision="155.000001"), "155.000001")
    with store.write() as conn:
        for name in order:
            state, event_ts = {**STATES, "edited again": again}[name]
            assert messages.record_message(conn, state, event_ts=event_ts)
            assert not messages.record_message(conn, state, event_ts=event_ts)
        stored = messages.load_message(conn, ts="100.000002", **PLACE)
        assert stored == replace(again[0], former=(FormerText("", "old"), FormerText("150.000001", "new")))
        messages.record_message(conn, *STATES["deleted"][:1], event_ts="160.000001")
        stored = messages.load_message(conn, ts="100.000002", **PLACE)
    assert stored is not None and (stored.text, stored.former) == ("", ())


def test_thread_is_read_up_to_a_message_oldest_first(store: Store) -> None:
    with store.write() as conn:
        for ts in ("100.000009", "100.000001", "100.000007", "100.000005"):
            messages.record_message(conn, message(ts, f"at {ts}"), event_ts=ts)
        other = replace(message("100.000003", "elsewhere"), thread_ts="100.000003")
        messages.record_message(conn, other, event_ts=other.ts)
        gone = replace(message("100.000005", ""), deleted=True)
        messages.record_message(conn, gone, event_ts="101.000000")
        conversation = messages.load_conversation(conn, ts="100.000007", **PLACE)
        assert messages.load_conversation(conn, ts="100.000004", **PLACE) == []
    assert [item.ts for item in conversation] == ["100.000001", "100.000005", "100.000007"]
    assert [item.deleted for item in conversation] == [False, True, False]


def test_placeholders_keep_their_numbers_within_a_thread_and_start_anew_in_the_next(store: Store) -> None:
    with store.write() as conn:
        first = messages.number_placeholders(
            conn, [("NAME", "a"), ("NAME", "b"), ("EMAIL", "a")], thread_ts="1", **PLACE
        )
        again = messages.number_placeholders(
            conn, [("NAME", "b"), ("NAME", "c"), ("NAME", "b")], thread_ts="1", **PLACE
        )
        other = messages.number_placeholders(conn, [("NAME", "c")], thread_ts="2", **PLACE)
    assert first == {("NAME", "a"): 1, ("NAME", "b"): 2, ("EMAIL", "a"): 1}
    assert again == {("NAME", "b"): 2, ("NAME", "c"): 3}
    assert other == {("NAME", "c"): 1}


@pytest.mark.parametrize(
    "order", list(itertools.permutations([("5", True), ("6", False), ("7", True), ("6", False)], 4))
)
def test_latest_reaction_wins_in_any_order(store: Store, order: tuple[tuple[str, bool], ...]) -> None:
    place = {"message_ts": "100.000002", **PLACE}
    with store.write() as conn:
        for event_ts, given in order:
            approvals.record_approval(conn, Approval("U2", "+1", given, event_ts), **place)
        assert approvals.load_approvals(conn, **place) == [Approval("U2", "+1", True, "7")]


@pytest.mark.parametrize("found_first", [True, False])
def test_event_beats_what_was_found_of_the_same_moment(store: Store, found_first: bool) -> None:
    place = {**PLACE, "message_ts": "100.1"}
    kinds = [Approval("U2", "+1", True, "200.1", found=True), Approval("U2", "+1", True, "200.1")]
    with store.write() as conn:
        for approval in kinds if found_first else reversed(kinds):
            approvals.record_approval(conn, approval, **place)
        assert approvals.load_approvals(conn, **place) == [Approval("U2", "+1", True, "200.1", found=False)]
