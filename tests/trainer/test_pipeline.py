"""Runs carried out by the real pipeline, child programs and SQLite store."""

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.trainer.installation import Installation, find_child, make_installation, wait_for
from thumbtune.core.manifest import hash_base, hash_file, load_manifest, load_template, verify_adapter
from thumbtune.core.prompt import hash_template
from thumbtune.core.records import TrainingRun
from thumbtune.core.store import adapters, pairs, runs, trials
from thumbtune.core.store.overriding import override_gate
from thumbtune.core.store.reporting import load_report
from thumbtune.trainer.backend import LocalBackend
from thumbtune.trainer.pipeline import Pipeline
from thumbtune.trainer.scheduler import queue_due_runs


@pytest.fixture
def installation(tmp_path: Path, tiny_base: Path) -> Iterator[Installation]:
    made = make_installation(tmp_path, tiny_base)
    yield made
    made.store.engine.dispose()


def carry_out(installation: Installation) -> TrainingRun:
    run = installation.claim_run()
    stop = threading.Event()
    Pipeline(installation.store, installation.settings, backend=LocalBackend(), stop=stop).carry_out(run)
    return installation.load_run(run.run_id)


def test_run_ends_in_one_published_adapter_and_the_same_data_again_changes_nothing(
    installation: Installation, tiny_base: Path
) -> None:
    installation.add_pairs(range(60, 61))
    with installation.store.write() as conn:  # one is a copy, which the run leaves out
        first = "SELECT {0} FROM pairs WHERE pair_id = 1"
        conn.exec_driver_sql(
            f"UPDATE pairs SET turns = ({first.format('turns')}), reply = ({first.format('reply')}) WHERE pair_id = 61"
        )
    installation.queue_run()
    run = carry_out(installation)
    assert run.state == "passed", run.message
    with installation.store.read() as conn:
        assert pairs.count_new_pairs(conn, desk_id="support") == 0
    assert "better" in run.message
    assert run.examples + run.held_out == 60
    assert run.held_out >= 5
    assert run.nll_candidate is not None
    assert run.nll_base is not None
    assert run.nll_candidate < run.nll_base - 0.5
    assert run.nll_live is None
    assert run.progress == 1.0
    assert run.started_at is not None and run.finished_at is not None
    assert 0 < run.gpu_s <= (run.finished_at - run.started_at).total_seconds()
    assert run.gate["decision"] == "passed"
    with installation.store.read() as conn:
        course = load_report(conn, run.run_id, gpu_price_per_hour=0.0).course
    assert course.dropped["same as another"] == 1
    assert [step for step, _ in course.losses] == list(range(1, len(course.losses) + 1))

    [adapter] = installation.list_adapters()
    assert (adapter.name, adapter.state, adapter.run_id) == ("support-0001", "published", run.run_id)
    assert run.adapter == adapter.name
    manifest = verify_adapter(
        Path(adapter.path),
        base_hash=hash_base(tiny_base),
        template_hash=hash_template(load_template(tiny_base)),
        max_rank=8,
    )
    assert manifest.snapshot_hash == run.snapshot_hash
    assert adapter.manifest_hash == hash_file(Path(adapter.path) / "manifest.json")
    assert len(manifest.probes) == 3
    assert "Lamp" not in json.dumps([probe.messages for probe in manifest.probes])
    left = sorted(path.name for path in installation.settings.snapshots_dir.iterdir())
    assert left == [run.run_id]

    with installation.store.write() as conn:  # as after a kill between the files and the row
        conn.exec_driver_sql("DELETE FROM adapters")
        conn.exec_driver_sql("UPDATE runs SET state = 'evaluating', lease_until = NULL, finished_at = NULL")
    entered = carry_out(installation)
    assert (entered.state, entered.adapter, entered.message) == ("passed", adapter.name, run.message)
    assert [item.name for item in installation.list_adapters()] == [adapter.name]
    assert load_manifest(Path(adapter.path)) == manifest

    with installation.store.write() as conn:
        adapters.mark_proven(conn, adapter.name, now=installation.store.now())
        adapters.promote(conn, adapter.name, now=installation.store.now())
    installation.queue_run()
    again = carry_out(installation)
    assert again.state == "inconclusive"
    assert "exactly like the one that is live" in again.message
    assert again.nll_live == pytest.approx(again.nll_candidate)
    assert [item.name for item in installation.list_adapters()] == ["support-0001"]
    assert [path.name for path in installation.settings.snapshots_dir.iterdir()] == [again.run_id]


