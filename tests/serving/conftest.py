"""One real vLLM for all tests of this folder, with a tiny base model and adapters made for it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bot.model_server import ModelServer
from tests.conftest import Clock
from tests.serving.bench import Bench
from tests.serving.models import TEXTS, publish_random
from tests.serving.trial_room import Room
from tests.tiny_base import build_base
from thumbtune.core.inference import InferenceClient
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store
from thumbtune.serving.engine import Engine
from thumbtune.serving.plan import EnginePlan, place_socket, plan_engine, write_template
from thumbtune.serving.replica import ReplicaServer

API_KEY = "a key of the tests"


@pytest.fixture
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new, migrated, empty SQLite: what is kept here is kept by store functions that are tested on both databases."""
    path = tmp_path / "thumbtune.sqlite3"
    shutil.copy(request.getfixturevalue("sqlite_template"), path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_base(tmp_path_factory.mktemp("base") / "tiny", texts=TEXTS, context=2048)


@pytest.fixture(scope="session")
def engine_plan(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> EnginePlan:
    data_dir = tmp_path_factory.mktemp("data")
    settings = Settings(_env_file=None, data_dir=data_dir, base_model=str(tiny_base), engine_start_timeout_s=240)
    socket_path = place_socket(data_dir / "run", "vllm")
    template_path = write_template(tiny_base, data_dir=data_dir)
    return plan_engine(settings, api_key=API_KEY, socket_path=socket_path, on_gpu=False, template_path=template_path)


@pytest.fixture(scope="session")
def engine(engine_plan: EnginePlan) -> Iterator[Engine]:
    """A running vLLM; tests that end it must leave it running."""
    engine = Engine(engine_plan)
    engine.start()
    yield engine
    engine.end()


@pytest.fixture
def engine_url(engine: Engine) -> str:
    return engine.plan.url


@pytest.fixture(scope="session")
def adapters_dir(engine_plan: EnginePlan) -> Path:
    return engine_plan.log_path.parents[1] / "adapters"


@pytest.fixture(scope="session")
def good_adapter(adapters_dir: Path, tiny_base: Path) -> Path:
    """A published adapter that changes the output, as its probes say."""
    publish_random(adapters_dir, "good-0001", base=tiny_base)
    return adapters_dir / "good-0001"


@pytest.fixture
def server(engine: Engine, adapters_dir: Path) -> Iterator[ReplicaServer]:
    """The administration of the running vLLM; what a test loaded is unloaded after it."""
    adapters_dir.mkdir(exist_ok=True)
    with ReplicaServer(engine.plan.url, API_KEY, adapters_dir=adapters_dir) as server:
        yield server
        for name in server.list_loaded():
            server.unload_adapter(name)


@pytest.fixture
def client(engine: Engine) -> Iterator[InferenceClient]:
    with InferenceClient(engine.plan.url, API_KEY) as client:
        yield client


@pytest.fixture
def bench(store: Store, clock: Clock, server: ReplicaServer, tiny_base: Path, adapters_dir: Path) -> Bench:
    return Bench(store, clock, server, base=tiny_base, adapters_dir=adapters_dir)


@pytest.fixture
def room(store: Store, clock: Clock, tmp_path: object) -> Iterator[Room]:
    settings = Settings(_env_file=None, data_dir=tmp_path, max_reply_tokens=40)  # type: ignore[arg-type]
    with (
        ModelServer() as model,
        ReplicaServer(model.url, "key", adapters_dir=settings.adapters_dir, timeout_s=20) as server,
    ):
        yield Room(store, clock, model, server, settings)
