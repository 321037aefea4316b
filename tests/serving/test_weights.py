import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from thumbtune.core.errors import ManifestMismatch
from thumbtune.serving.weights import check_weights

DTYPES = [torch.bfloat16, torch.float16, torch.float32]


def write(tmp_path: Path, *values: float, dtype: torch.dtype) -> Path:
    path = tmp_path / "adapter_model.safetensors"
    fine = torch.randn(7, 5, generator=torch.Generator().manual_seed(0)).to(dtype)
    save_file(
        {"a": fine, "b": torch.tensor([0.0, *values], dtype=dtype), "c": fine.clone()}, path, metadata={"format": "pt"}
    )
    return path


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [0.0, -0.0, 1e-7, -3.5, 16384.0, -16384.0])
def test_numbers_pass(tmp_path: Path, dtype: torch.dtype, value: float) -> None:
    check_weights(write(tmp_path, value, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [math.nan, -math.nan, math.inf, -math.inf, 32768.0, -60000.0])
def test_what_is_no_number_or_far_too_large_is_refused(tmp_path: Path, dtype: torch.dtype, value: float) -> None:
    with pytest.raises(ManifestMismatch, match="in b"):
        check_weights(write(tmp_path, 1.0, value, dtype=dtype))


def test_other_types_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestMismatch, match="F64"):
        check_weights(write(tmp_path, 1.0, dtype=torch.float64))


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 64, (2).to_bytes(8, "little") + b"[]"])
def test_what_is_no_safetensors_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "adapter_model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ManifestMismatch, match="no safetensors"):
        check_weights(path)
