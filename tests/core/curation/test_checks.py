"""Each rule both ways: what it is for sets a reply aside, an ordinary reply passes."""

import pytest

from thumbtune.core.curation import inspect_pair
from thumbtune.core.prompt import Passage, Turn
from thumbtune.core.redaction import Redactor
from thumbtune.core.settings import Settings

REDACTOR = Redactor(order_number_patterns=[r"\b[A-Z]{2,4}-\d{4,10}\b"])
GERMAN = "Guten Tag, wann kommt denn mein Paket endlich an? Ich warte nun schon seit mehr als einer Woche darauf."
ENGLISH = "Hello, when does my parcel finally arrive? I have been waiting for more than a week for it already."


def find(reply: str, *turns: str, passages: tuple[Passage, ...] = (), **changes: object) -> dict[str, bool]:
    """The kinds of what is found, and whether each keeps the reply out."""
    settings = Settings(_env_file=None, **changes)
    asked = [Turn("customer", text) for text in turns or ("Where is my parcel, please?",)]
    found = inspect_pair(asked, reply, passages, settings=settings, redactor=REDACTOR)
    return {item.kind: item.holds for item in found}


@pytest.mark.parametrize(
    "reply",
    ["Ok, thanks", "Thank you!", "👍", "[NAME_1] 🙂", "You're welcome. Good bye!", "no problem", "Danke, gerne!"],
)
def test_courtesies_alone_teach_nothing(reply: str) -> None:
    assert find(reply) == {"too_short": True}
    assert find(reply, min_reply_words=0) == {}


@pytest.mark.parametrize(
    "reply", ["No.", "Yes, both.", "It does.", "Have a lovely weekend!", "What city?", "[ORDER_1] shipped"]
)
def test_short_answers_pass(reply: str) -> None:
    assert find(reply, "Is [ORDER_1] there?") == {}


def test_long_reply_is_set_aside_from_its_bound_on() -> None:
    assert find("word " * 400) == {}
    assert find("word " * 401) == {"too_long": True}
    assert find("word " * 401, max_reply_chars=3000) == {}


GERMAN_REPLY = "Ihr Paket ist unterwegs und kommt voraussichtlich in dieser Woche bei Ihnen zu Hause an."
ENGLISH_REPLY = "Your parcel is on its way and will most probably arrive at your home during this week."


def test_reply_in_another_language_is_set_aside() -> None:
    assert find(GERMAN_REPLY, ENGLISH) == {"language": True}
    assert find(ENGLISH_REPLY, GERMAN) == {"language": True}
    assert find(ENGLISH_REPLY, GERMAN, check_language=False) == {}
    assert find(ENGLISH_REPLY, GERMAN, reply_languages=["en"]) == {}
    assert find(GERMAN_REPLY, GERMAN, reply_languages=["en", "fr"]) == {"language": True}


@pytest.mark.parametrize(
    ("reply", "question"),
    [
        (GERMAN_REPLY, GERMAN),
        (ENGLISH_REPLY, ENGLISH),
        ("Ja, gerne.", ENGLISH),
        (GERMAN_REPLY, "Paket?"),
        ("Open Settings, Wi-Fi, Advanced, then WPA2-PSK and reboot the FRITZ!Box 7590 AX.", GERMAN),
    ],
)
def test_same_language_short_texts_and_product_words_pass(reply: str, question: str) -> None:
    assert "language" not in find(reply, question)


@pytest.mark.parametrize(
    "reply",
    [
        "Use Zm9vYmFy9Qx7LpT2vKcR8wYb to sign in.",
        "The link is 4fK9sLq2Zt8Vb3Nw6Xc1 for the box.",
        "Write to someone@example.com about it.",
        "Call +49 30 901820 about it.",
        "The password: [KEY_1]hunter2 works.",
    ],
)
def test_leftover_secrets_are_set_aside(reply: str) -> None:
    assert find(reply)["secret"]


@pytest.mark.parametrize(
    "reply",
    [
        "Press the Donaudampfschifffahrtsgesellschaft button.",
        "See docs/getting-started/installation-on-windows for more.",
        "Your case is internationalization_and_localization, ask [EMAIL_1].",
        "The model is WH-1000XM5 in midnight blue.",
        "AAAAAAAAAAAAAAAAAAAAAAAA1a is what it prints.",
        "The password is [KEY_1].",
        "Sign in with password: [KEY_3], token: [EMAIL_1].",
    ],
)
def test_long_ordinary_words_are_no_secrets(reply: str) -> None:
    assert "secret" not in find(reply)


PASSAGE = Passage("Shipping", "Parcels take three working days and cost €4.90.")


@pytest.mark.parametrize(
    "reply",
    [
        "It takes 5 working days.",
        "It arrives on Friday.",
        "See https://example.com/shipping.",
        "Order [ORDER_2] it is.",
    ],
)
def test_facts_found_nowhere_are_noted_and_held_only_on_request(reply: str) -> None:
    assert find(reply, passages=(PASSAGE,)) == {"ungrounded": False}
    assert find(reply, passages=(PASSAGE,), hold_ungrounded=True) == {"ungrounded": True}


@pytest.mark.parametrize(
    "reply",
    [
        "It takes 3 working days and costs 4.90 €.",
        "Hello [NAME_2], three days it is.",
        "Your 1,200 lamps of [ORDER_1] leave today's warehouse.",
        "We will look into it.",
    ],
)
def test_facts_of_the_thread_or_a_passage_are_grounded(reply: str) -> None:
    question = "Where are my 1200 lamps of [ORDER_1]? I need them today."
    assert find(reply, question, passages=(PASSAGE,)) == {}


def test_explanations_tell_figures_and_no_words_of_the_reply() -> None:
    settings = Settings(_env_file=None)
    reply = "The Kabuto costs 5 € and 7 $ until Friday, ask Zm9vYmFy9Qx7LpT2vKcR8wYb."
    found = inspect_pair([Turn("customer", "What?")], reply, (), settings=settings, redactor=REDACTOR)
    told = " ".join(item.explanation for item in found)
    assert "4 of 4 facts" in told
    assert not {"Kabuto", "Friday", "Zm9vYmFy9Qx7LpT2vKcR8wYb"} & set(told.replace(",", " ").split())
