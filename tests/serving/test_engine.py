import os
import stat
import threading
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from thumbtune.core.errors import EngineUnavailable
from thumbtune.serving.engine import Engine
from thumbtune.serving.plan import EnginePlan

pytestmark = pytest.mark.xdist_group("heavy")


def find_family(engine: Engine) -> list[psutil.Process]:
    assert engine.pid is not None
    return psutil.Process(engine.pid).children(recursive=True)


def test_vllm_listens_on_a_private_unix_socket_and_on_no_outer_address(engine: Engine) -> None:
    family = find_family(engine)
    addresses = {connection.laddr.ip for process in family for connection in process.net_connections(kind="inet")}
    assert addresses <= {"127.0.0.1", "::1"}
    assert stat.S_IMODE(engine.plan.socket_path.parent.stat().st_mode) == 0o700


def test_no_secret_is_in_a_command_line(engine: Engine) -> None:
    for process in find_family(engine):
        assert engine.plan.api_key not in " ".join(process.cmdline())


def test_log_can_be_read_by_us_only(engine: Engine) -> None:
    assert stat.S_IMODE(engine.plan.log_path.stat().st_mode) == 0o600


def test_failing_start_says_why(engine_plan: EnginePlan, tmp_path: Path) -> None:
    plan = replace(engine_plan, log_path=tmp_path / "vllm.log", base_model=str(tmp_path / "no model here"))
    engine = Engine(replace(plan, socket_path=tmp_path / "s.sock"))
    seen: list[tuple[float, float]] = []
    with pytest.raises(EngineUnavailable, match=r"Error.*log: "):
        engine.start(on_progress=lambda elapsed_s, typical_s: seen.append((elapsed_s, typical_s)))
    engine.end()
    assert seen[-1][0] > seen[0][0]
    assert seen[0][1] > 0


def test_stopping_while_it_starts_leaves_no_process(engine_plan: EnginePlan, tmp_path: Path) -> None:
    engine = Engine(replace(engine_plan, log_path=tmp_path / "vllm.log", socket_path=tmp_path / "s.sock"))
    stop = threading.Event()
    families: list[list[psutil.Process]] = []

    def stop_once_it_has_children(elapsed_s: float, typical_s: float) -> None:
        family = find_family(engine)
        if family:
            families.append(family)
            stop.set()

    assert engine.start(stop=stop, on_progress=stop_once_it_has_children) is False
    assert [process for process in families[-1] if process.is_running()] == []
    assert not engine.is_running()


def test_start_that_takes_too_long_is_ended(engine_plan: EnginePlan, tmp_path: Path) -> None:
    plan = replace(engine_plan, log_path=tmp_path / "vllm.log", socket_path=tmp_path / "s.sock", start_timeout_s=0.5)
    engine = Engine(plan)
    with pytest.raises(EngineUnavailable, match="not ready after"):
        engine.start()
    assert not engine.is_running()


def test_environment_of_the_family_holds_none_of_our_secrets(
    engine_plan: EnginePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret")
    monkeypatch.setenv("THUMBTUNE_SECRET_KEY", "sealed")
    engine = Engine(replace(engine_plan, log_path=tmp_path / "vllm.log", socket_path=tmp_path / "s.sock"))
    stop = threading.Event()
    environments: list[dict[str, str]] = []

    def look(elapsed_s: float, typical_s: float) -> None:
        environments.extend(process.environ() for process in find_family(engine))
        if environments:
            stop.set()

    engine.start(stop=stop, on_progress=look)
    assert environments
    for environment in environments:
        assert not {"SLACK_BOT_TOKEN", "THUMBTUNE_SECRET_KEY"} & set(environment)
        assert environment["HF_HUB_OFFLINE"] == "1"
        assert environment["VLLM_PLUGINS"] == ""


def test_process_ids_differ_from_ours(engine: Engine) -> None:
    assert engine.pid != os.getpid()
