"""Measures how far drafts are from a desk's approved replies in style: length, sentences, punctuation, emoji, how they
open and close.

It knows no language and no voice. A few numbers that anyone can check stand in for a judgement; they are shown, and
decide nothing.
"""

import re
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from thumbtune.core.redaction import PLACEHOLDER

_SENTENCE = re.compile(r"[^.!?。！？\n]+[.!?。！？]*")
_WORD = re.compile(r"\w+(?:['’]\w+)?")
_EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf]|:[a-z][a-z0-9_+-]+:")
_USUAL_SHARE = 0.1
"""Share of replies that open, or close, with the same words for these to count as usual."""
_CAP = 3.0
"""Standard deviations at which one measure counts no further."""

_Measure = Callable[[str, list[str], list[str]], float]
_MEASURES: Mapping[str, _Measure] = {
    "words": lambda _text, words, _sentences: len(words),
    "words a sentence": lambda _text, words, sentences: len(words) / len(sentences),
    "lines": lambda text, _words, _sentences: len(text.strip().splitlines()),
    "exclamation marks a sentence": lambda text, _words, sentences: text.count("!") / len(sentences),
    "question marks a sentence": lambda text, _words, sentences: text.count("?") / len(sentences),
    "commas a sentence": lambda text, _words, sentences: text.count(",") / len(sentences),
    "emoji": lambda text, _words, _sentences: len(_EMOJI.findall(text)),
    "capitals a word": lambda text, words, _sentences: sum(map(str.isupper, text)) / max(len(words), 1),
}
_FLOORS = {"words": 5.0, "words a sentence": 2.0, "lines": 0.5}
_FLOOR = 0.1
"""Spread that a measure has at least, so that replies which are all alike do not make a trifle infinite."""


@dataclass(frozen=True)
class Style:
    """How a desk writes: each measure's mean and spread over its replies, and how they usually open and close."""

    means: Mapping[str, float]
    spreads: Mapping[str, float]
    openings: frozenset[str]
    closings: frozenset[str]
    opened: float
    """Share of replies that open in a usual way."""
    closed: float


def describe_style(replies: Sequence[str]) -> Style | None:
    """Return the style of these replies; None when there are too few to tell."""
    written = [reply for reply in replies if reply.strip()]
    if len(written) < 3:
        return None
    rows = [_measure(reply) for reply in written]
    openings, closings = _list_usual(map(_open, written)), _list_usual(map(_close, written))
    return Style(
        {name: statistics.fmean(row[name] for row in rows) for name in _MEASURES},
        {name: max(statistics.stdev(row[name] for row in rows), _FLOORS.get(name, _FLOOR)) for name in _MEASURES},
        openings,
        closings,
        statistics.fmean(_open(reply) in openings for reply in written),
        statistics.fmean(_close(reply) in closings for reply in written),
    )


def measure_distance(style: Style, drafts: Sequence[str]) -> float | None:
    """Return how far the drafts' averages are from the replies', in the replies' standard deviations: 0 is the same.

    It is the mean over all measures, each counted up to 3; usual openings and closings count as one measure each, the
    whole way from always to never being 3. None when nothing was written.
    """
    written = [draft for draft in drafts if draft.strip()]
    if not written:
        return None
    rows = [_measure(draft) for draft in written]
    gaps = [
        min(abs(statistics.fmean(row[name] for row in rows) - style.means[name]) / style.spreads[name], _CAP)
        for name in _MEASURES
    ]
    gaps.append(_CAP * abs(statistics.fmean(_open(draft) in style.openings for draft in written) - style.opened))
    gaps.append(_CAP * abs(statistics.fmean(_close(draft) in style.closings for draft in written) - style.closed))
    return statistics.fmean(gaps)


def _measure(text: str) -> dict[str, float]:
    words, sentences = _WORD.findall(PLACEHOLDER.sub("x", text)), _split(text) or [text]
    return {name: float(measure(text, words, sentences)) for name, measure in _MEASURES.items()}


def _split(text: str) -> list[str]:
    return [found for found in _SENTENCE.findall(text) if _WORD.search(found)]


def _open(text: str) -> str:
    """Return the first word of a text."""
    return next(iter(_list_words(text)), "")


def _close(text: str) -> str:
    """Return the first two words of a text's last sentence, by which courtesies are told apart."""
    sentences = [words for sentence in _split(text) if (words := _list_words(sentence))]
    return " ".join(sentences[-1][:2]) if sentences else ""


def _list_words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(PLACEHOLDER.sub(" ", text))]


def _list_usual(found: "Sequence[str] | map[str]") -> frozenset[str]:
    counts = Counter(found)
    needed = max(2.0, _USUAL_SHARE * counts.total())
    return frozenset(words for words, count in counts.items() if words and count >= needed)
