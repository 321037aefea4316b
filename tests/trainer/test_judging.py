"""A fine-tuning that goes on to judge what it made, and a judging of its own where it did not."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.trainer.installation import Installation, make_installation
from thumbtune.core.records import TrainingRun
from thumbtune.core.store import adapters
from thumbtune.core.store.schema_training import reply_scores
from thumbtune.trainer.backend import Job, JobStatus, LocalBackend
from thumbtune.trainer.child import EXIT_OK, EXIT_OUT_OF_MEMORY
from thumbtune.trainer.pipeline import Pipeline

pytestmark = pytest.mark.timeout(600)  # three programs that import torch, on a machine that may be busy


class Backend:
    """Runs the real child programs, remembers which, and may let a fine-tuning end before it judges."""

    def __init__(
        self, *, judges: bool = True, exit_code: int = EXIT_OK, on_trained: Callable[[], None] = lambda: None
    ) -> None:
        self.programs: list[str] = []
        self._judges = judges
        self._exit_code = exit_code
        self._on_trained = on_trained

    def submit(self, program: str, *, arguments: Sequence[str], log_path: Path, processes: int = 1) -> Job:
        self.programs.append(program)
        arguments = list(arguments)
        if program == "finetune" and not self._judges:
            place = arguments.index("--evaluation")
            del arguments[place : place + 2]
        job = LocalBackend().submit(program, arguments=arguments, log_path=log_path, processes=processes)
        return _FineTuning(job, self._exit_code, self._on_trained) if program == "finetune" else job


class _FineTuning:
    def __init__(self, job: Job, exit_code: int, on_trained: Callable[[], None]) -> None:
        self._job = job
        self._exit_code = exit_code
        self._on_trained = on_trained
        self._is_trained = False

    def poll(self) -> JobStatus:
        if self._is_trained:
            self._on_trained()
        status = self._job.poll()
        self._is_trained = any(event["event"] == "result" for event in status.events)
        return JobStatus(status.events, self._exit_code if status.exit_code == EXIT_OK else status.exit_code)

    def cancel(self) -> None:
        self._job.cancel()


def carry_out(installation: Installation, backend: Backend) -> TrainingRun:
    installation.queue_run()
    run = installation.claim_run()
    pipeline = Pipeline(installation.store, installation.settings, backend=backend, stop=threading.Event())
    pipeline.carry_out(run)
    return installation.load_run(run.run_id)


def make_live(installation: Installation, name: str) -> None:
    now = installation.store.now()
    with installation.store.write() as conn:
        adapters.mark_proven(conn, name, now=now)
        adapters.promote(conn, name, now=now)


def read_figures(installation: Installation, run: TrainingRun) -> list[object]:
    """Return what judging said about a run."""
    columns = [column for column in reply_scores.columns if column.name != "run_id"]
    with installation.store.read() as conn:
        scores = conn.execute(sa.select(*columns).where(reply_scores.c.run_id == run.run_id).order_by(*columns)).all()
    assert len(scores) == run.held_out
    return [scores, run.gate, run.message]


def test_training_that_goes_on_to_judge_finds_what_a_program_of_its_own_finds(tmp_path: Path, tiny_base: Path) -> None:
    installation = make_installation(tmp_path, tiny_base, gate_mixed_up=True, train_min_steps=8)
    states: list[str] = []

    def look() -> None:
        with installation.store.read() as conn:
            states.extend(conn.exec_driver_sql("SELECT state FROM runs").scalars())

    together, apart = Backend(on_trained=look), Backend(judges=False, exit_code=EXIT_OUT_OF_MEMORY)
    first, second = carry_out(installation, together), carry_out(installation, apart)
    assert (together.programs, states) == (["finetune"], ["evaluating"])
    assert apart.programs == ["finetune", "evaluate"]
    assert read_figures(installation, first) == read_figures(installation, second)


def test_adapter_that_goes_live_during_the_training_is_what_the_candidate_is_compared_with(
    tmp_path: Path, tiny_base: Path
) -> None:
    installation = make_installation(tmp_path, tiny_base)
    first = carry_out(installation, Backend())
    assert first.state == "passed", first.message
    changing = Backend(on_trained=lambda: make_live(installation, str(first.adapter)))
    second = carry_out(installation, changing)
    assert changing.programs == ["finetune", "evaluate"]
    assert second.state == "inconclusive"
    assert second.nll_live == pytest.approx(second.nll_candidate)
