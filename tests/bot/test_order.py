"""Whatever the order and however often Slack delivers, the same pair comes out."""

from collections.abc import Iterator
from pathlib import Path

import pysqlite3 as sqlite3
import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.bot.conftest import AIKO, JONAS, MAYA, PRIYA, SUPPORT, Office, make_desk
from tests.conftest import Clock
from thumbtune.bot.app import build_bot
from thumbtune.bot.bot import Bot
from thumbtune.bot.intake import read_entry
from thumbtune.bot.listeners.table import LISTENERS
from thumbtune.bot.workers import Workers
from thumbtune.core.sealing import Sealer
from thumbtune.core.store.audits import verify_chain
from thumbtune.core.store.desks import save_desk
from thumbtune.core.store.engine import open_store
from thumbtune.core.store.inbox import add_event, count_events
from thumbtune.core.store.migrate import migrate_store
from thumbtune.core.store.pairs import list_pairs
from thumbtune.core.store.schema import outbox
from thumbtune.core.store.signs import SYNC_REACTION
from thumbtune.demo.slack.seed import TEAM_ID
from thumbtune.demo.slack.wire import Json

EARLIER = ("edit earlier", "delete earlier")
CHANGES = ("edit", "delete", *EARLIER, *(f"{sign}{who}" for who in (JONAS, AIKO, PRIYA, MAYA) for sign in "+-"))


class Feed:
    """Builds one thread's events, true in themselves, and knows how it must end."""

    def __init__(self, number: int, changes: list[str]) -> None:
        self._base, self._step = 1_700_000_000 + number * 1000, 0
        self.root, self.follow_up, self.reply = self._next(), self._next(), self._next()
        self.follow_up_deleted = False
        self.question = f"Where is parcel {number}?"  # each asks something of its own, or they were one pair
        self.text, self.revision, self.deleted = "It comes on Friday.", "", False
        self.given: dict[str, str] = {}
        self.events = [
            {"type": "message", "user": MAYA, "text": self.question, "ts": self.root, "event_ts": self.root},
            {**self._follow_up("Is it blue?"), "type": "message", "event_ts": self.follow_up},
            {**self._message(), "type": "message", "event_ts": self.reply},
        ]
        for change in changes:
            self._apply(change)

    def _next(self) -> str:
        self._step += 1
        return f"{self._base}.{self._step:06d}"

    def _message(self) -> Json:
        edited = {"edited": {"user": PRIYA, "ts": self.revision}} if self.revision else {}
        place = {"ts": self.reply, "thread_ts": self.root, "parent_user_id": MAYA}
        return {"user": PRIYA, "text": self.text, **place, **edited}

    def _follow_up(self, text: str, **changes: Json) -> Json:
        place = {"ts": self.follow_up, "thread_ts": self.root, "parent_user_id": MAYA}
        return {"user": MAYA, "text": text, **place, **changes}

    def _change_earlier(self, change: str, now: str) -> None:
        if self.follow_up_deleted:
            return
        message = self._follow_up(f"Never mind, time {self._step}.", edited={"user": MAYA, "ts": now})
        event: Json = {"type": "message", "subtype": "message_changed", "message": message, "event_ts": now}
        if change == "delete earlier":
            self.follow_up_deleted = True
            event = {"type": "message", "subtype": "message_deleted", "deleted_ts": self.follow_up, "event_ts": now}
            event["previous_message"] = message
        self.events.append(event)

    def _apply(self, change: str) -> None:
        now = self._next()
        if change in EARLIER:
            self._change_earlier(change, now)
        elif change[0] in "+-":
            user = change[1:]
            if self.deleted or (change[0] == "+") == (user in self.given):
                return
            if change[0] == "+":
                self.given[user] = now
            else:
                del self.given[user]
            kind = "reaction_added" if change[0] == "+" else "reaction_removed"
            item = {"type": "message", "channel": SUPPORT, "ts": self.reply}
            self.events.append({"type": kind, "user": user, "reaction": "+1", "item": item, "event_ts": now})
        elif not self.deleted and change == "edit":
            self.text, self.revision = f"It comes on Friday, I say for time {self._step}.", now
            event = {"type": "message", "subtype": "message_changed", "message": self._message()}
            self.events.append({**event, "event_ts": now})
        elif not self.deleted:
            self.deleted = True
            event = {"type": "message", "subtype": "message_deleted", "deleted_ts": self.reply}
            self.events.append({**event, "previous_message": self._message(), "event_ts": now})

    @property
    def expected(self) -> list[str]:
        """The replies of the active pairs at the end."""
        approved = any(self.given.get(user, "") > self.revision for user in (JONAS, AIKO))
        return [self.text] if approved and not self.deleted else []


@pytest.fixture
def quiet_bot(office: Office, clock: Clock, tmp_path: Path) -> Iterator[Bot]:
    """A bot without threads, on a clock that stands still."""
    store = open_store(f"sqlite:///{tmp_path / 'order.sqlite3'}", Sealer(Fernet.generate_key().decode()), now=clock)
    migrate_store(store)
    with store.write() as conn:
        save_desk(conn, make_desk())
    bot = build_bot(office.settings, store)
    bot.people.prefetch()
    yield bot
    store.engine.dispose()


