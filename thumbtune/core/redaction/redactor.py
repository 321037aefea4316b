"""Finds everything in a text that identifies someone.

It does not know who is in the conversation: their names come in from outside.
"""

from collections.abc import Sequence

from thumbtune.core.errors import RedactionFailed
from thumbtune.core.redaction.names import NameIndex
from thumbtune.core.redaction.plain_text import PlainText
from thumbtune.core.redaction.recognizers import build_recognizers
from thumbtune.core.redaction.spans import Span, make_canonical, merge_overlaps


class Redactor:
    """Holds the recognisers, built once; safe to share between threads."""

    def __init__(self, *, order_number_patterns: Sequence[str] = ()) -> None:
        self._recognizers = build_recognizers(order_number_patterns)
        self.find_spans("warm up: a@b.example, 4111 1111 1111 1111", names=NameIndex())

    def find_spans(self, text: str, *, names: NameIndex) -> list[Span]:
        """Return what identifies someone, in order and without overlaps.

        Raises: RedactionFailed when a recogniser breaks; the text must then be dropped.
        """
        plain = PlainText(text)
        try:
            found = [
                Span(hit.start, hit.end, kind, make_canonical(kind, plain.text[hit.start : hit.end]))
                for kind, might_match, recognizer in self._recognizers
                if might_match(plain.text)
                for hit in recognizer.analyze(plain.text, [kind])
            ]
            found += names.find(plain.text)
        except Exception as exc:  # whatever a recogniser does, an unredacted text must not pass
            raise RedactionFailed(f"the text could not be redacted: {type(exc).__name__}") from None
        merged = merge_overlaps(plain.text, found)
        return [Span(*plain.locate(span.start, span.end), span.kind, span.canonical) for span in merged]
