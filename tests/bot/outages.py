"""Takes the database away, as an outage does, and brings it back.

SQLite: another program holds its lock, so writers hang. PostgreSQL: it ends every connection and takes no new one.
"""

import contextlib
from collections.abc import Iterator

import psycopg
import pysqlite3 as sqlite3
import sqlalchemy as sa


@contextlib.contextmanager
def take_away(url: str) -> Iterator[None]:
    """Let the database of this URL answer nobody for the length of the block."""
    parsed = sa.make_url(url)
    assert parsed.database
    if parsed.get_backend_name() == "sqlite":
        with contextlib.closing(sqlite3.connect(parsed.database, isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            yield
            connection.execute("ROLLBACK")
        return
    with psycopg.connect(f"host={parsed.query['host']} user=postgres dbname=postgres", autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {parsed.database} WITH ALLOW_CONNECTIONS false")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [parsed.database]
        )
        yield
        connection.execute(f"ALTER DATABASE {parsed.database} WITH ALLOW_CONNECTIONS true")
