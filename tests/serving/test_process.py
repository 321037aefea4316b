"""The whole serving process with real vLLM: what is killed comes back or leaves nothing behind."""

import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from tests.serving.conftest import API_KEY
from tests.serving.models import publish_random
from thumbtune.core.errors import ConfigError
from thumbtune.core.inference import InferenceClient, resolve_api_key
from thumbtune.core.manifest import MANIFEST_NAME, hash_file
from thumbtune.core.processes import end_child, spawn_child
from thumbtune.core.records import Desk, Replica
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store, adapters, connect_store, desks, migrate_store, replicas, runs
from thumbtune.serving.engine import Engine
from thumbtune.serving.plan import EnginePlan, place_socket
from thumbtune.serving.process import run_serving
from thumbtune.serving.replica import ReplicaServer

pytestmark = pytest.mark.xdist_group("heavy")

PROGRAM = """
import sys
from pathlib import Path
from thumbtune.core.logs import configure_logs
from thumbtune.core.settings import Settings
from thumbtune.serving.process import run_serving
from thumbtune.serving.replica import ReplicaServer
configure_logs(process="serving")
run_serving(Settings(_env_file=None, data_dir=Path(sys.argv[1]), base_model=sys.argv[2], reconcile_interval_s=0.5))
"""


class Installation:
    """A data folder with a store, one published adapter, and a serving process that a test starts and kills."""

    def __init__(self, data_dir: Path, base: Path) -> None:
        self.settings = Settings(_env_file=None, data_dir=data_dir, base_model=str(base), reconcile_interval_s=0.2)
        self.store: Store = connect_store(self.settings)
        self.child: subprocess.Popen[str] | None = None
        self.log_path = data_dir / "serving.log"
        migrate_store(self.store)
        now = self.store.now()
        with self.store.write() as conn:
            desks.save_desk(conn, Desk("support", "T1", "Support", "Be kind."))
            runs.open_run(conn, desk_id="support", reason="retrain", now=now)
            run = runs.claim_run(conn, owner="trainer", now=now, lease_s=30)
            assert run is not None
            runs.finish_run(conn, run, state="passed", message="", now=now)
        self.adapter = "support-0001"
        publish_random(self.settings.adapters_dir, self.adapter, base=base)
        folder = self.settings.adapters_dir / self.adapter
        with self.store.write() as conn:
            adapters.add_adapter(
                conn,
                name=self.adapter,
                desk_id="support",
                run_id=run.run_id,
                path=str(folder),
                manifest_hash=hash_file(folder / MANIFEST_NAME),
                base_model=base.name,
                now=now,
            )

    def start(self) -> psutil.Process:
        command = [sys.executable, "-c", PROGRAM, str(self.settings.data_dir), self.settings.base_model]
        self.child = spawn_child(command, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""}, log_path=self.log_path)
        return psutil.Process(self.child.pid)

    def find_replica(self) -> Replica | None:
        with self.store.read() as conn:
            found = replicas.list_replicas(conn, now=self.store.now() + timedelta(seconds=1))
        return found[0] if found else None

    def is_ready(self) -> bool:
        replica = self.find_replica()
        if replica is None or not replica.healthy:
            return False
        with self.store.read() as conn:
            adapter = adapters.load_adapter(conn, self.adapter)
        assert adapter.state != "quarantined", adapter.reason
        return adapter.state == "live"

    def wait_until(self, is_so: Callable[[], bool], *, timeout_s: float = 240.0) -> None:
        give_up_at = time.monotonic() + timeout_s
        while not is_so():
            assert time.monotonic() < give_up_at, f"not in time; log:\n{self.read_log()}"
            assert self.child is None or self.child.poll() is None, self.read_log()
            time.sleep(0.1)

    def read_log(self) -> str:
        return self.log_path.read_text()[-3000:] if self.log_path.exists() else ""

    def ask(self) -> str:
        replica = self.find_replica()
        assert replica is not None
        with InferenceClient(replica.url, resolve_api_key(self.settings, self.store.sealer)) as client:
            question = [{"role": "user", "content": "Where is my order?"}]
            return client.complete(question, model=self.adapter, max_tokens=8).text  # type: ignore[arg-type]


