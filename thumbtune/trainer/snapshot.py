"""Freezes a desk's active pairs into files that a run trains on and is judged by, however often it is started again.

It does not know tokenizers or models, nor which pairs are used: `core.selection` decides. Prompts are made by
`core.prompt` exactly as for a draft.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from thumbtune.core.candidates import Candidate, weigh_pair
from thumbtune.core.errors import SnapshotError
from thumbtune.core.preferences import read_preferences
from thumbtune.core.prompt import build_prompt, list_budgets
from thumbtune.core.records import Desk, TrainingPair, TrainingRun
from thumbtune.core.selection import Selection, read_pairs, settle_pairs
from thumbtune.core.settings import Settings
from thumbtune.core.store.engine import Store
from thumbtune.trainer.erasing import is_stale
from thumbtune.trainer.publish import sync_directory, write_durably
from thumbtune.trainer.recipe import Recipe, dump_recipe
from thumbtune.trainer.snapshot_files import (
    HELD_OUT_NAME,
    HELD_OUT_PREFERENCES_NAME,
    META_NAME,
    PREFERENCES_NAME,
    RECIPE_NAME,
    TRAIN_NAME,
    TRIAGE_NAME,
    SnapshotMeta,
    dump_line,
    dump_meta,
    load_meta,
)
from thumbtune.trainer.triages import freeze_triages

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

    It is made anew when something in it was erased since, or its files are no longer what was hashed.
    `on_page` is called between reads, to keep the run's lease.
    Raises: SnapshotError when fewer than `min_pairs` pairs are left to train on.
    """
    place = settings.snapshots_dir / run.run_id
    if (place / META_NAME).is_file():
        meta = load_meta(place)
        if meta.snapshot_hash == _hash_files(place) and not is_stale(store, place):
            return meta
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


def drop_older_snapshots(snapshots_dir: Path, *, keep: SnapshotMeta) -> None:
    """Delete the desk's earlier snapshots, which may hold what was withdrawn since; the newest one stays."""
    for path in snapshots_dir.iterdir():
        meta_path = path / META_NAME
        if path.name != keep.run_id and meta_path.is_file() and load_meta(path).desk_id == keep.desk_id:
            shutil.rmtree(path, ignore_errors=True)


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
    candidates: list[Candidate] = []
    unsorted = directory / "unsorted.jsonl"
    with unsorted.open("wb") as stream:
        for pair in read_pairs(store, desk_id=desk.desk_id, on_page=on_page):
            candidates.append(weigh_pair(pair))
            stream.write(_write_line(pair, desk=desk, max_prompt_chars=settings.max_prompt_chars))
    selection = settle_pairs(store, candidates, desk_id=desk.desk_id, settings=settings)
    on_page()
    for name, pair_ids in ((TRAIN_NAME, selection.trained), (HELD_OUT_NAME, selection.held_out)):
        wanted = set(pair_ids)
        with unsorted.open("rb") as source, (directory / name).open("wb") as target:
            lines = zip(candidates, source, strict=True)
            target.writelines(line for item, line in lines if item.pair_id in wanted)
            target.flush()
            os.fsync(target.fileno())
    unsorted.unlink()
    triages: tuple[list[int], list[int]] = ([], [])
    if len(selection.trained) >= settings.min_pairs:
        triages = freeze_triages(directory / TRIAGE_NAME, store, desk=desk, settings=settings)
    draft_ids: tuple[str, ...] = ()
    if recipe.preferences is not None:
        draft_ids = _write_preferences(directory, store, desk=desk, selection=selection, settings=settings)
        recipe = recipe if draft_ids else replace(recipe, preferences=None)
        on_page()
    write_durably(directory / RECIPE_NAME, dump_recipe(recipe))
    meta = SnapshotMeta(
        run_id=run.run_id,
        desk_id=desk.desk_id,
        voice=desk.voice,
        snapshot_hash=_hash_files(directory),
        trained_pair_ids=selection.trained,
        held_out_pair_ids=selection.held_out,
        newest_pair_id=max((item.pair_id for item in candidates), default=0),
        dropped=selection.dropped,
        left_out_pair_ids=selection.left_out,
        trained_triage_ids=tuple(triages[0]),
        held_out_triage_ids=tuple(triages[1]),
        rejected_draft_ids=draft_ids,
    )
    write_durably(directory / META_NAME, dump_meta(meta))
    return meta


def _write_preferences(
    directory: Path, store: Store, *, desk: Desk, selection: Selection, settings: Settings
) -> tuple[str, ...]:
    """Write the preference pairs of both sides and return their drafts; nothing when there are too few to train on."""
    lines: dict[int, list[bytes]] = {pair_id: [] for pair_id in (*selection.trained, *selection.held_out)}
    draft_ids = []
    for found in read_preferences(store, desk_id=desk.desk_id, pair_ids=lines):
        more = {"pair_id": f"{found.pair.pair_id}:{found.draft_id}", "rejected": found.rejected}
        line = _write_line(found.pair, desk=desk, max_prompt_chars=settings.max_prompt_chars, **more)
        lines[found.pair.pair_id].append(line)
        draft_ids.append(found.draft_id)
    if sum(len(lines[pair_id]) for pair_id in selection.trained) < settings.train_preference_min:
        return ()
    for name, pair_ids in ((PREFERENCES_NAME, selection.trained), (HELD_OUT_PREFERENCES_NAME, selection.held_out)):
        write_durably(directory / name, b"".join(line for pair_id in pair_ids for line in lines[pair_id]))
    return tuple(draft_ids)


def _write_line(pair: TrainingPair, *, desk: Desk, max_prompt_chars: int, **more: str) -> bytes:
    return dump_line(
        pair_id=more.pop("pair_id", str(pair.pair_id)),
        thread_id=f"{pair.team_id}:{pair.channel_id}:{pair.thread_ts}",
        prompts=(
            build_prompt(pair.turns, voice=desk.voice, max_chars=max_chars, passages=pair.passages)
            for max_chars in list_budgets(max_prompt_chars)
        ),
        reply=pair.reply,
        **more,
    )


def _hash_files(directory: Path) -> str:
    digest = hashlib.sha256()
    preferences = [name for name in (PREFERENCES_NAME, HELD_OUT_PREFERENCES_NAME) if (directory / name).is_file()]
    for name in (TRAIN_NAME, HELD_OUT_NAME, TRIAGE_NAME, RECIPE_NAME, *preferences):
        if not (directory / name).is_file():
            return ""
        with (directory / name).open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
