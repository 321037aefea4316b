"""Keep what was found about pairs, what they are compared by, when they were approved and who corrected them.

What waits for review because of a missed edit has that as its doubt from now on.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the store to this shape."""
    op.add_column("pairs", sa.Column("doubt", sa.Text(), nullable=False, server_default=""))
    op.add_column("pairs", sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("pairs", sa.Column("corrected_by", sa.String(length=32), nullable=False, server_default=""))
    op.execute("UPDATE pairs SET doubt = reason WHERE state = 'quarantined' AND decided_by = ''")
    op.create_index("ix_pairs_approver", "pairs", ["desk_id", "approved_by", "approved_at"])
    op.create_table(
        "findings",
        sa.Column("pair_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("holds", sa.Boolean(), nullable=False),
        sa.Column("other_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["pair_id"], ["pairs.pair_id"], name=op.f("fk_findings_pair_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("pair_id", "kind", name=op.f("pk_findings")),
    )
    op.create_index(op.f("ix_findings_other_id"), "findings", ["other_id"])
    op.create_table(
        "pair_bands",
        sa.Column("band", sa.BigInteger(), nullable=False),
        sa.Column("pair_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["pair_id"], ["pairs.pair_id"], name=op.f("fk_pair_bands_pair_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("band", "pair_id", name=op.f("pk_pair_bands")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_pair_bands_pair_id"), "pair_bands", ["pair_id"])
