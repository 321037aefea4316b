"""SQLite's write-ahead log as a file: brings what was committed to the disk, apart from the commits themselves.

It does not know what was committed.
"""

import os
from pathlib import Path


class LogFile:
    """The log of one database; its methods may be called from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known_inode = 0

    def flush(self) -> None:
        """Return when all that was committed before is on the disk; what was written back from the log is there already.

        Raises: OSError.
        """
        log = os.open(self._path, os.O_RDONLY)  # SQLite locks nothing in this file, so closing ours unlocks nothing
        try:
            getattr(os, "fdatasync", os.fsync)(log)
            inode = os.fstat(log).st_ino
        finally:
            os.close(log)
        if inode != self._known_inode:  # a new file's name has to last too
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
            self._known_inode = inode
