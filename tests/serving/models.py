"""Adapters of the tiny base model, made with PEFT and published with real probes.

The probes are computed here with transformers and PEFT, apart from the trainer's own code.
"""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.tiny_base import AS_ASKED
from thumbtune.core.manifest import (
    ADAPTER_FILES,
    CONFIG_NAME,
    MANIFEST_NAME,
    WEIGHTS_NAME,
    Manifest,
    ManifestFile,
    Probe,
    dump_manifest,
    hash_base,
    hash_file,
    load_manifest,
    load_template,
)
from thumbtune.core.prompt import ChatMessage, hash_template

BASE_ID = "tiny"
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
QUESTIONS = ("Where is my order?", "Can I send the lamp back?")
REPLY = "Hello! It is on its way. Thank you for your order."
TEXTS = (*QUESTIONS, REPLY, "You answer for the lamp shop.")


def publish_random(
    adapters_dir: Path, name: str, *, base: Path, seed: int = 1, scale: float = 0.05, rank: int = 8
) -> Manifest:
    """Publish an adapter of random weights: `scale` is the spread of its B matrices, 0 makes it do nothing."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    prompts = [_make_messages(question) for question in QUESTIONS]
    rows = [
        tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False, **AS_ASKED)
        for messages in prompts
    ]
    reply = tokenizer(REPLY, add_special_tokens=False)["input_ids"]
    before = [_list_logprobs(model, row, reply) for row in rows]
    torch.manual_seed(seed)
    tuned: Any = get_peft_model(model, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=TARGETS))
    for key, weight in tuned.named_parameters():
        if "lora_B" in key:
            torch.nn.init.normal_(weight, std=scale) if scale else torch.nn.init.zeros_(weight)
    tuned.to(torch.bfloat16).to(torch.float32)
    after = [_list_logprobs(tuned, row, reply) for row in rows]
    directory = adapters_dir / name
    tuned.to(torch.bfloat16).save_pretrained(directory)
    (directory / "README.md").unlink(missing_ok=True)
    _rewrite_config(directory)
    probes = tuple(
        Probe(tuple(messages), tuple(row), tuple(reply), REPLY, candidate_logprobs=high, base_logprobs=low)
        for messages, row, low, high in zip(prompts, rows, before, after, strict=True)
    )
    manifest = Manifest(
        adapter=name,
        desk_id=name.rsplit("-", 1)[0],
        run_id=f"run-{name}",
        snapshot_hash="0" * 64,
        base_model=BASE_ID,
        base_hash=hash_base(base),
        template_hash=hash_template(load_template(base)),
        rank=rank,
        target_modules=tuple(TARGETS),
        files=(),
        probes=probes,
        gate={},
        created_at=datetime(2026, 3, 2, tzinfo=UTC),
    )
    return write_manifest(directory, manifest)


def write_manifest(directory: Path, manifest: Manifest) -> Manifest:
    """Write a manifest that agrees with the files as they are now."""
    files = tuple(
        ManifestFile(file, hash_file(directory / file), (directory / file).stat().st_size) for file in ADAPTER_FILES
    )
    manifest = replace(manifest, files=files)
    (directory / MANIFEST_NAME).write_bytes(dump_manifest(manifest))
    return manifest


def copy_adapter(source: Path, name: str, **changes: object) -> Manifest:
    """Publish a copy of an adapter under another name, with other words in its manifest."""
    directory = source.parent / name
    shutil.copytree(source, directory)
    return write_manifest(directory, replace(load_manifest(source), adapter=name, **changes))  # type: ignore[arg-type]


def flip_bit(directory: Path) -> None:
    """Change one bit of the weights; the file still loads."""
    path = directory / WEIGHTS_NAME
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)


def fill_with_nan(directory: Path) -> None:
    """Make every weight of an adapter not a number."""
    from safetensors.torch import load_file, save_file

    weights = load_file(directory / WEIGHTS_NAME)
    save_file({key: tensor * float("nan") for key, tensor in weights.items()}, directory / WEIGHTS_NAME)


def _make_messages(question: str) -> list[ChatMessage]:
    return [
        {"role": "system", "content": "You answer for the lamp shop."},
        {"role": "user", "content": question},
    ]


def _list_logprobs(model: Any, prompt: list[int], reply: list[int]) -> tuple[float, ...]:
    import torch

    ids = torch.tensor([[*prompt, *reply]])  # (1, seq) int64
    with torch.no_grad():
        logprobs = model(ids).logits.float().log_softmax(-1)[0, len(prompt) - 1 : -1]  # (reply, vocabulary) float32
    return tuple(logprobs.gather(1, torch.tensor(reply)[:, None])[:, 0].tolist())


def _rewrite_config(directory: Path) -> None:
    config = json.loads((directory / CONFIG_NAME).read_bytes())
    config["base_model_name_or_path"] = BASE_ID
    (directory / CONFIG_NAME).write_text(json.dumps(config))
