"""What a trainer holds on to: a database that hiccups costs no training."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from tests.trainer.installation import Installation, make_installation
from tests.trainer.test_judging import Backend, carry_out


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
