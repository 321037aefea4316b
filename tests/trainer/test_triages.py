"""Triages in a snapshot and in a training: one side for both tasks, one adapter for both."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.asked import ask_for_draft
from tests.trainer.children import finetune
from tests.trainer.installation import DESK, Installation, make_installation
from tests.trainer.samples import QUESTIONS, make_line
from tests.trainer.test_snapshot import freeze, read_lines
from thumbtune.core.golden import CaseContent, Expectations
from thumbtune.core.prompt import Turn, build_triage_prompt
from thumbtune.core.store import desks, golden, triages
from thumbtune.core.store.schema_training import triages as table
from thumbtune.core.store.sides import load_sides
from thumbtune.core.triage import MIN_TRIAGES, Triage, dump_triage, read_triage
from thumbtune.trainer.erasing import is_stale

CATEGORIES = ("Orders", "Returns", "Stock", "Hours")
SORTED = replace(DESK, categories=CATEGORIES)


@pytest.fixture
def installation(tmp_path: Path, tiny_base: Path) -> Iterator[Installation]:
    made = make_installation(tmp_path, tiny_base)
    with made.store.write() as conn:
        desks.save_desk(conn, SORTED)
    yield made
    made.store.engine.dispose()


def teach(installation: Installation, threads: range, *, say: str = "{} ({})") -> None:
    """Let an agent triage some threads."""
    with installation.store.write() as conn:
        for thread in threads:
            draft = ask_for_draft(conn, thread, thread_ts=f"{thread}.0", now=installation.store.now())
            turns = [Turn("customer", say.format(QUESTIONS[thread % 4], thread))]
            triage = Triage(CATEGORIES[thread % 4], "normal", "Asks the shop.", "Answer it.")
            triages.decide_triage(
                conn, draft, triage, turns=turns, heard=(), decided_by="U1", now=installation.store.now()
            )


def test_thread_is_on_one_side_for_replies_and_triages_for_ever(installation: Installation) -> None:
    teach(installation, range(30, 120))
    run = installation.queue_run()
    meta = freeze(installation, run, desk=SORTED)
    lines = read_lines(installation, run, "train_triage")
    assert [line["pair_id"] for line in lines] == [f"triage-{number}" for number in meta.trained_triage_ids]
    assert len(lines) + len(meta.held_out_triage_ids) == 90
    with installation.store.read() as conn:
        sides = load_sides(conn, desk_id="support")
        held_out = {item.thread_ts for item in triages.list_taught(conn, desk_id="support")} - {
            line["thread_id"].split(":")[2] for line in lines
        }
    assert {place[2] for place, is_out in sides.items() if is_out} >= held_out
    assert held_out & {line["thread_id"].split(":")[2] for line in read_lines(installation, run, "held_out")}
    assert not held_out & {line["thread_id"].split(":")[2] for line in read_lines(installation, run, "train")}
    assert any(float(thread) >= 60 for thread in held_out)
    line = lines[0]
    thread = int(line["thread_id"].split(":")[2].split(".")[0])
    turns = [Turn("customer", f"{QUESTIONS[thread % 4]} ({thread})")]
    max_chars = installation.settings.max_prompt_chars
    assert line["messages"] == build_triage_prompt(turns, categories=CATEGORIES, max_chars=max_chars)
    assert read_triage(line["reply"], CATEGORIES).category == CATEGORIES[thread % 4]
    teach(installation, range(120, 130))
    installation.add_pairs(range(60, 120))
    with installation.store.write() as conn:
        conn.exec_driver_sql("update runs set state = 'failed'")
    again = freeze(installation, installation.queue_run(), desk=SORTED)
    assert set(meta.trained_triage_ids) <= set(again.trained_triage_ids)
    assert set(meta.held_out_triage_ids) <= set(again.held_out_triage_ids)


def test_same_conversation_is_not_judged_by_where_it_is_learned_from(installation: Installation) -> None:
    teach(installation, range(30, 120), say="{}")
    meta = freeze(installation, installation.queue_run(), desk=SORTED)
    assert len(meta.trained_triage_ids) > MIN_TRIAGES
    assert meta.held_out_triage_ids == ()


def test_nothing_of_a_golden_case_is_learned_or_judged(installation: Installation) -> None:
    teach(installation, range(30, 120))
    before = freeze(installation, installation.queue_run(), desk=SORTED)
    with installation.store.write() as conn:
        conn.exec_driver_sql("update runs set state = 'failed'")
        items = {item.triage_id: item for item in triages.list_taught(conn, desk_id="support")}
        of_pair = next(number for number in before.trained_triage_ids if float(items[number].thread_ts) < 60)
        pair_id = conn.exec_driver_sql(
            f"select min(pair_id) from pairs where thread_ts = '{items[of_pair].thread_ts}'"
        ).scalar_one()
        alike = next(number for number in before.trained_triage_ids if float(items[number].thread_ts) > 60)
        for turns, source in ((items[alike].turns, None), ((Turn("customer", "Something else?"),), pair_id)):
            content = CaseContent(title="One", turns=turns, expectations=Expectations(max_chars=600))
            golden.add_case(
                conn, content, desk_id="support", pair_id=source, added_by="U1", now=installation.store.now()
            )
    after = freeze(installation, installation.queue_run(), desk=SORTED)
    assert set(before.trained_triage_ids) - set(after.trained_triage_ids) == {of_pair, alike}


@pytest.mark.parametrize(("threads", "desk"), [(range(100, 100 + MIN_TRIAGES - 1), SORTED), (range(100, 200), DESK)])
def test_too_few_triages_and_a_desk_without_categories_are_left_out(
    installation: Installation, threads: range, desk: object
) -> None:
    teach(installation, threads)
    run = installation.queue_run()
    meta = freeze(installation, run, desk=desk)  # type: ignore[arg-type]
    assert (meta.trained_triage_ids, meta.held_out_triage_ids) == ((), ())
    assert read_lines(installation, run, "train_triage") == []
    assert len(meta.trained_pair_ids) > 30


def test_snapshot_with_a_triage_that_was_erased_is_stale(installation: Installation) -> None:
    teach(installation, range(100, 200))
    run = installation.queue_run()
    meta = freeze(installation, run, desk=SORTED)
    place = installation.settings.snapshots_dir / run.run_id
    assert not is_stale(installation.store, place)
    with installation.store.write() as conn:
        triages.erase_triages(conn, table.c.triage_id == meta.trained_triage_ids[0], reason="x")
    assert is_stale(installation.store, place)
    assert meta.trained_triage_ids[0] not in freeze(installation, run, desk=SORTED).trained_triage_ids


def test_one_training_learns_replies_and_triages(
    tiny_base: Path, tmp_path: Path, write_snapshot: Callable[..., Path]
) -> None:
    snapshot = write_snapshot([make_line(thread) for thread in range(24)])
    lines = []
    for thread in range(24):
        prompt = build_triage_prompt([Turn("customer", QUESTIONS[thread % 4])], categories=CATEGORIES, max_chars=900)
        triage = Triage(CATEGORIES[thread % 4], "normal", "Asks the shop.", "Answer it.")
        reply = dump_triage(triage)
        lines.append({"pair_id": f"triage-{thread}", "thread_id": str(thread), "messages": prompt, "reply": reply})
    too_long = {**lines[0], "messages": [{"role": "user", "content": "word " * 5000}]}
    text = "".join(json.dumps(line) + "\n" for line in (*lines, too_long))
    (snapshot / "train_triage.jsonl").write_text(text)
    code, events, errors = finetune(snapshot, tiny_base, tmp_path / "out", max_context_tokens=2000, batch_tokens=4000)
    assert code == 0, errors
    result = events[-1]
    assert (result["examples"], result["triages"]) == (24, 24)
    assert result["skipped"] == {"triage: prompt too long": 1}
    assert result["last_loss"] < result["first_loss"]
