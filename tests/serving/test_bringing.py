"""What becomes of adapters, their runs and the server's report, with a stand-in for vLLM at the wire."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Clock
from tests.serving.bench import Timer
from tests.serving.stand_in import BASE_HASH, StandIn, publish_plain
from thumbtune.bot.models import REPLICA_FRESH_S
from thumbtune.core.golden import CaseContent, Expectations
from thumbtune.core.manifest import MANIFEST_NAME, hash_file
from thumbtune.core.prompt import Turn
from thumbtune.core.records import Adapter, Desk, TrainingRun
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store, adapters, desks, golden, runs
from thumbtune.core.store.replicas import list_replicas
from thumbtune.serving.replica import ReplicaServer
from thumbtune.serving.rollout import RETRY_AFTER_S, Rollout, ServerFacts
from thumbtune.serving.trial import AT_ONCE


class Room:
    """Desks whose adapters are brought to a stand-in."""

    def __init__(self, store: Store, clock: Clock, vllm: StandIn, server: ReplicaServer, settings: Settings) -> None:
        self.store, self.clock, self.vllm, self.server, self.settings = store, clock, vllm, server, settings
        self.timer = Timer()
        self.rollout = self.make_rollout()

    def make_rollout(self, *, base_hash: str = BASE_HASH) -> Rollout:
        facts = ServerFacts("here", "base", base_hash, None, 16, 8)
        return Rollout(self.store, self.server, facts=facts, settings=self.settings, monotonic=self.timer)

    def publish(self, desk_id: str = "support", *, base_hash: str = BASE_HASH) -> str:
        self.clock.advance(seconds=60)
        with self.store.write() as conn:
            desks.save_desk(conn, Desk(desk_id, "T1", desk_id, "Be kind."))
            name = f"{desk_id}-{len(adapters.list_adapters(conn, desk_id=desk_id)) + 1:04d}"
            publish_plain(self.settings.adapters_dir, name, base_hash=base_hash)
            opened, _ = runs.open_run(conn, desk_id=desk_id, reason="retrain", now=self.clock(), announce_channel="C1")
            run = runs.claim_run(conn, owner="trainer", now=self.clock(), lease_s=30)
            assert run is not None
            runs.finish_run(conn, run, state="passed", message="Better.", now=self.clock())
            runs.mark_announced(conn, opened.run_id, announced="closed")
            adapters.add_adapter(
                conn,
                name=name,
                desk_id=desk_id,
                run_id=run.run_id,
                path=str(self.settings.adapters_dir / name),
                manifest_hash=hash_file(self.settings.adapters_dir / name / MANIFEST_NAME),
                base_model="base",
                now=self.clock(),
            )
        return name

    def add_golden(self, desk_id: str, number: int) -> None:
        content = CaseContent(
            title="Parcels",
            turns=(Turn("customer", f"Where is parcel {number}?"),),
            expectations=Expectations(contains_all=("Friday",)),
        )
        with self.store.write() as conn:
            golden.add_case(conn, content, desk_id=desk_id, added_by="U9", now=self.clock())

    def is_seen(self) -> bool:
        """Return whether the bot takes the server for well now."""
        with self.store.read() as conn:
            found = list_replicas(conn, now=self.clock(), fresh_s=REPLICA_FRESH_S)
        return [replica.healthy for replica in found] == [True]

    def reconcile(self) -> bool:
        self.clock.advance(seconds=6)
        self.timer.seconds += RETRY_AFTER_S
        return self.rollout.reconcile()

    def load(self, name: str) -> Adapter:
        with self.store.read() as conn:
            return adapters.load_adapter(conn, name)

    def load_run(self, name: str) -> TrainingRun:
        with self.store.read() as conn:
            return runs.load_run(conn, adapters.load_adapter(conn, name).run_id)

    def list_untold(self) -> list[str]:
        with self.store.read() as conn:
            return [run.run_id for run, _ in runs.list_unannounced_runs(conn)]


@pytest.fixture
def room(store: Store, clock: Clock, tmp_path: Path) -> Iterator[Room]:
    settings = Settings(_env_file=None, data_dir=tmp_path, max_reply_tokens=40)
    with StandIn() as vllm, ReplicaServer(vllm.url, "key", adapters_dir=settings.adapters_dir, timeout_s=20) as server:
        yield Room(store, clock, vllm, server, settings)


def test_run_of_an_adapter_that_fails_its_proof_is_rejected_and_told_anew(room: Room) -> None:
    first = room.publish()
    assert room.reconcile()
    assert room.load(first).state == "live"
    second = room.publish()
    room.vllm.inert = {second}
    assert room.reconcile()
    assert room.load(second).state == "quarantined"
    assert room.load(first).state == "live"
    run = room.load_run(second)
    assert run.state == "rejected"
    assert run.message.startswith(f"{second} failed its proof: {second} changes nothing")
    assert run.message.endswith("What was live stays live.")
    assert room.list_untold() == [run.run_id]


def test_run_of_an_adapter_that_was_live_keeps_what_it_said(room: Room) -> None:
    first = room.publish()
    room.reconcile()
    room.vllm.inert = {first}
    room.rollout = room.make_rollout()
    room.reconcile()
    assert room.load(first).state == "quarantined"
    assert room.load_run(first).state == "passed"
    assert room.list_untold() == []


def test_adapter_of_another_base_waits_for_the_server_to_be_restarted_with_it(room: Room) -> None:
    name = room.publish(base_hash="b" * 64)
    for _ in range(3):
        assert room.reconcile()
        assert room.load(name).state == "published"
    assert "waits for servers with its base" in room.load(name).reason
    assert room.vllm.loaded == {}
    assert room.load_run(name).state == "passed"
    room.rollout = room.make_rollout(base_hash="b" * 64)
    assert room.reconcile()
    assert (room.load(name).state, room.load(name).reason) == ("live", "")


def test_server_is_reported_well_while_many_trials_are_held(room: Room) -> None:
    names = []
    for desk_id in ("lamps", "chairs", "tables"):
        names.append(room.publish(desk_id))
        for number in range(18):
            room.add_golden(desk_id, number)
    room.rollout.prepare()
    asked, seen, lock = 0, [], threading.Lock()

    def reply(_request: dict[str, object]) -> str:
        """Let a batch take most of the time that a report is good for."""
        nonlocal asked
        with lock:
            asked += 1
            if asked % AT_ONCE == 0:
                seen.append(room.is_seen())
                room.clock.advance(seconds=REPLICA_FRESH_S - 10)
                room.timer.seconds += REPLICA_FRESH_S - 10
        return "It comes on Friday."

    room.vllm.reply = reply
    assert room.reconcile()
    while room.rollout.goes_on:
        assert room.rollout.reconcile()
    assert seen == [True] * (18 * 4 // AT_ONCE), "the base writes once for all desks"
    assert [room.load(name).state for name in names] == ["live"] * len(names)
