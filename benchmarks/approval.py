"""Measures what it takes from a 👍 to its stored pair, as a ratio to a bare Bolt listener that writes one row.

Both take the same events through Bolt in one process, in turn, on SQLite. Ours is the real intake and the real workers, from the
delivery to the commit of the pair, the audit and the sign; messages are there before, as in a channel. First one 👍 at a
time, nothing else waiting; then many at once, as after a gap, per 👍. Each waits for the disk before Bolt acknowledges: the
bare listener for its row, ours for the event. What ours makes of it follows from the event and does not wait for the disk
again (docs/decisions/0023-one-wait-for-the-disk.md); it is committed when the clock stops.

Run: python -m benchmarks.approval [--count 400]
"""

import argparse
import os
import platform
import random
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pysqlite3 as sqlite3
import sqlalchemy as sa
from slack_bolt import App, BoltRequest
from slack_sdk import WebClient

from thumbtune.bot.app import build_app, build_bot
from thumbtune.bot.intake import build_keeper
from thumbtune.bot.listeners.table import LISTENERS
from thumbtune.bot.workers import Workers
from thumbtune.core.logs import configure_logs
from thumbtune.core.records import Desk
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store, connect_store, migrate_store
from thumbtune.core.store.desks import save_desk
from thumbtune.core.store.inbox import count_events
from thumbtune.core.store.schema import pairs
from thumbtune.demo.slack import seed
from thumbtune.demo.slack.local_slack import ServerOptions
from thumbtune.demo.slack.server import ServerThread
from thumbtune.demo.slack.wire import Json

CUSTOMER, AGENT, APPROVER = "U0MAYA001", "U0PRIYA01", "U0JONAS01"
SENDERS = 8
SYLLABLES = [first + vowel for first in "bdfghklmnprstvw" for vowel in ("a", "e", "i", "o", "u")]
PATIENCE_S = 60.0

Handle = Callable[[Json], None]


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=400, help="approvals in each of the two parts")
    count = parser.parse_args().count
    configure_logs(process="bot", level="ERROR")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    load = os.getloadavg()[0]
    print(f"{commit}, {platform.machine()}, {os.cpu_count()} cores, load {load:.1f}, {count} approvals a part\n")
    with tempfile.TemporaryDirectory() as folder, ServerThread(ServerOptions(port=0)) as slack:
        tokens: dict[str, Any] = {  # Any: settings of several types
            "SLACK_BOT_TOKEN": seed.BOT_TOKEN,
            "SLACK_APP_TOKEN": seed.APP_TOKEN,
            "SLACK_API_URL": slack.api_url,
        }
        settings = Settings(
            _env_file=None, data_dir=Path(folder) / "data", burst_approvals=0, approvals_per_day=0, **tokens
        )
        measure(settings, Path(folder), count)


def measure(settings: Settings, folder: Path, count: int) -> None:
    store = make_store(settings)
    bot = build_bot(settings, store)
    bot.people.prefetch()
    keeper = build_keeper(settings, store, signals=bot.signals)
    door = build_app(settings, store, bot=bot, keeper=keeper)
    workers = Workers(bot, LISTENERS)
    keeper.start()
    workers.start()
    bare = make_bare(settings, folder / "bare.sqlite3")

    def handle(body: Json) -> None:
        bot.signals.send.clear()  # set when the worker has committed
        take_in(door, body)
        assert bot.signals.send.wait(PATIENCE_S)

    for number in range(2 * count + 1):
        for body in make_thread(number):
            take_in(door, body)
    wait_until_done(store, settings)
    handle(make_approval(2 * count))
    alone = {"ours": list[float](), "bare": list[float]()}
    for number in range(count):
        alone["ours"].append(clock(handle, make_approval(number)))
        alone["bare"].append(clock(bare, make_approval(number)))
    many = [make_approval(number) for number in range(count, 2 * count)]
    together = clock(
        lambda _: take_all(lambda body: take_in(door, body), many, then=lambda: wait_until_done(store, settings)), {}
    )
    together_bare = clock(lambda _: take_all(bare, many), {})
    with store.read() as conn:
        stored = conn.execute(sa.select(sa.func.count()).where(pairs.c.state == "active")).scalar_one()
    assert stored == 2 * count + 1, f"{stored} pairs of {2 * count + 1} approvals"
    workers.stop(timeout_s=10)
    keeper.stop(timeout_s=10)
    print("| | ours, ms | bare listener, ms | ratio |\n|---|---|---|---|")
    ours_ms, bare_ms = (statistics.median(alone[name]) * 1000 for name in ("ours", "bare"))
    print(f"| one 👍 alone, median | {ours_ms:.2f} | {bare_ms:.2f} | {ours_ms / bare_ms:.2f} |")
    ours_ms, bare_ms = (seconds * 1000 / count for seconds in (together, together_bare))
    print(f"| each of {count} at once | {ours_ms:.2f} | {bare_ms:.2f} | {ours_ms / bare_ms:.2f} |")


