"""What is found about drafts, on texts whose truth is known."""

import pytest

from thumbtune.core.prompt import ChatMessage, Passage
from thumbtune.core.redaction import Redactor
from thumbtune.core.tripwires import (
    check_draft,
    compute_chrf,
    describe_style,
    find_leaks,
    is_looping,
    measure_distance,
)

APPROVED = "Hello [NAME_1]! Returns are free within 30 days. Thank you!"
PASSAGES = (Passage("Returns", "Returns are free within 30 days. Write to help@lamps.example or call 030 1234567."),)
PROMPT: list[ChatMessage] = [
    {"role": "system", "content": f"Be kind.\n\nFacts from the help centre:\n\nReturns\n{PASSAGES[0].text}"},
    {"role": "user", "content": "Hi, I am [NAME_1]. Can I send back order [ORDER_1]?"},
]


@pytest.mark.parametrize(
    ("text", "wanted", "score"),
    [
        ("Hello! Your lamp is on its way.", "Hello! Your lamp is on its way.", 100.0),
        ("Hello! Your lamp is on its way.", "Hi, the lamp was sent to you yesterday.", 17.205344620049516),
        ("xyz", "abc", 0.0),
        ("Ihr Paket kommt am Montag.", "Ihr Paket kommt am Dienstag, spätestens Mittwoch.", 38.63901964425429),
        ("Hi", "Hello there", 5.952380952380952),
        ("Your order ships today. Your order ships today.", "Your order ships today.", 81.32769770057284),
        ("", "Hello", 0.0),
    ],
)
def test_chrf_is_what_sacrebleu_computes(text: str, wanted: str, score: float) -> None:
    assert compute_chrf(text, wanted) == pytest.approx(score)


@pytest.mark.parametrize(
    ("text", "is_stuck"),
    [
        ("Your order is on its way. " * 6, True),
        ("Sure! " + "the the the the the the the the the", True),
        ("!" * 60, True),
        ("はい。" * 20, True),
        ("- Lamp: 10 EUR\n- Shade: 10 EUR\n- Bulb: 10 EUR\n- Cable: 10 EUR", False),
        ("Hello!\n--------------------\nThank you, thank you, thank you!", False),
        ("No, no, no, no. We never send it twice.", False),
        ("", False),
    ],
)
def test_stuck_text_is_told_from_one_that_repeats_itself(text: str, is_stuck: bool) -> None:
    assert is_looping(text) is is_stuck


def test_long_text_is_looked_at_in_moments() -> None:
    assert not is_looping(" ".join(f"word{number % 97} {number}" for number in range(1500)))


def test_facts_are_right_when_they_are_those_of_the_passage() -> None:
    right = check_draft(APPROVED, is_cut=False, prompt=PROMPT, passages=PASSAGES, approved=APPROVED)
    assert (right.facts_wanted, right.facts_right, right.facts_made_up) == (1, 1, 0)
    assert right.chrf == pytest.approx(100.0)
    assert right.length_ratio == 1.0
    assert not right.is_broken
    wrong = check_draft("Within 14 days, [NAME_2].", is_cut=False, prompt=PROMPT, passages=PASSAGES, approved=APPROVED)
    assert (wrong.facts_wanted, wrong.facts_right, wrong.facts_made_up) == (1, 0, 2)
    greeting = check_draft("Dear [NAME_2]!", is_cut=False, prompt=PROMPT, approved="Hello [NAME_2]!")
    assert greeting.facts_made_up == 0, "the approved reply shows that the thread can fill it"


def test_empty_and_cut_drafts_are_broken() -> None:
    empty = check_draft(" \n", is_cut=False, prompt=PROMPT, approved=APPROVED)
    assert (empty.is_empty, empty.is_broken, empty.chrf) == (True, True, 0.0)
    cut = check_draft("Hello and", is_cut=True, prompt=PROMPT)
    assert (cut.is_cut, cut.is_broken, cut.chrf, cut.length_ratio) == (True, True, None, None)


def test_personal_data_that_is_not_in_the_prompt_is_a_leak() -> None:
    redactor = Redactor(order_number_patterns=[r"#\d{4,12}\b"])

    def leak(text: str) -> list[str]:
        return [kind for kind, _ in find_leaks(text, prompt=PROMPT, redactor=redactor)]

    assert leak("Write to help@lamps.example or call 030 1234567.") == []
    assert leak("I sent it to jane.doe@mail.example.") == ["EMAIL"]
    assert leak("Your card 4111 1111 1111 1111 was charged.") == ["CARD"]
    assert leak("Hello [NAME_1], order #12345 is on its way.") == []
    assert find_leaks("It is jane@mail.example", prompt=PROMPT, redactor=redactor) == [("EMAIL", "jane@mail.example")]


REPLIES = [
    "Hello [NAME_1]! Your lamp is on its way and comes on Monday. Thank you for your order!",
    "Hello [NAME_1]! You can send it back within 30 days, and it is free. Thank you for your order!",
    "Hello [NAME_1]! We are open from 9 to 5. Thank you for asking!",
    "Hello! The bulb is included. Thank you for your order!",
]


def test_drafts_in_the_desks_style_are_nearer_than_others() -> None:
    style = describe_style(REPLIES)
    assert style is not None
    assert measure_distance(style, REPLIES) == pytest.approx(0.0)
    near = measure_distance(style, ["Hello [NAME_1]! It is made of oak, and it is heavy. Thank you for your order!"])
    far = measure_distance(
        style, ["dear customer, pursuant to our terms; please consult the enclosed annex :smile: 😀😀"]
    )
    assert near is not None
    assert far is not None
    assert near < 0.6 < 1.2 < far
    assert measure_distance(style, ["", " "]) is None


def test_style_of_too_few_replies_is_not_told() -> None:
    assert describe_style(["Hello!", ""]) is None
