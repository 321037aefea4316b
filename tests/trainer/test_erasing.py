"""What was forgotten or is too old leaves the disk as well, also when the power goes in the middle."""

import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from tests.trainer.installation import DESK, Installation, make_installation
from tests.trainer.test_publish import CONFIG, MANIFEST
from thumbtune.core.errors import LeaseLost
from thumbtune.core.forgetting import forget
from thumbtune.core.manifest import CONFIG_NAME, WEIGHTS_NAME
from thumbtune.core.prompt import Turn
from thumbtune.core.records import Message, TrainingRun
from thumbtune.core.store import adapters, connect_store, drafts, pairs, runs
from thumbtune.core.store.messages import record_message
from thumbtune.core.store.tombstones import list_tombstones
from thumbtune.core.tombstone_file import FILE_NAME, read_tombstones
from thumbtune.trainer.backend import Job
from thumbtune.trainer.erasing import (
    NOT_ASKED_FOR,
    STILL_ASKED_FOR,
    drop_erased_snapshots,
    drop_replaced_adapters,
    erase_from_disk,
)
from thumbtune.trainer.pipeline import Pipeline
from thumbtune.trainer.publish import list_published, publish_adapter
from thumbtune.trainer.recipe import plan_recipe
from thumbtune.trainer.scheduler import look_at_replacement, queue_due_runs
from thumbtune.trainer.snapshot import freeze_pairs
from thumbtune.trainer.upkeep import keep_house

MAYA = "U0MAYALINDQVIST"
SEED = "saffron-owl"
"""Stands in everything that Maya says and that answers her."""
THREADS = range(10, 16)
PLACE = {"team_id": "T1", "channel_id": "C1"}


@pytest.fixture
def installation(tmp_path: Path, tiny_base: Path) -> Iterator[Installation]:
    made = make_installation(tmp_path, tiny_base, train_tick_s=3600.0)
    let_maya_talk(made)
    yield made
    made.store.engine.dispose()


def let_maya_talk(made: Installation) -> None:
    store = made.store
    with store.write() as conn:
        for thread in THREADS:
            ts, text = f"{thread}.0", f"Where is my {SEED} number {thread}? {'It is late. ' * 400}"
            message = Message("T1", "C1", ts, ts, MAYA, False, text, "", False)
            record_message(conn, message, event_ts=ts)
            record_message(conn, replace(message, revision="9.0"), event_ts="9.0")
            values = {"desk_id": "support", "thread_ts": ts, "passages": (), "approved_by": "U1", "now": store.now()}
            pairs.put_pair(
                conn,
                reply_ts=f"{thread}.1",
                revision="",
                turns=[Turn("customer", text)],
                reply=f"The {SEED} comes on Friday.",
                source="human",
                **values,  # type: ignore[arg-type]  # each of its own type
                **PLACE,
            )
        asked = {"draft_id": "d1", "request_key": "k1", "desk_id": "support", "thread_ts": "10.0", "asked_by": "U1"}
        drafts.request_draft(conn, last_seen_ts="10.0", now=store.now(), **asked, **PLACE)
        text = f"Dear customer, the {SEED} is on its way."
        drafts.fill_draft(conn, "d1", mode="grounded", adapter=None, text=text, passages=[], latency_ms=1)


def freeze(made: Installation, run: TrainingRun) -> Path:
    recipe = plan_recipe(made.settings, Path(made.settings.base_model))
    meta = freeze_pairs(made.store, run, desk=DESK, recipe=recipe, settings=made.settings)
    with made.store.write() as conn:
        runs.record_snapshot(conn, run, trained=meta.trained_pair_ids, held_out=meta.held_out_pair_ids)
    return made.settings.snapshots_dir / run.run_id


def grep(folder: Path, *words: str) -> list[str]:
    """Return the files of a folder that hold one of these words, as text or in another encoding."""
    needles = [encoded for word in words for encoded in (word.encode(), word.encode("utf-16-le"))]
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if any(needle in path.read_bytes() for needle in needles)]


