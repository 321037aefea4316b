"""Tells what the help centre does from what the adapter does: held-out replies after the same prompts without passages.

It does not know torch or the store.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from thumbtune.core.prompt import drop_grounds
from thumbtune.trainer.examples import Example, Line, Tokenizer, encode_lines

FEWEST_REPLIES = 5
"""Replies with passages below which nothing is said."""


def encode_without_passages(
    lines: Sequence[Line], examples: Sequence[Example], tokenizer: Tokenizer, *, voice: str, **limits: int
) -> list[Example]:
    """Return the examples whose prompts have passages, after the same prompts without them.

    `examples` are those of `lines`, `voice` is what their prompts were built with, `limits` as for `encode_lines`.
    """
    line_of = {line.pair_id: line for line in lines}
    plain: list[Line] = []
    for example in examples:
        line = line_of[example.pair_id]
        prompt = line.prompts[example.prompt_number]
        without = tuple(drop_grounds(prompt, voice=voice))
        if without != prompt:
            plain.append(replace(line, prompts=(without,)))
    return encode_lines(plain, tokenizer, **limits)[0]


def compare_grounding(scores: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:  # Any: JSON
    """Return by model how many nats a token costs with and without passages, over the replies that have some.

    Source of `scores`: what `evaluate` writes. Empty where too few replies have passages.
    """
    measured = [score for score in scores if "without_passages" in score]
    grounded = [score for score in measured if all(map(math.isfinite, score["without_passages"].values()))]
    if len(grounded) < FEWEST_REPLIES:
        return {}
    tokens = sum(score["tokens"] for score in grounded)
    return {
        name: {
            "replies": len(grounded),
            "with_passages": sum(score["nll"][name] for score in grounded) / tokens,
            "without_passages": sum(score["without_passages"][name] for score in grounded) / tokens,
        }
        for name in grounded[0]["nll"]
    }
