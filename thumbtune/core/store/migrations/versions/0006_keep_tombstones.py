"""Keep who was forgotten, by keyed digest; whose words imported pairs hold; which adapters have to be replaced for it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the store to this shape."""
    op.add_column("adapters", sa.Column("replace_since", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "pair_authors",
        sa.Column("pair_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["pair_id"], ["pairs.pair_id"], name=op.f("fk_pair_authors_pair_id")),
        sa.PrimaryKeyConstraint("pair_id", "digest", name=op.f("pk_pair_authors")),
    )
    op.create_index(op.f("ix_pair_authors_digest"), "pair_authors", ["digest"])
    op.create_table(
        "tombstones",
        sa.Column("desk_id", sa.String(length=40), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("up_to", sa.String(length=32), nullable=False),
        sa.Column("receipt_id", sa.String(length=40), nullable=False),
        sa.Column("forgotten_by", sa.String(length=64), nullable=False),
        sa.Column("forgotten_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("desk_id", "digest", name=op.f("pk_tombstones")),
    )
