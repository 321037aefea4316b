"""What passages do is told from the same prompts without them, over the replies that really had some."""

import math
from pathlib import Path

import pytest

from tests.trainer.samples import VOICE
from thumbtune.core.prompt import ChatMessage, Passage, Turn, build_prompt
from thumbtune.trainer.examples import Example, Line, encode_lines, find_end_of_turn
from thumbtune.trainer.grounding import FEWEST_REPLIES, compare_grounding, encode_without_passages

SHORT, LONG = Passage("Lamps", "Three days."), Passage("Everything", "A lamp takes three days. " * 40)
QUESTION = [Turn("customer", "Where is my order?")]
TALK = [Turn("customer", "Hello!"), Turn("agent", "Hello! What can I do?"), *QUESTION]


def build(turns: list[Turn], *passages: Passage, voice: str = VOICE) -> tuple[ChatMessage, ...]:
    return tuple(build_prompt(turns, voice=voice, max_chars=9000, passages=passages))


@pytest.mark.parametrize(
    ("prompts", "without"),
    [
        ([build(TALK, SHORT), build(QUESTION)], build(TALK)),
        ([build(TALK, LONG), build(QUESTION, SHORT)], build(QUESTION)),
        ([build(TALK, LONG), build(QUESTION, LONG), build(QUESTION)], None),
        ([build(TALK), build(QUESTION)], None),
    ],
    ids=["as it is", "shortened", "shortened to none", "never any"],
)
@pytest.mark.parametrize("voice", [VOICE, ""])
def test_reply_is_measured_after_the_prompt_that_it_had(
    tiny_base: Path, prompts: list[tuple[ChatMessage, ...]], without: tuple[ChatMessage, ...] | None, voice: str
) -> None:
    from thumbtune.trainer.model import load_tokenizer

    def say(prompt: tuple[ChatMessage, ...]) -> tuple[ChatMessage, ...]:
        content = prompt[0]["content"].replace(VOICE, voice).strip()
        return ({**prompt[0], "content": content}, *prompt[1:])

    tokenizer = load_tokenizer(tiny_base)
    end = find_end_of_turn(tokenizer, stop_ids=[])
    limits = {"end_of_turn": end, "max_context_tokens": 400, "max_reply_tokens": 100}
    lines = [Line("1", "t1", tuple(map(say, prompts)), "It is on its way.")]
    examples, skipped = encode_lines(lines, tokenizer, **limits)
    assert not skipped
    found = encode_without_passages(lines, examples, tokenizer, voice=voice, **limits)
    expected: list[Example] = []
    if without is not None:
        expected, _ = encode_lines([Line("1", "t1", (say(without),), "It is on its way.")], tokenizer, **limits)
    assert found == expected


def test_reply_that_does_not_fit_with_its_passages_is_not_measured_without_them(tiny_base: Path) -> None:
    from thumbtune.trainer.model import load_tokenizer

    tokenizer = load_tokenizer(tiny_base)
    end = find_end_of_turn(tokenizer, stop_ids=[])
    limits = {"end_of_turn": end, "max_context_tokens": 400, "max_reply_tokens": 100}
    lines = [Line("1", "t1", (build(QUESTION, LONG),), "It is on its way.")]
    examples, skipped = encode_lines(lines, tokenizer, **limits)
    assert (examples, dict(skipped)) == ([], {"prompt too long": 1})
    assert encode_without_passages(lines, examples, tokenizer, voice=VOICE, **limits) == []


def make_score(number: int, **without: float) -> dict[str, object]:
    nll = {"base": 10.0 * number, "live": 8.0 * number, "candidate": 4.0 * number}
    return {"pair_id": str(number), "tokens": 2 * number, "nll": nll} | (
        {"without_passages": without} if without else {}
    )


def test_every_model_is_told_with_and_without_over_the_replies_with_passages() -> None:
    scores = [make_score(number, base=12.0, live=10.0, candidate=8.0) for number in range(1, 6)]
    others = [make_score(100), make_score(7, base=math.inf, live=1.0, candidate=1.0)]
    assert compare_grounding([*scores, *others]) == {
        "base": {"replies": 5, "with_passages": 5.0, "without_passages": 2.0},
        "live": {"replies": 5, "with_passages": 4.0, "without_passages": pytest.approx(50 / 30)},
        "candidate": {"replies": 5, "with_passages": 2.0, "without_passages": pytest.approx(40 / 30)},
    }


def test_nothing_is_said_of_too_few_replies() -> None:
    few = [make_score(number, base=1.0, candidate=1.0) for number in range(1, FEWEST_REPLIES)]
    assert compare_grounding([*few, make_score(9)]) == {}
    assert compare_grounding([]) == {}
