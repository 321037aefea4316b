"""Triages: what a model suggested and an agent made of it, what a run learned from them, and what erases them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import Clock
from tests.core.store.test_forgetting import HERE, MAYA, PRIYA, forget, is_waited_for, say
from tests.core.store.test_retention import expire
from thumbtune.core.errors import Conflict
from thumbtune.core.prompt import Turn
from thumbtune.core.pseudonyms import is_pseudonym
from thumbtune.core.receipts import describe_counts
from thumbtune.core.records import Desk, Draft, Message, ThreadTriage
from thumbtune.core.store import Store, adapters, desks, drafts, runs, triages
from thumbtune.core.store.audits import list_acts, verify_chain
from thumbtune.core.store.messages import lock_channel, record_message
from thumbtune.core.store.pairs import FORGOTTEN, erase_texts
from thumbtune.core.triage import Triage

SUGGESTED = Triage("Delivery", "normal", "Where is [ORDER_1]?", "Look it up.")
CORRECTED = Triage("Returns", "high", "Wants to send [ORDER_1] back.", "Send a label.")
DAY_S = 86_400


@pytest.fixture(autouse=True)
def categories(store: Store, desk: Desk) -> None:
    with store.write() as conn:
        desks.save_desk(conn, Desk(**{**vars(desk), "categories": ("Delivery", "Returns")}))


def ask(store: Store, number: int = 1, *, thread: str = "100.000001", seen: str = "100.000002") -> Draft:
    with store.write() as conn:
        return drafts.request_draft(
            conn,
            draft_id=f"draft-{number}",
            request_key=str(number),
            desk_id="support",
            thread_ts=thread,
            asked_by=PRIYA,
            last_seen_ts=seen,
            now=store.now(),
            **HERE,
        )


def suggest(store: Store, draft: Draft, *, adapter: str | None = None, heard: Sequence[str] = ()) -> None:
    turns = [Turn("customer", "Where is [ORDER_1]?")]
    with store.write() as conn:
        triages.suggest_triage(conn, draft, SUGGESTED, turns=turns, heard=heard, adapter=adapter, now=store.now())


def decide(
    store: Store, draft: Draft, triage: Triage = CORRECTED, *, by: str = PRIYA, heard: Sequence[str] = ()
) -> ThreadTriage:
    turns = [Turn("customer", "Where is [ORDER_1]?")]
    with store.write() as conn:
        return triages.decide_triage(conn, draft, triage, turns=turns, heard=heard, decided_by=by, now=store.now())


def find(store: Store, draft: Draft) -> ThreadTriage:
    with store.read() as conn:
        found = triages.find_triage(conn, draft.draft_id)
    assert found is not None
    return found


def taught(store: Store) -> list[Triage | None]:
    with store.read() as conn:
        return [item.decided for item in triages.list_taught(conn, desk_id="support")]


def test_unchanged_triage_is_confirmed_a_changed_one_corrected_and_a_retry_changes_nothing(store: Store) -> None:
    first, second = ask(store, 1), ask(store, 2, thread="200.000001")
    suggest(store, first, adapter="support-0001")
    suggest(store, first)
    assert (find(store, first).state, find(store, first).adapter) == ("suggested", "support-0001")
    assert taught(store) == []
    assert decide(store, first, SUGGESTED).state == "confirmed"
    changed = decide(store, second)
    assert (changed.state, changed.suggested, changed.decided, changed.decided_by) == (
        "corrected",
        None,
        CORRECTED,
        PRIYA,
    )
    assert decide(store, second) == changed
    assert taught(store) == [SUGGESTED, CORRECTED]
    with store.read() as conn:
        acts = [(act.action, act.actor) for act in list_acts(conn, limit=9)]
        assert verify_chain(conn).finding == ""
    assert acts == [("triage_corrected", PRIYA), ("triage_confirmed", PRIYA)]


def test_newest_triage_of_a_thread_counts_and_one_of_a_former_category_does_not(store: Store, clock: Clock) -> None:
    first, second, other = ask(store, 1), ask(store, 2), ask(store, 3, thread="200.000001")
    decide(store, second)
    decide(store, other, Triage("Former", "low", "x", "y"))
    clock.advance(seconds=5)
    decide(store, first, SUGGESTED)
    assert taught(store) == [SUGGESTED]


def teach(store: Store, draft: Draft) -> tuple[str, int]:
    """Let a run learn from the triage beside a draft and publish an adapter; return its name and the triage."""
    triage_id = decide(store, draft).triage_id
    with store.write() as conn:
        run, _ = runs.open_run(conn, desk_id="support", reason="retrain", now=store.now())
        triages.record_triages_used(conn, run.run_id, trained=[triage_id], held_out=[])
        values = {"path": "x", "manifest_hash": "h", "base_model": "base"}
        adapters.add_adapter(conn, name="support-0001", desk_id="support", run_id=run.run_id, now=store.now(), **values)
        claimed = runs.claim_run(conn, owner="t", now=store.now(), lease_s=30)
        assert claimed is not None
        runs.finish_run(conn, claimed, state="passed", message="", now=store.now())
    return "support-0001", triage_id


def test_forgetting_reaches_triages_of_a_customer_s_words_and_what_learned_from_them(store: Store) -> None:
    say(store, MAYA, "100.000001", "Where is [ORDER_1]?", thread="100.000001")
    say(store, "U0TOM", "300.000001", "Mine?", thread="300.000001")
    hers, his = ask(store, 1), ask(store, 2, thread="300.000001", seen="300.000001")
    suggest(store, hers)
    name, triage_id = teach(store, hers)
    decide(store, his)
    with store.read() as conn:
        assert triages.has_learned_triage(conn, name)
        assert not triages.has_learned_triage(conn, "support-0002")
    receipt = forget(store, MAYA)
    assert (receipt.counts["triages"], receipt.adapters) == (1, (name,))
    assert "1 triage" in describe_counts(receipt)
    gone = find(store, hers)
    assert (gone.state, gone.reason, gone.turns, gone.suggested, gone.decided) == (
        "erased",
        FORGOTTEN,
        (),
        None,
        None,
    )
    assert find(store, his).state == "corrected"
    with store.read() as conn:
        run_id = adapters.load_adapter(conn, name).run_id
        assert runs.saw_erased(conn, run_id)
        assert triages.holds_erased_triage(conn, [triage_id])
    with pytest.raises(Conflict, match="erased"):
        decide(store, hers)
    assert not any(forget(store, MAYA).counts.values())


def test_forgotten_agent_s_own_words_go_and_what_they_confirmed_loses_their_name(store: Store) -> None:
    worded, confirmed = ask(store, 1), ask(store, 2, thread="200.000001")
    suggest(store, confirmed)
    decide(store, worded)
    decide(store, confirmed, SUGGESTED)
    assert forget(store, PRIYA).counts["triages"] == 1
    assert find(store, worded).state == "erased"
    kept = find(store, confirmed)
    assert kept.state == "confirmed"
    assert is_pseudonym(kept.decided_by)
    assert is_pseudonym(find(store, worded).decided_by)


def test_message_written_after_a_triage_is_no_part_of_it(store: Store) -> None:
    draft = ask(store, seen="100.000002")
    decide(store, draft)
    say(store, MAYA, "100.000009", "Thanks!", thread="100.000001")
    assert forget(store, MAYA).counts["triages"] == 0
    place = {**HERE, "thread_ts": "100.000001", "now": store.now()}
    with store.write() as conn:
        erase_texts(conn, deleted_ts="100.000009", **place)
    assert find(store, draft).state == "corrected"
    with store.write() as conn:
        erase_texts(conn, deleted_ts="100.000001", **place)
    assert (find(store, draft).state, find(store, draft).reason) == ("erased", triages.DELETED)


HEARD = ("100.000001", "100.000002")


def delete(store: Store, ts: str) -> None:
    message = Message("T1", "C1", ts, "100.000001", "", False, "", "", True)
    with store.write() as conn:
        record_message(conn, message, event_ts="150.000000")
        erase_texts(conn, **HERE, thread_ts="100.000001", deleted_ts=ts, now=store.now())


@pytest.mark.parametrize("gone", ["deleted", "forgotten"])
def test_triage_of_what_went_while_it_was_made_is_not_kept(store: Store, gone: str) -> None:
    say(store, MAYA, HEARD[0], "Where is [ORDER_1]?", thread=HEARD[0])
    say(store, MAYA, HEARD[1], "Please!", thread=HEARD[0])
    first, second = ask(store, 1), ask(store, 2)
    if gone == "deleted":
        delete(store, HEARD[1])
    else:
        forget(store, MAYA)
    suggest(store, first, heard=HEARD)
    with pytest.raises(Conflict, match="ask for a new draft"):
        decide(store, first, SUGGESTED)  # the turns hold nothing of it any more, but the suggestion did
    with pytest.raises(Conflict, match="deleted or erased meanwhile; ask for a new draft"):
        decide(store, second, heard=HEARD)
    kept = find(store, first)
    assert (kept.state, kept.turns, kept.suggested) == ("erased", (), None)
    assert taught(store) == []


def test_message_that_was_deleted_before_keeps_no_triage_from_being_made(store: Store) -> None:
    for ts in HEARD:
        say(store, MAYA, ts, "Where is [ORDER_1]?", thread=HEARD[0])
    delete(store, HEARD[0])
    draft = ask(store)
    suggest(store, draft, heard=HEARD[1:])
    decide(store, draft, heard=HEARD[1:])
    assert taught(store) == [CORRECTED]


def test_deletion_that_is_being_stored_is_waited_for(store: Store) -> None:
    say(store, MAYA, HEARD[0], "Where is [ORDER_1]?", thread=HEARD[0])
    draft = ask(store)
    message = Message("T1", "C1", HEARD[0], HEARD[0], "", False, "", "", True)
    with ThreadPoolExecutor(1) as other:
        with store.write() as conn:
            lock_channel(conn, **HERE)
            record_message(conn, message, event_ts="150.000000")
            deciding = other.submit(decide, store, draft, heard=HEARD[:1])
            while not (deciding.done() or is_waited_for(store)):
                pass
        with pytest.raises(Conflict, match="deleted or erased meanwhile"):
            deciding.result(30)
    assert taught(store) == []


def test_suggestions_expire_with_messages_and_what_agents_taught_with_pairs(store: Store, clock: Clock) -> None:
    mere, told = ask(store, 1), ask(store, 2, thread="200.000001")
    suggest(store, mere)
    decide(store, told)
    clock.advance(seconds=40 * DAY_S)
    assert expire(store, message_days=30)["triages"] == 1
    assert [find(store, draft).state for draft in (mere, told)] == ["erased", "corrected"]
    assert expire(store, pair_days=30) == {"triages": 1}
    assert find(store, told).state == "erased"
