"""Real training of a tiny model by the child program."""

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from tests.trainer.children import finetune, start
from tests.trainer.samples import make_line
from thumbtune.core.manifest import CONFIG_NAME, WEIGHTS_NAME, hash_file, verify_config


def test_training_lowers_the_loss_saves_only_a_servable_adapter_and_repeats_bit_by_bit(
    tiny_base: Path, tmp_path: Path, write_snapshot: Callable[..., Path]
) -> None:
    snapshot = write_snapshot([make_line(thread, turn) for thread in range(24) for turn in range(2)])
    code, events, errors = finetune(snapshot, tiny_base, tmp_path / "first")
    assert code == 0, errors
    result = json.loads((tmp_path / "first" / "result.json").read_text())
    assert result["examples"] == 48
    assert result["steps"] >= 40
    assert result["last_loss"] < 0.7 * result["first_loss"]
    progress = [event for event in events if event["event"] == "progress"]
    assert progress[-1]["step"] == progress[-1]["steps"] == result["steps"]
    assert {"phase", "loss", "tokens_per_s", "eta_s"} <= set(progress[-1])
    assert "Lamp" not in json.dumps(events)

    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == [CONFIG_NAME, WEIGHTS_NAME, "result.json"]
    config = verify_config(tmp_path / "first", max_rank=8)
    assert config["base_model_name_or_path"] == "acme/tiny"
    assert str(tiny_base) not in json.dumps(config)
    names = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert set(config["target_modules"]) == names

    code, _, errors = finetune(snapshot, tiny_base, tmp_path / "second")
    assert code == 0, errors
    for name in (WEIGHTS_NAME, CONFIG_NAME):
        assert hash_file(tmp_path / "first" / name) == hash_file(tmp_path / "second" / name)


def test_loss_that_is_not_finite_ends_the_run(
    tiny_base: Path, tmp_path: Path, write_snapshot: Callable[..., Path]
) -> None:
    snapshot = write_snapshot([make_line(thread) for thread in range(8)])
    code, events, _ = finetune(snapshot, tiny_base, tmp_path / "out", learning_rate=1e30, max_grad_norm=1e30)
    assert code == 3
    assert events[-1]["event"] == "failed"
    assert not (tmp_path / "out" / WEIGHTS_NAME).exists()


def test_unusable_input_ends_with_its_reason(
    tiny_base: Path, tmp_path: Path, write_snapshot: Callable[..., Path]
) -> None:
    snapshot = write_snapshot([make_line(1, reply="word " * 500)])
    code, events, _ = finetune(snapshot, tiny_base, tmp_path / "out")
    assert (code, events[-1]["event"]) == (2, "failed")
    assert "reply too long" in events[-1]["reason"]
    code, events, _ = finetune(snapshot, tmp_path / "no-base", tmp_path / "out")
    assert code == 2
    assert "no-base" in events[-1]["reason"]


def test_base_whose_template_takes_no_system_message_is_refused_with_a_reason(
    tiny_base: Path, tmp_path: Path, write_snapshot: Callable[..., Path]
) -> None:
    base = tmp_path / "gemma"
    shutil.copytree(tiny_base, base)
    refusal = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    (base / "chat_template.jinja").write_text(refusal)
    code, events, _ = finetune(write_snapshot([make_line(1)]), base, tmp_path / "out")
    assert (code, events[-1]["event"]) == (2, "failed")
    assert "base model gemma refuses our prompts: System role not supported" in events[-1]["reason"]


def test_full_memory_halves_the_forward_pass_then_gives_up(
    tiny_base: Path, tmp_path: Path, write_snapshot: Callable[..., Path]
) -> None:
    snapshot = write_snapshot([make_line(thread, 3) for thread in range(900)])
    big = {"batch_tokens": 1_000_000, "forward_tokens": 1_000_000, "min_steps": 1, "max_epochs": 1}
    code, events, errors = finetune(snapshot, tiny_base, tmp_path / "out", megabytes=1_800, **big)
    assert code == 4, errors
    halved = [event["forward_tokens"] for event in events if event["event"] == "memory"]
    assert halved == [500_000, 250_000, 125_000]


def test_cancelled_training_ends_at_once_and_leaves_no_adapter(
    tiny_base: Path, tmp_path: Path, write_snapshot: Callable[..., Path]
) -> None:
    snapshot = write_snapshot([make_line(thread, 2) for thread in range(200)])
    child = start(snapshot, tiny_base, tmp_path / "out", min_steps=100_000, max_epochs=100_000)
    assert child.stdout is not None
    for line in child.stdout:
        if json.loads(line)["event"] == "progress":
            break
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=30)
    assert child.returncode == 143
    assert not (tmp_path / "out").exists()
