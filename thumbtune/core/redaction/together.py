"""Redacts texts that belong together and stand in no thread of ours: what is the same has the same number in all of them.

It does not know the store: the texts are all there, so nothing has to be remembered to number them the same again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from thumbtune.core.redaction.names import NameIndex
from thumbtune.core.redaction.placeholders import PLACEHOLDER, apply_placeholders, clean_text
from thumbtune.core.redaction.redactor import Redactor
from thumbtune.core.redaction.spans import Span


def redact_together(
    redactor: Redactor, texts: Sequence[str], *, names: NameIndex, keeps: bool, authors: Sequence[str] = ()
) -> list[str]:
    """Return texts that belong together with placeholders, each numbered the same wherever it stands.

    `keeps` leaves those placeholders alone that they hold already. `authors` has the name of who wrote each text, empty
    where that is not known; whose text comes first has the first number.
    Raises: RedactionFailed.
    """
    numbers = _Numbers()
    cleaned = [_clean(text, keeps=keeps) for text in texts]
    if keeps:
        for text in cleaned:
            numbers.leave_out(text)
    redacted = []
    for text, author in zip(cleaned, authors or [""] * len(cleaned), strict=True):
        spans = list(_find_spans(redactor, text, names=names, keeps=keeps))
        wrote = [Span(0, 0, "NAME", author.casefold())] if author else []
        for span in (*wrote, *spans):
            numbers.number(span)
        redacted.append(apply_placeholders(text, spans, numbers.given))
    return redacted


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
