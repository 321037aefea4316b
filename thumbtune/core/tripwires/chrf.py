"""Compares two texts by their runs of characters: chrF, as machine translation is scored.

It knows no words, so it holds for every language. Source: Popović 2015, aclanthology.org/W15-3049; the numbers agree
with sacrebleu 2.6.0 (character order 6, beta 2), compared 2026-11-21.
"""

from collections import Counter

_ORDER = 6
_BETA = 2.0


def compute_chrf(text: str, wanted: str) -> float:
    """Return how much of a wanted text another one has, 0 to 100; what is missing weighs more than what is added."""
    found, asked = "".join(text.split()), "".join(wanted.split())
    precision = recall = orders = 0.0
    for length in range(1, _ORDER + 1):
        ours, theirs = _count_runs(found, length), _count_runs(asked, length)
        if ours and theirs:
            shared = (ours & theirs).total()
            precision += shared / ours.total()
            recall += shared / theirs.total()
            orders += 1
    if not precision + recall:
        return 0.0
    weight = _BETA**2
    return 100 * (1 + weight) * precision * recall / (weight * precision + recall) / orders


def _count_runs(text: str, length: int) -> Counter[str]:
    return Counter(text[start : start + length] for start in range(len(text) - length + 1))
