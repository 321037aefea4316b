"""Finds the names of people in a text: whole or in part, in any case, with or without accents.

It does not know where names come from.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence

from thumbtune.core.redaction.everyday_words import (
    MONTHS,
    NEVER_NAMES,
    WORDS_AFTER_A_VERB,
    WORDS_BEFORE_A_MONTH,
    WORDS_THAT_ARE_NAMES,
)
from thumbtune.core.redaction.spans import Span

_WORD = re.compile(r"(?:[^\W\d_][\u0300-\u036f]*)+")
_JOINS_NAMES = re.compile(r"[ .'’\-_\u00a0]|  ")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_ASIDE = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|(?: [-–—/]|[|·•,:]) .*|\|.*")
"""What people write beside their display name: pronouns, a team, an absence."""
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})
_SPELT_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
_PREFIXES = re.compile(r"[והבלמשכ]{1,2}(?=[\u05d0-\u05ea]{2})|[وفبلك]{1,2}(?=[\u0621-\u064a]{2})")
"""What Hebrew and Arabic write together with the word that follows: and, to, from …"""
_DAY_AFTER = re.compile(r" ?,? ?\d")
_DAY_BEFORE = re.compile(r"\d(?:st|nd|rd|th|\.)?(?: of)? $")
_LEAST_GENITIVE = 4
_LEAST_HANDLE = 5

_Word = tuple[int, int, str]
"""Where a word begins and ends, and what it is when case and accents do not count."""


class NameIndex:
    """The names of people who may be mentioned; it grows while it is used, and adding someone known costs nothing."""

    def __init__(self) -> None:
        self._by_first_word: dict[str, list[tuple[tuple[str, ...], str, bool]]] = {}
        self._unspaced: dict[str, str] = {}
        self._known: set[tuple[str, str]] = set()

    def add(self, person_id: str, names: Sequence[str]) -> None:
        """Add a person's full, first, last and display names."""
        for name in names:
            if (person_id, name) in self._known:
                continue
            self._known.add((person_id, name))
            name = _ASIDE.sub("", name).strip() or name
            if _CJK.search(name):
                self._unspaced |= {part: person_id for part in ("".join(name.split()), *name.split()) if _is_cjk(part)}
            for spelling in {name, name.lower().translate(_SPELT_OUT), _drop_spelt_out(name)}:
                for part in _list_parts(spelling):
                    self._add_words(part, person_id)

    def find(self, text: str) -> Iterator[Span]:
        """Yield every mention."""
        words = [(match.start(), match.end(), _fold(match.group())) for match in _WORD.finditer(text)]
        index = 0
        while index < len(words):
            span, taken = self._match(text, words, index)
            if span is not None:
                yield span
            index += taken
        for name, person_id in list(self._unspaced.items()):
            for found in re.finditer(re.escape(name), text):
                yield Span(found.start(), found.end(), "NAME", person_id)

    def _match(self, text: str, words: Sequence[_Word], index: int) -> tuple[Span | None, int]:
        for start, end, folded in _list_readings(text, words[index]):
            for sequence, person_id, is_everyday in self._by_first_word.get(folded, ()):
                run = [(start, end, folded), *words[index + 1 : index + len(sequence)]]
                if is_everyday and not _stands_as_name(text, words, index):
                    continue
                if _continues(text, run, sequence):
                    return Span(start, run[-1][1], "NAME", person_id), len(sequence)
        return None, 1

    def _add_words(self, words: tuple[str, ...], person_id: str) -> None:
        if len(words) == 1 and (len(words[0]) < 2 or words[0] in NEVER_NAMES):
            return
        is_everyday = len(words) == 1 and (words[0] in WORDS_THAT_ARE_NAMES or len(words[0]) < 3)
        known = self._by_first_word.get(words[0], [])
        if not any(sequence == words for sequence, _, _ in known):
            longest_first = sorted([*known, (words, person_id, is_everyday)], key=lambda entry: -len(entry[0]))
            self._by_first_word[words[0]] = longest_first


def _list_parts(name: str) -> set[tuple[str, ...]]:
    """Return the ways to say a name: whole, each part, each word, and run together as in a handle."""
    words = _split_name(name)
    parts = {words, *(_split_name(part) for part in name.split()), *((word,) for word in words)}
    if len(words) > 1:
        handles = {"".join(words), words[0][0] + words[-1], words[0] + words[-1][0], words[-1] + words[0]}
        parts |= {(handle,) for handle in handles if len(handle) >= _LEAST_HANDLE}
    parts |= {("".join(_split_name(part)),) for part in name.split()}
    return {part for part in parts if part and part[0]}


def _list_readings(text: str, word: _Word) -> Iterator[_Word]:
    """Yield a word as it is, without the s that tells whose something is, and without what is written before it."""
    start, end, folded = word
    yield word
    if folded.endswith("s") and len(folded) > _LEAST_GENITIVE and text[start].isupper():
        yield start, end - 1, folded[:-1]
    prefix = _PREFIXES.match(text, start, end)
    if prefix:
        for cut in range(prefix.end(), start, -1):
            yield cut, end, _fold(text[cut:end])


def _stands_as_name(text: str, words: Sequence[_Word], index: int) -> bool:
    """Return whether an everyday word is meant as a name: it has a capital, and its neighbours do not speak against it."""
    start, end, folded = words[index]
    if text[start - 1 : start] == "@":
        return True
    if not text[start].isupper():
        return False
    before = words[index - 1] if index else None
    after = words[index + 1] if index + 1 < len(words) else None
    if folded in MONTHS and _is_in_date(text, start, end, before=before):
        return False
    speaks_on = after is not None and text[end : after[0]] == " " and after[2] in WORDS_AFTER_A_VERB
    return not (speaks_on and _begins_sentence(text, start))


def _is_in_date(text: str, start: int, end: int, *, before: _Word | None) -> bool:
    if before is not None and before[2] in WORDS_BEFORE_A_MONTH and text[before[1] : start] == " ":
        return True
    return bool(_DAY_AFTER.match(text, end) or _DAY_BEFORE.search(text[max(0, start - 8) : start]))


def _begins_sentence(text: str, start: int) -> bool:
    return not re.search(r"[^\W_][^.!?\n]{0,3}$", text[max(0, start - 6) : start])


def _continues(text: str, words: Sequence[_Word], sequence: tuple[str, ...]) -> bool:
    if tuple(folded for _, _, folded in words) != sequence:
        return False
    for (_, end, initial), (start, _, _) in itertools.pairwise(words):
        gap = text[end:start]
        if not _JOINS_NAMES.fullmatch(gap) and not (gap == ". " and len(initial) == 1):
            return False
    return True


def _is_cjk(part: str) -> bool:
    return len(part) > 1 and bool(_CJK.search(part))


def _drop_spelt_out(name: str) -> str:
    """Return Mueller as Muller, which is also how Müller is looked for."""
    return re.sub(r"(?<=[^\W\d_])([aou])e(?=[^\W\d_]{2})", r"\1", name) if len(name) > _LEAST_GENITIVE else name


def _split_name(name: str) -> tuple[str, ...]:
    return tuple(_fold(word) for word in _WORD.findall(name))


def _fold(word: str) -> str:
    decomposed = unicodedata.normalize("NFKD", word.casefold().translate(_LETTERS))
    return "".join(char for char in decomposed if not unicodedata.combining(char)).translate(_LETTERS)
