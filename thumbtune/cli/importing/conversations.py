"""What a file is read into before anything is stored: conversations, and the rows that could not be used.

It does not know file formats, redaction or the store.
"""

from collections import Counter
from dataclasses import dataclass, field

from thumbtune.core.prompt import Passage, Role
from thumbtune.core.records import PairSource
from thumbtune.core.store.places import Place

MAX_TEXT_CHARS = 40_000
"""Longest message taken; Slack cuts its own at as many. Source: docs.slack.dev chat.postMessage, seen 2026-11-21."""
MAX_MESSAGES = 1000
MAX_FILE_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class Utterance:
    """One message of a conversation as the file has it, not redacted yet."""

    role: Role
    text: str
    author: str = ""
    """Full name, empty when the file does not say."""


@dataclass(frozen=True)
class Conversation:
    """A conversation of which some messages become pairs, each with those before it."""

    where: str
    """Line or row in the file, for people."""
    key: str
    """What it shares with itself grown longer, and with lines that are cut from it: they are held out together."""
    utterances: tuple[Utterance, ...]
    replies: tuple[int, ...]
    """Positions of the agents' messages to learn from."""
    passages: tuple[Passage, ...] | None = None
    """What the reply rests on, when the file says; None: what the help centre has on the question."""
    origin: Place | None = None
    """Where an exported pair was before; its texts keep the placeholders they hold."""
    approved_by: str = "cli"
    source: PairSource = "imported"
    """An exported pair that a model drafted stays one: such pairs are a limited share of what is trained on."""


@dataclass(frozen=True)
class Problem:
    """A line or row that could not be used, and why."""

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


class Unusable(Exception):
    """Why one line or row cannot be used."""


@dataclass
class Parsed:
    """A whole file as read."""

    conversations: list[Conversation] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    """Replies that make no pair, by reason."""


def check_text(text: object, *, what: str) -> str:
    """Return a message's text.

    Raises: Unusable when it is no text or too long.
    """
    if not isinstance(text, str):
        raise Unusable(f"{what} is not text but {type(text).__name__}")
    if len(text) > MAX_TEXT_CHARS:
        raise Unusable(f"{what} has {len(text)} characters, more than {MAX_TEXT_CHARS}")
    return text
