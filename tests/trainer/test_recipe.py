"""What a run is trained with: refused before anything starts when it cannot be."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from thumbtune.core.base_model import find_licence, find_revision
from thumbtune.core.errors import BadInput, ConfigError
from thumbtune.core.manifest import hash_base
from thumbtune.core.settings import Settings
from thumbtune.trainer.recipe import (
    PreferenceRecipe,
    Recipe,
    check_base_unchanged,
    dump_recipe,
    load_recipe,
    plan_recipe,
)


def make_settings(base: Path, tmp_path: Path, **changes: object) -> Settings:
    return Settings(base_model=str(base), data_dir=tmp_path / "data", _env_file=None, **changes)


@pytest.mark.parametrize("rank", [2, 12, 100, 513])
def test_rank_that_cannot_be_served_is_refused(rank: int) -> None:
    with pytest.raises(BadInput, match=f"rank {rank} cannot be served; take one of 1, 8, 16, 32"):
        Recipe("base", rank=rank)


def test_settings_become_a_recipe_that_knows_its_base_and_survives_its_file(tiny_base: Path, tmp_path: Path) -> None:
    settings = make_settings(tiny_base, tmp_path, train_rank=512, train_rslora=True, train_gpus=2)
    recipe = plan_recipe(settings, tiny_base)
    assert (recipe.rank, recipe.rslora, recipe.gpus, recipe.validation_share) == (512, True, 2, 0.05)
    assert recipe.base_hash == hash_base(tiny_base)
    (tmp_path / "recipe.json").write_bytes(dump_recipe(recipe))
    assert load_recipe(tmp_path / "recipe.json") == recipe
    check_base_unchanged(recipe, tiny_base)
    with pytest.raises(BadInput, match="can no longer be read"):
        check_base_unchanged(recipe, tmp_path)


def test_second_stage_is_in_a_recipe_only_when_it_is_asked_for(tiny_base: Path, tmp_path: Path) -> None:
    plain = plan_recipe(make_settings(tiny_base, tmp_path), tiny_base)
    assert plain.preferences is None
    assert "preferences" not in json.loads(dump_recipe(plain)), "snapshots without it keep their hashes"
    asked = {"train_preferences": "dpo", "train_preference_beta": 0.2, "train_preference_learning_rate": 5e-6}
    recipe = plan_recipe(make_settings(tiny_base, tmp_path, **asked), tiny_base)
    assert recipe.preferences == PreferenceRecipe(beta=0.2, learning_rate=5e-6, sft_weight=1.0, epochs=1)
    (tmp_path / "recipe.json").write_bytes(dump_recipe(recipe))
    assert load_recipe(tmp_path / "recipe.json") == recipe
    with pytest.raises(ValueError, match="train_validation_share"):
        make_settings(tiny_base, tmp_path, **asked, train_validation_share=0)
    with pytest.raises(BadInput, match="beta"):
        PreferenceRecipe(beta=0)


def test_quantized_training_without_its_library_ends_the_trainer_before_it_starts(
    tiny_base: Path, tmp_path: Path
) -> None:
    settings = make_settings(tiny_base, tmp_path, train_4bit=True)
    with pytest.raises(ConfigError, match="bitsandbytes"):
        plan_recipe(settings, tiny_base)
    command = [sys.executable, "-m", "thumbtune.cli.main", "trainer"]
    env = {"THUMBTUNE_BASE_MODEL": str(tiny_base), "THUMBTUNE_TRAIN_4BIT": "true", "THUMBTUNE_DATA_DIR": str(tmp_path)}
    ended = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert ended.returncode == 2, ended.stderr
    assert "install thumbtune[quantized]" in " ".join(ended.stderr.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("card", "config", "expected"),
    [
        ("---\nlicense: apache-2.0\nlanguage: en\n---\n# Model\n", "{}", "apache-2.0"),
        ("---\nlanguage: en\nlicense: 'llama3.1'\n---\n", "{}", "llama3.1"),
        ("---\nlicense: other\nlicense_name: qwen-research\n---\n", "{}", "qwen-research"),
        ("# No header\nlicense: mit\n", "{}", "unknown"),
        ("", '{"license": "mit"}', "mit"),
        ("", '{"license": ["mit"]}', "unknown"),
        ("", "not JSON", "unknown"),
    ],
)
def test_licence_of_a_base_is_found_in_its_card_or_configuration(
    tmp_path: Path, card: str, config: str, expected: str
) -> None:
    (tmp_path / "config.json").write_text(config)
    if card:
        (tmp_path / "README.md").write_text(card)
    assert find_licence(tmp_path) == expected


def test_revision_of_a_base_is_its_commit_in_the_hubs_cache(tmp_path: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    assert find_revision(tmp_path / "snapshots" / commit) == commit
    assert find_revision(tmp_path / "my-model") == "unknown"
