"""The tiny base model and snapshots to train it on."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tiny_base import build_base
from tests.trainer.samples import QUESTIONS, VOICE


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_base(tmp_path_factory.mktemp("base") / "tiny", texts=(*QUESTIONS, VOICE))


@pytest.fixture
def write_snapshot(tmp_path: Path) -> Callable[..., Path]:
    def write(
        train: list[dict[str, object]],
        held_out: list[dict[str, object]] | None = None,
        preferences: list[dict[str, object]] | None = None,
    ) -> Path:
        directory = tmp_path / "snapshot"
        directory.mkdir(exist_ok=True)
        for name, lines in (("train", train), ("held_out", held_out or []), ("preferences", preferences or [])):
            (directory / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return directory

    return write
