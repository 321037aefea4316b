"""What Slack never delivered: a bot that hears nothing, people who go on meanwhile, and what happens between two calls.

It does not know what is tested.
"""

from collections.abc import Callable
from dataclasses import replace

from tests.bot.conftest import MAYA, PRIYA, Office
from thumbtune.bot.app import build_bot
from thumbtune.bot.backfilling import Backfill
from thumbtune.bot.bot import Bot
from thumbtune.bot.slack import Json, SlackApi
from thumbtune.demo.slack import seed


def build_deaf_bot(office: Office) -> Bot:
    """Return a bot that hears nothing of what happens: every event is lost on the way."""
    office.control("faults", drops=1.0)
    bot = build_bot(office.settings.model_copy(update={"backfill_calls_per_min": 60_000.0}), office.store)
    bot.people.prefetch()
    return bot


def answer(office: Office, number: int = 1) -> tuple[str, str]:
    """Let a customer ask and an agent answer; return question and reply."""
    question = office.say(MAYA, f"Where is parcel {number}?")
    return question, office.say(PRIYA, f"Parcel {number} comes on Friday.", thread=question)


def sweep_later(office: Office, bot: Bot) -> None:
    """Sweep when no thread has a new message since the last sweep."""
    with office.store.write() as conn:
        conn.exec_driver_sql("UPDATE backfills SET swept_at = '2999-01-01 00:00:00'")
    later = Backfill(bot)
    later._gap_ended_at = later._gap_ended_at.replace(year=3000)
    later.sweep_due()


def end_leases(office: Office) -> None:
    """Let the leases of all sweeps be over."""
    with office.store.write() as conn:
        conn.exec_driver_sql("UPDATE backfills SET lease_until = NULL")


class WatchedSlack(SlackApi):
    """The Web API with somebody who looks on: they do something before or after a call, or let it fail by raising."""

    def __init__(self, office: Office) -> None:
        super().__init__(seed.BOT_TOKEN, base_url=office.slack.api_url)
        self.before: Callable[[str, Json], None] = lambda method, arguments: None
        self.after: Callable[[str, Json], None] = lambda method, arguments: None

    def call(self, method: str, **arguments: object) -> Json:
        self.before(method, arguments)
        answer = super().call(method, **arguments)
        self.after(method, arguments)
        return answer


def watch(office: Office, bot: Bot) -> tuple[Bot, WatchedSlack]:
    """Return the same bot with somebody who looks on, and them."""
    slack = WatchedSlack(office)
    return replace(bot, slack=slack), slack
