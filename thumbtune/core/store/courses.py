"""How runs' training went: the curve and the figures that their child programs told, for the report.

It does not know what they mean, or texts.
"""

from typing import Any

import sqlalchemy as sa

from thumbtune.core.store.engine import insert_row
from thumbtune.core.store.schema_training import run_courses


def record_course(conn: sa.Connection, run_id: str, **told: Any) -> None:  # Any: JSON
    """Keep what is told of a run beside what was told before; told anew, the later counts."""
    course = {**load_course(conn, run_id), **told}
    insert = insert_row(conn, run_courses).values(run_id=run_id, course=course)
    conn.execute(insert.on_conflict_do_update(index_elements=["run_id"], set_={"course": course}))


def load_course(conn: sa.Connection, run_id: str) -> dict[str, Any]:  # Any: JSON
    """Return what was told of a run; empty when nothing was."""
    return conn.execute(sa.select(run_courses.c.course).where(run_courses.c.run_id == run_id)).scalar() or {}
