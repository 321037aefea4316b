"""Preference pairs: an approved reply beside a draft for the same conversation that was rejected.

They are found anew whenever they are asked for, never stored. It does not know how a model learns from them.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import groupby

from rapidfuzz.distance import Levenshtein

from thumbtune.core.curation.facts import list_facts
from thumbtune.core.records import DraftMode, DraftState, TrainingPair
from thumbtune.core.store.engine import Store
from thumbtune.core.store.pairs import load_pair
from thumbtune.core.store.preferences import list_lost_drafts

LEAST_EDIT = 0.05
"""Share of a draft's wording that has to be other in the reply: less is a slip of the pen, and tells no taste."""

_STATED = re.compile(r"\S*\d\S*")


@dataclass(frozen=True)
class Preference:
    """One approved reply and one rejected draft."""

    pair: TrainingPair
    draft_id: str
    rejected: str
    state: DraftState
    """What became of the draft."""
    mode: DraftMode | None
    adapter: str | None
    edit_share: float
    """How much of the draft is other in the reply, 0 to 1, as `measure_edit` measures it."""


def read_preferences(store: Store, *, desk_id: str, pair_ids: Collection[int] | None = None) -> Iterator[Preference]:
    """Yield a desk's preference pairs by pair and draft; only those of some pairs, when these are given."""
    with store.read() as conn:
        lost = list_lost_drafts(conn, desk_id=desk_id)
    for pair_id, drafts in groupby(lost, key=lambda draft: draft.pair_id):
        if pair_ids is not None and pair_id not in pair_ids:
            continue
        with store.read() as conn:
            pair = load_pair(conn, pair_id)
        if pair.state != "active":
            continue  # since a moment ago
        seen = set[str]()
        for draft in drafts:
            edit_share = measure_edit(draft.text, pair.reply)
            if is_telling(draft.text, pair) and _level(draft.text) not in seen:
                seen.add(_level(draft.text))
                yield Preference(pair, draft.draft_id, draft.text, draft.state, draft.mode, draft.adapter, edit_share)


def is_telling(draft: str, pair: TrainingPair) -> bool:
    """Return whether a draft differs from the reply in more than its spelling, and in what a model can know.

    A reply that differs only by facts which neither the conversation nor a passage holds would teach to make facts up.
    """
    worded = [_STATED.sub("#", _level(text)) for text in (draft, pair.reply)]
    if measure_edit(*worded) >= LEAST_EDIT:
        return True
    known = [turn.text for turn in pair.turns] + [f"{passage.title} {passage.text}" for passage in pair.passages]
    stated = list_facts(pair.reply)
    return stated != list_facts(draft) and stated <= list_facts("\n".join(known))


def measure_edit(drafted: str, sent: str) -> float:
    """Return how much of a draft was changed: 0 when sent as drafted, 1 when nothing of it was kept."""
    return round(float(Levenshtein.normalized_distance(drafted.strip(), sent.strip())), 4)


def _level(text: str) -> str:
    return " ".join(text.lower().split())
