"""More tables, of training and its judging: the golden set, the split's sides, scores of replies, trials, overrides, triages.

It does not know how rows are read or written; it shares the metadata of `schema`.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from thumbtune.core.store.schema import metadata
from thumbtune.core.store.times import UtcTime

__all__ = [
    "golden_cases",
    "metadata",
    "overrides",
    "reply_scores",
    "run_courses",
    "snapshot_triages",
    "thread_sides",
    "triages",
    "trial_drafts",
    "trials",
]

golden_cases = Table(
    "golden_cases",
    metadata,
    Column("case_id", Integer, primary_key=True),
    Column("desk_id", String(40), ForeignKey("desks.desk_id"), nullable=False),
    Column("title", String(400), nullable=False),
    Column("turns", JSON, nullable=False),
    Column("expectations", JSON, nullable=False),
    Column("grounded", Boolean, nullable=False),
    Column("pair_id", Integer, ForeignKey("pairs.pair_id"), index=True),
    Column("digest", String(64), nullable=False),
    Column("added_by", String(64), nullable=False),
    Column("changed_by", String(64), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    UniqueConstraint("desk_id", "digest"),
)

thread_sides = Table(
    "thread_sides",
    metadata,
    Column("desk_id", String(40), ForeignKey("desks.desk_id"), primary_key=True),
    Column("team_id", String(32), primary_key=True),
    Column("channel_id", String(32), primary_key=True),
    Column("thread_ts", String(32), primary_key=True),
    Column("held_out", Boolean, nullable=False),
)

reply_scores = Table(
    "reply_scores",
    metadata,
    Column("run_id", String(40), ForeignKey("runs.run_id"), primary_key=True),
    Column("pair_id", Integer, ForeignKey("pairs.pair_id"), primary_key=True),
    Column("tokens", Integer, nullable=False),
    Column("nll_base", Float, nullable=False),
    Column("nll_live", Float),
    Column("nll_candidate", Float, nullable=False),
)

trials = Table(
    "trials",
    metadata,
    Column("adapter", String(64), ForeignKey("adapters.name"), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("live", String(64)),
    Column("reason", Text, nullable=False, server_default=""),
    Column("figures", JSON, nullable=False),
    Column("began_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime),
)

trial_drafts = Table(
    "trial_drafts",
    metadata,
    Column("adapter", String(64), ForeignKey("adapters.name"), primary_key=True),
    Column("case_key", String(40), primary_key=True),
    Column("role", String(16), primary_key=True),
    Column("model", String(120), nullable=False),
    Column("prompt_hash", String(64), nullable=False),
    Column("pair_id", Integer, ForeignKey("pairs.pair_id"), index=True),
    Column("text", Text, nullable=False),
    Column("is_cut", Boolean, nullable=False),
    Column("error", Text, nullable=False, server_default=""),
    Column("checks", JSON, nullable=False),
    Column("failures", JSON, nullable=False),
    Column("written_at", UtcTime, nullable=False, index=True),
    Index("ix_trial_drafts_reuse", "prompt_hash", "model"),
)

overrides = Table(
    "overrides",
    metadata,
    Column("run_id", String(40), ForeignKey("runs.run_id"), primary_key=True),
    Column("overridden_by", String(64), nullable=False),
    Column("overridden_at", UtcTime, nullable=False),
)

run_courses = Table(
    "run_courses",
    metadata,
    Column("run_id", String(40), ForeignKey("runs.run_id"), primary_key=True),
    Column("course", JSON, nullable=False),
)

triages = Table(
    "triages",
    metadata,
    Column("triage_id", Integer, primary_key=True),
    Column("desk_id", String(40), ForeignKey("desks.desk_id"), nullable=False),
    Column("team_id", String(32), nullable=False),
    Column("channel_id", String(32), nullable=False),
    Column("thread_ts", String(32), nullable=False),
    Column("draft_id", String(40), ForeignKey("drafts.draft_id"), nullable=False, unique=True),
    Column("last_seen_ts", String(32), nullable=False),
    Column("turns", JSON, nullable=False),
    Column("suggested", JSON(none_as_null=True)),
    Column("adapter", String(64)),
    Column("decided", JSON(none_as_null=True)),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("decided_by", String(32), nullable=False, server_default=""),
    Column("decided_at", UtcTime),
    Column("created_at", UtcTime, nullable=False),
    Index("ix_triages_desk_state", "desk_id", "state", "triage_id"),
    Index("ix_triages_thread", "team_id", "channel_id", "thread_ts"),
)

snapshot_triages = Table(
    "snapshot_triages",
    metadata,
    Column("run_id", String(40), ForeignKey("runs.run_id"), primary_key=True),
    Column("triage_id", Integer, ForeignKey("triages.triage_id"), primary_key=True),
    Column("held_out", Boolean, nullable=False),
)
