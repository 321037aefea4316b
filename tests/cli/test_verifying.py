"""`thumbtune adapters verify` finds what must not answer, and says so with its exit code."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from tests.core.test_manifest import CONFIG
from tests.tiny_base import build_base
from tests.trainer.test_publish import MANIFEST
from thumbtune.cli.main import app
from thumbtune.core.manifest import CONFIG_NAME, MANIFEST_NAME, WEIGHTS_NAME, hash_base, hash_file, load_template
from thumbtune.core.prompt import hash_template
from thumbtune.core.settings import load_settings
from thumbtune.core.store import Store, adapters, runs
from thumbtune.trainer.publish import publish_adapter

LAYER = "base_model.model.model.layers.0.self_attn.q_proj"
Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_base(tmp_path_factory.mktemp("verify") / "tiny", texts=("Where is my order?",))


@pytest.fixture
def published(with_desk: Store, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Publish one adapter whose weights were changed as told, with hashes that agree."""
    copied = tmp_path / "base"
    shutil.copytree(base, copied)
    monkeypatch.setenv("THUMBTUNE_BASE_MODEL", str(copied))

    def publish(change: Callable[[Weights], Any] = lambda weights: None) -> Path:
        candidate = tmp_path / "candidate"
        candidate.mkdir()
        (candidate / CONFIG_NAME).write_text(json.dumps(CONFIG))
        weights = {f"{LAYER}.lora_A.weight": torch.ones(8, 64), f"{LAYER}.lora_B.weight": torch.full((64, 8), 0.01)}
        change(weights)
        save_file(
            {name: weight.bfloat16() for name, weight in weights.items()}, candidate / WEIGHTS_NAME, {"format": "pt"}
        )
        fields = {"base_hash": hash_base(copied), "template_hash": hash_template(load_template(copied))}
        manifest = type(MANIFEST)(**{**vars(MANIFEST), **fields})
        adapters_dir = load_settings().adapters_dir
        publish_adapter(candidate, adapters_dir=adapters_dir, manifest=manifest, card="# A card\n")
        place = adapters_dir / manifest.adapter
        with with_desk.write() as conn:
            now = with_desk.now()
            runs.open_run(conn, desk_id="support", reason="retrain", now=now)
            held = runs.claim_run(conn, owner="t", now=now, lease_s=30)
            assert held is not None
            runs.finish_run(conn, held, state="passed", message="", now=now, adapter=place.name)
            facts = {"path": str(place), "manifest_hash": hash_file(place / MANIFEST_NAME), "base_model": "tiny"}
            adapters.add_adapter(conn, name=place.name, desk_id="support", run_id=held.run_id, now=now, **facts)
        return place

    return publish


def verify(*arguments: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(app, ["adapters", "verify", *arguments, "--json"], catch_exceptions=False)
    [found] = json.loads(result.stdout)
    return result.exit_code, found


def test_sound_adapter_is_told_so_with_and_without_its_base(
    published: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    published()
    code, found = verify("support-0001")
    assert (code, found["verdict"], found["base"], found["problems"]) == (0, "sound", "same", [])
    assert verify()[0] == 0
    monkeypatch.setenv("THUMBTUNE_BASE_MODEL", "acme/not-here")
    code, found = verify()
    assert (code, found["verdict"], found["base"]) == (0, "sound", "not here")


def test_adapter_is_looked_for_where_data_dir_is_now(published: Callable[..., Path], with_desk: Store) -> None:
    published()
    with with_desk.write() as conn:  # as after data_dir was restored in another place
        conn.exec_driver_sql("UPDATE adapters SET path = '/before/adapters/support-0001'")
    code, found = verify()
    assert (code, found["verdict"]) == (0, "sound")


CHANGES: dict[str, Callable[[Weights], Any]] = {
    "changes nothing": lambda weights: weights[f"{LAYER}.lora_B.weight"].zero_(),
    "is not of rank 8": lambda weights: weights.update({f"{LAYER}.lora_A.weight": torch.ones(4, 64)}),
    "does not fit the base": lambda weights: weights.update({f"{LAYER}.lora_A.weight": torch.ones(8, 32)}),
    "two matrices": lambda weights: weights.pop(f"{LAYER}.lora_B.weight"),
    "no numbers": lambda weights: weights[f"{LAYER}.lora_A.weight"][3].fill_(torch.nan),
}


@pytest.mark.parametrize("problem", CHANGES)
def test_weights_that_must_not_answer_are_told(published: Callable[..., Path], problem: str) -> None:
    published(CHANGES[problem])
    code, found = verify()
    assert (code, found["verdict"]) == (1, "broken")
    assert problem in found["problems"][0]


def test_files_that_changed_after_publishing_are_told(published: Callable[..., Path]) -> None:
    place = published()
    card = (place / "README.md").read_text()
    (place / "README.md").write_text(card + "More.")
    assert "README.md" in verify()[1]["problems"][0]
    (place / "README.md").write_text(card)
    weights = load_file(place / WEIGHTS_NAME)
    manifest = (place / MANIFEST_NAME).read_text()
    (place / MANIFEST_NAME).write_text(manifest.replace('"rank": 8', '"rank": 9'))
    assert "not the one that was published" in verify()[1]["problems"][0]
    (place / MANIFEST_NAME).write_text(manifest)
    save_file({name: weight + 1 for name, weight in weights.items()}, place / WEIGHTS_NAME, {"format": "pt"})
    assert "differs from what was published" in verify()[1]["problems"][0]
    shutil.rmtree(place)
    code, found = verify()
    assert code == 1
    assert "missing" in found["problems"][0]


@pytest.mark.parametrize("file", ["config.json", "chat_template.jinja"])
def test_base_or_template_that_changed_is_told(published: Callable[..., Path], tmp_path: Path, file: str) -> None:
    published()
    path = tmp_path / "base" / file
    path.write_text(path.read_text().replace("assistant", "helper") + " ")
    code, found = verify()
    assert (code, found["base"]) == (1, "changed")
    assert "retrain" in found["problems"][0]
