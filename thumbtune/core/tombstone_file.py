"""Keeps tombstones in a file beside the store, so that a store restored from an older backup forgets again.

It does not know the store. A line is one forgetting as JSON, by keyed digest; lines are only added, and are on the disk
when `append_tombstone` returns. What a kill tore off is skipped.
"""

import json
import os
from datetime import datetime
from pathlib import Path

from thumbtune.core.store.tombstones import Tombstone

FILE_NAME = "tombstones.jsonl"


def append_tombstone(data_dir: Path, tombstone: Tombstone) -> None:
    """Add one forgetting; the file is made with the first."""
    fields = vars(tombstone) | {"at": tombstone.at.isoformat()}
    data_dir.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(data_dir / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        torn = size and os.pread(descriptor, 1, size - 1) != b"\n"
        os.write(descriptor, (b"\n" if torn else b"") + json.dumps(fields).encode() + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    folder = os.open(data_dir, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_tombstones(data_dir: Path) -> list[Tombstone]:
    """Return every forgetting in the file, oldest first."""
    path = data_dir / FILE_NAME
    found: list[Tombstone] = []
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        try:
            fields = json.loads(line)
            desk_ids, at = tuple(fields.pop("desk_ids")), datetime.fromisoformat(fields.pop("at"))
            found.append(Tombstone(**fields, desk_ids=desk_ids, at=at))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return found
