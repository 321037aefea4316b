from collections.abc import Sequence

import pytest

from tests.conftest import Clock
from tests.core.store.plans import watch_plans
from thumbtune.core.errors import NotFound
from thumbtune.core.prompt import Passage, Turn
from thumbtune.core.records import Desk
from thumbtune.core.store import Store, pairs, runs

pytestmark = pytest.mark.usefixtures("desk")
REPLY = {"team_id": "T1", "channel_id": "C1", "reply_ts": "100.000002"}


def put(
    store: Store,
    *,
    revision: str = "",
    reply_ts: str = "100.000002",
    reply: str = "It ships today.",
    doubt: str = "",
) -> bool:
    with store.write() as conn:
        return pairs.put_pair(
            conn,
            desk_id="support",
            team_id="T1",
            channel_id="C1",
            thread_ts="100.000001",
            reply_ts=reply_ts,
            revision=revision,
            turns=[Turn("customer", "When does it ship?")],
            reply=reply,
            passages=[Passage("Shipping", "We ship daily.")],
            source="human",
            approved_by="U2",
            now=store.now(),
            doubt=doubt,
        )


def count(store: Store) -> dict[str, int]:
    with store.read() as conn:
        return dict(pairs.count_pairs(conn, desk_id="support"))


def test_second_approval_returns_the_same_pair(store: Store) -> None:
    assert put(store)
    assert not put(store)
    assert count(store) == {"active": 1}
    with store.read() as conn:
        (pair,) = pairs.list_pairs(conn, desk_id="support")
        assert pairs.load_pair(conn, pair.pair_id) == pair
        assert pairs.is_learned(conn, **REPLY)
    assert (pair.turns, pair.passages) == (
        (Turn("customer", "When does it ship?"),),
        (Passage("Shipping", "We ship daily."),),
    )


def test_taken_back_approval_withdraws_and_a_new_one_restores(store: Store) -> None:
    put(store)
    with store.write() as conn:
        assert pairs.withdraw_reply(conn, reason=pairs.NOT_APPROVED, now=store.now(), **REPLY) == 1
        assert not pairs.is_learned(conn, **REPLY)
    assert put(store)
    assert count(store) == {"active": 1}


def test_pair_withdrawn_by_hand_is_not_restored_by_an_approval(store: Store) -> None:
    put(store)
    with store.write() as conn:
        (pair,) = pairs.list_pairs(conn)
        pairs.set_pair_state(conn, pair.pair_id, state="withdrawn", reason="wrong price", now=store.now())
    assert not put(store)
    assert count(store) == {"withdrawn": 1}


def test_new_revision_replaces_the_one_before(store: Store) -> None:
    put(store)
    put(store, revision="150.000001", reply="It ships tomorrow.")
    with store.write() as conn:
        kept = {"keep_revision": "150.000001", "reason": pairs.EDITED, "now": store.now()}
        assert pairs.withdraw_reply(conn, **REPLY, **kept) == 1
        (active,) = pairs.list_pairs(conn, state="active")
    assert active.reply == "It ships tomorrow."


def test_only_pairs_after_the_last_judged_run_are_new(store: Store, desk: Desk) -> None:
    put(store)
    with store.write() as conn:
        run, _ = runs.open_run(conn, desk_id=desk.desk_id, reason="threshold", now=store.now())
        held = runs.claim_run(conn, owner="t", now=store.now(), lease_s=30)
        assert held is not None
        (pair,) = pairs.list_pairs(conn)
        runs.record_snapshot(conn, held, trained=[pair.pair_id], held_out=[])
        runs.finish_run(conn, held, state="inconclusive", message="", now=store.now())
        assert pairs.count_new_pairs(conn, desk_id=desk.desk_id) == 0
    put(store, reply_ts="100.000003")
    with store.read() as conn:
        assert pairs.count_new_pairs(conn, desk_id=desk.desk_id) == 1
        assert runs.load_run(conn, run.run_id).state == "inconclusive"


def judge_all(store: Store, *, left_out: Sequence[str] = ()) -> None:
    """Have a run see all active pairs and end without a new adapter; it leaves those of these replies out."""
    with store.write() as conn:
        runs.open_run(conn, desk_id="support", reason="threshold", now=store.now())
        run = runs.claim_run(conn, owner="t", now=store.now(), lease_s=30)
        assert run is not None
        active = pairs.list_pairs(conn, state="active")
        trained = [pair.pair_id for pair in active if pair.reply_ts not in left_out]
        dropped = [pair.pair_id for pair in active if pair.reply_ts in left_out]
        runs.record_snapshot(conn, run, trained=trained, held_out=[], left_out=dropped)
        runs.finish_run(conn, run, state="rejected", message="", now=store.now())


def count_new(store: Store) -> int:
    with store.read() as conn:
        return pairs.count_new_pairs(conn, desk_id="support")


def test_pair_that_counts_only_after_the_last_run_is_new_however_old_it_is(store: Store, clock: Clock) -> None:
    put(store, reply_ts="100.000001", doubt=pairs.FOUND_EDITED)
    put(store, reply_ts="100.000002")
    with store.write() as conn:
        pairs.withdraw_reply(conn, reason=pairs.NOT_APPROVED, now=store.now(), **REPLY)
    put(store, reply_ts="100.000003")
    put(store, reply_ts="100.000004")
    assert count_new(store) == 2
    judge_all(store, left_out=["100.000003"])
    assert count_new(store) == 0, "what was left out was seen"
    with store.write() as conn:
        pairs.set_pair_state(conn, 1, state="active", reason="kept", now=store.now())
    assert count_new(store) == 1, "a lead kept what had waited for review"
    put(store, reply_ts="100.000002")
    assert count_new(store) == 2, "the reply was approved again"
    for reply_ts in ("100.000003", "100.000004"):
        with store.write() as conn:
            place = {"team_id": "T1", "channel_id": "C1", "reply_ts": reply_ts}
            assert pairs.withdraw_reply(conn, reason=pairs.NOT_APPROVED, now=store.now(), **place)
        assert count_new(store) == 2, "what is gone is not counted off"
        put(store, reply_ts=reply_ts)
        assert count_new(store) == 2, "what was seen is not new again"
    clock.advance(seconds=60)
    judge_all(store)
    assert count_new(store) == 0


def test_unknown_pair_is_named_in_the_error(store: Store) -> None:
    with store.read() as conn, pytest.raises(NotFound, match="no pair 42"):
        pairs.load_pair(conn, 42)


def test_an_approvers_pairs_are_not_looked_for_among_all_of_the_desk(store: Store) -> None:
    if store.engine.dialect.name == "postgresql":
        return  # it plans by what is there, and reads a table as small as this one whole
    plans = watch_plans(store, holding="FROM pairs")
    with store.read() as conn:
        pairs.list_pairs(conn, desk_id="support", state="active", approved_by="U9", limit=5, newest_first=True)
    assert any("ix_pairs_approver" in plan for plan in plans), plans