def test_every_order_and_repetition_ends_alike(quiet_bot: Bot, clock: Clock) -> None:
    workers = Workers(quiet_bot, LISTENERS)
    numbers = iter(range(10_000))

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.lists(st.sampled_from(CHANGES), min_size=1, max_size=7), st.randoms(use_true_random=False))
    def check(changes: list[str], random: object) -> None:
        feed = Feed(next(numbers), changes)
        deliveries = [(index, event) for index, event in enumerate(feed.events)]
        deliveries += random.sample(deliveries, k=min(3, len(deliveries)))  # type: ignore[attr-defined]
        random.shuffle(deliveries)  # type: ignore[attr-defined]
        cut = random.randrange(len(deliveries) + 1)  # type: ignore[attr-defined]
        for part in (deliveries[:cut], deliveries[cut:]):
            for index, event in part:
                deliver(quiet_bot, f"Ev{feed.root}-{index}", event)
            workers.work_once()
        for _ in range(5):
            clock.advance(seconds=5)
            workers.work_once()
        with quiet_bot.store.read() as conn:
            active = [pair for pair in list_pairs(conn, state="active", limit=5000) if pair.thread_ts == feed.root]
            assert set(count_events(conn)) == {"done"}
        assert [pair.reply for pair in active] == feed.expected
        turns = [feed.question] if feed.follow_up_deleted else [feed.question, "Is it blue?"]
        assert all([turn.text for turn in pair.turns] == turns for pair in active)

    check()


@pytest.mark.parametrize(
    "changes",
    [
        [f"+{JONAS}"],
        [f"+{JONAS}", f"-{JONAS}"],
        [f"+{JONAS}", f"-{JONAS}", f"+{JONAS}"],
        [f"+{JONAS}", "edit"],
        [f"+{JONAS}", "edit", f"-{JONAS}", f"+{JONAS}"],
        [f"+{JONAS}", "edit", f"+{AIKO}", "edit"],
    ],
)
def test_reactions_without_a_time_count_as_they_come(quiet_bot: Bot, changes: list[str]) -> None:
    feed = Feed(0, changes)
    workers = Workers(quiet_bot, LISTENERS)
    for index, event in enumerate(feed.events):
        if str(event["type"]).startswith("reaction_"):
            del event["event_ts"]
        deliver(quiet_bot, f"Ev{index}", event)
        workers.work_once()
    with quiet_bot.store.read() as conn:
        assert [pair.reply for pair in list_pairs(conn, state="active")] == feed.expected


def test_work_that_a_power_cut_undid_is_done_anew_with_the_same_end(quiet_bot: Bot) -> None:
    """The work's commit does not wait for the disk, the event's does: a power cut may undo the one, not the other."""
    feed = Feed(0, [f"+{JONAS}", "edit", f"+{AIKO}"])
    workers, on_disk = Workers(quiet_bot, LISTENERS), sqlite3.connect(":memory:")
    for index, event in enumerate(feed.events):
        deliver(quiet_bot, f"Ev{index}", event)
        copy_database(quiet_bot, to=on_disk)
        workers.work_once()
        with quiet_bot.store.read() as conn:
            before = list_pairs(conn)
        restore_database(quiet_bot, on_disk)
        with quiet_bot.store.read() as conn:
            assert count_events(conn).get("received") == 1
        workers.work_once()
        with quiet_bot.store.read() as conn:
            assert list_pairs(conn) == before
            assert not verify_chain(conn).finding
    assert [pair.reply for pair in before if pair.state == "active"] == feed.expected


@pytest.mark.parametrize("is_original_late", [True, False])
def test_sign_follows_a_pair_whose_doubt_comes_or_goes(quiet_bot: Bot, clock: Clock, is_original_late: bool) -> None:
    """The approval and the reply are the same before and after: only what is known of an earlier message changes."""
    root, original, reply, edit, added = Feed(1, ["edit earlier", f"+{AIKO}"]).events
    workers, signs = Workers(quiet_bot, LISTENERS), []
    parts = ([root, edit, reply, added], [original]) if is_original_late else ([root, reply, added], [edit])
    for number, events in enumerate(parts):
        for index, event in enumerate(events):
            deliver(quiet_bot, f"Ev{number}-{index}", event)
        for _ in range(3):
            workers.work_once()
            clock.advance(seconds=5)
        with quiet_bot.store.read() as conn:
            [pair] = list_pairs(conn)
            count = sa.select(sa.func.count()).where(outbox.c.method == SYNC_REACTION)
            signs.append((pair.state, conn.execute(count).scalar_one()))
    states = ("quarantined", "active") if is_original_late else ("active", "quarantined")
    assert [state for state, _ in signs] == list(states)
    assert signs[1][1] > signs[0][1], "nobody asks for the reaction to be set right"


def copy_database(bot: Bot, *, to: sqlite3.Connection) -> None:
    with bot.store.read() as conn:
        find_driver(conn).backup(to)


def restore_database(bot: Bot, copy: sqlite3.Connection) -> None:
    with bot.store.engine.connect() as conn:
        copy.backup(find_driver(conn))


def find_driver(conn: sa.Connection) -> sqlite3.Connection:
    driver = conn.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def deliver(bot: Bot, event_id: str, event: Json) -> None:
    body = {"type": "event_callback", "team_id": TEAM_ID, "event_id": event_id, "event": {"channel": SUPPORT, **event}}
    entry = read_entry(body)
    assert entry is not None
    with bot.store.write() as conn:
        add_event(
            conn,
            bot.store.sealer,
            team_id=entry.team_id,
            event_key=entry.event_key,
            kind=entry.kind,
            name=entry.name,
            body=body,
            now=bot.store.now(),
        )
