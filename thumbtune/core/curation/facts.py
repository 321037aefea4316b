"""Reads what a text states that can be right or wrong: numbers, prices, dates, codes and links, and whether it denies.

It does not know what the facts are about. Words of dates and denials are known in English, German, French and Spanish.
"""

import re

from thumbtune.core.redaction import PLACEHOLDER

_LINK = re.compile(
    r"(?:https?://|www\.)[^\s<>|)\]]+|\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|org|net|io|de|fr|es|eu|uk|shop)\b\S*",
    re.IGNORECASE,
)
_MAY_LINK = re.compile(r"[.:][^\s]")
_DIGIT = re.compile(r"\d")
_WITH_DIGITS = re.compile(r"[^\W_]*\d(?:[^\W_]|[.,:/-](?=\w))*")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_GROUPS = re.compile(r"(?<=\d)[,.](?=\d{3}(?!\d))")

_DAYS = (
    "monday tuesday wednesday thursday friday saturday sunday montag dienstag mittwoch donnerstag freitag samstag sonntag "
    "lundi mardi mercredi jeudi vendredi samedi dimanche lunes martes miércoles jueves viernes sábado domingo "
    "today tomorrow tonight heute morgen demain mañana"
)
_MONTHS = (
    "january february april june july august september october november december januar februar märz mai juni juli "
    "oktober dezember janvier février avril juin juillet août septembre octobre novembre décembre enero febrero abril "
    "junio julio agosto septiembre octubre noviembre diciembre"
)
_DATE_WORDS = frozenset(f"{_DAYS} {_MONTHS}".split())
_NUMBER_WORDS = {
    word: str(number)
    for number, words in {
        2: "two zwei deux",
        3: "three drei trois",
        4: "four vier quatre",
        5: "five fünf cinq",
        6: "six sechs seis",
        7: "seven sieben sept",
        8: "eight acht huit",
        9: "nine neun neuf",
        10: "ten zehn dix",
        12: "twelve zwölf douze",
        14: "fourteen vierzehn",
        30: "thirty dreißig trente treinta",
    }.items()
    for word in words.split()
}
_DENIAL_WORDS = (
    "no not never cannot none nothing without unable unfortunately nein nicht kein keine keinen nie leider pas jamais aucun "
    "non ninguno nunca tampoco"
)
_DENIALS = frozenset(_DENIAL_WORDS.split())
_NO_DENIAL = re.compile(
    r"\bno (?:problem|worries|charge|fee|extra|cost)\b|\bnot only\b|\bpas de (?:problème|souci)\b", re.IGNORECASE
)
_YES = frozenset({"yes", "yep", "sure", "certainly", "absolutely", "ja", "oui", "sí", "si"})
_NO = frozenset({"no", "nope", "nein", "non"})


def list_links(text: str) -> list[str]:
    """Return the links of a text, as they stand there."""
    if not _MAY_LINK.search(text):  # most texts have none, and to look for them takes longer
        return []
    return [found.group().rstrip(".,;:!?") for found in _LINK.finditer(text)]


def list_facts(text: str) -> frozenset[str]:
    """Return the numbers, dates, codes and links of a text, each written in one way; placeholders are none."""
    plain = PLACEHOLDER.sub(" ", text).lower()
    links = list_links(plain)
    rest = write_numbers(_LINK.sub(" ", plain) if links else plain)
    numbers = [found.rstrip(".,:/-") for found in _WITH_DIGITS.findall(rest)] if _DIGIT.search(rest) else []
    return frozenset([*links, *numbers, *(word for word in _WORD.findall(rest) if word in _DATE_WORDS)])


def write_numbers(text: str) -> str:
    """Return a text in small letters with its numbers written in one way: `three` as `3`, `1,200` as `1200`."""
    small = text.lower()
    if not _NUMBER_WORDS.keys().isdisjoint(_WORD.findall(small)):  # most texts have none
        small = _WORD.sub(lambda found: _NUMBER_WORDS.get(found.group(), found.group()), small)
    return _GROUPS.sub("", small)


def is_denial(text: str) -> bool:
    """Return whether a text says that something is not so."""
    words = _WORD.findall(_NO_DENIAL.sub(" ", text.lower()))
    return any(word in _DENIALS or word.endswith(("n't", "n’t")) for word in words)


def read_answer(text: str) -> bool | None:
    """Return whether a text opens with a yes or a no; None when it does neither."""
    words = _WORD.findall(_NO_DENIAL.sub(" ", PLACEHOLDER.sub(" ", text).lower()))[:3]
    return next((word in _YES for word in words if word in _YES | _NO), None)
