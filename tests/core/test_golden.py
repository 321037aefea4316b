"""What a reply has to be to pass a golden case."""

import time

import pytest

from thumbtune.core.errors import BadInput
from thumbtune.core.golden import (
    CaseContent,
    Expectations,
    check_reply,
    describe_expectations,
    digest_case,
    validate_case,
)
from thumbtune.core.prompt import Turn

ASKED = (Turn("customer", "How long may I return a lamp?"),)


def make_case(title: str = "Returns", turns: tuple[Turn, ...] = ASKED, **expected: object) -> CaseContent:
    return CaseContent(title=title, turns=turns, expectations=Expectations(**expected))  # type: ignore[arg-type]


def test_each_expectation_is_told_by_what_fails_it() -> None:
    case = make_case(
        contains_all=("30 days", "receipt"),
        contains_any=("refund", "exchange"),
        contains_none=("guarantee",),
        max_chars=40,
    )
    assert check_reply(case, "30 days with the receipt, as a refund.") == []
    assert check_reply(case, "We give you our guarantee that you may return it whenever.") == [
        "does not contain “30 days”",
        "does not contain “receipt”",
        "contains none of “refund”, “exchange”",
        "contains “guarantee”",
        "has 58 characters, more than 40",
    ]
    assert describe_expectations(case.expectations) == [
        "contains “30 days”",
        "contains “receipt”",
        "contains “refund” or “exchange”",
        "does not contain “guarantee”",
        "has at most 40 characters",
    ]


@pytest.mark.parametrize("reply", ["", " \n\t", " "])
def test_empty_reply_never_passes(reply: str) -> None:
    assert check_reply(make_case(contains_none=("sorry",)), reply) == ["is empty"]


@pytest.mark.parametrize(
    ("term", "reply"),
    [
        ("We can't", "we  can’t do that"),
        ("5 days", "Within 5\u00a0days."),
        ("Straße", "in der STRASSE"),
        ("e-mail", "by e‑mail"),
        ("[ORDER_1]", "Your order [ORDER_1] left."),
        ("5", "5, or 6"),
        ("5", "It takes 5."),
        ("1.5", "costs 1.5, no more"),
        ("five", "twentyfive"),
        ("保証", "三年保証です"),
    ],
)
def test_term_is_found_whatever_its_case_spaces_and_quotes(term: str, reply: str) -> None:
    assert check_reply(make_case(contains_all=(term,)), reply) == []


@pytest.mark.parametrize(
    ("term", "reply"),
    [
        ("5 days", "15 days"),
        ("10", "100"),
        ("5", "1.5"),
        ("1", "1.5"),
        ("500", "1,500"),
        ("€ 5", "€ 50"),
        ("[ORDER_1]", "x"),
    ],
)
def test_number_counts_only_as_a_whole(term: str, reply: str) -> None:
    assert check_reply(make_case(contains_all=(term,)), reply) == [f"does not contain “{term}”"]
    assert check_reply(make_case(contains_none=(term,)), reply) == []


def test_long_replies_are_checked_quickly() -> None:
    case = make_case(contains_all=("a" * 300,), contains_none=tuple("1" * length for length in range(1, 21)))
    began = time.process_time()
    check_reply(case, "a" * 299 * 300 + "11" * 5000)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("case", "why"),
    [
        (make_case(), "something to expect"),
        (make_case(title=" ", max_chars=5), "needs a title"),
        (make_case(title="x" * 121, max_chars=5), "needs a title"),
        (make_case(turns=(), max_chars=5), "needs a question"),
        (make_case(turns=(Turn("agent", "Hello"),), max_chars=5), "needs a question"),
        (make_case(turns=ASKED * 101, max_chars=5), "at most 100 messages"),
        (make_case(contains_any=("  ",)), "has 1 to 300 characters"),
        (make_case(contains_any=("x" * 301,)), "has 1 to 300 characters"),
        (make_case(contains_any=("x",) * 21), "at most 20"),
        (make_case(max_chars=0), "from 1 to"),
        (make_case(contains_all=("a full refund",), contains_none=("Refund",)), "no reply can pass"),
        (make_case(contains_any=("refund", "a refund"), contains_none=("REFUND",)), "no reply can pass"),
        (make_case(contains_all=("a full refund",), max_chars=5), "what it has to contain has 13 characters"),
        (make_case(contains_any=("sorry", "regret"), max_chars=4), "what it has to contain has 5 characters"),
    ],
)
def test_case_that_cannot_be_asked_or_cannot_fail_is_refused(case: CaseContent, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        validate_case(case)


def test_case_that_a_reply_can_just_pass_is_taken() -> None:
    """Letters count whatever their case, and ß is two of them then."""
    validate_case(make_case(contains_all=("Straße",), max_chars=6))


def test_same_content_has_the_same_digest() -> None:
    assert digest_case(make_case(max_chars=5)) == digest_case(make_case(max_chars=5))
    others = [make_case(max_chars=6), make_case(title="x", max_chars=5), make_case(contains_any=("a",))]
    assert len({digest_case(case) for case in [make_case(max_chars=5), *others]}) == 4
