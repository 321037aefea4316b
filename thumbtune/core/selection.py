"""Decides which of a desk's active pairs a run trains on, is judged by and leaves out, and why.

It does not know files, prompts or models. A snapshot and what is shown before a run both ask here, so they cannot differ.
Only a snapshot keeps on which side it found each thread; what is shown changes nothing.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from thumbtune.core.candidates import Candidate, Place, weigh_conversation, weigh_pair
from thumbtune.core.curation.alike import Crowd
from thumbtune.core.records import TrainingPair
from thumbtune.core.settings import Settings
from thumbtune.core.split import Quota, Sides, find_straddling, split_threads
from thumbtune.core.store.engine import Store
from thumbtune.core.store.golden import list_cases, list_places
from thumbtune.core.store.pairs import list_pairs
from thumbtune.core.store.sides import keep_sides, list_twins, load_sides, lock_sides

_PAGE = 500

SAME = "same as another"
GOLDEN = "asks what a golden case asks"
STRADDLING = "asks the same as one on the other side of the split"
OVER_SHARE = "drafts sent as they were, over their share"
NOT_NEEDED = "held out, not needed"


@dataclass(frozen=True)
class Selection:
    """What a run does with each active pair of its desk; ids rise."""

    trained: tuple[int, ...] = ()
    held_out: tuple[int, ...] = ()
    left_out: tuple[int, ...] = ()
    dropped: dict[str, int] = field(default_factory=dict)
    """How many are left out, by reason."""
    sides: Sides = field(default_factory=dict, compare=False, repr=False)
    """Of every thread: whether it is held out."""
    trained_threads: int = field(default=0, compare=False)
    """Threads of those to train on."""


@dataclass(frozen=True)
class Comparison:
    """What was found out about candidates by comparing them with each other and with the golden set."""

    crowd: Crowd
    alike: tuple[tuple[int, ...], ...]
    """Positions of those that ask the same, directly or through others."""
    linked: tuple[tuple[Place, ...], ...]
    """Threads that belong on one side."""
    golden: frozenset[int]
    """Pairs that ask what a golden case asks, or are of its thread."""


def select_pairs(store: Store, *, desk_id: str, settings: Settings) -> Selection:
    """Return what a run that started now would use; nothing is changed."""
    candidates = [weigh_pair(pair) for pair in read_pairs(store, desk_id=desk_id)]
    comparison = _compare(store, candidates, desk_id=desk_id)
    with store.read() as conn:
        sides = load_sides(conn, desk_id=desk_id)
    return choose(candidates, comparison, sides=sides, settings=settings)


def settle_pairs(store: Store, candidates: Sequence[Candidate], *, desk_id: str, settings: Settings) -> Selection:
    """Return what a run uses of the candidates, and keep on which side each thread is, from now on and for ever.

    Nothing is kept when there are too few to train on.
    """
    comparison = _compare(store, candidates, desk_id=desk_id)
    with store.write() as conn:
        lock_sides(conn, desk_id=desk_id)
        sides = load_sides(conn, desk_id=desk_id)
        selection = choose(candidates, comparison, sides=sides, settings=settings)
        if len(selection.trained) >= settings.min_pairs:
            new = {place: side for place, side in selection.sides.items() if place not in sides}
            keep_sides(conn, new, desk_id=desk_id)
    return selection


def read_pairs(store: Store, *, desk_id: str, on_page: Callable[[], None] = lambda: None) -> Iterator[TrainingPair]:
    """Yield the desk's active pairs by id; `on_page` is called between reads."""
    after_id = 0
    while True:
        with store.read() as conn:
            page = list_pairs(conn, desk_id=desk_id, state="active", after_id=after_id, limit=_PAGE)
        if not page:
            return
        yield from page
        after_id = page[-1].pair_id
        on_page()


