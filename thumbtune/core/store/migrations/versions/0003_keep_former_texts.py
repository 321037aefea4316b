"""Keep messages' former texts, who decided about a pair, which reactions are a veto, and how far backfill came.

The chain of the audit is the revision after this one, 0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the store to this shape."""
    op.add_column("messages", sa.Column("former", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("pairs", sa.Column("decided_by", sa.String(length=32), nullable=False, server_default=""))
    op.add_column("approvals", sa.Column("found", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.create_table(
        "backfills",
        sa.Column("team_id", sa.String(length=32), nullable=False),
        sa.Column("channel_id", sa.String(length=32), nullable=False),
        sa.Column("swept_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("threads_done", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "channel_id", name=op.f("pk_backfills")),
    )
    op.add_column("desks", sa.Column("vetoes", sa.JSON(), nullable=False, server_default='["-1"]'))
