"""Turns a snapshot's preference pairs into token sequences: the same prompt before the approved reply and the rejected draft.

It does not know torch or models; it is given a tokenizer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thumbtune.trainer.examples import Example, Span, Tokenizer, TokenSequence, encode_lines, read_lines


@dataclass(frozen=True)
class Choice:
    """One preference pair in tokens; the spans of its rows are named `<key>` and `<key>:rejected`.

    `chosen.example_tokens` counts both rows, so that steps are planned by what they cost.
    """

    thread_id: str
    chosen: TokenSequence
    rejected: TokenSequence

    @property
    def key(self) -> str:
        """The name of the preference pair."""
        return self.chosen.spans[0].pair_id


def read_choices(
    path: Path, tokenizer: Tokenizer, *, end_of_turn: int, max_context_tokens: int, max_reply_tokens: int
) -> tuple[list[Choice], int]:
    """Return the preference pairs of a snapshot file of which both sides fit, and how many do not.

    Raises: BadInput with the line's number.
    """
    encoded: list[dict[str, Example]] = []
    total = 0
    for field in ("reply", "rejected"):
        lines = read_lines(path, reply_field=field)
        examples, _ = encode_lines(
            lines,
            tokenizer,
            end_of_turn=end_of_turn,
            max_context_tokens=max_context_tokens,
            max_reply_tokens=max_reply_tokens,
        )
        total = len(lines)
        encoded.append({example.pair_id: example for example in examples})
    approved, drafted = encoded
    choices = [
        Choice(example.thread_id, _lay(example, cost=drafted[key]), _lay(drafted[key], name=f"{key}:rejected"))
        for key, example in approved.items()
        if key in drafted and drafted[key].reply_ids != example.reply_ids
    ]
    return choices, total - len(choices)


def list_rows(choices: Sequence[Choice]) -> list[TokenSequence]:
    """Return the rows of preference pairs, each approved one before its rejected one."""
    return [row for choice in choices for row in (choice.chosen, choice.rejected)]


def compare_choices(choices: Sequence[Choice], nll: Mapping[str, float]) -> dict[str, float]:
    """Return how many preference pairs there are, in which share of them the approved reply is likelier per token than the
    rejected draft, and by how many nats on average; `nll` holds each row's sum by the name of its span.
    """
    margins = [
        nll[f"{choice.key}:rejected"] / choice.rejected.supervised_tokens
        - nll[choice.key] / choice.chosen.supervised_tokens
        for choice in choices
    ]
    share = sum(margin > 0 for margin in margins) / len(margins)
    return {"pairs": len(margins), "share": round(share, 4), "margin": round(sum(margins) / len(margins), 5)}


def describe_second_stage(told: Mapping[str, Any]) -> str:  # Any: JSON
    """Return in a sentence what came of a second stage, by what the fine-tuning told of it."""
    if told["why"]:
        return f"No second stage: {told['why']}."
    if told["kept"]:
        return f"A second stage learned from {told['pairs']} preference pairs."
    rise = told["nll_after"] / told["nll_before"] - 1
    return (
        f"A second stage on {told['pairs']} preference pairs was not kept: it raised the NLL of replies that were set aside by "
        f"{rise:.1%}."
    )


def _lay(example: Example, *, name: str = "", cost: Example | None = None) -> TokenSequence:
    ids = example.token_ids
    span = Span(name or example.pair_id, len(example.prompt_ids), len(ids))
    return TokenSequence(ids, (span,), len(ids) + (len(cost.token_ids) if cost else 0))
