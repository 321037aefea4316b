"""A triage: one spelling, a pattern that allows exactly what can be read, and a prompt of its own."""

import json
import random
import re

import pytest

from thumbtune.core.errors import BadInput
from thumbtune.core.prompt import Turn, build_triage_prompt
from thumbtune.core.triage import (
    MAX_TEXT_CHARS,
    MAX_TRIAGE_TOKENS,
    Triage,
    build_pattern,
    check_categories,
    check_triage,
    dump_triage,
    read_triage,
    spell_text,
)

CATEGORIES = ("Delivery", "Returns & co. (all)", "C++ / [odd] ^categories-")
TRIAGE = Triage("Delivery", "high", "Where is parcel [ORDER_1]?", "Look up the parcel and tell the customer.")


def test_dumped_triage_is_one_line_that_matches_the_pattern_and_reads_back() -> None:
    for category in CATEGORIES:
        triage = Triage(category, "urgent", spell_text('He says "now" \\ today.\n\tÜber 3 日'), "x")
        text = dump_triage(triage)
        assert re.fullmatch(build_pattern(CATEGORIES), text)
        assert read_triage(text, CATEGORIES) == triage
        assert list(json.loads(text)) == ["category", "priority", "summary", "suggested_action"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        dump_triage(TRIAGE)[:-1],
        dump_triage(TRIAGE).replace("Delivery", "Else"),
        dump_triage(TRIAGE).replace("high", "huge"),
        dump_triage(TRIAGE).replace('"high"', "1"),
        dump_triage(TRIAGE).replace("Where", " Where"),
        dump_triage(TRIAGE).replace("Where", "x" * MAX_TEXT_CHARS),
        dump_triage(TRIAGE).replace("Where", "a\u202eb"),
        dump_triage(TRIAGE).replace(":", ": "),
    ],
)
def test_what_the_pattern_does_not_allow_cannot_be_read_or_reads_as_the_same(text: str) -> None:
    assert not re.fullmatch(build_pattern(CATEGORIES), text)
    try:
        assert read_triage(text, CATEGORIES) == TRIAGE
    except BadInput as exc:
        assert "triage" in str(exc) or "the desk's" in str(exc) or "priority" in str(exc) or "summary" in str(exc)


def test_longest_triage_that_the_pattern_allows_ends_within_its_tokens() -> None:
    longest = Triage("字" * 40, "urgent", "字" * MAX_TEXT_CHARS, "字" * MAX_TEXT_CHARS)
    text = dump_triage(longest)
    check_categories([longest.category])
    assert re.fullmatch(build_pattern([longest.category]), text)
    assert len(text.encode()) + 1 <= MAX_TRIAGE_TOKENS
    assert not re.fullmatch(build_pattern(["Delivery"]), dump_triage(Triage("Delivery", "low", "🍵", "x")))


def test_text_is_spelled_so_that_a_triage_can_hold_it_and_stays_so() -> None:
    dice = random.Random(7)
    for _ in range(300):
        words = [
            "".join(chr(dice.choice((34, 92, 10, 32, 65, 233, 8238, 128512))) for _ in range(5)) for _ in range(40)
        ]
        spelled = spell_text(" ".join(words))
        assert spell_text(spelled) == spelled
        if spelled:
            check_triage(Triage("Delivery", "low", spelled, spelled), CATEGORIES)
    assert spell_text("a " * 58 + "wide [ORDER_12] and more") == "a " * 58 + "wide"


@pytest.mark.parametrize("names", [["x" * 41], [""], ['"'], ["a\nb"], ["🍵"], [str(n) for n in range(101)]])
def test_categories_that_nothing_can_be_sorted_into_are_refused(names: list[str]) -> None:
    with pytest.raises(BadInput, match="categor"):
        check_categories(names)


def test_triage_prompt_names_the_categories_and_keeps_the_newest_turns() -> None:
    turns = [
        Turn("customer", "First " * 200),
        Turn("agent", "Second."),
        Turn("customer", "Third."),
        Turn("customer", "Now!"),
    ]
    system, asked = build_triage_prompt(turns, categories=CATEGORIES, max_chars=900)
    assert all(name in system["content"] for name in (*CATEGORIES, "low", "urgent"))
    assert asked == {"role": "user", "content": "Agent: Second.\nCustomer: Third.\nNow!"}
    assert build_triage_prompt([], categories=CATEGORIES, max_chars=900)[1]["content"]
