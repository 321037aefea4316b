"""Keep how a run's training went, for its report."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the store to this shape."""
    op.create_table(
        "run_courses",
        sa.Column("run_id", sa.String(length=40), nullable=False),
        sa.Column("course", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_run_courses_run_id")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_run_courses")),
    )
