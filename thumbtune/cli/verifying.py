"""Inspects a published adapter's files as serving does before it loads them, without a model server or torch.

It does not know how the verdict is printed.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from thumbtune.core.errors import ManifestMismatch, ThumbtuneError, WrongBase
from thumbtune.core.manifest import (
    MANIFEST_NAME,
    WEIGHTS_NAME,
    hash_base,
    hash_file,
    load_template,
    verify_adapter,
    verify_config,
)
from thumbtune.core.prompt import hash_template
from thumbtune.core.records import Adapter
from thumbtune.serving.weights import check_weights

Compared = Literal["same", "changed", "not here"]

_PREFIX = "base_model.model."


@dataclass(frozen=True)
class Inspection:
    """What was found about one adapter; `base` says whether base model and chat template are still those it needs."""

    name: str
    state: str
    verdict: Literal["sound", "removed", "broken"]
    base: Compared
    problems: tuple[str, ...]


def inspect_adapter(adapter: Adapter, *, adapters_dir: Path, base: Path | None) -> Inspection:
    """Check an adapter's files; those of one that learned what was forgotten may have been removed."""
    folder = adapters_dir / adapter.name
    if adapter.replace_since is not None and not folder.exists():
        return Inspection(adapter.name, adapter.state, "removed", "not here", ())
    compared, changed = _compare_base(folder, base)
    problems = tuple(problem for problem in (_find_problem(adapter, folder, base), changed) if problem)
    return Inspection(adapter.name, adapter.state, "broken" if problems else "sound", compared, problems)


def check_shapes(folder: Path, *, base: Path | None) -> None:
    """Check that each layer has two matrices of the configured rank that fit the base's layer, and that they do something.

    Raises: ManifestMismatch naming the layer.
    """
    rank = int(verify_config(folder)["r"])
    path = folder / WEIGHTS_NAME
    header, start = _read_header(path)
    layers = {name.removesuffix(".lora_A.weight") for name in header if name.endswith(".lora_A.weight")}
    wanted = {f"{layer}.lora_{side}.weight" for layer in layers for side in "AB"}
    if not layers or set(header) != wanted:
        raise ManifestMismatch(f"{path.name} of {folder.name} does not hold two matrices for each of its layers")
    base_shapes = dict(_list_base_shapes(base)) if base is not None else {}
    for layer in sorted(layers):
        down, up = (header[f"{layer}.lora_{side}.weight"]["shape"] for side in "AB")
        if down[0] != rank or up[1] != rank:
            raise ManifestMismatch(f"{layer.removeprefix(_PREFIX)} of {folder.name} is not of rank {rank}")
        expected = base_shapes.get(f"{layer.removeprefix(_PREFIX)}.weight")
        if expected and expected != [up[0], down[1]]:
            raise ManifestMismatch(
                f"{layer.removeprefix(_PREFIX)} of {folder.name} does not fit the base model's layer"
            )
    with path.open("rb") as stream:
        for layer in sorted(layers):
            begin, end = header[f"{layer}.lora_B.weight"]["data_offsets"]
            stream.seek(start + begin)
            if stream.read(end - begin).strip(b"\0\x80"):  # 0 and -0 in every form
                return
    raise ManifestMismatch(f"{folder.name} changes nothing: all its B matrices are zero")


def _find_problem(adapter: Adapter, folder: Path, base: Path | None) -> str:
    try:
        verify_adapter(folder)
        if hash_file(folder / MANIFEST_NAME) != adapter.manifest_hash:
            raise ManifestMismatch(f"the manifest of {adapter.name} is not the one that was published")
        check_weights(folder / WEIGHTS_NAME)
        check_shapes(folder, base=base)
    except ThumbtuneError as exc:
        return str(exc)
    except OSError as exc:
        return f"{exc.filename or folder} cannot be read: {exc.strerror}"
    return ""


def _compare_base(folder: Path, base: Path | None) -> tuple[Compared, str]:
    if base is None:
        return "not here", ""
    try:
        verify_adapter(folder, base_hash=hash_base(base), template_hash=hash_template(load_template(base)))
    except WrongBase as exc:
        return "changed", str(exc)
    except (ThumbtuneError, OSError):  # found by the look at the files
        return "not here", ""
    return "same", ""


def _read_header(path: Path) -> tuple[dict[str, dict[str, list[int]]], int]:
    """Return a safetensors file's tensors and where their values begin."""
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
    header.pop("__metadata__", None)
    return header, 8 + length


def _list_base_shapes(base: Path) -> Iterator[tuple[str, list[int]]]:
    for path in base.glob("*.safetensors"):
        for name, entry in _read_header(path)[0].items():
            yield name, entry["shape"]
