"""Reads, writes and verifies the manifest that makes a published adapter's directory immutable.

It knows files and hashes only: no torch, no store, no server. The trainer writes a manifest when it publishes;
serving verifies it on its own disk before every load, because a safetensors file with flipped bits loads without error.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from thumbtune.core.errors import ManifestMismatch, WrongBase
from thumbtune.core.prompt import ChatMessage, freeze_template

MANIFEST_NAME = "manifest.json"
CONFIG_NAME = "adapter_config.json"
WEIGHTS_NAME = "adapter_model.safetensors"
CARD_NAME = "README.md"
ADAPTER_FILES = (CONFIG_NAME, WEIGHTS_NAME)
"""What every adapter has; most have a card as well."""
ADAPTER_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
SERVABLE_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What the model server can reserve room for. Source: vllm 0.32.0 vllm/config/lora.py, MaxLoRARanks, seen 2026-11-20."""

_FORMAT = 2
_MEANS_FORMAT = 1
"""Had one likelihood for a probe's whole reply, the mean, by which a wrong adapter could be right."""


@dataclass(frozen=True)
class Probe:
    """One fixed prompt with what the candidate wrote in the trainer, for serving to compare with its own answer.

    The prompts are generic, so no customer text travels with an adapter. The log probabilities are those of each of
    `reply_token_ids` after `prompt_token_ids`, in nats.
    """

    messages: tuple[ChatMessage, ...]
    prompt_token_ids: tuple[int, ...]
    reply_token_ids: tuple[int, ...]
    reply: str
    candidate_logprobs: tuple[float, ...]
    base_logprobs: tuple[float, ...]
    is_mean: bool = False
    """Whether only their mean is known, which stands for each: of an adapter that an earlier version published."""


@dataclass(frozen=True)
class ManifestFile:
    """One file of an adapter."""

    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Manifest:
    """Everything that must be known about an adapter before it is loaded."""

    adapter: str
    desk_id: str
    run_id: str
    snapshot_hash: str
    base_model: str
    base_hash: str
    template_hash: str
    rank: int
    target_modules: tuple[str, ...]
    files: tuple[ManifestFile, ...]
    probes: tuple[Probe, ...]
    gate: Mapping[str, object]
    created_at: datetime


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def dump_manifest(manifest: Manifest) -> bytes:
    """Return the manifest as the bytes of its file."""
    fields = {"format": _FORMAT, **asdict(manifest), "created_at": manifest.created_at.isoformat()}
    return (json.dumps(fields, indent=1, ensure_ascii=False) + "\n").encode()


def load_manifest(directory: Path) -> Manifest:
    """Read a published adapter's manifest without checking its files.

    Raises: ManifestMismatch when it is missing, a link, unreadable or of another format.
    """
    path = directory / MANIFEST_NAME
    if path.is_symlink() or not path.is_file():
        raise ManifestMismatch(f"{directory.name} has no {MANIFEST_NAME}; it was not published completely")
    try:
        fields = json.loads(path.read_bytes())
        version = fields.pop("format")
        if version not in (_FORMAT, _MEANS_FORMAT):
            raise ManifestMismatch(
                f"{directory.name} was published by a later version of Thumbtune, and this one cannot prove it; upgrade, or "
                "train a new one"
            )
        fields["files"] = tuple(ManifestFile(**item) for item in fields["files"])
        fields["probes"] = tuple(_load_probe(item, is_mean=version == _MEANS_FORMAT) for item in fields["probes"])
        fields["target_modules"] = tuple(fields["target_modules"])
        fields["created_at"] = datetime.fromisoformat(fields["created_at"])
        return Manifest(**fields)
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ManifestMismatch(f"{MANIFEST_NAME} of {directory.name} cannot be read: {type(exc).__name__}") from exc


def verify_adapter(
    directory: Path,
    *,
    base_hash: str | None = None,
    template_hash: str | None = None,
    max_rank: int | None = None,
) -> Manifest:
    """Check a published adapter on this disk and return its manifest; what is given as None is not compared.

    Raises: ManifestMismatch when a file is missing, added, linked or different, or when the model server could not
    hold the adapter; WrongBase when it was trained on another base model or chat template.
    """
    if directory.is_symlink() or not directory.is_dir():
        raise ManifestMismatch(f"adapter directory {directory.name} is missing or a link")
    manifest = load_manifest(directory)
    if manifest.adapter != directory.name:
        raise ManifestMismatch(f"directory {directory.name} holds adapter {manifest.adapter}")
    if base_hash is not None and manifest.base_hash != base_hash:
        raise WrongBase(f"{manifest.adapter} was trained on another base than this {manifest.base_model}; retrain it")
    if template_hash is not None and manifest.template_hash != template_hash:
        raise WrongBase(f"{manifest.adapter} was trained with another chat template; retrain it")
    _verify_files(directory, manifest)
    verify_config(directory, max_rank=max_rank)
    return manifest


