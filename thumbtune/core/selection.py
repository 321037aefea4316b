"""Decides which of a desk's active pairs a run trains on, is judged by and leaves out, and why.

It does not know files, prompts or models. A snapshot and what is shown before a run both ask here, so they cannot differ.
A thread is held out or trained on for ever: its hash decides, and one that an adapter was trained on is not held out
when the share is raised.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from thumbtune.core.records import TrainingPair
from thumbtune.core.settings import Settings
from thumbtune.core.split import is_held_out
from thumbtune.core.store.engine import Store
from thumbtune.core.store.pairs import list_pairs
from thumbtune.core.store.runs import list_trained_threads

_PAGE = 500

Place = tuple[str, str, str]
"""Workspace, channel and thread."""


@dataclass(frozen=True)
class Selection:
    """What a run does with each active pair of its desk; ids rise."""

    trained: tuple[int, ...] = ()
    held_out: tuple[int, ...] = ()
    left_out: tuple[int, ...] = ()
    dropped: dict[str, int] = field(default_factory=dict)
    """How many are left out, by reason."""


@dataclass(frozen=True)
class Candidate:
    """What decides about one pair."""

    pair_id: int
    place: Place
    digest: bytes
    """What two pairs share when the same conversation got the same reply."""
    is_self_taught: bool
    """The model's own draft, sent and approved as it was."""


def select_pairs(store: Store, *, desk_id: str, settings: Settings) -> Selection:
    """Return what a run that started now would use."""
    candidates = [weigh_pair(pair) for pair in read_pairs(store, desk_id=desk_id)]
    return choose(candidates, trained_places=load_trained_places(store, desk_id=desk_id), settings=settings)


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


def load_trained_places(store: Store, *, desk_id: str) -> set[Place]:
    """Return the threads that one of the desk's adapters was trained on."""
    with store.read() as conn:
        return list_trained_threads(conn, desk_id=desk_id)


def weigh_pair(pair: TrainingPair) -> Candidate:
    """Return what decides about a pair."""
    text = "\x1f".join([*(f"{turn.role} {turn.text}" for turn in pair.turns), pair.reply])
    digest = hashlib.sha256(" ".join(text.lower().split()).encode()).digest()
    return Candidate(
        pair.pair_id, (pair.team_id, pair.channel_id, pair.thread_ts), digest, is_self_taught=pair.source == "draft"
    )


def choose(candidates: Sequence[Candidate], *, trained_places: set[Place], settings: Settings) -> Selection:
    """Return which pairs train, judge and are left out."""
    judges: list[Candidate] = []
    trains: list[Candidate] = []
    for item in candidates:
        holds_out = item.place not in trained_places and is_held_out(*item.place, share=settings.held_out_share)
        (judges if holds_out else trains).append(item)
    chosen = _choose_held_out(judges, at_most=settings.held_out_max)
    kept, dropped = _choose_trained(
        trains, held_out={item.digest for item in judges}, self_taught_share=settings.self_taught_share
    )
    dropped["held out, not needed"] = len(judges) - len(chosen)
    return Selection(
        trained=tuple(sorted(kept)),
        held_out=tuple(sorted(chosen)),
        left_out=tuple(sorted({item.pair_id for item in candidates} - kept - chosen)),
        dropped=dict(+dropped),
    )


def _choose_trained(
    items: Sequence[Candidate], *, held_out: set[bytes], self_taught_share: float
) -> tuple[set[int], Counter[str]]:
    """Return the ids of the pairs to train on: each exchange once, the newest of the model's own up to their share.

    Also returns how many are left out, by reason.
    """
    seen, dropped = set(held_out), Counter[str]()
    own: list[int] = []
    kept: set[int] = set()
    for item in sorted(items, key=lambda item: (item.is_self_taught, item.pair_id)):
        if item.digest in seen:
            dropped["same as another"] += 1
            continue
        seen.add(item.digest)
        if item.is_self_taught:
            own.append(item.pair_id)
        else:
            kept.add(item.pair_id)
    too_many = max(len(own) - int(len(kept) * self_taught_share / (1 - self_taught_share)), 0)
    dropped["drafts sent as they were, over their share"] = too_many
    return kept.union(own[too_many:]), dropped


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
