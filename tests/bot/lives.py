"""Bots without a connection to Slack, in processes of their own: events go in through Bolt as if Slack had sent them.

Some are killed, as kill -9 does, at a boundary of a statement or just before an acknowledgement. Their lives are short and
begin at once: each is forked from a bot that stands ready. What was not acknowledged is delivered to the next one.
"""

import logging
import multiprocessing
import os
import random
import signal
import sys
import threading
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import sqlalchemy as sa
from slack_bolt import App, BoltRequest
from sqlalchemy import event

from tests.bot.conftest import JONAS, SUPPORT, wait_for
from tests.bot.test_order import CHANGES, Feed
from thumbtune.bot.app import build_app, build_bot
from thumbtune.bot.bot import Bot
from thumbtune.bot.intake import build_keeper
from thumbtune.bot.keeping import Keeper
from thumbtune.bot.listeners.table import LISTENERS
from thumbtune.bot.workers import Workers
from thumbtune.core.logs import configure_logs
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store, connect_store
from thumbtune.core.store.schema import inbox, pairs
from thumbtune.demo.slack.message_log import MessageLog
from thumbtune.demo.slack.seed import TEAM_ID
from thumbtune.demo.slack.wire import Json

logger = logging.getLogger(__name__)

DUPLICATES = 0.3
BLOCK = 500
"""Threads whose events are delivered in random order."""
END_TIMEOUT_S = 3 * 3600.0

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.bot.forked", "tests.bot.lives", "presidio_analyzer.predefined_recognizers"])


def make_feed(number: int) -> Feed:
    """Return one thread's events: approved in most cases, then changed in up to three ways."""
    chosen = random.Random(number)
    first = [f"+{JONAS}"] if chosen.random() < 0.8 else []
    return Feed(number, first + chosen.choices(CHANGES, k=chosen.randint(0, 3)))


def make_bodies(feed: Feed) -> list[Json]:
    """Return what Slack delivers of a thread."""
    base = {"type": "event_callback", "team_id": TEAM_ID}
    events = [{"channel": SUPPORT, **item} for item in feed.events]
    return [{**base, "event_id": f"Ev{feed.root}-{index}", "event": item} for index, item in enumerate(events)]


def show_thread(log: MessageLog, feed: Feed) -> None:
    """Let Slack show a thread as it is in the end, whatever the bot has heard of it."""
    messages: dict[str, Json] = {}
    deleted: set[str] = set()
    for heard in feed.events:
        item = heard.get("item") or {}
        if item:
            given = messages[item["ts"]].setdefault("given", set())
            (given.add if heard["type"] == "reaction_added" else given.discard)(heard["user"])
        elif heard.get("subtype") == "message_deleted":
            deleted.add(heard["deleted_ts"])
        else:
            message = heard.get("message") or heard
            messages[message["ts"]] = {**messages.get(message["ts"], {}), **message, "type": "message"}
    for ts, message in messages.items():
        users = sorted(message.pop("given", ()))
        log.add({**message, "reactions": [{"name": "+1", "users": users, "count": len(users)}]} if users else message)
        if ts in deleted:
            log.remove(ts)


def find_wrong(store: Store, *, feeds: int) -> list[str]:
    """Return the threads whose active pairs are not what their events say: lost, doubled or of another text."""
    with store.read() as conn:
        rows = conn.execute(sa.select(pairs.c.thread_ts, pairs.c.reply).where(pairs.c.state == "active")).all()
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.thread_ts, []).append(row.reply)
    made = [make_feed(number) for number in range(feeds)]
    return [feed.root for feed in made if found.get(feed.root, []) != feed.expected]


def start_lives(settings: Settings, *, kills: int, log: Path) -> tuple[BaseProcess, "SimpleQueue[tuple[int, int]]"]:
    """Start a process that lets one bot after another be killed; it tells how many threads and kills there were."""
    told: SimpleQueue[tuple[int, int]] = _context.SimpleQueue()
    process = _context.Process(target=_live_again_and_again, args=(settings, kills, log, told), daemon=True)
    process.start()
    return process, told


def start_share(settings: Settings, *, share: int, shares: int, feeds: int, log: Path) -> BaseProcess:
    """Start a bot that takes in its share of all deliveries and works until nothing is left."""
    process = _context.Process(target=_take_share, args=(settings, share, shares, feeds, log), daemon=True)
    process.start()
    return process


