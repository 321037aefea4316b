"""What is one customer's own affair and what anyone may ask; and which contradictions keep a pair out for it."""

import pytest

from thumbtune.core.curation import Likeness, compare_exchanges, read_exchange
from thumbtune.core.prompt import Passage, Turn

CANCEL = "Hello, can you please cancel my subscription?"
CHARGED = "I was charged twice for the same thing, please help."
PARCEL = "My parcel has not arrived yet, where is it?"
PRICE = "How much does a tea strainer cost?"


def relate(question: str, one: str, other: str, passage: str = "") -> Likeness | None:
    passages = [Passage("Help", passage)] if passage else []
    read = [read_exchange([Turn("customer", question)], reply, passages) for reply in (one, other)]
    assert read[0] is not None
    assert read[1] is not None
    assert compare_exchanges(read[0], read[1]) == compare_exchanges(read[1], read[0])
    return compare_exchanges(read[0], read[1])


OWN = [
    (CANCEL, "Done, your subscription ends on 14 May.", "Done, your subscription ends on 2 September."),
    (
        CANCEL,
        "Done! It ends on Monday; you can use it until then.",
        "Done! It ends on Friday; you can use it until then.",
    ),
    (CHARGED, "Sorry! I have refunded 24.90 EUR to your card.", "Sorry! I have refunded 119.00 EUR to your card."),
    (PARCEL, "It should reach you by 3 June at the latest.", "It should reach you by 9 June at the latest."),
    ("We ordered twelve cups and some are missing.", "The other 3 follow today.", "The other 5 follow today."),
    ("When can I expect the refund for it?", "It is with you by Monday.", "It is with you by Thursday."),
    ("Where is the parcel with the cups, please?", "It left on Monday.", "It left on Friday."),
    (
        "Please cancel the order from this morning.",
        "It is gone; you get 12 EUR back.",
        "It is gone; you get 70 EUR back.",
    ),
    ("The teapot arrived broken, what now?", "A new one leaves on Monday.", "A new one leaves on Tuesday."),
    ("Is there a refund for the broken pot?", "We have sent you 20 EUR.", "We have sent you 35 EUR."),
    ("Ich habe die falsche Kanne bekommen.", "Die neue kommt am Montag.", "Die neue kommt am Freitag."),
    ("Where is the invoice, I never saw it?", "Here it is: https://a.example/1", "Here it is: https://a.example/2"),
    ("My code does not work in the shop.", "It works now for 3 days.", "It does work now for 8 days."),
]

OF_THE_SHOP = [
    (PRICE, "A tea strainer costs 9 euros.", "A tea strainer costs 5 euros."),
    ("Do you ship to Norway, how long is it?", "It takes 5 working days.", "It takes 9 working days."),
    (
        "Can I return a strainer that was used?",
        "Within 30 days, with the receipt.",
        "Within 14 days, with the receipt.",
    ),
    ("How long do I have to send things back?", "You have 30 days.", "You have 14 days."),
    ("What if I am not at home that day?", "It waits 7 days at the shop.", "It waits 3 days at the shop."),
    ("Hi, I would like to know when you open.", "We open at 9 every day.", "We open at 10 every day."),
    ("I have a quick question: who pays the customs?", "We do, up to 50 EUR.", "We do, up to 90 EUR."),
    ("Which days is the shop closed in summer?", "It is closed on Monday.", "It is closed on Sunday."),
    ("Where do I find the manual for a kettle?", "See https://a.example/k1", "See https://a.example/k2"),
    ("Kann ich auf Rechnung zahlen, bitte?", "Ja, bis 100 Euro.", "Ja, bis 250 Euro."),
    ("How hot should the water be for green tea?", "Take 70 degrees.", "Take 90 degrees."),
    (
        "Do you ship parcels to Norway at all?",
        "We do ship there, customs included.",
        "We do not ship there, customs included.",
    ),
    ("Can I cancel within the first month?", "Yes, any time.", "No, only later."),
]


@pytest.mark.parametrize(("question", "one", "other"), OWN)
def test_answers_about_one_customers_affair_are_only_noted(question: str, one: str, other: str) -> None:
    likeness = relate(question, one, other)
    assert likeness is not None
    assert (likeness.kind, likeness.holds) == ("contradiction", False)


@pytest.mark.parametrize(("question", "one", "other"), OF_THE_SHOP)
def test_answers_about_the_shop_hold(question: str, one: str, other: str) -> None:
    likeness = relate(question, one, other)
    assert likeness is not None
    assert (likeness.kind, likeness.holds) == ("contradiction", True)


def test_fact_of_the_help_centre_is_no_matter_of_one_customer() -> None:
    question, one, other = "I want to send my lamp back, how long is it?", "You have 30 days.", "You have 14 days."
    told = relate(question, one, other, "Goods come back within 30 days.")
    assert told is not None
    assert told.holds
    untold = relate(question, one, other, "Lamps are sent in 2 boxes.")
    assert untold is not None
    assert not untold.holds


def test_opposite_answers_hold_whoever_asks() -> None:
    likeness = relate("Can my strainer go in the dishwasher?", "Yes, it can.", "No, it would rust.")
    assert likeness is not None
    assert likeness.holds


@pytest.mark.parametrize("question", [PARCEL, "How does a parcel get to Norway?"])
def test_nothing_in_common_is_only_noted(question: str) -> None:
    likeness = relate(
        question,
        "The courier has it at the depot near you, please allow a little more time.",
        "Unfortunately it got lost, so there is a replacement free of charge.",
    )
    assert likeness is not None
    assert "in common" in likeness.difference
    assert not likeness.holds
