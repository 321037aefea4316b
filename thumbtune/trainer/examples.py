"""Turns a snapshot's lines into token sequences of which only the replies are trained on, and into batches.

It does not know torch or models; it is given a tokenizer. A reply's prompt is rendered with the base model's own chat
template, exactly as the model server renders it.
"""

import itertools
import json
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from thumbtune.core.errors import BadInput
from thumbtune.core.prompt import TEMPLATE_OPTIONS, ChatMessage

_MARK = "The reply."


class Tokenizer(Protocol):
    """What is needed of a transformers tokenizer."""

    eos_token_id: int

    def apply_chat_template(self, conversation: Any, **options: Any) -> Any: ...  # transformers' own open signature

    def __call__(self, text: list[str], *, add_special_tokens: bool) -> Any: ...


@dataclass(frozen=True)
class Line:
    """One line of a snapshot: the prompts to try in turn, the longest first, and the approved reply."""

    pair_id: str
    thread_id: str
    prompts: tuple[tuple[ChatMessage, ...], ...]
    reply: str


@dataclass(frozen=True)
class Example:
    """One approved reply after its prompt, in tokens; `reply_ids` ends with the end-of-turn token."""

    pair_id: str
    thread_id: str
    prompt_ids: tuple[int, ...]
    reply_ids: tuple[int, ...]
    prompt_number: int = 0
    """Which of its line's prompts that is."""

    @property
    def token_ids(self) -> tuple[int, ...]:
        """Prompt and reply."""
        return self.prompt_ids + self.reply_ids


@dataclass(frozen=True)
class Span:
    """The place of one example's reply in a sequence."""

    pair_id: str
    start: int
    stop: int


@dataclass(frozen=True)
class TokenSequence:
    """One forward pass's row: several replies of one thread when each prompt continues the one before."""

    token_ids: tuple[int, ...]
    spans: tuple[Span, ...]
    example_tokens: int
    """Tokens of its examples as if each stood alone."""

    @property
    def supervised_tokens(self) -> int:
        """Tokens trained on."""
        return sum(span.stop - span.start for span in self.spans)


def read_lines(path: Path, *, reply_field: str = "reply") -> list[Line]:
    """Read a snapshot file; the reply is what stands in a line under `reply_field`.

    Raises: BadInput with the line's number.
    """
    lines = []
    try:
        with path.open(encoding="utf-8") as stream:
            for number, text in enumerate(stream, start=1):
                try:
                    fields = json.loads(text)
                    prompts = tuple(tuple(prompt) for prompt in (fields["messages"], *fields.get("shorter", [])))
                    lines.append(
                        Line(str(fields["pair_id"]), str(fields["thread_id"]), prompts, str(fields[reply_field]))
                    )
                except (ValueError, KeyError, TypeError) as exc:
                    raise BadInput(f"{path.name} line {number}: {type(exc).__name__} {exc}") from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise BadInput(f"{path}: {exc}") from exc
    return lines


def find_end_of_turn(tokenizer: Tokenizer, *, stop_ids: Iterable[int]) -> int:
    """Return the token that the chat template puts after a reply and at which the model server stops.

    Raises: BadInput when the template ends a reply with no such token: the adapter would never learn to stop.
    """
    stops = {tokenizer.eos_token_id, *stop_ids}
    conversation = [
        {"role": "system", "content": "x"},
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": _MARK},
    ]
    text = tokenizer.apply_chat_template(conversation, tokenize=False, **TEMPLATE_OPTIONS)
    _, mark, after = text.rpartition(_MARK)
    [after_ids] = tokenizer([after], add_special_tokens=False)["input_ids"]
    for token in after_ids if mark else ():
        if token in stops:
            return int(token)
    raise BadInput(
        "the base model's chat template ends a reply with no token at which the model server stops, so that drafts would run on; "
        "name its end-of-turn token as eos_token_id in generation_config.json, or use an instruction-tuned base model"
    )


def encode_lines(
    lines: Sequence[Line], tokenizer: Tokenizer, *, end_of_turn: int, max_context_tokens: int, max_reply_tokens: int
) -> tuple[list[Example], Counter[str]]:
    """Return the examples that fit, and how many were skipped for which reason.

    A line's prompts are tried in turn until one leaves room for a reply of `max_reply_tokens`, as when a draft is
    asked for.
    """
    skipped: Counter[str] = Counter()
    examples = []
    replies = tokenizer([line.reply.strip() for line in lines], add_special_tokens=False)["input_ids"] if lines else []
    prompts = _encode_prompts([line.prompts[0] for line in lines], tokenizer)
    room = max_context_tokens - max_reply_tokens
    for line, prompt_ids, reply in zip(lines, prompts, replies, strict=True):
        reply_ids = (*reply, end_of_turn)
        if len(reply_ids) == 1:
            skipped["empty reply"] += 1
            continue
        if len(reply_ids) > max_reply_tokens:
            skipped["reply too long"] += 1
            continue
        prompt_number = 0
        while len(prompt_ids) > room and prompt_number + 1 < len(line.prompts):
            prompt_number += 1
            [prompt_ids] = _encode_prompts([line.prompts[prompt_number]], tokenizer)
        if len(prompt_ids) > room:
            skipped["prompt too long"] += 1
            continue
        examples.append(Example(line.pair_id, line.thread_id, tuple(prompt_ids), reply_ids, prompt_number))
    return examples, skipped