def test_run_with_too_few_held_out_conversations_keeps_its_adapter_for_a_lead(tmp_path: Path, tiny_base: Path) -> None:
    made = make_installation(tmp_path, tiny_base, gate_min_threads=1000)
    made.queue_run()
    run = carry_out(made)
    assert (run.state, run.adapter) == ("inconclusive", "support-0001")
    assert "more are needed" in run.message
    [adapter] = made.list_adapters()
    assert adapter.state == "held"
    assert verify_adapter(Path(adapter.path)).gate["decision"] == "inconclusive"
    with made.store.write() as conn:
        judged = trials.list_trial_pairs(conn, run.run_id, limit=100)
        assert len(judged) == run.held_out
        conn.exec_driver_sql("DELETE FROM adapters")  # as after a kill between the files and the row
        conn.exec_driver_sql("UPDATE runs SET state = 'evaluating', lease_until = NULL, finished_at = NULL")
    assert carry_out(made).state == "inconclusive"
    with made.store.write() as conn:
        asked = override_gate(conn, run.run_id, by="U9", now=made.store.now())
    assert (asked.name, asked.state) == ("support-0001", "published")


def test_killed_children_killed_and_sleeping_trainers_leave_one_run_and_one_adapter(installation: Installation) -> None:
    installation.add_pairs(range(1000, 2000))
    [run_id] = queue_due_runs(installation.store, installation.settings)
    with installation.start_trainer() as first:
        child = wait_for(lambda: find_child(first, "finetune"))
        child.kill()
        second_child = wait_for(lambda: (found := find_child(first, "finetune")) and found != child and found)
        first.kill()
        psutil.wait_procs([second_child], timeout=10)
        assert not second_child.is_running()
    with installation.start_trainer() as sleeper:
        wait_for(lambda: find_child(sleeper, "finetune"))
        sleeper.suspend()
        with installation.start_trainer(), installation.start_trainer():
            ended = installation.await_run(run_id, lambda found: found.finished_at is not None)
            sleeper.resume()
            wait_for(lambda: not sleeper.children() or None)
    assert (ended.state, ended.reason) == ("passed", "threshold"), ended.message
    assert ended.attempts == 4
    assert installation.load_run(run_id) == ended
    with installation.store.read() as conn:
        assert len(runs.list_runs(conn)) == 1
    assert [adapter.name for adapter in installation.list_adapters()] == ["support-0001"]
    assert [path.name for path in installation.settings.adapters_dir.iterdir()] == ["support-0001"]
    assert "lease_lost" in (installation.settings.data_dir / "trainer-1.log").read_text()


def test_stopped_trainer_gives_its_run_back_and_a_cancelled_run_publishes_nothing(installation: Installation) -> None:
    run = installation.queue_run()
    with installation.start_trainer() as trainer:
        child = wait_for(lambda: find_child(trainer, "finetune"))
        trainer.send_signal(signal.SIGTERM)
        wait_for(lambda: not trainer.is_running() or trainer.status() == psutil.STATUS_ZOMBIE)
        assert not child.is_running()
    given_back = installation.load_run(run.run_id)
    assert (given_back.state, given_back.attempts) == ("running", 0)
    assert given_back.gpu_s > 0

    with installation.start_trainer() as trainer:
        child = wait_for(lambda: find_child(trainer, "finetune"))
        under_way = installation.await_run(run.run_id, lambda found: bool(found.loss))
        assert 0 < under_way.step <= under_way.steps
        assert under_way.tokens_per_s
        with installation.store.write() as conn:
            runs.request_cancel(conn, run.run_id, now=installation.store.now())
        ended = installation.await_run(run.run_id, lambda found: found.finished_at is not None)
        assert not child.is_running()
    assert ended.state == "cancelled"
    assert ended.message == "Cancelled. What was live stays live."
    assert ended.gpu_s > given_back.gpu_s
    assert installation.list_adapters() == []


def test_run_that_cannot_succeed_fails_once_with_its_reason(tmp_path: Path, tiny_base: Path) -> None:
    too_few = make_installation(tmp_path / "few", tiny_base, min_pairs=100)
    too_few.queue_run()
    ended = carry_out(too_few)
    assert ended.state == "failed"
    assert "100 are needed" in ended.message
    assert list(too_few.settings.snapshots_dir.iterdir()) == []

    diverging = make_installation(tmp_path / "diverging", tiny_base, train_learning_rate=1e30)
    diverging.queue_run()
    ended = carry_out(diverging)
    assert (ended.state, ended.attempts) == ("failed", 1)
    assert "lower train_learning_rate" in ended.message
    assert diverging.list_adapters() == []


def test_run_that_ran_out_of_attempts_or_time_is_failed(tmp_path: Path, tiny_base: Path) -> None:
    made = make_installation(tmp_path, tiny_base, train_timeout_s=0.5)
    made.queue_run()
    ended = carry_out(made)
    assert ended.state == "failed"
    assert "took longer than" in ended.message

    run = made.queue_run()
    with made.store.write() as conn:
        conn.exec_driver_sql(f"UPDATE runs SET attempts = 4 WHERE run_id = '{run.run_id}'")
    ended = carry_out(made)
    assert ended.state == "failed"
    assert "ended unexpectedly 4 times" in ended.message
