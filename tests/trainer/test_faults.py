"""What can be wrong with the disk or the base model ends the child program in a sentence that says what to do."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from tests.tiny_base import build_base
from tests.trainer.children import finetune
from tests.trainer.samples import QUESTIONS, VOICE, make_line
from thumbtune.core.manifest import hash_base, load_template
from thumbtune.core.prompt import hash_template
from thumbtune.trainer.child import REASONS

WEIGHTS = "model.safetensors"


def cut_in_half(base: Path) -> None:
    content = (base / WEIGHTS).read_bytes()
    (base / WEIGHTS).write_bytes(content[: len(content) // 2])


def drop_a_weight(base: Path) -> None:
    weights = load_file(base / WEIGHTS)
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, base / WEIGHTS, metadata={"format": "pt"})


def spoil(name: str) -> Callable[[Path], None]:
    return lambda base: (base / name).write_bytes(b"\x00{") and None


DAMAGES = {
    "half the weights": cut_in_half,
    "a weight missing": drop_a_weight,
    "no weights": lambda base: (base / WEIGHTS).unlink(),
    "broken config": spoil("config.json"),
    "broken tokenizer": spoil("tokenizer.json"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_base_that_cannot_be_read_is_refused_by_name(
    tiny_base: Path, tmp_path: Path, write_snapshot: Callable[..., Path], damage: str
) -> None:
    base = tmp_path / "acme-7b"
    shutil.copytree(tiny_base, base)
    DAMAGES[damage](base)
    code, events, errors = finetune(write_snapshot([make_line(1)]), base, tmp_path / "out")
    assert code == 2, errors
    assert (events[-1]["event"], events[-1]["exit_code"]) == ("failed", 2)
    assert "acme-7b" in events[-1]["reason"]
    assert not (tmp_path / "out").exists()


def test_base_that_changed_since_the_data_was_frozen_is_refused(
    tiny_base: Path, tmp_path: Path, write_snapshot: Callable[..., Path]
) -> None:
    snapshot = write_snapshot([make_line(thread) for thread in range(4)])
    frozen = {"base_hash": hash_base(tiny_base), "template_hash": hash_template(load_template(tiny_base))}
    other = build_base(tmp_path / "other", texts=(*QUESTIONS, VOICE), seed=1)
    code, events, errors = finetune(snapshot, other, tmp_path / "out", **frozen)
    assert (code, events[-1]["event"]) == (2, "failed"), errors
    assert "changed since the run's data was frozen; start a new run" in events[-1]["reason"]
    code, _, errors = finetune(snapshot, tiny_base, tmp_path / "out", **frozen)
    assert code == 0, errors


def test_full_disk_is_told_as_such_and_training_works_once_there_is_room(
    tiny_base: Path, tmp_path: Path, write_snapshot: Callable[..., Path]
) -> None:
    snapshot = write_snapshot([make_line(thread) for thread in range(8)])
    code, events, errors = finetune(snapshot, tiny_base, tmp_path / "out", file_kilobytes=8)
    assert (code, events[-1]["event"]) == (5, "failed"), errors
    assert "disk is full" in REASONS[code]
    code, _, errors = finetune(snapshot, tiny_base, tmp_path / "out")
    assert code == 0, errors


def test_full_disk_is_told_by_the_exit_code_when_the_log_lies_on_it(
    tiny_base: Path, tmp_path: Path, write_snapshot: Callable[..., Path]
) -> None:
    with Path("/dev/full").open("w") as full:
        code, _, errors = finetune(write_snapshot([make_line(1)]), tiny_base, tmp_path / "out", stdout=full)
    assert code == 5, errors


def test_quantized_training_without_a_gpu_is_refused(
    tiny_base: Path, tmp_path: Path, write_snapshot: Callable[..., Path]
) -> None:
    code, events, _ = finetune(write_snapshot([make_line(1)]), tiny_base, tmp_path / "out", four_bit=True)
    assert code == 2
    assert "train_4bit needs a GPU" in json.dumps(events[-1])
