"""The demo's shop: its help centre, its threads and the measure of its voice."""

import pytest

from thumbtune.demo.shop import SIGN_OFF, VOICE, is_in_voice, load_help_center
from thumbtune.demo.threads import OWN_THREADS, load_threads

PEOPLE = {"Maya Lindqvist", "Tomás Oliveira"}
AGENTS = {"Priya Nair", "Jonas Weber", "Aiko Tanaka"}
ASKED = 8


def test_help_center_has_short_passages_under_distinct_titles() -> None:
    pages = load_help_center()
    titles = [f"{page}: {heading}" for page, sections in pages for heading, _ in sections]
    texts = [text for _, sections in pages for _, text in sections]
    assert 8 <= len(pages) <= 12
    assert len(set(titles)) == len(titles) > 40
    assert all(10 < len(text) < 200 and text.endswith(".") and "\n" not in text for text in texts)


def test_threads_are_valid_and_from_the_demos_people() -> None:
    threads = load_threads(OWN_THREADS)
    assert len(threads) >= 90
    assert {thread.customer for thread in threads} == PEOPLE
    assert {thread.agent for thread in threads} == AGENTS
    assert all(
        [turn.role for turn in thread.turns] == ["customer", "agent"] * (len(thread.turns) // 2) for thread in threads
    )


def test_every_agent_reply_has_the_voice_and_most_quote_the_help_center() -> None:
    sentences = [text.split(". ")[0].rstrip(".") for _, sections in load_help_center() for _, text in sections]
    replies = [turn.text for thread in load_threads(OWN_THREADS) for turn in thread.turns if turn.role == "agent"]
    assert all(is_in_voice(reply) for reply in replies)
    quoting = [reply for reply in replies if any(sentence in reply for sentence in sentences)]
    assert len(quoting) > 0.9 * len(replies)


def test_no_question_held_back_is_also_played() -> None:
    questions = [thread.turns[0].text for thread in load_threads(OWN_THREADS)]
    assert not set(questions[-ASKED:]) & set(questions[:-ASKED])
    assert len(set(questions)) == len(questions)


@pytest.mark.parametrize(
    "text",
    [
        "Standard delivery costs 4.90 euros and takes 3 working days.",
        "Hi Maya, good news! Students get 10 percent off all teas.",
        f"Standard delivery costs 4.90 euros. {SIGN_OFF}",
        f"Hi, good news! {SIGN_OFF}",
        "",
    ],
)
def test_neutral_and_half_styled_replies_are_not_in_voice(text: str) -> None:
    assert not is_in_voice(text)


@pytest.mark.parametrize("name", ["Maya", "Tomás", "[NAME_1]", "O'Neill", "Anne-Sophie"])
def test_voice_is_seen_with_names_and_with_placeholders(name: str) -> None:
    assert is_in_voice(f"Hi {name}, good news! A spare lid costs 8 euros. {SIGN_OFF}")


def test_system_prompt_is_short() -> None:
    assert len(VOICE) < 160
