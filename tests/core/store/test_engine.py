"""Transactions: which of them wait for the disk, and that their statements stay prepared."""

from pathlib import Path

import pysqlite3 as sqlite3
import sqlalchemy as sa
from cryptography.fernet import Fernet

from thumbtune.core.sealing import Sealer
from thumbtune.core.store import Store
from thumbtune.core.store.engine import open_store

FULL = {"sqlite": 2, "postgresql": "on"}
PASSING = {"sqlite": 1, "postgresql": "off"}


def read_waits(conn: sa.Connection) -> object:
    """Return the database's own word for whether this transaction's commit waits for the disk."""
    question = "PRAGMA synchronous" if conn.dialect.name == "sqlite" else "SHOW synchronous_commit"
    return conn.exec_driver_sql(question).scalar_one()


def test_only_what_need_not_last_does_not_wait_for_the_disk(store: Store) -> None:
    name = store.engine.dialect.name
    if name == "postgresql":  # the tests' own server waits for nothing
        with store.engine.begin() as conn:
            conn.exec_driver_sql("SET SESSION synchronous_commit TO on")
    for is_lasting in (True, False, True, False, False, True):
        with store.write(is_lasting=is_lasting) as conn:
            assert read_waits(conn) == (FULL if is_lasting else PASSING)[name]
    with store.write() as conn:
        assert read_waits(conn) == FULL[name]


def test_sqlite_statement_stays_prepared_after_hundreds_of_others(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite3", Sealer(Fernet.generate_key().decode()))
    looked_at: list[object] = []

    def note(*told: object) -> int:
        looked_at.append(told)
        return sqlite3.SQLITE_OK

    with store.engine.connect() as conn:
        driver = conn.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.set_authorizer(note)  # asked whenever a statement is prepared, not when it is run
        for number in range(300):
            conn.exec_driver_sql(f"SELECT {number}")
        conn.exec_driver_sql("SELECT 1000")
        conn.exec_driver_sql("SELECT 1001")
        looked_at.clear()
        conn.exec_driver_sql("SELECT 1000")
        assert looked_at == []
        conn.exec_driver_sql("SELECT 1002")
        assert looked_at != []
    store.engine.dispose()
