"""Builds the chat messages a model sees: the same function for training, evaluation and serving.

It does not know tokenizers, Slack or the store; the chat template that turns messages into text travels with the
base model.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

from thumbtune.core.triage import PRIORITIES

Role = Literal["customer", "agent"]

PROMPT_SHARES = (1.0, 0.5, 0.25, 0.125)
"""Shares of the character budget to try in turn while a prompt is too long for the model's context."""

MIN_PROMPT_CHARS = 400

TEMPLATE_OPTIONS = {"enable_thinking": False}
"""What every rendering of a chat template is given: a draft is the reply and no thought. Templates that know it not
ignore it. Source: Qwen3's model card and docs.vllm.ai, "Reasoning Outputs", seen 2026-11-21."""

CLOCK = "strftime_now"
"""The function by which a chat template prints today's date. Source: transformers, chat_template_utils.py, 5.19."""

_STOPPED_CLOCK = (
    "{%- macro strftime_now(form) -%}"
    '{{ form|replace("%Y", "2026")|replace("%m", "01")|replace("%d", "01")|replace("%b", "Jan")|replace("%B", "January") }}'
    "{%- endmacro %}\n"
)

TEAM_WRITES_FIRST = "(The team writes first.)"
NOTHING_NEW = "(Nothing new from the customer.)"

TRIAGE_TASK = (
    "Triage this conversation of a support team with a customer. Answer with one line of JSON: category, one of {categories}; "
    "priority, one of {priorities}; summary, what the customer wants; suggested_action, what the team should do next."
)


class ChatMessage(TypedDict):
    """One message in the OpenAI chat form."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Turn:
    """One message of a thread, already redacted, with its author's role on the desk."""

    role: Role
    text: str


@dataclass(frozen=True)
class Passage:
    """One passage of the help centre that grounds a draft."""

    title: str
    text: str


@dataclass(frozen=True)
class Example:
    """One approved pair shown to the model when no adapter is live yet."""

    question: str
    reply: str


def build_prompt(
    turns: Sequence[Turn],
    *,
    voice: str,
    max_chars: int,
    passages: Sequence[Passage] = (),
    examples: Sequence[Example] = (),
) -> list[ChatMessage]:
    """Return the messages that ask for the agent's next reply in this thread.

    The last message is always the customer's. Passages and examples take at most half of `max_chars` and lose their
    last ones first; then the oldest turns go; a last turn that alone is too long loses its middle.
    """
    system = _build_system(voice, passages, examples, max_chars=max_chars // 2)
    merged = _merge_turns(turns)
    kept = _keep_newest(merged, max_chars=max(max_chars - len(system), max_chars // 4))
    messages: list[ChatMessage] = [{"role": "system", "content": system}]
    if kept and kept[0].role == "agent":
        kept = [Turn("customer", TEAM_WRITES_FIRST), *kept]
    if not kept or kept[-1].role == "agent":
        kept = [*kept, Turn("customer", NOTHING_NEW)]
    for turn in kept:
        messages.append({"role": "user" if turn.role == "customer" else "assistant", "content": turn.text})
    return messages


def build_triage_prompt(turns: Sequence[Turn], *, categories: Sequence[str], max_chars: int) -> list[ChatMessage]:
    """Return the messages that ask for the triage of this thread, its newest turns where not all of them fit."""
    system = TRIAGE_TASK.format(categories=", ".join(categories), priorities=", ".join(PRIORITIES))
    kept = _keep_newest(_merge_turns(turns), max_chars=max(max_chars - len(system), max_chars // 4))
    told = "\n".join(f"{turn.role.capitalize()}: {turn.text}" for turn in kept)
    return [{"role": "system", "content": system}, {"role": "user", "content": told or NOTHING_NEW}]


def drop_grounds(messages: Sequence[ChatMessage], *, voice: str) -> list[ChatMessage]:
    """Return a prompt as it is without passages and examples: the same conversation under this voice alone."""
    return [{"role": "system", "content": voice.strip()}, *messages[1:]]


def list_budgets(max_prompt_chars: int) -> list[int]:
    """Return the `max_chars` to build a prompt with, one after another, while it is too long for the model's context."""
    return [max(MIN_PROMPT_CHARS, int(max_prompt_chars * share)) for share in PROMPT_SHARES]


def find_question(turns: Sequence[Turn]) -> str:
    """Return the customer's last burst of messages: what a search for passages and examples should look for."""
    burst: list[str] = []
    for turn in reversed(turns):
        if turn.role == "customer":
            burst.append(turn.text)
        elif burst:
            break
    return "\n".join(reversed(burst))


def replace_question(turns: Sequence[Turn], question: str) -> tuple[Turn, ...]:
    """Return a conversation with this as the customer's last burst of messages; as it is when that says the same."""
    if turns and find_question(turns).strip() == question.strip():
        return tuple(turns)
    asked = [at for at, turn in enumerate(turns) if turn.role == "customer"]
    end = asked[-1] + 1 if asked else len(turns)
    start = end
    while start and turns[start - 1].role == "customer":
        start -= 1
    return (*turns[:start], Turn("customer", question), *turns[end:])


def freeze_template(chat_template: str) -> str:
    """Return a chat template that prints the first of January 2026 for today; others come back as they are.

    What an adapter was trained on must be what it is asked with, on every later day.
    """
    return _STOPPED_CLOCK + chat_template if CLOCK in chat_template else chat_template


def hash_template(chat_template: str) -> str:
    """Return the SHA-256 of a chat template, recorded with each adapter trained under it."""
    return hashlib.sha256(chat_template.encode()).hexdigest()


def _build_system(voice: str, passages: Sequence[Passage], examples: Sequence[Example], *, max_chars: int) -> str:
    parts = [voice.strip()]
    left = max_chars - len(parts[0])
    facts = _take_while_fitting([f"{passage.title}\n{passage.text}" for passage in passages], left)
    if facts:
        parts.append("Facts from the help centre:\n\n" + "\n\n".join(facts))
        left -= len(parts[-1])
    shown = _take_while_fitting([f"Customer: {item.question}\nAgent: {item.reply}" for item in examples], left)
    if shown:
        parts.append("Replies the team approved:\n\n" + "\n\n".join(shown))
    return "\n\n".join(part for part in parts if part)


def _take_while_fitting(blocks: Sequence[str], max_chars: int) -> list[str]:
    taken: list[str] = []
    for block in blocks:
        max_chars -= len(block) + 2
        if max_chars < 0:
            break
        taken.append(block)
    return taken


def _merge_turns(turns: Sequence[Turn]) -> list[Turn]:
    merged: list[Turn] = []
    for turn in turns:
        if merged and merged[-1].role == turn.role:
            merged[-1] = Turn(turn.role, f"{merged[-1].text}\n{turn.text}")
        else:
            merged.append(turn)
    return merged


def _keep_newest(turns: Sequence[Turn], *, max_chars: int) -> list[Turn]:
    kept: list[Turn] = []
    for turn in reversed(turns):
        if len(turn.text) > max_chars:
            if not kept:
                kept.append(Turn(turn.role, _cut_middle(turn.text, max_chars)))
            break
        max_chars -= len(turn.text)
        kept.append(turn)
    return kept[::-1]


def _cut_middle(text: str, max_chars: int) -> str:
    half = max(1, (max_chars - 3) // 2)
    return f"{text[:half]} … {text[-half:]}"
