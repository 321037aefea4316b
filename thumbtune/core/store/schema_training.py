"""More tables, of training and its judging: the golden set, and on which side of the split each thread is.

It does not know how rows are read or written; it shares the metadata of `schema`.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    String,
    Table,
    UniqueConstraint,
)

from thumbtune.core.store.schema import metadata
from thumbtune.core.store.times import UtcTime

__all__ = ["golden_cases", "metadata", "thread_sides"]

golden_cases = Table(
    "golden_cases",
    metadata,
    Column("case_id", Integer, primary_key=True),
    Column("desk_id", String(40), ForeignKey("desks.desk_id"), nullable=False),
    Column("title", String(400), nullable=False),
    Column("turns", JSON, nullable=False),
    Column("expectations", JSON, nullable=False),
    Column("grounded", Boolean, nullable=False),
    Column("pair_id", Integer, ForeignKey("pairs.pair_id"), index=True),
    Column("digest", String(64), nullable=False),
    Column("added_by", String(64), nullable=False),
    Column("changed_by", String(64), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    UniqueConstraint("desk_id", "digest"),
)

thread_sides = Table(
    "thread_sides",
    metadata,
    Column("desk_id", String(40), ForeignKey("desks.desk_id"), primary_key=True),
    Column("team_id", String(32), primary_key=True),
    Column("channel_id", String(32), primary_key=True),
    Column("thread_ts", String(32), primary_key=True),
    Column("held_out", Boolean, nullable=False),
)
