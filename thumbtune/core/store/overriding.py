"""A lead's word against the gate: what it could not tell apart goes live all the same, through proof and trial.

It does not know who is a lead.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from thumbtune.core.errors import Conflict
from thumbtune.core.records import Adapter
from thumbtune.core.store.adapters import load_adapter, request_live
from thumbtune.core.store.audits import record_act
from thumbtune.core.store.engine import insert_row
from thumbtune.core.store.runs import load_run, mark_announced
from thumbtune.core.store.schema_training import overrides


@dataclass(frozen=True)
class Override:
    """Who put a run's adapter live against the gate, and when."""

    run_id: str
    overridden_by: str
    overridden_at: datetime


def override_gate(conn: sa.Connection, run_id: str, *, by: str, now: datetime) -> Adapter:
    """Have the adapter of an inconclusive run go live once it is proven and tried; again, it changes nothing.

    Raises: NotFound; Conflict when the run ended otherwise, or its adapter is no longer held nor on its way or live.
    """
    run = load_run(conn, run_id)
    if run.state != "inconclusive" or run.adapter is None:
        raise Conflict(
            f"run {run_id} is {run.state}: only the adapter of a run that ended inconclusive can be put live anyway"
        )
    adapter = load_adapter(conn, run.adapter)
    if find_override(conn, run_id) is not None and adapter.state in ("published", "proven", "live"):
        return adapter
    if adapter.state != "held":
        why = f", because: {adapter.reason.rstrip('.')}" if adapter.reason else ""
        raise Conflict(
            f"adapter {adapter.name} is no longer held, it is {adapter.state}{why}; run `thumbtune runs start` for another"
        )
    adapter = request_live(conn, run.adapter, now=now, overrides_gate=True)
    values = {"run_id": run_id, "overridden_by": by, "overridden_at": now}
    conn.execute(insert_row(conn, overrides).values(values))
    record_act(conn, actor=by, action="gate_overridden", subject=run_id, now=now, detail={"adapter": adapter.name})
    mark_announced(conn, run_id, announced="")
    return adapter


def find_override(conn: sa.Connection, run_id: str) -> Override | None:
    """Return who overrode the gate for a run, if anyone did."""
    row = conn.execute(sa.select(overrides).where(overrides.c.run_id == run_id)).first()
    return Override(**row._mapping) if row else None
