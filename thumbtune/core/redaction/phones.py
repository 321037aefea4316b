"""Tells telephone numbers from the other numbers of a text, asking phonenumbers whether one exists anywhere.

It does not know where the text comes from. The pattern is for the `regex` package, which presidio matches with.
"""

import functools
import re
from collections.abc import Collection, Iterable

import phonenumbers

PHONE_REGIONS: tuple[str, ...] = (
    *("US", "GB", "DE", "FR", "ES", "IT", "NL", "BE", "CH", "AT", "SE", "NO", "DK", "FI", "PL", "PT", "IE"),
    *("IN", "BR", "MX", "AU", "NZ", "JP", "IL"),
)
"""Where a number without a country code may be from."""

_NO_DATE = (
    r"(?!(?:19|20)\d\d([-/.])\d\d?\1\d\d?(?!\d))"  # 2026-03-02
    r"(?!\d\d?([-/.])\d\d?\2\d{4}(?!\d))"  # 2.3.2026
    r"(?!\d\d?([-/.])\d\d?\3\d\d(?![-/.]?\d))"  # 02.03.26, but 06.12.34.56.78 is a number
)
_NO_YEARS = r"(?!(?:19|20)\d\d ?[-/] ?(?:19|20)\d\d(?!\d))(?<!\bv(?:ersion|er\.?)? ?)"
_NO_HOURS = r"(?!(?:[01]?\d|2[0-4])[.:][0-5]\d ?- ?(?:[01]?\d|2[0-4])[.:][0-5]\d(?!\d))"
_NO_AMOUNT = r"(?!\d{1,2}(?:\.\d{3})+(?![.\-/ ]?\d))(?<![$€£¥₹] ?)"
_NO_PART = r"(?<![\p{Latin}\d+])(?<!(?-i:[\p{Lu}\d])-)(?<!\d[.,/])"
"""Not the rest of a word, a code or a longer number; a point, comma or slash after a word is only punctuation."""
_NO_LIST = r"(?!\d{1,2}\) )"
_NO_NUMBER_BUT = rf"{_NO_LIST}{_NO_DATE}{_NO_YEARS}{_NO_HOURS}{_NO_AMOUNT}"
_END = (
    r"(?!\d)(?!(?-i:\p{Lu})|\p{Latin}{1,3}(?!\p{Latin})|\p{Latin}+\d)"  # a code or a unit, but a word may follow
    r"(?! ?(?:€|%|kr\b|eur\b|usd\b|gbp\b|dollars?\b))"
)
PHONE_PATTERN = (
    rf"(?:(?<![\d+])\+|{_NO_PART}{_NO_NUMBER_BUT}(?:\((?=\+?\d{{1,6}}\))\+?)?)"
    rf"\d(?:[ ().\-/·]{{0,3}}\d){{6,14}}(?:,? ?(?:x|ext\.?|extension|durchwahl) ?\d{{1,6}})?{_END}"
)
"""What may be a number: choose_phone_numbers() decides."""

CALLED_PATTERN = (
    r"\b(?:tele|mobil|cell|smart)?(?:phone?|fon|tel|telefonnummer|mobile?|handy|whatsapp|fax|call|ring)"
    r"(?: ?(?:number|nummer|no|nr))?[ .:,/=]{1,3}(?:(?:me|us|him|her|at|on|is|ist|my|under|number) ){0,4}"
    rf"\K{_NO_NUMBER_BUT}\d(?:[ .\-/]{{0,2}}\d){{5,12}}{_END}"
)
"""What a word before it says is a number, though it may be mistyped or lack its area code."""


MOST_ASKED = 50
"""Candidates of one text that are looked up in the plans, which takes milliseconds each."""


def choose_phone_numbers(candidates: Iterable[str]) -> Collection[str]:
    """Return which candidates of a text are telephone numbers; after the first `MOST_ASKED`, all are taken for some."""
    distinct = dict.fromkeys(candidates)
    return {text for index, text in enumerate(distinct) if index >= MOST_ASKED or is_phone_number(text)}


@functools.lru_cache(maxsize=4096)
def is_phone_number(text: str) -> bool:
    """Return whether a number exists by the plan of any country, or is written as an international one."""
    text = re.sub(r"[/·]", " ", text)  # phonenumbers takes two slashes for a date
    international = text.strip("( ").startswith("+")
    for region in ("US",) if international else PHONE_REGIONS:
        if phonenumbers.PhoneNumberMatcher(text, region, leniency=phonenumbers.Leniency.VALID).has_next():
            return True
    return international and len(re.sub(r"\D", "", text)) >= 8
