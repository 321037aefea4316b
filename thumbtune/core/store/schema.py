"""The tables, for SQLite and PostgreSQL alike.

It does not know how rows are read or written; migrations/ carries the same shape as history. Texts are redacted;
columns named `sealed_*` hold ciphertext that is erased when its work is done.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from thumbtune.core.store.times import UtcTime

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMING)

installation = Table(
    "installation",
    metadata,
    Column("key", String(32), primary_key=True),
    Column("value", Text, nullable=False),
)

inbox = Table(
    "inbox",
    metadata,
    Column("inbox_id", Integer, primary_key=True),
    Column("team_id", String(32), nullable=False),
    Column("event_key", String(128), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("name", String(128), nullable=False),
    Column("sealed_body", Text),
    Column("state", String(16), nullable=False, server_default="received"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("error", Text, nullable=False, server_default=""),
    Column("lease_owner", String(64)),
    Column("lease_until", UtcTime),
    Column("received_at", UtcTime, nullable=False),
    Column("done_at", UtcTime),
    UniqueConstraint("team_id", "event_key"),
    Index("ix_inbox_open", "inbox_id", sqlite_where=text("state != 'done'"), postgresql_where=text("state != 'done'")),
)

messages = Table(
    "messages",
    metadata,
    Column("team_id", String(32), primary_key=True),
    Column("channel_id", String(32), primary_key=True),
    Column("ts", String(32), primary_key=True),
    Column("thread_ts", String(32), nullable=False),
    Column("user_id", String(32), nullable=False),
    Column("is_bot", Boolean, nullable=False),
    Column("text", Text, nullable=False),
    Column("revision", String(32), nullable=False),
    Column("deleted", Boolean, nullable=False, server_default=text("false")),
    Column("event_ts", String(32), nullable=False),
    Column("former", JSON, nullable=False, server_default="[]"),
    Index("ix_messages_thread", "team_id", "channel_id", "thread_ts", "ts"),
)

placeholders = Table(
    "placeholders",
    metadata,
    Column("team_id", String(32), primary_key=True),
    Column("channel_id", String(32), primary_key=True),
    Column("thread_ts", String(32), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("number", Integer, nullable=False),
    UniqueConstraint("team_id", "channel_id", "thread_ts", "kind", "number"),
)

approvals = Table(
    "approvals",
    metadata,
    Column("team_id", String(32), primary_key=True),
    Column("channel_id", String(32), primary_key=True),
    Column("message_ts", String(32), primary_key=True),
    Column("user_id", String(32), primary_key=True),
    Column("emoji", String(64), primary_key=True),
    Column("given", Boolean, nullable=False),
    Column("event_ts", String(32), nullable=False),
    Column("found", Boolean, nullable=False, server_default=text("false")),
)

backfills = Table(
    "backfills",
    metadata,
    Column("team_id", String(32), primary_key=True),
    Column("channel_id", String(32), primary_key=True),
    Column("swept_at", UtcTime),
    Column("lease_owner", String(64)),
    Column("lease_until", UtcTime),
    Column("threads_done", JSON, nullable=False),
)

desks = Table(
    "desks",
    metadata,
    Column("desk_id", String(40), primary_key=True),
    Column("team_id", String(32), nullable=False),
    Column("name", String(80), nullable=False),
    Column("voice", Text, nullable=False),
    Column("agents", JSON, nullable=False),
    Column("approvers", JSON, nullable=False),
    Column("leads", JSON, nullable=False),
    Column("emojis", JSON, nullable=False),
    Column("approvals_needed", Integer, nullable=False),
    Column("author_may_approve", Boolean, nullable=False),
    Column("threshold", Integer, nullable=False),
    Column("categories", JSON, nullable=False),
    Column("vetoes", JSON, nullable=False, server_default='["-1"]'),
    Column("edits_keep_approval", Boolean, nullable=False, server_default=text("false")),
    Column("quiet_hours", String(16), nullable=False, server_default=""),
    Column("time_zone", String(64), nullable=False, server_default="UTC"),
    Column("cooldown_h", Float, nullable=False, server_default="0"),
    Column("budget_gpu_s", Float, nullable=False, server_default="0"),
    Column("budget_money", Float, nullable=False, server_default="0"),
    Column("training_channel", String(32), nullable=False, server_default=""),
)

outlooks = Table(
    "outlooks",
    metadata,
    Column("desk_id", String(40), ForeignKey("desks.desk_id", ondelete="CASCADE"), primary_key=True),
    Column("is_due", Boolean, nullable=False),
    Column("why", Text, nullable=False),
    Column("looked_at", UtcTime, nullable=False),
)

desk_channels = Table(
    "desk_channels",
    metadata,
    Column("team_id", String(32), primary_key=True),
    Column("channel_id", String(32), primary_key=True),
    Column("desk_id", String(40), ForeignKey("desks.desk_id", ondelete="CASCADE"), nullable=False, index=True),
)

group_members = Table(
    "group_members",
    metadata,
    Column("group_id", String(32), primary_key=True),
    Column("user_id", String(32), primary_key=True),
    Column("left_at", UtcTime),
    Column("seen_at", UtcTime),
)

pairs = Table(
    "pairs",
    metadata,
    Column("pair_id", Integer, primary_key=True),
    Column("desk_id", String(40), ForeignKey("desks.desk_id"), nullable=False),
    Column("team_id", String(32), nullable=False),
    Column("channel_id", String(32), nullable=False),
    Column("thread_ts", String(32), nullable=False),
    Column("reply_ts", String(32), nullable=False),
    Column("revision", String(32), nullable=False),
    Column("turns", JSON, nullable=False),
    Column("reply", Text, nullable=False),
    Column("passages", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("source", String(16), nullable=False),
    Column("approved_by", String(32), nullable=False),
    Column("decided_by", String(32), nullable=False, server_default=""),
    Column("created_at", UtcTime, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    Column("doubt", Text, nullable=False, server_default=""),
    Column("approved_at", UtcTime),
    Column("corrected_by", String(32), nullable=False, server_default=""),
    UniqueConstraint("team_id", "channel_id", "reply_ts", "revision"),
    Index("ix_pairs_desk_state", "desk_id", "state", "pair_id"),
    Index("ix_pairs_thread", "team_id", "channel_id", "thread_ts"),
    Index("ix_pairs_approver", "desk_id", "approved_by", "approved_at"),
)

findings = Table(
    "findings",
    metadata,
    Column("pair_id", Integer, ForeignKey("pairs.pair_id", ondelete="CASCADE"), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("explanation", Text, nullable=False),
    Column("holds", Boolean, nullable=False),
    Column("other_id", Integer, index=True),
)

pair_bands = Table(
    "pair_bands",
    metadata,
    Column("band", BigInteger, primary_key=True),
    Column("pair_id", Integer, ForeignKey("pairs.pair_id", ondelete="CASCADE"), primary_key=True, index=True),
    sqlite_with_rowid=False,
)

pair_authors = Table(
    "pair_authors",
    metadata,
    Column("pair_id", Integer, ForeignKey("pairs.pair_id"), primary_key=True),
    Column("digest", String(64), primary_key=True, index=True),
)

tombstones = Table(
    "tombstones",
    metadata,
    Column("desk_id", String(40), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("up_to", String(32), nullable=False),
    Column("receipt_id", String(40), nullable=False),
    Column("forgotten_by", String(64), nullable=False),
    Column("forgotten_at", UtcTime, nullable=False),
)

drafts = Table(
    "drafts",
    metadata,
    Column("draft_id", String(40), primary_key=True),
    Column("request_key", String(160), nullable=False, unique=True),
    Column("desk_id", String(40), ForeignKey("desks.desk_id"), nullable=False, index=True),
    Column("team_id", String(32), nullable=False),
    Column("channel_id", String(32), nullable=False),
    Column("thread_ts", String(32), nullable=False),
    Column("asked_by", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("mode", String(16)),
    Column("adapter", String(64)),
    Column("text", Text, nullable=False, server_default=""),
    Column("sent_text", Text, nullable=False, server_default=""),
    Column("sent_ts", String(32)),
    Column("edit_share", Float),
    Column("latency_ms", Integer),
    Column("passages", JSON, nullable=False),
    Column("last_seen_ts", String(32), nullable=False),
    Column("requested_at", UtcTime, nullable=False),
    Column("settled_at", UtcTime),
    Index("ix_drafts_thread", "team_id", "channel_id", "thread_ts"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("post_id", Integer, primary_key=True),
    Column("dedupe_key", String(160), nullable=False, unique=True),
    Column("method", String(64), nullable=False),
    Column("channel_id", String(32), nullable=False),
    Column("sealed_payload", Text),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("error", Text, nullable=False, server_default=""),
    Column("slack_ts", String(32)),
    Column("not_before", UtcTime, nullable=False),
    Column("lease_owner", String(64)),
    Column("lease_until", UtcTime),
    Column("created_at", UtcTime, nullable=False),
    Index("ix_outbox_state", "state", "not_before"),
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", String(40), primary_key=True),
    Column("desk_id", String(40), ForeignKey("desks.desk_id"), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("requested_by", String(32), nullable=False, server_default=""),
    Column("examples", Integer, nullable=False, server_default="0"),
    Column("held_out", Integer, nullable=False, server_default="0"),
    Column("newest_pair_id", Integer, nullable=False, server_default="0"),
    Column("snapshot_hash", String(64), nullable=False, server_default=""),
    Column("nll_base", Float),
    Column("nll_live", Float),
    Column("nll_candidate", Float),
    Column("gate", JSON, nullable=False),
    Column("adapter", String(64)),
    Column("message", Text, nullable=False, server_default=""),
    Column("phase", String(32), nullable=False, server_default="waiting"),
    Column("progress", Float, nullable=False, server_default="0"),
    Column("eta_s", Float),
    Column("step", Integer, nullable=False, server_default="0"),
    Column("steps", Integer, nullable=False, server_default="0"),
    Column("loss", Float),
    Column("tokens_per_s", Float),
    Column("gpu_s", Float, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("lease_owner", String(64)),
    Column("lease_until", UtcTime),
    Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
    Column("announce_channel", String(32)),
    Column("announced", String(160), nullable=False, server_default=""),
    Column("created_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("finished_at", UtcTime),
    Index(
        "uq_runs_one_open_per_desk",
        "desk_id",
        unique=True,
        sqlite_where=text("state IN ('queued', 'running', 'evaluating')"),
        postgresql_where=text("state IN ('queued', 'running', 'evaluating')"),
    ),
    Index("ix_runs_desk", "desk_id", "created_at"),
)

snapshot_pairs = Table(
    "snapshot_pairs",
    metadata,
    Column("run_id", String(40), ForeignKey("runs.run_id"), primary_key=True),
    Column("pair_id", Integer, ForeignKey("pairs.pair_id"), primary_key=True),
    Column("held_out", Boolean, nullable=False),
)

adapters = Table(
    "adapters",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("desk_id", String(40), ForeignKey("desks.desk_id"), nullable=False),
    Column("run_id", String(40), ForeignKey("runs.run_id"), nullable=False, unique=True),
    Column("path", Text, nullable=False),
    Column("manifest_hash", String(64), nullable=False),
    Column("base_model", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("published_at", UtcTime, nullable=False),
    Column("proven_at", UtcTime),
    Column("live_at", UtcTime),
    Column("replace_since", UtcTime),
    Index(
        "uq_adapters_one_live_per_desk",
        "desk_id",
        unique=True,
        sqlite_where=text("state = 'live'"),
        postgresql_where=text("state = 'live'"),
    ),
    Index("ix_adapters_desk", "desk_id", "name"),
)

replicas = Table(
    "replicas",
    metadata,
    Column("replica_id", String(64), primary_key=True),
    Column("url", Text, nullable=False),
    Column("healthy", Boolean, nullable=False),
    Column("base_model", Text, nullable=False),
    Column("proven", JSON, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
)

documents = Table(
    "documents",
    metadata,
    Column("document_id", Integer, primary_key=True),
    Column("desk_id", String(40), ForeignKey("desks.desk_id", ondelete="CASCADE"), nullable=False),
    Column("source", String(400), nullable=False),
    Column("title", String(400), nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("added_at", UtcTime, nullable=False),
    UniqueConstraint("desk_id", "source"),
)

passages = Table(
    "passages",
    metadata,
    Column("passage_id", Integer, primary_key=True),
    Column("document_id", Integer, ForeignKey("documents.document_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("desk_id", String(40), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("audit_id", Integer, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("prev_hash", String(64), nullable=False, server_default=""),
    Column("hash", String(64), nullable=False, server_default=""),
)
