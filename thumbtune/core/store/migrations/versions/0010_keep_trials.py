"""Keep the scores of held-out replies, trials with their drafts, and who overrode the gate."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the store to this shape."""
    op.create_table(
        "reply_scores",
        sa.Column("run_id", sa.String(length=40), nullable=False),
        sa.Column("pair_id", sa.Integer(), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("nll_base", sa.Float(), nullable=False),
        sa.Column("nll_live", sa.Float(), nullable=True),
        sa.Column("nll_candidate", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_reply_scores_run_id")),
        sa.ForeignKeyConstraint(["pair_id"], ["pairs.pair_id"], name=op.f("fk_reply_scores_pair_id")),
        sa.PrimaryKeyConstraint("run_id", "pair_id", name=op.f("pk_reply_scores")),
    )
    op.create_table(
        "trials",
        sa.Column("adapter", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("live", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["adapter"], ["adapters.name"], name=op.f("fk_trials_adapter")),
        sa.PrimaryKeyConstraint("adapter", name=op.f("pk_trials")),
    )
    op.create_table(
        "trial_drafts",
        sa.Column("adapter", sa.String(length=64), nullable=False),
        sa.Column("case_key", sa.String(length=40), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("model", sa.String(length=120), nullable=False),
        sa.Column("prompt_hash", sa.String(length=64), nullable=False),
        sa.Column("pair_id", sa.Integer(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("is_cut", sa.Boolean(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False, server_default=""),
        sa.Column("checks", sa.JSON(), nullable=False),
        sa.Column("failures", sa.JSON(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["adapter"], ["adapters.name"], name=op.f("fk_trial_drafts_adapter")),
        sa.ForeignKeyConstraint(["pair_id"], ["pairs.pair_id"], name=op.f("fk_trial_drafts_pair_id")),
        sa.PrimaryKeyConstraint("adapter", "case_key", "role", name=op.f("pk_trial_drafts")),
    )
    op.create_index(op.f("ix_trial_drafts_pair_id"), "trial_drafts", ["pair_id"])
    op.create_index(op.f("ix_trial_drafts_written_at"), "trial_drafts", ["written_at"])
    op.create_index("ix_trial_drafts_reuse", "trial_drafts", ["prompt_hash", "model"])
    op.create_table(
        "overrides",
        sa.Column("run_id", sa.String(length=40), nullable=False),
        sa.Column("overridden_by", sa.String(length=64), nullable=False),
        sa.Column("overridden_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_overrides_run_id")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_overrides")),
    )
