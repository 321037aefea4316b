"""A thread is brought to what Slack has, whatever else happens meanwhile."""

from collections.abc import Callable

import pytest

from tests.bot.conftest import AIKO, JONAS, MAYA, PRIYA, SUPPORT, TOMAS, Office
from tests.bot.missed import answer, build_deaf_bot, watch
from tests.bot.test_order import deliver
from thumbtune.bot.bot import Bot
from thumbtune.bot.listeners.table import LISTENERS
from thumbtune.bot.repairing import repair_thread
from thumbtune.bot.slack import Json
from thumbtune.bot.workers import Workers
from thumbtune.core.forgetting import forget
from thumbtune.demo.slack import seed

Thread = tuple[str, str]


@pytest.fixture
def bot(office: Office) -> Bot:
    return build_deaf_bot(office)


@pytest.fixture
def thread(office: Office, bot: Bot) -> Thread:
    """A question and its approved reply, as they are stored."""
    question, reply = answer(office)
    office.react(JONAS, reply)
    assert repair(bot, question)
    assert [pair.approved_by for pair in office.pairs()] == [JONAS]
    return question, reply


def test_approval_that_is_found_of_someone_who_has_left_does_not_count(office: Office, bot: Bot) -> None:
    """Nobody knows whether it was given before: one that came in time was seen in time."""
    desk = bot.find_desk(SUPPORT)
    assert desk is not None
    bot.people.fetch_roles(desk)  # while they are in the group
    question, reply = answer(office)
    office.slack.slack.workspace.groups[seed.AGENTS_GROUP]["users"] = [PRIYA, AIKO]
    office.react(JONAS, reply)
    later = build_deaf_bot(office)
    assert repair(later, question)
    assert office.pairs() == []
    office.slack.slack.workspace.groups[seed.AGENTS_GROUP]["users"] = [PRIYA, AIKO, JONAS]
    assert repair(build_deaf_bot(office), question)
    assert [pair.approved_by for pair in office.pairs()] == [JONAS]


def test_veto_that_is_found_of_someone_who_has_left_counts(office: Office, bot: Bot) -> None:
    desk = bot.find_desk(SUPPORT)
    assert desk is not None
    bot.people.fetch_roles(desk)
    question, reply = answer(office)
    office.react(JONAS, reply, "thumbsdown")
    office.slack.slack.workspace.groups[seed.AGENTS_GROUP]["users"] = [PRIYA, AIKO]
    office.react(AIKO, reply)
    assert repair(build_deaf_bot(office), question)
    assert office.pairs() == []


def repair(bot: Bot, ts: str, *, may_be_gone: bool = True) -> bool:
    desk = bot.find_desk(SUPPORT)
    assert desk is not None
    return repair_thread(bot, desk=desk, channel_id=SUPPORT, ts=ts, may_be_gone=may_be_gone)


def react(bot: Bot, thread: Thread, user: str, kind: str) -> None:
    item = {"type": "message", "channel": SUPPORT, "ts": thread[1]}
    event = {"type": kind, "user": user, "reaction": "+1", "item": item, "event_ts": read_time(bot)}
    deliver(bot, f"Ev{kind}", event)


def take_back(bot: Bot, thread: Thread) -> None:
    react(bot, thread, JONAS, "reaction_removed")


def edit(bot: Bot, thread: Thread) -> None:
    now = read_time(bot)
    message = {"type": "message", "user": PRIYA, "text": "It comes on Monday.", "ts": thread[1], "thread_ts": thread[0]}
    message = {**message, "edited": {"user": PRIYA, "ts": now}}
    deliver(bot, "Ev2", {"type": "message", "subtype": "message_changed", "message": message, "event_ts": now})


def delete(bot: Bot, thread: Thread) -> None:
    before = {"type": "message", "user": PRIYA, "ts": thread[1], "thread_ts": thread[0]}
    gone = {"subtype": "message_deleted", "deleted_ts": thread[1], "previous_message": before}
    deliver(bot, "Ev3", {"type": "message", **gone, "event_ts": read_time(bot)})


