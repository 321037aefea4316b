"""Reads help-desk tables: a row for each message of a ticket, or a row for each question with its reply.

It does not know the store. Columns are found by their heads, whatever their order; others are left alone.
"""

import contextlib
import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from thumbtune.cli.importing.conversations import (
    MAX_MESSAGES,
    Conversation,
    Parsed,
    Problem,
    Unusable,
    Utterance,
    check_text,
)
from thumbtune.core.errors import BadInput
from thumbtune.core.prompt import Role

HEADS = {
    "conversation": ("conversation", "conversation_id", "ticket", "ticket_id", "thread", "thread_id"),
    "time": ("time", "created_at", "timestamp", "date", "sent_at"),
    "role": ("role", "author_role", "author_type"),
    "author": ("author", "author_name", "name"),
    "text": ("text", "message", "body", "comment"),
    "question": ("question",),
    "reply": ("reply", "answer"),
}
ROLES: dict[str, Role] = {"customer": "customer", "end-user": "customer", "agent": "agent"}
HELP = (
    "needs a header row with the columns conversation, role (customer or agent) and text, best with time and author, "
    "or the two columns question and reply"
)
NOTHING_NEW = "nothing new from the customer right before it"

_SAMPLE_CHARS = 64 * 1024
_DELIMITERS = ",;\t|"
UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class _Cells:
    """A row of the table."""

    where: str
    cells: list[str]
    problem: str
    """Why it cannot be read, if so."""
    is_lost: bool
    """Whether it is, or comes after, a row that csv cannot read: nobody knows where rows begin from there on."""


@dataclass(frozen=True)
class _Row:
    where: str
    time: float | None
    utterance: Utterance


def read_table(path: Path) -> Parsed:
    """Return every usable conversation, and each row that could not be used.

    A ticket with such a row is left out whole: without it, nobody knows what its replies answer.
    Raises: BadInput when the file has no such header row.
    """
    data = path.read_bytes()
    if data.startswith(UTF16):
        raise BadInput(f"{path} is UTF-16 text: save it as UTF-8 and try again")
    text, bad_lines = _decode(data)
    parsed = Parsed()
    rows = _read_rows(text, bad_lines)
    header = next(rows, None)
    if header is None:
        raise BadInput(f"{path} is empty: it {HELP}")
    columns = _find_columns(header.cells)
    if columns is None or header.problem:
        raise BadInput(f"{path} cannot be used: it {HELP}; its first row is {', '.join(header.cells)[:200]!r}")
    if "question" in columns:
        _read_questions(rows, columns, width=len(header.cells), parsed=parsed)
    else:
        _read_tickets(rows, columns, width=len(header.cells), parsed=parsed)
    return parsed


