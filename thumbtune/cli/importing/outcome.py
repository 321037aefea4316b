"""What became of a file: counts, reasons and rows, and how often the store is written while it is read.

It does not know formats.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import sqlalchemy as sa

from thumbtune.cli.importing.conversations import Problem
from thumbtune.core.curation import KIND_WORDS
from thumbtune.core.store import Store
from thumbtune.core.store.audits import record_act
from thumbtune.core.store.curating import curate
from thumbtune.core.store.engine import do_now
from thumbtune.core.store.findings import load_findings
from thumbtune.core.store.messages import lock_channels
from thumbtune.core.store.places import Place, find_pair

BATCH = 100
"""Conversations written in one transaction: few enough that a bot on the same SQLite file waits for less than a second."""

T = TypeVar("T")


@dataclass
class Outcome:
    """What an import did, or would do."""

    imported: int = 0
    already_there: int = 0
    merged: int = 0
    """Of those imported, which say the same as another."""
    waiting: Counter[str] = field(default_factory=Counter)
    """Of those imported, which wait for review, by reason."""
    refused: Counter[str] = field(default_factory=Counter)
    """Replies that made no pair, by reason."""
    problems: list[Problem] = field(default_factory=list)

    def add(self, other: "Outcome") -> None:
        """Count another one's pairs in, and tell what it could not use."""
        self.imported += other.imported
        self.already_there += other.already_there
        self.merged += other.merged
        self.waiting += other.waiting
        self.refused += other.refused
        self.problems += other.problems


@dataclass
class BatchOutcome(Outcome):
    """What one transaction did."""

    new_places: list[Place] = field(default_factory=list)


@dataclass(frozen=True)
class ImportJob:
    """Into which desk which file goes."""

    store: Store
    desk_id: str
    format: str
    file_hash: str
    is_dry_run: bool
    on_done: Callable[[int], None]
    """Called with how many conversations are done since the last call."""


class _TakenBack(Exception):
    """Ends a transaction of a dry run."""


@contextmanager
def open_batch(
    job: ImportJob, outcome: Outcome, *, channels: Collection[tuple[str, str]]
) -> Iterator[tuple[sa.Connection, BatchOutcome]]:
    """Open a transaction for some conversations; what it did counts once it is committed, and is audited with it.

    Whoever forgets somebody in these channels, by team and id, comes before it or after it.
    Run again after a break, the pairs that are there are found there: the outcome is the same.
    """
    done = BatchOutcome()
    try:
        with job.store.write() as conn:
            lock_channels(conn, channels)
            yield conn, done
            do_now(conn, curate)
            _count_set_aside(conn, done)
            if job.is_dry_run:
                raise _TakenBack
            if done.imported:
                detail = {"format": job.format, "file_sha256": job.file_hash, "pairs": done.imported}
                now = job.store.now()
                record_act(conn, actor="cli", action="pairs_imported", subject=job.desk_id, now=now, detail=detail)
    except _TakenBack:
        pass
    outcome.add(done)


def _count_set_aside(conn: sa.Connection, done: BatchOutcome) -> None:
    for place in done.new_places:
        pair = find_pair(conn, place)
        if pair is not None and pair.state == "merged":
            done.merged += 1
        elif pair is not None and pair.state == "quarantined":
            held = [item.kind for item in load_findings(conn, [pair.pair_id])[pair.pair_id] if item.holds]
            done.waiting[KIND_WORDS[held[0]] if held else pair.reason] += 1


def cut_batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield the items in batches of what one transaction takes."""
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
