"""Asks the chosen model for a reply, with less and less of the thread while it does not fit.

It does not know Slack, desks' people or where drafts are kept.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from thumbtune.bot.grounding import Grounds
from thumbtune.bot.models import Choice, Models
from thumbtune.core.errors import InferenceError, PromptTooLong
from thumbtune.core.prompt import Turn, build_prompt, list_budgets
from thumbtune.core.settings import Settings

MAX_DRAFT_CHARS = 12_000


@dataclass(frozen=True)
class Written:
    """What the model wrote, with placeholders."""

    text: str
    is_cut: bool
    latency_ms: int


def write_reply(
    models: Models,
    settings: Settings,
    *,
    turns: Sequence[Turn],
    voice: str,
    grounds: Grounds,
    choice: Choice,
    temperature: float,
) -> Written:
    """Return the model's reply to a thread.

    Raises: InferenceError, of which EngineUnavailable and AdapterNotLoaded may pass.
    """
    began = time.monotonic()
    client = models.open_client(choice.url)
    for max_chars in list_budgets(settings.max_prompt_chars):
        prompt = build_prompt(
            turns,
            voice=voice,
            max_chars=max_chars,
            passages=grounds.passages,
            examples=grounds.examples,
        )
        try:
            reply = client.complete(
                prompt, model=choice.model, max_tokens=settings.max_reply_tokens, temperature=temperature
            )
        except PromptTooLong:
            continue
        text = reply.text.strip()[:MAX_DRAFT_CHARS]
        if not text:
            raise InferenceError(f"model {choice.model} wrote nothing; try again")
        return Written(text, reply.finish_reason == "length", int((time.monotonic() - began) * 1000))
    raise PromptTooLong(f"even the shortest prompt is too long for {choice.model}; lower max_prompt_chars")
