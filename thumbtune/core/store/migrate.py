"""Brings a store's tables to the shape this version knows, by Alembic.

It does not know what the shapes mean; `thumbtune migrate` and the single-machine modes call it.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from thumbtune.core.errors import ConfigError
from thumbtune.core.store.engine import Store, insert_row
from thumbtune.core.store.schema import installation

MIGRATIONS_DIR = Path(__file__).parent / "migrations"
_LOCK_KEY = 7_204_118
_KEY_MARK = "secret_key"


def migrate_store(store: Store, *, to: str = "head") -> None:
    """Apply every migration that is missing; safe when several processes start at once.

    Raises: ConfigError when the secret key is not the store's own.
    """
    config = _alembic_config()
    with store.write() as conn:
        if conn.dialect.name == "postgresql":
            conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})")
        config.attributes["connection"] = conn
        command.upgrade(config, to)
        if to != "head":
            return
        mark = insert_row(conn, installation).values(key=_KEY_MARK, value=_mark_key(store))
        conn.execute(mark.on_conflict_do_nothing())
    check_store(store)


def check_store(store: Store) -> None:
    """Check that the tables have the shape this version knows, and that the secret key is the store's own.

    A store is bound to the key it was first migrated with: another would open none of its sealed texts and would give
    known people new placeholders.
    Raises: ConfigError saying what to do.
    """
    wanted = ScriptDirectory.from_config(_alembic_config()).get_current_head()
    with store.read() as conn:
        found = MigrationContext.configure(conn).get_current_revision()
        mark = None
        if found == wanted:
            mark = conn.scalar(sa.select(installation.c.value).where(installation.c.key == _KEY_MARK))
    if found != wanted:
        raise ConfigError(
            [f"the store is at {found or 'no'} revision and this version needs {wanted}: run `thumbtune migrate`"]
        )
    if mark != _mark_key(store):
        raise ConfigError(
            [
                "the secret key is not the one this store was made with: restore THUMBTUNE_SECRET_KEY or the file "
                "secret.key in the data folder"
            ]
        )


def _mark_key(store: Store) -> str:
    return store.sealer.digest(_KEY_MARK)


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_DIR).replace("%", "%%"))
    return config