def forget_maya(made: Installation) -> None:
    forget(made.store, made.settings, person=MAYA, desk_ids=["support"], by="cli")


def make_live_adapter(made: Installation, run: TrainingRun, name: str = "support-0001") -> Path:
    folder = made.settings.adapters_dir / name
    folder.mkdir(parents=True)
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    now = made.store.now()
    with made.store.write() as conn:
        rest = {"path": str(folder), "manifest_hash": "0", "base_model": "base"}
        adapters.add_adapter(conn, name=name, desk_id="support", run_id=run.run_id, now=now, **rest)
        adapters.mark_proven(conn, name, now=now)
        adapters.promote(conn, name, now=now)
    return folder


def test_no_second_run_starts_while_the_replacement_waits_to_go_live(installation: Installation) -> None:
    """A run that was training when someone was forgotten begins anew, and what it publishes is the replacement."""
    installation.queue_run()
    first = installation.claim_run()
    freeze(installation, first)
    with installation.store.write() as conn:
        runs.finish_run(conn, first, state="passed", message="", now=installation.store.now())
    make_live_adapter(installation, first)
    installation.queue_run()
    second = installation.claim_run()
    freeze(installation, second)
    forget_maya(installation)
    again = installation.claim_run()
    assert again.run_id == second.run_id
    now = installation.store.now()
    with installation.store.write() as conn:
        runs.finish_run(conn, again, state="passed", message="", now=now)
        rest = {"path": "x", "manifest_hash": "0", "base_model": "base"}
        adapters.add_adapter(conn, name="support-0002", desk_id="support", run_id=again.run_id, now=now, **rest)
    assert queue_due_runs(installation.store, installation.settings) == []
    with installation.store.write() as conn:
        adapters.quarantine(conn, "support-0002", reason="failed its proof")
    assert len(queue_due_runs(installation.store, installation.settings)) == 1


def test_nothing_of_a_forgotten_person_is_left_in_any_file(installation: Installation) -> None:
    run = installation.queue_run()
    claimed = installation.claim_run()
    snapshot = freeze(installation, claimed)
    with installation.store.write() as conn:
        runs.finish_run(conn, claimed, state="rejected", message="", now=installation.store.now())
    data = installation.settings.data_dir
    assert grep(data, SEED, MAYA)
    assert grep(snapshot, SEED)
    forget_maya(installation)
    keep_house(installation.store, installation.settings)
    assert grep(data, SEED, MAYA) == []
    assert not snapshot.exists()
    assert installation.load_run(run.run_id).state == "rejected"
    assert FILE_NAME in {path.name for path in data.iterdir()}


def test_snapshot_of_a_run_that_begins_anew_is_frozen_without_them(installation: Installation) -> None:
    installation.queue_run()
    claimed = installation.claim_run()
    freeze(installation, claimed)
    with installation.store.write() as conn:
        runs.update_run(conn, claimed, state="evaluating")
    forget_maya(installation)
    again = installation.claim_run()
    assert (again.run_id, again.state, again.attempts) == (claimed.run_id, "queued", 1)
    snapshot = freeze(installation, again)
    assert grep(snapshot, SEED) == []
    assert drop_erased_snapshots(installation.store, installation.settings.snapshots_dir) == []
    assert snapshot.is_dir()


def test_folder_of_a_run_under_way_stays_until_it_ends(installation: Installation) -> None:
    installation.queue_run()
    claimed = installation.claim_run()
    work = installation.settings.snapshots_dir / f".work-{claimed.run_id}-1"
    work.mkdir(parents=True)
    assert drop_erased_snapshots(installation.store, installation.settings.snapshots_dir) == []
    with installation.store.write() as conn:
        runs.finish_run(conn, claimed, state="cancelled", message="", now=installation.store.now())
    assert drop_erased_snapshots(installation.store, installation.settings.snapshots_dir) == [work.name]


