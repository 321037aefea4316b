"""Decides which threads are held out: once for each thread, so that no growth moves it from one side to the other.

It does not know texts or the store. Threads of which one asks the same as another stay on one side, which whole groups of
them are given in an order made by a hash, until enough are held out.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from thumbtune.core.candidates import Candidate, Place
from thumbtune.core.curation.alike import Crowd

Sides = Mapping[Place, bool]
"""Of threads: whether they are held out."""


@dataclass(frozen=True)
class Quota:
    """How much is to be held out."""

    share: float
    """Of the threads."""
    at_least: int
    """Threads, as long as that is no more than a third of them."""
    min_trained: int
    """Pairs that are left to train on, before any are held out."""

    def count_threads(self, threads: int) -> int:
        """Return how many of so many threads are to be held out."""
        return max(round(threads * self.share), min(self.at_least, threads // 3))

    def count_pairs(self, pairs: int) -> int:
        """Return how many of so many pairs may be held out."""
        return max(min(int(pairs * max(self.share, 1 / 3)), pairs - self.min_trained), 0)


def is_held_out(place: Place, sides: Sides, *, share: float) -> bool:
    """Return whether a thread is held out; of one that no run has seen yet, whether it is among the first to be."""
    return sides[place] if place in sides else _hash(place) < share * 2**64


def split_threads(
    candidates: Sequence[Candidate], linked: Sequence[Sequence[Place]], *, sides: Sides, quota: Quota
) -> dict[Place, bool]:
    """Return the side of every thread of the candidates, and of those linked to them.

    `linked` are threads that belong on one side. Where they are on both already, new ones follow the first they are linked
    to directly.
    """
    pairs: dict[Place, int] = {}
    for item in candidates:
        pairs[item.place] = pairs.get(item.place, 0) + 1
    result: dict[Place, bool] = {}
    undecided: list[list[Place]] = []
    followed: dict[Place, bool] = {}
    for group in _join(pairs, linked):
        known = {sides[place] for place in group if place in sides}
        if not known:
            undecided.append(group)
            continue
        if len(known) > 1 and not followed:
            followed = _follow(linked, sides)
        result |= {place: sides.get(place, known == {True} or followed.get(place, False)) for place in group}
    held_out = [place for place in pairs if result.get(place)]
    threads_left = quota.count_threads(len(pairs)) - len(held_out)
    pairs_left = quota.count_pairs(len(candidates)) - sum(pairs[place] for place in held_out)
    for group in sorted(undecided, key=lambda group: _hash(min(group))):
        sizes = [pairs[place] for place in group if place in pairs]
        is_taken = len(sizes) <= threads_left and sum(sizes) <= pairs_left
        if is_taken:
            threads_left, pairs_left = threads_left - len(sizes), pairs_left - sum(sizes)
        result |= dict.fromkeys(group, is_taken)
    return result


def find_straddling(
    candidates: Sequence[Candidate], alike: Iterable[Sequence[int]], crowd: Crowd, *, sides: Sides
) -> set[int]:
    """Return the pairs that ask the same as an earlier one of the other side: one of the two must not be used.

    `alike` are the candidates' positions, rising, of those that ask the same directly or through others. What a pair is
    used for depends on those before it alone, so no growth changes it.
    """
    straddling: set[int] = set()
    for members in alike:
        kept: dict[bool, list[int]] = {True: [], False: []}
        if len({sides[candidates[at].place] for at in members}) == 1:
            continue
        for at in members:
            side = sides[candidates[at].place]
            if crowd.is_alike(at, kept[not side]):
                straddling.add(candidates[at].pair_id)
            else:
                kept[side].append(at)
    return straddling


def _follow(linked: Sequence[Sequence[Place]], sides: Sides) -> dict[Place, bool]:
    """Return for threads that are linked to one which has a side the side of the first such."""
    followed: dict[Place, bool] = {}
    for link in linked:
        first = next((sides[place] for place in link if place in sides), None)
        if first is not None:
            for place in link:
                followed.setdefault(place, first)
    return followed


def _join(places: Iterable[Place], linked: Iterable[Sequence[Place]]) -> list[list[Place]]:
    """Return the threads in groups: those that are linked, directly or through others, in one."""
    group_of: dict[Place, list[Place]] = {place: [place] for place in places}
    for link in linked:
        for place in link:
            one, other = group_of.setdefault(place, [place]), group_of[link[0]]
            if one is not other:
                larger, smaller = (other, one) if len(other) >= len(one) else (one, other)
                larger += smaller
                group_of |= dict.fromkeys(smaller, larger)
    return list({id(group): group for group in group_of.values()}.values())


def _hash(place: Place) -> int:
    return int.from_bytes(hashlib.sha256("\x1f".join(("held-out", *place)).encode()).digest()[:8], "big")
