"""Fine-tuning and judging on a real GPU, with the base as it is served and in 4 bits; python -m pytest -m gpu."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.trainer.children import finetune
from tests.trainer.samples import VOICE, make_line
from thumbtune.core.manifest import verify_config
from thumbtune.trainer.snapshot_files import SnapshotMeta, dump_meta

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("four_bit", [False, True])
def test_adapter_is_trained_and_judged_on_the_gpu(
    tiny_base: Path, tmp_path: Path, write_snapshot: Callable[..., Path], four_bit: bool
) -> None:
    held_out = [make_line(thread) for thread in range(100, 110)]
    snapshot = write_snapshot([make_line(thread, turn) for thread in range(24) for turn in range(2)], held_out)
    (snapshot / "snapshot.json").write_bytes(dump_meta(SnapshotMeta("run-1", "support", VOICE, "", (), (), 0, {})))
    code, _, errors = finetune(snapshot, tiny_base, tmp_path / "out", four_bit=four_bit)
    assert code == 0, errors
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["device"] == "cuda"
    assert result["last_loss"] < 0.7 * result["first_loss"]
    names = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert set(verify_config(tmp_path / "out", max_rank=8)["target_modules"]) == names

    command = [sys.executable, "-m", "thumbtune.trainer.evaluate", "--snapshot", str(snapshot)]
    command += ["--recipe", str(tmp_path / "out-recipe.json"), "--base", str(tiny_base)]
    command += ["--candidate", str(tmp_path / "out"), "--out", str(tmp_path / "evaluation.json")]
    subprocess.run(command, check=True, capture_output=True, timeout=280)
    scores = json.loads((tmp_path / "evaluation.json").read_text())["scores"]
    assert len(scores) == 10
    assert sum(score["nll"]["candidate"] for score in scores) < sum(score["nll"]["base"] for score in scores)


def test_share_of_the_gpus_peak_is_measured() -> None:
    command = [sys.executable, "-m", "benchmarks.training_gpu", "--size", "1.5b", "--tokens", "200000"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=280)
    assert "% of peak" in done.stdout.splitlines()[-1]
