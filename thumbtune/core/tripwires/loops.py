"""Tells a text in which a model got stuck from one that repeats itself as people do.

It does not know languages.
"""

from collections.abc import Sequence

_WORD_PERIODS = range(1, 61)
_CHAR_PERIODS = range(1, 9)
_ROUNDS = 4
"""Times in a row that something must be said to count as stuck."""
_MIN_WORDS = 8
_MIN_CHARS = 40
"""A line of dashes between two parts of a reply is shorter."""


def is_looping(text: str) -> bool:
    """Return whether the same words, or in a script without spaces the same characters, come again and again."""
    return _repeats(text.casefold().split(), _WORD_PERIODS, at_least=_MIN_WORDS) or _repeats(
        text, _CHAR_PERIODS, at_least=_MIN_CHARS
    )


def _repeats(items: Sequence[str], periods: range, *, at_least: int) -> bool:
    for period in periods:
        needed = max(period * (_ROUNDS - 1), at_least - period)
        if needed + period > len(items):
            break
        run = 0
        for place in range(period, len(items)):
            run = run + 1 if items[place] == items[place - period] else 0
            if run >= needed:
                return True
    return False
