"""Who did what that matters: a chain of acts, each bound to the one before it by a hash.

It does not know message texts; rows are only ever added, and triggers refuse anything else.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from thumbtune.core.records import Act
from thumbtune.core.store.engine import put_off
from thumbtune.core.store.prepared import Prepared, PreparedInsert
from thumbtune.core.store.schema import audit, installation

_HEAD = "audit_head"
_PAGE = 1000
_ADD = Prepared(sa.insert(audit), columns=[column.name for column in audit.c if not column.primary_key])
_KEPT_HEAD = Prepared(sa.select(installation.c.value).where(installation.c.key == _HEAD).with_for_update())
_KEEP_HEAD = PreparedInsert(
    installation,
    lambda insert: insert.on_conflict_do_update(index_elements=["key"], set_={"value": insert.excluded.value}),
)


@dataclass(frozen=True)
class ChainReport:
    """What a look at the whole chain found."""

    acts: int
    """Rows that are sound, from the first on."""
    head: str
    """Hash of the newest sound row; note it elsewhere, and compare later."""
    broken_id: int | None
    """The first row that is not as it was written, if any."""
    finding: str
    """What is wrong, in words; empty when nothing is."""


def record_act(
    conn: sa.Connection, *, actor: str, action: str, subject: str, now: datetime, detail: dict[str, Any] | None = None
) -> None:
    """Add one act in this transaction; `actor` is a Slack user id, `cli` or a process's name.

    It is appended just before the commit, under a lock that orders the writers.
    """
    plain = json.loads(json.dumps(detail or {}))
    values = {"at": now.astimezone(UTC), "actor": actor, "action": action, "subject": subject, "detail": plain}
    put_off(conn, _append, values, very_last=True)


def list_acts(conn: sa.Connection, *, limit: int, action: str | None = None) -> list[Act]:
    """Return the newest acts first."""
    query = sa.select(audit).order_by(audit.c.audit_id.desc()).limit(limit)
    if action is not None:
        query = query.where(audit.c.action == action)
    return [Act(**row._mapping) for row in conn.execute(query)]


def verify_chain(conn: sa.Connection, *, noted_head: str = "") -> ChainReport:
    """Look at every row: whether its content is what was hashed, and whether it follows the row before it.

    The kept head tells whether the newest rows are gone; `noted_head`, one that was written down elsewhere, tells it
    even when someone put the kept head right as well.
    """
    # One statement, so that rows which are added meanwhile are in both or in neither.
    kept_query = sa.select(installation.c.value).where(installation.c.key == _HEAD).scalar_subquery()
    kept, newest_id = conn.execute(
        sa.select(kept_query, sa.select(sa.func.max(audit.c.audit_id)).scalar_subquery())
    ).one()
    head, acts, seen, extra_id = "", 0, not noted_head, None
    for row in _read_in_order(conn, up_to=newest_id or 0):
        values = dict(row._mapping)
        audit_id, prev_hash, stored = (values.pop(name) for name in ("audit_id", "prev_hash", "hash"))
        if stored != _hash_act(values, prev_hash=prev_hash):
            return ChainReport(
                acts, head, audit_id, f"row {audit_id} is not what was written: it was changed or forged"
            )
        if prev_hash != head:
            finding = (
                f"row {audit_id} does not follow the row before it: rows were removed, added or put in another order"
            )
            return ChainReport(acts, head, audit_id, finding)
        if head == kept:
            extra_id = audit_id
        head, acts, seen = stored, acts + 1, seen or stored == noted_head
    if kept != head:
        finding = (
            f"row {extra_id} was added behind the kept head"
            if extra_id
            else (f"the newest rows were removed: {acts} are left, and they do not end at the kept head")
        )
        return ChainReport(acts, head, extra_id, finding)
    gone = f"no row has the noted hash {noted_head}: the rows up to it were removed or written anew"
    return ChainReport(acts, head, None, "" if seen else gone)


def _append(conn: sa.Connection, acts: list[dict[str, Any]]) -> None:
    """Add acts after the newest one; the lock on the kept head orders the writers on PostgreSQL."""
    kept = _KEPT_HEAD.first(conn, {})
    head = kept.value if kept else ""
    for values in acts:
        prev_hash, head = head, _hash_act(values, prev_hash=head)
        _ADD.run(conn, {**values, "prev_hash": prev_hash, "hash": head})
    _KEEP_HEAD.changes_a_row(conn, {"key": _HEAD, "value": head})


def _hash_act(values: dict[str, Any], *, prev_hash: str) -> str:
    """Return the hash of a row's canonical JSON with the hash before it; revision 0004 holds the same for old rows."""
    at = values["at"].astimezone(UTC).isoformat(timespec="microseconds")
    act = {**values, "at": at, "prev_hash": prev_hash}
    return hashlib.sha256(json.dumps(act, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _read_in_order(conn: sa.Connection, *, up_to: int) -> Iterator[sa.Row[Any]]:
    query = sa.select(audit).where(audit.c.audit_id <= up_to).order_by(audit.c.audit_id).limit(_PAGE)
    after = -1
    while True:
        page = conn.execute(query.where(audit.c.audit_id > after)).all()
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].audit_id
