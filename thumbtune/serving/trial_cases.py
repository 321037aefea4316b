"""Chooses what an adapter is tried on before it may go live: held-out pairs and triages, and its desk's golden cases.

It knows rows only: no server, no drafts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from thumbtune.core.golden import GoldenCase
from thumbtune.core.prompt import Passage, Turn, find_question
from thumbtune.core.records import Adapter
from thumbtune.core.settings import Settings
from thumbtune.core.store import trials
from thumbtune.core.store.desks import load_desk
from thumbtune.core.store.documents import search_passages
from thumbtune.core.store.golden import list_cases
from thumbtune.core.store.triages import list_held_out, name_case
from thumbtune.core.triage import Triage

MOST_TRIAGES = 60
"""Held-out triages that each model writes: enough to tell a worse sorter, and soon written, being short."""


@dataclass(frozen=True)
class Case:
    """What the models are asked, and what is known of a good reply."""

    key: str
    pair_id: int | None
    turns: Sequence[Turn]
    passages: Sequence[Passage]
    approved: str | None = None
    golden: GoldenCase | None = None
    triage: Triage | None = None
    """What agents made of the thread's triage, where that is what the models write."""


def list_trial_cases(conn: sa.Connection, adapter: Adapter, *, settings: Settings) -> list[Case]:
    """Return what an adapter is tried on: held-out pairs and triages of its run, and its desk's golden cases."""
    cases = [
        Case(f"pair:{pair.pair_id}", pair.pair_id, pair.turns, pair.passages, approved=pair.reply)
        for pair in trials.list_trial_pairs(conn, adapter.run_id, limit=settings.trial_drafts)
    ]
    for golden in list_cases(conn, desk_id=adapter.desk_id):
        question = find_question(golden.turns)
        limit = settings.grounding_passages if golden.grounded else 0
        found = search_passages(conn, question, desk_id=adapter.desk_id, limit=limit) if limit else []
        cases.append(Case(f"golden:{golden.case_id}", golden.pair_id, golden.turns, found, golden=golden))
    categories = load_desk(conn, adapter.desk_id).categories
    for item in list_held_out(conn, adapter.run_id, limit=MOST_TRIAGES):
        if item.decided is not None and item.decided.category in categories:
            cases.append(Case(name_case(item.triage_id), None, item.turns, (), triage=item.decided))
    return cases
