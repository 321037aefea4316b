"""Keep messages' former texts, who decided about a pair, and which reactions are a veto.

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
    op.add_column("desks", sa.Column("vetoes", sa.JSON(), nullable=False, server_default='["-1"]'))
