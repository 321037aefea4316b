"""A command line with a store of its own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from thumbtune.cli.main import app
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store, connect_store, migrate_store

Run = Callable[..., Any]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store the commands use, migrated and empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THUMBTUNE_DATA_DIR", str(tmp_path / "data"))
    opened = connect_store(Settings())
    migrate_store(opened)
    return opened


@pytest.fixture
def run() -> Run:
    """Run a command and return what it printed, as JSON when --json was given; errors are raised."""

    def run_command(*arguments: str) -> Any:  # Any: text or JSON
        result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout) if "--json" in arguments else result.stdout

    return run_command


@pytest.fixture
def with_desk(store: Store, run: Run) -> Store:
    """A store with one desk, made as a person makes it."""
    run("desks", "add", "support", "--team", "T1", "--channel", "C1", "--agent", "U1", "--agent", "S1", "--lead", "U9")
    return store
