"""Measures how long Slack waits for an acknowledgement: with the store up, with it down, and beside a bare Bolt listener.

It runs the real bot over signed HTTP on SQLite, with its workers at work on the same machine, and sends messages of a
desk's channel at a steady rate; a wait counts from the moment an event was due, not from when a sender was free. Down
means that another program holds the store's lock, so that writers hang. The bare listener acknowledges and does nothing.
Socket Mode is not measured: there the same intake answers.

Run: python -m benchmarks.intake [--rate 200] [--seconds 60]
"""

import argparse
import contextlib
import hashlib
import hmac
import http.client
import itertools
import json
import multiprocessing
import os
import platform
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from tests.bot.outages import take_away
from thumbtune.core.logs import configure_logs
from thumbtune.core.records import Desk
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store, connect_store, migrate_store
from thumbtune.core.store.desks import save_desk
from thumbtune.core.store.schema import inbox
from thumbtune.demo.slack import seed
from thumbtune.demo.slack.local_slack import ServerOptions
from thumbtune.demo.slack.server import ServerThread

HOST, PATH = "127.0.0.1", "/slack/events"
SENDERS = 64
START_S, EMPTY_S = 120.0, 600.0
CUSTOMER = "U0MAYA001"


@dataclass
class Waits:
    """What the senders saw."""

    name: str
    ms: list[float] = field(default_factory=list)
    refused: int = 0

    def percentile(self, share: float) -> float:
        return sorted(self.ms)[min(len(self.ms) - 1, int(share * len(self.ms)))]


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=200.0, help="events per second")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="length of each part; at most 60 for the bare listener"
    )
    parser.add_argument(
        "--down-seconds", type=float, help="length of the part without a store; as the others if not given"
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ServerThread(ServerOptions(port=0)) as slack:
        settings = make_settings(Path(folder), slack)
        store = make_store(settings)
        print_circumstances(chosen.rate, chosen.seconds)
        with run_child(run_bare, settings):
            bare = send(settings, Waits("bare Bolt listener"), rate=chosen.rate, seconds=min(chosen.seconds, 60.0))
        with run_child(run_bot, settings):
            up = send(settings, Waits("store up"), rate=chosen.rate, seconds=chosen.seconds)
            with take_away(settings.store_url):
                down_s = chosen.seconds if chosen.down_seconds is None else chosen.down_seconds
                down = send(settings, Waits("store down"), rate=chosen.rate, seconds=down_s)
            back_s = wait_until_in(store, settings, [up, down])
        print_table([bare, up, down])
        print(
            f"\nspool brought into the inbox {back_s:.1f} s after the store was back; every event acknowledged is in it once"
        )


def print_circumstances(rate: float, seconds: float) -> None:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    load = os.getloadavg()[0]
    print(f"{commit}, {platform.machine()}, {os.cpu_count()} cores, load {load:.1f} before the start")
    print(f"{rate:g} events/s for {seconds:g} s in each part\n", flush=True)


def print_table(rows: list[Waits]) -> None:
    print(
        "| | events | refused | p50 ms | p99 ms | max ms | p99 ratio to the bare listener |\n|---|---|---|---|---|---|---|"
    )
    for row in rows:
        ratio = row.percentile(0.99) / rows[0].percentile(0.99)
        figures = (statistics.median(row.ms), row.percentile(0.99), max(row.ms))
        print(
            f"| {row.name} | {len(row.ms)} | {row.refused} | {' | '.join(f'{ms:.1f}' for ms in figures)} | {ratio:.2f} |"
        )


def make_settings(folder: Path, slack: ServerThread) -> Settings:
    with contextlib.closing(socket.create_server((HOST, 0))) as probe:
        port = int(probe.getsockname()[1])
    return Settings(
        _env_file=None,
        data_dir=folder / "data",
        slack_transport="http",
        http_port=port,
        SLACK_BOT_TOKEN=seed.BOT_TOKEN,
        SLACK_SIGNING_SECRET=seed.SIGNING_SECRET,
        SLACK_API_URL=slack.api_url,
    )


def make_store(settings: Settings) -> Store:
    store = connect_store(settings)
    migrate_store(store)
    desk = Desk(
        "support", seed.TEAM_ID, "Support", voice="", channels=(seed.SUPPORT_CHANNEL,), agents=(seed.AGENTS_GROUP,)
    )
    with store.write() as conn:
        save_desk(conn, desk)
    return store


def run_bare(settings: Settings) -> None:
    """Acknowledge by Bolt alone, on the server it brings."""
    from slack_bolt import App
    from slack_sdk import WebClient

    app = App(client=WebClient(seed.BOT_TOKEN, base_url=settings.slack_api_url), signing_secret=seed.SIGNING_SECRET)
    app.event("message")(lambda: None)
    app.start(port=settings.http_port, http_server_logger_enabled=False)


def run_bot(settings: Settings) -> None:
    """Run the bot as `thumbtune bot` does."""
    from thumbtune.bot.process import run_bot as run

    configure_logs(process="bot", level="ERROR")
    run(settings)


@contextlib.contextmanager
def run_child(target: Callable[[Settings], None], settings: Settings) -> Iterator[None]:
    child = multiprocessing.get_context("spawn").Process(target=target, args=(settings,), daemon=True)
    child.start()
    try:
        deadline = time.monotonic() + START_S
        while not is_listening(settings.http_port):
            assert child.is_alive() and time.monotonic() < deadline, "the server did not start"
            time.sleep(0.1)
        yield
    finally:
        child.terminate()
        child.join(30)


def is_listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


def send(settings: Settings, waits: Waits, *, rate: float, seconds: float) -> Waits:
    """Send events when they are due, whatever became of those before."""
    numbers, begin = itertools.count(), time.monotonic() + 0.5
    total, lock = int(rate * seconds), threading.Lock()

    def work() -> None:
        while (number := next(numbers)) < total:
            due = begin + number / rate
            time.sleep(max(0.0, due - time.monotonic()))
            status = post(settings.http_port, make_body(waits.name, number))
            with lock:
                waits.ms.append((time.monotonic() - due) * 1000)
                waits.refused += status != 200

    threads = [threading.Thread(target=work) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return waits


def make_body(part: str, number: int) -> bytes:
    ts = f"{1_700_000_000 + number}.{hash(part) % 1_000_000:06d}"
    event = {"type": "message", "channel": seed.SUPPORT_CHANNEL, "user": CUSTOMER, "ts": ts, "event_ts": ts}
    event["text"] = f"Hello, where is parcel {number}? It was to be here on Friday."
    envelope = {"type": "event_callback", "team_id": seed.TEAM_ID, "event_id": f"{part} {number}", "event": event}
    return json.dumps(envelope).encode()


def post(port: int, body: bytes) -> int:
    stamp = str(int(time.time()))
    digest = hmac.new(seed.SIGNING_SECRET.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    headers = {"x-slack-request-timestamp": stamp, "x-slack-signature": f"v0={digest}"}
    connection = http.client.HTTPConnection(HOST, port, timeout=30)
    try:
        connection.request("POST", PATH, body, {**headers, "content-type": "application/json"})
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def wait_until_in(store: Store, settings: Settings, parts: list[Waits]) -> float:
    """Return after how many seconds the spool is empty; fail when an acknowledged event is missing or one is there twice."""
    begin = time.monotonic()
    while list(settings.spool_dir.glob("*.spool")):
        assert time.monotonic() < begin + EMPTY_S, "the spool is not brought in"
        time.sleep(0.05)
    took_s = time.monotonic() - begin
    with store.read() as conn:
        found = conn.execute(sa.select(sa.func.count()).select_from(inbox)).scalar_one()
    sent, refused = sum(len(part.ms) for part in parts), sum(part.refused for part in parts)
    assert sent - refused <= found <= sent, f"{found} of {sent} events are in the inbox, {refused} were refused"
    return took_s


if __name__ == "__main__":
    main()
