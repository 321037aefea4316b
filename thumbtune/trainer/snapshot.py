"""Freezes a desk's active pairs into files that a run trains on and is judged by, however often it is started again.

It does not know tokenizers or models. Prompts are made by `core.prompt` exactly as for a draft. A thread is held out or
trained on for ever: its hash decides, and one that an adapter was trained on is not held out when the share is raised.
"""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thumbtune.core.errors import SnapshotError
from thumbtune.core.prompt import ChatMessage, build_prompt, list_budgets
from thumbtune.core.records import Desk, TrainingPair, TrainingRun
from thumbtune.core.settings import Settings
from thumbtune.core.split import is_held_out
from thumbtune.core.store.engine import Store
from thumbtune.core.store.pairs import list_pairs
from thumbtune.core.store.runs import list_trained_threads
from thumbtune.trainer.erasing import is_stale
from thumbtune.trainer.publish import sync_directory, write_durably
from thumbtune.trainer.recipe import Recipe, dump_recipe
from thumbtune.trainer.snapshot_files import (
    HELD_OUT_NAME,
    META_NAME,
    RECIPE_NAME,
    TRAIN_NAME,
    SnapshotMeta,
    dump_meta,
    load_meta,
)

_PAGE = 500


def freeze_pairs(
    store: Store,
    run: TrainingRun,
    *,
    desk: Desk,
    recipe: Recipe,
    settings: Settings,
    on_page: Callable[[], None] = lambda: None,
) -> SnapshotMeta:
    """Return the run's snapshot, which lies in `snapshots_dir/<run_id>`; it is made once and never changed.

    It is made anew when something in it was erased since.
    `on_page` is called between reads, to keep the run's lease.
    Raises: SnapshotError when fewer than `min_pairs` pairs are left to train on.
    """
    place = settings.snapshots_dir / run.run_id
    if (place / META_NAME).is_file():
        if not is_stale(store, place):
            return load_meta(place)
        shutil.rmtree(place)
    aside = settings.snapshots_dir / f".freezing-{run.run_id}-{run.fence}"
    for leftover in settings.snapshots_dir.glob(f".freezing-{run.run_id}-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    aside.mkdir(parents=True, mode=0o700)
    try:
        meta = _write_snapshot(aside, store, run, desk=desk, recipe=recipe, settings=settings, on_page=on_page)
        if len(meta.trained_pair_ids) < settings.min_pairs:
            raise SnapshotError(
                f"{len(meta.trained_pair_ids)} approved replies can be trained on, {settings.min_pairs} are needed; "
                "approve more replies and try again"
            )
        sync_directory(aside)
        aside.rename(place)
        sync_directory(settings.snapshots_dir)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return meta


def count_trainable(store: Store, *, desk_id: str, settings: Settings) -> int:
    """Return how many pairs a snapshot taken now would train on."""
    sides = _Sides(store, desk_id=desk_id, share=settings.held_out_share)
    held_out: set[bytes] = set()
    trained: list[_Trainable] = []
    for pair in _read_pairs(store, desk_id=desk_id, on_page=lambda: None):
        if sides.holds_out(pair):
            held_out.add(_digest_exchange(pair))
        else:
            trained.append(_Trainable(pair.pair_id, _digest_exchange(pair), pair.source == "draft"))
    return len(_pick_trained(trained, held_out=held_out, self_taught_share=settings.self_taught_share)[0])


def drop_older_snapshots(snapshots_dir: Path, *, keep: SnapshotMeta) -> None:
    """Delete the desk's earlier snapshots, which may hold what was withdrawn since; the newest one stays."""
    for path in snapshots_dir.iterdir():
        meta_path = path / META_NAME
        if path.name != keep.run_id and meta_path.is_file() and load_meta(path).desk_id == keep.desk_id:
            shutil.rmtree(path, ignore_errors=True)


@dataclass(frozen=True)
class _Trainable:
    """What decides whether a pair that is not held out is trained on."""

    pair_id: int
    digest: bytes
    """What two pairs share when the same conversation got the same reply."""
    is_self_taught: bool
    """The model's own draft, sent and approved as it was."""


def _pick_trained(
    items: Sequence[_Trainable], *, held_out: set[bytes], self_taught_share: float
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


class _Sides:
    """Says of each pair of a desk whether it judges or trains."""

    def __init__(self, store: Store, *, desk_id: str, share: float) -> None:
        self._share = share
        with store.read() as conn:
            self._trained = list_trained_threads(conn, desk_id=desk_id)

    def holds_out(self, pair: TrainingPair) -> bool:
        place = (pair.team_id, pair.channel_id, pair.thread_ts)
        return place not in self._trained and is_held_out(*place, share=self._share)


def _write_snapshot(
    directory: Path,
    store: Store,
    run: TrainingRun,
    *,
    desk: Desk,
    recipe: Recipe,
    settings: Settings,
    on_page: Callable[[], None],
) -> SnapshotMeta:
    sides = _Sides(store, desk_id=desk.desk_id, share=settings.held_out_share)
    held_out: list[TrainingPair] = []
    trained: list[_Trainable] = []
    newest = 0
    unsorted = directory / "unsorted.jsonl"
    with unsorted.open("wb") as stream:
        for pair in _read_pairs(store, desk_id=desk.desk_id, on_page=on_page):
            newest = max(newest, pair.pair_id)
            if sides.holds_out(pair):
                held_out.append(pair)
            else:
                trained.append(_Trainable(pair.pair_id, _digest_exchange(pair), pair.source == "draft"))
                stream.write(_write_line(pair, desk=desk, max_prompt_chars=settings.max_prompt_chars))
    chosen = _choose_held_out(held_out, at_most=settings.held_out_max)
    kept, dropped = _pick_trained(
        trained,
        held_out={_digest_exchange(pair) for pair in held_out},
        self_taught_share=settings.self_taught_share,
    )
    dropped["held out, not needed"] = len(held_out) - len(chosen)
    with unsorted.open("rb") as source, (directory / TRAIN_NAME).open("wb") as target:
        target.writelines(line for item, line in zip(trained, source, strict=True) if item.pair_id in kept)
    unsorted.unlink()
    lines = (_write_line(pair, desk=desk, max_prompt_chars=settings.max_prompt_chars) for pair in chosen)
    write_durably(directory / HELD_OUT_NAME, b"".join(lines))
    write_durably(directory / RECIPE_NAME, dump_recipe(recipe))
    meta = SnapshotMeta(
        run_id=run.run_id,
        desk_id=desk.desk_id,
        voice=desk.voice,
        snapshot_hash=_hash_files(directory),
        trained_pair_ids=tuple(item.pair_id for item in trained if item.pair_id in kept),
        held_out_pair_ids=tuple(pair.pair_id for pair in chosen),
        newest_pair_id=newest,
        dropped=dict(+dropped),
        left_out_pair_ids=tuple(sorted(_list_ids(held_out) - _list_ids(chosen) | _list_ids(trained) - kept)),
    )
    write_durably(directory / META_NAME, dump_meta(meta))
    return meta


def _read_pairs(store: Store, *, desk_id: str, on_page: Callable[[], None]) -> Iterator[TrainingPair]:
    after_id = 0
    while True:
        with store.read() as conn:
            page = list_pairs(conn, desk_id=desk_id, state="active", after_id=after_id, limit=_PAGE)
        if not page:
            return
        yield from page
        after_id = page[-1].pair_id
        on_page()


def _write_line(pair: TrainingPair, *, desk: Desk, max_prompt_chars: int) -> bytes:
    prompts: list[list[ChatMessage]] = []
    for max_chars in list_budgets(max_prompt_chars):
        prompt = build_prompt(pair.turns, voice=desk.voice, max_chars=max_chars, passages=pair.passages)
        if not prompts or prompt != prompts[-1]:
            prompts.append(prompt)
    line: dict[str, Any] = {  # Any: JSON
        "pair_id": str(pair.pair_id),
        "thread_id": f"{pair.team_id}:{pair.channel_id}:{pair.thread_ts}",
        "messages": prompts[0],
        "reply": pair.reply,
    }
    if prompts[1:]:
        line["shorter"] = prompts[1:]
    return (json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def _choose_held_out(pairs: list[TrainingPair], *, at_most: int) -> list[TrainingPair]:
    """Return whole threads in an order that never changes, until there are enough replies."""
    threads: dict[bytes, list[TrainingPair]] = {}
    for pair in pairs:
        name = f"{pair.team_id}\x1f{pair.channel_id}\x1f{pair.thread_ts}"
        threads.setdefault(hashlib.sha256(f"order\x1f{name}".encode()).digest(), []).append(pair)
    chosen: list[TrainingPair] = []
    for _, thread in sorted(threads.items(), key=lambda item: item[0]):
        if chosen and len(chosen) + len(thread) > at_most:
            break
        chosen += thread
    return sorted(chosen, key=lambda pair: pair.pair_id)


def _list_ids(items: Iterable[TrainingPair | _Trainable]) -> set[int]:
    return {item.pair_id for item in items}


def _digest_exchange(pair: TrainingPair) -> bytes:
    """Return what two pairs share when the same conversation got the same reply."""
    text = "\x1f".join([*(f"{turn.role} {turn.text}" for turn in pair.turns), pair.reply])
    return hashlib.sha256(" ".join(text.lower().split()).encode()).digest()


def _hash_files(directory: Path) -> str:
    digest = hashlib.sha256()
    for name in (TRAIN_NAME, HELD_OUT_NAME, RECIPE_NAME):
        with (directory / name).open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
