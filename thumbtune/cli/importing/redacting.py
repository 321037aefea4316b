"""Redacts a whole conversation of a file: placeholders are numbered as in a thread, the asker first.

It does not know the store: the conversation is all there, so nothing has to be remembered to number it the same again.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from thumbtune.cli.importing.conversations import Conversation
from thumbtune.core.prompt import Passage, Turn
from thumbtune.core.redaction import PLACEHOLDER, NameIndex, Redactor, Span, apply_placeholders, clean_text

NO_NAMES = frozenset(
    re.findall(
        r"\w+",
        "admin agent anonymous bot client customer desk end guest help me member operator requester service staff support "
        "system team the unknown us user you",
    )
)
"""Words that stand where a name should: nobody is called that."""


def redact_conversation(redactor: Redactor, conversation: Conversation) -> list[Turn]:
    """Return the conversation as turns with placeholders.

    Raises: RedactionFailed.
    """
    names = NameIndex()
    for item in conversation.utterances:
        if is_name(item.author):
            names.add(item.author.casefold(), [item.author])
    redacted = _redact(
        redactor,
        [item.text for item in conversation.utterances],
        authors=[item.author for item in conversation.utterances],
        names=names,
        keeps=conversation.origin is not None,
    )
    return [Turn(item.role, text) for item, text in zip(conversation.utterances, redacted, strict=True)]


def redact_passage(redactor: Redactor, passage: Passage, *, keeps: bool) -> Passage:
    """Return a passage with placeholders, numbered by itself; `keeps` leaves those alone that it holds already.

    Raises: RedactionFailed.
    """
    texts = [passage.title, passage.text]
    title, text = _redact(redactor, texts, authors=["", ""], names=NameIndex(), keeps=keeps)
    return Passage(title, text)


def _redact(
    redactor: Redactor, texts: Sequence[str], *, authors: Sequence[str], names: NameIndex, keeps: bool
) -> list[str]:
    """Return texts that belong together with placeholders, each numbered the same wherever it stands."""
    numbers = _Numbers()
    cleaned = [_clean(text, keeps=keeps) for text in texts]
    if keeps:
        for text in cleaned:
            numbers.leave_out(text)
    redacted = []
    for text, author in zip(cleaned, authors, strict=True):
        spans = list(_find_spans(redactor, text, names=names, keeps=keeps))
        wrote = [Span(0, 0, "NAME", author.casefold())] if is_name(author) else []
        for span in (*wrote, *spans):
            numbers.number(span)
        redacted.append(apply_placeholders(text, spans, numbers.given))
    return redacted


def is_name(author: str) -> bool:
    """Return whether an author column names someone rather than a part or an address."""
    words = author.casefold().split()
    return bool(words) and "@" not in author and not NO_NAMES.issuperset(words)


class _Numbers:
    """Numbers of one conversation: the next of its kind for whatever is new."""

    def __init__(self) -> None:
        self.given: dict[tuple[str, str], int] = {}
        self._highest: dict[str, int] = {}

    def leave_out(self, text: str) -> None:
        """Give no number that a placeholder in this text has already."""
        for match in PLACEHOLDER.finditer(text):
            kind, number = match.group(1), int(match.group(2)[:9])
            self._highest[kind] = max(number, self._highest.get(kind, 0))

    def number(self, span: Span) -> None:
        """Give a value its number when it is new."""
        key = (span.kind, span.canonical)
        if key not in self.given:
            self._highest[span.kind] = self.given[key] = self._highest.get(span.kind, 0) + 1


def _clean(text: str, *, keeps: bool) -> str:
    if not keeps:
        return clean_text(text).strip()
    pieces = [piece if is_kept else clean_text(piece) for _, piece, is_kept in _split(text)]
    return "".join(pieces).strip()


def _find_spans(redactor: Redactor, text: str, *, names: NameIndex, keeps: bool) -> Iterator[Span]:
    """Yield what identifies someone; a placeholder that is kept is nobody, and splits what is around it."""
    if not keeps:
        yield from redactor.find_spans(text, names=names)
        return
    for start, piece, is_kept in _split(text):
        if not is_kept and piece:
            for span in redactor.find_spans(piece, names=names):
                yield replace(span, start=span.start + start, end=span.end + start)


def _split(text: str) -> Iterator[tuple[int, str, bool]]:
    """Yield a text's parts with where they begin and whether they are placeholders."""
    position = 0
    for match in PLACEHOLDER.finditer(text):
        yield position, text[position : match.start()], False
        yield match.start(), match.group(), True
        position = match.end()
    yield position, text[position:], False
