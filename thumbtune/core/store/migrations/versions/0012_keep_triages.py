"""Keep triages of threads, and which of them a run learned from or was judged by."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the store to this shape."""
    op.create_table(
        "triages",
        sa.Column("triage_id", sa.Integer(), nullable=False),
        sa.Column("desk_id", sa.String(length=40), nullable=False),
        sa.Column("team_id", sa.String(length=32), nullable=False),
        sa.Column("channel_id", sa.String(length=32), nullable=False),
        sa.Column("thread_ts", sa.String(length=32), nullable=False),
        sa.Column("draft_id", sa.String(length=40), nullable=False),
        sa.Column("last_seen_ts", sa.String(length=32), nullable=False),
        sa.Column("turns", sa.JSON(), nullable=False),
        sa.Column("suggested", sa.JSON(), nullable=True),
        sa.Column("adapter", sa.String(length=64), nullable=True),
        sa.Column("decided", sa.JSON(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("decided_by", sa.String(length=32), server_default="", nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["desk_id"], ["desks.desk_id"], name=op.f("fk_triages_desk_id")),
        sa.ForeignKeyConstraint(["draft_id"], ["drafts.draft_id"], name=op.f("fk_triages_draft_id")),
        sa.PrimaryKeyConstraint("triage_id", name=op.f("pk_triages")),
        sa.UniqueConstraint("draft_id", name=op.f("uq_triages_draft_id")),
    )
    op.create_index("ix_triages_desk_state", "triages", ["desk_id", "state", "triage_id"], unique=False)
    op.create_index("ix_triages_thread", "triages", ["team_id", "channel_id", "thread_ts"], unique=False)
    op.create_table(
        "snapshot_triages",
        sa.Column("run_id", sa.String(length=40), nullable=False),
        sa.Column("triage_id", sa.Integer(), nullable=False),
        sa.Column("held_out", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_snapshot_triages_run_id")),
        sa.ForeignKeyConstraint(["triage_id"], ["triages.triage_id"], name=op.f("fk_snapshot_triages_triage_id")),
        sa.PrimaryKeyConstraint("run_id", "triage_id", name=op.f("pk_snapshot_triages")),
    )
