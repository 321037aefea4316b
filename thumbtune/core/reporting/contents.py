"""What a run's report tells, gathered once for the page, the picture and the message.

It does not know how any of that looks.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from thumbtune.core.records import TrainingRun
from thumbtune.core.trial import Trial, TrialDraft, TrialRole

ROLES: Mapping[TrialRole, str] = {"base": "Base model", "live": "Live now", "candidate": "New adapter"}

Point = tuple[int, float]
"""An optimizer step, and nats per token of a reply."""


@dataclass(frozen=True)
class Course:
    """How a run's training went, as its child programs told it; empty for runs that never came to it."""

    losses: tuple[Point, ...] = ()
    looks: tuple[Point, ...] = ()
    """The loss on replies that were set aside, by which the best step is chosen."""
    best_step: int | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Pairs that were not used, by reason."""
    preferred: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By model, where there were held-out preference pairs: how many, and in which share it prefers the approved reply."""
    grounding: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By model, over held-out replies with passages of the help centre: how many, and nats per token with and without."""
    facts: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON
    """What else was told: tokens, seconds, device, rank and the like."""


@dataclass(frozen=True)
class SideBySide:
    """One case, and what each model wrote for it."""

    title: str
    question: str
    approved: str
    """The team's own reply; empty for a golden case."""
    drafts: Mapping[TrialRole, TrialDraft]


@dataclass(frozen=True)
class Versus:
    """How the new adapter compares with another model, in percent by which a token of the team's replies is likelier."""

    name: str
    percent: float
    """Above 0 the new adapter is better."""
    low: float
    high: float
    detectable: float
    wins: int
    ties: int
    losses: int
    sign_p: float


@dataclass(frozen=True)
class RunReport:
    """Everything the report of one run tells."""

    run: TrainingRun
    desk_name: str
    base_model: str
    course: Course
    trial: Trial | None
    side_by_side: tuple[SideBySide, ...]
    price: float
    """What the run cost, by the settings' price of a GPU hour; 0 when none is set."""
    overridden_by: str = ""

    @property
    def comparisons(self) -> list[Versus]:
        """The new adapter against the base model and what is live, as far as it was judged."""
        names = (("versus_base", "the base model"), ("versus_live", "what is live"))
        return [_read_versus(name, self.run.gate[key]) for key, name in names if self.run.gate.get(key)]

    @property
    def held_out_threads(self) -> int:
        """Conversations it was judged by."""
        return int(self.run.gate.get("threads") or 0)


def _read_versus(name: str, stored: Mapping[str, Any]) -> Versus:  # Any: JSON
    return Versus(
        name=name,
        percent=_to_percent(stored["difference"]),
        low=_to_percent(stored["high"]),
        high=_to_percent(stored["low"]),
        detectable=abs(_to_percent(stored["detectable"])),
        wins=stored.get("wins", 0),
        ties=stored.get("ties", 0),
        losses=stored.get("losses", 0),
        sign_p=stored.get("sign_p", 1.0),
    )


def _to_percent(nats: float) -> float:
    """Return how much likelier a token is that costs so many nats less; negative when it costs more."""
    return 100 * math.copysign(1 - math.exp(-abs(nats)), -nats)
