"""A thread's triage: what it is about, how urgent it is, and what to do next; how it is spelled and what a model may write.

It does not know prompts, models or the store. A model is held to the pattern, token by token, so that what it writes can
always be read; a JSON schema would not do, since it lets a model fill its whole reply with white space.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, replace
from typing import Any

from thumbtune.core.errors import BadInput

PRIORITIES = ("low", "normal", "high", "urgent")
FIELDS = ("category", "priority", "summary", "suggested_action")
MAX_TEXT_CHARS = 120
"""Of a summary, and of a suggested action: one line on a card."""
MAX_CATEGORY_CHARS = 40
MAX_CATEGORIES = 100
"""As many as Slack offers in one menu."""
MAX_TRIAGE_TOKENS = 960
"""Tokens of the longest triage that the pattern allows: no token is less than a byte, no character over three."""
MIN_TRIAGES = 20
"""Triages below which a run does not train on them: fewer teach a model to sound sure."""

_FIRST = "!#-\\[\\]-~\u00a1-\u200d\u2010-\u2027\u2030-\u205e\u2070-\ud7ff\uf900-\ufefe\uff01-\ufffd"
"""Characters that JSON spells as they are, in a regular expression's class: no controls, none of more than three bytes."""
_TEXT = f"[{_FIRST}][ {_FIRST}]{{0,{MAX_TEXT_CHARS - 1}}}"
_NOT_SPELLED = re.compile(f"[^ {_FIRST}]+")


@dataclass(frozen=True)
class Triage:
    """What a thread is about, how urgent it is, and what to do next; texts hold placeholders."""

    category: str
    priority: str
    summary: str
    suggested_action: str


def dump_triage(triage: Triage) -> str:
    """Return the one spelling of a triage: the line that is trained on, and that a model may write."""
    return json.dumps(asdict(triage), ensure_ascii=False, separators=(",", ":"))


def read_triage(text: str, categories: Sequence[str]) -> Triage:
    """Return the triage that a model wrote.

    Raises: BadInput when it is not spelled as the pattern says.
    """
    try:
        fields = json.loads(text)
        triage = Triage(**fields)
    except (ValueError, TypeError) as exc:
        raise BadInput(f"the triage cannot be read: {type(exc).__name__}; ask for it with its pattern") from exc
    if not all(isinstance(value, str) for value in astuple(triage)):
        raise BadInput("a field of the triage is no text; ask for it with its pattern")
    return check_triage(
        replace(triage, summary=triage.summary.rstrip(" "), suggested_action=triage.suggested_action.rstrip(" ")),
        categories,
    )


def check_triage(triage: Triage, categories: Sequence[str]) -> Triage:
    """Return a triage that a desk with these categories can have.

    Raises: BadInput with the field that is not right.
    """
    if triage.category not in categories:
        raise BadInput(f"the category {triage.category!r} is none of the desk's: {', '.join(categories)}")
    if triage.priority not in PRIORITIES:
        raise BadInput(f"the priority {triage.priority!r} is none of {', '.join(PRIORITIES)}")
    for name in ("summary", "suggested_action"):
        if not re.fullmatch(_TEXT, getattr(triage, name)):
            raise BadInput(f"the {name} has to be one line of 1 to {MAX_TEXT_CHARS} characters without double quotes")
    return triage


def spell_text(text: str) -> str:
    """Return a text as a triage can hold it: one line, single quotes, at most so long; no word or placeholder is cut."""
    line = " ".join(_NOT_SPELLED.sub(" ", text.replace('"', "'").replace("\\", "/")).split())
    if len(line) <= MAX_TEXT_CHARS:
        return line
    return line[: MAX_TEXT_CHARS + 1].rpartition(" ")[0] or line[:MAX_TEXT_CHARS]


def check_categories(categories: Sequence[str]) -> None:
    """Check that a desk can have these categories.

    Raises: BadInput.
    """
    if len(categories) > MAX_CATEGORIES:
        raise BadInput(f"a desk can have {MAX_CATEGORIES} categories; these are {len(categories)}")
    for name in categories:
        if not name or len(name) > MAX_CATEGORY_CHARS or _NOT_SPELLED.search(name):
            raise BadInput(
                f"the category {name[:60]!r} has to be 1 to {MAX_CATEGORY_CHARS} characters without quotes or emoji"
            )


def build_pattern(categories: Sequence[str]) -> str:
    """Return the regular expression of every triage that a desk with these categories can have."""
    parts = {
        "category": f"({'|'.join(map(_escape, categories))})",
        "priority": f"({'|'.join(PRIORITIES)})",
        "summary": _TEXT,
        "suggested_action": _TEXT,
    }
    return "\\{" + ",".join(f'"{name}":"{parts[name]}"' for name in FIELDS) + "\\}"


def build_response_format(categories: Sequence[str]) -> dict[str, Any]:  # Any: JSON
    """Return what holds the model server to the pattern.

    Source: vllm 0.32.0, `structural_tag` of response_format; xgrammar 0.2.8, its format `regex`, seen 2026-11-21.
    """
    return {"type": "structural_tag", "format": {"type": "regex", "pattern": build_pattern(categories)}}


def _escape(literal: str) -> str:
    return re.sub(r"([\\.^$*+?()\[\]{}|/-])", r"\\\1", literal)
