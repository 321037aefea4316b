"""The prompt: always ends with the customer, stays within its budget, and is the same for the same thread."""

from hypothesis import given
from hypothesis import strategies as st

from thumbtune.core.prompt import (
    NOTHING_NEW,
    TEAM_WRITES_FIRST,
    Example,
    Passage,
    Turn,
    build_prompt,
    drop_grounds,
    find_question,
    freeze_template,
    hash_template,
    list_budgets,
    replace_question,
)

TURNS = st.lists(
    st.builds(Turn, st.sampled_from(["customer", "agent"]), st.text(min_size=1, max_size=300)), max_size=12
)


def test_turns_of_one_side_are_one_message() -> None:
    turns = [
        Turn("customer", "Hi"),
        Turn("customer", "Where is it?"),
        Turn("agent", "Which?"),
        Turn("customer", "This"),
    ]
    messages = build_prompt(turns, voice="Be brief.", max_chars=4000)
    assert [(message["role"], message["content"]) for message in messages] == [
        ("system", "Be brief."),
        ("user", "Hi\nWhere is it?"),
        ("assistant", "Which?"),
        ("user", "This"),
    ]


def test_thread_that_the_team_began_and_ended_still_asks_as_the_customer() -> None:
    messages = build_prompt([Turn("agent", "News for you")], voice="", max_chars=4000)
    assert [message["content"] for message in messages[1:]] == [TEAM_WRITES_FIRST, "News for you", NOTHING_NEW]


def test_passages_and_examples_are_part_of_the_instruction() -> None:
    system = build_prompt(
        [Turn("customer", "Hi")],
        voice="Be brief.",
        max_chars=4000,
        passages=[Passage("Shipping", "Two days.")],
        examples=[Example("How long?", "Two days!")],
    )[0]["content"]
    assert system.startswith("Be brief.")
    assert "Shipping\nTwo days." in system
    assert "Customer: How long?\nAgent: Two days!" in system


@given(TURNS, st.text(max_size=80), st.lists(st.text(max_size=400), max_size=4))
def test_prompt_without_its_grounds_is_as_if_it_never_had_any(turns: list[Turn], voice: str, texts: list[str]) -> None:
    grounds = {"passages": [Passage("Title", text) for text in texts], "examples": [Example("How long?", "Two days!")]}
    roomy = {"voice": voice, "max_chars": 1_000_000}
    grounded = build_prompt(turns, **roomy, **grounds)
    assert drop_grounds(grounded, voice=voice) == build_prompt(turns, **roomy)
    assert grounded != build_prompt(turns, **roomy)


@given(TURNS, st.integers(min_value=400, max_value=4000), st.lists(st.text(max_size=400), max_size=4))
def test_prompt_keeps_its_form_and_its_budget(turns: list[Turn], max_chars: int, texts: list[str]) -> None:
    passages = [Passage("Title", text) for text in texts]
    messages = build_prompt(turns, voice="Be brief.", max_chars=max_chars, passages=passages)
    roles = [message["role"] for message in messages]
    assert roles[0] == "system"
    assert roles[1::2] == ["user"] * len(roles[1::2])
    assert roles[2::2] == ["assistant"] * len(roles[2::2])
    assert roles[-1] == "user"
    fixed = len(TEAM_WRITES_FIRST) + len(NOTHING_NEW) + len(turns)
    assert sum(len(message["content"]) for message in messages) <= max_chars + fixed + 8
    assert messages == build_prompt(turns, voice="Be brief.", max_chars=max_chars, passages=passages)


def test_newest_turns_stay_and_a_lone_long_one_loses_its_middle() -> None:
    turns = [Turn("customer", "old " * 500), Turn("agent", "answer"), Turn("customer", "newest question")]
    texts = [message["content"] for message in build_prompt(turns, voice="", max_chars=500)]
    assert texts[-1] == "newest question"
    assert not any("old" in text for text in texts)
    (_, only) = build_prompt([Turn("customer", "begin " + "x" * 5000 + " end")], voice="", max_chars=500)
    assert only["content"].startswith("begin ")
    assert only["content"].endswith(" end")


def test_question_is_the_last_burst_of_the_customer() -> None:
    turns = [Turn("customer", "first"), Turn("agent", "which?"), Turn("customer", "a"), Turn("customer", "b")]
    assert find_question(turns) == "a\nb"
    assert find_question([*turns, Turn("agent", "so")]) == "a\nb"
    assert find_question([Turn("agent", "hello")]) == ""


def test_budgets_fall_and_end() -> None:
    budgets = list_budgets(1000)
    assert budgets[0] == 1000
    assert budgets == sorted(budgets, reverse=True)
    assert min(budgets) >= 400


def test_only_a_template_that_reads_the_clock_is_changed() -> None:
    assert freeze_template("{{ messages }}") == "{{ messages }}"
    frozen = freeze_template("{{ strftime_now('%d %B %Y') }}")
    assert frozen.endswith("{{ strftime_now('%d %B %Y') }}")


def test_template_hash_tells_templates_apart() -> None:
    assert hash_template("{{ a }}") != hash_template("{{ b }}")


def test_question_is_replaced_where_it_stands() -> None:
    talk = (
        Turn("customer", "Hi"),
        Turn("agent", "Yes?"),
        Turn("customer", "a"),
        Turn("customer", "b"),
        Turn("agent", "c"),
    )
    assert replace_question(talk, "a\nb") == talk
    assert replace_question(talk, "new") == (*talk[:2], Turn("customer", "new"), talk[4])
    assert replace_question((), "new") == (Turn("customer", "new"),)
    assert replace_question((Turn("agent", "Yes?"),), "new") == (Turn("agent", "Yes?"), Turn("customer", "new"))
