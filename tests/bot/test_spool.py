"""The spool keeps what it was given through kills and torn writes, and gives it back once, to one process."""

import logging
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from thumbtune.bot.spool import BATCH, SealedEvent, Spool
from thumbtune.core.errors import SpoolUnavailable, StoreUnavailable

EVENT = SealedEvent("T1", "Ev0", "event", "message", "sealed", datetime(2026, 3, 2, 9, 0, tzinfo=UTC))
LIMIT = 1_000_000


def make_event(number: int, body: str = "sealed") -> SealedEvent:
    return replace(EVENT, event_key=f"Ev{number}", sealed_body=body)


def open_spool(folder: Path, *, max_bytes: int = LIMIT) -> Spool:
    return Spool(folder / "spool", max_bytes=max_bytes)


def drain(spool: Spool) -> list[SealedEvent]:
    got: list[SealedEvent] = []
    spool.drain(collect_into(got))
    return got


def collect_into(got: list[SealedEvent]) -> Callable[[Sequence[SealedEvent]], bool]:
    def collect(events: Sequence[SealedEvent]) -> bool:
        got.extend(events)
        return True

    return collect


def write_events(spool: Spool, count: int, *, first: int = 0) -> None:
    for number in range(first, first + count):
        spool.append(make_event(number))


def list_files(folder: Path) -> list[Path]:
    return sorted((folder / "spool").glob("*.spool"))


def test_what_was_appended_comes_back_once_and_leaves_no_file(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    assert not spool.has_files()
    events = [make_event(number) for number in range(2 * BATCH + 5)]
    for event in events:
        spool.append(event)
    assert spool.has_files()
    assert drain(spool) == events
    assert drain(spool) == []
    assert list_files(tmp_path) == []


def test_files_are_for_this_user_alone(tmp_path: Path) -> None:
    open_spool(tmp_path).append(EVENT)
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in list_files(tmp_path)] == [0o600]


@pytest.mark.parametrize("cut", [1, 2, 9, 40, 100])
def test_torn_last_line_is_skipped_and_said(tmp_path: Path, cut: int, caplog: pytest.LogCaptureFixture) -> None:
    _wait_for_kill(_fork(lambda: write_events(open_spool(tmp_path), 3)))
    (path,) = list_files(tmp_path)
    os.truncate(path, path.stat().st_size - cut)
    with caplog.at_level(logging.WARNING):
        got = drain(open_spool(tmp_path))
    whole = 3 if cut == 1 else 2  # the line break alone is no loss
    assert got == [make_event(number) for number in range(whole)]
    assert ("spool_line_torn" in caplog.text) == (whole == 2)
    assert "sealed" not in caplog.text
    assert list_files(tmp_path) == []


def test_nothing_follows_half_a_line(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.append(make_event(1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (list_files(tmp_path)[0].stat().st_size + 50, hard))
    try:
        with pytest.raises(SpoolUnavailable):
            spool.append(make_event(2))
        spool.append(make_event(3))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert drain(spool) == [make_event(1), make_event(3)]


def test_full_spool_refuses_and_takes_again_when_emptied(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, max_bytes=3_000)
    kept = 0
    with pytest.raises(SpoolUnavailable, match="spool_max_mb"):
        while kept < 100:
            spool.append(make_event(kept, body="x" * 500))
            kept += 1
    assert 3 <= kept < 6
    assert sum(path.stat().st_size for path in list_files(tmp_path)) <= 3_000
    assert len(drain(spool)) == kept
    spool.append(EVENT)
    assert drain(spool) == [EVENT]


def test_what_could_not_be_stored_stays(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.append(EVENT)

    def refuse(_: Sequence[SealedEvent]) -> bool:
        raise StoreUnavailable("down")

    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            spool.drain(refuse)
    assert drain(spool) == [EVENT]


def test_file_with_an_event_the_store_refuses_is_put_aside_whole(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.append(EVENT)
    assert spool.drain(lambda _: False) == 1
    assert not spool.has_files()
    assert len(list((tmp_path / "spool").glob("*.refused"))) == 1


def test_file_of_a_living_process_is_left_alone_and_taken_over_when_it_dies(tmp_path: Path) -> None:
    ready, gone = multiprocessing.Pipe()

    def write() -> None:
        spool = open_spool(tmp_path)  # let go of only when the process ends
        spool.append(make_event(1))
        gone.send("written")
        gone.recv()

    writer = _fork(write)
    assert ready.recv() == "written"
    mine = open_spool(tmp_path)
    mine.append(make_event(2))
    assert drain(mine) == [make_event(2)]
    ready.send("end")
    _wait_for_kill(writer)
    assert drain(mine) == [make_event(1)]


def test_several_processes_take_over_each_file_once(tmp_path: Path) -> None:
    for number in range(0, 20, 2):
        _wait_for_kill(_fork(lambda first=number: write_events(open_spool(tmp_path), 2, first=first)))
    results, sender = multiprocessing.Pipe(duplex=False)

    def take() -> None:
        sender.send([event.event_key for event in drain(open_spool(tmp_path))])

    takers = [_fork(take) for _ in range(3)]
    got = [key for _ in takers for key in results.recv()]
    for taker in takers:
        _wait_for_kill(taker)
    assert sorted(got) == sorted(f"Ev{number}" for number in range(20))


def _fork(work: Callable[[], object]) -> int:
    """Do something in a process of its own, which then is killed rather than ended."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    return pid


def _wait_for_kill(pid: int) -> None:
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
