"""Compares two exchanges: whether they ask the same, and whether they then answer the same or contradict each other.

It does not know the store. Texts are compared by their runs of five letters; MinHash signatures, cut into bands, find
the few that are worth comparing among millions.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from rensa import RMinHash

from thumbtune.core.curation.cases import tells_deed, tells_own_case
from thumbtune.core.curation.facts import is_denial, list_facts, read_answer, write_numbers
from thumbtune.core.prompt import Passage, Turn, find_question
from thumbtune.core.redaction import PLACEHOLDER

ALIKE = 0.8
"""Jaccard similarity from which two texts are near duplicates."""
REWORDED = 0.5
"""Similarity from which one text is the other with a few words changed."""
UNLIKE = 0.2
"""Similarity below which two texts have nothing in common."""
COMPARED_CHARS = 2000
"""Of a long conversation only the newest characters are compared."""
MIN_QUESTION_WORDS = 3
"""A shorter question asks nothing by itself: two that look the same need not be."""
MIN_STATEMENT_WORDS = 5

BANDS, ROWS = 12, 5
"""Two texts with similarity 0.8 share a band with probability 0.992, with 0.9 surely, with 0.3 in 3 % of cases."""
_SEED = 1
_RUN = 5
_WORDS = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Asked:
    """What is compared of a conversation that asks for a reply."""

    conversation: frozenset[str]
    question: frozenset[str]
    question_facts: frozenset[str]


@dataclass(frozen=True)
class Exchange(Asked):
    """What is compared of a pair."""

    reply: frozenset[str]
    facts: frozenset[str]
    denies: bool
    answer: bool | None
    """Whether the reply opens with yes or no."""
    is_statement: bool
    """Whether the reply says something and asks nothing back."""
    is_of_a_case: bool
    """Whether the customer names an order or the like: another one's right answer is another."""
    is_own: bool
    """Whether it sounds like one customer's own affair, told or done: another one's may be another."""
    passages: tuple[str, ...]
    """What the help centre says of it."""


@dataclass(frozen=True)
class Likeness:
    """How two exchanges that ask the same relate."""

    kind: Literal["same", "contradiction"]
    question_share: float
    reply_share: float
    difference: str = ""
    """How they contradict each other, in words; empty when they do not."""
    holds: bool = False
    """Whether they contradict each other about the shop, so that only one can be right."""


def read_asked(turns: Sequence[Turn]) -> Asked | None:
    """Return what is compared of a conversation; None when its question is too short to be compared."""
    question = find_question(turns)
    if len(_WORDS.findall(PLACEHOLDER.sub(" ", question))) < MIN_QUESTION_WORDS:
        return None
    plain = {text: _normalize(text) for text in {question, *(turn.text for turn in turns)}}
    conversation = " ".join(f"{turn.role} {plain[turn.text]}" for turn in turns)
    runs = _cut_runs(conversation[-COMPARED_CHARS:])
    return Asked(runs, _cut_runs(plain[question]), list_facts(question))


def read_exchange(turns: Sequence[Turn], reply: str, passages: Sequence[Passage] = ()) -> Exchange | None:
    """Return what is compared of a pair; None when its question is too short to be compared."""
    compared = read_asked(turns) if reply else None
    if compared is None:
        return None
    asked = [turn.text for turn in turns if turn.role == "customer"]
    return Exchange(
        **vars(compared),
        reply=_cut_runs(_normalize(reply)),
        facts=list_facts(reply),
        denies=is_denial(reply),
        answer=read_answer(reply),
        is_statement="?" not in reply and len(_WORDS.findall(reply)) >= MIN_STATEMENT_WORDS,
        is_of_a_case=any(found[1] != "NAME" for text in asked for found in PLACEHOLDER.finditer(text)),
        is_own=any(tells_own_case(text) for text in asked) or tells_deed(reply),
        passages=tuple(f"{item.title}\n{item.text}" for item in passages),
    )


def sign_exchange(asked: Asked, *, desk_id: str) -> list[int]:
    """Return the keys of a conversation's bands: two of a desk that ask the same share at least one, nearly always."""
    minhash = RMinHash(num_perm=BANDS * ROWS, seed=_SEED)
    minhash.update(sorted(asked.conversation))
    digest = minhash.digest()
    facts = "\x1e".join(sorted(asked.question_facts))  # those who ask the same have the same
    keys: list[int] = []
    for band in range(BANDS):
        rows = digest[band * ROWS : (band + 1) * ROWS]
        text = f"{desk_id}\x1f{band}\x1f{rows}\x1f{facts}".encode()
        keys.append(int.from_bytes(blake2b(text, digest_size=8).digest(), "big", signed=True))
    return keys


def compare_exchanges(one: Exchange, other: Exchange) -> Likeness | None:
    """Return how two exchanges relate; None when they ask different things or are merely different answers."""
    question_share = min(
        measure_likeness(one.conversation, other.conversation), measure_likeness(one.question, other.question)
    )
    if question_share < ALIKE or one.question_facts != other.question_facts:
        return None
    reply_share = measure_likeness(one.reply, other.reply)
    if reply_share >= ALIKE and one.facts == other.facts and one.denies == other.denies:
        return Likeness("same", question_share, reply_share)
    if one.is_of_a_case or other.is_of_a_case:
        return None
    difference, holds = _find_difference(one, other, reply_share=reply_share)
    return Likeness("contradiction", question_share, reply_share, difference, holds) if difference else None


def measure_likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the Jaccard similarity of two sets, 0 to 1."""
    return len(one & other) / len(one | other) if one or other else 1.0


def _find_difference(one: Exchange, other: Exchange, *, reply_share: float) -> tuple[str, bool]:
    """Return how they differ and whether it is about the shop; no words when they are merely different answers."""
    is_own = one.is_own or other.is_own
    if one.answer is not None and other.answer is not None and one.answer != other.answer:
        return "one says yes and the other no", True
    if one.facts and other.facts and not (one.facts <= other.facts or other.facts <= one.facts):
        return "they give different numbers, dates or links", not is_own or _is_documented(one, other)
    if one.denies != other.denies and reply_share >= REWORDED:
        return "one denies what the other says", not is_own
    if one.is_statement and other.is_statement and reply_share < UNLIKE:
        return f"the replies have only {reply_share:.0%} in common", False
    return "", False


def _is_documented(one: Exchange, other: Exchange) -> bool:
    """Return whether the help centre states a fact in which they differ: then it is no matter of one customer."""
    differing = one.facts ^ other.facts
    return any(differing & list_facts(text) for text in (*one.passages, *other.passages))


def _normalize(text: str) -> str:
    plain = PLACEHOLDER.sub(lambda found: found[1], text)
    return " ".join(_WORDS.findall(write_numbers(plain)))


def _cut_runs(text: str) -> frozenset[str]:
    return frozenset([text[start : start + _RUN] for start in range(max(1, len(text) - _RUN + 1))])
