"""SQLite's write-ahead log as a file: brings what was committed to the disk, apart from the commits themselves.

It does not know what was committed.
"""

import os
import threading
from pathlib import Path


class LogFile:
    """The log of one database; its methods may be called from any thread."""

    def __init__(self, path: Path) -> None:
        self.is_broken = False
        """Whether the disk failed to write something of it, which a later flush would pass over without a word."""
        self._path = path
        self._lock = threading.Lock()
        self._file: int | None = None

    def flush(self) -> None:
        """Return when all that was committed before is on the disk; what was written back from the log is there already.

        Raises: OSError.
        """
        try:
            getattr(os, "fdatasync", os.fsync)(self._open())
        except OSError:
            self.is_broken = True
            raise

    def _open(self) -> int:
        """Return the log, open all the time: a failure of the disk is told once to each who had the file open then.

        SQLite locks nothing in this file, so closing ours unlocks nothing.
        """
        with self._lock:
            stat = self._path.stat()
            if self._file is not None and os.path.samestat(os.fstat(self._file), stat):
                return self._file
            self._close()
            self._file = os.open(self._path, os.O_RDONLY)
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)  # a new file's name has to last too
            finally:
                os.close(folder)
            return self._file

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __del__(self) -> None:
        self._close()
