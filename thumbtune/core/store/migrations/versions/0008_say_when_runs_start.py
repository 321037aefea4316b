"""Let a desk say when runs start by themselves, keep what runs used, and what the trainer last saw."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the store to this shape."""
    desk_columns: list[sa.Column[Any]] = [  # Any: columns of several types
        sa.Column("quiet_hours", sa.String(length=16), nullable=False, server_default=""),
        sa.Column("time_zone", sa.String(length=64), nullable=False, server_default="UTC"),
        sa.Column("cooldown_h", sa.Float(), nullable=False, server_default="0"),
        sa.Column("budget_gpu_s", sa.Float(), nullable=False, server_default="0"),
        sa.Column("budget_money", sa.Float(), nullable=False, server_default="0"),
        sa.Column("training_channel", sa.String(length=32), nullable=False, server_default=""),
    ]
    run_columns: list[sa.Column[Any]] = [
        sa.Column("step", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("steps", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("loss", sa.Float(), nullable=True),
        sa.Column("tokens_per_s", sa.Float(), nullable=True),
        sa.Column("gpu_s", sa.Float(), nullable=False, server_default="0"),
    ]
    for table, columns in (("desks", desk_columns), ("runs", run_columns)):
        for column in columns:
            op.add_column(table, column)
    op.create_table(
        "outlooks",
        sa.Column("desk_id", sa.String(length=40), nullable=False),
        sa.Column("is_due", sa.Boolean(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["desk_id"], ["desks.desk_id"], name=op.f("fk_outlooks_desk_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("desk_id", name=op.f("pk_outlooks")),
    )
