"""Tells what the help centre does and what the adapter does: held-out replies with and without their passages.

It does not know torch or the store.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from thumbtune.core.prompt import drop_grounds
from thumbtune.trainer.examples import Line


def drop_passages(lines: Sequence[Line], *, voice: str) -> list[Line]:
    """Return the lines whose prompts have passages, without them; `voice` is what they were built with."""
    plain = [
        replace(line, prompts=tuple(tuple(drop_grounds(prompt, voice=voice)) for prompt in line.prompts))
        for line in lines
    ]
    return [without for without, line in zip(plain, lines, strict=True) if without.prompts[0] != line.prompts[0]]


def compare_grounding(scores: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:  # Any: JSON
    """Return by model how many nats a token costs with and without passages, over the replies that have some.

    Source of `scores`: what `evaluate` writes. Empty where no reply had passages.
    """
    grounded = [score for score in scores if "ungrounded" in score]
    tokens = sum(score["tokens"] for score in grounded)
    return {
        name: {
            "replies": len(grounded),
            "with_passages": sum(score["nll"][name] for score in grounded) / tokens,
            "without_passages": sum(score["ungrounded"][name] for score in grounded) / tokens,
        }
        for name in (grounded[0]["nll"] if grounded else ())
    }