def test_live_adapter_that_learned_is_replaced_and_its_folder_removed(installation: Installation) -> None:
    installation.queue_run()
    claimed = installation.claim_run()
    freeze(installation, claimed)
    with installation.store.write() as conn:
        runs.finish_run(conn, claimed, state="passed", message="", now=installation.store.now())
    old = make_live_adapter(installation, claimed)
    assert not look_at_replacement(installation.store, DESK, settings=installation.settings).is_due
    forget_maya(installation)
    replacement = installation.claim_run()
    assert replacement.reason == "forget"
    assert queue_due_runs(installation.store, installation.settings) == []
    assert drop_replaced_adapters(installation.store, installation.settings.adapters_dir) == []
    freeze(installation, replacement)
    with installation.store.write() as conn:
        runs.finish_run(conn, replacement, state="passed", message="", now=installation.store.now())
    new = make_live_adapter(installation, replacement, "support-0002")
    assert drop_replaced_adapters(installation.store, installation.settings.adapters_dir) == []
    with installation.store.write() as conn:
        earlier = installation.store.now() - STILL_ASKED_FOR - timedelta(seconds=1)
        conn.execute(sa.text("UPDATE adapters SET live_at = :at"), {"at": earlier.replace(tzinfo=None)})
    assert drop_replaced_adapters(installation.store, installation.settings.adapters_dir) == ["support-0001"]
    assert (old.exists(), new.exists()) == (False, True)


class NoBackend:
    """Starts nothing: a run gets no further than its first child program."""

    def submit(self, program: str, *, arguments: Sequence[str], log_path: Path, processes: int = 1) -> Job:
        raise LeaseLost(f"{program} is not started")


def test_files_that_an_attempt_left_before_it_began_anew_are_not_entered(
    installation: Installation, tiny_base: Path, tmp_path: Path
) -> None:
    installation.queue_run()
    claimed = installation.claim_run()
    freeze(installation, claimed)
    candidate = tmp_path / "candidate"
    candidate.mkdir()
    (candidate / CONFIG_NAME).write_text(json.dumps(CONFIG))
    (candidate / WEIGHTS_NAME).write_bytes(b"weights")
    adapters_dir = installation.settings.adapters_dir
    publish_adapter(candidate, adapters_dir=adapters_dir, manifest=replace(MANIFEST, run_id=claimed.run_id))
    with installation.store.write() as conn:
        runs.update_run(conn, claimed, state="evaluating")
    forget_maya(installation)
    pipeline = Pipeline(installation.store, installation.settings, backend=NoBackend(), stop=threading.Event())
    with pytest.raises(LeaseLost, match="finetune is not started"):
        pipeline.carry_out(installation.claim_run())
    assert installation.list_adapters() == []
    assert list_published(adapters_dir) == []


def test_held_adapter_that_nobody_asks_for_goes_after_a_while(installation: Installation) -> None:
    store, settings = installation.store, installation.settings.model_copy(update={"held_adapter_days": 2.0})
    for number, days in ((1, 3), (2, 1)):
        run = installation.claim_run() if installation.queue_run() else None
        assert run is not None
        folder = settings.adapters_dir / f"support-{number:04d}"
        folder.mkdir(parents=True)
        with store.write() as conn:
            runs.finish_run(conn, run, state="inconclusive", message="", now=store.now(), adapter=folder.name)
            adapters.add_adapter(
                conn,
                name=folder.name,
                desk_id="support",
                run_id=run.run_id,
                path=str(folder),
                manifest_hash="0" * 64,
                base_model="tiny",
                now=store.now() - timedelta(days=days),
                is_held=True,
            )
    for _ in range(2):
        erase_from_disk(store, settings)
        assert [path.name for path in settings.adapters_dir.iterdir()] == ["support-0002"]
    with store.read() as conn:
        gone, kept = (adapters.load_adapter(conn, f"support-{number:04d}") for number in (1, 2))
    assert (gone.state, kept.state) == ("quarantined", "held")
    assert gone.reason == NOT_ASKED_FOR


