"""The spool keeps what it was given through kills and torn writes, and gives it back once, to one process."""

import errno
import json
import logging
import multiprocessing
import os
import resource
import signal
import stat
import threading
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.bot.conftest import wait_for
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


def spoil_fields(folder: Path) -> None:
    """Leave a file as a later version would whose lines have one more field."""
    text = json.dumps({**asdict(EVENT), "received_at": EVENT.received_at.isoformat(), "transport": "http"}).encode()
    line = b"%08x %s\n" % (zlib.crc32(text), text)
    (folder / f"{0:020d}-1-aaaaaaaa.spool").write_bytes(line + b"%08x {}\n" % zlib.crc32(b"{}"))


def spoil_opening(folder: Path) -> None:
    """Leave what cannot be opened, whoever asks: a folder."""
    (folder / f"{0:020d}-1-aaaaaaaa.spool").mkdir()


def spoil_reading(folder: Path) -> None:
    """Leave a file that opens and cannot be read."""
    (folder / f"{0:020d}-1-aaaaaaaa.spool").symlink_to("/proc/self/mem")


@pytest.mark.parametrize("spoil", [spoil_fields, spoil_opening, spoil_reading])
def test_file_that_cannot_be_read_is_put_aside_and_stops_no_other(
    tmp_path: Path, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    spool = open_spool(tmp_path)
    spool.append(EVENT)
    spoil(tmp_path / "spool")
    assert drain(spool) == [EVENT]
    assert not spool.has_files()
    assert len(spool.list_refused()) == 1
    assert [record.levelname for record in caplog.records if record.msg == "spool_file_refused"] == ["ERROR"]
    assert "sealed" not in caplog.text


def test_what_was_put_aside_comes_in_when_it_is_mended_and_renamed(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.append(EVENT)
    spool.drain(lambda _: False)
    (refused,) = spool.list_refused()
    refused.rename(refused.with_suffix(".spool"))
    assert drain(spool) == [EVENT]


def test_what_was_put_aside_counts_and_goes_when_its_time_is_over(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, max_bytes=1_000)
    spool.append(make_event(1, body="x" * 500))
    spool.drain(lambda _: False)
    with pytest.raises(SpoolUnavailable, match="spool_max_mb"):
        spool.append(make_event(2, body="x" * 500))
    now = datetime.now(UTC)
    spool.forget_refused(before=now - timedelta(days=1))
    assert len(spool.list_refused()) == 1
    spool.forget_refused(before=now + timedelta(days=1))
    assert spool.list_refused() == []
    spool.append(make_event(2, body="x" * 500))


def test_line_that_a_failed_fsync_lost_is_not_believed_to_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux reports lost pages once; a second fsync of the same file succeeds without them."""
    line = _measure_line(tmp_path / "other")
    spool, real, failed, errors = open_spool(tmp_path), os.fsync, threading.Event(), []

    def fail_once(descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and not failed.is_set():
            wait_for(lambda: os.fstat(descriptor).st_size == 2 * line, what="both lines")
            failed.set()
            raise OSError(errno.EIO, "lost")
        real(descriptor)

    def append() -> None:
        try:
            spool.append(EVENT)
        except SpoolUnavailable as exc:
            errors.append(exc)

    monkeypatch.setattr(os, "fsync", fail_once)
    threads = [threading.Thread(target=append) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) == 2
    spool.append(EVENT)


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


def _measure_line(folder: Path) -> int:
    open_spool(folder).append(EVENT)
    (path,) = list_files(folder)
    return path.stat().st_size


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
