"""Runs the real bot in processes of its own that start at once: they are forked from one that has imported everything.

A bot can be told to kill itself as kill -9 does, just before or after the n-th of its writes to the store.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event

from tests.bot.conftest import Office, wait_for
from thumbtune.bot.process import run_bot
from thumbtune.core.logs import configure_logs
from thumbtune.core.settings import Settings
from thumbtune.core.store.inbox import count_events
from thumbtune.core.store.schema import pairs

START_TIMEOUT_S = 120.0
WRITES = ("INSERT", "UPDATE", "DELETE")

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.bot.forked", "presidio_analyzer.predefined_recognizers"])


def start_forked(office: Office, *, log: Path, kill_at: int = 0, **changes: object) -> BaseProcess:
    """Start a bot and return once it is connected; `kill_at` counts moments before and after its writes and commits."""
    connections = office.slack.slack.socket_mode.count_connections
    before = connections()
    process = _context.Process(
        target=_run, args=(office.settings.model_copy(update=changes), log, kill_at), daemon=True
    )
    process.start()
    wait_for(lambda: connections() > before or not process.is_alive(), what="the connection", timeout_s=START_TIMEOUT_S)
    return process


def wait_for_end(office: Office, process: BaseProcess, *, timeout_s: float = 30.0) -> int:
    """Return a process's exit code once it is gone and the workspace has seen its connection end."""
    connections = office.slack.slack.socket_mode.count_connections
    before = connections()
    process.join(timeout_s)
    assert process.exitcode is not None, f"the bot did not end within {timeout_s:g} s"
    wait_for(lambda: connections() < max(before, 1), what="the end of the connection")
    return process.exitcode


@contextmanager
def ended(*processes: BaseProcess) -> Iterator[None]:
    """Kill what is left of these at the end of the block."""
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join(10)


def wait_until_worked_off(office: Office, *, timeout_s: float) -> None:
    """Wait until all that was said has been acknowledged and worked on; posts a killed bot had in hand take longer."""

    def look() -> bool:
        if office.slack.slack.dispatcher.counts.pending or list(office.settings.spool_dir.glob("*.spool")):
            return False
        with office.store.read() as conn:
            events = count_events(conn)
        return not (events.get("received") or events.get("working"))

    wait_for(look, what="the end of all work", timeout_s=timeout_s)


def list_paired(office: Office) -> list[str]:
    """Return the ts of every reply in an active pair, in order, however many there are."""
    with office.store.read() as conn:
        return list(conn.scalars(sa.select(pairs.c.reply_ts).where(pairs.c.state == "active").order_by("reply_ts")))


def _run(settings: Settings, log: Path, kill_at: int) -> None:
    sys.stderr = log.open("a", buffering=1, encoding="utf-8")
    configure_logs(process="bot")
    if kill_at:
        _die_at(kill_at)
    run_bot(settings)


def _die_at(moment: int) -> None:
    """Kill this process at the `moment`-th boundary of a statement that writes, in any of its threads."""
    left = iter(range(moment, 0, -1))

    def count(_conn: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        if statement.lstrip().startswith(WRITES):
            pass_moment()

    def pass_moment() -> None:
        if next(left, 0) <= 1:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(sa.Engine, "before_cursor_execute", count)
    event.listen(sa.Engine, "after_cursor_execute", count)
