"""Asks the models for a reply, one after another until one answers, with less of the thread while it does not fit.

It does not know Slack, desks' people or where drafts are kept.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from thumbtune.bot.bot import Bot
from thumbtune.bot.grounding import Grounds, gather_grounds
from thumbtune.bot.models import Choice
from thumbtune.core.errors import AdapterNotLoaded, EngineUnavailable, InferenceError, PromptTooLong
from thumbtune.core.inference import Completion
from thumbtune.core.prompt import Turn, build_prompt, list_budgets
from thumbtune.core.records import Desk

logger = logging.getLogger(__name__)

MAX_DRAFT_CHARS = 12_000


@dataclass(frozen=True)
class Written:
    """What a model wrote, with placeholders, and what it stood on."""

    text: str
    is_cut: bool
    latency_ms: int
    choice: Choice
    grounds: Grounds


def write_draft(bot: Bot, desk: Desk, *, turns: Sequence[Turn], thread_ts: str, temperature: float) -> Written | None:
    """Return the next reply in a thread as the first server writes it that answers; None when none does for now.

    Raises: InferenceError when a server refuses for good.
    """
    for choice in bot.models.list_choices(desk.desk_id):
        grounds = gather_grounds(bot, desk, turns=turns, thread_ts=thread_ts, choice=choice)
        try:
            return _write(bot, turns, voice=desk.voice, grounds=grounds, choice=choice, temperature=temperature)
        except (EngineUnavailable, AdapterNotLoaded) as exc:
            fields = {"desk_id": desk.desk_id, "url": choice.url, "model": choice.model}
            logger.warning("model_not_there", extra={**fields, "error": type(exc).__name__})
    return None


def _write(
    bot: Bot, turns: Sequence[Turn], *, voice: str, grounds: Grounds, choice: Choice, temperature: float
) -> Written:
    began, settings = time.monotonic(), bot.settings
    client = bot.models.open_client(choice.url)
    reply: Completion | None = None
    for max_chars in list_budgets(settings.max_prompt_chars):
        prompt = build_prompt(
            turns, voice=voice, max_chars=max_chars, passages=grounds.passages, examples=grounds.examples
        )
        try:
            reply = client.complete(
                prompt, model=choice.model, max_tokens=settings.max_reply_tokens, temperature=temperature
            )
        except PromptTooLong:
            continue
        if reply.prompt_tokens <= measure_room(bot, choice, max_tokens=settings.max_reply_tokens):
            break
    if reply is None:
        raise PromptTooLong(f"even the shortest prompt is too long for {choice.model}; lower max_prompt_chars")
    text = reply.text.strip()[:MAX_DRAFT_CHARS]
    if not text:
        raise InferenceError(f"model {choice.model} wrote nothing; try again")
    latency_ms = int((time.monotonic() - began) * 1000)
    return Written(text, reply.finish_reason == "length", latency_ms, choice, grounds)


def measure_room(bot: Bot, choice: Choice, *, max_tokens: int) -> int:
    """Return how long a prompt may be in tokens, as the trainer counts: the longest reply has to fit behind it.

    The server takes longer ones and shortens the reply; a model is never trained on those.
    Source: vllm 0.32.0, vllm/renderers/params.py, seen 2026-11-21.
    """
    context = min(bot.settings.max_model_len, bot.models.fetch_context(choice.url) or bot.settings.max_model_len)
    return context - max_tokens
