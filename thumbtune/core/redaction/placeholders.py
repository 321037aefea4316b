"""Puts placeholders in the place of spans, and originals back in the place of placeholders.

It does not know how spans are found or how they are numbered.
"""

import re
from collections.abc import Mapping, Sequence

from thumbtune.core.redaction.spans import KINDS, Span

PLACEHOLDER = re.compile(rf"\[({'|'.join(KINDS)})_(\d+)\]")


def clean_text(text: str) -> str:
    """Return a text that every database can hold: no NUL, no half of a surrogate pair, no forged placeholder."""
    cleaned = text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
    return PLACEHOLDER.sub(r"(\1 \2)", cleaned)


def apply_placeholders(text: str, spans: Sequence[Span], numbers: Mapping[tuple[str, str], int]) -> str:
    """Return the text with each span replaced; `numbers` is keyed by kind and canonical value."""
    pieces, position = [], 0
    for span in spans:
        pieces += [text[position : span.start], name_placeholder(span.kind, numbers[span.kind, span.canonical])]
        position = span.end
    return "".join([*pieces, text[position:]])


def name_placeholder(kind: str, number: int) -> str:
    """Return what stands in a text for an original."""
    return f"[{kind}_{number}]"


def fill_back(text: str, originals: Mapping[str, str]) -> str:
    """Return the text with its placeholders filled from `originals`; unknown ones stay as they are."""
    return PLACEHOLDER.sub(lambda match: originals.get(match.group(), match.group()), text)


def find_unfilled(text: str) -> list[str]:
    """Return the placeholders that are still in a text."""
    return sorted({match.group() for match in PLACEHOLDER.finditer(text)})