def test_run_that_was_judged_and_did_not_replace_is_not_repeated(installation: Installation) -> None:
    installation.queue_run()
    claimed = installation.claim_run()
    freeze(installation, claimed)
    with installation.store.write() as conn:
        runs.finish_run(conn, claimed, state="passed", message="", now=installation.store.now())
    make_live_adapter(installation, claimed)
    forget_maya(installation)
    replacement = installation.claim_run()
    with installation.store.write() as conn:
        runs.finish_run(conn, replacement, state="inconclusive", message="", now=installation.store.now())
    due = look_at_replacement(installation.store, DESK, settings=installation.settings)
    assert (due.is_due, due.why) == (False, f"{replacement.run_id} inconclusive")


def test_store_restored_from_an_older_backup_forgets_again(installation: Installation, tmp_path: Path) -> None:
    database = installation.settings.data_dir / "thumbtune.sqlite3"
    raw = installation.store.engine.raw_connection()
    raw.cursor().execute("VACUUM INTO ?", (str(tmp_path / "backup.sqlite3"),))
    raw.close()
    forget_maya(installation)
    installation.store.engine.dispose()
    for path in database.parent.glob("thumbtune.sqlite3*"):
        path.unlink()
    shutil.copy(tmp_path / "backup.sqlite3", database)
    restored = connect_store(installation.settings)
    assert grep(database.parent, SEED)
    keep_house(restored, installation.settings)
    assert grep(database.parent, SEED, MAYA) == []
    with restored.read() as conn:
        assert len(list_tombstones(conn)) == len(read_tombstones(database.parent)) == 1
    restored.engine.dispose()


def forget_until_killed(made: Installation, moment: int) -> bool:
    """Forget in a process that kills itself as kill -9 does at its n-th write, commit or end of a transaction.

    Returns whether it came to that.
    """
    made.store.engine.dispose()
    child = os.fork()
    if child == 0:
        try:
            store, left = connect_store(made.settings), [moment]

            def count(*_: object) -> None:
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

            def count_write(_conn: object, _cursor: object, statement: str, *_: object) -> None:
                if statement.startswith(("INSERT", "UPDATE", "DELETE")):
                    count()

            event.listen(store.engine, "before_cursor_execute", count_write)
            event.listen(store.engine, "commit", count)
            event.listen(store.engine, "checkin", count)
            forget(store, made.settings, person=MAYA, desk_ids=["support"], by="cli")
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def test_kill_at_any_moment_leaves_nothing_done_or_what_the_next_start_finishes(
    installation: Installation, tmp_path: Path
) -> None:
    run = installation.queue_run()
    claimed = installation.claim_run()
    freeze(installation, claimed)
    with installation.store.write() as conn:
        runs.finish_run(conn, claimed, state="passed", message="", now=installation.store.now())
    make_live_adapter(installation, claimed)
    installation.store.engine.dispose()
    data = installation.settings.data_dir
    shutil.copytree(data, tmp_path / "before")
    outcomes = []
    for moment in range(200):
        was_killed = forget_until_killed(installation, moment)
        with installation.store.read() as conn:
            is_done = bool(list_tombstones(conn))
            has_run = runs.find_open_run(conn, desk_id="support") is not None
            (adapter,) = adapters.list_adapters(conn)
            left = [pair for pair in pairs.list_pairs(conn, limit=1000) if SEED in pair.reply]
        assert has_run == is_done == (adapter.replace_since is not None)
        assert len(left) == (0 if is_done else len(THREADS))
        keep_house(installation.store, installation.settings)
        assert bool(read_tombstones(data)) == is_done
        assert bool(grep(data, SEED, MAYA)) != is_done
        assert (installation.settings.snapshots_dir / run.run_id).exists() != is_done
        outcomes.append((was_killed, is_done))
        if not was_killed:
            break
        installation.store.engine.dispose()
        shutil.rmtree(data)
        shutil.copytree(tmp_path / "before", data)
    assert {(True, False), (True, True), (False, True)} == set(outcomes)
    assert len(outcomes) > 15
