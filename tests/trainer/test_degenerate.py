"""Runs that have nothing to learn from, too much of it, or a machine that fails: each says so, and the next one works."""

import re
import resource
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.trainer.children import find_children
from tests.trainer.installation import Installation, make_installation
from thumbtune.core.manifest import CARD_NAME, hash_base, verify_adapter
from thumbtune.core.records import TrainingRun
from thumbtune.trainer.backend import Job, LocalBackend, TrainerBackend
from thumbtune.trainer.pipeline import Pipeline


@pytest.fixture
def empty(tmp_path: Path, tiny_base: Path) -> Iterator[Installation]:
    base = tmp_path / "tiny"
    shutil.copytree(tiny_base, base)
    made = make_installation(tmp_path, base, pairs=0)
    yield made
    made.store.engine.dispose()


class FaultyBackend:
    """Starts children and lets something happen to the first of them."""

    def __init__(self, fault: Callable[[], None]) -> None:
        self._fault: Callable[[], None] | None = fault

    def submit(self, program: str, *, arguments: Sequence[str], log_path: Path, processes: int = 1) -> Job:
        job = LocalBackend().submit(program, arguments=arguments, log_path=log_path, processes=processes)
        if self._fault:
            self._fault()
            self._fault = None
        return job


def run_once(installation: Installation, backend: TrainerBackend | None = None) -> TrainingRun:
    installation.queue_run()
    run = installation.claim_run()
    stop = threading.Event()
    Pipeline(installation.store, installation.settings, backend=backend or LocalBackend(), stop=stop).carry_out(run)
    ended = installation.load_run(run.run_id)
    assert ended.finished_at is not None
    assert list(installation.settings.snapshots_dir.glob(".*")) == []
    return ended


def test_nothing_three_and_copies_are_refused_and_endless_texts_are_left_out(empty: Installation) -> None:
    ended = run_once(empty)
    assert (ended.state, ended.message.split(",")[0]) == ("failed", "0 approved replies can be trained on")
    empty.add_pairs(range(3))
    ended = run_once(empty)
    assert ended.state == "failed"
    assert "20 are needed; approve more replies and try again" in ended.message
    for thread in range(100, 160):
        empty.add_pair(thread, question="Where is my order?", reply="Hello! It is on its way.")
    ended = run_once(empty)
    assert ended.state == "failed"
    assert "20 are needed" in ended.message
    assert empty.list_adapters() == []

    empty.add_pairs(range(3, 60))
    for thread in range(900, 906):
        empty.add_pair(thread, question=f"Tell me all about {thread}.", reply=f"word{thread} " * 6_000)
        empty.add_pair(thread + 100, question=f"word{thread} " * 6_000, reply=f"Hello! Lamp {thread} is fine. Bye 0.")
    ended = run_once(empty)
    assert ended.state == "passed", ended.message
    told = re.findall(r"(\d+) × (prompt|reply) too long", ended.message)
    assert {kind: sum(int(count) for count, other in told if other == kind) for _, kind in told} == {
        "prompt": 6,
        "reply": 6,
    }
    [adapter] = empty.list_adapters()
    verify_adapter(Path(adapter.path))
    card = (Path(adapter.path) / CARD_NAME).read_text()
    assert str(ended.snapshot_hash) in card
    assert "reply too long" in card
    assert "Lamp" not in card
    assert "lamp shop" not in card


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        ("", "is not on this machine"),
        ("config.json", "has no config.json"),
        ("tokenizer.json", "has no tokenizer.json"),
    ],
)
def test_base_that_is_gone_fails_the_run_before_anything_is_frozen(empty: Installation, gone: str, told: str) -> None:
    empty.add_pairs(range(60))
    base = Path(empty.settings.base_model)
    (base / gone).rename(base.parent / "away")
    ended = run_once(empty)
    assert (ended.state, ended.snapshot_hash) == ("failed", "")
    assert told in ended.message


def test_base_that_changes_under_a_run_and_a_full_disk_fail_it_and_the_next_one_works(empty: Installation) -> None:
    empty.add_pairs(range(60))
    base = Path(empty.settings.base_model)
    weights = base / "model.safetensors"
    content = bytearray(weights.read_bytes())
    before = hash_base(base)

    def change_base() -> None:
        content[-1] ^= 1
        weights.write_bytes(content)

    ended = run_once(empty, FaultyBackend(change_base))
    assert (ended.state, ended.attempts) == ("failed", 1)
    assert "changed since the run's data was frozen; start a new run" in ended.message
    assert hash_base(base) != before

    def fill_disk() -> None:
        for child in find_children():
            resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (16 << 10, 16 << 10))

    ended = run_once(empty, FaultyBackend(fill_disk))
    assert (ended.state, ended.attempts) == ("failed", 1), ended.message
    assert "disk is full; free some space" in ended.message
    assert empty.list_adapters() == []

    ended = run_once(empty)
    assert ended.state == "passed", ended.message
    [adapter] = empty.list_adapters()
    assert verify_adapter(Path(adapter.path)).base_hash == hash_base(base)
