"""Outlooks: whether a run is due for a desk and why not, as the trainer last saw it; it is also the trainer's sign of life.

It does not know how that is decided.
"""

from dataclasses import asdict, fields
from datetime import datetime

import sqlalchemy as sa

from thumbtune.core.records import Outlook
from thumbtune.core.store.engine import insert_row
from thumbtune.core.store.schema import outlooks

MISSED_LOOKS = 4
"""Looks that must be missing before a trainer is taken for gone."""
MIN_SILENCE_S = 60.0


def record_outlook(conn: sa.Connection, outlook: Outlook) -> None:
    """Store what was seen, in place of what was seen before."""
    values = asdict(outlook)
    conn.execute(
        insert_row(conn, outlooks).values(values).on_conflict_do_update(index_elements=["desk_id"], set_=values)
    )


def find_outlook(conn: sa.Connection, *, desk_id: str) -> Outlook | None:
    """Return what was last seen, if anything ever was."""
    columns = [outlooks.c[field.name] for field in fields(Outlook)]
    row = conn.execute(sa.select(*columns).where(outlooks.c.desk_id == desk_id)).first()
    return Outlook(**row._mapping) if row else None


def find_silence(outlook: Outlook | None, *, now: datetime, tick_s: float) -> str | None:
    """Return since when no trainer looks, in words with what to do; None while one does."""
    if outlook is None:
        return "No trainer has looked at this desk yet: is `thumbtune trainer` running?"
    silent_s = (now - outlook.looked_at).total_seconds()
    if silent_s < max(MISSED_LOOKS * tick_s, MIN_SILENCE_S):
        return None
    minutes = round(silent_s / 60)
    ago = f"{minutes} minutes" if minutes < 120 else f"{round(minutes / 60)} hours"
    return f"The trainer was last seen {ago} ago: is `thumbtune trainer` running? No run starts without it."
