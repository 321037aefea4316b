"""A fine-tuning that is killed at any moment begins again by itself and ends in the same bytes."""

import random
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.trainer.children import run_again
from tests.trainer.installation import Installation, make_installation, wait_for
from thumbtune.core.manifest import CONFIG_NAME, WEIGHTS_NAME, hash_file
from thumbtune.core.store import runs

PROGRAMS = ("thumbtune.trainer.finetune", "thumbtune.trainer.evaluate")


@pytest.fixture
def installation(tmp_path: Path, tiny_base: Path) -> Iterator[Installation]:
    made = make_installation(tmp_path, tiny_base, train_attempts=1000)
    yield made
    made.store.engine.dispose()


def find_programs(trainer: psutil.Process) -> list[psutil.Process]:
    found = []
    for child in trainer.children():
        try:
            if any(program in child.cmdline() for program in PROGRAMS):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


def kill_at_random_moments(
    installation: Installation, trainer: psutil.Process, *, kills: int, longest_s: float, dice: random.Random
) -> int:
    """Kill whatever child is there, so many times or until the run has ended; return how many were killed."""
    killed, last = 0, None

    def find_next() -> psutil.Process | str | None:
        with installation.store.read() as conn:
            opened = [run for run in runs.list_runs(conn) if run.finished_at is None]
        programs = find_programs(trainer)
        assert len(opened) <= 1
        assert len(programs) <= 1, "two fine-tunings at once"
        return next((program for program in programs if program != last), None if opened else "ended")

    while killed < kills and not isinstance(found := wait_for(find_next), str):
        last = found
        try:
            last.wait(timeout=dice.uniform(0, longest_s))
        except psutil.TimeoutExpired:
            last.kill()
            killed += 1
    return killed


def check_same_bytes(installation: Installation, tmp_path: Path, run_id: str) -> None:
    """Compare every adapter with what the child program makes, undisturbed, of the snapshot that was kept."""
    settings = installation.settings
    undisturbed = run_again(settings.snapshots_dir / run_id, Path(settings.base_model), tmp_path / "undisturbed")
    for adapter in installation.list_adapters():
        for name in (WEIGHTS_NAME, CONFIG_NAME):
            assert hash_file(Path(adapter.path) / name) == hash_file(undisturbed / name), adapter.name


def test_run_killed_at_random_moments_ends_in_the_same_adapter(installation: Installation, tmp_path: Path) -> None:
    run_id = installation.queue_run().run_id
    with installation.start_trainer() as trainer:
        killed = kill_at_random_moments(installation, trainer, kills=3, longest_s=8.0, dice=random.Random(11))
        ended = installation.await_run(run_id, lambda found: found.finished_at is not None)
    assert killed == 3
    assert (ended.state, ended.attempts) == ("passed", 4), ended.message
    assert len(installation.list_adapters()) == 1
    check_same_bytes(installation, tmp_path, run_id)


@pytest.mark.soak
@pytest.mark.timeout(6 * 3600)
def test_two_hundred_kills_leave_one_run_at_a_time_and_the_same_adapter(
    installation: Installation, tmp_path: Path
) -> None:
    dice, killed, rounds = random.Random(29), 0, 0
    with installation.start_trainer() as trainer:
        while killed < 200:
            run_id = installation.queue_run().run_id
            rounds += 1
            killed += kill_at_random_moments(installation, trainer, kills=10, longest_s=20.0, dice=dice)
            ended = installation.await_run(run_id, lambda found: found.finished_at is not None, timeout_s=1800)
            print(f"{killed} kills in {rounds} runs", flush=True)
            assert ended.state == "passed", ended.message
    adapters = installation.list_adapters()
    assert len(adapters) == rounds
    check_same_bytes(installation, tmp_path, run_id)
    print(f"{killed} kills, {rounds} runs, {len(adapters)} adapters with the same bytes")
