"""Brings a store's tables to the shape this version knows, by Alembic.

It does not know what the shapes mean; `thumbtune migrate` and the single-machine modes call it.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from thumbtune.core.errors import ConfigError
from thumbtune.core.store.engine import Store

MIGRATIONS_DIR = Path(__file__).parent / "migrations"
_LOCK_KEY = 7_204_118


def migrate_store(store: Store) -> None:
    """Apply every migration that is missing; safe when several processes start at once."""
    config = _alembic_config()
    with store.write() as conn:
        if conn.dialect.name == "postgresql":
            conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})")
        config.attributes["connection"] = conn
        command.upgrade(config, "head")


def check_store(store: Store) -> None:
    """Check that the tables have the shape this version knows.

    Raises: ConfigError saying which command to run.
    """
    wanted = ScriptDirectory.from_config(_alembic_config()).get_current_head()
    with store.read() as conn:
        found = MigrationContext.configure(conn).get_current_revision()
    if found != wanted:
        raise ConfigError(
            [f"the store is at {found or 'no'} revision and this version needs {wanted}: run `thumbtune migrate`"]
        )


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_DIR).replace("%", "%%"))
    return config
