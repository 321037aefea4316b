"""Waits and outages never set an event aside; a handler that always fails does, and who asked is told."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest

from tests.bot.conftest import MAYA, PRIYA, SUPPORT, Office, make_desk, wait_for
from tests.conftest import Clock
from tests.core.store.test_engine import FULL, PASSING, read_waits
from tests.core.store.test_forgetting import is_waited_for
from thumbtune.bot.app import build_bot
from thumbtune.bot.bot import Bot, Later, Write
from thumbtune.bot.intake import build_keeper
from thumbtune.bot.listeners.table import LISTENERS
from thumbtune.bot.slack import SlackBusy, SlackLockedOut
from thumbtune.bot.spool import SealedEvent
from thumbtune.bot.workers import MAX_ATTEMPTS, Workers
from thumbtune.core.errors import SlackUnknown, StoreUnavailable
from thumbtune.core.records import InboxEvent
from thumbtune.core.store import Store
from thumbtune.core.store.desks import save_desk
from thumbtune.core.store.drafts import list_drafts
from thumbtune.core.store.inbox import add_event, count_events
from thumbtune.core.store.messages import hash_channel, lock_channel
from thumbtune.demo.slack.seed import GENERAL_CHANNEL, TEAM_ID


@pytest.fixture
def question(office: Office) -> str:
    return office.say(MAYA, "Where is it?")


@pytest.fixture
def bot(office: Office, store: Store, question: str) -> Iterator[Bot]:
    """A bot without threads, and one mention in its inbox."""
    event = {"type": "app_mention", "channel": SUPPORT, "user": PRIYA, "thread_ts": question}
    with store.write() as conn:
        place = {"team_id": TEAM_ID, "event_key": "Ev1", "kind": "event", "name": "app_mention"}
        add_event(conn, store.sealer, **place, body={"event_id": "Ev1", "event": event}, now=store.now())
    opened = build_bot(office.settings, store)
    yield opened
    opened.models.close()


def work(bot: Bot, clock: Clock, error: Exception, *, times: int) -> dict[str, int]:
    def fail(event: InboxEvent, bot: Bot) -> None:
        raise error

    workers = Workers(bot, {("event", "app_mention"): fail})
    for _ in range(times):
        workers.work_once()
        clock.advance(seconds=3600)
    with bot.store.read() as conn:
        return count_events(conn)


def test_waits_and_outages_never_set_an_event_aside(bot: Bot, clock: Clock) -> None:
    errors = (Later(1), SlackBusy("chat", retry_after_s=1), SlackUnknown("no answer"), StoreUnavailable("no answer"))
    for error in (*errors, SlackLockedOut("chat", "token_revoked")):
        assert work(bot, clock, error, times=MAX_ATTEMPTS + 2) == {"received": 1}, error


def test_who_asked_is_told_when_their_ask_is_set_aside(bot: Bot, office: Office, question: str, clock: Clock) -> None:
    assert work(bot, clock, KeyError("x"), times=MAX_ATTEMPTS - 1) == {"received": 1}
    assert work(bot, clock, KeyError("x"), times=1) == {"dead": 1}
    (note,) = office.private(PRIYA, thread=question)
    assert "the reference is `event-" in note["text"]
    assert "KeyError" not in note["text"]


def test_ask_waits_while_the_app_lacks_a_permission(
    bot: Bot, office: Office, question: str, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with bot.store.write() as conn:
        save_desk(conn, make_desk())
    office.serve_model(store=bot.store)
    patient = replace(bot, settings=bot.settings.model_copy(update={"draft_deadline_s": 1e9}))
    workers, api = Workers(patient, LISTENERS), office.slack.slack.web_api
    scopes, api.bot_scopes = api.bot_scopes, api.bot_scopes - {"usergroups:read"}
    for _ in range(MAX_ATTEMPTS + 2):
        assert workers.work_once() == 1
        clock.advance(seconds=3600)
    assert "slack_locks_us_out" in caplog.messages
    api.bot_scopes = scopes
    office.serve_model(store=bot.store)
    workers.work_once()
    assert [message for message in office.private(PRIYA, thread=question) if "draft_post" in str(message)]


def test_draft_of_an_ask_that_is_set_aside_has_failed(bot: Bot, office: Office, clock: Clock) -> None:
    with bot.store.write() as conn:
        save_desk(conn, make_desk())
    office.serve_model(store=bot.store)
    workers = Workers(bot, LISTENERS)
    office.control("faults", server_errors=1.0, methods=["chat.postEphemeral"])
    workers.work_once()
    with bot.store.read() as conn:
        assert [draft.state for draft in list_drafts(conn)] == ["ready"]
    office.control("clear")
    clock.advance(seconds=3600)
    assert work(bot, clock, KeyError("x"), times=MAX_ATTEMPTS) == {"dead": 1}
    with bot.store.read() as conn:
        assert [draft.state for draft in list_drafts(conn)] == ["failed"]


@pytest.mark.parametrize(("name", "waits"), [("message", PASSING), ("app_mention", FULL)])
def test_only_what_is_collected_is_committed_without_waiting_for_the_disk(
    bot: Bot, name: str, waits: dict[str, object]
) -> None:
    """It follows from its event, which waited for the disk before it was acknowledged."""
    dialect = bot.store.engine.dialect.name
    seen: list[object] = []
    Workers(bot, {}).work_once()  # the mention is no matter here
    if dialect == "postgresql":  # the tests' own server waits for nothing
        with bot.store.engine.begin() as conn:
            conn.exec_driver_sql("SET SESSION synchronous_commit TO on")
    with bot.store.write() as conn:
        place = {"team_id": TEAM_ID, "event_key": "Ev2", "kind": "event", "name": name}
        add_event(conn, bot.store.sealer, **place, body={"event": {}}, now=bot.store.now())

    def handle(event: InboxEvent, bot: Bot) -> Write:
        return lambda conn: seen.append(read_waits(conn))

    Workers(bot, {("event", name): handle}).work_once()
    assert set(seen) == {waits[dialect]}


def test_what_is_handed_on_is_worked_on_once_and_in_order(bot: Bot, office: Office) -> None:
    seen: list[tuple[int, int]] = []

    def handle(event: InboxEvent, bot: Bot) -> Write:
        return lambda conn: seen.append((event.body["number"], event.attempts))

    keeper = build_keeper(office.settings, bot.store, signals=bot.signals)
    workers = Workers(bot, {("event", "message"): handle})
    keeper.start()
    workers.start()
    for number in range(50):
        sealed, now = bot.store.sealer.seal({"number": number}), bot.store.now()
        keeper.keep(SealedEvent(TEAM_ID, f"Ev{number:03}", "event", "message", sealed, now), {"number": number})

    def is_done() -> bool:
        with bot.store.read() as conn:
            return count_events(conn) == {"done": 51}

    wait_for(is_done)
    assert workers.stop(timeout_s=10)
    keeper.stop(timeout_s=10)
    assert seen == [(number, 1) for number in range(50)]


def test_stop_gives_the_last_worker_all_of_its_time(bot: Bot) -> None:
    """A draft that takes longer than each thread's equal part of the time is finished all the same."""
    began, go_on = threading.Event(), threading.Event()

    def write(event: InboxEvent, bot: Bot) -> None:
        began.set()
        go_on.wait(10)

    workers = Workers(bot, {("event", "app_mention"): write})
    workers.start()
    assert began.wait(10)
    equal_part_s = 5 / (bot.settings.bot_workers + 3)
    threading.Timer(1.5 * equal_part_s, go_on.set).start()
    assert workers.stop(timeout_s=5)
    with bot.store.read() as conn:
        assert count_events(conn) == {"done": 1}


