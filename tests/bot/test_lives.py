"""No approved reply is lost or doubled: killed at every boundary of a statement, and shared among several bots."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.bot.conftest import SUPPORT, Office, make_desk
from tests.bot.forked import ended
from tests.bot.lives import END_TIMEOUT_S, find_wrong, make_bodies, make_feed, show_thread, start_lives, start_share
from tests.bot.model_server import ModelServer
from thumbtune.core.settings import Settings
from thumbtune.core.store import connect_store, migrate_store
from thumbtune.core.store.desks import save_desk
from thumbtune.core.store.schema import inbox, pairs
from thumbtune.demo.slack.server import ServerThread

TRUSTING = {"burst_approvals": 0, "approvals_per_day": 0}
"""One person may approve as fast as a machine."""


def kill_and_count(office: Office, *, kills: int, log: Path) -> str:
    """Return what happened in words, for the log of measurements."""
    began = time.monotonic()
    show_threads(office, feeds=2 * kills)
    settings = office.settings.model_copy(update={"lease_s": 0.3, **TRUSTING})
    process, told = start_lives(settings, kills=kills, log=log)
    with ended(process):
        process.join(END_TIMEOUT_S)
        assert process.exitcode == 0, log.read_text()[-2000:]
    feeds, killed = told.get()
    assert killed == kills
    assert feeds <= 2 * kills, "of more than that Slack shows nothing"
    assert find_wrong(office.store, feeds=feeds) == []
    assert "Traceback" not in log.read_text()
    return f"{killed} kills, {describe(office, feeds)}, {time.monotonic() - began:.0f} s"


def show_threads(office: Office, *, feeds: int) -> None:
    log = office.slack.slack.workspace.channels[SUPPORT].log
    for number in range(feeds):
        show_thread(log, make_feed(number))


def describe(office: Office, feeds: int) -> str:
    events = sum(len(make_bodies(make_feed(number))) for number in range(feeds))
    with office.store.read() as conn:
        rows = conn.execute(sa.select(sa.func.count()).select_from(inbox)).scalar_one()
        active = conn.execute(sa.select(sa.func.count()).where(pairs.c.state == "active")).scalar_one()
    assert rows == events, "every event is in the inbox once"
    return f"{feeds} threads, {events} events, {active} active pairs"


def share_and_count(office: Office, *, bots: int, feeds: int, log: Path) -> str:
    """Return what happened in words, for the log of measurements."""
    began = time.monotonic()
    show_threads(office, feeds=feeds)
    with ExitStack() as stack:
        shares = {"shares": bots, "feeds": feeds, "log": log}
        processes = [start_share(office.settings, share=number, **shares) for number in range(bots)]
        stack.enter_context(ended(*processes))
        for process in processes:
            process.join(END_TIMEOUT_S)
        assert [process.exitcode for process in processes] == [0] * bots, log.read_text()[-2000:]
    assert find_wrong(office.store, feeds=feeds) == []
    assert "Traceback" not in log.read_text()
    return f"{bots} bots, {describe(office, feeds)}, {time.monotonic() - began:.0f} s"


@pytest.fixture
def shared(slack: ServerThread, settings: Settings, postgres_url: str) -> Iterator[Office]:
    """The office on PostgreSQL."""
    changed = settings.model_copy(update={"database_url": postgres_url, **TRUSTING})
    store = connect_store(changed)
    migrate_store(store)
    with store.write() as conn:
        save_desk(conn, make_desk())
    with ModelServer() as model:
        office = Office(slack, store, changed, model)
        yield office
        office.close()
    store.engine.dispose()


def test_twenty_kills_at_boundaries_of_statements(office: Office, tmp_path: Path) -> None:
    kill_and_count(office, kills=20, log=tmp_path / "bot.log")


def test_three_bots_share_what_comes_twice_and_in_any_order(shared: Office, tmp_path: Path) -> None:
    share_and_count(shared, bots=3, feeds=50, log=tmp_path / "bot.log")


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
def test_two_thousand_kills_at_boundaries_of_statements(office: Office, tmp_path: Path) -> None:
    print(kill_and_count(office, kills=2000, log=tmp_path / "bot.log"))


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
def test_three_bots_through_a_hundred_thousand_events(shared: Office, tmp_path: Path) -> None:
    print(share_and_count(shared, bots=3, feeds=20_500, log=tmp_path / "bot.log"))
