"""Builds presidio's recognisers for everything but names.

It does not know what is done with what they find.
"""

import logging
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from thumbtune.core.redaction.keys import KEY_PATTERNS
from thumbtune.core.redaction.phones import CALLED_PATTERN, PHONE_PATTERN, choose_phone_numbers
from thumbtune.core.redaction.spans import Kind

if TYPE_CHECKING:
    from presidio_analyzer import EntityRecognizer

Recognizer = tuple[Kind, Callable[[str], object], "EntityRecognizer"]
"""What it finds, a quick look whether a text may hold any, and presidio's recogniser."""

EMAIL_PATTERNS = (
    r"(?<![\w.+%-])[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}",
    r"(?<![\w.+%'-])[\w.+%'-]{1,64} ?[(\[{] ?at ?[)\]}] ?[\w-]{1,63}(?: ?(?:\.|[(\[{] ?dot ?[)\]}]) ?[\w-]{1,63}){1,8}",
    r"(?<![\w.+%'-])[\w.+%'-]{1,64} at [\w-]{1,63}(?: dot [\w-]{1,63}){1,8}",
)
CARD_PATTERN = r"(?<![\p{Latin}\d])(?<!\d[.,])(?:2[2-7]|[3-6]\d)\d{2}(?:[ .-]{0,2}\d){8,15}(?!\d)"
FOUR_FOURS_PATTERN = r"(?<![\p{Latin}\d])[2-6]\d{3}(?:([ -])\d{4})(?:\1\d{4}){2}(?![\p{Latin}\d])"
"""Written as only a card is, whatever its check digit says: one digit may be mistyped."""
LEAST_IBAN_DIGITS = 12
"""With so many in its country's form, an account number is one even if its check digits are mistyped."""

_OTHER_IBANS = {
    "MU": "(MU)([0-9][ ]?){2}([A-Z][ ]?){4}([0-9][ ]?){19}([A-Z][ ]?){3}",
    "PS": "(PS)([0-9][ ]?){2}([A-Z][ ]?){4}([A-Z0-9][ ]?){21}",
    "PT": "(PT)([0-9][ ]?){23}",
    "QA": "(QA)([0-9][ ]?){2}([A-Z][ ]?){4}([A-Z0-9][ ]?){21}",
    "ST": "(ST)([0-9][ ]?){23}",
    "SV": "(SV)([0-9][ ]?){2}([A-Z][ ]?){4}([0-9][ ]?){20}",
}
"""Countries that presidio 2.2.366 lacks or counts short. Source: SWIFT IBAN registry as in Wikipedia's table."""


def build_recognizers(order_number_patterns: Sequence[str]) -> list[Recognizer]:
    """Return a recogniser for each kind but names."""
    with _without_model_libraries():
        from presidio_analyzer import Pattern, PatternRecognizer
        from presidio_analyzer.predefined_recognizers import CreditCardRecognizer, IbanRecognizer
        from presidio_analyzer.predefined_recognizers.generic.iban_patterns import regex_per_country
    logging.getLogger("presidio-analyzer").setLevel(logging.CRITICAL)  # one of its errors quotes the text

    class PhoneRecognizer(PatternRecognizer):  # type: ignore[misc]  # presidio has no types
        """Takes what looks like a number and asks phonenumbers whether it is one anywhere."""

        def analyze(self, text: str, entities: list[str]) -> list[object]:
            hits = super().analyze(text, entities)  # in order: they do not overlap
            numbers = choose_phone_numbers(text[hit.start : hit.end] for hit in hits)
            return [hit for hit in hits if text[hit.start : hit.end] in numbers]

    class AccountRecognizer(PatternRecognizer):  # type: ignore[misc]  # presidio has no types
        """Finds presidio's forms of every country in any case and spacing: presidio's own needs capitals."""

        _checker = IbanRecognizer()

        def validate_result(self, pattern_text: str) -> bool:
            iban = re.sub(r"[^A-Z0-9]", "", pattern_text.upper())
            is_long = sum(char.isdigit() for char in iban) >= LEAST_IBAN_DIGITS
            return is_long or bool(self._checker.validate_result(iban))

    def match_patterns(kind: Kind, regexes: Sequence[str]) -> PatternRecognizer:
        return PatternRecognizer(supported_entity=kind, patterns=make_patterns(kind, regexes))

    def make_patterns(kind: Kind, regexes: Sequence[str]) -> list[Pattern]:
        return [Pattern(f"{kind} {index}", regex, 0.9) for index, regex in enumerate(regexes)]

    forms = "|".join(form.replace("[ ]?", "[ .-]{0,2}") for form in {**regex_per_country, **_OTHER_IBANS}.values())
    accounts = make_patterns("IBAN", [rf"(?<![\p{{Latin}}\d])(?:{forms})(?<![ .-])(?![\p{{Latin}}\d])"])
    dots = [(char, "") for char in " .-"]
    cards = CreditCardRecognizer(make_patterns("CARD", [CARD_PATTERN]), supported_entity="CARD", replacement_pairs=dots)

    has_digits = re.compile(r"\d(?:\D{0,4}\d){5}").search
    recognizers: list[Recognizer] = [
        ("KEY", lambda text: len(text) > 8, match_patterns("KEY", KEY_PATTERNS)),
        ("EMAIL", re.compile(r"@|\bat\b", re.IGNORECASE).search, match_patterns("EMAIL", EMAIL_PATTERNS)),
        ("IBAN", has_digits, AccountRecognizer(supported_entity="IBAN", patterns=accounts)),
        ("CARD", has_digits, cards),
        ("CARD", has_digits, match_patterns("CARD", [FOUR_FOURS_PATTERN])),
        (
            "PHONE",
            has_digits,
            PhoneRecognizer(supported_entity="PHONE", patterns=make_patterns("PHONE", [PHONE_PATTERN])),
        ),
    ]
    recognizers.append(("PHONE", has_digits, match_patterns("PHONE", [CALLED_PATTERN])))
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
