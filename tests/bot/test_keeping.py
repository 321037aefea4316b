"""What Slack sends is kept whether the store answers, hangs or is away, and is in the inbox once when it is back."""

import contextlib
import dataclasses
import errno
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pysqlite3 as sqlite3
import pytest
import sqlalchemy as sa

from tests.bot.conftest import wait_for
from tests.bot.outages import take_away
from tests.conftest import Clock
from thumbtune.bot import keeping
from thumbtune.bot.keeping import PATIENCE_S, Keeper
from thumbtune.bot.relay import LEASE_S as HANDED_LEASE_S
from thumbtune.bot.relay import ROOM, HandedEvent, Relay
from thumbtune.bot.spool import SealedEvent, Spool
from thumbtune.core.errors import SpoolUnavailable, StoreError
from thumbtune.core.store import Store
from thumbtune.core.store.inbox import claim_events
from thumbtune.core.store.log_file import LogFile
from thumbtune.core.store.schema import inbox

SLACKS_PATIENCE_S = 2.5


class Case:
    """A keeper with its spool, and what woke the workers."""

    def __init__(self, store: Store, folder: Path, *, max_bytes: int = 1_000_000) -> None:
        self.store = store
        self.woken: list[str] = []
        self.spool = Spool(folder / "spool", max_bytes=max_bytes)
        self.relay = Relay()
        self.keeper = Keeper(store, self.spool, wake=self.woken.append, relay=self.relay)

    def make_event(self, number: int, *, name: str = "message") -> SealedEvent:
        sealed = self.store.sealer.seal({"number": number})
        return SealedEvent("T1", f"Ev{number}", "event", name, sealed, self.store.now())

    def keep(self, number: int, *, name: str = "message") -> None:
        self.keeper.keep(self.make_event(number, name=name), {"number": number})

    def claim(self, owner: str) -> list[tuple[str, int]]:
        """Return which of the numbered events another worker gets, and for the how-manieth time they are tried."""
        store = self.store
        with store.write() as conn:
            events = claim_events(conn, store.sealer, owner=owner, limit=99, now=store.now(), lease_s=60)
        return [(f"Ev{event.body['number']}", event.attempts) for event in events]

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
        case.keep(number)
        assert f"Ev{number}" in case.list_keys()
    assert case.list_keys() == keys(1, 2)
    assert not case.spool.has_files()
    wait_for(lambda: case.woken == ["message", "message"])


def test_many_at_once_are_all_kept(case: Case) -> None:
    def keep(first: int) -> None:
        for number in range(first, first + 20):
            case.keep(number)

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
    case.keep(0)
    with take_away(store_url):
        for number in (1, 2, 0, 2):  # 0 is in the inbox already, 2 comes twice
            began = time.monotonic()
            case.keep(number)
            assert time.monotonic() - began < SLACKS_PATIENCE_S
        assert case.spool.has_files()
    wait_for(lambda: case.list_keys() == keys(0, 1, 2) and not case.spool.has_files())
    wait_for(lambda: case.woken == ["message"] * 3)
    assert "spooling" in caplog.text
    wait_for(lambda: "spool_emptied" in caplog.text)
    case.keep(3)
    wait_for(lambda: case.list_keys() == keys(0, 1, 2, 3))


def test_what_was_spooled_is_worked_on_with_its_body_and_time(case: Case, store_url: str) -> None:
    with take_away(store_url):
        case.keep(7)
    wait_for(case.list_keys)
    with case.store.write() as conn:
        now = case.store.now()
        (event,) = claim_events(conn, case.store.sealer, owner="me", limit=9, now=now, lease_s=60)
    assert (event.body, event.kind, event.name, event.received_at) == ({"number": 7}, "event", "message", now)


def test_only_the_first_of_a_long_outage_wait_for_the_store(case: Case, store_url: str) -> None:
    with take_away(store_url):
        case.keep(0)
        began = time.monotonic()
        for number in range(1, 21):
            case.keep(number)
        assert time.monotonic() - began < 10 * PATIENCE_S  # each waiting would take 20 times that
    wait_for(lambda: case.list_keys() == keys(*range(21)))


def test_full_spool_is_an_error_and_nothing_is_acknowledged(store: Store, store_url: str, tmp_path: Path) -> None:
    case = Case(store, tmp_path, max_bytes=400)
    case.keeper.start()
    with take_away(store_url):
        case.keep(1)
        with pytest.raises(SpoolUnavailable):
            case.keep(2)
    wait_for(lambda: case.list_keys() == keys(1) and not case.spool.has_files())
    case.keep(3)
    assert case.list_keys() == keys(1, 3)
    case.keeper.stop(timeout_s=10)


def test_before_the_start_and_after_the_end_the_spool_takes_it(store: Store, tmp_path: Path) -> None:
    case = Case(store, tmp_path)
    case.keep(1)
    assert case.list_keys() == []
    case.keeper.start()
    wait_for(lambda: case.list_keys() == keys(1))
    case.keeper.stop(timeout_s=10)
    case.keep(2)
    assert case.list_keys() == keys(1)
    assert case.spool.has_files()


