"""What every test starts from: a clean environment, a clock that is set by hand, and the store on both databases.

It does not know single features; fixtures of one floor live in that floor's folder.
"""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from tests.postgres import PostgresServer, start_postgres
from thumbtune.core.sealing import Sealer
from thumbtune.core.store.engine import Store, open_store
from thumbtune.core.store.migrate import migrate_store

SESSION_KEY = Fernet.generate_key().decode()
_INHERITED = ("THUMBTUNE_", "SLACK_", "PG", "VLLM_", "OPENAI_", "HF_")


def pytest_configure() -> None:
    """Forget what this shell would tell our settings, and keep every test off the network."""
    for name in list(os.environ):
        if name.startswith(_INHERITED) or name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ["HF_HUB_OFFLINE"] = "1"


class Clock:
    """A clock that stands still until a test moves it; pass it wherever a `now` is asked for."""

    def __init__(self) -> None:
        self._now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self._now

    def advance(self, *, seconds: float) -> datetime:
        """Move forward and return the new time."""
        self._now += timedelta(seconds=seconds)
        return self._now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL of this test process, started on first use and gone at the end."""
    with start_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """The URL of a new, empty database on it."""
    return postgres_server.create_database()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file to copy: quicker than migrating for every test."""
    path = tmp_path_factory.mktemp("template") / "thumbtune.sqlite3"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> str:
    """The name of a migrated, empty database to copy."""
    url = postgres_server.create_database()
    _migrate(url)
    return sa.make_url(url).database or ""


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new, migrated, empty database: every test that asks for it runs on both kinds."""
    if request.param == "sqlite":
        path = tmp_path / "thumbtune.sqlite3"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.create_database(template=request.getfixturevalue("postgres_template"))


@pytest.fixture
def sealer() -> Sealer:
    """The sealer whose key every store of this test session is bound to."""
    return Sealer(SESSION_KEY)


@pytest.fixture
def store(store_url: str, sealer: Sealer, clock: Clock) -> Iterator[Store]:
    """A migrated, empty store on each kind of database, whose time is the `clock` fixture's."""
    opened = open_store(store_url, sealer, now=clock)
    yield opened
    opened.engine.dispose()


def _migrate(url: str) -> None:
    opened = open_store(url, Sealer(SESSION_KEY))
    migrate_store(opened)
    opened.engine.dispose()
