from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from tests.conftest import Clock
from tests.core.store.test_forgetting import JONAS, MAYA, forget
from thumbtune.core.records import Desk
from thumbtune.core.sealing import Sealer
from thumbtune.core.store import Store, migrate_store, open_store
from thumbtune.core.store.desks import save_desk
from thumbtune.core.store.engine import utc_now
from thumbtune.core.store.members import Departure, erase_member, list_former, remember_members
from thumbtune.core.store.schema import group_members


def test_who_left_a_group_is_known_with_between_which_looks_that_was(store: Store, clock: Clock) -> None:
    first = clock().timestamp()
    assert remember_members(store, "S1", {"ANN", "BEN"}) == {}
    assert remember_members(store, "S2", {"ANN"}) == {}
    second = clock.advance(seconds=60).timestamp()
    ann = Departure(first, second)
    assert remember_members(store, "S1", {"BEN", "CAT"}) == {"ANN": ann}
    third = clock.advance(seconds=60).timestamp()
    assert remember_members(store, "S1", {"BEN", "CAT"}) == {"ANN": ann}
    gone = Departure(third, clock.advance(seconds=60).timestamp())
    assert remember_members(store, "S1", set()) == {"ANN": ann, "BEN": gone, "CAT": gone}
    assert remember_members(store, "S1", {"ANN"}) == {"BEN": gone, "CAT": gone}
    assert remember_members(store, "S2", {"ANN"}) == {}


def test_who_had_left_before_it_was_kept_when_they_were_last_seen_counts_until_they_were_missed(
    tmp_path: Path, sealer: Sealer, clock: Clock
) -> None:
    store = open_store(f"sqlite:///{tmp_path}/old.sqlite3", sealer, now=clock)
    migrate_store(store, to="0013")
    with store.write() as conn:
        for user_id, left_at in (("ANN", "'2026-03-01 09:00:00.000000'"), ("BEN", "NULL")):
            conn.exec_driver_sql(
                f"INSERT INTO group_members (group_id, user_id, left_at) VALUES ('S1', '{user_id}', {left_at})"
            )
    migrate_store(store)
    left = datetime(2026, 3, 1, 9, tzinfo=UTC).timestamp()
    assert list_former(store, "S1") == {"ANN": Departure(left, left)}
    with store.read() as conn:
        seen = conn.execute(sa.select(group_members.c.seen_at).where(group_members.c.user_id == "BEN")).scalar_one()
    assert abs((utc_now() - seen).total_seconds()) < 600
    store.engine.dispose()


def test_nothing_is_left_of_who_is_erased(store: Store) -> None:
    remember_members(store, "S1", {"ANN", "BEN"})
    remember_members(store, "S1", set())
    with store.write() as conn:
        erase_member(conn, "ANN")
    assert list(remember_members(store, "S1", set())) == ["BEN"]


def test_forgetting_by_every_desk_forgets_the_groups_too(store: Store, desk: Desk) -> None:
    """What a desk that does not forget them learned of them goes on to need it."""
    with store.write() as conn:
        save_desk(conn, Desk("sales", "T1", "Sales", "Be brief.", channels=("C2",)))
    remember_members(store, "S1", {MAYA, JONAS})
    remember_members(store, "S1", set())
    forget(store, MAYA, "support")
    assert set(list_former(store, "S1")) == {MAYA, JONAS}
    forget(store, MAYA, "sales")
    assert set(list_former(store, "S1")) == {JONAS}
