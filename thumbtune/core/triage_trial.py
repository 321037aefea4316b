"""How models' triages of held-out threads compare with what agents made of them, and when they stop a candidate.

It does not know models, rows or servers.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from thumbtune.core.errors import BadInput
from thumbtune.core.triage import Triage, read_triage
from thumbtune.core.tripwires import compute_chrf

CHANCE = 0.05
"""How likely a candidate that sorts as well as what answers now may be to be stopped all the same."""


@dataclass(frozen=True)
class TriageFigures:
    """What one model's triages came to."""

    triages: int
    triages_valid: int
    category_right: int
    priority_right: int
    summary_chrf: float | None
    """Mean likeness, 0 to 100; as for the suggested action."""
    suggested_action_chrf: float | None


def read_triages(written: Mapping[str, str], categories: Sequence[str]) -> dict[str, Triage | None]:
    """Return what a model wrote, by case; None for what cannot be read."""
    found: dict[str, Triage | None] = {}
    for key, text in written.items():
        try:
            found[key] = read_triage(text, categories)
        except BadInput:
            found[key] = None
    return found


def sum_up_triages(written: Mapping[str, Triage | None], decided: Mapping[str, Triage]) -> TriageFigures:
    """Return the figures of what a model wrote against what agents decided."""
    found = [(mine, decided[key]) for key, mine in written.items() if mine is not None]

    def average(name: str) -> float | None:
        scores = [compute_chrf(getattr(mine, name), getattr(theirs, name)) for mine, theirs in found]
        return round(statistics.fmean(scores), 2) if scores else None

    return TriageFigures(
        triages=len(written),
        triages_valid=len(found),
        category_right=sum(mine.category == theirs.category for mine, theirs in found),
        priority_right=sum(mine.priority == theirs.priority for mine, theirs in found),
        summary_chrf=average("summary"),
        suggested_action_chrf=average("suggested_action"),
    )


def find_triage_veto(
    candidate: Mapping[str, Triage | None], now: Mapping[str, Triage | None], decided: Mapping[str, Triage]
) -> list[str]:
    """Return why a candidate's categories stop it: surely more often wrong than those of what answers now.

    It is McNemar's exact test, one-sided, over the threads that only one of the two sorts right.
    """
    both = candidate.keys() & now.keys()
    mine, theirs = (
        {key for key in both if (found := written[key]) is not None and found.category == decided[key].category}
        for written in (candidate, now)
    )
    lost, apart = len(theirs - mine), len(theirs ^ mine)
    chance = sum(math.comb(apart, count) for count in range(lost, apart + 1)) / 2.0**apart
    if chance >= CHANCE:
        return []
    return [
        f"It sorts {len(mine)} of {len(both)} held-out threads as the team did, what answers now {len(theirs)}; that is no "
        "chance."
    ]