@pytest.fixture
def installation(tmp_path: Path, tiny_base: Path) -> Iterator[Installation]:
    installation = Installation(tmp_path / "data", tiny_base)
    yield installation
    if installation.child is not None:
        end_child(installation.child, timeout_s=30)
    installation.store.engine.dispose()


def wait_until_gone(family: list[psutil.Process], *, timeout_s: float = 20.0) -> list[psutil.Process]:
    _, alive = psutil.wait_procs(family, timeout=timeout_s)
    return alive


def test_vllm_killed_comes_back_with_its_adapters_and_nothing_outlives_serving(installation: Installation) -> None:
    serving = installation.start()
    installation.wait_until(installation.is_ready)
    answer = installation.ask()
    family = serving.children(recursive=True)
    [leash] = [process for process in family if "thumbtune.serving.leash" in process.cmdline()]
    [api_server] = leash.children()

    api_server.kill()
    installation.wait_until(lambda: not installation.is_ready())
    assert wait_until_gone(family) == []
    installation.wait_until(installation.is_ready)
    assert installation.ask() == answer

    family = serving.children(recursive=True)
    assert len(family) >= 3
    serving.send_signal(signal.SIGKILL)
    assert wait_until_gone([serving, *family]) == []


def test_sigterm_ends_serving_while_vllm_starts(installation: Installation) -> None:
    serving = installation.start()
    installation.wait_until(lambda: len(serving.children(recursive=True)) >= 2)
    family = serving.children(recursive=True)
    replica = installation.find_replica()
    assert replica is not None
    assert not replica.healthy
    serving.terminate()
    assert installation.child is not None
    assert installation.child.wait(20) == 0
    assert wait_until_gone(family) == []
    assert installation.find_replica() is None
    assert not Path(replica.url.removeprefix("unix:")).exists()


def test_second_serving_process_of_an_installation_is_refused(installation: Installation) -> None:
    installation.start()
    installation.wait_until(lambda: installation.find_replica() is not None)
    with pytest.raises(ConfigError, match="another `thumbtune serving` runs"):
        run_serving(installation.settings)


def test_running_server_is_attached_to_and_left_running(
    installation: Installation, engine: Engine, server: ReplicaServer
) -> None:
    installation.settings = installation.settings.model_copy(
        update={"inference_url": engine.plan.url, "inference_api_key": SecretStr(API_KEY)}
    )
    stop = threading.Event()
    serving = threading.Thread(target=run_serving, args=(installation.settings,), kwargs={"stop": stop})
    serving.start()
    try:
        installation.wait_until(installation.is_ready)
        replica = installation.find_replica()
        assert replica is not None
        assert (replica.url, replica.base_model) == (engine.plan.url, engine.plan.base_name)
        assert len(installation.ask()) > 0
    finally:
        stop.set()
        serving.join()
    assert installation.find_replica() is None
    assert list(server.list_loaded()) == [installation.adapter]


def test_server_that_prints_the_date_is_not_attached_to(installation: Installation, engine_plan: EnginePlan) -> None:
    socket_path = place_socket(installation.settings.data_dir / "run", "other")
    plan = dataclasses.replace(
        engine_plan, template_path=None, socket_path=socket_path, log_path=installation.settings.logs_dir / "vllm.log"
    )
    settings = installation.settings.model_copy(
        update={"inference_url": plan.url, "inference_api_key": SecretStr(API_KEY)}
    )
    engine = Engine(plan)
    engine.start()
    try:
        with pytest.raises(ConfigError, match=r"prints today's date.* --chat-template \S+/data/chat_template\.jinja"):
            run_serving(settings, stop=threading.Event())
    finally:
        engine.end()
    assert installation.find_replica() is None
    assert "macro strftime_now" in (settings.data_dir / "chat_template.jinja").read_text()
