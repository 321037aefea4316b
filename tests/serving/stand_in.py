"""A stand-in for vLLM at the wire that holds adapters: a few routes of its administration beside the chat.

The adapters published for it are real files with weights of nothing; what they change is what the stand-in says.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bot.model_server import ModelServer
from tests.serving.models import write_manifest
from thumbtune.core.manifest import CONFIG_NAME, WEIGHTS_NAME, Manifest, Probe

BASE_HASH = "a" * 64
TOKENS = (1, 2)
LOGPROBS = {"base": -2.0, "adapter": -1.0}


class StandIn(ModelServer):
    """Loads, unloads and scores as vLLM does; an adapter in `inert` changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: dict[str, str] = {}
        self.inert: set[str] = set()

    def list_loaded(self) -> list[tuple[str, str]]:
        return list(self.loaded.items())

    def administer(self, path: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if path == "/v1/load_lora_adapter":
            self.loaded[request["lora_name"]] = request["lora_path"]
            return 200, {}
        if path == "/v1/unload_lora_adapter":
            return (200 if self.loaded.pop(request["lora_name"], None) else 404), {}
        if path == "/tokenize":
            return 200, {"tokens": TOKENS}
        kind = "adapter" if request["model"] in self.loaded.keys() - self.inert else "base"
        scores = {f"token_id:{token}": LOGPROBS[kind] for token in request["logprob_token_ids"]}
        choice = {"logprobs": {"top_logprobs": [scores]}}
        return 200, {"choices": [{**choice, "index": index} for index in range(len(request["prompt"]))]}


def publish_plain(adapters_dir: Path, name: str, *, base_hash: str = BASE_HASH) -> None:
    """Write an adapter without torch: an empty file of weights, and probes that the stand-in answers."""
    folder = adapters_dir / name
    folder.mkdir(parents=True)
    config = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"]}
    (folder / CONFIG_NAME).write_text(json.dumps(config))
    (folder / WEIGHTS_NAME).write_bytes((2).to_bytes(8, "little") + b"{}")
    probe = Probe(
        ({"role": "user", "content": "Where is it?"},),
        TOKENS,
        TOKENS,
        "Here.",
        candidate_logprobs=(LOGPROBS["adapter"],) * len(TOKENS),
        base_logprobs=(LOGPROBS["base"],) * len(TOKENS),
    )
    manifest = Manifest(
        adapter=name,
        desk_id=name.rsplit("-", 1)[0],
        run_id=f"run-{name}",
        snapshot_hash="0" * 64,
        base_model="base",
        base_hash=base_hash,
        template_hash="",
        rank=8,
        target_modules=("q_proj",),
        files=(),
        probes=(probe,),
        gate={},
        created_at=datetime(2026, 3, 2, tzinfo=UTC),
    )
    write_manifest(folder, manifest)
