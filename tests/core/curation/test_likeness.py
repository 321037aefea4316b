"""Which exchanges say the same and which contradict each other, both ways."""

import pytest

from thumbtune.core.curation import Exchange, compare_exchanges, read_exchange, sign_exchange
from thumbtune.core.curation.likeness import BANDS
from thumbtune.core.prompt import Turn

NORWAY = "Do you ship to Norway?"


def read(reply: str, question: str = NORWAY) -> Exchange:
    exchange = read_exchange([Turn("customer", question)], reply)
    assert exchange is not None
    return exchange


def relate(one: str, other: str, *, question: str = NORWAY, other_question: str = NORWAY) -> str | None:
    likeness = compare_exchanges(read(one, question), read(other, other_question))
    assert likeness == compare_exchanges(read(one, question), read(other, other_question))
    return likeness.kind if likeness else None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Yes, we ship to Norway within a week.", "Yes! We ship to Norway within a week :)"),
        ("Hello [NAME_1], we do, and customs are included.", "Hello [NAME_2], we do, and customs are included."),
        ("It takes 1,200 hours at most, thank you.", "It takes 1200 hours at most, thank you."),
        ("It takes three days at most, thank you.", "It takes 3 days at most, thank you."),
    ],
)
def test_same_answers_are_the_same(one: str, other: str) -> None:
    assert relate(one, other) == relate(other, one) == "same"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("It takes 5 working days.", "It takes 9 working days."),
        ("Yes, within a week.", "No, only within Sweden."),
        ("We do ship there, customs included.", "We do not ship there, customs included."),
        ("You can send it back within 30 days.", "Returns are free for 14 days."),
        ("It leaves us on Monday.", "It leaves us on Thursday."),
        ("The parcel service brings it to your door.", "Please collect your goods at the nearest shop."),
        ("See https://shop.example/norway for it.", "See https://shop.example/abroad for it."),
    ],
)
def test_other_answers_contradict(one: str, other: str) -> None:
    assert relate(one, other) == relate(other, one) == "contradiction"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("It takes 5 working days.", "It takes 5 working days and costs 4.90 €."),
        ("Which town in Norway would that be?", "Let me look that up for you right away."),
        ("Yes, we do.", "Yes, certainly, to every town there is."),
        ("We do.", "With pleasure."),
        ("No problem, we ship there in a week.", "We ship there in a week."),
    ],
)
def test_different_words_for_it_are_left_alone(one: str, other: str) -> None:
    assert relate(one, other) in (None, "same")
    assert relate(one, other) == relate(other, one)


def test_other_questions_are_not_compared() -> None:
    assert relate("It takes 5 days.", "It takes 9 days.", other_question="Do you ship to Finland?") is None
    assert relate("Yes, 5 left.", "No, none.", question="Is lamp 4 there?", other_question="Is lamp 7 there?") is None


def test_answers_to_one_customers_case_do_not_contradict_another() -> None:
    question = "Where is my order [ORDER_1] now?"
    assert relate("It comes on Friday.", "It comes on Monday.", question=question, other_question=question) is None
    assert relate("It is on its way.", "It is on its way!", question=question, other_question=question) == "same"


def test_another_conversation_before_the_same_question_is_not_compared() -> None:
    before = [Turn("customer", "I would like a table for the garden."), Turn("agent", "Which of the two do you like?")]
    one = read_exchange([*before, Turn("customer", "How much does it cost?")], "It costs 40 €.")
    other = read_exchange([Turn("customer", "How much does it cost?")], "It costs 70 €.")
    assert one is not None
    assert other is not None
    assert compare_exchanges(one, other) is None


def test_courtesies_before_the_question_are_not_enough_to_tell_it_apart() -> None:
    question = "Do you ship parcels to Norway as well, and who pays the customs there?"
    assert relate("You do.", "You do.", question=question, other_question=f"Hi, {question}") == "same"


@pytest.mark.parametrize("question", ["Hi", "And then?", "[NAME_1] [ORDER_1] [EMAIL_1]", "…"])
def test_what_asks_too_little_is_not_compared(question: str) -> None:
    assert read_exchange([Turn("customer", question)], "It takes 5 working days.") is None


def test_bands_are_what_is_stored_and_desks_have_their_own() -> None:
    bands = sign_exchange(read("Yes."), desk_id="support")
    assert len(set(bands)) == BANDS
    assert bands == sign_exchange(read("No."), desk_id="support")
    assert not set(bands) & set(sign_exchange(read("Yes."), desk_id="sales"))
    # Stored ones must be found again after an upgrade: a change here needs a migration.
    assert bands[:2] == [1025008382163882082, -4810214490480038105]


def test_nearly_the_same_question_shares_a_band() -> None:
    one = "My tea pot arrived broken this morning, what should I do with it now?"
    other = "My teapot arrived broken this morning, what should I do with it now?"
    assert set(sign_exchange(read("Yes.", one), desk_id="d")) & set(sign_exchange(read("Yes.", other), desk_id="d"))
