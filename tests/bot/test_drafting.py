"""A draft is written once, for who asked and in time, whatever happens beside it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.bot.conftest import MAYA, PRIYA, SUPPORT, Office, make_desk, wait_for
from thumbtune.bot.app import build_bot
from thumbtune.bot.asks import Ask
from thumbtune.bot.bot import Bot
from thumbtune.bot.drafting import answer_ask
from thumbtune.core.store import Store
from thumbtune.core.store.desks import save_desk
from thumbtune.core.store.drafts import list_drafts


@pytest.fixture
def question(office: Office) -> str:
    return office.say(MAYA, "Can I return shoes?")


@pytest.fixture
def bot(office: Office, store: Store, question: str) -> Bot:
    """A bot without threads, on each kind of database."""
    with store.write() as conn:
        save_desk(conn, make_desk())
    office.serve_model(store=store)
    return build_bot(office.settings, store)


def make_ask(ts: str, **changes: object) -> Ask:
    values = {"channel_id": SUPPORT, "ts": ts, "user_id": PRIYA, "request_key": "T:Ev1", "temperature": 0.0}
    return Ask(**{**values, "is_first_try": True, **changes})


def test_two_writers_of_one_draft_show_the_text_that_is_kept(bot: Bot, office: Office, question: str) -> None:
    ways = iter(("One way to say it.", "Another way to say it."))
    office.model.reply = lambda request: next(ways)
    office.model.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        asks = [pool.submit(answer_ask, bot, make_ask(question)) for _ in range(2)]
        wait_for(lambda: len(office.model.requests) == 2, what="two requests to the model")
        office.model.gate.set()
        for ask in asks:
            ask.result(10)
    with bot.store.read() as conn:
        (draft,) = list_drafts(conn)
    cards = [str(card) for card in office.private(PRIYA, thread=question) if "draft_post" in str(card)]
    assert cards
    assert all(draft.text in card for card in cards)
