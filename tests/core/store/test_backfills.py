from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.conftest import Clock
from tests.core.store.test_pairs import put
from thumbtune.core.records import Approval, Message
from thumbtune.core.store import Store
from thumbtune.core.store.approvals import list_given, list_moments, record_approval
from thumbtune.core.store.backfills import Sweep, claim_sweep, finish_sweep, list_paired, list_roots, save_sweep
from thumbtune.core.store.messages import record_message
from thumbtune.core.store.pairs import withdraw_reply
from thumbtune.core.store.schema import backfills

PLACE = {"team_id": "T1", "channel_id": "C1"}


def claim(store: Store, owner: str = "a") -> Sweep | None:
    now = store.now()
    with store.write() as conn:
        return claim_sweep(conn, owner=owner, due_before=now, now=now, lease_s=300, **PLACE)


def save(store: Store, sweep: Sweep, *, owner: str = "a", done: tuple[str, ...] = (), lease_s: float = 300) -> bool:
    with store.write() as conn:
        return save_sweep(
            conn,
            owner=owner,
            began_at=sweep.began_at,
            threads_done=done,
            threads_failed=done[:1],
            now=store.now(),
            lease_s=lease_s,
            **PLACE,
        )


def finish(store: Store, sweep: Sweep, *, owner: str = "a") -> bool:
    with store.write() as conn:
        return finish_sweep(conn, owner=owner, began_at=sweep.began_at, threads_failed={"2.0"}, **PLACE)


def write(store: Store, ts: str, thread_ts: str, *, deleted: bool = False) -> None:
    with store.write() as conn:
        message = Message("T1", "C1", ts, thread_ts, "U1", False, "Hello.", "", deleted)
        record_message(conn, message, event_ts=ts)


def test_stopped_sweep_is_finished_as_of_when_it_first_began(store: Store, clock: Clock) -> None:
    began_at = clock()
    first = claim(store)
    assert first == Sweep("C1", began_at, None, frozenset(), frozenset())
    assert save(store, first, done=("1.0", "2.0"))
    clock.advance(seconds=301)
    second = claim(store, "b")
    assert second == Sweep("C1", began_at, None, frozenset({"1.0", "2.0"}), frozenset({"1.0"}))
    assert finish(store, second, owner="b")
    third = claim(store, "b")
    assert third == Sweep("C1", clock(), began_at, frozenset(), frozenset({"2.0"}))


def test_sweep_stopped_before_it_was_at_any_thread_begins_anew(store: Store, clock: Clock) -> None:
    first = claim(store)
    assert first is not None and save(store, first)
    clock.advance(seconds=301)
    second = claim(store, "b")
    assert second is not None and second.began_at == clock()


def test_sweep_that_another_has_taken_over_is_neither_saved_nor_finished(store: Store, clock: Clock) -> None:
    first = claim(store)
    assert first is not None
    clock.advance(seconds=301)
    assert claim(store, "b") is not None
    assert not save(store, first, done=("1.0",))
    assert not finish(store, first)


def test_sweep_is_free_when_its_lease_is_over(store: Store, clock: Clock) -> None:
    sweep = claim(store)
    assert sweep is not None and save(store, sweep, lease_s=900)
    clock.advance(seconds=899)
    assert claim(store, "b") is None
    clock.advance(seconds=2)
    assert claim(store, "b") is not None


def test_sweep_stopped_by_an_earlier_version_begins_anew(store: Store) -> None:
    claim(store)
    with store.write() as conn:
        conn.execute(sa.update(backfills).values(threads_done=["1.0"], lease_until=None))
    sweep = claim(store)
    assert sweep is not None and not sweep.threads_done and sweep.began_at == store.now()


def test_roots_are_what_begins_a_thread_and_is_not_deleted(store: Store) -> None:
    write(store, "1.0", "1.0")
    write(store, "2.0", "2.0")
    write(store, "2.5", "2.0")
    write(store, "3.0", "3.0", deleted=True)
    with store.read() as conn:
        assert list_roots(conn, from_ts="1.5", **PLACE) == {"2.0": ""}


@pytest.mark.usefixtures("desk")
def test_paired_threads_are_those_of_pairs_in_use(store: Store) -> None:
    put(store)
    with store.write() as conn:
        assert list_paired(conn, from_ts="100.000002", **PLACE) == {"100.000001"}
        assert not list_paired(conn, from_ts="100.000003", **PLACE)
        withdraw_reply(conn, reply_ts="100.000002", reason="x", now=store.now(), **PLACE)
        assert not list_paired(conn, from_ts="100.000002", **PLACE)


def test_reactions_are_given_on_messages_that_are_not_deleted(store: Store, clock: Clock) -> None:
    write(store, "2.5", "2.0")
    write(store, "3.5", "3.0", deleted=True)
    event_ts = f"{(clock() + timedelta(seconds=1)).timestamp():.6f}"
    with store.write() as conn:
        for ts in ("1.0", "2.5", "3.5", "4.0"):
            record_approval(conn, Approval("U2", "+1", ts != "4.0", event_ts), message_ts=ts, **PLACE)
        assert list_given(conn, user_id="U2", from_ts="1.0", **PLACE) == {("1.0", "+1"): "1.0", ("2.5", "+1"): "2.0"}
        moments = list_moments(conn, from_ts="2.0", **PLACE)
    assert moments == {(ts, "U2", "+1"): event_ts for ts in ("2.5", "3.5", "4.0")}
