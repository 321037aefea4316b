"""What a trainer holds on to: its run, however long a step takes, and a training, though the database hiccups."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from tests.trainer.installation import Installation, make_installation, wait_for
from tests.trainer.test_erasing import NoBackend
from tests.trainer.test_judging import Backend, carry_out
from thumbtune.core.errors import LeaseLost
from thumbtune.core.records import TrainingRun
from thumbtune.core.store import connect_store, runs
from thumbtune.trainer.pipeline import Pipeline


@pytest.fixture
def installation(tmp_path: Path, tiny_base: Path) -> Iterator[Installation]:
    made = make_installation(tmp_path, tiny_base, pairs=40, train_min_steps=8, gate_min_threads=1000)
    yield made
    made.store.engine.dispose()


def test_database_that_fails_once_at_every_write_after_a_training_costs_no_second_training(
    installation: Installation,
) -> None:
    to_fail = ["INSERT INTO run_courses", "INSERT INTO reply_scores", "INSERT INTO adapters"]
    main = threading.current_thread()

    @event.listens_for(installation.store.engine, "before_cursor_execute")
    def fail_once(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if to_fail and statement.startswith(to_fail[0]) and threading.current_thread() is main:
            to_fail.pop(0)
            raise OperationalError(statement, {}, OSError("gone for a moment"))

    backend = Backend()
    run = carry_out(installation, backend)
    assert backend.programs == ["finetune"]
    assert to_fail == []
    assert (run.state, run.attempts, run.adapter) == ("inconclusive", 1, "support-0001"), run.message
    assert [item.name for item in installation.list_adapters()] == ["support-0001"]


def test_selection_that_takes_longer_than_the_lease_keeps_the_run(installation: Installation) -> None:
    lease_s = 3.0
    settings = installation.settings.model_copy(update={"lease_s": lease_s})
    other, claimed = connect_store(settings), list[TrainingRun | None]()

    def claim() -> TrainingRun | None:
        with other.write() as conn:
            claimed.append(runs.claim_run(conn, owner="other", now=other.now(), lease_s=lease_s))
        return claimed[-1]

    @event.listens_for(installation.store.engine, "before_cursor_execute")
    def take_long(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "FROM golden_cases" in statement and not claimed:
            ends_at = time.monotonic() + 2 * lease_s
            wait_for(lambda: claim() or time.monotonic() > ends_at)

    installation.queue_run()
    with installation.store.write() as conn:
        run = runs.claim_run(conn, owner="test", now=installation.store.now(), lease_s=lease_s)
    assert run is not None
    with pytest.raises(LeaseLost, match="finetune is not started"):
        Pipeline(installation.store, settings, backend=NoBackend(), stop=threading.Event()).carry_out(run)
    assert len(claimed) > 1
    assert set(claimed) == {None}
    assert (settings.snapshots_dir / run.run_id).is_dir()
    assert wait_for(claim).run_id == run.run_id
    other.engine.dispose()
