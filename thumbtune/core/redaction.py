"""Finds what identifies people in a text and puts stable placeholders in its place; fills them back in memory.

It does not know Slack's markup or where texts are kept. Every recogniser is a presidio pattern recogniser that is
called directly: no language model, no network.
"""

import functools
import itertools
import logging
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import phonenumbers

from thumbtune.core.errors import RedactionFailed

if TYPE_CHECKING:
    from presidio_analyzer import EntityRecognizer

Kind = Literal["KEY", "EMAIL", "IBAN", "CARD", "ORDER", "PHONE", "NAME"]

KINDS: tuple[Kind, ...] = ("KEY", "EMAIL", "IBAN", "CARD", "ORDER", "PHONE", "NAME")
"""The most telling first: where two overlap, the first one names the whole."""

PLACEHOLDER = re.compile(rf"\[({'|'.join(KINDS)})_(\d+)\]")

EMAIL_PATTERN = r"(?<![\w.+%-])[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
CARD_2_SERIES = r"\b2[2-7]\d{2}[- ]?\d{4}[- ]?\d{4}[- ]?\d{4}\b"
PHONE_PATTERN = r"(?<![\w.,/+-])(?!\d{4}-\d\d-\d\d\b)(?!\d\d?[./-]\d\d?[./-]\d{4}\b)"
PHONE_PATTERN += r"(?:\+|\(\+?)?\d(?:[ ().\-/]{0,3}\d){6,14}(?![\w])"
KEY_PATTERNS = (
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.{0,8000}?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)",
    r"\b(?:xox[a-z]|xapp|xwfp)-[\w-]{8,}",
    r"\b(?:sk|rk|pk|whsec)[-_](?:[a-z0-9]{1,12}[-_]){0,3}[A-Za-z0-9_-]{16,}",
    r"\b(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA)[A-Z0-9]{16}\b",
    r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|gl(?:pat|ptt|rt)-[\w-]{16,})",
    r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]{4,})?",
    r"\b(?:AIza[\w-]{30,}|ya29\.[\w-]{20,}|npm_\w{30,}|pypi-[\w-]{30,}|hf_\w{20,}|dop_v1_\w{32,}|shp\w{2}_\w{24,})",
    r"\bSG\.[\w-]{16,}\.[\w-]{16,}|\b(?:SK|AC)[0-9a-f]{32}\b|\b\d{8,10}:AA[\w-]{30,}",
    r"hooks\.slack\.com/(?:services|workflows|triggers)/[\w/]{8,}",
    r"(?<=://)[^\s:@/]{1,80}:[^\s:@/]{1,80}(?=@)",
    r"(?<=bearer )[\w.~+/-]{16,}=*",
    r"(?:(?<=password)|(?<=passwd)|(?<=passcode)|(?<=secret)|(?<=token)|(?<=api key)|(?<=api_key)|"
    r"(?<=apikey)|(?<=accountkey)|(?<=pwd))"
    r"\s{0,2}[:=]\s{0,2}[^\s,;]{4,}",
    r"\b(?=[a-z]{0,60}\d)(?=\d{0,60}[a-z])[0-9a-f]{32,128}\b",
    r"(?<![\w/+-])(?-i:(?=[^\s]{0,40}[a-z])(?=[^\s]{0,40}[A-Z])(?=[^\s]{0,40}\d))[A-Za-z0-9+_-]{36,}={0,2}(?![\w/])",
)
"""Keys and tokens by the prefixes their issuers document, named secrets, and long random words."""

PHONE_REGIONS: tuple[str, ...] = (
    "US",
    "GB",
    "DE",
    "FR",
    "ES",
    "IT",
    "NL",
    "BE",
    "CH",
    "AT",
    "SE",
    "NO",
    "DK",
    "FI",
    "PL",
    "PT",
    "IE",
)
PHONE_REGIONS += ("IN", "BR", "MX", "AU", "NZ", "JP", "IL")

