"""Reads and writes golden cases as JSON lines; what was written is read back as the same cases.

It does not know the command line or the store.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from thumbtune.cli.importing.conversations import Problem, Unusable, check_text
from thumbtune.cli.output import count_noun
from thumbtune.core.errors import BadInput, RedactionFailed
from thumbtune.core.golden import CaseContent, Expectations, redact_case, validate_case
from thumbtune.core.prompt import Turn
from thumbtune.core.redaction import NameIndex, Redactor
from thumbtune.core.store.places import Place

MAX_FILE_BYTES = 64 * 1024**2
_TERMS = ("contains_all", "contains_any", "contains_none")
_FIELDS = {"title", "turns", "question", "expectations", "grounded", "made_from"}
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class ReadCase:
    """A case as a line of a file has it, redacted."""

    where: str
    content: CaseContent
    made_from: Place | None = None


@dataclass
class ReadCases:
    """A whole file as read."""

    cases: list[ReadCase] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def write_case(content: CaseContent, made_from: Place | None) -> bytes:
    """Return a case as a line of a file."""
    line: dict[str, Any] = {  # Any: JSON
        "title": content.title,
        "turns": [asdict(turn) for turn in content.turns],
        "expectations": {name: value for name, value in asdict(content.expectations).items() if value},
        "grounded": content.grounded,
    }
    if made_from is not None:
        line["made_from"] = asdict(made_from)
    return (json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def read_cases(path: Path, redactor: Redactor) -> ReadCases:
    """Return every line as a case or as a problem.

    Raises: BadInput when the file cannot be read.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BadInput(f"{path} is larger than {MAX_FILE_BYTES // 1024**2} MiB; a golden set is small")
        lines = path.read_bytes().removeprefix(_BOM).split(b"\n")
    except OSError as exc:
        raise BadInput(f"{path} cannot be read: {exc.strerror}") from exc
    found = ReadCases()
    for number, line in enumerate(lines, start=1):
        if line.strip():
            where = f"line {number}"
            try:
                found.cases.append(_read_line(line, where=where, redactor=redactor))
            except (Unusable, BadInput) as exc:
                found.problems.append(Problem(where, str(exc)))
            except RedactionFailed:
                found.problems.append(Problem(where, "it could not be redacted"))
    return found


def _read_line(line: bytes, *, where: str, redactor: Redactor) -> ReadCase:
    try:
        found = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as exc:
        raise Unusable(f"not UTF-8 text (byte {exc.start})") from exc
    except (ValueError, RecursionError) as exc:
        raise Unusable(f"not valid JSON ({getattr(exc, 'msg', 'nested too deep or a number too long')})") from exc
    if not isinstance(found, dict):
        raise Unusable("not a JSON object")
    unknown = sorted(set(found) - _FIELDS)
    if unknown:
        raise Unusable(f"{unknown[0][:40]!r} is not known; known are {', '.join(sorted(_FIELDS))}")
    grounded = found.get("grounded", True)
    if not isinstance(grounded, bool):
        raise Unusable("grounded is neither true nor false")
    content = CaseContent(
        title=check_text(found.get("title"), what="the title").strip(),
        turns=_read_turns(found),
        expectations=_read_expectations(found.get("expectations")),
        grounded=grounded,
    )
    validate_case(content)
    redacted = redact_case(redactor, content, names=NameIndex())
    validate_case(redacted)
    return ReadCase(where, redacted, _read_place(found.get("made_from")))


def _read_turns(found: dict[str, Any]) -> tuple[Turn, ...]:  # Any: JSON
    if ("turns" in found) == ("question" in found):
        raise Unusable("a case has either turns or a question")
    if "question" in found:
        return (Turn("customer", check_text(found["question"], what="the question").strip()),)
    turns = found["turns"]
    if not isinstance(turns, list):
        raise Unusable("turns is not a list")
    read: list[Turn] = []
    for number, turn in enumerate(turns, start=1):
        role = turn.get("role") if isinstance(turn, dict) else None
        if role != "customer" and role != "agent":
            raise Unusable(f"turn {number} has no role: customer or agent")
        read.append(Turn(role, check_text(turn.get("text"), what=f"turn {number}")))
    return tuple(read)


def _read_expectations(found: object) -> Expectations:
    if not isinstance(found, dict):
        raise Unusable("expectations is not an object")
    unknown = sorted(set(found) - {*_TERMS, "max_chars"})
    if unknown:
        raise Unusable(
            f"the expectation {str(unknown[0])[:40]!r} is not known; known are {', '.join(_TERMS)}, max_chars"
        )
    max_chars = found.get("max_chars")
    if max_chars is not None and (not isinstance(max_chars, int) or isinstance(max_chars, bool)):
        raise Unusable("max_chars is not a whole number")
    every, one, none = (_read_terms(found.get(name, []), name=name) for name in _TERMS)
    return Expectations(every, one, none, max_chars)


def _read_terms(found: object, *, name: str) -> tuple[str, ...]:
    if not isinstance(found, list) or not all(isinstance(term, str) for term in found):
        raise Unusable(f"{name} is not a list of texts")
    return tuple(found)


def _read_place(found: object) -> Place | None:
    if found is None:
        return None
    if not isinstance(found, dict) or not all(isinstance(value, str) and len(value) <= 32 for value in found.values()):
        raise Unusable("made_from is not as `thumbtune golden export` writes it")
    try:
        return Place(**found)
    except TypeError as exc:
        raise Unusable("made_from is not as `thumbtune golden export` writes it") from exc


def count_words(items: Iterable[object]) -> str:
    """Return how many cases there are, in words."""
    return count_noun(sum(1 for _ in items), "golden case")
