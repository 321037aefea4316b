"""Opens the database and hands out transactions; the one place that knows how SQLite and PostgreSQL differ in that.

It does not know the tables' meaning.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pysqlite3 as sqlite3
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from thumbtune.core.errors import ConfigError, StoreBusy, StoreUnavailable
from thumbtune.core.sealing import Sealer
from thumbtune.core.store.log_file import LogFile
from thumbtune.core.store.prepared import INSERTS, run_plain
from thumbtune.core.store.turn import Turn

SAFE_WAL_VERSION = (3, 51, 3)
"""First SQLite whose write-ahead log is safe with several writers; Python's own is often older, pysqlite3 brings one.

Source: sqlite.org/wal.html, seen 2026-11-20.
"""

BUSY_TIMEOUT_S = 30.0
KEPT_STATEMENTS = 1000
"""Prepared statements that a connection to SQLite keeps: more than we have.

When there are more, those used first are kept, such as the migrations', and all others are prepared anew each time: so
seen with pysqlite3 0.6.1, whose default is 128.
"""
DEADLOCK = "40P01"
"""Source: psycopg.errors.DeadlockDetected.sqlstate, seen 2026-11-21."""

Step = Callable[[sa.Connection, list[Any]], None]  # Any: what was put off for it
_LastSteps = dict[tuple[bool, Step], list[Any]]  # Any: as above
_LAST_STEPS = "thumbtune_last_steps"


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Store:
    """The database of an installation: transactions, the sealer for texts at rest, and the clock."""

    engine: sa.Engine
    sealer: Sealer
    now: Callable[[], datetime] = utc_now
    turn: contextlib.AbstractContextManager[object] = field(default_factory=contextlib.nullcontext)
    """Held while writing: SQLite makes waiting writers poll, so the threads of one process queue here instead."""
    holds_contradictions: bool = True
    """Whether a contradiction keeps the newer pair out; every writer settles pairs anew, so that all must know."""
    log_file: LogFile | None = None
    """SQLite's write-ahead log: with it, commits can be brought to the disk apart from being made."""

    @contextlib.contextmanager
    def write(self, *, is_lasting: bool = True) -> Iterator[sa.Connection]:
        """Open a transaction that may write; it commits at the end of the block or leaves nothing behind.

        On SQLite writers follow one another from the start of the block. What is not lasting, such as a lease or what
        can be done anew, survives the end of every process but may be undone by a power cut: its commit does not wait
        for the disk. Whatever is lasting and comes after it brings it to the disk too, so nothing is there without what
        it follows from.
        Raises: StoreUnavailable when the database does not answer; StoreBusy when two writers waited for each other.
        """
        with _mapped_errors(), self.turn, self.engine.connect() as conn:
            conn.execution_options(thumbtune_write=True, thumbtune_lasting=is_lasting)
            with conn.begin():
                if not is_lasting and conn.dialect.name == "postgresql":
                    conn.exec_driver_sql("SET LOCAL synchronous_commit TO off")
                info, last_steps = conn.info, _LastSteps()
                info[_LAST_STEPS] = last_steps
                try:
                    yield conn
                    while last_steps:
                        very_last, step = min(last_steps, key=lambda key: key[0])
                        step(conn, last_steps.pop((very_last, step)))
                finally:
                    del info[_LAST_STEPS]

    @contextlib.contextmanager
    def write_ahead(self) -> Iterator[sa.Connection]:
        """As `write`, for what is lasting only after `flush`: others see it before, and may go on from it.

        Raises: as `write`.
        """
        with self.write(is_lasting=self.log_file is None) as conn:
            yield conn

    def flush(self) -> None:
        """Return when all that was committed until now is on the disk.

        What a disk once failed to write it does not try again: then everything has to be written back from the log first.
        Raises: StoreUnavailable.
        """
        log_file = self.log_file
        if log_file is None:
            return
        if log_file.is_broken:
            try:
                is_written = empty_wal(self)
            except (sqlite3.Error, DBAPIError) as exc:
                raise StoreUnavailable("the database's log cannot be written back; look at the disk") from exc
            if not is_written:
                raise StoreUnavailable("the database's log was not written and is still in use; it is tried again")
            log_file.is_broken = False
        try:
            log_file.flush()
        except OSError as exc:
            raise StoreUnavailable(f"the database's log cannot be written: {exc.strerror}; look at the disk") from exc

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Open a transaction that only reads.

        Raises: StoreUnavailable when the database does not answer.
        """
        with _mapped_errors(), self.engine.connect() as conn, conn.begin():
            yield conn


def open_store(
    url: str, sealer: Sealer, *, now: Callable[[], datetime] = utc_now, holds_contradictions: bool = True
) -> Store:
    """Return a store on this database URL; it does not migrate."""
    if sa.make_url(url).get_backend_name() == "sqlite":
        engine, log_file = _open_sqlite(url)
        return Store(engine, sealer, now, Turn(), holds_contradictions, log_file)
    engine = sa.create_engine(url, pool_pre_ping=True, hide_parameters=True)
    return Store(engine, sealer, now, holds_contradictions=holds_contradictions)


def empty_wal(store: Store) -> bool:
    """Write SQLite's log back and empty it, so that it holds no more what was erased; False while others read.

    With `secure_delete`, what was erased is then nowhere in the files. PostgreSQL keeps its own house.
    """
    if store.engine.dialect.name != "sqlite":
        return True
    connection = store.engine.raw_connection()
    try:
        (is_busy, *_) = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not is_busy
    finally:
        connection.close()


def put_off(conn: sa.Connection, step: Step, item: object, *, very_last: bool = False) -> None:
    """Have `step` done with all its items just before this transaction of `Store.write` commits.

    For rows that all writers share: their lock is taken last and held briefly, and no two writers can deadlock on it.
    What is to be done very last may be put off by other steps still.
    """
    conn.info[_LAST_STEPS].setdefault((very_last, step), []).append(item)


def do_now(conn: sa.Connection, step: Step) -> None:
    """Do what was put off for a step so far, because its outcome is needed in this transaction."""
    items = conn.info[_LAST_STEPS].pop((False, step), [])
    if items:
        step(conn, items)


def insert_row(conn: sa.Connection, table: sa.Table) -> Any:  # Any: either dialect's Insert, both with on_conflict_*
    """Return this dialect's INSERT, which knows ON CONFLICT."""
    return INSERTS[conn.dialect.name](table)