def read_time(bot: Bot) -> str:
    return f"{bot.store.now().timestamp():.6f}"


def repair_while(office: Office, bot: Bot, thread: Thread, happening: Callable[[Bot, Thread], None]) -> None:
    """Repair a thread while a worker works on an event, after Slack has answered and before the answer is stored."""
    watched, slack = watch(office, bot)
    workers = Workers(bot, LISTENERS)

    def work(method: str, arguments: Json) -> None:
        if method == "conversations.replies":
            happening(bot, thread)
            workers.work_once()

    slack.after = work
    assert repair(watched, thread[0])


@pytest.mark.parametrize("happening", [take_back, edit, delete])
def test_what_ends_a_pair_meanwhile_stays(
    office: Office, bot: Bot, thread: Thread, happening: Callable[[Bot, Thread], None]
) -> None:
    repair_while(office, bot, thread, happening)
    assert office.pairs() == []


def test_approval_given_meanwhile_stays(office: Office, bot: Bot) -> None:
    thread = answer(office)
    assert repair(bot, thread[0])
    repair_while(office, bot, thread, lambda bot, thread: react(bot, thread, AIKO, "reaction_added"))
    assert [pair.approved_by for pair in office.pairs()] == [AIKO]


@pytest.mark.parametrize("place", [0, 1])
def test_thread_that_slack_knows_no_more_is_gone(office: Office, bot: Bot, thread: Thread, place: int) -> None:
    office.call("chat.delete", user=PRIYA, channel=SUPPORT, ts=thread[1])
    office.call("chat.delete", user=MAYA, channel=SUPPORT, ts=thread[0])
    assert not repair(bot, thread[place], may_be_gone=False)
    assert office.pairs()  # an event may be ahead of what Slack shows
    assert repair(bot, thread[place])
    (pair,) = office.pairs("withdrawn")
    assert (pair.reason, pair.reply, pair.turns) == ("the reply was deleted", "", ())


def test_reply_deleted_is_gone_whichever_message_led_there(office: Office, bot: Bot, thread: Thread) -> None:
    office.call("chat.delete", user=PRIYA, channel=SUPPORT, ts=thread[1])
    assert repair(bot, thread[1])
    assert office.pairs() == []


def test_nothing_follows_from_what_the_bot_cannot_see(office: Office, bot: Bot, thread: Thread) -> None:
    office.control("members", channel=SUPPORT, user=seed.BOT_USER_ID, is_member=False)
    assert not repair(bot, thread[0])
    assert office.pairs()


@pytest.mark.parametrize("has_left", [False, True])
def test_forgotten_agents_word_to_the_bot_is_no_hole(office: Office, bot: Bot, has_left: bool) -> None:
    question = office.say(MAYA, "Where is my order, please?")
    office.say(AIKO, f"<@{seed.BOT_USER_ID}> what may I say to her?", thread=question)
    reply = office.say(PRIYA, "It arrives on Friday.", thread=question)
    office.react(JONAS, reply)
    assert repair(bot, question)
    [made] = office.pairs()
    if has_left:
        office.slack.slack.workspace.groups[seed.AGENTS_GROUP]["users"] = [PRIYA, JONAS]
    forget(office.store, office.settings, person=AIKO, desk_ids=[], by="cli")
    repair(build_deaf_bot(office), question)
    assert office.pairs() == [made]


def test_forgotten_guests_word_to_the_bot_is_one(office: Office) -> None:
    office.slack.slack.workspace.users[MAYA]["is_restricted"] = True
    question = office.say(TOMAS, "Do you sell umbrellas?")
    office.say(MAYA, f"<@{seed.BOT_USER_ID}> and where is my order, please?", thread=question)
    reply = office.say(PRIYA, "It arrives on Friday.", thread=question)
    office.react(JONAS, reply)
    forget(office.store, office.settings, person=MAYA, desk_ids=[], by="cli")
    assert repair(build_deaf_bot(office), question)
    assert office.pairs() == []