def choose(candidates: Sequence[Candidate], comparison: Comparison, *, sides: Sides, settings: Settings) -> Selection:
    """Return which pairs train, judge and are left out; `sides` are those of threads that runs saw before."""
    quota = Quota(
        settings.held_out_share, settings.held_out_min, min_trained=settings.min_pairs + len(comparison.golden)
    )
    sides = split_threads(candidates, comparison.linked, sides=sides, quota=quota)
    straddling = find_straddling(candidates, comparison.alike, comparison.crowd, sides=sides)
    usable = [item for item in candidates if item.pair_id not in straddling]
    judges = _keep_first([item for item in usable if sides[item.place]])
    trains = [item for item in usable if not sides[item.place]]
    chosen = _choose_held_out(judges, at_most=settings.held_out_max)
    kept, dropped = _choose_trained(
        [item for item in trains if item.pair_id not in comparison.golden],
        self_taught_share=settings.self_taught_share,
    )
    dropped[GOLDEN] = sum(item.pair_id in comparison.golden for item in trains)
    dropped[STRADDLING] = len(straddling)
    dropped[SAME] += len(usable) - len(trains) - len(judges)
    dropped[NOT_NEEDED] = len(judges) - len(chosen)
    return Selection(
        trained=tuple(sorted(kept)),
        held_out=tuple(sorted(chosen)),
        left_out=tuple(sorted({item.pair_id for item in candidates} - kept - chosen)),
        dropped=dict(+dropped),
        sides=sides,
        trained_threads=len({item.place for item in trains if item.pair_id in kept}),
    )


def compare_candidates(
    candidates: Sequence[Candidate],
    *,
    twins: Sequence[tuple[Place, int]] = (),
    golden: Sequence[tuple[bytes, bytes | None]] = (),
    golden_places: Sequence[Place] = (),
) -> Comparison:
    """Compare candidates with each other and with the golden set.

    `twins` are threads of pairs that say the same as a candidate, with its id; `golden` what `weigh_conversation` returns.
    """
    crowd = Crowd([item.signature for item in candidates])
    alike = tuple(tuple(members) for members in crowd.group())
    place_of = {item.pair_id: item.place for item in candidates}
    linked = [tuple(dict.fromkeys(candidates[at].place for at in members)) for members in alike]
    linked += [(place, place_of[pair_id]) for place, pair_id in twins if pair_id in place_of]
    asked = {digest for digest, _ in golden}
    signed = {at for _, signature in golden if signature for at in crowd.find_alike(signature)}
    found = {
        item.pair_id
        for at, item in enumerate(candidates)
        if at in signed or item.asked in asked or item.place in golden_places
    }
    return Comparison(crowd, alike, tuple(linked), frozenset(found))


def _compare(store: Store, candidates: Sequence[Candidate], *, desk_id: str) -> Comparison:
    with store.read() as conn:
        twins = list_twins(conn, desk_id=desk_id)
        golden = [weigh_conversation(case.turns) for case in list_cases(conn, desk_id=desk_id)]
        golden_places = list_places(conn, desk_id=desk_id)
    return compare_candidates(candidates, twins=twins, golden=golden, golden_places=golden_places)


def _choose_trained(items: Sequence[Candidate], *, self_taught_share: float) -> tuple[set[int], Counter[str]]:
    """Return the ids of the pairs to train on: each exchange once, the newest of the model's own up to their share.

    Also returns how many are left out, by reason.
    """
    seen, dropped = set[bytes](), Counter[str]()
    own: list[int] = []
    kept: set[int] = set()
    for item in sorted(items, key=lambda item: (item.is_self_taught, item.pair_id)):
        if item.digest in seen:
            dropped[SAME] += 1
            continue
        seen.add(item.digest)
        if item.is_self_taught:
            own.append(item.pair_id)
        else:
            kept.add(item.pair_id)
    too_many = max(len(own) - int(len(kept) * self_taught_share / (1 - self_taught_share)), 0)
    dropped[OVER_SHARE] = too_many
    return kept.union(own[too_many:]), dropped


def _keep_first(items: Sequence[Candidate]) -> list[Candidate]:
    """Return each exchange once, that of the lowest id: one that is there twice judges once."""
    first = {item.digest: item.pair_id for item in sorted(items, key=lambda item: -item.pair_id)}
    return [item for item in items if first[item.digest] == item.pair_id]


def _choose_held_out(items: Sequence[Candidate], *, at_most: int) -> set[int]:
    """Return the pairs of whole threads, in an order that never changes, until there are enough."""
    threads: dict[bytes, list[int]] = {}
    for item in items:
        name = "\x1f".join(("order", *item.place))
        threads.setdefault(hashlib.sha256(name.encode()).digest(), []).append(item.pair_id)
    chosen: set[int] = set()
    for _, thread in sorted(threads.items()):
        if chosen and len(chosen) + len(thread) > at_most:
            break
        chosen.update(thread)
    return chosen
