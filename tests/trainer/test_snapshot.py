"""What a snapshot holds, and that it never changes."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.installation import DESK, Installation, make_installation
from tests.trainer.samples import QUESTIONS, VOICE
from thumbtune.core.errors import SnapshotError
from thumbtune.core.golden import CaseContent, Expectations
from thumbtune.core.prompt import Turn, build_prompt, list_budgets
from thumbtune.core.records import Desk, TrainingRun
from thumbtune.core.selection import GOLDEN, Selection, select_pairs
from thumbtune.core.store import golden, pairs
from thumbtune.core.store.sides import load_sides
from thumbtune.trainer.recipe import load_recipe, plan_recipe
from thumbtune.trainer.snapshot import drop_older_snapshots, freeze_pairs
from thumbtune.trainer.snapshot_files import SnapshotMeta, load_meta


@pytest.fixture
def installation(tmp_path: Path, tiny_base: Path) -> Iterator[Installation]:
    made = make_installation(tmp_path, tiny_base)
    yield made
    made.store.engine.dispose()


def freeze(installation: Installation, run: TrainingRun, *, desk: Desk = DESK, **changes: Any) -> SnapshotMeta:
    settings = installation.settings.model_copy(update=changes)
    recipe = plan_recipe(settings, Path(settings.base_model))
    return freeze_pairs(installation.store, run, desk=desk, recipe=recipe, settings=settings)


def read_lines(installation: Installation, run: TrainingRun, name: str) -> list[dict[str, Any]]:
    path = installation.settings.snapshots_dir / run.run_id / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def check_told_before(installation: Installation, meta: SnapshotMeta, **changes: Any) -> None:
    """What is shown before a run is what its snapshot does."""
    settings = installation.settings.model_copy(update=changes)
    told = select_pairs(installation.store, desk_id="support", settings=settings)
    done = (meta.trained_pair_ids, meta.held_out_pair_ids, meta.left_out_pair_ids, meta.dropped)
    assert told == Selection(*done)


def check_all_are_seen(installation: Installation, meta: SnapshotMeta) -> None:
    """Every active pair is trained on, judged by or left out, and none is two of these."""
    with installation.store.read() as conn:
        active = [pair.pair_id for pair in pairs.list_pairs(conn, desk_id="support", state="active", limit=1000)]
    seen = [*meta.trained_pair_ids, *meta.held_out_pair_ids, *meta.left_out_pair_ids]
    assert sorted(seen) == active
    assert len(meta.left_out_pair_ids) == sum(meta.dropped.values()) > 0


def test_prompts_are_those_of_a_draft_and_recipe_lies_beside(installation: Installation, tiny_base: Path) -> None:
    run = installation.queue_run()
    meta = freeze(installation, run)
    lines = read_lines(installation, run, "train") + read_lines(installation, run, "held_out")
    assert len(lines) == len(meta.trained_pair_ids) + len(meta.held_out_pair_ids) == 60
    by_thread = {line["thread_id"]: line for line in lines}
    for thread in range(60):
        turns = [Turn("customer", f"{QUESTIONS[thread % 4]} ({thread})")]
        line = by_thread[f"T1:C1:{thread}.0"]
        assert line["messages"] == build_prompt(turns, voice=VOICE, max_chars=installation.settings.max_prompt_chars)
        assert "shorter" not in line
    recipe = load_recipe(installation.settings.snapshots_dir / run.run_id / "recipe.json")
    assert recipe == plan_recipe(installation.settings, tiny_base)
    assert recipe.max_context_tokens == 1024
    assert str(tiny_base) not in recipe.base_model


def test_long_threads_bring_the_shorter_prompts_of_the_same_ladder(installation: Installation) -> None:
    talk = [Turn("customer", "word " * 900), Turn("agent", "Yes."), Turn("customer", "word " * 200)]
    with installation.store.write() as conn:
        pairs.put_pair(
            conn,
            desk_id="support",
            team_id="T1",
            channel_id="C1",
            thread_ts="9.0",
            reply_ts="9.9",
            revision="",
            turns=talk,
            reply="Right.",
            passages=(),
            source="human",
            approved_by="U1",
            now=installation.store.now(),
        )
    run = installation.queue_run()
    freeze(installation, run, max_prompt_chars=6000)
    lines = read_lines(installation, run, "train") + read_lines(installation, run, "held_out")
    [line] = [line for line in lines if line["reply"] == "Right."]
    prompts = [build_prompt(talk, voice=VOICE, max_chars=max_chars) for max_chars in list_budgets(6000)]
    different = [prompt for place, prompt in enumerate(prompts) if prompt not in prompts[:place]]
    assert len(different) > 2
    assert [line["messages"], *line["shorter"]] == different


def test_threads_stay_on_their_side_and_a_copy_of_a_held_out_one_is_not_trained_on(installation: Installation) -> None:
    first_run = installation.queue_run()
    first = freeze(installation, first_run)
    held_out = {line["thread_id"] for line in read_lines(installation, first_run, "held_out")}
    trained = {line["thread_id"] for line in read_lines(installation, first_run, "train")}
    assert len(held_out) >= 5
    assert not held_out & trained

    installation.add_pairs(range(100, 160), turns=2)
    with installation.store.write() as conn:
        for pair in pairs.list_pairs(conn, desk_id="support", limit=60):
            values = {name: getattr(pair, name) for name in ("turns", "reply", "passages", "source", "approved_by")}
            place = {"desk_id": "support", "team_id": "T1", "channel_id": "C1", "revision": ""}
            copy = {"thread_ts": f"copy-{pair.thread_ts}", "reply_ts": f"copy-{pair.reply_ts}"}
            pairs.put_pair(conn, **place, **copy, **values, now=installation.store.now())
    second_run = replace(first_run, run_id="run-2")
    second = freeze(installation, second_run)
    now_held_out = {line["thread_id"] for line in read_lines(installation, second_run, "held_out")}
    now_trained = {line["thread_id"] for line in read_lines(installation, second_run, "train")}
    assert held_out <= now_held_out
    assert not now_held_out & now_trained
    assert trained <= now_trained | {f"T1:C1:{thread}.0" for thread in range(60)}
    texts = [json.dumps([line["messages"], line["reply"]]) for line in read_lines(installation, second_run, "train")]
    judged = {
        json.dumps([line["messages"], line["reply"]]) for line in read_lines(installation, second_run, "held_out")
    }
    assert len(texts) == len(set(texts))
    assert not judged & set(texts)
    assert second.dropped["same as another"] >= 40
    check_all_are_seen(installation, second)
    assert second.snapshot_hash != first.snapshot_hash
    drop_older_snapshots(installation.settings.snapshots_dir, keep=second)
    assert [path.name for path in installation.settings.snapshots_dir.iterdir()] == ["run-2"]


def test_raised_share_holds_out_no_thread_that_an_adapter_trained_on(installation: Installation) -> None:
    run = installation.queue_run()
    first = freeze(installation, run, held_out_share=0.1)
    installation.make_live(run, trained=first.trained_pair_ids, held_out=first.held_out_pair_ids)
    installation.add_pairs(range(60), turns=2)  # a second reply in each of the same threads
    installation.add_pairs(range(100, 160))
    trained = {line["thread_id"] for line in read_lines(installation, run, "train")}

    second_run = replace(run, run_id="run-2")
    freeze(installation, second_run, held_out_share=0.45)
    judged = {line["thread_id"] for line in read_lines(installation, second_run, "held_out")}
    assert not judged & trained
    assert len(judged) > len(first.held_out_pair_ids)
    assert trained <= {line["thread_id"] for line in read_lines(installation, second_run, "train")}


def test_what_is_told_before_a_run_is_what_its_snapshot_does(installation: Installation) -> None:
    with installation.store.write() as conn:
        conn.exec_driver_sql(
            "UPDATE pairs SET turns = (SELECT turns FROM pairs LIMIT 1), reply = 'Same.' WHERE pair_id < 9"
        )
    meta = freeze(installation, installation.queue_run())
    assert len(meta.trained_pair_ids) < 60
    check_told_before(installation, meta)


def test_own_drafts_are_a_share_of_what_is_trained_on_and_the_newest_stay(installation: Installation) -> None:
    with installation.store.write() as conn:
        conn.exec_driver_sql("UPDATE pairs SET source = 'draft' WHERE pair_id > 30")
    share = {"self_taught_share": 0.25}
    meta = freeze(installation, installation.queue_run(), **share)
    own = [pair_id for pair_id in meta.trained_pair_ids if pair_id > 30]
    human = [pair_id for pair_id in meta.trained_pair_ids if pair_id <= 30]
    assert len(own) == len(human) // 3 > 5
    newest_own = [pair_id for pair_id in range(31, 61) if pair_id not in meta.held_out_pair_ids][-len(own) :]
    assert own == newest_own
    assert meta.dropped["drafts sent as they were, over their share"] > 10
    check_all_are_seen(installation, meta)
    check_told_before(installation, meta, **share)


def test_snapshot_never_changes_once_it_is_whole(installation: Installation) -> None:
    run = installation.queue_run()
    first = freeze(installation, run)
    installation.add_pairs(range(200, 260))
    aside = installation.settings.snapshots_dir / f".freezing-{run.run_id}-7"
    aside.mkdir()
    assert freeze(installation, run) == first == load_meta(installation.settings.snapshots_dir / run.run_id)
    again = freeze(installation, replace(run, run_id="run-2"))
    assert again.snapshot_hash != first.snapshot_hash
    assert again.newest_pair_id > first.newest_pair_id


@pytest.mark.parametrize("name", ["train.jsonl", "held_out.jsonl", "recipe.json"])
def test_snapshot_whose_files_were_changed_is_made_anew(installation: Installation, name: str) -> None:
    run = installation.queue_run()
    first = freeze(installation, run)
    path = installation.settings.snapshots_dir / run.run_id / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    assert freeze(installation, run) == first
    assert path.read_bytes() == whole
    path.unlink()
    assert freeze(installation, run) == first
    assert path.read_bytes() == whole


def test_preview_keeps_no_side_and_a_snapshot_does(installation: Installation) -> None:
    def list_sides() -> dict[tuple[str, str, str], bool]:
        with installation.store.read() as conn:
            return load_sides(conn, desk_id="support")

    told = select_pairs(installation.store, desk_id="support", settings=installation.settings)
    assert told.held_out
    assert list_sides() == {}
    with pytest.raises(SnapshotError):
        freeze(installation, installation.queue_run(), min_pairs=61)
    assert list_sides() == {}
    meta = freeze(installation, installation.queue_run())
    assert len(list_sides()) == 60
    assert sum(list_sides().values()) == len(meta.held_out_pair_ids)


def test_golden_case_and_its_thread_are_left_out_and_told(installation: Installation) -> None:
    installation.add_pairs(range(60), turns=2)
    first = freeze(installation, installation.queue_run())
    with installation.store.write() as conn:
        pair = pairs.load_pair(conn, first.trained_pair_ids[0])
        content = CaseContent(title="Lamp", turns=pair.turns, expectations=Expectations(max_chars=100))
        golden.add_case(
            conn, content, desk_id="support", added_by="U1", now=installation.store.now(), pair_id=pair.pair_id
        )
        in_thread = [
            found.pair_id
            for found in pairs.list_pairs(conn, desk_id="support", limit=1000)
            if found.thread_ts == pair.thread_ts
        ]
    second = freeze(installation, replace(installation.queue_run(), run_id="run-2"))
    assert len(in_thread) == 2
    assert not set(in_thread) & {*second.trained_pair_ids, *second.held_out_pair_ids}
    assert second.dropped[GOLDEN] == 2
    check_told_before(installation, second)
    check_all_are_seen(installation, second)


def test_thousands_of_pairs_are_chosen_within_seconds(installation: Installation) -> None:
    installation.add_pairs(range(100, 3100))
    began = time.process_time()
    selection = select_pairs(installation.store, desk_id="support", settings=installation.settings)
    assert time.process_time() - began < 15
    assert len(selection.held_out) == installation.settings.held_out_max


def test_voice_is_the_desks_and_changes_the_hash(installation: Installation) -> None:
    run = installation.queue_run()
    first = freeze(installation, run)
    other = freeze(installation, replace(run, run_id="run-2"), desk=replace(DESK, voice="Be brief."))
    assert read_lines(installation, replace(run, run_id="run-2"), "train")[0]["messages"][0]["content"] == "Be brief."
    assert other.snapshot_hash != first.snapshot_hash


def test_held_out_set_is_capped_by_whole_threads_and_the_rest_is_not_trained_on(installation: Installation) -> None:
    installation.add_pairs(range(300, 400), turns=3)
    run = installation.queue_run()
    every = freeze(installation, run, held_out_max=1000)
    capped = freeze(installation, replace(run, run_id="run-2"), held_out_max=20)
    assert 17 <= len(capped.held_out_pair_ids) <= 20 < len(every.held_out_pair_ids)
    assert set(capped.held_out_pair_ids) < set(every.held_out_pair_ids)
    assert capped.trained_pair_ids == every.trained_pair_ids
    check_all_are_seen(installation, capped)


def test_withdrawn_pairs_are_left_out_and_too_few_are_refused(installation: Installation) -> None:
    with installation.store.write() as conn:
        for pair in pairs.list_pairs(conn, desk_id="support", limit=50):
            pairs.set_pair_state(conn, pair.pair_id, state="withdrawn", reason="test", now=installation.store.now())
    run = installation.queue_run()
    with pytest.raises(SnapshotError, match="20 are needed"):
        freeze(installation, run)
    assert list(installation.settings.snapshots_dir.iterdir()) == []
    meta = freeze(installation, run, min_pairs=2)
    assert len(meta.trained_pair_ids) + len(meta.held_out_pair_ids) == 10


def test_equal_pairs_are_refused_as_too_few(tmp_path: Path, tiny_base: Path, installation: Installation) -> None:
    with installation.store.write() as conn:
        conn.exec_driver_sql("UPDATE pairs SET turns = (SELECT turns FROM pairs LIMIT 1), reply = 'Same.'")
    with pytest.raises(SnapshotError, match="approved replies can be trained on"):
        freeze(installation, installation.queue_run(), min_pairs=2)