def _decode(data: bytes) -> tuple[str, dict[int, int]]:
    """Return the text, and in which lines which byte is not UTF-8."""
    try:
        return data.decode("utf-8-sig"), {}
    except UnicodeDecodeError:
        lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    bad: dict[int, int] = {}
    for number, line in enumerate(lines, start=1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as exc:
            bad[number] = exc.start
    return "\n".join(line.decode("utf-8", "replace") for line in lines), bad


def _read_rows(text: str, bad_lines: dict[int, int]) -> Iterator[_Cells]:
    lines, delimiter = io.StringIO(text, newline=""), _find_delimiter(text)
    reader = csv.reader(lines, delimiter=delimiter)
    is_lost = False
    while not is_lost:
        first = reader.line_num + 1
        cells: list[str] = []
        problem = ""
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            problem = f"not a row of a table ({exc}; is a quotation mark left open?)"
            is_lost = True
        for number in range(first, reader.line_num + 1) if bad_lines else ():
            if number in bad_lines:
                problem = f"not UTF-8 text (line {number}, byte {bad_lines[number]}); save the file as UTF-8"
        if cells or problem:
            yield _Cells(f"line {first}", cells, problem, is_lost)
    for line in lines:  # each by itself: a row that begins in it names its conversation
        with contextlib.suppress(csv.Error):
            yield _Cells("", next(csv.reader([line], delimiter=delimiter), []), "", is_lost)


def _find_delimiter(text: str) -> str:
    """Return what csv's sniffer says, unless only another one makes sense of the header row."""
    sample = text[:_SAMPLE_CHARS]
    try:
        sniffed = csv.Sniffer().sniff(sample, delimiters=_DELIMITERS).delimiter
    except csv.Error:
        sniffed = ","
    header = sample.lstrip().splitlines()[:1]
    fitting = [mark for mark in (sniffed, *_DELIMITERS) if header and _find_columns(header[0].split(mark))]
    return fitting[0] if fitting else sniffed


def _find_columns(header: list[str]) -> dict[str, int] | None:
    heads = [cell.strip(' "').lower().replace(" ", "_").replace("-", "_") for cell in header]
    columns = {name: heads.index(head) for name, known in HEADS.items() for head in reversed(known) if head in heads}
    if {"conversation", "role", "text"} <= columns.keys():
        return {name: at for name, at in columns.items() if name not in ("question", "reply")}
    return columns if {"question", "reply"} <= columns.keys() else None


def _read_questions(rows: Iterator[_Cells], columns: dict[str, int], *, width: int, parsed: Parsed) -> None:
    for row in rows:
        cells = row.cells
        if row.is_lost:
            parsed.problems.append(Problem(row.where, f"{row.problem}; this row and all after it are left out"))
            return
        try:
            _check_row(row, width=width)
            question = check_text(cells[columns["question"]], what="the question")
            reply = check_text(cells[columns["reply"]], what="the reply")
            if not question.strip() or not reply.strip():
                raise Unusable(f"the {'reply' if question.strip() else 'question'} is empty")
        except Unusable as exc:
            parsed.problems.append(Problem(row.where, str(exc)))
            continue
        author = cells[columns["author"]].strip() if "author" in columns else ""
        spoken = (Utterance("customer", question, author), Utterance("agent", reply))
        parsed.conversations.append(Conversation(row.where, question, spoken, (1,)))


def _read_tickets(rows: Iterator[_Cells], columns: dict[str, int], *, width: int, parsed: Parsed) -> None:
    tickets: dict[str, list[_Row]] = {}
    broken: set[str] = set()
    last, is_after_gap, was_told = "", False, False
    for row in rows:
        has_name = len(row.cells) > columns["conversation"]
        name = row.cells[columns["conversation"]].strip() if has_name else last
        try:
            if row.is_lost:
                raise Unusable(f"{row.problem}; conversations with this row or one after it are left out")
            _check_row(row, width=width)
            tickets.setdefault(name, []).append(_read_row(row.where, row.cells, columns))
        except Unusable as exc:
            if not was_told:
                parsed.problems.append(Problem(row.where, str(exc)))
            was_told = row.is_lost
            broken.add(name)
        if is_after_gap:  # a row whose ticket nobody can read may belong to either of its neighbours
            broken.add(name)
        last, is_after_gap = name, not has_name
    for name, ticket in tickets.items():
        if name in broken:
            parsed.refused["a row of its conversation could not be used"] += sum(
                row.utterance.role == "agent" for row in ticket
            )
            continue
        try:
            parsed.conversations.append(_join_ticket(name, ticket, parsed))
        except Unusable as exc:
            parsed.problems.append(Problem(ticket[0].where, str(exc)))


def _check_row(row: _Cells, *, width: int) -> None:
    if row.problem:
        raise Unusable(row.problem)
    if len(row.cells) != width:
        raise Unusable(f"{len(row.cells)} columns, the header row has {width}")


def _read_row(where: str, cells: list[str], columns: dict[str, int]) -> _Row:
    values = {name: cells[at].strip() for name, at in columns.items()}
    if not values["conversation"]:
        raise Unusable("the conversation's id is empty")
    role = ROLES.get(values["role"].lower())
    if role is None:
        raise Unusable(f"the role {values['role'][:40]!r} is not known; use customer or agent")
    text = check_text(values["text"], what="the text")
    return _Row(where, _read_time(values.get("time", "")), Utterance(role, text, values.get("author", "")))


def _read_time(time: str) -> float | None:
    if not time:
        return None
    with contextlib.suppress(ValueError):
        seconds = float(time)
        if math.isfinite(seconds):
            return seconds
    try:
        moment = datetime.fromisoformat(time)
    except ValueError as exc:
        raise Unusable(
            f"the time {time[:40]!r} is not understood; write 2026-03-02T09:30:00Z or seconds since 1970"
        ) from exc
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _join_ticket(name: str, ticket: list[_Row], parsed: Parsed) -> Conversation:
    """Return a ticket's messages in order; an agent's message that answers something new becomes a pair."""
    times = [row.time for row in ticket]
    if any(time is None for time in times) and any(time is not None for time in times):
        raise Unusable(f"some messages of conversation {name[:40]!r} have a time and some have none")
    ordered = sorted(ticket, key=lambda row: row.time or 0.0)
    spoken = [row.utterance for row in ordered if row.utterance.text]
    if len(spoken) > MAX_MESSAGES:
        raise Unusable(f"conversation {name[:40]!r} has {len(spoken)} messages, more than {MAX_MESSAGES}")
    agents = [at for at, item in enumerate(spoken) if item.role == "agent"]
    replies = tuple(at for at in agents if at and spoken[at - 1].role == "customer")
    parsed.refused.update({NOTHING_NEW: len(agents) - len(replies)})
    opening = spoken[0].text if spoken else ""
    return Conversation(ordered[0].where, json.dumps([name, opening]), tuple(spoken), replies)
