"""Statements that go straight to the driver: the same values and errors as SQLAlchemy's own way, and seen by its events."""

from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from tests.bot.outages import take_away
from thumbtune.core.errors import StoreUnavailable
from thumbtune.core.store import Store
from thumbtune.core.store.prepared import Prepared, PreparedInsert, prepare_insert_of_new
from thumbtune.core.store.schema import inbox, installation, messages

MESSAGE = {
    "team_id": "T1",
    "channel_id": "C1",
    "ts": "1.1",
    "thread_ts": "1.1",
    "user_id": "U1",
    "is_bot": False,
    "text": "50 % of 'all' \\ %(text)s :text ü",
    "revision": "",
    "deleted": True,
    "event_ts": "1.1",
    "former": [{"revision": "", "text": "ä"}],
}
EVENT = {"team_id": "T1", "event_key": "E1", "kind": "event", "name": "message", "sealed_body": None}
OF_TEAM = messages.c.team_id == sa.bindparam("team_id")


def test_values_come_back_as_by_sqlalchemy(store: Store) -> None:
    received_at = datetime(2026, 11, 22, 3, 4, 5, 678901, UTC)
    events = sa.select(inbox).where(inbox.c.event_key == sa.bindparam("event_key"))
    stored = sa.select(messages).where(OF_TEAM, messages.c.text != "other")
    with store.write() as conn:
        assert prepare_insert_of_new(messages).changes_a_row(conn, MESSAGE)
        assert prepare_insert_of_new(inbox).changes_a_row(conn, {**EVENT, "received_at": received_at})
        for query, values in ((stored, {"team_id": "T1"}), (events, {"event_key": "E1"})):
            (row,) = Prepared(query).all(conn, values)
            assert row._asdict() == dict(conn.execute(query, values).one()._mapping)
    assert row.received_at == received_at


def test_insert_tells_what_it_added_changed_or_left_alone(store: Store) -> None:
    def let_others_win(insert: Any) -> Any:  # Any: either dialect's Insert
        return insert.on_conflict_do_update(index_elements=["key"], set_={"value": insert.excluded.value})

    add = prepare_insert_of_new(installation, returning=installation.c.value)
    put = PreparedInsert(installation, let_others_win, returning=installation.c.value)
    with store.write() as conn:
        assert add.run(conn, {"key": "k", "value": "one"}) == "one"
        assert add.run(conn, {"key": "k", "value": "two"}) is None
        assert put.run(conn, {"value": "three", "key": "k"}) == "three"
        Prepared(sa.insert(installation), columns=["key", "value"]).run_many(
            conn, [{"key": str(number), "value": "x"} for number in range(3)]
        )
        query = Prepared(sa.select(installation.c.key).where(installation.c.value == sa.bindparam("value")))
        assert sorted(row.key for row in query.all(conn, {"value": "x"})) == ["0", "1", "2"]
        assert query.first(conn, {"value": "nothing"}) is None


def test_errors_are_those_of_sqlalchemy_and_say_no_values(store: Store) -> None:
    add = Prepared(sa.insert(messages), columns=list(MESSAGE))
    with pytest.raises(IntegrityError) as refused, store.write() as conn:
        add.run(conn, MESSAGE)
        add.run(conn, MESSAGE)
    assert refused.value.params is None


def test_lost_connection_is_an_outage_and_the_next_one_works(store: Store, store_url: str) -> None:
    query = Prepared(sa.select(messages.c.ts).where(OF_TEAM))
    if store.engine.dialect.name == "postgresql":
        with pytest.raises(StoreUnavailable), store.write() as conn:
            query.all(conn, {"team_id": "T1"})
            with take_away(store_url):
                pass
            query.all(conn, {"team_id": "T1"})
    with store.write() as conn:
        assert query.all(conn, {"team_id": "T1"}) == []


def test_lists_of_values_are_refused(store: Store) -> None:
    query = Prepared(sa.select(messages.c.ts).where(messages.c.ts.in_(sa.bindparam("all", expanding=True))))
    with store.read() as conn, pytest.raises(ValueError, match="one parameter for each"):
        query.all(conn, {"all": ["1.1"]})


def test_whoever_watches_statements_sees_these_too(store: Store) -> None:
    seen: list[tuple[str, bool]] = []

    def watch(_conn: object, _cursor: object, statement: str, _values: object, _context: object, many: bool) -> None:
        seen.append((statement.split(maxsplit=1)[0], many))

    sa.event.listen(store.engine, "before_cursor_execute", watch)
    sa.event.listen(store.engine, "after_cursor_execute", watch)
    with store.read() as conn:
        seen.clear()
        Prepared(sa.select(messages.c.ts).where(OF_TEAM)).all(conn, {"team_id": "T1"})
    assert seen == [("SELECT", False), ("SELECT", False)]
