"""Golden cases: what a desk's candidate is asked, whatever the held-out set says, and whether its reply may pass.

It does not know models or the store. What is expected can be checked without a second model, in the same time whatever
the reply is: words that have to be in it or must not be, and its length.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Literal

from thumbtune.core.errors import BadInput
from thumbtune.core.prompt import Turn, find_question
from thumbtune.core.redaction import NameIndex, Redactor, redact_together

MAX_TITLE_CHARS = 120
MAX_TURNS = 100
MAX_TURN_CHARS = 40_000
MAX_TERMS = 20
"""Words or phrases of one kind of expectation."""
MAX_TERM_CHARS = 300
MAX_REPLY_CHARS = 100_000

CasePart = Literal["title", "question", "contains_all", "contains_any", "contains_none", "max_chars"]
"""What of a golden case may have to be changed."""
_TERM_PARTS: tuple[CasePart, ...] = ("contains_all", "contains_any", "contains_none")

_LIKE_QUOTES = str.maketrans("’‘ʼ´`“”„«»‐‑–—", "'''''\"\"\"\"\"----")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True)
class Expectations:
    """What a reply has to be to pass; each that is given has to hold.

    Letters count whatever their case, and spaces, quotes and dashes whatever their kind. A number counts as a whole: 5 is
    not in 15, nor in 1.5.
    """

    contains_all: tuple[str, ...] = ()
    """Words or phrases that all have to be in it."""
    contains_any: tuple[str, ...] = ()
    """Words or phrases of which one has to be in it."""
    contains_none: tuple[str, ...] = ()
    """Words or phrases that must not be in it."""
    max_chars: int | None = None


@dataclass(frozen=True, kw_only=True)
class CaseContent:
    """What a lead writes of a golden case, redacted."""

    title: str
    turns: tuple[Turn, ...]
    """The conversation up to where the reply is asked for."""
    expectations: Expectations
    grounded: bool = True
    """Whether it is asked with what the help centre says on it, as a draft is."""


@dataclass(frozen=True, kw_only=True)
class GoldenCase(CaseContent):
    """One case of a desk's golden set."""

    case_id: int
    desk_id: str
    pair_id: int | None
    """The pair it was made from: when that pair's texts are erased, the case goes with them."""
    added_by: str
    changed_by: str
    created_at: datetime
    changed_at: datetime


def check_reply(case: CaseContent, reply: str) -> list[str]:
    """Return in words what a reply fails of what its case expects; nothing when it passes. An empty one never does."""
    expected, text = case.expectations, _level(reply)
    if not text:
        return ["is empty"]
    failed = [f"does not contain {_quote(term)}" for term in expected.contains_all if not _holds(text, term)]
    if expected.contains_any and not any(_holds(text, term) for term in expected.contains_any):
        failed.append(f"contains none of {', '.join(map(_quote, expected.contains_any))}")
    failed += [f"contains {_quote(term)}" for term in expected.contains_none if _holds(text, term)]
    length = len(reply.strip())
    if expected.max_chars is not None and length > expected.max_chars:
        failed.append(f"has {length} characters, more than {expected.max_chars}")
    return failed


def describe_expectations(expected: Expectations) -> list[str]:
    """Return what is expected of a reply, in words."""
    lines = [f"contains {_quote(term)}" for term in expected.contains_all]
    if expected.contains_any:
        lines.append(f"contains {' or '.join(map(_quote, expected.contains_any))}")
    lines += [f"does not contain {_quote(term)}" for term in expected.contains_none]
    if expected.max_chars is not None:
        lines.append(f"has at most {expected.max_chars} characters")
    return lines


def validate_case(content: CaseContent) -> None:
    """Check that a case can be asked, can fail and can be passed.

    Raises: BadInput saying what to change.
    """
    for _, problem in find_problems(content):
        raise BadInput(problem)


