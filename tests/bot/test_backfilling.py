"""What Slack never delivered is found by comparing with Slack."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.bot.conftest import AIKO, JONAS, MAYA, PRIYA, SUPPORT, Office, wait_for
from tests.bot.missed import answer, build_deaf_bot, sweep_later
from thumbtune.bot.backfilling import Backfill
from thumbtune.bot.bot import Bot
from thumbtune.bot.repairing import add_a_moment
from thumbtune.core.store.engine import utc_now
from thumbtune.core.store.inbox import count_events
from thumbtune.core.store.messages import load_thread
from thumbtune.core.store.schema import backfills


@pytest.fixture
def bot(office: Office) -> Bot:
    return build_deaf_bot(office)


def test_approvals_given_while_away_become_pairs(office: Office, bot: Bot) -> None:
    replies = [answer(office, number)[1] for number in range(3)]
    office.react(JONAS, replies[0])
    office.react(AIKO, replies[1], "thumbsup")
    office.react(MAYA, replies[2])
    Backfill(bot).sweep_due()
    assert [(pair.reply_ts, pair.approved_by) for pair in office.pairs()] == [(replies[0], JONAS), (replies[1], AIKO)]
    assert [[turn.text for turn in pair.turns] for pair in office.pairs()] == [
        ["Where is parcel 0?"],
        ["Where is parcel 1?"],
    ]


def test_second_comparison_changes_nothing(office: Office, bot: Bot) -> None:
    _, reply = answer(office)
    office.react(JONAS, reply)
    Backfill(bot).sweep_due()
    (pair,) = office.pairs()
    Backfill(bot).sweep_due()
    assert office.pairs() == [pair]


def take_back(office: Office, reply: str, question: str) -> None:
    office.react(JONAS, reply, on=False)


def edit(office: Office, reply: str, question: str) -> None:
    office.call("chat.update", user=PRIYA, channel=SUPPORT, ts=reply, text="It comes on Monday.")


def delete(office: Office, reply: str, question: str) -> None:
    office.call("chat.delete", user=PRIYA, channel=SUPPORT, ts=reply)


def edit_question(office: Office, reply: str, question: str) -> None:
    office.call("chat.update", user=MAYA, channel=SUPPORT, ts=question, text="Where is my letter?")


def delete_question(office: Office, reply: str, question: str) -> None:
    office.call("chat.delete", user=MAYA, channel=SUPPORT, ts=question)


def delete_thread(office: Office, reply: str, question: str) -> None:
    delete(office, reply, question)
    delete_question(office, reply, question)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (take_back, "no longer approved"),
        (edit, "the reply was edited after the approval"),
        (delete, "the reply was deleted"),
        (delete_question, "no customer's message is left before the reply"),
        (delete_thread, "the reply was deleted"),
    ],
)
def test_what_was_undone_in_an_old_thread_while_away_is_withdrawn(
    office: Office, bot: Bot, change: Callable[[Office, str, str], None], reason: str
) -> None:
    question, reply = answer(office)
    office.react(JONAS, reply)
    Backfill(bot).sweep_due()
    assert office.pairs()
    change(office, reply, question)
    sweep_later(office, bot)
    assert office.pairs() == []
    (pair,) = office.pairs("withdrawn")
    assert pair.reason == reason


def test_edited_question_of_an_old_thread_without_a_pair_is_found(office: Office, bot: Bot) -> None:
    question, reply = answer(office)
    Backfill(bot).sweep_due()
    edit_question(office, reply, question)
    sweep_later(office, bot)
    place = {"team_id": bot.identity.team_id, "channel_id": SUPPORT}
    with office.store.read() as conn:
        texts = [message.text for message in load_thread(conn, thread_ts=question, **place)]
    assert texts == ["Where is my letter?", "Parcel 1 comes on Friday."]


def test_deleted_reply_is_looked_for_once(office: Office, bot: Bot) -> None:
    question, reply = answer(office)
    office.react(JONAS, reply)
    Backfill(bot).sweep_due()
    delete(office, reply, question)
    sweep_later(office, bot)
    compared = office.count_calls()["conversations.replies"]
    sweep_later(office, bot)
    assert office.count_calls()["conversations.replies"] == compared


def test_new_message_in_a_thread_that_began_before_the_days_looked_at_is_found(office: Office, bot: Bot) -> None:
    question, _ = answer(office)
    office.slack.slack.workspace.clock = lambda: time.time() + timedelta(days=10).total_seconds()
    later = replace(bot, store=replace(office.store, now=lambda: utc_now() + timedelta(days=10)))
    Backfill(later).sweep_due()
    office.say(MAYA, "It is still not here.", thread=question)
    Backfill(later).sweep_due()
    place = {"team_id": bot.identity.team_id, "channel_id": SUPPORT}
    with office.store.read() as conn:
        texts = [message.text for message in load_thread(conn, thread_ts=question, **place)]
    assert texts == ["Where is parcel 1?", "Parcel 1 comes on Friday.", "It is still not here."]


@pytest.mark.parametrize("change", [take_back, edit, delete, delete_question])
def test_what_was_undone_in_a_gap_longer_than_the_days_looked_at_is_withdrawn(
    office: Office, bot: Bot, change: Callable[[Office, str, str], None]
) -> None:
    question, reply = answer(office)
    office.react(JONAS, reply)
    Backfill(bot).sweep_due()
    assert office.pairs()
    change(office, reply, question)
    Backfill(replace(bot, store=replace(office.store, now=lambda: utc_now() + timedelta(days=8)))).sweep_due()
    assert office.pairs() == []


def test_approval_of_an_edited_reply_waits_for_a_person(office: Office, bot: Bot) -> None:
    question, reply = answer(office)
    edit(office, reply, question)
    office.react(JONAS, reply)
    Backfill(bot).sweep_due()
    (pair,) = office.pairs("quarantined")
    assert pair.reply == "It comes on Monday."
    assert pair.reason == "approved and edited while the bot was away; in which order is not known"


def test_reaction_on_a_thread_without_new_messages_is_found(office: Office, bot: Bot) -> None:
    _, reply = answer(office)
    Backfill(bot).sweep_due()
    assert office.pairs() == []
    office.react(JONAS, reply)
    sweep_later(office, bot)
    assert [pair.reply_ts for pair in office.pairs()] == [reply]


def test_event_that_is_still_on_its_way_overrules_what_was_found(office: Office, bot: Bot) -> None:
    _, reply = answer(office)
    office.react(JONAS, reply)
    Backfill(bot).sweep_due()
    office.control("clear")
    office.start_bot()
    office.react(JONAS, reply, on=False)
    wait_for(lambda: office.pairs("withdrawn"))
    assert add_a_moment("1700000000.999999") == "1700000001.000000"


def test_threads_are_compared_although_nobodys_reactions_can_be_listed(office: Office, bot: Bot) -> None:
    _, reply = answer(office)
    office.react(JONAS, reply)
    office.control("faults", drops=1.0, server_errors=1.0, methods=["reactions.list"])
    Backfill(bot).sweep_due()
    assert [pair.reply_ts for pair in office.pairs()] == [reply]


def test_busy_slack_is_waited_for(office: Office, bot: Bot) -> None:
    _, reply = answer(office)
    office.react(JONAS, reply)
    office.control("faults", drops=1.0, rate_limits={"conversations.replies": 1.0}, retry_after_s=1)
    sweep = threading.Thread(target=Backfill(bot).sweep_due)
    sweep.start()
    wait_for(lambda: office.count_errors().get("ratelimited"))
    office.control("clear")
    sweep.join(20)
    assert [pair.reply_ts for pair in office.pairs()] == [reply]


def test_bot_that_is_stopped_while_it_compares_leaves_the_rest_to_the_next(office: Office, bot: Bot) -> None:
    _, reply = answer(office)
    office.react(JONAS, reply)
    slow = Backfill(replace(bot, settings=bot.settings.model_copy(update={"backfill_calls_per_min": 1.0})))
    stop = threading.Event()
    thread = threading.Thread(target=slow.run, args=(stop,))
    thread.start()
    wait_for(lambda: is_held(office), what="the lease")
    Backfill(bot).sweep_due()
    assert not office.pairs()
    stop.set()
    thread.join(5)
    Backfill(bot).sweep_due()
    assert [pair.reply_ts for pair in office.pairs()] == [reply]


def is_held(office: Office) -> bool:
    with office.store.read() as conn:
        return any(conn.execute(sa.select(backfills.c.lease_owner)).scalars())


def test_bot_compares_when_it_starts(office: Office, bot: Bot) -> None:
    _, reply = answer(office)
    office.react(JONAS, reply)
    office.start_bot(backfill_calls_per_min=60_000.0)
    assert wait_for(office.pairs)[0].reply_ts == reply
    with office.store.read() as conn:
        assert not count_events(conn)


def test_bot_compares_when_its_connection_is_back(office: Office) -> None:
    office.start_bot(backfill_calls_per_min=60_000.0)
    _, reply = answer(office)
    office.wait_quiet()
    office.control("faults", drops=1.0)
    office.react(JONAS, reply)
    office.control("clear")
    office.control("socket", abrupt=True)
    assert wait_for(office.pairs, timeout_s=30)[0].reply_ts == reply
