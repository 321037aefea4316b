"""A draft is written once, for who asked and in time, whatever happens beside it."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.bot.conftest import JONAS, MAYA, PRIYA, SUPPORT, Office, make_desk, wait_for
from tests.conftest import Clock
from thumbtune.bot.app import build_bot
from thumbtune.bot.asks import Ask
from thumbtune.bot.bot import Bot, Later
from thumbtune.bot.drafting import answer_ask
from thumbtune.core.store import Store
from thumbtune.core.store.desks import save_desk
from thumbtune.core.store.drafts import list_drafts
from thumbtune.demo.slack.seed import BOT_USER_ID, GENERAL_CHANNEL


@pytest.fixture
def question(office: Office) -> str:
    return office.say(MAYA, "Can I return shoes?")


@pytest.fixture
def bot(office: Office, store: Store, question: str) -> Iterator[Bot]:
    """A bot without threads, on each kind of database."""
    with store.write() as conn:
        save_desk(conn, make_desk())
    office.serve_model(store=store)
    opened = build_bot(office.settings, store)
    yield opened
    opened.models.close()


def make_ask(bot: Bot, ts: str, **changes: object) -> Ask:
    values = {"channel_id": SUPPORT, "ts": ts, "user_id": PRIYA, "request_key": "T:Ev1", "temperature": 0.0}
    return Ask(**{**values, "is_first_try": True, "received_at": bot.store.now(), **changes})


def test_two_writers_of_one_draft_show_the_text_that_is_kept(bot: Bot, office: Office, question: str) -> None:
    ways = iter(("One way to say it.", "Another way to say it."))
    office.model.reply = lambda request: next(ways)
    office.model.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        asks = [pool.submit(answer_ask, bot, make_ask(bot, question)) for _ in range(2)]
        wait_for(lambda: len(office.model.requests) == 2, what="two requests to the model")
        office.model.gate.set()
        for ask in asks:
            ask.result(10)
    with bot.store.read() as conn:
        (draft,) = list_drafts(conn)
    cards = [str(card) for card in office.private(PRIYA, thread=question) if "draft_post" in str(card)]
    assert cards
    assert all(draft.text in card for card in cards)


def test_ask_that_lay_too_long_is_not_written_and_can_be_asked_again(
    bot: Bot, office: Office, question: str, clock: Clock
) -> None:
    ask = make_ask(bot, question)
    clock.advance(seconds=3 * 3600)
    office.serve_model(store=bot.store)
    answer_ask(bot, ask)
    assert not office.model.requests
    with bot.store.read() as conn:
        assert [draft.state for draft in list_drafts(conn)] == ["stale"]
    (card,) = office.private(PRIYA, thread=question)
    assert "in time" in card["text"]
    assert "draft_retry" in str(card)


def test_ask_waits_for_the_model_until_its_deadline(bot: Bot, office: Office, question: str, clock: Clock) -> None:
    ask = make_ask(bot, question)
    office.serve_model(store=bot.store, healthy=False)
    with pytest.raises(Later):
        answer_ask(bot, ask)
    clock.advance(seconds=bot.settings.draft_deadline_s + 1)
    answer_ask(bot, ask)
    with bot.store.read() as conn:
        assert [draft.state for draft in list_drafts(conn)] == ["stale"]


def test_asker_is_answered_where_the_bot_is_no_member(staffed: Office) -> None:
    staffed.control("members", channel=GENERAL_CHANNEL, user=BOT_USER_ID, is_member=False)
    message = staffed.say(MAYA, "Can I return shoes?", channel=GENERAL_CHANNEL)
    staffed.ask(PRIYA, message, channel=GENERAL_CHANNEL)
    wait_for(lambda: "no support desk" in str(staffed.private(PRIYA, channel=GENERAL_CHANNEL)))


def test_link_to_a_channel_without_the_bot_is_answered_where_it_was_given(
    staffed: Office, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with staffed.store.write() as conn:
        save_desk(conn, make_desk(channels=(GENERAL_CHANNEL,)))
    staffed.control("members", channel=GENERAL_CHANNEL, user=BOT_USER_ID, is_member=False)
    message = staffed.say(MAYA, "Can I return shoes?", channel=GENERAL_CHANNEL)
    link = f"https://x.example/archives/{GENERAL_CHANNEL}/p{message.replace('.', '')}"
    staffed.command(JONAS, f"/draft {link}")
    wait_for(lambda: "/invite" in str(staffed.private(JONAS)))
    assert not [record for record in caplog.records if "/commands/" in str(vars(record))]
