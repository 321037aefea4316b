"""How SQLite finds what a statement asks for."""

import sqlalchemy as sa

from thumbtune.core.store import Store


def watch_plans(store: Store, *, holding: str) -> list[str]:
    """Return a list that is filled with the plan of each statement from now on that holds these words; SQLite's alone."""
    plans: list[str] = []

    @sa.event.listens_for(store.engine, "before_cursor_execute")
    def explain(conn: sa.Connection, _cursor: object, statement: str, values: tuple[object, ...], *_: object) -> None:
        if holding in statement and not statement.startswith("EXPLAIN"):
            plans.extend(row[3] for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values))

    return plans
