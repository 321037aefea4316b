"""Decides which calls and deliveries go wrong, as switched on through the control API.

It does not carry out any fault itself.
"""

import math
import random
import time
from collections import deque
from dataclasses import dataclass, field, fields
from typing import Literal

from thumbtune.demo.slack.wire import Json

_MINUTE_S = 60.0

Outcome = Literal["answer", "ratelimited", "server_error", "cut_before", "cut_after"]


@dataclass
class Faults:
    """The faults that are on; shares lie between 0 and 1, times are in seconds of real time."""

    duplicates: float = 0.0
    drops: float = 0.0
    reorder_window_s: float = 0.0
    deaf: bool = False
    rate_limits: dict[str, float] = field(default_factory=dict)
    retry_after_s: int = 1
    calls_per_minute: dict[str, int] = field(default_factory=dict)
    """How many calls of a method pass within a minute before 429, as in Slack's tiers."""
    server_errors: float = 0.0
    cut_before: float = 0.0
    cut_after: float = 0.0
    slow: float = 0.0
    slow_s: float = 1.0
    methods: list[str] = field(default_factory=list)
    """Web API methods that server errors, cuts and slowness hit; empty means all."""
    seed: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._recent: dict[str, deque[float]] = {}

    def change(self, values: Json) -> None:
        """Set the named faults and leave the others as they are; raises ValueError for an unknown name or value."""
        known = {item.name: item for item in fields(self)}
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(f"unknown faults {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        for name, value in values.items():
            current = getattr(self, name)
            is_number = isinstance(value, int | float) and isinstance(current, int | float)
            if not is_number and not isinstance(value, type(current)):
                raise ValueError(f"fault {name} takes {type(current).__name__}, not {value!r}")
            setattr(self, name, value)
        if "seed" in values:
            self._random = random.Random(self.seed)

    def clear(self) -> None:
        """Switch everything off."""
        fresh = Faults()
        for item in fields(self):
            setattr(self, item.name, getattr(fresh, item.name))
        self._random = random.Random(self.seed)

    def draw(self, share: float) -> bool:
        """Return true in `share` of all calls."""
        return share > 0 and self._random.random() < share

    def choose_outcome(self, method: str) -> Outcome:
        """Return what happens to a call of this method."""
        if self.draw(self.rate_limits.get(method, self.rate_limits.get("*", 0.0))):
            return "ratelimited"
        if self.methods and method not in self.methods:
            return "answer"
        if self.draw(self.server_errors):
            return "server_error"
        if self.draw(self.cut_before):
            return "cut_before"
        if self.draw(self.cut_after):
            return "cut_after"
        return "answer"

    def count_call(self, method: str) -> int:
        """Count a call; return for how many seconds its method is closed, or 0 while it is within its rate."""
        limit = self.calls_per_minute.get(method)
        if limit is None:
            return 0
        now = time.monotonic()
        recent = self._recent.setdefault(method, deque())
        while recent and now - recent[0] >= _MINUTE_S:
            recent.popleft()
        if len(recent) >= limit:
            return max(1, math.ceil(_MINUTE_S - (now - recent[0])))
        recent.append(now)
        return 0

    def choose_delay(self, method: str) -> float:
        """Return for how many seconds a call of this method is held back."""
        if self.methods and method not in self.methods:
            return 0.0
        return self.slow_s if self.draw(self.slow) else 0.0

    def choose_hold(self) -> float:
        """Return for how many seconds an event is held back so that later ones overtake it."""
        return self._random.random() * self.reorder_window_s if self.reorder_window_s else 0.0
