"""Which of very many conversations are found to ask the same."""

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thumbtune.core.curation.alike import SIGNATURE_BYTES, Crowd, sign_conversation, sign_exactly
from thumbtune.core.curation.likeness import ALIKE, measure_likeness, read_asked
from thumbtune.core.prompt import Turn

ASKED = "Do you ship to Norway, and how long does that take as a rule, please?"


def sign(*texts: str) -> bytes:
    turns = [Turn("customer" if at % 2 == 0 else "agent", text) for at, text in enumerate(texts)]
    return sign_conversation(turns) or sign_exactly(b"")


def are_alike(one: bytes, other: bytes) -> bool:
    return list(Crowd([one, other]).group()) == [[0, 1]]


@pytest.mark.parametrize(
    "other",
    [
        ASKED,
        "do you ship to norway - and how long does that take, as a rule, please",
        "Do you ship to Norway, and how long does it take as a rule, please?",
        "Hi! Do you ship to Norway, and how long does that take as a rule, please?",
    ],
)
def test_reworded_question_is_found(other: str) -> None:
    assert are_alike(sign(ASKED), sign(other))
    assert Crowd([sign("What is this about?"), sign(other)]).find_alike(sign(ASKED)) == [1]


@pytest.mark.parametrize(
    "others",
    [
        ("Do you ship to Norway?",),
        ("May I return a lamp that I have used for a week, or is that too long?",),
        (ASKED, "Yes.", "And what does it cost, with customs, if I order two lamps of the large kind?"),
    ],
)
def test_other_conversation_is_not(others: tuple[str, ...]) -> None:
    assert not are_alike(sign(ASKED), sign(*others))


def test_other_facts_ask_something_else() -> None:
    text = "How long does the delivery of the lamp with the number {} take if I order today?"
    assert not are_alike(sign(text.format(4711)), sign(text.format(4712)))


def test_question_that_asks_too_little_has_no_signature() -> None:
    assert sign_conversation([Turn("customer", "Any news?")]) is None
    one, other = sign_exactly(b"1"), sign_exactly(b"2")
    assert len(one) == SIGNATURE_BYTES
    assert list(Crowd([one, other, one]).group()) == [[0, 2]]


def test_few_and_none_make_no_group() -> None:
    assert list(Crowd([]).group()) == list(Crowd([sign(ASKED)]).group()) == []
    assert Crowd([]).find_alike(sign(ASKED)) == []


def test_those_alike_through_others_are_one_group() -> None:
    words = ASKED.split()
    chain = [" ".join(["word", "after", "word"][:at] + words[at:]) for at in range(4)]
    assert not are_alike(sign(chain[0]), sign(chain[3]))
    assert list(Crowd([sign(text) for text in chain]).group()) == [[0, 1, 2, 3]]


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 2**32))
def test_texts_that_are_alike_are_found(seed: int) -> None:
    chance = random.Random(seed)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 9))) for _ in range(40)]
    changed = [chance.choice(words) if chance.random() < 0.03 else word for word in words]
    texts = [" ".join(words), " ".join(changed)]
    one, other = (read_asked([Turn("customer", text)]) for text in texts)
    assert one is not None
    assert other is not None
    share = measure_likeness(one.conversation, other.conversation)
    if share >= ALIKE + 0.05:  # between the two it is a matter of chance, though rarely
        assert are_alike(sign(texts[0]), sign(texts[1]))
    if share < 0.4:
        assert not are_alike(sign(texts[0]), sign(texts[1]))


def test_many_are_grouped_quickly_also_when_they_are_the_same_or_begin_the_same() -> None:
    chance = random.Random(7)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=6)) for _ in range(2000)]
    opening = " ".join(chance.choices(words, k=15))
    texts = [f"{opening} {' '.join(chance.choices(words, k=10))}" for _ in range(1500)]
    texts += [" ".join(chance.choices(words, k=25))] * 1500
    signatures = [sign(text) for text in texts]
    began = time.process_time()
    groups = list(Crowd(signatures).group())
    assert time.process_time() - began < 10
    assert list(range(1500, 3000)) in groups
    assert sum(map(len, groups)) < 1700
