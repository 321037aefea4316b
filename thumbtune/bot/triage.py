"""Asks a model for a thread's triage while its draft is being written: the draft waits for it no longer than a moment.

It does not know Slack, or where triages are kept.
"""

import logging
import threading
from collections.abc import Sequence

from thumbtune.bot.bot import Bot
from thumbtune.bot.models import Choice
from thumbtune.bot.writing import measure_room
from thumbtune.core.errors import PromptTooLong, ThumbtuneError
from thumbtune.core.prompt import Turn, build_triage_prompt, list_budgets
from thumbtune.core.records import Desk
from thumbtune.core.store.triages import has_learned_triage
from thumbtune.core.triage import MAX_TRIAGE_TOKENS, Triage, build_response_format, read_triage

logger = logging.getLogger(__name__)

GRACE_S = 0.5
"""How long a draft that is written waits for its triage at most."""


class PendingTriage:
    """A triage that is being written."""

    def __init__(self, bot: Bot, desk: Desk, *, turns: Sequence[Turn], choice: Choice) -> None:
        self._choice = choice
        self._triage: Triage | None = None
        self._done = threading.Event()
        threading.Thread(target=self._write, args=(bot, desk, turns), name="triage", daemon=True).start()

    def take(self, choice: Choice) -> Triage | None:
        """Return the triage if it is there by now and the same model wrote the draft."""
        self._done.wait(GRACE_S)
        return self._triage if choice == self._choice else None

    def _write(self, bot: Bot, desk: Desk, turns: Sequence[Turn]) -> None:
        try:
            self._triage = write_triage(bot, desk, turns=turns, choice=self._choice)
        except ThumbtuneError as exc:  # the draft does without
            fields = {"desk_id": desk.desk_id, "model": self._choice.model}
            logger.warning("triage_failed", extra={**fields, "error": type(exc).__name__})
        finally:
            self._done.set()


def begin_triage(bot: Bot, desk: Desk, *, turns: Sequence[Turn]) -> PendingTriage | None:
    """Have the model that will write the draft suggest a triage; None where nobody can, or none is wanted."""
    if not desk.categories:
        return None
    choice = next(iter(bot.models.list_choices(desk.desk_id)), None)
    if choice is None or not (bot.settings.triage_untrained or _is_taught(bot, choice)):
        return None
    return PendingTriage(bot, desk, turns=turns, choice=choice)


def write_triage(bot: Bot, desk: Desk, *, turns: Sequence[Turn], choice: Choice) -> Triage:
    """Return the triage of a thread as a model writes it.

    Raises: InferenceError; BadInput when a server that does not know the pattern answered.
    """
    client = bot.models.open_client(choice.url)
    room = measure_room(bot, choice, max_tokens=MAX_TRIAGE_TOKENS)
    for max_chars in list_budgets(bot.settings.max_prompt_chars) if room > 0 else ():
        try:
            reply = client.complete(
                build_triage_prompt(turns, categories=desk.categories, max_chars=max_chars),
                model=choice.model,
                max_tokens=MAX_TRIAGE_TOKENS,
                response_format=build_response_format(desk.categories),
            )
        except PromptTooLong:
            continue
        if reply.prompt_tokens <= room:
            return read_triage(reply.text, desk.categories)
    raise PromptTooLong(f"even the shortest prompt is too long for {choice.model}; lower max_prompt_chars")


def _is_taught(bot: Bot, choice: Choice) -> bool:
    with bot.store.read() as conn:
        return choice.adapter is not None and has_learned_triage(conn, choice.adapter)
