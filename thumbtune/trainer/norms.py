"""Measures how much an adapter changes each layer, and finds one that changes a layer as no sound training does.

It reads files only, without torch: the candidate's, and those of the desk's earlier adapters. Size is the root mean
square of the update that a layer's weights get; those of trained models lie between 0.01 and 0.1.
Source: the safetensors format, github.com/huggingface/safetensors README, seen 2026-11-21.
"""

import contextlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thumbtune.core.errors import ManifestMismatch
from thumbtune.core.manifest import CONFIG_NAME, WEIGHTS_NAME

MAX_SIZE = 0.5
"""An update of this size drowns what the layer knew, whatever the base."""
NOTABLE_SIZE = 0.02
"""Below it an update is small beside any layer's weights, and growth says only that the earlier ones learned little."""
MAX_GROWTH = 10.0
"""Times that a notable update may be the largest that the desk's earlier adapters gave the same layer."""

_TYPES: Mapping[str, np.dtype[Any]] = {  # Any: a type of numbers each
    "BF16": np.dtype("<u2"),
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
}


def measure_norms(adapter: Path) -> dict[str, float]:
    """Return each layer's size of update.

    Raises: ManifestMismatch when the files are not an adapter's.
    """
    try:
        config = json.loads((adapter / CONFIG_NAME).read_bytes())
        rank, alpha = int(config["r"]), float(config["lora_alpha"])
        weights = _read_weights(adapter / WEIGHTS_NAME)
        scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
        sizes = {}
        for name, down in weights.items():
            if name.endswith(".lora_A.weight"):
                layer = name.removesuffix(".lora_A.weight")
                sizes[layer.removeprefix("base_model.model.")] = scale * _measure(
                    weights[f"{layer}.lora_B.weight"], down
                )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ManifestMismatch(f"the weights of {adapter.name} cannot be read: {type(exc).__name__}") from exc
    return sizes


def measure_earlier(folders: Iterable[Path]) -> list[dict[str, float]]:
    """Return the sizes of those adapters that can be read."""
    found = []
    for folder in folders:
        with contextlib.suppress(ManifestMismatch):
            found.append(measure_norms(folder))
    return found


def find_outlier(sizes: Mapping[str, float], earlier: Sequence[Mapping[str, float]]) -> str:
    """Return in words which layer an adapter changes as no sound training does; nothing when there is none."""
    for layer, size in sizes.items():
        if not size <= MAX_SIZE:  # what is not a number as well
            return (
                f"It changes {layer} by {size:.2g} on average, more than {MAX_SIZE:g}: that drowns what the base knows."
            )
    known = {layer: max((found.get(layer, 0.0) for found in earlier), default=0.0) for layer in sizes}
    grown = {
        layer: size / known[layer]
        for layer, size in sizes.items()
        if known[layer] and size > NOTABLE_SIZE and size > MAX_GROWTH * known[layer]
    }
    if not grown:
        return ""
    layer = max(grown, key=lambda name: grown[name])
    return f"It changes {layer} {grown[layer]:.0f} times as much as any earlier adapter of this desk."


def _measure(up: NDArray[np.float32], down: NDArray[np.float32]) -> float:
    """Return the root mean square of up · down, whose squares sum to the trace of (upᵀ up)(down downᵀ)."""
    with np.errstate(all="ignore"):
        inner = (up.T.astype(np.float64) @ up) * (down.astype(np.float64) @ down.T)  # (rank, rank) float64
        return (
            float(np.sqrt(max(inner.sum(), 0.0) / (up.shape[0] * down.shape[1])))
            if np.isfinite(inner).all()
            else math.nan
        )


def _read_weights(path: Path) -> dict[str, NDArray[np.float32]]:
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    weights = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        kind = _TYPES[entry["dtype"]]
        raw = np.frombuffer(data[8 + length + start : 8 + length + end], dtype=kind).reshape(entry["shape"])
        is_bf16 = entry["dtype"] == "BF16"
        weights[name] = (raw.astype(np.uint32) << 16).view(np.float32) if is_bf16 else raw.astype(np.float32)
    return weights
