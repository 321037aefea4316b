"""Keep when someone was last seen in a user group."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the store to this shape."""
    op.add_column("group_members", sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE group_members SET seen_at = COALESCE(left_at, CURRENT_TIMESTAMP)")
