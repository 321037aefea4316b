from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from thumbtune.core.sealing import Sealer
from thumbtune.core.store import Store, migrate_store, open_store
from thumbtune.core.store.audits import ChainReport, list_acts, record_act, verify_chain
from thumbtune.core.store.schema import audit


def act(store: Store, subject: str, **detail: object) -> None:
    with store.write() as conn:
        record_act(conn, actor="U1", action="pair_withdrawn", subject=subject, now=store.now(), detail=detail)


def verify(store: Store, noted_head: str = "") -> ChainReport:
    with store.read() as conn:
        return verify_chain(conn, noted_head=noted_head)


def tamper(store: Store, *statements: str) -> None:
    """Do what only someone with the database in their hands can do: the guards off, the rows changed, the guards on."""
    is_postgres = store.engine.dialect.name == "postgresql"
    with store.write() as conn:
        guards = conn.execute(sa.text("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit'"))\
            .scalars().all() if not is_postgres else []  # fmt: skip
        if is_postgres:
            conn.exec_driver_sql("ALTER TABLE audit DISABLE TRIGGER USER")
        for guard in guards:
            conn.exec_driver_sql(f"DROP TRIGGER {guard.split()[2]}")
        for statement in statements:
            conn.execute(sa.text(statement))
        if is_postgres:
            conn.exec_driver_sql("ALTER TABLE audit ENABLE TRIGGER USER")
        for guard in guards:
            conn.exec_driver_sql(guard)


@pytest.fixture
def five(store: Store) -> Store:
    """A store with the acts 1 to 5."""
    for number in range(1, 6):
        act(store, str(number), pairs=number, share=0.25)
    return store


def test_acts_are_chained_in_order_and_listed_newest_first(five: Store) -> None:
    with five.read() as conn:
        acts = list_acts(conn, limit=10)
    assert [item.subject for item in acts] == ["5", "4", "3", "2", "1"]
    assert [item.prev_hash for item in acts] == [*(item.hash for item in acts[1:]), ""]
    assert verify(five) == ChainReport(5, acts[0].hash, None, "")


def test_empty_audit_is_sound(store: Store) -> None:
    assert verify(store) == ChainReport(0, "", None, "")


def test_act_of_a_failed_transaction_leaves_nothing(five: Store) -> None:
    with pytest.raises(ZeroDivisionError), five.write() as conn:
        record_act(conn, actor="U1", action="x", subject="6", now=five.now())
        raise ZeroDivisionError
    act(five, "7")
    assert verify(five).acts == 6


COPY = "INSERT INTO audit (audit_id, at, actor, action, subject, detail, prev_hash, hash) SELECT"


@pytest.mark.parametrize(
    ("statements", "broken_id", "words"),
    [
        (["UPDATE audit SET subject = '99' WHERE audit_id = 3"], 3, "changed"),
        (["UPDATE audit SET actor = 'U2' WHERE audit_id = 5"], 5, "changed"),
        (["""UPDATE audit SET detail = '{"pairs": 2, "share": 0.5}' WHERE audit_id = 2"""], 2, "changed"),
        (["DELETE FROM audit WHERE audit_id = 1"], 2, "removed"),
        (["DELETE FROM audit WHERE audit_id = 3"], 4, "removed"),
        (["DELETE FROM audit WHERE audit_id > 3"], None, "newest rows were removed: 3 are left"),
        (["DELETE FROM audit"], None, "newest rows were removed: 0 are left"),
        ([f"UPDATE audit SET audit_id = {new} WHERE audit_id = {old}" for old, new in ((2, 9), (3, 2), (9, 3))], 2,
         "another order"),
        (["UPDATE audit SET audit_id = audit_id + 100 WHERE audit_id > 2",
          f"{COPY} 3, at, actor, action, subject, detail, prev_hash, hash FROM audit WHERE audit_id = 2"], 3, "added"),
        ([f"{COPY} 60, at, actor, action, subject, detail, prev_hash, hash FROM audit WHERE audit_id = 5"], 60, "added"),
    ],
)  # fmt: skip
def test_first_row_that_is_not_as_written_is_named(
    five: Store, statements: list[str], broken_id: int | None, words: str
) -> None:
    tamper(five, *statements)
    report = verify(five)
    assert report.broken_id == broken_id
    assert words in report.finding
    act(five, "later")
    assert verify(five).finding, "a later act must not heal the chain"


def test_row_forged_with_a_right_hash_behind_the_newest_is_named(five: Store) -> None:
    head = verify(five).head
    act(five, "forged")
    tamper(five, f"UPDATE installation SET value = '{head}' WHERE key = 'audit_head'")
    report = verify(five)
    assert (report.broken_id, report.finding) == (6, "row 6 was added behind the kept head")


def test_head_noted_elsewhere_tells_what_the_kept_one_cannot(five: Store) -> None:
    noted = verify(five).head
    act(five, "6")
    assert verify(five, noted).finding == ""
    tamper(five, "DELETE FROM audit WHERE audit_id > 4",
           "UPDATE installation SET value = (SELECT hash FROM audit WHERE audit_id = 4) WHERE key = 'audit_head'")  # fmt: skip
    assert verify(five).finding == ""
    assert noted in verify(five, noted).finding


REPLACE = "INSERT OR REPLACE INTO audit (audit_id, at, actor, action, subject, detail) VALUES (5, '', '', '', '', '{}')"


def test_database_refuses_whatever_is_not_an_addition(five: Store) -> None:
    own = "TRUNCATE audit" if five.engine.dialect.name == "postgresql" else REPLACE
    for statement in ("UPDATE audit SET subject = '99'", "DELETE FROM audit WHERE audit_id = 5", own):
        with pytest.raises(DBAPIError, match="rows of the audit are never"), five.write() as conn:
            conn.execute(sa.text(statement))
    assert (verify(five).acts, verify(five).finding) == (5, "")


def test_many_writers_make_one_chain(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: act(store, str(number)), range(64)))
    assert (verify(store).acts, verify(store).finding) == (64, "")


def test_verifying_while_others_write_finds_nothing_wrong(store: Store) -> None:
    with ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(act, store, str(number)) for number in range(100)]
        while not all(job.done() for job in writing):
            assert verify(store).finding == ""
    assert verify(store).acts == 100


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_rows_from_before_the_chain_are_chained(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, sealer: Sealer
) -> None:
    url = f"sqlite:///{tmp_path}/old.sqlite3" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    store = open_store(url, sealer)
    migrate_store(store, to="0003")
    old = [audit.c[name] for name in ("at", "actor", "action", "subject", "detail")]
    with store.write() as conn:
        for number in range(3):
            values = [store.now(), "cli", "desk_changed", "support", {"changed": ["name", "voice"], "n": number}]
            conn.execute(sa.insert(audit).values(dict(zip(old, values, strict=True))))
    migrate_store(store)
    assert (verify(store).acts, verify(store).finding) == (3, "")
    act(store, "new")
    assert (verify(store).acts, verify(store).finding) == (4, "")
    store.engine.dispose()
