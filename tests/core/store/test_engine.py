"""Transactions: which of them wait for the disk."""

import sqlalchemy as sa

from thumbtune.core.store import Store

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