def find_problems(content: CaseContent) -> Iterator[tuple[CasePart, str]]:
    """Yield what is wrong with a case, each with the part of it that has to change."""
    expected = content.expectations
    kinds = (expected.contains_all, expected.contains_any, expected.contains_none)
    if not content.title.strip() or len(content.title) > MAX_TITLE_CHARS:
        yield "title", f"a golden case needs a title of at most {MAX_TITLE_CHARS} characters"
    if not find_question(content.turns).strip():
        yield "question", "a golden case needs a question of the customer"
    if len(content.turns) > MAX_TURNS or any(len(turn.text) > MAX_TURN_CHARS for turn in content.turns):
        yield "question", f"a golden case has at most {MAX_TURNS} messages of {MAX_TURN_CHARS} characters each"
    if not any(kinds) and expected.max_chars is None:
        yield (
            "contains_all",
            "a golden case needs something to expect: what the reply contains, does not contain, or its length",
        )
    for part, terms in zip(_TERM_PARTS, kinds, strict=True):
        if len(terms) > MAX_TERMS:
            yield part, f"{len(terms)} words or phrases are expected of one kind; at most {MAX_TERMS} are taken"
        if any(not _level(term) or len(term) > MAX_TERM_CHARS for term in terms):
            yield part, f"a word or phrase to look for has 1 to {MAX_TERM_CHARS} characters"
    required, choices = ([_level(term) for term in terms] for terms in kinds[:2])
    for term in expected.contains_none:
        if any(_holds(text, term) for text in required):
            yield "contains_none", f"no reply can pass: it has to contain what must not be in it ({_quote(term)})"
    if choices and all(any(_holds(text, term) for term in expected.contains_none) for text in choices):
        yield "contains_none", "no reply can pass: each of what it may contain must not be in it"
    if expected.max_chars is not None and not 1 <= expected.max_chars <= MAX_REPLY_CHARS:
        yield "max_chars", f"the most characters a reply may have must be a number from 1 to {MAX_REPLY_CHARS}"
    needed_by = [[min(len(term.strip()), len(_level(term))) for term in terms] for terms in kinds[:2]]
    needed = max([*needed_by[0], min(needed_by[1], default=0)])
    if expected.max_chars is not None and expected.max_chars < needed:
        yield "max_chars", f"no reply can pass: what it has to contain has {needed} characters"


def redact_case(redactor: Redactor, content: CaseContent, *, names: NameIndex) -> CaseContent:
    """Return a case with placeholders; those that it holds already stay what they are.

    Raises: RedactionFailed.
    """
    expected = content.expectations
    kinds = (expected.contains_all, expected.contains_any, expected.contains_none)
    texts = [turn.text for turn in content.turns] + [content.title] + [term for terms in kinds for term in terms]
    redacted = iter(redact_together(redactor, texts, names=names, keeps=True))
    turns = tuple(replace(turn, text=next(redacted)) for turn in content.turns)
    title = next(redacted)
    every, one, none = (tuple(next(redacted) for _ in terms) for terms in kinds)
    return replace(content, title=title, turns=turns, expectations=Expectations(every, one, none, expected.max_chars))


def digest_case(content: CaseContent) -> str:
    """Return by what the same content is known again."""
    fields = {name: getattr(content, name) for name in ("title", "grounded")}
    fields["turns"] = [asdict(turn) for turn in content.turns]
    fields["expectations"] = asdict(content.expectations)
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def _level(text: str) -> str:
    """Return a text in which only what matters differs."""
    plain = unicodedata.normalize("NFKC", text).translate(_LIKE_QUOTES)
    return _SPACE.sub(" ", plain).strip().casefold()


def _holds(text: str, term: str) -> bool:
    """Return whether a levelled text holds a term; a number at the term's edge only as a whole."""
    wanted = _level(term)
    start = text.find(wanted)
    while start >= 0:
        end = start + len(wanted)
        if not (_cuts_number(text, start) or _cuts_number(text, end)):
            return True
        start = text.find(wanted, start + 1)
    return False


def _cuts_number(text: str, at: int) -> bool:
    """Return whether a number of the text goes on over this place: 1|5, 1|.5 and 1.|5 do, and so does 1|,500."""
    before, after = text[max(at - 2, 0) : at], text[at : at + 2]
    if before[-1:].isdigit() and after[:1].isdigit():
        return True
    if before[-1:].isdigit() and after[:1] in (".", ",") and after[1:].isdigit():
        return True
    return before[-1:] in (".", ",") and before[:-1].isdigit() and after[:1].isdigit()


def _quote(term: str) -> str:
    return f"“{term}”"
