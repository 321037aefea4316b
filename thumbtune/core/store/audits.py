"""Who did what that matters: approved by hand, started a run, promoted, rolled back.

It does not know message texts; rows are only ever added.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from thumbtune.core.store.schema import audit


def record_act(
    conn: sa.Connection, *, actor: str, action: str, subject: str, now: datetime, detail: dict[str, Any] | None = None
) -> None:
    """Add one act in this transaction; `actor` is a Slack user id, `cli` or a process's name."""
    values = {"at": now, "actor": actor, "action": action, "subject": subject, "detail": detail or {}}
    conn.execute(sa.insert(audit).values(values))
