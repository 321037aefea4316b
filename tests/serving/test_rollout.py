import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.serving.bench import Bench
from tests.serving.conftest import API_KEY
from tests.serving.models import copy_adapter, fill_with_nan, flip_bit, publish_random, write_manifest
from thumbtune.core.golden import CaseContent, Expectations
from thumbtune.core.inference import InferenceClient
from thumbtune.core.manifest import load_manifest
from thumbtune.core.prompt import ChatMessage, Turn
from thumbtune.core.store import adapters, golden, replicas, runs, trials
from thumbtune.core.store.audits import list_acts
from thumbtune.serving.replica import ReplicaServer
from thumbtune.serving.rollout import (
    ATTEMPTS,
    RETRY_AFTER_S,
    UNLOAD_AFTER_S,
    Rollout,
    ServerFacts,
)

pytestmark = pytest.mark.xdist_group("heavy")

HELLO: list[ChatMessage] = [{"role": "user", "content": "Where is my order?"}]


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


def test_adapter_whose_drafts_cannot_be_sent_does_not_go_live(bench: Bench) -> None:
    """The tiny base never ends a reply, and nor do its adapters: what answers must be better than that."""
    first = bench.publish()
    bench.reconcile()
    content = CaseContent(
        title="Order", turns=(Turn("customer", "Where is my order?"),), expectations=Expectations(max_chars=2000)
    )
    with bench.store.write() as conn:
        golden.add_case(conn, content, desk_id=bench.desk_id, added_by="U9", now=bench.clock())
    second = bench.publish(seed=2)
    assert bench.reconcile()
    assert bench.live() == first
    assert bench.load(second).state == "quarantined"
    assert "cut at the limit" in bench.load(second).reason
    with bench.store.read() as conn:
        drafts = trials.list_trial_drafts(conn, second)
        assert runs.load_run(conn, bench.load(second).run_id).state == "rejected"
    assert {draft.model for draft in drafts if draft.role != "base"} == {first, second}
    assert len({draft.text for draft in drafts}) == 3


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
    with bench.store.read() as conn:
        assert runs.load_run(conn, bench.load(zero).run_id).state == "rejected"
    assert bench.live() == first
    assert set(bench.server.list_loaded()) == {first}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("flipped bit", "differs from what was published"),
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
            copy_adapter(good_adapter, name)
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


class SlowServer(ReplicaServer):
    """Something else happens while it loads an adapter."""

    def __init__(self, server: ReplicaServer, *, adapters_dir: Path, meanwhile: Callable[[str], None]) -> None:
        super().__init__(server.url, API_KEY, adapters_dir=adapters_dir)
        self._meanwhile = meanwhile

    def load_adapter(self, name: str, path: Path) -> None:
        super().load_adapter(name, path)
        self._meanwhile(name)


def make_live(bench: Bench, name: str) -> None:
    with bench.store.write() as conn:
        adapters.mark_proven(conn, name, now=bench.clock())
        adapters.promote(conn, name, now=bench.clock())


def publish_unprovable(bench: Bench, good_adapter: Path) -> str:
    """Publish an adapter whose probe promises more than it gives."""
    probes = tuple(
        dataclasses.replace(probe, candidate_logprobs=tuple(value + 5 for value in probe.candidate_logprobs))
        for probe in load_manifest(good_adapter).probes
    )
    return bench.publish(lambda name: copy_adapter(good_adapter, name, probes=probes))


def test_adapter_that_fails_after_another_went_live_takes_nothing_down(bench: Bench, good_adapter: Path) -> None:
    first = publish_unprovable(bench, good_adapter)
    make_live(bench, first)
    second = bench.publish(seed=2)

    def promote_second(loading: str) -> None:
        if loading == first:
            make_live(bench, second)

    with SlowServer(bench.server, adapters_dir=bench.adapters_dir, meanwhile=promote_second) as slow:
        bench.server = slow
        bench.rollout = bench.make_rollout()
        bench.reconcile()
    assert bench.live() == second
    assert bench.load(first).state == "retired"
    assert bench.load(second).reason == ""


def test_adapter_that_another_server_made_live_meanwhile_is_not_quarantined(bench: Bench, good_adapter: Path) -> None:
    name = publish_unprovable(bench, good_adapter)
    bench.report_other(healthy=True, proven=(name,))

    def promote_it(loading: str) -> None:
        make_live(bench, loading)

    with SlowServer(bench.server, adapters_dir=bench.adapters_dir, meanwhile=promote_it) as slow:
        bench.server = slow
        bench.rollout = bench.make_rollout()
        bench.reconcile()
    assert bench.live() == name


def test_live_adapter_of_another_base_is_neither_served_nor_rolled_back(bench: Bench) -> None:
    name = bench.publish()
    bench.reconcile()
    bench.server.unload_adapter(name)
    bench.rollout = Rollout(
        bench.store,
        bench.server,
        facts=ServerFacts("here", bench.base.name, "e" * 64, None, 16, 8),
        settings=bench.settings,
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