def test_batch_takes_its_channels_at_once_in_the_order_of_everyone(bot: Bot, office: Office) -> None:
    low, high = sorted((SUPPORT, GENERAL_CHANNEL), key=lambda name: hash_channel(TEAM_ID, name))
    with bot.store.write() as conn:
        for number, name in enumerate((high, low, high)):
            event = {"type": "message", "channel": name}
            place = {"team_id": TEAM_ID, "event_key": f"E{number}", "kind": "event", "name": "message"}
            add_event(conn, bot.store.sealer, **place, body={"event": event}, now=bot.store.now())

    def handle(event: InboxEvent, bot: Bot) -> Write:
        return partial(lock_channel, team_id=TEAM_ID, channel_id=event.body["event"]["channel"])

    workers = Workers(bot, {("event", "message"): handle})
    with ThreadPoolExecutor(1) as other:
        with bot.store.write() as conn:
            lock_channel(conn, team_id=TEAM_ID, channel_id=low)
            if conn.dialect.name == "postgresql":
                conn.exec_driver_sql("SET LOCAL lock_timeout = '300ms'")
            working = other.submit(workers.work_once)
            while not (working.done() or is_waited_for(bot.store)):
                pass
            lock_channel(conn, team_id=TEAM_ID, channel_id=high)
        assert working.result(30) == 4