@pytest.mark.parametrize("is_spooled", [False, True])
def test_event_the_database_refuses_harms_no_other(
    store: Store, clock: Clock, tmp_path: Path, is_spooled: bool, caplog: pytest.LogCaptureFixture
) -> None:
    case = Case(store, tmp_path)
    good, bad = case.make_event(1), case.make_event(2, name="\ud800")
    if is_spooled:
        case.keeper.keep(good, {})
        case.keeper.keep(bad, {})
    case.keeper.start()
    if not is_spooled:
        case.keeper.keep(good, {})
        with pytest.raises(StoreError):
            case.keeper.keep(bad, {})
    wait_for(lambda: "event_refused_by_store" in caplog.text)
    case.keep(3)
    wait_for(lambda: case.list_keys() == keys(1, 3))
    assert len(case.spool.list_refused()) == is_spooled
    clock.advance(seconds=(datetime.now(UTC) + timedelta(days=29) - clock()).total_seconds())
    case.keep(4)
    assert len(case.spool.list_refused()) == is_spooled
    clock.advance(seconds=2 * 24 * 3600)
    wait_for(lambda: not case.spool.list_refused())
    case.keeper.stop(timeout_s=10)


def keys_of(taken: list[HandedEvent]) -> list[str]:
    return [handed.event.event_key for handed in taken]


def test_event_is_handed_to_a_worker_that_keeps_up_and_is_nobody_elses(case: Case) -> None:
    case.keep(1)
    case.relay.open("me", lease_s=30)
    case.keep(2)
    assert case.relay.take(case.store.now()) == [], "the worker has to look for what was there before"
    case.relay.begin_look()
    assert case.claim("me") == [("Ev1", 1), ("Ev2", 1)]
    case.keep(3)
    case.keep(3)
    assert case.claim("other") == []
    assert keys_of(case.relay.take(case.store.now())) == ["Ev3"]
    assert case.woken == ["message", "message"]


def test_clicks_and_what_a_busy_worker_has_no_room_for_are_anyones(case: Case) -> None:
    case.relay.open("me", lease_s=30)
    case.relay.begin_look()
    case.keep(0, name="draft_post")
    for number in range(1, ROOM + 2):
        case.keep(number)
    assert case.claim("other") == [("Ev0", 1), (f"Ev{ROOM + 1}", 1)]
    assert keys_of(case.relay.take(case.store.now())) == [f"Ev{number}" for number in range(1, ROOM + 1)]
    wait_for(lambda: case.woken == ["draft_post", "message"])


def test_event_handed_to_a_killed_bot_is_anothers_within_seconds(case: Case, clock: Clock) -> None:
    case.relay.open("me", lease_s=30)
    case.relay.begin_look()
    case.keep(1)
    clock.advance(seconds=HANDED_LEASE_S - 0.1)
    assert case.claim("other") == []
    assert case.relay.take(case.store.now()) == [], "a slow worker leaves it"
    clock.advance(seconds=0.2)
    assert case.claim("other") == [("Ev1", 2)]


def test_nothing_is_handed_on_while_workers_stop(case: Case) -> None:
    case.relay.open("me", lease_s=30)
    case.relay.begin_look()
    case.relay.close()
    case.keep(1)
    assert case.claim("other") == [("Ev1", 1)]


class HeldLogFile(LogFile):
    """A disk that takes its time."""

    def __init__(self) -> None:
        super().__init__(Path())
        self.may_end = threading.Event()

    def flush(self) -> None:
        assert self.may_end.wait(10)


def test_worker_has_an_event_while_the_disk_writes_it_and_slack_hears_after(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that is made of an event lies behind it in the same log, so it cannot last without it."""
    monkeypatch.setattr(keeping, "PATIENCE_S", 10)
    disk = HeldLogFile()
    case = Case(dataclasses.replace(store, log_file=disk), tmp_path)
    case.relay.open("me", lease_s=30)
    case.relay.begin_look()
    case.keeper.start()
    request = threading.Thread(target=case.keep, args=(1,))
    request.start()
    wait_for(lambda: keys_of(case.relay.take(case.store.now())) == ["Ev1"])
    assert case.list_keys() == keys(1)
    assert request.is_alive(), "Slack would take it for kept"
    disk.may_end.set()
    request.join(10)
    case.keeper.stop(timeout_s=10)
    assert not case.spool.has_files()


def test_what_someone_waits_for_is_on_the_disk_before_anyone_can_answer_it(store: Store, tmp_path: Path) -> None:
    disk = HeldLogFile()  # would hold the request for ever
    case = Case(dataclasses.replace(store, log_file=disk), tmp_path)
    case.keeper.start()
    case.keep(1, name="draft_edit")
    assert case.claim("other") == [("Ev1", 1)]
    case.keeper.stop(timeout_s=10)
    assert not case.spool.has_files()


def test_event_that_the_disk_failed_to_write_is_written_anew_before_its_spool_file_goes(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second time the disk has nothing to write and says that all is well."""
    if store.log_file is None:
        return
    failures = [OSError(errno.EIO, "Input/output error")]
    real = os.fdatasync

    def fail_once(file: int) -> None:
        if failures:
            raise failures.pop()
        real(file)

    monkeypatch.setattr(os, "fdatasync", fail_once)
    case = Case(store, tmp_path)
    case.keeper.start()
    case.keep(1)
    assert case.spool.has_files()
    wait_for(lambda: not case.spool.has_files())
    shutil.copy(store.engine.url.database or "", tmp_path / "without log")
    case.keeper.stop(timeout_s=10)
    with contextlib.closing(sqlite3.connect(tmp_path / "without log")) as copy:
        assert copy.execute("SELECT event_key FROM inbox").fetchall() == [("Ev1",)]
