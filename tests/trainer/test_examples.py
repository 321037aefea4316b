"""Only replies are supervised, and prompts are exactly what the chat template makes."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny_base import AS_ASKED
from tests.trainer.samples import make_line
from thumbtune.core.errors import BadInput
from thumbtune.trainer.examples import (
    Example,
    Line,
    encode_lines,
    find_end_of_turn,
    merge_prefixes,
    plan_steps,
    read_lines,
    sample_lines,
    split_rows,
    swap_prompts,
)


@pytest.fixture(scope="module")
def tokenizer(tiny_base: Path):
    from thumbtune.trainer.model import load_tokenizer

    return load_tokenizer(tiny_base)


@pytest.fixture(scope="module")
def render(tiny_base: Path):
    """The base's own template, apart from our code, with everything said that it could find out for itself."""
    from transformers import AutoTokenizer

    plain = AutoTokenizer.from_pretrained(tiny_base)
    return lambda messages: plain.apply_chat_template(
        messages, add_generation_prompt=True, return_dict=False, **AS_ASKED
    )


def to_line(fields: dict) -> Line:
    prompts = (fields["messages"], *fields.get("shorter", []))
    return Line(fields["pair_id"], fields["thread_id"], tuple(tuple(prompt) for prompt in prompts), fields["reply"])


def encode(lines: list[dict], tokenizer, **limits: int):
    end = find_end_of_turn(tokenizer, stop_ids=[])
    limits = {"max_context_tokens": 500, "max_reply_tokens": 100, **limits}
    return encode_lines([to_line(line) for line in lines], tokenizer, end_of_turn=end, **limits)


def test_prompt_ids_are_the_chat_templates_and_labels_decode_to_the_reply(tokenizer, render) -> None:
    lines = [make_line(thread, turn) for thread in range(4) for turn in range(3)]
    examples, skipped = encode(lines, tokenizer)
    assert not skipped
    for line, example in zip(lines, examples, strict=True):
        assert list(example.prompt_ids) == render(line["messages"])
        assert tokenizer.decode(example.reply_ids) == f"{line['reply']}<|end|>"


def test_supervised_spans_of_merged_rows_decode_to_the_replies(tokenizer) -> None:
    lines = {
        str(line["pair_id"]): line for line in (make_line(thread, turn) for thread in range(5) for turn in range(4))
    }
    examples, _ = encode(list(lines.values()), tokenizer)
    sequences = merge_prefixes(examples)
    assert len(sequences) == 5
    seen = []
    for sequence in sequences:
        for span in sequence.spans:
            assert (
                tokenizer.decode(sequence.token_ids[span.start : span.stop]) == f"{lines[span.pair_id]['reply']}<|end|>"
            )
            seen.append(span.pair_id)
    assert sorted(seen) == sorted(lines)


def test_first_prompt_that_leaves_room_for_a_reply_is_used(tokenizer, render) -> None:
    short = make_line(1)["messages"]
    long = [{"role": "system", "content": "word " * 300}, *short[1:]]
    line = make_line(1, messages=long, shorter=[long, short])
    examples, skipped = encode([line], tokenizer, max_context_tokens=200, max_reply_tokens=60)
    assert not skipped
    assert list(examples[0].prompt_ids) == render(short)


def test_lines_that_cannot_fit_are_skipped_with_their_reason(tokenizer) -> None:
    long = [{"role": "user", "content": "word " * 300}]
    lines = [make_line(1, messages=long), make_line(2, reply="word " * 90), make_line(3, reply="  "), make_line(4)]
    examples, skipped = encode(lines, tokenizer, max_context_tokens=200, max_reply_tokens=60)
    assert [example.pair_id for example in examples] == ["p004-0"]
    assert skipped == {"prompt too long": 1, "reply too long": 1, "empty reply": 1}


def test_end_of_turn_is_a_stop_token_of_the_template(tokenizer) -> None:
    assert find_end_of_turn(tokenizer, stop_ids=[]) == tokenizer.convert_tokens_to_ids("<|end|>")


