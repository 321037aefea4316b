"""Finds the base model's files and what must be known of them, without loading the model.

It does not know adapters or torch.
"""

import json
import re
from pathlib import Path

from thumbtune.core.errors import BadInput


def find_base(base_model: str) -> Path | None:
    """Return the folder of a base model given by path or hub name, or None; nothing is downloaded."""
    path = Path(base_model).expanduser()
    if path.is_dir():
        return path.resolve()
    try:
        from huggingface_hub import snapshot_download  # comes with transformers and vLLM; other hosts may lack it

        return Path(snapshot_download(base_model, local_files_only=True))
    except (ImportError, OSError, ValueError):
        return None


def locate_base(base_model: str) -> Path:
    """Return the folder of a base model given by path or hub name; nothing is downloaded.

    Raises: BadInput when it is not on this machine.
    """
    found = find_base(base_model)
    if found is None:
        raise BadInput(f"base model {base_model!r} is not on this machine; download it or give a path")
    return found


def name_base(base_model: str) -> str:
    """Return a base model's public id: its hub name, or the last part of its path."""
    path = Path(base_model).expanduser()
    return path.resolve().name if path.is_dir() else base_model


def fit_context(base: Path, *, wanted: int) -> int:
    """Return the context in tokens that the model server will have: `wanted`, or less when the model is made for less.

    Raises: BadInput when the model's configuration cannot be read.
    """
    try:
        config = json.loads((base / "config.json").read_bytes())
    except (OSError, ValueError) as exc:
        raise BadInput(f"base model {base}: config.json cannot be read") from exc
    made_for = config.get("max_position_embeddings")
    return min(wanted, made_for) if isinstance(made_for, int) and not config.get("rope_scaling") else wanted


def find_revision(base: Path) -> str:
    """Return the commit of a base model that lies in the hub's cache, or `unknown`."""
    name = base.resolve().name
    return name if re.fullmatch(r"[0-9a-f]{40}", name) else "unknown"


def find_licence(base: Path) -> str:
    """Return the licence that a base model's card or configuration names, or `unknown`."""
    try:
        card = (base / "README.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        card = ""
    header = re.match(r"---\s*\n(.*?)\n---", card, re.DOTALL)
    fields = dict(
        re.findall(r"^(license|license_name):[ \t]*[\"']?([\w.+-]+)", header[1] if header else "", re.MULTILINE)
    )
    licence = fields.get("license", "")
    if licence in ("", "other"):
        licence = fields.get("license_name", licence)
    if not licence:
        try:
            licence = json.loads((base / "config.json").read_bytes()).get("license") or ""
        except (OSError, ValueError, AttributeError):
            licence = ""
    return licence if isinstance(licence, str) and licence else "unknown"
