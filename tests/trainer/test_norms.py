"""Sizes of updates, compared with torch's own, and what counts as an outlier."""

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from thumbtune.core.errors import ManifestMismatch
from thumbtune.core.manifest import CONFIG_NAME, WEIGHTS_NAME
from thumbtune.trainer.norms import MAX_SIZE, find_outlier, measure_norms

LAYER = "model.layers.0.self_attn.q_proj"


def write_adapter(
    directory: Path, *, scale: float = 0.02, dtype: torch.dtype = torch.bfloat16, rslora: bool = False
) -> torch.Tensor:
    """Write an adapter of one layer and return the update that it makes."""
    directory.mkdir(parents=True, exist_ok=True)
    dice = torch.Generator().manual_seed(3)
    down = (torch.randn(8, 64, generator=dice) * 0.1).to(dtype)
    up = (torch.randn(48, 8, generator=dice) * scale).to(dtype)
    names = {f"base_model.model.{LAYER}.lora_A.weight": down, f"base_model.model.{LAYER}.lora_B.weight": up}
    save_file(names, directory / WEIGHTS_NAME, metadata={"format": "pt"})
    (directory / CONFIG_NAME).write_text(json.dumps({"r": 8, "lora_alpha": 16, "use_rslora": rslora}))
    return (up.double() @ down.double()) * (16 / (math.sqrt(8) if rslora else 8))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("rslora", [False, True])
def test_size_is_the_root_mean_square_of_the_update(tmp_path: Path, dtype: torch.dtype, rslora: bool) -> None:
    update = write_adapter(tmp_path, dtype=dtype, rslora=rslora)
    assert measure_norms(tmp_path) == {LAYER: pytest.approx(update.square().mean().sqrt().item(), rel=1e-6)}


def test_update_that_drowns_a_layer_or_is_no_number_is_an_outlier(tmp_path: Path) -> None:
    write_adapter(tmp_path / "huge", scale=20.0)
    assert "drowns what the base knows" in find_outlier(measure_norms(tmp_path / "huge"), [])
    write_adapter(tmp_path / "nan", scale=math.nan)
    assert math.isnan(measure_norms(tmp_path / "nan")[LAYER])
    assert LAYER in find_outlier(measure_norms(tmp_path / "nan"), [])
    write_adapter(tmp_path / "sound")
    assert find_outlier(measure_norms(tmp_path / "sound"), []) == ""


def test_growth_counts_against_the_largest_earlier_one_and_only_when_it_is_notable() -> None:
    earlier = [{"a": 0.001, "b": 0.004}, {"a": 0.002}]
    assert find_outlier({"a": 0.019, "b": 0.01}, earlier) == ""
    assert find_outlier({"a": 0.03, "b": 0.06}, earlier) == (
        "It changes a 15 times as much as any earlier adapter of this desk."
    )
    assert find_outlier({"new": MAX_SIZE}, earlier) == ""


def test_what_is_no_adapter_is_refused(tmp_path: Path) -> None:
    write_adapter(tmp_path)
    (tmp_path / WEIGHTS_NAME).write_bytes(b"\x00" * 100)
    with pytest.raises(ManifestMismatch, match="cannot be read"):
        measure_norms(tmp_path)
    with pytest.raises(ManifestMismatch, match="cannot be read"):
        measure_norms(tmp_path / "none")
