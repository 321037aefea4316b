"""What Slack sends is kept whether the store answers, hangs or is away, and is in the inbox once when it is back."""

import logging
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.bot.conftest import wait_for
from tests.bot.outages import take_away
from tests.conftest import Clock
from thumbtune.bot.keeping import PATIENCE_S, Keeper
from thumbtune.bot.spool import SealedEvent, Spool
from thumbtune.core.errors import SpoolUnavailable, StoreError
from thumbtune.core.store import Store
from thumbtune.core.store.inbox import claim_events
from thumbtune.core.store.schema import inbox

SLACKS_PATIENCE_S = 2.5


class Case:
    """A keeper with its spool, and what woke the workers."""

    def __init__(self, store: Store, folder: Path, *, max_bytes: int = 1_000_000) -> None:
        self.store = store
        self.woken: list[str] = []
        self.spool = Spool(folder / "spool", max_bytes=max_bytes)
        self.keeper = Keeper(store, self.spool, wake=self.woken.append)

    def make_event(self, number: int, *, name: str = "message") -> SealedEvent:
        sealed = self.store.sealer.seal({"number": number})
        return SealedEvent("T1", f"Ev{number}", "event", name, sealed, self.store.now())

    def list_keys(self) -> list[str]:
        with self.store.read() as conn:
            return sorted(conn.scalars(sa.select(inbox.c.event_key)))


@pytest.fixture
def case(store: Store, tmp_path: Path) -> Iterator[Case]:
    made = Case(store, tmp_path)
    made.keeper.start()
    yield made
    made.keeper.stop(timeout_s=10)


def keys(*numbers: int) -> list[str]:
    return sorted(f"Ev{number}" for number in numbers)


def test_store_that_answers_has_the_event_before_keep_returns(case: Case) -> None:
    for number in (1, 2, 2, 1):
        case.keeper.keep(case.make_event(number))
        assert f"Ev{number}" in case.list_keys()
    assert case.list_keys() == keys(1, 2)
    assert not case.spool.has_files()
    wait_for(lambda: case.woken == ["message", "message"])


def test_many_at_once_are_all_kept(case: Case) -> None:
    def keep(first: int) -> None:
        for number in range(first, first + 20):
            case.keeper.keep(case.make_event(number))

    threads = [threading.Thread(target=keep, args=(10 * number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for(lambda: case.list_keys() == keys(*range(90)))


def test_outage_is_spooled_in_time_and_brought_in_afterwards(
    case: Case, store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    case.keeper.keep(case.make_event(0))
    with take_away(store_url):
        for number in (1, 2, 0, 2):  # 0 is in the inbox already, 2 comes twice
            began = time.monotonic()
            case.keeper.keep(case.make_event(number))
            assert time.monotonic() - began < SLACKS_PATIENCE_S
        assert case.spool.has_files()
    wait_for(lambda: case.list_keys() == keys(0, 1, 2) and not case.spool.has_files())
    wait_for(lambda: case.woken == ["message"] * 3)
    assert "spooling" in caplog.text
    wait_for(lambda: "spool_emptied" in caplog.text)
    case.keeper.keep(case.make_event(3))
    wait_for(lambda: case.list_keys() == keys(0, 1, 2, 3))


def test_what_was_spooled_is_worked_on_with_its_body_and_time(case: Case, store_url: str) -> None:
    with take_away(store_url):
        case.keeper.keep(case.make_event(7))
    wait_for(case.list_keys)
    with case.store.write() as conn:
        now = case.store.now()
        (event,) = claim_events(conn, case.store.sealer, owner="me", limit=9, now=now, lease_s=60)
    assert (event.body, event.kind, event.name, event.received_at) == ({"number": 7}, "event", "message", now)


def test_only_the_first_of_a_long_outage_wait_for_the_store(case: Case, store_url: str) -> None:
    with take_away(store_url):
        case.keeper.keep(case.make_event(0))
        began = time.monotonic()
        for number in range(1, 21):
            case.keeper.keep(case.make_event(number))
        assert time.monotonic() - began < 10 * PATIENCE_S  # each waiting would take 20 times that
    wait_for(lambda: case.list_keys() == keys(*range(21)))


def test_full_spool_is_an_error_and_nothing_is_acknowledged(store: Store, store_url: str, tmp_path: Path) -> None:
    case = Case(store, tmp_path, max_bytes=400)
    case.keeper.start()
    with take_away(store_url):
        case.keeper.keep(case.make_event(1))
        with pytest.raises(SpoolUnavailable):
            case.keeper.keep(case.make_event(2))
    wait_for(lambda: case.list_keys() == keys(1) and not case.spool.has_files())
    case.keeper.keep(case.make_event(3))
    assert case.list_keys() == keys(1, 3)
    case.keeper.stop(timeout_s=10)


def test_before_the_start_and_after_the_end_the_spool_takes_it(store: Store, tmp_path: Path) -> None:
    case = Case(store, tmp_path)
    case.keeper.keep(case.make_event(1))
    assert case.list_keys() == []
    case.keeper.start()
    wait_for(lambda: case.list_keys() == keys(1))
    case.keeper.stop(timeout_s=10)
    case.keeper.keep(case.make_event(2))
    assert case.list_keys() == keys(1)
    assert case.spool.has_files()


@pytest.mark.parametrize("is_spooled", [False, True])
def test_event_the_database_refuses_harms_no_other(
    store: Store, clock: Clock, tmp_path: Path, is_spooled: bool, caplog: pytest.LogCaptureFixture
) -> None:
    case = Case(store, tmp_path)
    good, bad = case.make_event(1), case.make_event(2, name="\ud800")
    if is_spooled:
        case.keeper.keep(good)
        case.keeper.keep(bad)
    case.keeper.start()
    if not is_spooled:
        case.keeper.keep(good)
        with pytest.raises(StoreError):
            case.keeper.keep(bad)
    wait_for(lambda: "event_refused_by_store" in caplog.text)
    case.keeper.keep(case.make_event(3))
    wait_for(lambda: case.list_keys() == keys(1, 3))
    assert len(case.spool.list_refused()) == is_spooled
    clock.advance(seconds=(datetime.now(UTC) + timedelta(days=29) - clock()).total_seconds())
    case.keeper.keep(case.make_event(4))
    assert len(case.spool.list_refused()) == is_spooled
    clock.advance(seconds=2 * 24 * 3600)
    wait_for(lambda: not case.spool.list_refused())
    case.keeper.stop(timeout_s=10)