def make_store(settings: Settings) -> Store:
    store = connect_store(settings)
    migrate_store(store)
    agents = (seed.AGENTS_GROUP,)
    desk = Desk("support", seed.TEAM_ID, "Support", voice="", channels=(seed.SUPPORT_CHANNEL,), agents=agents)
    with store.write() as conn:
        save_desk(conn, desk)
    return store


def make_bare(settings: Settings, path: Path) -> Handle:
    """Return a Bolt listener that writes who reacted to what, committed as durably as ours."""
    engine = sa.create_engine(f"sqlite:///{path}", module=sqlite3)
    with engine.begin() as conn:
        conn.exec_driver_sql("PRAGMA journal_mode=WAL")
        conn.exec_driver_sql("CREATE TABLE reactions (event_id TEXT PRIMARY KEY, ts TEXT, user_id TEXT, emoji TEXT)")

    @sa.event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA synchronous=FULL")

    engine.dispose()
    client = WebClient(seed.BOT_TOKEN, base_url=settings.slack_api_url)
    app = App(client=client, request_verification_enabled=False, process_before_response=True)

    @app.event("reaction_added")
    def keep(event: Json, body: Json) -> None:
        row = (body["event_id"], event["item"]["ts"], event["user"], event["reaction"])
        with engine.begin() as conn:
            conn.exec_driver_sql("INSERT INTO reactions VALUES (?, ?, ?, ?)", row)

    return lambda body: take_in(app, body)


def make_thread(number: int) -> list[Json]:
    """Return a question and its answer, unlike all others, as most of what is approved is."""
    chosen = random.Random(number)
    question, reply = make_ts(number, 1), make_ts(number, 2)
    asked = {"user": CUSTOMER, "text": f"Hello, {say(chosen)}?", "ts": question}
    told = {"user": AGENT, "text": f"Hi Maya, {say(chosen)}.", "ts": reply, "thread_ts": question}
    place = {"type": "message", "channel": seed.SUPPORT_CHANNEL, "parent_user_id": CUSTOMER}
    return [make_body(f"{event['ts']}", {**place, **event, "event_ts": event["ts"]}) for event in (asked, told)]


def say(chosen: random.Random) -> str:
    return " ".join(chosen.choice(SYLLABLES) + chosen.choice(SYLLABLES) for _ in range(14))


def make_approval(number: int) -> Json:
    item = {"type": "message", "channel": seed.SUPPORT_CHANNEL, "ts": make_ts(number, 2)}
    event = {"type": "reaction_added", "user": APPROVER, "reaction": "+1", "item": item, "item_user": AGENT}
    return make_body(f"approval {number}", {**event, "event_ts": make_ts(number, 3)})


def make_ts(number: int, step: int) -> str:
    return f"{1_700_000_000 + number}.{step:06d}"


def make_body(event_id: str, event: Json) -> Json:
    return {
        "type": "event_callback",
        "team_id": seed.TEAM_ID,
        "event_id": event_id,
        "event": event,
        "authorizations": [{"team_id": seed.TEAM_ID, "user_id": seed.BOT_USER_ID, "is_bot": True}],
    }


def take_in(app: App, body: Json) -> None:
    answer = app.dispatch(BoltRequest(body=body, mode="socket_mode"))
    assert answer.status == 200, answer.status


def take_all(handle: Handle, bodies: list[Json], *, then: Callable[[], None] = lambda: None) -> None:
    with ThreadPoolExecutor(SENDERS) as senders:
        list(senders.map(handle, bodies))
    then()


def wait_until_done(store: Store, settings: Settings) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with store.read() as conn:
            if set(count_events(conn)) <= {"done"} and not list(settings.spool_dir.glob("*.spool")):
                return
        assert time.monotonic() < deadline, "not all events were worked on"
        threading.Event().wait(0.005)


def clock(handle: Handle, body: Json) -> float:
    """Return how many seconds it takes."""
    began = time.perf_counter()
    handle(body)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
