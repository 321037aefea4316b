"""Let a desk say that an approval outlasts an edit of the reply."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the store to this shape."""
    op.add_column(
        "desks", sa.Column("edits_keep_approval", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    )
