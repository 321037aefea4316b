"""What is committed ahead of the disk is brought there by a flush of the very file that SQLite wrote."""

import os
from pathlib import Path

import pysqlite3 as sqlite3
import pytest
import sqlalchemy as sa

from thumbtune.core.errors import StoreUnavailable
from thumbtune.core.sealing import Sealer
from thumbtune.core.store import engine
from thumbtune.core.store.engine import Store, open_store


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The inodes that were brought to the disk, one after the other."""
    inodes: list[int] = []
    for name in ("fsync", "fdatasync"):
        real = getattr(os, name)

        def note(file: int, real: object = real) -> None:
            inodes.append(os.fstat(file).st_ino)
            real(file)

        monkeypatch.setattr(os, name, note)
    return inodes


def open_through_link(tmp_path: Path, sealer: Sealer) -> tuple[Store, Path]:
    """Return a store whose folder and file are both reached by links, and its true folder."""
    folder = tmp_path / "disk"
    folder.mkdir()
    (folder / "true.sqlite3").touch()
    (folder / "linked.sqlite3").symlink_to(folder / "true.sqlite3")
    (tmp_path / "data").symlink_to(folder)
    store = open_store(f"sqlite:///{tmp_path}/data/linked.sqlite3", sealer)
    with store.write() as conn:
        conn.execute(sa.text("CREATE TABLE things (name TEXT)"))
    return store, folder


def test_flush_brings_the_log_to_the_disk_and_a_new_ones_name_once(
    tmp_path: Path, sealer: Sealer, synced: list[int]
) -> None:
    store, folder = open_through_link(tmp_path, sealer)
    log = folder / "true.sqlite3-wal"
    log_inode = log.stat().st_ino
    for number in range(3):
        before = log.stat().st_size
        with store.write_ahead() as conn:
            conn.execute(sa.text("INSERT INTO things VALUES (:name)"), {"name": f"thing {number}"})
        assert log.stat().st_size > before, "it was written elsewhere"
        store.flush()
    store.engine.dispose()
    assert synced == [folder.stat().st_ino, log_inode, log_inode, log_inode]


def test_what_is_written_ahead_does_not_wait_for_the_disk_and_the_rest_does(tmp_path: Path, sealer: Sealer) -> None:
    store, _ = open_through_link(tmp_path, sealer)
    levels = []
    for write in (store.write_ahead, store.write, store.write_ahead):
        with write() as conn:
            levels.append(conn.execute(sa.text("PRAGMA synchronous")).scalar_one())
    assert levels == [1, 2, 1], "1 is NORMAL, 2 is FULL"


def test_log_that_cannot_be_flushed_is_told_like_a_store_that_is_down(tmp_path: Path, sealer: Sealer) -> None:
    store, folder = open_through_link(tmp_path, sealer)
    store.engine.dispose()  # the last connection takes the log along
    assert not (folder / "true.sqlite3-wal").exists()
    with pytest.raises(StoreUnavailable, match="the database's log cannot be written: No such file"):
        store.flush()


@pytest.mark.parametrize("hindrance", ["reader", "disk"])
def test_after_a_failure_nothing_counts_as_written_before_all_of_the_log_is(
    tmp_path: Path, sealer: Sealer, monkeypatch: pytest.MonkeyPatch, hindrance: str
) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_S", 0.1)
    store, folder = open_through_link(tmp_path, sealer)
    assert store.log_file is not None
    store.log_file.is_broken = True
    if hindrance == "reader":
        with store.read() as conn:
            conn.execute(sa.text("SELECT * FROM things"))
            with pytest.raises(StoreUnavailable, match="still in use"):
                store.flush()
    else:
        with monkeypatch.context() as patch:
            patch.setattr(engine, "empty_wal", lambda _: sqlite3.connect("/nowhere/at/all"))
            with pytest.raises(StoreUnavailable, match="look at the disk"):
                store.flush()
    assert (folder / "true.sqlite3-wal").stat().st_size > 0
    store.flush()
    assert (folder / "true.sqlite3-wal").stat().st_size == 0


def test_log_that_was_made_anew_is_the_one_that_is_flushed(tmp_path: Path, sealer: Sealer, synced: list[int]) -> None:
    store, folder = open_through_link(tmp_path, sealer)
    store.flush()
    store.engine.dispose()
    with store.write_ahead() as conn:
        conn.execute(sa.text("INSERT INTO things VALUES ('a thing')"))
    store.flush()
    assert synced[-2:] == [folder.stat().st_ino, (folder / "true.sqlite3-wal").stat().st_ino]


def test_database_given_as_uri_waits_for_the_disk_with_every_commit(tmp_path: Path, sealer: Sealer) -> None:
    store = open_store(f"sqlite:///file:{tmp_path}/a.sqlite3?uri=true", sealer)
    assert store.log_file is None
    with store.write_ahead() as conn:
        assert conn.execute(sa.text("PRAGMA synchronous")).scalar_one() == 2
    store.flush()


def test_without_a_log_every_commit_waits_for_the_disk(store: Store, sealer: Sealer) -> None:
    setting, waits = "SHOW synchronous_commit", "on"
    if store.engine.dialect.name == "sqlite":
        store, setting, waits = open_store("sqlite://", sealer), "PRAGMA synchronous", "2"
    else:
        with store.write() as conn:
            name = sa.make_url(store.engine.url).database
            conn.execute(
                sa.text(f'ALTER DATABASE "{name}" SET synchronous_commit TO on')
            )  # the tests' server has it off
        store.engine.dispose()
    assert store.log_file is None
    with store.write_ahead() as conn:
        assert str(conn.execute(sa.text(setting)).scalar_one()) == waits
    store.flush()
