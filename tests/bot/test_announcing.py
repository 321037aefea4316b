"""The last word on a run reaches Slack, also when Slack is away just then."""

from collections.abc import Callable

import pytest

from tests.bot.conftest import RUTH, SUPPORT, Office, make_desk
from tests.conftest import Clock
from thumbtune.bot.announcing import Announcer
from thumbtune.bot.app import build_bot
from thumbtune.bot.bot import Bot
from thumbtune.bot.posting import Sender
from thumbtune.core.records import TrainingRun
from thumbtune.core.store import Store
from thumbtune.core.store.desks import save_desk
from thumbtune.core.store.runs import (
    add_to_message,
    beat,
    claim_run,
    finish_run,
    list_unannounced_runs,
    load_run,
    open_run,
)
from thumbtune.demo.slack.wire import Json

RESULT = "support-0001 is live."


def begin_run(store: Store, clock: Clock) -> TrainingRun:
    """Let a run of a new desk go on to its fine-tuning."""
    with store.write() as conn:
        save_desk(conn, make_desk())
        open_run(conn, desk_id="support", reason="retrain", now=clock(), announce_channel=SUPPORT)
        run = claim_run(conn, owner="t", now=clock(), lease_s=60)
        assert run is not None
        beat(conn, run, now=clock(), lease_s=60, phase="finetune", progress=0.85, eta_s=60.0)
    return run


@pytest.mark.parametrize("fault", ["server_errors", "cut_before", "cut_after"])
def test_result_is_told_after_slack_was_away(office: Office, store: Store, clock: Clock, fault: str) -> None:
    bot = build_bot(office.settings, store)
    announcer = Announcer(bot)
    run = begin_run(store, clock)
    announcer.announce_due()
    assert Sender(bot).send_due() == 1
    announcer.announce_due()
    with store.write() as conn:
        finish_run(conn, run, state="passed", message=RESULT, now=clock(), adapter="support-0001")
    office.control("faults", **{fault: 1.0}, methods=["chat.update"])
    announcer.announce_due()
    office.control("clear")
    announcer.announce_due()
    assert RESULT in read_told(office, store)


def test_run_that_failed_says_why(office: Office, store: Store, clock: Clock) -> None:
    why = "18 approved replies can be trained on, 20 are needed; approve more replies and try again."
    bot = build_bot(office.settings, store)
    with store.write() as conn:
        save_desk(conn, make_desk())
        open_run(conn, desk_id="support", reason="retrain", now=clock(), announce_channel=SUPPORT)
        run = claim_run(conn, owner="t", now=clock(), lease_s=60)
        assert run is not None
        finish_run(conn, run, state="failed", message=why, now=clock())
    Announcer(bot).announce_due()
    Sender(bot).send_due()
    history = office.call("conversations.history", user=RUTH, channel=SUPPORT)["messages"]
    (message,) = [message for message in history if message.get("bot_id")]
    assert why in str(message)
    assert "What is live stays live" in str(message)


def test_replacement_that_did_not_pass_says_what_stays_live_and_names_nobody(
    office: Office, store: Store, clock: Clock
) -> None:
    bot = build_bot(office.settings, store)
    announcer, sender = Announcer(bot), Sender(bot)
    with store.write() as conn:
        save_desk(conn, make_desk())
        asked = {"reason": "forget", "requested_by": RUTH, "announce_channel": SUPPORT}
        open_run(conn, desk_id="support", now=clock(), **asked)
        run = claim_run(conn, owner="t", now=clock(), lease_s=60)
        assert run is not None
    announcer.announce_due()
    sender.send_due()
    told = office.call("conversations.history", user=RUTH, channel=SUPPORT)["messages"]
    with store.write() as conn:
        finish_run(conn, run, state="inconclusive", message="", now=clock())
    announcer.announce_due()
    told += office.call("conversations.history", user=RUTH, channel=SUPPORT)["messages"]
    first, last = (str(message) for message in told if message.get("bot_id"))
    assert "is learning" in first
    assert RUTH not in first + last
    assert "learned from someone who was forgotten; that one stays live" in last