def match_columns(table: sa.FromClause, names: Iterable[str], *, prefix: str = "") -> sa.ColumnElement[bool]:
    """Return the condition that these columns hold the parameters of their names, or of `prefix` and their names.

    An UPDATE needs the prefix: it takes a parameter with a column's own name for the new value.
    """
    return sa.and_(*(table.c[name] == sa.bindparam(f"{prefix}{name}") for name in names))


def changes_a_row(conn: sa.Connection, insert: Any) -> bool:  # Any: either dialect's Insert
    """Run an INSERT with ON CONFLICT and return whether it added or changed a row.

    The drivers' row counts cannot tell: PostgreSQL's is -1 when SQLAlchemy asks for the new key.
    """
    return conn.execute(insert.returning(sa.literal(1))).first() is not None


def _open_sqlite(url: str) -> tuple[sa.Engine, LogFile | None]:
    database, options, log_file = sa.make_url(url).database, dict[str, Any](), None
    has_log = sqlite3.sqlite_version_info >= SAFE_WAL_VERSION
    if database and not database.startswith((":memory:", "file:")):  # a URI leaves to SQLite where the file is
        log_file = LogFile(Path(f"{os.path.realpath(database)}-wal")) if has_log else None
        Path(database).parent.mkdir(parents=True, exist_ok=True)
        # The connection used last goes first: SQLite drops what one has read once another one has written.
        options = {"pool_use_lifo": True}
    connect_args = {"timeout": BUSY_TIMEOUT_S, "cached_statements": KEPT_STATEMENTS}
    engine = sa.create_engine(url, module=sqlite3, connect_args=connect_args, hide_parameters=True, **options)
    journal = "WAL" if has_log else "TRUNCATE"

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # SQLAlchemy's begin event below decides how a transaction opens
        (mode,) = connection.execute(f"PRAGMA journal_mode={journal}").fetchone()
        if log_file is not None and mode != "wal":
            raise ConfigError([f"the database at {database} cannot have a write-ahead log; put it on a local disk"])
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(conn: sa.Connection) -> None:
        # A deferred transaction that turns from reading to writing fails at once in spite of the busy timeout.
        options = conn.get_execution_options()
        writing = options.get("thumbtune_write")
        if writing:
            # Source: sqlite.org/pragma.html#pragma_synchronous, seen 2026-11-21: only with WAL is NORMAL free of harm.
            level = "FULL" if options.get("thumbtune_lasting") or journal != "WAL" else "NORMAL"
            if conn.info.get("synchronous") != level:
                run_plain(conn, f"PRAGMA synchronous={level}")
                conn.info["synchronous"] = level
        run_plain(conn, "BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine, log_file


@contextlib.contextmanager
def _mapped_errors() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError) as exc:
        if getattr(exc.orig, "sqlstate", None) == DEADLOCK:
            raise StoreBusy(
                "two writers of the database waited for each other, and this one was undone; try again"
            ) from exc
        raise StoreUnavailable(f"the database does not answer: {type(exc.orig).__name__}; check database_url") from exc
    except DBAPIError as exc:
        if exc.connection_invalidated:
            raise StoreUnavailable("the database connection was lost; check the server") from exc
        raise
