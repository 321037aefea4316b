"""Statements that are compiled once and then go straight to the driver: those of the way of a 👍 and of a message.

SQLAlchemy takes longer to bind and wrap such a statement than SQLite to run it. Its compiler and its types do their work
once; transactions, connections, errors and the events of statements stay its own.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

_Processor = Callable[[Any], Any]  # Any: what the driver and we take for the same value
Row = Any  # Any: a named tuple of the statement's columns
Values = Mapping[str, Any]  # Any: parameters of several types

INSERTS: dict[str, Callable[[sa.Table], Any]] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


class Prepared:
    """A statement that has the same parameters each time; of an INSERT, `columns` says which."""

    def __init__(self, statement: Any, *, columns: Sequence[str] | None = None) -> None:  # Any: whatever compiles
        self._statement = statement
        self._columns = columns
        self._compiled: dict[str, _Compiled] = {}

    def all(self, conn: sa.Connection, values: Values) -> list[Row]:
        """Run it and return its rows."""
        compiled = self._compile(conn.dialect)
        return compiled.read(_execute(conn, compiled.sql, compiled.bind(values), fetches=True))

    def first(self, conn: sa.Connection, values: Values) -> Row | None:
        """Run it and return its first row, if any."""
        rows = self.all(conn, values)
        return rows[0] if rows else None

    def run(self, conn: sa.Connection, values: Values) -> None:
        """Run it where it has no rows."""
        compiled = self._compile(conn.dialect)
        _execute(conn, compiled.sql, compiled.bind(values))

    def run_many(self, conn: sa.Connection, many: Sequence[Values]) -> None:
        """Run it with each of these values."""
        compiled = self._compile(conn.dialect)
        _execute(conn, compiled.sql, [compiled.bind(values) for values in many], is_many=True)

    def _compile(self, dialect: sa.Dialect) -> "_Compiled":
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _Compiled(self._statement, dialect, columns=self._columns)
        return compiled


class PreparedInsert:
    """An INSERT with ON CONFLICT, for either dialect and whichever columns are given."""

    def __init__(
        self,
        table: sa.Table,
        on_conflict: Callable[[Any], Any],  # Any: either dialect's Insert
        *,
        returning: sa.ColumnElement[Any] | None = None,  # Any: a column of any type
    ) -> None:
        told = sa.literal_column("1") if returning is None else returning
        self._by_dialect = {name: on_conflict(insert(table)).returning(told) for name, insert in INSERTS.items()}
        self._prepared: dict[tuple[str, ...], Prepared] = {}

    def run(self, conn: sa.Connection, values: Values) -> Any:  # Any: as `returning`
        """Run it and return the column `returning` of the row that it added or changed, None when there is none."""
        key = (conn.dialect.name, *values)
        prepared = self._prepared.get(key)
        if prepared is None:
            prepared = self._prepared[key] = Prepared(self._by_dialect[conn.dialect.name], columns=list(values))
        row = prepared.first(conn, values)
        return row[0] if row else None

    def changes_a_row(self, conn: sa.Connection, values: Values) -> bool:
        """Run it and return whether it added or changed a row."""
        return self.run(conn, values) is not None


def prepare_insert_of_new(
    table: sa.Table, *, returning: sa.ColumnElement[Any] | None = None
) -> PreparedInsert:  # Any: a column of any type
    """Return an INSERT that leaves a row alone which is there already."""
    return PreparedInsert(table, lambda insert: insert.on_conflict_do_nothing(), returning=returning)


class _Compiled:
    """A statement in one dialect: its text, and what becomes of values on their way to the driver and back."""

    def __init__(self, statement: Any, dialect: sa.Dialect, *, columns: Sequence[str] | None) -> None:  # Any: as above
        compiled = statement.compile(dialect=dialect, column_keys=columns)
        if compiled.post_compile_params:
            raise ValueError("a list of values in a prepared statement; give it one parameter for each")
        self.sql = str(compiled)
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}
        self._order: Sequence[str] | None = compiled.positiontup
        kinds = {name: bind.type for name, bind in compiled.binds.items()}
        self._binders: dict[str, _Processor] = {}
        for name, kind in kinds.items():
            processor = kind.dialect_impl(dialect).bind_processor(dialect)
            if processor is not None and name in compiled.params:
                self._binders[name] = processor
        self._binders_at = [
            (at, self._binders[name]) for at, name in enumerate(self._order or ()) if name in self._binders
        ]
        told = list(statement.exported_columns)
        self._row = namedtuple("row", [column.key for column in told], rename=True)  # type: ignore[misc]  # made here
        readers = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in told]
        self._readers = [(at, reader) for at, reader in enumerate(readers) if reader is not None]

    def bind(self, values: Values) -> Any:  # Any: a sequence or a mapping, as the driver wants it
        """Return the parameters as the driver wants them."""
        bound = {**self._constants, **values} if self._constants else values
        if self._order is None:
            return {**bound, **{name: processor(bound[name]) for name, processor in self._binders.items()}}
        ordered = [bound[name] for name in self._order]
        for at, processor in self._binders_at:
            ordered[at] = processor(ordered[at])
        return tuple(ordered)

    def read(self, rows: Sequence[Sequence[Any]]) -> list[Row]:  # Any: the driver's values
        """Return the driver's rows as ours."""
        if not self._readers:
            return [self._row(*row) for row in rows]
        found = []
        for row in rows:
            values = list(row)
            for at, reader in self._readers:
                values[at] = reader(values[at])
            found.append(self._row(*values))
        return found


def run_plain(conn: sa.Connection, sql: str) -> None:
    """Run a statement without parameters that is no business of a dialect, such as BEGIN."""
    _execute(conn, sql, ())


def _execute(
    conn: sa.Connection, sql: str, parameters: Any, *, fetches: bool = False, is_many: bool = False
) -> Sequence[Any]:  # Any: the driver's
    cursor, watchers = conn.connection.cursor(), conn.engine.dispatch
    try:
        for watch in watchers.before_cursor_execute:
            watch(conn, cursor, sql, parameters, None, is_many)
        (cursor.executemany if is_many else cursor.execute)(sql, parameters)
        for watch in watchers.after_cursor_execute:
            watch(conn, cursor, sql, parameters, None, is_many)
        return cursor.fetchall() if fetches else ()
    except conn.dialect.loaded_dbapi.Error as exc:
        error = conn.dialect.loaded_dbapi.Error
        raise DBAPIError.instance(sql, None, exc, error, hide_parameters=True, dialect=conn.dialect) from exc
    finally:
        cursor.close()