def test_private_progress_comes_though_slack_was_away_when_its_conversation_was_looked_for(
    office: Office, store: Store, clock: Clock
) -> None:
    bot = build_bot(office.settings, store)
    announcer = Announcer(bot)
    with store.write() as conn:
        save_desk(conn, make_desk())
        run, _ = open_run(conn, desk_id="support", reason="retrain", now=clock(), announce_channel=RUTH)
    office.control("faults", server_errors=1.0, methods=["conversations.open"])
    announcer.announce_due()
    office.control("clear")
    announcer.announce_due()
    with store.read() as conn:
        channel = load_run(conn, run.run_id).announce_channel
    assert str(channel).startswith("D")
    announcer.announce_due()
    assert Sender(bot).send_due() == 1
    (message,) = office.call("conversations.history", user=RUTH, channel=channel)["messages"]
    assert "is learning" in message["text"]


def test_run_asked_for_by_someone_slack_does_not_know_is_told_to_nobody(
    office: Office, store: Store, clock: Clock
) -> None:
    bot = build_bot(office.settings, store)
    with store.write() as conn:
        save_desk(conn, make_desk())
        open_run(conn, desk_id="support", reason="retrain", now=clock(), announce_channel="U0NOBODY1")
    Announcer(bot).announce_due()
    with store.read() as conn:
        assert list_unannounced_runs(conn) == []


@pytest.fixture
def told(office: Office, store: Store, clock: Clock) -> TrainingRun:
    """A run that is going on, told in the channel."""
    bot = build_bot(office.settings, store)
    run = begin_run(store, clock)
    Announcer(bot).announce_due()
    Sender(bot).send_due()
    return run


def hold_up(bot: Bot, monkeypatch: pytest.MonkeyPatch, *, is_taken: bool, do: Callable[[], None]) -> None:
    """Do something while the bot's next call is on its way to Slack, or its answer on the way back."""
    call = bot.slack.call

    def be_slow(method: str, **arguments: object) -> Json:
        monkeypatch.undo()
        answer = call(method, **arguments) if is_taken else {}
        do()
        return answer if is_taken else call(method, **arguments)

    monkeypatch.setattr(bot.slack, "call", be_slow)


def read_told(office: Office, store: Store) -> str:
    """Return the run's message, when nothing is left to be told."""
    with store.read() as conn:
        assert list_unannounced_runs(conn) == []
    history = office.call("conversations.history", user=RUTH, channel=SUPPORT)["messages"]
    (message,) = [message for message in history if message.get("bot_id")]
    return str(message)


def test_what_moves_a_run_while_slack_is_being_told_is_told_too(
    office: Office, store: Store, clock: Clock, told: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = build_bot(office.settings, store)
    with store.write() as conn:
        finish_run(conn, told, state="passed", message=RESULT, now=clock(), adapter="support-0001")

    def go_on() -> None:
        with store.write() as conn:
            add_to_message(conn, told.run_id, "It failed its trial: It leaks.")

    hold_up(bot, monkeypatch, is_taken=True, do=go_on)
    announcer = Announcer(bot)
    announcer.announce_due()
    announcer.announce_due()
    assert "It leaks" in read_told(office, store)


@pytest.mark.parametrize("is_taken", [False, True])
def test_bot_that_is_late_with_an_older_word_does_not_have_the_last(
    office: Office, store: Store, clock: Clock, told: TrainingRun, monkeypatch: pytest.MonkeyPatch, is_taken: bool
) -> None:
    slow, quick = build_bot(office.settings, store), build_bot(office.settings, store)

    def end() -> None:
        with store.write() as conn:
            finish_run(conn, told, state="passed", message=RESULT, now=clock(), adapter="support-0001")
        Announcer(quick).announce_due()

    hold_up(slow, monkeypatch, is_taken=is_taken, do=end)
    Announcer(slow).announce_due()
    Announcer(quick).announce_due()
    assert RESULT in read_told(office, store)
