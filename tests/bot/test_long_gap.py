"""After a week in which the bot heard nothing, every approval is found again, and what was undone meanwhile is withdrawn."""

import itertools
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from tests.bot.conftest import AIKO, JONAS, MAYA, PRIYA, RUTH, SUPPORT, TOMAS, Office, make_desk
from tests.conftest import Clock
from thumbtune.bot.app import build_bot
from thumbtune.bot.backfilling import Backfill
from thumbtune.core.store.desks import save_desk
from thumbtune.demo.slack import seed

CHANNELS = (SUPPORT, "C0EAST001", "C0WEST001")
GAP = timedelta(days=7)
BEFORE = timedelta(days=6)
"""How old the oldest message is when the gap begins."""

Step = tuple[float, Callable[[], object]]


class Team:
    """What happens in a busy week, at its own times, and what must come of it."""

    def __init__(self, office: Office, clock: Clock) -> None:
        self._office = office
        self._clock = clock
        self._chosen = random.Random(5)
        self.replies: dict[str, str] = {}
        """The channel of every answer by its ts."""
        self.approvers: dict[str, set[str]] = {}
        self.spoilt: set[str] = set()
        """Answers edited or deleted after their approval."""

    @property
    def approved(self) -> set[str]:
        return {ts for ts, users in self.approvers.items() if users} - self.spoilt

    def play(self, steps: list[Step]) -> None:
        """Do all steps in the order of their times, in seconds from now."""
        began = self._clock()
        for at_s, step in sorted(steps, key=lambda item: item[0]):
            self._clock.advance(seconds=at_s - (self._clock() - began).total_seconds())
            step()

    def plan_threads(self, count: int, *, within: timedelta) -> list[Step]:
        """Plan questions with answers; most answers are approved hours or days later, some by two, some not for long."""
        return [step for _ in range(count) for step in self._plan_thread(within.total_seconds())]

    def plan_changes(self, replies: list[str], *, within: timedelta) -> list[Step]:
        """Plan what becomes of older answers: a first approval, one taken back, an edit, a deletion."""
        ways = itertools.cycle([self.approve, self.take_back, self.edit, self.delete])
        times = (self._chosen.uniform(0, within.total_seconds()) for _ in replies)
        return [(at_s, partial(way, ts)) for at_s, way, ts in zip(times, ways, replies, strict=False)]

    def _plan_thread(self, seconds: float) -> list[Step]:
        asked_at, *others = sorted(self._chosen.uniform(0, seconds) for _ in range(4))
        channel, made = self._chosen.choice(CHANNELS), list[str]()

        def ask() -> None:
            number = len(self.replies)
            asker, asked = self._chosen.choice([MAYA, TOMAS]), f"Where is parcel {number}?"
            question = self._office.say(asker, asked, channel=channel)
            told = f"Parcel {number} comes on Friday."
            made.append(self._office.say(PRIYA, told, thread=question, channel=channel))
            self.replies[made[0]] = channel

        steps: list[Step] = [(asked_at, ask)]
        if self._chosen.random() < 0.7:
            steps.append((others[0], lambda: self.approve(made[0])))
        if self._chosen.random() < 0.2:
            steps.append((others[1], lambda: self.approve(made[0])))
        if self._chosen.random() < 0.15:
            steps.append((others[2], lambda: self.take_back(made[0])))
        return steps

    def approve(self, ts: str) -> None:
        given = self.approvers.setdefault(ts, set())
        for user in self._chosen.sample([JONAS, AIKO, RUTH], k=1):
            if user not in given:
                self._office.react(user, ts, channel=self.replies[ts])
                given.add(user)

    def take_back(self, ts: str) -> None:
        for user in sorted(self.approvers.get(ts, ())):
            self._office.react(user, ts, on=False, channel=self.replies[ts])
        self.approvers[ts] = set()

    def edit(self, ts: str) -> None:
        text = "It is lost, I am afraid."
        self._office.call("chat.update", user=PRIYA, channel=self.replies[ts], ts=ts, text=text)
        self.spoilt.add(ts)

    def delete(self, ts: str) -> None:
        self._office.call("chat.delete", user=PRIYA, channel=self.replies[ts], ts=ts)
        self.spoilt.add(ts)


@pytest.fixture
def team(office: Office, clock: Clock) -> Team:
    """A desk with three channels, on a clock of its own."""
    office.store = replace(office.store, now=clock)
    office.slack.slack.workspace.clock = lambda: clock().timestamp()
    for channel in CHANNELS:
        office.control("channels", id=channel, name=channel.lower())
        for user in (*(person.user_id for person in seed.PEOPLE), seed.BOT_USER_ID):
            office.control("members", channel=channel, user=user)
    with office.store.write() as conn:
        save_desk(conn, make_desk(channels=CHANNELS))
    return Team(office, clock)


def test_every_approval_of_a_deaf_week_is_found(office: Office, team: Team, clock: Clock) -> None:
    office.control("faults", drops=1.0)
    bot = build_bot(office.settings.model_copy(update={"backfill_calls_per_min": 60_000.0}), office.store)
    bot.people.prefetch()
    team.play(team.plan_threads(40, within=BEFORE))
    Backfill(bot).sweep_due()
    assert {pair.reply_ts for pair in office.pairs()} == team.approved
    gap_began, older = clock(), sorted(team.replies)
    approved_before, unapproved = team.approved, sorted(set(older) - team.approved)

    changes = team.plan_changes(sorted(approved_before)[::2], within=GAP)
    late = [(number * 3600.0 + 1, partial(team.approve, ts)) for number, ts in enumerate(unapproved)]
    team.play([*team.plan_threads(120, within=GAP * 0.999), *changes, *late])
    clock.advance(seconds=(gap_began + GAP - clock()).total_seconds())
    Backfill(bot).sweep_due()

    assert {pair.reply_ts for pair in office.pairs()} == team.approved
    gone = {pair.reply_ts for pair in office.pairs("withdrawn")}
    assert approved_before - team.approved <= gone
    assert len(team.approved - approved_before) > 50
    assert not office.pairs("quarantined")
