"""Forgetting with its file of tombstones, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import Clock
from tests.core.store.test_forgetting import is_waited_for
from thumbtune.core.errors import NotFound, StoreBusy
from thumbtune.core.forgetting import ON_ITS_WAY, forget, forget_on_its_way, keep_tombstones, preview, replay
from thumbtune.core.records import Desk, Message
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store
from thumbtune.core.store.adapters import add_adapter, load_adapter
from thumbtune.core.store.audits import list_acts
from thumbtune.core.store.desks import save_desk
from thumbtune.core.store.messages import load_message, lock_channel, record_message
from thumbtune.core.store.pairs import put_pair
from thumbtune.core.store.runs import open_run, record_snapshot
from thumbtune.core.store.tombstones import digest_person, holds_forgotten, list_tombstones, load_forgotten
from thumbtune.core.tombstone_file import FILE_NAME, append_tombstone, read_tombstones

MAYA = {"person": "U0MAYA", "by": "U9"}
TS = "1000000000.000100"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(_env_file=None, data_dir=tmp_path / "data")


@pytest.fixture(autouse=True)
def _said(store: Store) -> None:
    with store.write() as conn:
        for name, channel_id in (("sales", "C2"), ("support", "C1")):
            save_desk(conn, Desk(name, "T1", name.title(), "Be kind.", channels=(channel_id,)))
    say(store)


def say(store: Store, ts: str = TS) -> None:
    with store.write() as conn:
        record_message(conn, Message("T1", "C1", ts, ts, "U0MAYA", False, "Where is it?", "", False), event_ts=ts)


def read(store: Store, ts: str = TS) -> str:
    with store.read() as conn:
        message = load_message(conn, team_id="T1", channel_id="C1", ts=ts)
    assert message is not None
    return message.text


def test_preview_counts_and_changes_nothing(store: Store, settings: Settings) -> None:
    found = preview(store, settings, desk_ids=[], **MAYA)
    assert (found.counts["messages"], found.desks) == (1, ("sales", "support"))
    assert read(store) == "Where is it?"
    with store.read() as conn:
        assert (list_tombstones(conn), list_acts(conn, limit=5)) == ([], [])
    assert not settings.data_dir.exists()


def test_tombstone_lies_in_store_and_file(store: Store, settings: Settings) -> None:
    receipt = forget(store, settings, desk_ids=["support"], **MAYA)
    (tombstone,) = read_tombstones(settings.data_dir)
    with store.read() as conn:
        assert list_tombstones(conn) == [tombstone]
    assert (tombstone.receipt_id, tombstone.desk_ids, tombstone.by) == (receipt.receipt_id, ("support",), "U9")
    assert "U0MAYA" not in (settings.data_dir / FILE_NAME).read_text()
    assert read(store) == ""


def test_store_and_file_make_up_for_what_the_other_lost(store: Store, settings: Settings, clock: Clock) -> None:
    forget(store, settings, desk_ids=[], **MAYA)
    (tombstone,) = read_tombstones(settings.data_dir)
    (settings.data_dir / FILE_NAME).unlink()
    assert keep_tombstones(store, settings) == []
    assert read_tombstones(settings.data_dir) == [tombstone]
    with store.write() as conn:
        conn.exec_driver_sql("DELETE FROM tombstones")
        conn.exec_driver_sql("DELETE FROM messages")
    say(store)
    clock.advance(seconds=60)
    say(store, f"{clock().timestamp():.6f}")
    (receipt,) = keep_tombstones(store, settings)
    assert receipt.counts["messages"] == 1
    assert (read(store), read(store, f"{clock().timestamp():.6f}")) == ("", "Where is it?")
    assert keep_tombstones(store, settings) == []
    assert len(read_tombstones(settings.data_dir)) == 1


def test_line_that_a_kill_tore_off_is_skipped_and_the_next_is_whole(store: Store, settings: Settings) -> None:
    forget(store, settings, desk_ids=[], **MAYA)
    path = settings.data_dir / FILE_NAME
    (tombstone,) = read_tombstones(settings.data_dir)
    path.write_bytes(path.read_bytes()[:-20])
    assert read_tombstones(settings.data_dir) == []
    again = replace(tombstone, receipt_id="forget-2")
    append_tombstone(settings.data_dir, again)
    assert read_tombstones(settings.data_dir) == [again]


def test_what_was_on_its_way_is_forgotten_within_the_day(store: Store, settings: Settings, clock: Clock) -> None:
    forget(store, settings, desk_ids=[], **MAYA)
    late = "1000000000.000200"
    say(store, late)
    forget_on_its_way(store, settings)
    assert read(store, late) == ""
    with store.read() as conn:
        acts = len(list_acts(conn, limit=9))
    forget_on_its_way(store, settings)
    clock.advance(seconds=ON_ITS_WAY.total_seconds() + 1)
    forget_on_its_way(store, settings)
    with store.read() as conn:
        assert len(list_acts(conn, limit=9)) == acts == 2


def test_adapter_entered_after_a_forgetting_is_marked_within_the_day(store: Store, settings: Settings) -> None:
    """Nothing else of theirs is left by then."""
    place = {"team_id": "T1", "channel_id": "C1", "thread_ts": TS, "reply_ts": "1000000000.000150"}
    with store.write() as conn:
        made = {"source": "human", "approved_by": "U2", "revision": "", "now": store.now()}
        put_pair(conn, desk_id="support", turns=[], reply="Soon.", passages=[], **place, **made)  # type: ignore[arg-type]
    forget(store, settings, desk_ids=[], **MAYA)
    with store.write() as conn:
        run, _ = open_run(conn, desk_id="support", reason="retrain", now=store.now())
        record_snapshot(conn, run, trained=[1], held_out=[])
        rest = {"path": "x", "manifest_hash": "h", "base_model": "base", "now": store.now()}
        add_adapter(conn, name="support-0001", desk_id="support", run_id=run.run_id, **rest)  # type: ignore[arg-type]
    forget_on_its_way(store, settings)
    with store.read() as conn:
        assert load_adapter(conn, "support-0001").replace_since == store.now()


def test_desk_that_is_made_later_does_not_learn_whom_all_forgot(store: Store, settings: Settings) -> None:
    forget(store, settings, desk_ids=[], **MAYA)
    forget(store, settings, desk_ids=["sales"], person="U0TOM", by="U9")
    late = "1000000000.000400"
    with store.write() as conn:
        save_desk(conn, Desk("billing", "T1", "Billing", "Be kind.", channels=("C9",)))
        record_message(conn, Message("T1", "C9", late, late, "U0MAYA", False, "Mine?", "", False), event_ts=late)
        there = load_forgotten(conn, store.sealer, team_id="T1", channel_id="C9")
        assert (there.holds("U0MAYA", ts=TS), there.holds("U0TOM", ts=TS)) == (True, False)
        assert holds_forgotten(conn, [digest_person(store.sealer, "U0MAYA")], desk_id="billing")
        assert not holds_forgotten(conn, [digest_person(store.sealer, "U0TOM")], desk_id="billing")
    forget_on_its_way(store, settings)
    with store.read() as conn:
        message = load_message(conn, team_id="T1", channel_id="C9", ts=late)
    assert message is not None
    assert message.text == ""
    assert keep_tombstones(store, settings) == []


def test_channel_keeps_what_the_desks_that_it_left_forgot(store: Store, settings: Settings, clock: Clock) -> None:
    forget(store, settings, desk_ids=["support"], **MAYA)
    with store.write() as conn:
        for name, channels in (("support", ("C3",)), ("sales", ("C1", "C2")), ("sales", ("C2",)), ("support", ("C1",))):
            save_desk(conn, Desk(name, "T1", name.title(), "Be kind.", channels=channels))
            held = load_forgotten(conn, store.sealer, team_id="T1", channel_id="C1")
            other = load_forgotten(conn, store.sealer, team_id="T1", channel_id="C2")
            assert (held.holds("U0MAYA", ts=TS), other.holds("U0MAYA", ts=TS)) == (True, False)
            after = f"{clock().timestamp() + 1:.6f}"
            assert not held.holds("U0MAYA", ts=after)
    assert keep_tombstones(store, settings) == []
    assert len(read_tombstones(settings.data_dir)) == 1
    forget_on_its_way(store, settings)


def test_forgetting_that_waits_for_who_waits_for_it_is_done_again(store: Store, settings: Settings) -> None:
    """It takes the channel first; another writer that takes it last can make both wait."""
    with ThreadPoolExecutor(1) as other:
        with store.write() as conn:
            if conn.dialect.name == "postgresql":
                conn.exec_driver_sql("SET LOCAL deadlock_timeout = '60s'")  # the other one notices
            conn.exec_driver_sql("UPDATE messages SET revision = 'edited'")
            forgetting = other.submit(forget, store, settings, desk_ids=[], **MAYA)
            while not (forgetting.done() or is_waited_for(store)):
                pass
            lock_channel(conn, team_id="T1", channel_id="C1")
        assert forgetting.result(30).counts["messages"] == 1
    assert read(store) == ""


def test_writer_that_was_undone_for_another_is_told_so(store: Store) -> None:
    if store.engine.dialect.name == "sqlite":
        return  # whose writers follow one another

    def wait_for_it() -> None:
        with store.write() as conn:
            lock_channel(conn, team_id="T1", channel_id="C1")
            conn.exec_driver_sql("UPDATE messages SET revision = 'mine'")

    with ThreadPoolExecutor(1) as other:
        with store.write() as conn:
            conn.exec_driver_sql("SET LOCAL deadlock_timeout = '60s'")
            conn.exec_driver_sql("UPDATE messages SET revision = 'edited'")
            waiting = other.submit(wait_for_it)
            while not (waiting.done() or is_waited_for(store)):
                pass
            lock_channel(conn, team_id="T1", channel_id="C1")
        with pytest.raises(StoreBusy, match="waited for each other"):
            waiting.result(30)


def test_replay_takes_what_store_and_file_know(store: Store, settings: Settings) -> None:
    forget(store, settings, desk_ids=[], **MAYA)
    say(store, "1000000000.000300")
    (receipt,) = replay(store, settings)
    assert receipt.counts["messages"] == 1


def test_desk_that_is_not_there_is_named(store: Store, settings: Settings) -> None:
    with pytest.raises(NotFound, match="no desk billing"):
        forget(store, settings, desk_ids=["billing"], **MAYA)
