"""How it is kept on which side of the split threads are."""

from pathlib import Path

import sqlalchemy as sa

from thumbtune.core.prompt import Turn
from thumbtune.core.records import Desk
from thumbtune.core.sealing import Sealer
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store, migrate_store, open_store, pairs, runs
from thumbtune.core.store.curating import Inspector, ask_curation
from thumbtune.core.store.desks import save_desk
from thumbtune.core.store.sides import find_sides, keep_sides, list_twins, load_sides, lock_sides


def place(thread: int) -> tuple[str, str, str]:
    return ("T1", "C1", f"{thread}.0")


def add_pair(conn: sa.Connection, store: Store, thread: int, *, question: str = "") -> None:
    where = {"team_id": "T1", "channel_id": "C1", "reply_ts": f"{thread}.5"}
    pairs.put_pair(
        conn,
        **where,
        desk_id="support",
        thread_ts=f"{thread}.0",
        revision="",
        turns=[Turn("customer", question or f"How long do I wait for lamp {thread}?")],
        reply="It takes two days at most.",
        passages=(),
        source="human",
        approved_by="U1",
        now=store.now(),
    )
    ask_curation(conn, store, shows_sign=False, inspector=Inspector(Settings(_env_file=None)), **where)


def test_thread_keeps_its_first_side_on_its_desk(store: Store) -> None:
    with store.write() as conn:
        for desk_id in ("support", "billing"):
            save_desk(conn, Desk(desk_id, "T1", desk_id, "Be kind."))
        lock_sides(conn, desk_id="support")
        keep_sides(conn, {place(number): number == 0 for number in range(2500)}, desk_id="support")
        keep_sides(conn, {place(0): False, place(9999): True}, desk_id="support")
        keep_sides(conn, {}, desk_id="support")
    with store.read() as conn:
        sides = load_sides(conn, desk_id="support")
        assert load_sides(conn, desk_id="billing") == {}
        assert find_sides(conn, [place(0), place(1), place(3000)], desk_id="support") == {
            place(0): True,
            place(1): False,
        }
        assert find_sides(conn, [], desk_id="support") == {}
    assert len(sides) == 2501
    assert [one for one, side in sides.items() if side] == [place(0), place(9999)]


def test_thread_of_a_merged_pair_is_named_with_the_pair_that_says_the_same(store: Store) -> None:
    with store.write() as conn:
        save_desk(conn, Desk("support", "T1", "Support", "Be kind."))
        for thread in (1, 2):
            add_pair(conn, store, thread, question="How long does it take to Norway, please?")
        add_pair(conn, store, 3)
    with store.read() as conn:
        first = pairs.list_pairs(conn, state="active")[0]
        assert first.thread_ts == "1.0"
        assert list_twins(conn, desk_id="support") == [(place(2), first.pair_id)]


def test_threads_that_runs_saw_stay_where_they_were(tmp_path: Path, sealer: Sealer) -> None:
    store = open_store(f"sqlite:///{tmp_path}/old.sqlite3", sealer)
    migrate_store(store, to="0008")
    with store.write() as conn:
        conn.exec_driver_sql("INSERT INTO desks (desk_id, team_id, name, voice, agents, approvers, leads, emojis, "
                             "approvals_needed, author_may_approve, threshold, categories) "
                             "VALUES ('support', 'T1', 'S', '', '[]', '[]', '[]', '[]', 1, 0, 9, '[]')")  # fmt: skip
        for thread in range(4):
            add_pair(conn, store, thread)
        run, _ = runs.open_run(conn, desk_id="support", reason="retrain", now=store.now())
        runs.record_snapshot(conn, run, trained=[1], held_out=[2], left_out=[3])
    migrate_store(store)
    with store.read() as conn:
        assert load_sides(conn, desk_id="support") == {place(0): False, place(1): True, place(2): True}
    store.engine.dispose()
