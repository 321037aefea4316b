"""How the pairs that ask the same are found, among very many."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from tests.core.store.plans import watch_plans
from tests.core.store.test_curating import FIVE_DAYS, NORWAY, approve, decide, find, states, take_back
from thumbtune.core.prompt import Turn
from thumbtune.core.store import Store, bands, pairs, schema
from thumbtune.core.store.findings import list_dependents

pytestmark = pytest.mark.usefixtures("desk")


def count_bands(store: Store, number: int) -> int:
    with store.read() as conn:
        which = schema.pair_bands.c.pair_id == find(store, number).pair_id
        return conn.execute(sa.select(sa.func.count()).select_from(schema.pair_bands).where(which)).scalar_one()


def put(store: Store, number: int, *, thread: int, turns: int = 1, decided_by: str = "") -> bands.ComparedPair:
    """Store a pair that is found by one band, without any curation; return it."""
    with store.write() as conn:
        pairs.put_pair(
            conn,
            desk_id="support",
            team_id="T1",
            channel_id="C1",
            thread_ts=f"{1000 + thread}.000001",
            reply_ts=f"{1000 + number}.000002",
            revision="",
            turns=[Turn("customer", NORWAY)] * turns,
            reply=FIVE_DAYS,
            passages=(),
            source="human",
            approved_by="U1",
            now=store.now(),
        )
        pair_id = conn.execute(sa.select(sa.func.max(schema.pairs.c.pair_id))).scalar_one()
        conn.execute(sa.update(schema.pairs).where(schema.pairs.c.pair_id == pair_id).values(decided_by=decided_by))
        bands.keep_bands(conn, pair_id, [7], is_new=True)
        query = sa.select(*bands.COMPARED_COLUMNS).where(schema.pairs.c.pair_id == pair_id)
        return bands.ComparedPair(**conn.execute(query).one()._mapping)


def test_pairs_are_found_by_their_bands_and_not_by_reading_the_desk(store: Store) -> None:
    if store.engine.dialect.name != "sqlite":
        return
    plans = watch_plans(store, holding="pair_bands.band IN")
    approve(store, 1)
    assert not any("SEARCH pairs" in line for line in plans)  # nothing is near
    approve(store, 2)
    assert any("pair_bands USING PRIMARY KEY (band=?)" in line for line in plans)
    assert "SEARCH pairs USING INTEGER PRIMARY KEY (rowid=?)" in plans


def test_merged_pairs_are_not_looked_through(store: Store) -> None:
    approve(store, 1)
    approve(store, 2)
    assert (count_bands(store, 1) > 0, count_bands(store, 2)) == (True, 0)
    take_back(store, 1)
    assert (count_bands(store, 1), count_bands(store, 2) > 0) == (0, True)


def test_those_that_come_first_are_compared_whenever_they_came(store: Store) -> None:
    for number in range(60, 0, -1):
        put(store, number, thread=number, decided_by="U9" if number == 60 else "")
    for number in range(900, 860, -1):  # of the same thread, which moved on: they take no room
        put(store, number - 900, thread=100, turns=2)
    pair = put(store, 100, thread=100)
    with store.read() as conn:
        near = bands.list_near(conn, pair, [7])
    assert [int(float(other.reply_ts)) - 1000 for other in near] == [60, *range(1, 50)]
    assert [other.rank for other in near] == sorted(other.rank for other in near)


def count_statements(store: Store, act: Callable[..., None], number: int) -> int:
    statements: list[str] = []

    def note(_conn: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    sa.event.listen(store.engine, "before_cursor_execute", note)
    act(store, number)
    sa.event.remove(store.engine, "before_cursor_execute", note)
    return len(statements)


def test_many_of_the_same_cost_no_more_than_few(store: Store) -> None:
    counts: list[list[int]] = []
    for numbers in (range(1, 6), range(6, 13)):
        for number in numbers:
            approve(store, number)
        acts = ((approve, 1), (take_back, 1), (take_back, 2), (approve, 2), (approve, 1))
        counts.append([count_statements(store, *act) for act in acts])
        others = dict.fromkeys(range(2, numbers[-1] + 1), "merged")
        assert states(store) == {1: "active", **others}
        kept = find(store, 1).pair_id
        with store.read() as conn:
            assert len(list_dependents(conn, kept)) == len(others)
        reason = f"same as #{kept}, the earlier one (question 100%, reply 100% alike)"
        assert {find(store, number).reason for number in others} == {reason}
    assert counts[0] == counts[1]


def test_those_that_are_the_same_word_for_word_part_from_others(store: Store) -> None:
    shouted = FIVE_DAYS.replace(".", "!")
    for number, reply in enumerate((FIVE_DAYS, FIVE_DAYS, shouted, shouted, FIVE_DAYS, shouted)):
        approve(store, number, reply=reply)
    take_back(store, 0)
    decide(store, 3, "active")
    kept = find(store, 3).pair_id
    assert states(store) == {0: "withdrawn", 1: "merged", 2: "merged", 3: "active", 4: "merged", 5: "merged"}
    reason = f"same as #{kept}, which a lead kept (question 100%, reply 100% alike)"
    assert {find(store, number).reason for number in (1, 2, 4, 5)} == {reason}
    decide(store, 3, "withdrawn")
    assert states(store) == {0: "withdrawn", 1: "active", 2: "merged", 3: "withdrawn", 4: "merged", 5: "merged"}
