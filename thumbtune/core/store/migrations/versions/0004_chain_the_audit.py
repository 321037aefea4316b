"""Chain the audit by hashes, keep its head, and let no row be changed or removed.

The triggers are lost when SQLite copies the table, as Alembic's batch mode does: a revision that does that makes
them again.
"""

import hashlib
import json
from datetime import UTC

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the store to this shape."""
    for name in ("prev_hash", "hash"):
        op.add_column("audit", sa.Column(name, sa.String(length=64), nullable=False, server_default=""))
    _chain_rows()
    for statement in POSTGRESQL_GUARDS if op.get_bind().dialect.name == "postgresql" else SQLITE_GUARDS:
        op.execute(statement)


def _chain_rows() -> None:
    conn = op.get_bind()
    audit = sa.table(
        "audit",
        sa.column("audit_id", sa.Integer()),
        sa.column("at", sa.DateTime(timezone=True)),
        sa.column("detail", sa.JSON()),
        *(sa.column(name, sa.String()) for name in ("actor", "action", "subject", "prev_hash", "hash")),
    )
    head = ""
    for row in conn.execute(sa.select(audit).order_by(audit.c.audit_id)).all():
        at = row.at.replace(tzinfo=UTC) if row.at.tzinfo is None else row.at.astimezone(UTC)
        act = {"at": at.isoformat(timespec="microseconds"), "actor": row.actor, "action": row.action}
        act |= {"subject": row.subject, "detail": row.detail, "prev_hash": head}
        digest = hashlib.sha256(json.dumps(act, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
        link = sa.update(audit).where(audit.c.audit_id == row.audit_id)
        conn.execute(link.values(prev_hash=head, hash=digest))
        head = digest
    installation = sa.table("installation", sa.column("key"), sa.column("value"))
    conn.execute(sa.insert(installation).values(key="audit_head", value=head))


SQLITE_GUARDS = (
    "CREATE TRIGGER audit_unchanged BEFORE UPDATE ON audit BEGIN "
    "SELECT RAISE(ABORT, 'rows of the audit are never changed'); END",
    "CREATE TRIGGER audit_kept BEFORE DELETE ON audit BEGIN "
    "SELECT RAISE(ABORT, 'rows of the audit are never removed'); END",
    "CREATE TRIGGER audit_not_replaced BEFORE INSERT ON audit "
    "WHEN EXISTS (SELECT 1 FROM audit WHERE audit_id = new.audit_id) BEGIN "
    "SELECT RAISE(ABORT, 'rows of the audit are never replaced'); END",
)

POSTGRESQL_GUARDS = (
    "CREATE FUNCTION keep_audit() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'rows of the audit are never changed or removed'; END $$",
    "CREATE TRIGGER audit_unchanged BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION keep_audit()",
    "CREATE TRIGGER audit_kept BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION keep_audit()",
)