class Host:
    """A bot that stands ready: nothing of it runs yet."""

    def __init__(self, settings: Settings) -> None:
        self.store = connect_store(settings)
        self.bot: Bot = build_bot(settings, self.store)
        self.bot.people.prefetch()
        self.keeper: Keeper = build_keeper(settings, self.store, signals=self.bot.signals)
        self.door: App = build_app(settings, self.store, bot=self.bot, keeper=self.keeper)

    def take_in(self, body: Json) -> bool:
        """Return whether the delivery is acknowledged."""
        return self.door.dispatch(BoltRequest(body=body, mode="socket_mode")).status == 200

    def is_done(self) -> bool:
        with self.store.read() as conn:
            is_open = sa.exists().where(inbox.c.state != sa.literal_column("'done'"))  # which has an index
            if conn.execute(sa.select(is_open)).scalar_one():
                return False
        return not list(self.bot.settings.spool_dir.glob("*.spool"))

    def fork_life(self, deliveries: list[Json], *, kill_at: int) -> tuple[bool, set[int]]:
        """Let a bot live until it is killed or has nothing to do; return whether it was killed and what it acknowledged."""
        self.store.engine.dispose()
        assert threading.active_count() == 1, "a fork takes no threads along"
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            self._live(deliveries, writing, kill_at=kill_at)
        os.close(writing)
        with os.fdopen(reading, "rb") as told:
            acknowledged = told.read()
        _, status = os.waitpid(child, 0)
        assert status in (0, signal.SIGKILL), f"a life ended with {status}"
        return status == signal.SIGKILL, {
            int.from_bytes(acknowledged[at : at + 4], "big") for at in range(0, len(acknowledged), 4)
        }

    def _live(self, deliveries: list[Json], writing: int, *, kill_at: int) -> None:
        status = 1
        try:
            moments = _count_down(kill_at)
            self.keeper.start()
            for number, body in enumerate(deliveries):
                if self.take_in(body):
                    next(moments)
                    os.write(writing, number.to_bytes(4, "big"))
            workers = Workers(self.bot, LISTENERS)
            workers.work_once()
            if not kill_at:
                wait_for(lambda: not workers.work_once() and self.is_done(), timeout_s=120)
            status = 0
        except BaseException:
            logger.exception("life_failed")
        finally:
            os._exit(status)


def _count_down(moment: int) -> Iterator[None]:
    """Kill this process at the `moment`-th boundary: around every statement, before commits and acknowledgements."""

    def pass_moments() -> Iterator[None]:
        for _ in range(moment - 1):
            yield
        while True:
            if moment:
                os.kill(os.getpid(), signal.SIGKILL)
            yield

    moments, lock = pass_moments(), threading.Lock()

    def pass_one(*_: object) -> None:
        with lock:
            next(moments)

    for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
        event.listen(sa.Engine, name, pass_one)
    return moments


def _live_again_and_again(settings: Settings, kills: int, log: Path, told: "SimpleQueue[tuple[int, int]]") -> None:
    sys.stderr = log.open("a", buffering=1, encoding="utf-8")
    configure_logs(process="bot", level="WARNING")
    host, chosen = Host(settings), random.Random(1)
    feeds = killed = 0
    known: list[Json] = []
    unacknowledged: list[Json] = []
    while killed < kills:
        bodies = make_bodies(make_feed(feeds))
        feeds += 1
        known = (known + bodies)[-40:]
        again = [body for body in known if chosen.random() < DUPLICATES / 4]
        deliveries = unacknowledged + bodies + again
        chosen.shuffle(deliveries)
        was_killed, acknowledged = host.fork_life(deliveries, kill_at=1 + feeds % MOMENTS)
        killed += was_killed
        unacknowledged = [body for number, body in enumerate(deliveries) if number not in acknowledged]
    host.fork_life(unacknowledged, kill_at=0)
    told.put((feeds, killed))


MOMENTS = 211
"""Boundaries that a life has at the most, more or less; a prime number, so that each meets every state of the store."""


def _take_share(settings: Settings, share: int, shares: int, feeds: int, log: Path) -> None:
    sys.stderr = log.open("a", buffering=1, encoding="utf-8")
    configure_logs(process="bot", level="WARNING")
    host, chosen = Host(settings), random.Random(2)
    workers = Workers(host.bot, LISTENERS)
    host.keeper.start()
    workers.start()
    for first in range(0, feeds, BLOCK):
        block = [body for number in range(first, min(first + BLOCK, feeds)) for body in make_bodies(make_feed(number))]
        deliveries = [(chosen.randrange(shares), body) for body in block]
        deliveries += [(chosen.randrange(shares), body) for body in block if chosen.random() < DUPLICATES]
        chosen.shuffle(deliveries)
        for whose, body in deliveries:
            if whose == share:
                wait_for(lambda body=body: host.take_in(body), timeout_s=60)
    wait_for(host.is_done, what="the end of all work", timeout_s=END_TIMEOUT_S)
    workers.stop(timeout_s=10)
    host.keeper.stop(timeout_s=10)
