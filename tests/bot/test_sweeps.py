"""A sweep that is stopped, cannot look, meets a bad thread, takes long or is lost misses nothing in the end."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from tests.bot.conftest import JONAS, MAYA, SUPPORT, Office, make_desk
from tests.bot.missed import WatchedSlack, answer, build_deaf_bot, end_leases, sweep_later, watch
from tests.bot.test_backfilling import edit, take_back
from tests.conftest import Clock
from thumbtune.bot.backfilling import Backfill
from thumbtune.bot.bot import Bot
from thumbtune.bot.pacing import Stopped
from thumbtune.bot.slack import Json, SlackBusy
from thumbtune.core.errors import SlackUnknown
from thumbtune.core.store.backfills import Sweep, claim_sweep
from thumbtune.core.store.desks import save_desk
from thumbtune.demo.slack import seed


@pytest.fixture
def bot(office: Office) -> Bot:
    return build_deaf_bot(office)


def claim_at(bot: Bot, now: datetime) -> Sweep | None:
    """Claim the sweep of the channel as another bot does."""
    with bot.store.write() as conn:
        place = {"team_id": bot.identity.team_id, "channel_id": SUPPORT}
        return claim_sweep(conn, owner="other", due_before=now, now=now, lease_s=300, **place)


def read_swept_at(office: Office) -> object:
    with office.store.read() as conn:
        return conn.exec_driver_sql(f"SELECT swept_at FROM backfills WHERE channel_id = '{SUPPORT}'").scalar()


def sweep_until_stopped(office: Office, bot: Bot, *, threads: int) -> None:
    """Let the process end after some threads of a sweep."""
    watched, slack = watch(office, bot)
    backfill, compared = Backfill(watched), []

    def stop(method: str, arguments: Json) -> None:
        compared.extend([method] if method == "conversations.replies" else [])
        if len(compared) == threads:
            backfill._stop.set()

    slack.after = stop
    with pytest.raises(Stopped):
        backfill.sweep_due()


def test_stopped_sweep_goes_on_where_it_was(office: Office, bot: Bot) -> None:
    questions = [answer(office, number)[0] for number in range(12)]
    sweep_until_stopped(office, bot, threads=11)
    sweep = claim_at(bot, bot.store.now())
    assert sweep is not None and sweep.threads_done == set(questions[:11])


@pytest.mark.parametrize("change", [take_back, edit])
def test_what_changed_while_a_sweep_was_stopped_is_found_at_the_next_start(
    office: Office, bot: Bot, change: Callable[[Office, str, str], None]
) -> None:
    question, reply = answer(office)
    office.react(JONAS, reply)
    for number in range(2, 13):
        answer(office, number)
    sweep_until_stopped(office, bot, threads=11)
    assert [pair.reply_ts for pair in office.pairs()] == [reply]
    change(office, reply, question)
    end_leases(office)
    Backfill(bot).sweep_due()
    assert office.pairs() == []


def test_channel_that_cannot_be_read_is_not_noted_as_swept(office: Office, bot: Bot) -> None:
    _, reply = answer(office)
    office.react(JONAS, reply)
    office.control("members", channel=SUPPORT, user=seed.BOT_USER_ID, is_member=False)
    Backfill(bot).sweep_due()
    assert read_swept_at(office) is None
    office.control("members", channel=SUPPORT, user=seed.BOT_USER_ID)
    Backfill(bot).sweep_due()
    assert office.pairs() == []  # it rests for the length of a lease
    end_leases(office)
    Backfill(bot).sweep_due()
    assert [pair.reply_ts for pair in office.pairs()] == [reply]
    assert read_swept_at(office) is not None


def fail_at(*bad: str) -> Callable[[str, Json], None]:
    """Return what fails when one of these threads is fetched, or any."""

    def fail(method: str, arguments: Json) -> None:
        if method == "conversations.replies" and (arguments["ts"] in bad or not bad):
            raise SlackUnknown("conversations.replies got HTTP 500")

    return fail


def test_bad_thread_keeps_no_other_from_being_compared_and_is_tried_again(office: Office, bot: Bot) -> None:
    threads = [answer(office, number) for number in range(3)]
    for _, reply in threads:
        office.react(JONAS, reply)
    watched, slack = watch(office, bot)
    slack.before = fail_at(threads[0][0])
    Backfill(watched).sweep_due()
    assert [pair.reply_ts for pair in office.pairs()] == [reply for _, reply in threads[1:]]
    office.react(JONAS, threads[0][1], on=False)  # nothing that is listed leads to it now
    slack.before = lambda method, arguments: None
    compared: list[object] = []
    slack.after = lambda method, arguments: compared.append((method, arguments.get("ts")))
    sweep_later(office, watched)
    assert ("conversations.replies", threads[0][0]) in compared
    compared.clear()
    sweep_later(office, watched)
    assert ("conversations.replies", threads[0][0]) not in compared


def test_sweep_whose_threads_all_fail_goes_on_later(office: Office, bot: Bot) -> None:
    replies = [answer(office, number)[1] for number in range(5)]
    for reply in replies:
        office.react(JONAS, reply)
    watched, slack = watch(office, bot)
    slack.before = fail_at()
    Backfill(watched).sweep_due()
    assert read_swept_at(office) is None
    slack.before = lambda method, arguments: None
    end_leases(office)
    Backfill(watched).sweep_due()
    assert {pair.reply_ts for pair in office.pairs()} == set(replies)


def age(office: Office, bot: Bot, clock: Clock) -> tuple[Bot, WatchedSlack]:
    """Return the bot on a clock set by hand, with somebody who looks on."""
    return watch(office, replace(bot, store=replace(office.store, now=clock)))


def test_sweep_is_nobody_elses_however_long_it_takes(office: Office, bot: Bot, clock: Clock) -> None:
    _, reply = answer(office)
    office.react(JONAS, reply)
    slow, slack = age(office, bot, clock)
    taken: list[object] = []

    def pass_time(method: str, arguments: Json) -> None:
        taken.append(claim_at(slow, clock.advance(seconds=100)))

    slack.before = pass_time
    Backfill(slow).sweep_due()
    assert len(taken) > 4 and not any(taken)
    assert [pair.reply_ts for pair in office.pairs()] == [reply]
    assert read_swept_at(office) is not None


def test_pause_that_slack_asks_for_is_within_the_lease(office: Office, bot: Bot, clock: Clock) -> None:
    slow, slack = age(office, bot, clock)
    backfill, claimed = Backfill(slow), list[Sweep | None]()

    class Pause(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            claimed.append(claim_at(slow, clock.advance(seconds=timeout or 0.0)))
            return len(claimed) == 2  # the process ends in the pause that was asked for

    def ask_to_wait(method: str, arguments: Json) -> None:
        raise SlackBusy(method, retry_after_s=600)

    slack.before, backfill._stop = ask_to_wait, Pause()
    with pytest.raises(Stopped):
        backfill.sweep_due()
    assert claimed == [None, None]


def test_sweep_that_another_bot_has_taken_over_stops(office: Office, bot: Bot, clock: Clock) -> None:
    _, reply = answer(office)
    office.react(JONAS, reply)
    slow, slack = age(office, bot, clock)
    taken: list[object] = []

    def hang(method: str, arguments: Json) -> None:
        if method == "conversations.history":
            taken.append(claim_at(slow, clock.advance(seconds=1000)))

    slack.after = hang
    Backfill(slow).sweep_due()
    assert len(taken) == 1 and all(taken)
    assert office.pairs() == []
    assert read_swept_at(office) is None


def test_reactions_are_listed_once_for_all_channels(office: Office, bot: Bot) -> None:
    other = str(office.control("channels", name="returns", members=[seed.BOT_USER_ID, MAYA, JONAS])["channel"]["id"])
    with office.store.write() as conn:
        save_desk(conn, make_desk(channels=(SUPPORT, other), approvers=(JONAS,)))
    Backfill(bot).sweep_due()
    assert office.count_calls()["reactions.list"] == 1
