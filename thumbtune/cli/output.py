"""How every command prints: tables for people, JSON for programs.

It does not know what is printed.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

console = Console()
errors = Console(stderr=True)

_NAMING = ("id", "run", "adapter", "draft")
"""Columns of what commands are given."""


def print_json(value: object) -> None:
    """Print a record, or a list of them, as JSON with times in ISO 8601."""
    print(json.dumps(_plain(value), ensure_ascii=False, indent=2, default=_encode))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print rows under column heads, or the sentence `empty` when there are none.

    Cells are folded where the terminal is narrow; those by which something is asked for again stay whole.
    """
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold", no_wrap=name in _NAMING)
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    if table.row_count:
        console.print(table)
    else:
        console.print(empty)


def print_grounding(found: Mapping[str, Mapping[str, float]]) -> None:
    """Print by model what the replies with passages cost it, with and without them."""
    [replies] = {int(of["replies"]) for of in found.values()}
    rows = [(name, of["with_passages"], of["without_passages"]) for name, of in found.items()]
    print_table(("nats per token", f"{replies} replies with passages", "the same without them"), rows, empty="")


def print_record(record: object) -> None:
    """Print one record, a field a line."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in _plain(record).items():
        table.add_row(f"[bold]{name}[/bold]", _cell(value))
    console.print(table)


def shorten(text: str, *, max_chars: int = 60) -> str:
    """Return the text on one line, cut with an ellipsis when it is longer than `max_chars`."""
    line = " ".join(text.split())
    return line if len(line) <= max_chars else f"{line[: max_chars - 1]}…"


def count_noun(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun; `many` where that is not `one` with an s."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


@contextmanager
def show_progress(total: int, *, what: str = "conversations") -> Iterator[Callable[[int], None]]:
    """Show a bar with counts and time on standard error; what is yielded takes how many more are done."""
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(what),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors) as progress:
        task = progress.add_task("", total=total)
        yield lambda done: progress.advance(task, done)


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(value, ensure_ascii=False, default=_encode)
    return str(value).replace("[", "\\[")


def _plain(value: object) -> Any:  # Any: whatever JSON can hold
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value


def _encode(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"cannot print a {type(value).__name__} as JSON")