_WORD = re.compile(r"(?:[^\W\d_][\u0300-\u036f]*)+")
WORDS_THAT_ARE_NAMES = frozenset(
    _WORD.findall(
        "an angel art autumn bill bob brook buck carol chance chase chip christian crystal daisy dawn dean dick don drew "
        "earnest faith flora frank gene glen grace grant guy hazel holly hope iris ivy jack jade jay jean jersey jewel joy "
        "june king lance lane le levi lily long love ma major mark marsh may mercedes miles norm olive page pat patience "
        "penny pierce rain ray reed rich rob robin rose ruby rusty sandy scout sky so son spring star stone sue summer "
        "sunny teddy tony tucker victor violet wade ward will win young de la van von der bin al do to in no be can"
    )
)
"""Names that are everyday words: they are taken for names only where they are written with a capital."""

_JOINS_NAMES = re.compile(r"[ .'’\-_\u00a0]|  ")
_WIDE = {ord(char): "-" for char in "‐‑‒–—−"} | {ord(char): " " for char in "\u00a0\u2007\u2009\u202f\t"}
_WIDE |= {0xFF10 + digit: str(digit) for digit in range(10)}
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


@dataclass(frozen=True)
class Span:
    """A part of a text that identifies someone: half-open, with what makes it the same as another mention."""

    start: int
    end: int
    kind: Kind
    canonical: str


class NameIndex:
    """The names of people who may be mentioned, found in a text whole, in any case, with or without accents.

    It grows while it is used; adding someone known already costs nothing.
    """

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
            if _CJK.search(name):
                self._unspaced.update({part: person_id for part in (name, *name.split()) if len(part) > 1})
                continue
            words = _split_name(name)
            for part in {words, *(_split_name(part) for part in name.split()), *((word,) for word in words)}:
                if part and (len(part) > 1 or len(part[0]) > 1):
                    self._add_words(part, person_id)

    def find(self, text: str) -> Iterator[Span]:
        """Yield every mention."""
        words = [(match, _fold(match.group())) for match in _WORD.finditer(text)]
        index = 0
        while index < len(words):
            taken = 1
            match, folded = words[index]
            for sequence, person_id, needs_capital in self._by_first_word.get(folded, ()):
                if needs_capital and not match.group()[0].isupper():
                    continue
                if self._continues(text, words[index : index + len(sequence)], sequence):
                    taken = len(sequence)
                    yield Span(match.start(), words[index + taken - 1][0].end(), "NAME", person_id)
                    break
            index += taken
        for name, person_id in list(self._unspaced.items()):
            for found in re.finditer(re.escape(name), text):
                yield Span(found.start(), found.end(), "NAME", person_id)

    def _add_words(self, words: tuple[str, ...], person_id: str) -> None:
        needs_capital = len(words) == 1 and (words[0] in WORDS_THAT_ARE_NAMES or len(words[0]) < 3)
        known = self._by_first_word.get(words[0], [])
        if not any(sequence == words for sequence, _, _ in known):
            longest_first = sorted([*known, (words, person_id, needs_capital)], key=lambda entry: -len(entry[0]))
            self._by_first_word[words[0]] = longest_first

    @staticmethod
    def _continues(text: str, words: Sequence[tuple[re.Match[str], str]], sequence: tuple[str, ...]) -> bool:
        if tuple(folded for _, folded in words) != sequence:
            return False
        for (left, initial), (right, _) in itertools.pairwise(words):
            gap = text[left.end() : right.start()]
            if not _JOINS_NAMES.fullmatch(gap) and not (gap == ". " and len(initial) == 1):
                return False
        return True


class Redactor:
    """Holds the recognisers, built once; safe to share between threads."""

    def __init__(self, *, order_number_patterns: Sequence[str] = ()) -> None:
        self._recognizers = _build_recognizers(order_number_patterns)
        self.find_spans("warm up: a@b.example, 4111 1111 1111 1111", names=NameIndex())

    def find_spans(self, text: str, *, names: NameIndex) -> list[Span]:
        """Return what identifies someone, in order and without overlaps.

        Raises: RedactionFailed when a recogniser breaks; the text must then be dropped.
        """
        plain = text.translate(_WIDE)
        try:
            found = [
                Span(hit.start, hit.end, kind, _make_canonical(kind, plain[hit.start : hit.end]))
                for kind, might_match, recognizer in self._recognizers
                if might_match(plain)
                for hit in recognizer.analyze(plain, [kind])
            ]
            found += names.find(text)
        except Exception as exc:  # whatever a recogniser does, an unredacted text must not pass
            raise RedactionFailed(f"the text could not be redacted: {type(exc).__name__}") from None
        return _merge_overlaps(plain, found)


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


