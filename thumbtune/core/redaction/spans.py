"""The parts of a text that identify someone, and what becomes of those that overlap.

It does not know how they are found.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["KEY", "EMAIL", "IBAN", "CARD", "ORDER", "PHONE", "NAME"]

KINDS: tuple[Kind, ...] = ("KEY", "EMAIL", "IBAN", "CARD", "ORDER", "PHONE", "NAME")
"""The most telling first: where two overlap, the first one names the whole."""


@dataclass(frozen=True)
class Span:
    """A part of a text that identifies someone: half-open, with what makes it the same as another mention."""

    start: int
    end: int
    kind: Kind
    canonical: str


def make_canonical(kind: Kind, text: str) -> str:
    """Return what is the same for every way of writing this value."""
    if kind in ("PHONE", "CARD"):
        return re.sub(r"[^\d+]", "", text)
    if kind in ("IBAN", "ORDER"):
        return re.sub(r"[\W_]", "", text).upper()
    return text.strip().lower() if kind == "EMAIL" else text.strip(" :=\t")


def merge_overlaps(text: str, spans: Sequence[Span]) -> list[Span]:
    """Join what overlaps into one span of the most telling kind, so that no part of either is left."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda item: (item.start, -item.end)):
        if not merged or span.start >= merged[-1].end:
            merged.append(span)
            continue
        first, second = sorted((merged[-1], span), key=lambda item: KINDS.index(item.kind))
        start, end = min(first.start, second.start), max(first.end, second.end)
        covers = (first.start, first.end) == (start, end)
        canonical = first.canonical if covers or first.kind == "NAME" else make_canonical(first.kind, text[start:end])
        merged[-1] = Span(start, end, first.kind, canonical)
    return merged
