"""Ways in which an adapter can be broken: what becomes of its files on the disk, and what a faulty training publishes.

The first kind changes files after they were published; the second makes adapters whose manifest agrees with them.
"""

import json
import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tests.serving.models import write_manifest
from thumbtune.core.manifest import CONFIG_NAME, MANIFEST_NAME, WEIGHTS_NAME, load_manifest

FILES = (CONFIG_NAME, WEIGHTS_NAME, MANIFEST_NAME)

Mutation = Callable[[Path, random.Random], None]


def flip_bit(folder: Path, dice: random.Random) -> None:
    """Flip one bit anywhere in its files."""
    path = folder / dice.choice(FILES)
    data = bytearray(path.read_bytes())
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    path.write_bytes(data)


def overwrite_bytes(folder: Path, dice: random.Random) -> None:
    """Put other bytes into one of its files."""
    path = folder / dice.choice(FILES)
    data = bytearray(path.read_bytes())
    start = dice.randrange(len(data))
    data[start : start + 16] = dice.randbytes(16)
    path.write_bytes(data)


def cut_file(folder: Path, dice: random.Random) -> None:
    """Keep only the beginning of one of its files."""
    path = folder / dice.choice(FILES)
    path.write_bytes(path.read_bytes()[: dice.randrange(path.stat().st_size)])


def append_to_file(folder: Path, dice: random.Random) -> None:
    """Add bytes to the end of one of its files."""
    with (folder / dice.choice(FILES)).open("ab") as stream:
        stream.write(dice.randbytes(dice.randint(1, 64)))


def remove_file(folder: Path, dice: random.Random) -> None:
    """Remove one of its files."""
    (folder / dice.choice(FILES)).unlink()


def link_file(folder: Path, dice: random.Random) -> None:
    """Put a link in the place of one of its files."""
    path = folder / dice.choice(FILES)
    aside = folder.parent / f".aside-{folder.name}"
    shutil.move(path, aside)
    path.symlink_to(aside)


def add_file(folder: Path, dice: random.Random) -> None:
    """Add a file that was not published."""
    (folder / dice.choice(("adapter_model.bin", "new_embeddings.safetensors", "x"))).write_bytes(dice.randbytes(32))


def exchange_weights(folder: Path, dice: random.Random) -> None:
    """Replace its weights by others of the same shape."""
    weights = load_file(folder / WEIGHTS_NAME)
    noise = torch.Generator().manual_seed(dice.randrange(1 << 30))
    others = {key: torch.randn(value.shape, generator=noise).to(value.dtype) for key, value in weights.items()}
    save_file(others, folder / WEIGHTS_NAME)


DAMAGES: tuple[Mutation, ...] = (
    flip_bit,
    overwrite_bytes,
    cut_file,
    append_to_file,
    remove_file,
    link_file,
    add_file,
    exchange_weights,
)


def _change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], Mapping[str, torch.Tensor]]) -> None:
    changed = change(load_file(folder / WEIGHTS_NAME))
    save_file({key: value.contiguous() for key, value in changed.items()}, folder / WEIGHTS_NAME)


def _change_config(folder: Path, **values: Any) -> None:  # Any: JSON
    config = json.loads((folder / CONFIG_NAME).read_bytes())
    (folder / CONFIG_NAME).write_text(json.dumps({**config, **values}))


def spoil_weight(folder: Path, dice: random.Random) -> None:
    """Make one weight no number, infinite, or far too large."""

    def change(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        flat = weights[dice.choice(sorted(weights))].view(-1)
        flat[dice.randrange(len(flat))] = dice.choice((float("nan"), float("inf"), -float("inf"), 3e38))
        return weights

    _change_weights(folder, change)


def undo_training(folder: Path, dice: random.Random) -> None:
    """Leave its B matrices at zero: it does nothing."""
    _change_weights(folder, lambda weights: {k: v * 0 if ".lora_B." in k else v for k, v in weights.items()})


def shuffle_layers(folder: Path, dice: random.Random) -> None:
    """Give every matrix the values of another place."""

    def change(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        noise = torch.Generator().manual_seed(dice.randrange(1 << 30))
        return {key: value.view(-1)[torch.randperm(value.numel(), generator=noise)].view_as(value)
                for key, value in weights.items()}  # fmt: skip

    _change_weights(folder, change)


def turn_around(folder: Path, dice: random.Random) -> None:
    """Change the sign of what it learned."""
    _change_weights(folder, lambda weights: {k: -v if ".lora_B." in k else v for k, v in weights.items()})


def rename_weights(folder: Path, dice: random.Random) -> None:
    """Name its weights after modules that the model has not."""
    _change_weights(folder, lambda weights: {key.replace("q_proj", "z_proj"): value for key, value in weights.items()})


def change_rank(folder: Path, dice: random.Random) -> None:
    """Say another rank than its weights have."""
    _change_config(folder, r=dice.choice((1, 16, 32, 64)))


def use_unserved_feature(folder: Path, dice: random.Random) -> None:
    """Use something that the model server cannot serve."""
    feature: dict[str, Any] = dice.choice(  # Any: JSON
        (
            {"use_dora": True},
            {"bias": "all"},
            {"modules_to_save": ["lm_head"]},
            {"peft_type": "IA3"},
            {"trainable_token_indices": [1]},
            {"target_modules": "all-linear"},
        )
    )
    _change_config(folder, **feature)


def scale_up(folder: Path, dice: random.Random) -> None:
    """Let it count many times what it was trained with."""
    _change_config(folder, lora_alpha=16 * dice.choice((8, 16, 64)))


def take_other_base(folder: Path, dice: random.Random) -> None:
    """Be of another base model, or of another chat template."""
    name = dice.choice(("base_hash", "template_hash"))
    write_manifest(folder, replace(load_manifest(folder), **{name: f"{dice.getrandbits(256):064x}"}))


def forge_probe(folder: Path, dice: random.Random) -> None:
    """Carry a probe that another adapter answered, or none."""
    manifest = load_manifest(folder)
    probes = tuple(
        replace(probe, candidate_logprobs=tuple(value + dice.choice((-2.0, 2.0)) for value in probe.candidate_logprobs))
        for probe in manifest.probes
    )
    write_manifest(folder, replace(manifest, probes=dice.choice(((), probes))))


FAULTS: tuple[Mutation, ...] = (
    spoil_weight,
    undo_training,
    shuffle_layers,
    turn_around,
    rename_weights,
    change_rank,
    use_unserved_feature,
    scale_up,
    take_other_base,
    forge_probe,
)


def republish(folder: Path) -> None:
    """Let the manifest agree with the files as they are."""
    write_manifest(folder, load_manifest(folder))
