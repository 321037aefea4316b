"""vLLM servers as their keeper last saw them.

It does not know how they are reached.
"""

from dataclasses import fields
from datetime import datetime, timedelta

import sqlalchemy as sa

from thumbtune.core.records import Replica
from thumbtune.core.store.engine import insert_row
from thumbtune.core.store.schema import replicas


def report_replica(conn: sa.Connection, replica: Replica) -> None:
    """Store what was seen of a replica, in place of what was seen before."""
    values = {field.name: getattr(replica, field.name) for field in fields(replica)} | {"proven": list(replica.proven)}
    statement = insert_row(conn, replicas).values(values)
    conn.execute(statement.on_conflict_do_update(index_elements=["replica_id"], set_=values))


def remove_replica(conn: sa.Connection, replica_id: str) -> None:
    """Forget a replica that was stopped on purpose."""
    conn.execute(sa.delete(replicas).where(replicas.c.replica_id == replica_id))


def list_replicas(conn: sa.Connection, *, now: datetime, fresh_s: float = 60.0) -> list[Replica]:
    """Return the replicas seen within the last `fresh_s` seconds, healthy or not."""
    query = sa.select(replicas).where(replicas.c.seen_at > now - timedelta(seconds=fresh_s))
    rows = conn.execute(query.order_by(replicas.c.replica_id)).mappings()
    return [Replica(**{**row, "proven": tuple(row["proven"])}) for row in rows]