def verify_config(directory: Path, *, max_rank: int | None = None) -> dict[str, Any]:
    """Check that the model server accepts this adapter, and return its PEFT configuration.

    vLLM refuses DoRA, biases and saved modules at load time; this says so before. Source: vllm 0.32.0
    vllm/lora/peft_helper.py, seen 2026-11-20.
    Raises: ManifestMismatch with the reason.
    """
    try:
        config: dict[str, Any] = json.loads((directory / CONFIG_NAME).read_bytes())  # PEFT's file, its own types
        rank, targets = int(config["r"]), config["target_modules"]
        int(config["lora_alpha"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ManifestMismatch(f"{CONFIG_NAME} of {directory.name} cannot be read: {type(exc).__name__}") from exc
    refused = [
        feature
        for feature, present in {
            "no LoRA": config.get("peft_type") != "LORA",
            "DoRA": bool(config.get("use_dora")),
            "biases": config.get("bias", "none") != "none" or bool(config.get("lora_bias")),
            "saved modules": bool(config.get("modules_to_save")),
            "trained tokens": bool(config.get("trainable_token_indices")),
            "repeated layers": bool(config.get("layer_replication")),
            "the output layer": not isinstance(targets, list) or not targets or "lm_head" in targets,
            f"rank {rank}, more than {max_rank}": max_rank is not None and rank > max_rank,
        }.items()
        if present
    ]
    if refused:
        raise ManifestMismatch(f"{directory.name} cannot be served, it has {', '.join(refused)}")
    return config


def load_template(base: Path) -> str:
    """Return the chat template that lies beside a base model, frozen: the one that is trained under and served with.

    Raises: WrongBase when it has none.
    """
    if (base / "chat_template.jinja").is_file():
        return freeze_template((base / "chat_template.jinja").read_text(encoding="utf-8"))
    path = base / "tokenizer_config.json"
    template = json.loads(path.read_bytes()).get("chat_template") if path.is_file() else None
    if not isinstance(template, str):
        raise WrongBase(f"base model {base.name} has no chat template; use an instruction-tuned model")
    return freeze_template(template)


def hash_base(base: Path) -> str:
    """Return a fingerprint of a base model's directory: its configuration, tokenizer and weights.

    Of each weights file it reads the size and the first and last MiB (the header with all shapes, and real values),
    so that a model of many gigabytes takes milliseconds.
    """
    digest = hashlib.sha256()
    names = ["config.json", "tokenizer.json", *sorted(path.name for path in base.glob("*.safetensors"))]
    for name in names:
        path = base / name
        if not path.is_file():
            raise WrongBase(f"base model {base} has no {name}")
        size = path.stat().st_size
        digest.update(f"{name}:{size}\n".encode())
        with path.open("rb") as stream:
            digest.update(stream.read(1 << 20))
            stream.seek(max(size - (1 << 20), 0))
            digest.update(stream.read())
    return digest.hexdigest()


def _load_probe(item: dict[str, Any], *, is_mean: bool) -> Probe:  # parsed JSON: the dataclass checks the names
    if is_mean:
        for name in ("candidate_logprob", "base_logprob"):
            item[f"{name}s"] = [item.pop(name)] * len(item["reply_token_ids"])
        item["is_mean"] = True
    for name in ("messages", "prompt_token_ids", "reply_token_ids", "candidate_logprobs", "base_logprobs"):
        item[name] = tuple(item[name])
    probe = Probe(**item)
    if not len(probe.reply_token_ids) == len(probe.candidate_logprobs) == len(probe.base_logprobs) > 0:
        raise ValueError("a probe needs its reply's tokens, and as many log probabilities")
    return probe


def _verify_files(directory: Path, manifest: Manifest) -> None:
    listed = sorted(file.name for file in manifest.files)
    if listed not in (sorted(ADAPTER_FILES), sorted((*ADAPTER_FILES, CARD_NAME))):
        raise ManifestMismatch(f"manifest of {manifest.adapter} does not list exactly {', '.join(ADAPTER_FILES)}")
    unexpected = sorted(path.name for path in directory.iterdir() if path.name not in (*listed, MANIFEST_NAME))
    if unexpected:
        raise ManifestMismatch(f"{manifest.adapter} holds files that were not published: {', '.join(unexpected)}")
    for file in manifest.files:
        path = directory / file.name
        if path.is_symlink() or not path.is_file():
            raise ManifestMismatch(f"{file.name} of {manifest.adapter} is missing or a link")
        if path.stat().st_size != file.size_bytes or hash_file(path) != file.sha256:
            raise ManifestMismatch(f"{file.name} of {manifest.adapter} differs from what was published")
