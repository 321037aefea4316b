"""Keeps what Slack sent on the local disk while the store is down: append-only files, one writer each.

It does not know the store. A line is a checksum and a JSON object of ASCII characters whose body is sealed; what a
kill -9 tore off is skipped. Whoever writes a file holds its lock; the kernel lets go of it when that process dies, and
then any process may take the file over. What cannot be taken in whole is put aside: `.refused` in place of `.spool`.
"""

import contextlib
import errno
import fcntl
import json
import logging
import os
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from thumbtune.core.errors import SpoolUnavailable
from thumbtune.core.records import EventKind

logger = logging.getLogger(__name__)

BATCH = 200
_LOCK_FILE = "lock"
_ENDING = ".spool"
_REFUSED = ".refused"
_PASSING = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""Errors that say nothing about a file."""


@dataclass(frozen=True)
class SealedEvent:
    """What Slack sent, ready to be stored: its key and kind in the clear, its body sealed."""

    team_id: str
    event_key: str
    kind: EventKind
    name: str
    sealed_body: str
    received_at: datetime


class Spool:
    """The spool folder as one process sees it; its methods may be called from any thread."""

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._write_lock = threading.Lock()
        self._writing: _Writing | None = None

    def append(self, event: SealedEvent) -> None:
        """Return once the event is on the disk.

        Raises: SpoolUnavailable when the spool is full or the disk refuses.
        """
        line = _write_line(event)
        try:
            with self._write_lock:
                if self._measure() + len(line) > self._max_bytes:
                    raise SpoolUnavailable("the spool is full; bring the store back or raise spool_max_mb")
                self._writing = self._writing or _Writing(self._folder)
                writing = self._writing
                try:
                    end = writing.write(line)
                except OSError:
                    self._writing = None  # nothing may follow half a line
                    writing.close()
                    raise
            writing.sync(end)
        except OSError as exc:
            self._close()  # nor is a failed fsync repeated: what it lost is not known
            raise SpoolUnavailable(f"the spool cannot be written: {type(exc).__name__}; look at the disk") from exc

    def has_files(self) -> bool:
        """Return whether there is anything to take over, were its writer done with it."""
        return bool(self._list_files())

    def drain(self, store: Callable[[Sequence[SealedEvent]], bool]) -> int:
        """Hand everything nobody writes to any more to `store`, oldest file first; return how many events that were.

        A file is removed once `store` has returned for all of its events, so they may be handed out again after a
        crash. `store` returns False when it refuses some for good; then their file is put aside, as is one that cannot
        be read whole.
        Raises: what `store` raises; the rest stays.
        """
        self._close()
        count = 0
        for path in self._list_files():
            file = self._take_over(path)
            if file is None:
                continue
            with file:
                found, is_whole = _read_events(file, name=path.name), True
                while batch := list(islice(found, BATCH)):
                    events = [event for event in batch if event is not None]
                    is_whole = store(events) and len(events) == len(batch) and is_whole
                    count += len(events)
                if is_whole:
                    path.unlink(missing_ok=True)
                else:
                    _put_aside(path, reason="some of its events")
        return count

    def list_refused(self) -> list[Path]:
        """Return the files that were put aside, oldest first; named `.spool` again, they are tried again."""
        return sorted(self._folder.glob(f"*{_REFUSED}"))

    def forget_refused(self, *, before: datetime) -> None:
        """Delete what was put aside before this time."""
        for path in self.list_refused():
            with contextlib.suppress(OSError):
                if path.stat().st_ctime < before.timestamp():
                    path.unlink()
                    logger.warning("spool_file_forgotten", extra={"file": path.name})

    def _close(self) -> None:
        with self._write_lock:
            if self._writing is not None:
                self._writing.close()
                self._writing = None

    def _measure(self) -> int:
        sizes = 0
        for path in self._list_files() + self.list_refused():
            with contextlib.suppress(FileNotFoundError):
                sizes += path.stat().st_size
        return sizes

    def _list_files(self) -> list[Path]:
        return sorted(self._folder.glob(f"*{_ENDING}"))

    def _take_over(self, path: Path) -> BinaryIO | None:
        """Open a file and hold its lock; None where another process has it or was quicker, or it cannot be opened."""
        with _lock_folder(self._folder):
            try:
                file = path.open("rb")
            except FileNotFoundError:
                return None
            except OSError as exc:
                if exc.errno in _PASSING:
                    raise
                _put_aside(path, reason=type(exc).__name__)
                return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()
        return None


class _Writing:
    """A file this process writes to. Several threads' lines share one fsync."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync_folder(folder.parent)
        path = folder / f"{time.time_ns():020d}-{os.getpid()}-{uuid.uuid4().hex[:8]}{_ENDING}"
        with _lock_folder(folder):
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX)
        _sync_folder(folder)
        self._sync_lock = threading.Lock()
        self._written = self._synced = 0
        self._is_lost = False

    def write(self, line: bytes) -> int:
        """Append a line and return where it ends; one thread at a time."""
        while line:
            count = os.write(self._fd, line)
            self._written += count
            line = line[count:]
        return self._written

    def sync(self, end: int) -> None:
        """Return once everything up to `end` is on the disk.

        Raises: OSError; and again ever after, since the kernel says only once that it lost something.
        """
        with self._sync_lock:
            if self._synced < end:
                self._sync()

    def close(self) -> None:
        """Let go of the file; threads that wait for their line to be on the disk are served first."""
        with self._sync_lock:
            with contextlib.suppress(OSError):
                self._sync()
            os.close(self._fd)
            self._fd = -1  # what is written or synced from now on fails

    def _sync(self) -> None:
        if self._is_lost:
            raise OSError(errno.EIO, "an earlier fsync failed")
        written = self._written
        try:
            os.fsync(self._fd)
        except OSError:
            self._is_lost = True
            raise
        self._synced = written


@contextlib.contextmanager
def _lock_folder(folder: Path) -> Iterator[None]:
    """Keep making a file and taking one over apart, so that nobody takes a file that is about to be written."""
    with (folder / _LOCK_FILE).open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_line(event: SealedEvent) -> bytes:
    fields = asdict(event) | {"received_at": event.received_at.isoformat()}
    text = json.dumps(fields).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _put_aside(path: Path, *, reason: str) -> None:
    path.rename(path.with_suffix(_REFUSED))
    logger.error("spool_file_refused", extra={"file": path.name, "reason": reason})


def _read_events(file: BinaryIO, *, name: str) -> Iterator[SealedEvent | None]:
    """Yield a file's events, and None for what cannot be read or is none, as another version may have written."""
    try:
        for number, line in enumerate(file, start=1):
            checksum, _, text = line.rstrip(b"\n").partition(b" ")
            if checksum == b"%08x" % zlib.crc32(text):
                yield _read_event(text)
            else:
                logger.warning("spool_line_torn", extra={"file": name, "line": number})
    except OSError:
        yield None


def _read_event(text: bytes) -> SealedEvent | None:
    try:
        fields = json.loads(text)
        return SealedEvent(**fields | {"received_at": datetime.fromisoformat(fields["received_at"])})
    except (ValueError, TypeError, KeyError):
        return None
