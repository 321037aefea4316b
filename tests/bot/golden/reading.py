"""Reads golden threads; the README beside it says how they are written."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.bot.golden.cast import CAST, DESKS

FOLDER = Path(__file__).parent
STEP_S = 10.0
OPTIONS = {"", "alone", "broadcast", "draft", "edited draft", "file", "late", "me", "missed", "topic"}

_PLACE = re.compile(r"(?:\+(?P<pause>[\d.]+) )?(?P<who>\w+)(?: (?P<rest>.*))?", re.DOTALL)
_SAYS = re.compile(r"(?:\+(?P<pause>[\d.]+) )?(?P<who>\w+)(?: \((?P<option>[\w ]+)\))?:(?: (?P<text>.*))?", re.DOTALL)
_WAY = r"(?: \((?P<option>late|missed)\))?"
_EDITS = re.compile(rf"edits (?P<number>\d+){_WAY}: (?P<text>.*)", re.DOTALL)
_REMOVES = re.compile(rf"(?P<verb>deletes|unfurls) (?P<number>\d+){_WAY}")
_REACTS = re.compile(rf"(?P<sign>-?):(?P<emoji>[\w+:-]+): (?P<number>\d+){_WAY}")
_BECOMES = re.compile(r"becomes (?P<standing>gone|guest|member)")
_EXPECTS = re.compile(
    r"=> (?P<number>\d+) (?P<state>active|withdrawn|quarantined)(?: (?P<source>draft|edited))?(?: by (?P<by>\w+))?"
    r"(?:: (?P<reason>.+))?"
)
_TURN = re.compile(r"(?P<role>customer|question|agent|reply): (?P<text>.*)", re.DOTALL)

Verb = Literal["says", "edits", "deletes", "unfurls", "reacts", "unreacts", "becomes", "compares"]


@dataclass(frozen=True)
class Happening:
    """One thing that somebody did."""

    pause_s: float
    who: str
    verb: Verb
    number: int
    """Of the message; 0 where there is none."""
    text: str = ""
    """What it says, the emoji, or what somebody becomes."""
    option: str = ""


@dataclass
class Expected:
    """A pair that must be there."""

    number: int
    state: str
    source: str
    approved_by: str | None
    reason: str
    turns: list[tuple[str, str]] = field(default_factory=list)
    question: list[str] = field(default_factory=list)
    reply: str = ""


@dataclass
class GoldenThread:
    """One thread with its label."""

    name: str
    desk: str = "support"
    happenings: list[Happening] = field(default_factory=list)
    expected: list[Expected] = field(default_factory=list)
    is_labelled: bool = False


def read_threads() -> list[GoldenThread]:
    """Return the threads of all files, each with the name of its first line."""
    return [thread for path in sorted(FOLDER.glob("*.txt")) for thread in _read_file(path)]


def _read_file(path: Path) -> Iterator[GoldenThread]:
    thread: GoldenThread | None = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("== "):
            if thread is not None:
                yield thread
            thread = GoldenThread(line.removeprefix("== ").split(":")[0])
        elif line and not line.startswith("# "):
            assert thread is not None, f"{path.name}:{number}: no thread began"
            try:
                _read_line(thread, line.replace("\\n", "\n"))
            except (AttributeError, KeyError, AssertionError) as exc:
                raise ValueError(f"{path.name}:{number}: cannot be read: {line}") from exc
    if thread is not None:
        yield thread


def _read_line(thread: GoldenThread, line: str) -> None:
    if line.startswith("desk: "):
        thread.desk = line.removeprefix("desk: ")
        assert thread.desk in DESKS
    elif line == "=> none":
        thread.is_labelled = True
    elif line.startswith("=> "):
        found = _match(_EXPECTS, line)
        thread.is_labelled = True
        by, source, reason = found["by"], found["source"] or "human", found["reason"] or ""
        approver = CAST[by] if by else None
        thread.expected.append(Expected(int(found["number"]), found["state"], source, approver, reason))
    elif thread.is_labelled:
        _read_turn(thread.expected[-1], _match(_TURN, line))
    else:
        thread.happenings.append(_read_happening(thread, line))


def _read_turn(pair: Expected, found: re.Match[str]) -> None:
    if found["role"] == "reply":
        pair.reply = found["text"]
        return
    if found["role"] == "question":
        pair.question.append(found["text"])
    pair.turns.append(("agent" if found["role"] == "agent" else "customer", found["text"]))


def _read_happening(thread: GoldenThread, line: str) -> Happening:
    place = _match(_PLACE, line) if not _SAYS.fullmatch(line) else _match(_SAYS, line)
    pause, who = float(place["pause"] or STEP_S), place["who"]
    assert who == "slack" or who in CAST
    if place.re is _SAYS:
        option = place["option"] or ""
        assert option in OPTIONS
        count = sum(item.verb == "says" for item in thread.happenings)
        return Happening(pause, who, "says", count + 1, place["text"] or "", option)
    rest = place["rest"]
    if rest == "compares":
        return Happening(pause, who, "compares", 0)
    if found := _BECOMES.fullmatch(rest):
        return Happening(pause, who, "becomes", 0, found["standing"])
    if found := _EDITS.fullmatch(rest):
        return Happening(pause, who, "edits", int(found["number"]), found["text"], found["option"] or "")
    if found := _REMOVES.fullmatch(rest):
        verb: Verb = "deletes" if found["verb"] == "deletes" else "unfurls"
        return Happening(pause, who, verb, int(found["number"]), option=found["option"] or "")
    found = _match(_REACTS, rest)
    verb = "unreacts" if found["sign"] else "reacts"
    return Happening(pause, who, verb, int(found["number"]), found["emoji"], found["option"] or "")


def _match(pattern: re.Pattern[str], line: str) -> re.Match[str]:
    found = pattern.fullmatch(line)
    assert found is not None
    return found
