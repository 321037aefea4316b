"""Keep golden cases, and on which side of the split each thread is.

Threads that runs saw stay where they were: one that a run trained on trains.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_SEEN = """
INSERT INTO thread_sides (desk_id, team_id, channel_id, thread_ts, held_out)
SELECT runs.desk_id, pairs.team_id, pairs.channel_id, pairs.thread_ts,
       SUM(CASE WHEN snapshot_pairs.held_out THEN 0 ELSE 1 END) = 0
FROM snapshot_pairs
JOIN runs ON runs.run_id = snapshot_pairs.run_id
JOIN pairs ON pairs.pair_id = snapshot_pairs.pair_id
GROUP BY runs.desk_id, pairs.team_id, pairs.channel_id, pairs.thread_ts
"""


def upgrade() -> None:
    """Bring the store to this shape."""
    op.create_table(
        "golden_cases",
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("desk_id", sa.String(length=40), nullable=False),
        sa.Column("title", sa.String(length=400), nullable=False),
        sa.Column("turns", sa.JSON(), nullable=False),
        sa.Column("expectations", sa.JSON(), nullable=False),
        sa.Column("grounded", sa.Boolean(), nullable=False),
        sa.Column("pair_id", sa.Integer(), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.Column("changed_by", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["desk_id"], ["desks.desk_id"], name=op.f("fk_golden_cases_desk_id")),
        sa.ForeignKeyConstraint(["pair_id"], ["pairs.pair_id"], name=op.f("fk_golden_cases_pair_id")),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_golden_cases")),
        sa.UniqueConstraint("desk_id", "digest", name=op.f("uq_golden_cases_desk_id_digest")),
    )
    op.create_index(op.f("ix_golden_cases_pair_id"), "golden_cases", ["pair_id"])
    op.create_table(
        "thread_sides",
        sa.Column("desk_id", sa.String(length=40), nullable=False),
        sa.Column("team_id", sa.String(length=32), nullable=False),
        sa.Column("channel_id", sa.String(length=32), nullable=False),
        sa.Column("thread_ts", sa.String(length=32), nullable=False),
        sa.Column("held_out", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["desk_id"], ["desks.desk_id"], name=op.f("fk_thread_sides_desk_id")),
        sa.PrimaryKeyConstraint("desk_id", "team_id", "channel_id", "thread_ts", name=op.f("pk_thread_sides")),
    )
    op.execute(_SEEN)
