"""Remembers which messages one person has reacted to, in order, and pages through them without scanning.

It does not know which emoji they used.
"""

from bisect import bisect_left
from dataclasses import dataclass, field

Place = tuple[str, str]
"""A channel's id and a message's timestamp."""


@dataclass
class ReactedItems:
    """One person's reacted messages, oldest first; numbers only rise, so they serve as cursors."""

    _numbers: list[int] = field(default_factory=list)
    _places: dict[int, Place] = field(default_factory=dict)
    _by_place: dict[Place, int] = field(default_factory=dict)
    _last: int = 0

    def add(self, place: Place) -> None:
        """Take in a message; one that is here already keeps its place."""
        if place in self._by_place:
            return
        self._last += 1
        self._numbers.append(self._last)
        self._places[self._last] = place
        self._by_place[place] = self._last

    def discard(self, place: Place) -> None:
        """Take a message out if it is here."""
        number = self._by_place.pop(place, None)
        if number is not None:
            del self._places[number]
            del self._numbers[bisect_left(self._numbers, number)]

    def page(self, limit: int, *, before: int | None = None) -> tuple[list[Place], int | None]:
        """Return the newest messages below `before`, newest first, and the number to go on from, if any are left."""
        end = len(self._numbers) if before is None else bisect_left(self._numbers, before)
        start = max(0, end - limit)
        taken = self._numbers[start:end][::-1]
        return [self._places[number] for number in taken], taken[-1] if start > 0 else None
