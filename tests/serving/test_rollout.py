import contextlib
import dataclasses
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.conftest import Clock
from tests.serving.models import copy_adapter, fill_with_nan, flip_bit, publish_random, write_manifest
from thumbtune.core.inference import InferenceClient
from thumbtune.core.manifest import MANIFEST_NAME, hash_base, hash_file, load_manifest, load_template
from thumbtune.core.prompt import ChatMessage, hash_template
from thumbtune.core.records import Adapter, Desk, Replica
from thumbtune.core.store import Store, adapters, desks, replicas, runs
from thumbtune.core.store.audits import list_acts
from thumbtune.serving.replica import ReplicaServer
from thumbtune.serving.rollout import (
    ATTEMPTS,
    LETHAL_RETRY_AFTER_S,
    RETRY_AFTER_S,
    UNLOAD_AFTER_S,
    Rollout,
    ServerFacts,
)

pytestmark = pytest.mark.xdist_group("heavy")

HELLO: list[ChatMessage] = [{"role": "user", "content": "Where is my order?"}]
desk_ids = (f"desk{number}" for number in itertools.count())


class Timer:
    """A monotonic clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Bench:
    """A desk with its store, one running vLLM, and the rollout between them."""

    def __init__(self, store: Store, clock: Clock, server: ReplicaServer, *, base: Path, adapters_dir: Path) -> None:
        self.store, self.clock, self.server, self.base, self.adapters_dir = store, clock, server, base, adapters_dir
        self.desk_id = next(desk_ids)
        self.timer = Timer()
        with store.write() as conn:
            desks.save_desk(conn, Desk(self.desk_id, "T1", self.desk_id, "Be kind."))
        self.rollout = self.make_rollout()

    def make_rollout(self) -> Rollout:
        facts = ServerFacts(
            replica_id="here",
            base_name=self.base.name,
            base_hash=hash_base(self.base),
            template_hash=hash_template(load_template(self.base)),
            max_rank=16,
            max_loaded=8,
        )
        return Rollout(self.store, self.server, facts=facts, adapters_dir=self.adapters_dir, monotonic=self.timer)

    def publish(self, make: Callable[[str], object] | None = None, *, seed: int = 1) -> str:
        """Publish an adapter as the trainer does: files first, then its row."""
        self.clock.advance(seconds=60)
        with self.store.write() as conn:
            runs.open_run(conn, desk_id=self.desk_id, reason="retrain", now=self.clock())
            run = runs.claim_run(conn, owner="trainer", now=self.clock(), lease_s=30)
            assert run is not None
            runs.finish_run(conn, run, state="passed", message="", now=self.clock())
            name = f"{self.desk_id}-{len(adapters.list_adapters(conn, desk_id=self.desk_id)) + 1:04d}"
        if make is None:
            publish_random(self.adapters_dir, name, base=self.base, seed=seed)
        else:
            make(name)
        with self.store.write() as conn:
            adapters.add_adapter(
                conn,
                name=name,
                desk_id=self.desk_id,
                run_id=run.run_id,
                path=str(self.adapters_dir / name),
                manifest_hash=hash_file(self.adapters_dir / name / MANIFEST_NAME),
                base_model=self.base.name,
                now=self.clock(),
            )
        return name

    def reconcile(self) -> bool:
        self.clock.advance(seconds=6)
        self.timer.seconds += 6
        return self.rollout.reconcile()

    def reconcile_patiently(self) -> None:
        """Reconcile as often as an adapter may fail, with the pauses in between."""
        for _ in range(ATTEMPTS):
            self.reconcile()
            self.timer.seconds += RETRY_AFTER_S

    def load(self, name: str) -> Adapter:
        with self.store.read() as conn:
            return adapters.load_adapter(conn, name)

    def live(self) -> str | None:
        with self.store.read() as conn:
            found = adapters.find_live(conn, desk_id=self.desk_id)
        return found.name if found else None

    def report_other(self, *, healthy: bool, proven: tuple[str, ...] = ()) -> None:
        with self.store.write() as conn:
            other = Replica("there", "http://there:8000", healthy, self.base.name, proven, self.clock())
            replicas.report_replica(conn, other)


@pytest.fixture
def bench(store: Store, clock: Clock, server: ReplicaServer, tiny_base: Path, adapters_dir: Path) -> Bench:
    return Bench(store, clock, server, base=tiny_base, adapters_dir=adapters_dir)


def test_published_adapter_goes_live_and_the_one_before_stays_loaded(bench: Bench) -> None:
    first = bench.publish()
    assert bench.reconcile()
    assert bench.live() == first
    second = bench.publish(seed=2)
    assert bench.reconcile()
    assert bench.live() == second
    assert bench.load(first).state == "retired"
    assert set(bench.server.list_loaded()) == {first, second}
    with bench.store.read() as conn:
        [replica] = replicas.list_replicas(conn, now=bench.clock())
    assert replica.healthy
    assert replica.proven == (first, second)
    assert replica.base_model == bench.base.name


def test_rollback_is_a_row_and_loads_nothing(bench: Bench, client: InferenceClient) -> None:
    first, second = bench.publish(), ""
    bench.reconcile()
    second = bench.publish(seed=2)
    bench.reconcile()
    before = client.complete(HELLO, model=first, max_tokens=8).text
    with bench.store.write() as conn:
        adapters.roll_back(conn, desk_id=bench.desk_id, now=bench.clock())
    assert bench.live() == first
    assert client.complete(HELLO, model=first, max_tokens=8).text == before
    for _ in range(3):
        bench.reconcile()
    assert bench.live() == first, "what was rolled back must not come back by itself"
    assert bench.load(second).state == "retired"


def test_adapter_of_zeros_is_quarantined_and_the_live_one_stays(bench: Bench) -> None:
    first = bench.publish()
    bench.reconcile()
    zero = bench.publish(lambda name: publish_random(bench.adapters_dir, name, base=bench.base, scale=0.0))
    bench.reconcile()
    assert bench.load(zero).state == "quarantined"
    assert "changes nothing" in bench.load(zero).reason
    assert bench.live() == first
    assert set(bench.server.list_loaded()) == {first}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("flipped bit", "differs from what was published"),
        ("other base", "another base"),
        ("rank", "rank 32"),
        ("no number", "no numbers"),
    ],
)
def test_wrong_files_are_refused_before_vllm_sees_them(
    bench: Bench, good_adapter: Path, fault: str, reason: str
) -> None:
    def make(name: str) -> None:
        if fault == "rank":
            publish_random(bench.adapters_dir, name, base=bench.base, rank=32)
        else:
            copy_adapter(good_adapter, name, **({"base_hash": "f" * 64} if fault == "other base" else {}))
        if fault == "flipped bit":
            flip_bit(bench.adapters_dir / name)
        if fault == "no number":
            fill_with_nan(bench.adapters_dir / name)
            write_manifest(bench.adapters_dir / name, load_manifest(bench.adapters_dir / name))

    name = bench.publish(make)
    seen: list[str] = []
    load = bench.server.load_adapter
    bench.server.load_adapter = lambda name, path: (seen.append(name), load(name, path))[1]  # type: ignore[method-assign]
    bench.reconcile_patiently()
    assert bench.load(name).state == "quarantined"
    assert reason in bench.load(name).reason
    assert seen == []


def test_adapters_folder_that_is_away_for_a_while_costs_no_adapter(bench: Bench) -> None:
    name = bench.publish()
    aside = bench.adapters_dir.with_name("away")
    bench.adapters_dir.rename(aside)
    assert bench.reconcile()
    assert bench.load(name).state == "published"
    aside.rename(bench.adapters_dir)
    bench.timer.seconds += 120
    assert bench.reconcile()
    assert bench.live() == name


def test_manifest_that_was_exchanged_is_refused(bench: Bench) -> None:
    name = bench.publish()
    folder = bench.adapters_dir / name
    write_manifest(folder, dataclasses.replace(load_manifest(folder), gate={"decision": "passed by hand"}))
    bench.reconcile_patiently()
    assert bench.load(name).state == "quarantined"
    assert "not the one that was published" in bench.load(name).reason


def test_retired_adapter_that_is_asked_for_is_loaded_and_proven_before_it_is_live(bench: Bench) -> None:
    names = []
    for seed in (1, 2, 3):
        names.append(bench.publish(seed=seed))
        bench.reconcile()
    bench.server.unload_adapter(names[0])
    bench.reconcile()
    with bench.store.write() as conn:
        assert adapters.request_live(conn, names[0], now=bench.clock()).state == "published"
    assert bench.live() == names[2]
    bench.reconcile()
    assert bench.live() == names[0]
    assert names[0] in bench.server.list_loaded()


def test_restarted_server_gets_its_adapters_back(bench: Bench) -> None:
    first = bench.publish()
    bench.reconcile()
    second = bench.publish(seed=2)
    bench.reconcile()
    for name in (first, second):
        bench.server.unload_adapter(name)
    bench.reconcile()
    assert set(bench.server.list_loaded()) == {first, second}
    assert bench.live() == second


def test_restarted_rollout_proves_what_it_finds_loaded(bench: Bench) -> None:
    name = bench.publish()
    bench.reconcile()
    bench.rollout = bench.make_rollout()
    bench.reconcile()
    with bench.store.read() as conn:
        assert [replica.proven for replica in replicas.list_replicas(conn, now=bench.clock())] == [(name,)]


def test_nothing_goes_live_before_every_healthy_server_proved_it(bench: Bench) -> None:
    name = bench.publish()
    bench.report_other(healthy=True)
    bench.reconcile()
    assert bench.live() is None
    bench.report_other(healthy=True, proven=(name,))
    bench.reconcile()
    assert bench.live() == name


def test_unhealthy_and_silent_servers_are_not_waited_for(bench: Bench) -> None:
    bench.report_other(healthy=False)
    first = bench.publish()
    bench.reconcile()
    assert bench.live() == first
    bench.report_other(healthy=True)
    bench.clock.advance(seconds=120)
    second = bench.publish(seed=2)
    bench.reconcile()
    assert bench.live() == second


def test_live_adapter_whose_files_broke_falls_back_to_the_one_before(bench: Bench) -> None:
    first = bench.publish()
    bench.reconcile()
    second = bench.publish(seed=2)
    bench.reconcile()
    flip_bit(bench.adapters_dir / second)
    bench.server.unload_adapter(second)
    bench.reconcile_patiently()
    assert bench.load(second).state == "quarantined"
    assert bench.live() == first
    with bench.store.read() as conn:
        acts = [(act.actor, act.action, act.subject) for act in list_acts(conn, limit=2)]
    assert acts == [("serving", "adapter_quarantined", second), ("serving", "adapter_rolled_back", first)]


def test_live_adapter_of_another_base_is_neither_served_nor_rolled_back(bench: Bench) -> None:
    name = bench.publish()
    bench.reconcile()
    bench.server.unload_adapter(name)
    bench.rollout = Rollout(
        bench.store,
        bench.server,
        facts=ServerFacts("here", bench.base.name, "e" * 64, None, 16, 8),
        adapters_dir=bench.adapters_dir,
        monotonic=bench.timer,
    )
    bench.reconcile()
    assert bench.live() == name
    assert bench.server.list_loaded() == {}
    with bench.store.read() as conn:
        assert [replica.proven for replica in replicas.list_replicas(conn, now=bench.clock())] == [()]


def test_unwanted_adapter_is_unloaded_after_a_while(bench: Bench) -> None:
    name = bench.publish()
    bench.reconcile()
    with bench.store.write() as conn:
        adapters.quarantine(conn, name, reason="set aside by hand")
    bench.reconcile()
    assert name in bench.server.list_loaded()
    bench.timer.seconds += UNLOAD_AFTER_S
    bench.reconcile()
    assert bench.server.list_loaded() == {}


def test_adapter_that_vllm_keeps_refusing_is_quarantined(bench: Bench, good_adapter: Path) -> None:
    """Its tensors have names the model does not: only vLLM can say so."""

    def make(name: str) -> None:
        from safetensors.torch import load_file, save_file

        copy_adapter(good_adapter, name)
        path = bench.adapters_dir / name / "adapter_model.safetensors"
        save_file({key.replace("q_proj", "z_proj"): tensor for key, tensor in load_file(path).items()}, path)
        write_manifest(path.parent, load_manifest(path.parent))

    name = bench.publish(make)
    for _ in range(ATTEMPTS - 1):
        bench.reconcile()
        assert bench.load(name).state == "published"
    bench.reconcile()
    assert bench.load(name).state == "quarantined"


class MortalServer:
    """Answers as vLLM does until it is told to load one adapter: then it dies, and is started again by the test."""

    def __init__(self, *, lethal: str) -> None:
        self.loads: list[str] = []
        self.is_dead = False
        mortal = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/health":
                    self.answer({}, status=503 if mortal.is_dead else 200)
                else:
                    self.answer({"data": []})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                mortal.loads.append(body["lora_name"])
                if body["lora_name"] == lethal:
                    mortal.is_dead = True
                    self.close_connection = True
                else:
                    self.answer({"error": {"message": "busy"}}, status=429)

            def answer(self, fields: dict[str, object], *, status: int = 200) -> None:
                data = json.dumps(fields).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"


@pytest.fixture
def start_mortal(adapters_dir: Path) -> Iterator[Callable[[str], tuple[MortalServer, ReplicaServer]]]:
    with contextlib.ExitStack() as stack:

        def start(lethal: str) -> tuple[MortalServer, ReplicaServer]:
            mortal = MortalServer(lethal=lethal)
            thread = threading.Thread(target=mortal.http.serve_forever)
            thread.start()
            stack.callback(thread.join)
            stack.callback(mortal.http.server_close)
            stack.callback(mortal.http.shutdown)
            return mortal, stack.enter_context(ReplicaServer(mortal.url, "key", adapters_dir=adapters_dir))

        yield start


@pytest.mark.parametrize("was_live", [False, True])
def test_adapter_that_kills_vllm_is_not_loaded_for_ever(
    bench: Bench, start_mortal: Callable[[str], tuple[MortalServer, ReplicaServer]], was_live: bool
) -> None:
    name = bench.publish()
    if was_live:
        bench.reconcile()
    mortal, bench.server = start_mortal(name)
    bench.rollout = bench.make_rollout()
    for _ in range(ATTEMPTS):
        assert not bench.reconcile()
        assert not bench.reconcile(), "dead until it is started again"
        mortal.is_dead = False
    assert mortal.loads == [name] * ATTEMPTS
    assert bench.reconcile()
    assert bench.load(name).state == ("live" if was_live else "quarantined")
    assert mortal.loads == [name] * ATTEMPTS
    bench.timer.seconds += LETHAL_RETRY_AFTER_S
    assert bench.reconcile() is not was_live


def test_folder_that_is_still_being_copied_is_waited_for(bench: Bench) -> None:
    name = bench.publish()
    weights = bench.adapters_dir / name / "adapter_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:1000])
    assert bench.reconcile()
    assert bench.load(name).state == "published"
    weights.write_bytes(whole)
    assert bench.reconcile()
    assert bench.live() is None, "it is looked at again after a while"
    bench.timer.seconds += RETRY_AFTER_S
    assert bench.reconcile()
    assert bench.live() == name


def test_dead_server_is_reported_and_loads_nothing(bench: Bench, tmp_path: Path) -> None:
    name = bench.publish()
    with ReplicaServer(f"unix:{tmp_path / 'none.sock'}", "key", adapters_dir=bench.adapters_dir) as nowhere:
        bench.server = nowhere
        bench.rollout = bench.make_rollout()
        assert not bench.reconcile()
    assert bench.load(name).state == "published"
    with bench.store.read() as conn:
        assert [replica.healthy for replica in replicas.list_replicas(conn, now=bench.clock())] == [False]


def test_answers_stay_their_own_while_adapters_come_and_go(bench: Bench, client: InferenceClient) -> None:
    """Four swaps under four writers, two of the live adapter and two of the base: none fails, none is mixed."""
    names = [bench.publish()]
    bench.reconcile()
    answers: list[tuple[str, str]] = []
    stop = threading.Event()

    def write(choose: Callable[[], str]) -> None:
        while not stop.is_set():
            name = choose()
            try:
                answers.append((name, client.complete(HELLO, model=name, max_tokens=16).text))
            except Exception as exc:
                answers.append((name, f"failed: {exc}"))

    choices: list[Callable[[], str]] = [lambda: bench.live() or "", lambda: bench.base.name] * 2
    writers = [threading.Thread(target=write, args=(choose,)) for choose in choices]
    for writer in writers:
        writer.start()
    try:
        for seed in range(2, 6):
            names.append(bench.publish(seed=seed))
            bench.reconcile()
            assert bench.live() == names[-1]
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    alone = {name: client.complete(HELLO, model=name, max_tokens=16).text for name in (bench.base.name, *names)}
    assert len(set(alone.values())) == 6
    assert {name for name, _ in answers} >= {bench.base.name, *names[:-1]}
    assert [(name, text) for name, text in answers if text != alone[name]] == []
