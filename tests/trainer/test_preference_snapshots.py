"""What a snapshot holds of preference pairs, and that it says nothing of them when they are not asked for."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.trainer.installation import DESK, Installation, make_installation
from thumbtune.core.records import TrainingRun
from thumbtune.core.retraining import describe_preview, preview_run
from thumbtune.core.settings import Settings
from thumbtune.core.store.schema import drafts
from thumbtune.trainer.erasing import is_stale
from thumbtune.trainer.recipe import load_recipe, plan_recipe
from thumbtune.trainer.snapshot import freeze_pairs
from thumbtune.trainer.snapshot_files import SnapshotMeta

DPO = {"train_preferences": "dpo", "train_preference_min": 30}


@pytest.fixture
def installation(tmp_path: Path, tiny_base: Path) -> Iterator[Installation]:
    made = make_installation(tmp_path, tiny_base)
    made.add_drafts(range(60))
    yield made
    made.store.engine.dispose()


def change(installation: Installation, **changes: Any) -> Settings:
    return installation.settings.model_copy(update=changes)


def freeze(installation: Installation, run: TrainingRun, **changes: Any) -> tuple[Path, SnapshotMeta]:
    settings = change(installation, **changes)
    recipe = plan_recipe(settings, Path(settings.base_model))
    meta = freeze_pairs(installation.store, run, desk=DESK, recipe=recipe, settings=settings)
    return settings.snapshots_dir / run.run_id, meta


def read(snapshot: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (snapshot / f"{name}.jsonl").read_text().splitlines()]


def test_preference_pairs_lie_on_the_side_of_their_thread_with_the_prompt_of_the_reply(
    installation: Installation,
) -> None:
    snapshot, meta = freeze(installation, installation.queue_run(), **DPO)
    for name in ("", "_held_out"):
        lines, found = read(snapshot, name.removeprefix("_") or "train"), read(snapshot, f"preferences{name}")
        assert [{**line, "pair_id": line["pair_id"].split(":")[0]} for line in found] == [
            {**line, "rejected": f"Dear customer, we received your request {line['thread_id'].split(':')[2][:-2]}."}
            for line in lines
        ]
    assert sorted(meta.rejected_draft_ids) == sorted(f"draft-{thread}" for thread in range(60))
    assert load_recipe(snapshot / "recipe.json").preferences is not None


def test_snapshot_without_a_second_stage_says_nothing_of_it(installation: Installation) -> None:
    run = installation.queue_run()
    snapshot, meta = freeze(installation, run)
    names = {path.name for path in snapshot.iterdir()}
    assert names == {"train.jsonl", "train_triage.jsonl", "held_out.jsonl", "recipe.json", "snapshot.json"}
    shutil.rmtree(snapshot)
    assert freeze(installation, run, **{**DPO, "train_preference_min": 61})[1] == meta, "too few: as if not asked for"


def test_hash_covers_preference_pairs_and_a_changed_file_is_frozen_anew(installation: Installation) -> None:
    run = installation.queue_run()
    snapshot, meta = freeze(installation, run, **DPO)
    with (snapshot / "preferences.jsonl").open("a") as stream:
        stream.write("\n")
    assert freeze(installation, run, **DPO)[1] == meta
    assert len(read(snapshot, "preferences")) >= 30


def test_snapshot_with_a_draft_that_was_erased_since_is_stale(installation: Installation) -> None:
    snapshot, _ = freeze(installation, installation.queue_run(), **DPO)
    assert not is_stale(installation.store, snapshot)
    with installation.store.write() as conn:
        conn.execute(sa.update(drafts).where(drafts.c.draft_id == "draft-7").values(text=""))
    assert is_stale(installation.store, snapshot)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "preference pairs, not used: train_preferences is off"),
        (DPO, "preference pairs, from which a second stage learns"),
        ({"train_preferences": "dpo"}, "preference pairs: no second stage, which needs 300"),
    ],
)
def test_preview_says_whether_there_will_be_a_second_stage(
    installation: Installation, changes: dict[str, Any], expected: str
) -> None:
    installation.add_pairs(range(60, 160))
    installation.add_drafts(range(60, 160))
    preview = preview_run(installation.store, change(installation, **changes), desk_id="support")
    assert f"{preview.trained} {expected}" in describe_preview(preview)
    assert preview.has_second_stage is (changes == DPO)
    snapshot, _ = freeze(installation, installation.queue_run(), **changes)
    assert (snapshot / "preferences.jsonl").is_file() is preview.has_second_stage


def test_preview_promises_no_second_stage_with_too_few_conversations_to_check_it_by(installation: Installation) -> None:
    preview = preview_run(installation.store, change(installation, **DPO), desk_id="support")
    assert preview.preferences >= 30
    assert preview.trained_threads < 100
    assert not preview.has_second_stage
    [told] = [line for line in describe_preview(preview) if "preference pairs" in line]
    assert "no second stage, which needs 100 conversations" in told
