"""Gives recognisers a text without what hides things from them: wide digits, odd spaces and dashes, invisible characters.

It does not know what is looked for.
"""

import bisect
import re
import unicodedata

_ALIKE = {ord(char): "-" for char in "‐‑‒–—−"} | {ord(char): " " for char in "\u00a0\u2007\u2009\u202f\t"}
_ALIKE |= {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
_ALIKE |= {
    zero + digit: str(digit)
    for zero in (0x660, 0x6F0, 0x966)
    for digit in range(10)
    if unicodedata.decimal(chr(zero)) == 0
}
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+")
_ALIKE |= {code: " " for code in range(0x200B, 0x206A) if _INVISIBLE.match(chr(code))} | {0xAD: " ", 0xFEFF: " "}


class PlainText:
    """A text as recognisers read it, and the way back to the places of the original."""

    def __init__(self, original: str) -> None:
        self._starts, self._dropped, pieces, position = [0], [0], [], 0
        for match in _INVISIBLE.finditer(original):
            around = original[match.start() - 1 : match.start()], original[match.end() : match.end() + 1]
            if any(char.isalpha() for char in around) and any(char.isdecimal() for char in around):
                continue  # it stands for a space between a word and a number
            pieces.append(original[position : match.start()])
            position = match.end()
            self._starts.append(match.start() - self._dropped[-1])
            self._dropped.append(self._dropped[-1] + len(match.group()))
        self.text = "".join([*pieces, original[position:]]).translate(_ALIKE)

    def locate(self, start: int, end: int) -> tuple[int, int]:
        """Return where this part of the text begins and ends in the original."""
        return self._shift(start), self._shift(end - 1) + 1

    def _shift(self, index: int) -> int:
        return index + self._dropped[bisect.bisect_right(self._starts, index) - 1]
