import threading
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from cryptography.fernet import Fernet

from thumbtune.core.errors import ConfigError, StoreUnavailable
from thumbtune.core.sealing import Sealer
from thumbtune.core.store import Store, check_store, migrate_store, open_store
from thumbtune.core.store.schema_training import metadata


def test_migrations_make_the_tables_that_the_schema_declares(store: Store) -> None:
    with store.read() as conn:
        context = MigrationContext.configure(conn, opts={"include_object": is_declared, "compare_type": True})
        assert compare_metadata(context, metadata) == []


def is_declared(_item: object, name: str, kind: str, _reflected: bool, _other: object) -> bool:
    """Leave out what only one database has: the full-text tables, column and index."""
    return not name.startswith("passages_fts") and (kind, name) not in {
        ("column", "search"),
        ("index", "ix_passages_search"),
    }


def test_processes_that_start_at_once_migrate_once(postgres_url: str, sealer: Sealer) -> None:
    stores = [open_store(postgres_url, sealer) for _ in range(3)]
    threads = [threading.Thread(target=migrate_store, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        check_store(store)
        store.engine.dispose()


def test_store_that_was_never_migrated_says_which_command_to_run(sealer: Sealer) -> None:
    store = open_store("sqlite://", sealer)
    with pytest.raises(ConfigError, match="run `thumbtune migrate`"):
        check_store(store)
    store.engine.dispose()


def test_store_is_bound_to_the_key_it_was_made_with(store: Store) -> None:
    check_store(store)
    migrate_store(store)
    stranger = replace(store, sealer=Sealer(Fernet.generate_key().decode()))
    for use in (check_store, migrate_store):
        with pytest.raises(ConfigError, match="the secret key is not the one this store was made with"):
            use(stranger)
    check_store(store)


def test_store_made_before_it_was_bound_takes_the_key_it_is_migrated_with(tmp_path: Path, sealer: Sealer) -> None:
    store = open_store(f"sqlite:///{tmp_path}/old.sqlite3", sealer)
    migrate_store(store, to="0001")
    with pytest.raises(ConfigError, match="is at 0001 revision"):
        check_store(store)
    migrate_store(store)
    check_store(store)
    store.engine.dispose()


def test_database_that_does_not_answer_is_told_from_a_fault_of_ours(sealer: Sealer) -> None:
    store = open_store("postgresql+psycopg://nobody@127.0.0.1:1/none", sealer)
    with pytest.raises(StoreUnavailable, match="does not answer"), store.read():
        pass
    store.engine.dispose()


def test_failed_block_leaves_nothing_behind(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.write() as conn:
        conn.execute(
            sa.insert(metadata.tables["audit"]).values(at=store.now(), actor="x", action="x", subject="x", detail={})
        )
        raise ZeroDivisionError
    with store.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(metadata.tables["audit"])).scalar_one() == 0
