import pytest

from thumbtune.core.errors import NotFound
from thumbtune.core.prompt import Passage, Turn
from thumbtune.core.records import Desk
from thumbtune.core.store import Store, pairs, runs

pytestmark = pytest.mark.usefixtures("desk")
REPLY = {"team_id": "T1", "channel_id": "C1", "reply_ts": "100.000002"}


def put(store: Store, *, revision: str = "", reply_ts: str = "100.000002", reply: str = "It ships today.") -> bool:
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
        runs.finish_run(conn, held, state="inconclusive", message="", now=store.now(), newest_pair_id=pair.pair_id)
        assert pairs.count_new_pairs(conn, desk_id=desk.desk_id) == 0
    put(store, reply_ts="100.000003")
    with store.read() as conn:
        assert pairs.count_new_pairs(conn, desk_id=desk.desk_id) == 1
        assert runs.load_run(conn, run.run_id).state == "inconclusive"


def test_unknown_pair_is_named_in_the_error(store: Store) -> None:
    with store.read() as conn, pytest.raises(NotFound, match="no pair 42"):
        pairs.load_pair(conn, 42)