@pytest.mark.parametrize("ending", ["", "\n", "<|think|>\n"])
def test_template_that_ends_a_reply_with_no_stop_token_is_refused(tiny_base: Path, ending: str) -> None:
    from thumbtune.trainer.model import load_tokenizer

    tokenizer = load_tokenizer(tiny_base)
    tokenizer.chat_template = (
        "{% for message in messages %}{{ message['content'] }}"
        f"{{% if message['role'] != 'assistant' %}}<|end|>{{% else %}}{ending}{{% endif %}}{{% endfor %}}"
    )
    with pytest.raises(BadInput, match="end-of-turn token as eos_token_id"):
        find_end_of_turn(tokenizer, stop_ids=[])
    think = tokenizer.convert_tokens_to_ids("<|think|>")
    if "<|think|>" in ending:
        assert find_end_of_turn(tokenizer, stop_ids=[think]) == think


@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 2), min_size=1, max_size=6), st.lists(st.integers(0, 2), min_size=1, max_size=3)
        ),
        min_size=1,
        max_size=12,
    )
)
@settings(max_examples=300, deadline=None)
def test_merging_keeps_every_reply_after_its_own_prompt_and_trains_no_token_twice(drawn: list) -> None:
    examples = [Example(str(number), "t", tuple(prompt), tuple(reply)) for number, (prompt, reply) in enumerate(drawn)]
    by_id = {example.pair_id: example for example in examples}
    sequences = merge_prefixes(examples)
    placed = [span.pair_id for sequence in sequences for span in sequence.spans]
    assert sorted(placed) == sorted(by_id)
    for sequence in sequences:
        end = 0
        for span in sequence.spans:
            assert span.start >= end
            end = span.stop
            assert sequence.token_ids[: span.stop] == by_id[span.pair_id].token_ids
    assert sum(sequence.example_tokens for sequence in sequences) == sum(len(item.token_ids) for item in examples)


def test_every_row_appears_once_per_epoch_within_the_batch(tokenizer) -> None:
    examples, _ = encode([make_line(thread, thread % 3) for thread in range(60)], tokenizer)
    sequences = merge_prefixes(examples)
    steps = plan_steps(sequences, batch_tokens=400, seed=3)
    assert sorted((row for step in steps for row in step), key=str) == sorted(sequences, key=str)
    assert all(sum(row.example_tokens for row in step) <= 400 for step in steps)
    assert steps == plan_steps(sequences, batch_tokens=400, seed=3)
    assert steps != plan_steps(sequences, batch_tokens=400, seed=4)
    for step in steps:
        rows = split_rows(step, forward_tokens=150)
        assert sorted((row for group in rows for row in group), key=str) == sorted(step, key=str)
        assert all(max(len(row.token_ids) for row in group) * len(group) <= 150 for group in rows if len(group) > 1)


@pytest.mark.parametrize(
    "broken", ["{", '{"pair_id": "a"}', "[]", '{"pair_id":"a","thread_id":"t","messages":3,"reply":""}']
)
def test_broken_line_is_named(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps(make_line(1)) + "\n" + broken + "\n")
    with pytest.raises(BadInput, match=r"train\.jsonl line 2"):
        read_lines(path)


def test_lines_are_sampled_from_as_many_threads_as_possible() -> None:
    examples = [Line(str(at), f"t{at // 4}", (), "") for at in range(20)]
    assert {item.thread_id for item in sample_lines(examples, most=5, seed=1)} == {f"t{at}" for at in range(5)}
    assert sorted(sample_lines(examples, most=50, seed=1), key=lambda item: int(item.pair_id)) == examples
    assert sample_lines(examples, most=7, seed=1) == sample_lines(examples, most=7, seed=1)
    assert sample_lines([], most=7, seed=1) == []


def test_prompts_are_swapped_between_threads_and_only_where_they_fit() -> None:
    examples = [Example(str(at), f"t{at // 2}", (1, at), (7, at, 9)) for at in range(6)]
    swapped = swap_prompts(examples, max_context_tokens=5)
    assert [item.pair_id for item in swapped] == [item.pair_id for item in examples]
    threads = {item.prompt_ids: item.thread_id for item in examples}
    assert all(threads[item.prompt_ids] != item.thread_id for item in swapped)
    assert [item.reply_ids for item in swapped] == [item.reply_ids for item in examples]
    assert swap_prompts(examples, max_context_tokens=4) == []
    assert swap_prompts(examples[:2], max_context_tokens=5) == []
