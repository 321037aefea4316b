"""A run that is given up leaves no adapter behind, even when an attempt of it had put one in place."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.trainer.installation import Installation, make_installation
from tests.trainer.test_erasing import NoBackend
from tests.trainer.test_publish import CONFIG, MANIFEST
from thumbtune.core.manifest import CONFIG_NAME, WEIGHTS_NAME
from thumbtune.core.records import TrainingRun
from thumbtune.core.store import runs
from thumbtune.trainer.pipeline import Pipeline
from thumbtune.trainer.publish import list_published, publish_adapter


@pytest.fixture
def installation(tmp_path: Path, tiny_base: Path) -> Iterator[Installation]:
    made = make_installation(tmp_path, tiny_base)
    yield made
    made.store.engine.dispose()


@pytest.fixture
def cut_off(installation: Installation, tmp_path: Path) -> TrainingRun:
    """A run whose trainer died between its adapter's files and their row."""
    installation.queue_run()
    run = installation.claim_run()
    candidate = tmp_path / "candidate"
    candidate.mkdir()
    (candidate / CONFIG_NAME).write_text(json.dumps(CONFIG))
    (candidate / WEIGHTS_NAME).write_bytes(b"weights")
    manifest = replace(MANIFEST, run_id=run.run_id, gate={"decision": "passed", "reason": "better"})
    publish_adapter(candidate, adapters_dir=installation.settings.adapters_dir, manifest=manifest)
    with installation.store.write() as conn:
        runs.update_run(conn, run, state="evaluating", lease_owner=None, lease_until=None)
    return run


def carry_out(installation: Installation) -> TrainingRun:
    run = installation.claim_run()
    Pipeline(installation.store, installation.settings, backend=NoBackend(), stop=threading.Event()).carry_out(run)
    return installation.load_run(run.run_id)


def test_run_that_was_cut_off_after_publishing_is_entered(installation: Installation, cut_off: TrainingRun) -> None:
    assert carry_out(installation).state == "passed"
    assert list_published(installation.settings.adapters_dir) == [item.name for item in installation.list_adapters()]


def test_run_that_was_cancelled_after_publishing_enters_no_adapter(
    installation: Installation, cut_off: TrainingRun
) -> None:
    with installation.store.write() as conn:
        runs.request_cancel(conn, cut_off.run_id, now=installation.store.now())
    assert carry_out(installation).state == "cancelled"
    assert installation.list_adapters() == []
    assert list_published(installation.settings.adapters_dir) == []


def test_run_out_of_attempts_leaves_no_adapter_behind(installation: Installation, cut_off: TrainingRun) -> None:
    with installation.store.write() as conn:
        runs.update_run(conn, cut_off, attempts=99)
    assert carry_out(installation).state == "failed"
    assert installation.list_adapters() == []
    assert list_published(installation.settings.adapters_dir) == []
