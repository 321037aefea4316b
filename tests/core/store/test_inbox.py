from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet

from tests.conftest import Clock
from tests.core.store.plans import watch_plans
from thumbtune.core.sealing import Sealer
from thumbtune.core.store import Store, inbox


def add(store: Store, key: str, body: dict[str, object] | None = None) -> bool:
    with store.write() as conn:
        return inbox.add_event(
            conn,
            store.sealer,
            team_id="T1",
            event_key=key,
            kind="event",
            name="message",
            body=body or {"text": "hello"},
            now=store.now(),
        )


def claim(store: Store, owner: str, limit: int = 10) -> list[int]:
    with store.write() as conn:
        found = inbox.claim_events(conn, store.sealer, owner=owner, limit=limit, now=store.now(), lease_s=30)
    return [event.inbox_id for event in found]


def test_second_delivery_of_an_event_adds_nothing(store: Store) -> None:
    assert add(store, "Ev1")
    assert not add(store, "Ev1")
    with store.read() as conn:
        assert inbox.count_events(conn) == {"received": 1}
        assert inbox.count_received(conn) >= 1


def test_claimed_event_is_nobody_elses_until_its_lease_ends(store: Store, clock: Clock) -> None:
    add(store, "Ev1")
    first = claim(store, "worker-1")
    assert claim(store, "worker-2") == []
    clock.advance(seconds=31)
    assert claim(store, "worker-2") == first


def test_slow_worker_cannot_finish_what_another_took_over(store: Store, clock: Clock) -> None:
    add(store, "Ev1")
    ids = claim(store, "worker-1")
    clock.advance(seconds=31)
    claim(store, "worker-2")
    with store.write() as conn:
        assert inbox.finish_events(conn, ids, owner="worker-1", now=store.now()) == 0
        assert inbox.finish_events(conn, ids, owner="worker-2", now=store.now()) == 1
        assert inbox.count_events(conn) == {"done": 1}


def test_postponed_event_waits_and_counts_its_attempts(store: Store, clock: Clock) -> None:
    add(store, "Ev1", {"n": 1})
    (inbox_id,) = claim(store, "w")
    with store.write() as conn:
        until = clock() + timedelta(seconds=5)
        inbox.postpone_event(conn, inbox_id, owner="w", until=until, error="SlackUnknown")
    assert claim(store, "w") == []
    clock.advance(seconds=6)
    with store.write() as conn:
        (event,) = inbox.claim_events(conn, store.sealer, owner="w", limit=1, now=store.now(), lease_s=30)
    assert (event.attempts, event.body) == (2, {"n": 1})


def test_buried_event_is_never_claimed_again(store: Store, clock: Clock) -> None:
    add(store, "Ev1")
    (inbox_id,) = claim(store, "w")
    with store.write() as conn:
        inbox.bury_event(conn, inbox_id, owner="w", error="KeyError", now=store.now())
    clock.advance(seconds=3600)
    assert claim(store, "w") == []


def test_bodies_lie_sealed_and_are_erased_when_done(store: Store) -> None:
    secret = "maya@example.com \ud83d broken"
    add(store, "Ev1", {"text": secret})
    with store.read() as conn:
        stored = conn.exec_driver_sql("SELECT sealed_body FROM inbox").scalar_one()
    assert "maya" not in stored
    with store.write() as conn:
        (event,) = inbox.claim_events(conn, store.sealer, owner="w", limit=1, now=store.now(), lease_s=30)
        inbox.finish_events(conn, [event.inbox_id], owner="w", now=store.now())
        assert conn.exec_driver_sql("SELECT sealed_body FROM inbox").scalar_one() is None
    assert event.body == {"text": secret}


def test_many_workers_share_events_without_doubling_any(store: Store) -> None:
    with store.write() as conn:
        for number in range(120):
            inbox.add_event(
                conn,
                store.sealer,
                team_id="T1",
                event_key=str(number),
                kind="event",
                name="m",
                body={},
                now=store.now(),
            )
    with ThreadPoolExecutor(6) as pool:
        claimed = list(pool.map(lambda worker: [claim(store, f"w{worker}", limit=7) for _ in range(4)], range(6)))
    taken = [inbox_id for worker in claimed for batch in worker for inbox_id in batch]
    assert len(taken) == len(set(taken)) == 120


