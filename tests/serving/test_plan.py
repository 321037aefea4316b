import json
import stat
import tempfile
from pathlib import Path

import pytest

from thumbtune.core.errors import ConfigError
from thumbtune.core.settings import Settings
from thumbtune.serving.plan import (
    CPU_REPLIES_AT_ONCE,
    MAX_SOCKET_PATH,
    EnginePlan,
    build_command,
    build_env,
    place_socket,
    plan_engine,
)
from thumbtune.serving.trial import AT_ONCE


def make_plan(tmp_path: Path, *, on_gpu: bool = False, ranks: tuple[int, ...] = (), **settings: object) -> EnginePlan:
    values = {"data_dir": tmp_path, "base_model": "org/model", **settings}
    chosen = Settings(_env_file=None, **values)  # type: ignore[arg-type]
    return plan_engine(chosen, api_key="secret", socket_path=tmp_path / "s.sock", ranks=ranks, on_gpu=on_gpu)


def find_flag(command: list[str], flag: str) -> str:
    return command[command.index(flag) + 1]


def test_gpu_gets_the_official_flags_and_its_share_of_memory(tmp_path: Path) -> None:
    command = build_command(make_plan(tmp_path, on_gpu=True, gpu_memory_share=0.6))
    assert find_flag(command, "--gpu-memory-utilization") == "0.6"
    for flag in ("--enforce-eager", "--max-num-seqs", "--distributed-executor-backend", "--worker-cls"):
        assert flag not in command
    assert "OMP_NUM_THREADS" not in build_env(make_plan(tmp_path, on_gpu=True), {})


def test_cpu_writes_a_few_replies_at_once_by_a_lora_of_ours(tmp_path: Path) -> None:
    command = build_command(make_plan(tmp_path))
    assert find_flag(command, "--max-num-seqs") == str(CPU_REPLIES_AT_ONCE)
    assert AT_ONCE + 2 <= CPU_REPLIES_AT_ONCE, "beside a trial there is room for a draft and its triage"
    assert find_flag(command, "--worker-cls") == "thumbtune.serving.cpu_worker.Worker"
    assert "--enforce-eager" in command


def test_server_has_no_port_and_no_secret_in_its_command(tmp_path: Path) -> None:
    command = build_command(make_plan(tmp_path))
    assert find_flag(command, "--uds") == str(tmp_path / "s.sock")
    assert not {"--host", "--port", "--api-key", "--trust-remote-code", "--enable-log-requests"} & set(command)
    assert "secret" not in " ".join(command)
    assert "secret" not in repr(make_plan(tmp_path))


def test_environment_is_offline_without_plugins_and_without_our_secrets(tmp_path: Path) -> None:
    inherited = {
        "PATH": "/bin",
        "SLACK_BOT_TOKEN": "xoxb",
        "THUMBTUNE_SECRET_KEY": "key",
        "PGPASSWORD": "pg",
        "HF_TOKEN": "hf",
        "VLLM_PLUGINS": "lora_filesystem_resolver",
        "VLLM_SERVER_DEV_MODE": "1",
        "VLLM_CPU_KVCACHE_SPACE": "8",
    }
    env = build_env(make_plan(tmp_path), inherited)
    assert not {"SLACK_BOT_TOKEN", "THUMBTUNE_SECRET_KEY", "PGPASSWORD", "HF_TOKEN"} & set(env)
    assert (env["VLLM_PLUGINS"], env["VLLM_SERVER_DEV_MODE"], env["HF_HUB_OFFLINE"]) == ("", "0", "1")
    assert env["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "True"
    assert env["VLLM_API_KEY"] == "secret"
    assert env["VLLM_CPU_KVCACHE_SPACE"] == "8", "an operator's tuning is kept"


def test_context_is_no_longer_than_the_model_was_made_for(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text(json.dumps({"max_position_embeddings": 2048}))
    plan = make_plan(tmp_path, base_model=str(base))
    assert plan.max_model_len == 2048
    assert plan.base_name == "base"
    assert make_plan(tmp_path, base_model=str(base), max_model_len=1024).max_model_len == 1024
    (base / "config.json").write_text(json.dumps({"max_position_embeddings": 2048, "rope_scaling": {"factor": 4.0}}))
    assert make_plan(tmp_path, base_model=str(base)).max_model_len == 8192


@pytest.mark.parametrize(
    ("train_rank", "ranks", "reserved"), [(16, (), 16), (8, (16,), 16), (16, (48,), 64), (1, (2,), 8)]
)
def test_rank_holds_what_is_trained_and_what_was(
    tmp_path: Path, train_rank: int, ranks: tuple[int, ...], reserved: int
) -> None:
    assert make_plan(tmp_path, ranks=ranks, train_rank=train_rank).max_lora_rank == reserved


def test_rank_that_vllm_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="1024"):
        make_plan(tmp_path, ranks=(1024,))


def test_socket_lies_in_a_folder_only_we_can_enter_however_long_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(prefix="tt-") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        check_places(Path(folder), tmp_path)


def check_places(folder: Path, tmp_path: Path) -> None:
    short = place_socket(folder / "run", "vllm")
    assert short == folder / "run" / "vllm.sock"
    long = place_socket(tmp_path / ("x" * 120) / "run", "vllm")
    assert long == place_socket(tmp_path / ("x" * 120) / "run", "vllm")
    assert long != place_socket(tmp_path / ("y" * 120) / "run", "vllm")
    for path in (short, long):
        assert len(str(path)) <= MAX_SOCKET_PATH
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
