"""Looks at one approved reply by itself and says what speaks against learning from it.

It does not know other pairs. Explanations carry figures and never a word of what was written.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from thumbtune.core.curation.facts import list_facts
from thumbtune.core.curation.languages import detect_language
from thumbtune.core.errors import RedactionFailed
from thumbtune.core.prompt import Passage, Turn
from thumbtune.core.records import Finding
from thumbtune.core.redaction import PLACEHOLDER, NameIndex, Redactor
from thumbtune.core.settings import Settings

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_COURTESY_WORDS = (
    "a again all and at bye cheers cool day evening fine good goodbye great hello hey hi many morning much nice ok okay "
    "perfect please pleasure right sure thank thanks thx to very welcome well with yep you you're your "
    "danke dank vielen gerne bitte hallo alles klar merci beaucoup bonjour gracias hola de nada ciao"
)
_NO_TROUBLE = re.compile(r"\bno (?:problem|worries)\b", re.IGNORECASE)
_COURTESIES = frozenset(_COURTESY_WORDS.split())
"""Words that carry nothing by themselves: a reply of these alone teaches nothing."""

_LONG_WORD = re.compile(r"(?<![\w/.@-])[A-Za-z0-9+/_=-]{20,}(?![\w/.@-])")
_ALNUM = re.compile(r"\w")
_CLASSES = (re.compile(r"[a-z]"), re.compile(r"[A-Z]"), re.compile(r"\d"))
MIN_ENTROPY_BITS = 3.8
"""Bits per character from which a long word of mixed letters and digits looks drawn by chance."""


def inspect_pair(
    turns: Sequence[Turn],
    reply: str,
    passages: Sequence[Passage],
    *,
    settings: Settings,
    redactor: Redactor | None,
) -> list[Finding]:
    """Return what speaks against learning from this reply, and what a lead may want to know of it.

    `redactor` is None when it has just been through the texts.
    """
    return [
        *_check_length(reply, settings),
        *_check_language(turns, reply, settings),
        *_check_secrets(turns, reply, redactor),
        *_check_grounding(turns, reply, passages, settings),
    ]


def _check_length(reply: str, settings: Settings) -> Iterator[Finding]:
    words = [word.lower() for word in _WORD.findall(_NO_TROUBLE.sub(" ", PLACEHOLDER.sub(" ", reply)))]
    telling = sum(word not in _COURTESIES for word in words)
    if telling < settings.min_reply_words:
        yield Finding(
            "too_short",
            f"too short to teach anything: {telling} words beyond courtesies, {settings.min_reply_words} are needed",
            holds=True,
        )
    if len(reply) > settings.max_reply_chars:
        figures = f"{len(reply):,} characters, {settings.max_reply_chars:,} are the most"
        yield Finding("too_long", f"too long: {figures}", holds=True)


def _check_language(turns: Sequence[Turn], reply: str, settings: Settings) -> Iterator[Finding]:
    if not settings.check_language:
        return
    language = detect_language(reply)
    if language is None:
        return
    if settings.reply_languages:
        if language not in settings.reply_languages:
            wanted = ", ".join(settings.reply_languages)
            yield Finding("language", f"written in {language!r}, the team's replies are in {wanted}", holds=True)
        return
    asked = detect_language(" ".join(turn.text for turn in turns if turn.role == "customer"))
    if asked is not None and asked != language:
        yield Finding("language", f"written in {language!r}, the customer wrote in {asked!r}", holds=True)


def _check_secrets(turns: Sequence[Turn], reply: str, redactor: Redactor | None) -> Iterator[Finding]:
    try:
        spans = redactor.find_spans(reply, names=NameIndex()) if redactor is not None else []
        left = [str(span.kind) for span in spans if _ALNUM.search(PLACEHOLDER.sub("", reply[span.start : span.end]))]
    except RedactionFailed:
        left = ["what could not be read"]
    left += ["KEY" for text in (reply, *(turn.text for turn in turns)) if _holds_random_word(text)]
    if left:
        kinds = ", ".join(sorted({kind.lower() for kind in left}))
        yield Finding("secret", f"may still hold what should have been redacted: {kinds}", holds=True)


def _holds_random_word(text: str) -> bool:
    return any(
        all(kind.search(word) for kind in _CLASSES) and _measure_entropy(word) >= MIN_ENTROPY_BITS
        for word in _LONG_WORD.findall(text)
    )


def _measure_entropy(word: str) -> float:
    """Return Shannon's entropy in bits per character."""
    shares = [count / len(word) for count in Counter(word).values()]
    return -sum(share * math.log2(share) for share in shares)


def _check_grounding(
    turns: Sequence[Turn], reply: str, passages: Sequence[Passage], settings: Settings
) -> Iterator[Finding]:
    stated = list_facts(reply) | {found.group() for found in PLACEHOLDER.finditer(reply) if found[1] != "NAME"}
    if not stated:
        return
    known = "\n".join([*(turn.text for turn in turns), *(f"{item.title}\n{item.text}" for item in passages)])
    given = list_facts(known) | {found.group() for found in PLACEHOLDER.finditer(known)}
    new = stated - given
    if new:
        noun = "fact" if len(stated) == 1 else "facts"
        text = f"{len(new)} of {len(stated)} {noun} (numbers, dates, codes, links) found neither in the thread nor in a passage"
        yield Finding("ungrounded", text, holds=settings.hold_ungrounded)