def test_old_keys_are_forgotten_only_when_done(store: Store, clock: Clock) -> None:
    add(store, "done")
    ids = claim(store, "w")
    with store.write() as conn:
        inbox.finish_events(conn, ids, owner="w", now=store.now())
    add(store, "open")
    later = clock.advance(seconds=100)
    with store.write() as conn:
        assert inbox.forget_old_events(conn, done_before=later, dead_before=later) == 1
        assert inbox.count_events(conn) == {"received": 1}


def bury(store: Store, key: str) -> int:
    add(store, key)
    (inbox_id,) = claim(store, "w")
    with store.write() as conn:
        assert inbox.bury_event(conn, inbox_id, owner="w", error="KeyError", now=store.now())
    return inbox_id


def test_what_was_set_aside_is_listed_until_it_is_old(store: Store, clock: Clock) -> None:
    inbox_id = bury(store, "Ev1")
    with store.write() as conn:
        (dead,) = inbox.list_dead_events(conn)
        assert (dead.inbox_id, dead.name, dead.error, dead.attempts) == (inbox_id, "message", "KeyError", 1)
        now = clock.advance(seconds=10)
        assert inbox.forget_old_events(conn, done_before=now, dead_before=now - timedelta(seconds=11)) == 0
        assert inbox.forget_old_events(conn, done_before=now, dead_before=now) == 1
        assert inbox.list_dead_events(conn) == []


def test_what_was_set_aside_is_tried_again_or_forgotten_by_hand(store: Store) -> None:
    first, second = bury(store, "Ev1"), bury(store, "Ev2")
    with store.write() as conn:
        assert inbox.retry_dead_events(conn, [first]) == [first]
        assert inbox.retry_dead_events(conn, [first]) == []
        assert inbox.forget_dead_events(conn, [first, second]) == [second]
        (event,) = inbox.claim_events(conn, store.sealer, owner="w", limit=9, now=store.now(), lease_s=30)
    assert (event.inbox_id, event.attempts, event.body) == (first, 1, {"text": "hello"})


def test_event_that_only_waits_never_uses_up_its_attempts(store: Store, clock: Clock) -> None:
    add(store, "Ev1")
    seen = []
    for _ in range(6):
        with store.write() as conn:
            (event,) = inbox.claim_events(conn, store.sealer, owner="w", limit=1, now=store.now(), lease_s=30)
            inbox.postpone_event(conn, event.inbox_id, owner="w", until=clock(), error="Later", counts=False)
        seen.append(event.attempts)
        clock.advance(seconds=1)
    assert seen == [1, 2, 2, 2, 2, 2]


def test_event_sealed_with_another_key_is_set_aside_and_the_rest_goes_on(store: Store, clock: Clock) -> None:
    add(store, "Ev1")
    other = replace(store, sealer=Sealer(Fernet.generate_key().decode()))
    add(other, "Ev2")
    add(store, "Ev3")
    assert len(claim(store, "w")) == 2
    with store.read() as conn:
        assert inbox.count_events(conn) == {"working": 2, "dead": 1}
        query = "SELECT error FROM inbox WHERE state = 'dead'"
        assert conn.exec_driver_sql(query).scalar_one() == "sealed with another key"


@pytest.mark.parametrize("names", [{"names": ["message"]}, {"but_names": ["message"]}], ids=["these", "all but these"])
def test_claiming_does_not_read_through_what_is_done(store: Store, names: dict[str, list[str]]) -> None:
    if store.engine.dialect.name == "postgresql":
        return  # it plans by what is there, and reads a table as small as this one whole
    plans = watch_plans(store, holding="UPDATE inbox")
    with store.write() as conn:
        inbox.claim_events(conn, store.sealer, owner="w", limit=1, now=store.now(), lease_s=30, **names)
    assert any("ix_inbox_open" in plan for plan in plans), plans
    assert "SCAN inbox" not in plans
