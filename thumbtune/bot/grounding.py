"""Chooses what a draft stands on: the desk's adapter, approved replies like this one, or the help centre alone.

It does not know Slack or how the model is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process
from rapidfuzz.utils import default_process

from thumbtune.bot.bot import Bot
from thumbtune.bot.models import Choice
from thumbtune.core.prompt import Example, Passage, Turn, find_question
from thumbtune.core.records import Desk, DraftMode, TrainingPair
from thumbtune.core.split import is_held_out
from thumbtune.core.store.documents import search_passages
from thumbtune.core.store.pairs import list_pairs
from thumbtune.core.store.sides import find_sides

NEWEST_PAIRS = 400


@dataclass(frozen=True)
class Grounds:
    """What the model is given besides the thread, and the name of that."""

    mode: DraftMode
    passages: tuple[Passage, ...]
    examples: tuple[Example, ...]


def gather_grounds(bot: Bot, desk: Desk, *, turns: Sequence[Turn], thread_ts: str, choice: Choice) -> Grounds:
    """Return the passages of the help centre and, while no adapter writes, the nearest approved replies."""
    settings, question = bot.settings, find_question(turns)
    with bot.store.read() as conn:
        limit = settings.grounding_passages
        passages = search_passages(conn, question, desk_id=desk.desk_id, limit=limit) if limit and question else []
        if choice.adapter is not None or not settings.few_shot_examples:
            pairs: list[TrainingPair] = []
        else:
            pairs = list_pairs(conn, desk_id=desk.desk_id, state="active", limit=NEWEST_PAIRS, newest_first=True)
        sides = find_sides(conn, {_place(pair) for pair in pairs}, desk_id=desk.desk_id) if pairs else {}
    if choice.adapter is not None:
        return Grounds("adapter", tuple(passages), ())
    usable = [
        pair
        for pair in pairs
        if pair.thread_ts != thread_ts and not is_held_out(_place(pair), sides, share=settings.held_out_share)
    ]
    examples = choose_examples(question, usable, limit=settings.few_shot_examples)
    return Grounds("few-shot" if examples else "grounded", tuple(passages), examples)


def choose_examples(question: str, pairs: Sequence[TrainingPair], *, limit: int) -> tuple[Example, ...]:
    """Return the approved replies whose questions are nearest to this one, nearest first, one for each thread."""
    questions = {index: find_question(pair.turns) for index, pair in enumerate(pairs)}
    ranked = process.extract(
        question, questions, scorer=fuzz.token_set_ratio, processor=default_process, limit=limit * 4
    )
    chosen: list[Example] = []
    threads: set[tuple[str, str]] = set()
    for text, _, index in ranked:
        pair = pairs[index]
        if (pair.channel_id, pair.thread_ts) not in threads and text:
            threads.add((pair.channel_id, pair.thread_ts))
            chosen.append(Example(text, pair.reply))
    return tuple(chosen[:limit])


def _place(pair: TrainingPair) -> tuple[str, str, str]:
    return pair.team_id, pair.channel_id, pair.thread_ts