def _build_recognizers(
    order_number_patterns: Sequence[str],
) -> list[tuple[Kind, Callable[[str], bool], "EntityRecognizer"]]:
    with _without_model_libraries():
        from presidio_analyzer import Pattern, PatternRecognizer
        from presidio_analyzer.predefined_recognizers import CreditCardRecognizer, IbanRecognizer
    logging.getLogger("presidio-analyzer").setLevel(logging.CRITICAL)  # one of its errors quotes the text

    class PhoneRecognizer(PatternRecognizer):  # type: ignore[misc]  # presidio has no types
        """Takes what looks like a number and asks phonenumbers whether it is one anywhere."""

        def validate_result(self, pattern_text: str) -> bool:
            return _is_phone_number(pattern_text)

    def match_patterns(kind: Kind, regexes: Sequence[str]) -> PatternRecognizer:
        patterns = [Pattern(f"{kind} {index}", regex, 0.9) for index, regex in enumerate(regexes)]
        return PatternRecognizer(supported_entity=kind, patterns=patterns)

    has_digits = re.compile(r"\d(?:\D{0,4}\d){5}").search
    cards = [*CreditCardRecognizer.PATTERNS, Pattern("Mastercard 2", CARD_2_SERIES, 0.3)]
    phone = PhoneRecognizer(supported_entity="PHONE", patterns=[Pattern("phone", PHONE_PATTERN, 0.5)])
    recognizers: list[tuple[Kind, Callable[[str], bool], EntityRecognizer]] = [
        ("KEY", lambda text: len(text) > 8, match_patterns("KEY", KEY_PATTERNS)),
        ("EMAIL", lambda text: "@" in text, match_patterns("EMAIL", [EMAIL_PATTERN])),
        ("IBAN", lambda text: bool(has_digits(text)), IbanRecognizer(supported_entity="IBAN")),
        ("CARD", lambda text: bool(has_digits(text)), CreditCardRecognizer(patterns=cards, supported_entity="CARD")),
        ("PHONE", lambda text: bool(has_digits(text)), phone),
    ]
    if order_number_patterns:
        recognizers.append(("ORDER", lambda _: True, match_patterns("ORDER", order_number_patterns)))
    return recognizers


@contextmanager
def _without_model_libraries() -> Iterator[None]:
    """Keep presidio's optional language models out of this process: importing them takes seconds and 300 MB."""
    hidden = [name for name in ("torch", "transformers", "stanza") if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # Python's way to say: cannot be imported
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


@functools.lru_cache(maxsize=4096)
def _is_phone_number(text: str) -> bool:
    international = text.strip("( ").startswith("+")
    for region in ("US",) if international else PHONE_REGIONS:
        if phonenumbers.PhoneNumberMatcher(text, region, leniency=phonenumbers.Leniency.VALID).has_next():
            return True
    return international and len(re.sub(r"\D", "", text)) >= 8


def _make_canonical(kind: Kind, text: str) -> str:
    if kind in ("PHONE", "CARD"):
        return re.sub(r"[^\d+]", "", text)
    if kind in ("IBAN", "ORDER"):
        return re.sub(r"[\W_]", "", text).upper()
    return text.strip().lower() if kind == "EMAIL" else text.strip(" :=\t")


def _merge_overlaps(text: str, spans: Sequence[Span]) -> list[Span]:
    """Join what overlaps into one span of the most telling kind, so that no part of either is left."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda item: (item.start, -item.end)):
        if not merged or span.start >= merged[-1].end:
            merged.append(span)
            continue
        first, second = sorted((merged[-1], span), key=lambda item: KINDS.index(item.kind))
        start, end = min(first.start, second.start), max(first.end, second.end)
        covers = (first.start, first.end) == (start, end)
        canonical = first.canonical if covers or first.kind == "NAME" else _make_canonical(first.kind, text[start:end])
        merged[-1] = Span(start, end, first.kind, canonical)
    return merged


def _split_name(name: str) -> tuple[str, ...]:
    return tuple(_fold(word) for word in _WORD.findall(name))


def _fold(word: str) -> str:
    decomposed = unicodedata.normalize("NFKD", word.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))