def sample_lines(lines: Sequence[Line], *, most: int, seed: int) -> list[Line]:
    """Return at most so many lines, of as many threads as possible."""
    by_thread: dict[str, list[Line]] = {}
    for line in random.Random(seed).sample(list(lines), len(lines)):
        by_thread.setdefault(line.thread_id, []).append(line)
    rounds = itertools.zip_longest(*by_thread.values())
    return [line for found in rounds for line in found if line is not None][:most]


def swap_prompts(examples: Sequence[Example], *, max_context_tokens: int) -> list[Example]:
    """Return the replies after the prompt of another thread; none where all are of one thread, or it does not fit.

    Half the set lies between a reply and the prompt it is given, so that neighbours of one thread do not meet.
    """
    swapped: list[Example] = []
    for at, example in enumerate(examples):
        for step in range(len(examples)):
            other = examples[(at + len(examples) // 2 + step) % len(examples)]
            fits = len(other.prompt_ids) + len(example.reply_ids) <= max_context_tokens
            if fits and other.thread_id != example.thread_id and other.prompt_ids != example.prompt_ids:
                swapped.append(replace(example, prompt_ids=other.prompt_ids))
                break
    return swapped


def merge_prefixes(examples: Sequence[Example]) -> list[TokenSequence]:
    """Lay examples over one another where one's prompt and reply begin another's prompt, so that they run once.

    Attention is causal, so every reply token sees the same tokens and gets the same loss as in its own row.
    """
    merged: list[TokenSequence] = []
    next_prompt_tokens = 0
    for example in sorted(examples, key=lambda item: (item.token_ids, item.pair_id), reverse=True):
        ids = example.token_ids
        span = Span(example.pair_id, len(example.prompt_ids), len(ids))
        last = merged[-1] if merged else None
        if last and len(ids) <= next_prompt_tokens and last.token_ids[: len(ids)] == ids:
            merged[-1] = TokenSequence(last.token_ids, (span, *last.spans), last.example_tokens + len(ids))
        else:
            merged.append(TokenSequence(ids, (span,), len(ids)))
        next_prompt_tokens = len(example.prompt_ids)
    return sorted(merged, key=lambda sequence: sequence.spans[0].pair_id)


def plan_steps(sequences: Sequence[TokenSequence], *, batch_tokens: int, seed: int) -> list[list[TokenSequence]]:
    """Return one epoch's optimizer steps: shuffled by the seed, then grouped with others of about their length."""
    dice = random.Random(seed)
    shuffled = list(sequences)
    dice.shuffle(shuffled)
    steps: list[list[TokenSequence]] = []
    pool_tokens = 16 * batch_tokens
    for pool in _take_tokens(shuffled, pool_tokens):
        steps += _take_tokens(sorted(pool, key=lambda sequence: len(sequence.token_ids)), batch_tokens)
    dice.shuffle(steps)
    return steps


def split_rows(
    sequences: Sequence[TokenSequence], *, forward_tokens: int, padded: bool = True
) -> list[list[TokenSequence]]:
    """Return groups of rows whose tokens stay within `forward_tokens`, padding counted; a longer row stands alone."""
    groups: list[list[TokenSequence]] = []
    tokens = 0
    for sequence in sorted(sequences, key=lambda item: len(item.token_ids), reverse=True):
        tokens += len(groups[-1][0].token_ids) if padded and groups else len(sequence.token_ids)
        if not groups or tokens > forward_tokens:
            groups.append([])
            tokens = len(sequence.token_ids)
        groups[-1].append(sequence)
    return groups


def _encode_prompts(prompts: Sequence[Sequence[ChatMessage]], tokenizer: Tokenizer) -> list[list[int]]:
    texts = [
        tokenizer.apply_chat_template(list(prompt), tokenize=False, add_generation_prompt=True, **TEMPLATE_OPTIONS)
        for prompt in prompts
    ]
    encoded: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
    return encoded


def _take_tokens(sequences: Sequence[TokenSequence], max_tokens: int) -> list[list[TokenSequence]]:
    groups: list[list[TokenSequence]] = []
    tokens = 0
    for sequence in sequences:
        if not groups or tokens + sequence.example_tokens > max_tokens:
            groups.append([])
            tokens = 0
        groups[-1].append(sequence)
        tokens += sequence.example_tokens
    return groups
