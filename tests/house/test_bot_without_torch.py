"""A bot host installs without torch, and everything imports there but the trainer's child programs and what vLLM imports."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "transformers", "peft", "vllm", "trl", "ray")
WITH_TORCH = ("finetune", "evaluate", "model", "packing", "gpus", "training", "preferring")
CHILD_PROGRAMS = (*(f"thumbtune.trainer.{name}" for name in WITH_TORCH), "thumbtune.serving.cpu_worker")
IMPORT_ALL = """
import importlib, importlib.util, json, pkgutil, sys

import thumbtune.bot, thumbtune.cli, thumbtune.core, thumbtune.serving, thumbtune.trainer

heavy, child_programs = (argument.split(",") for argument in sys.argv[1:])
imported = []
for package in (thumbtune.bot, thumbtune.cli, thumbtune.core, thumbtune.serving, thumbtune.trainer):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if ".migrations." not in module.name and module.name not in child_programs:
            importlib.import_module(module.name)
            imported.append(module.name)
print(json.dumps({
    "imported": imported,
    "loaded": [name for name in heavy if name in sys.modules],
    "installed": [name for name in heavy if importlib.util.find_spec(name)],
}))
"""


@pytest.fixture(scope="module")
def bot_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment with what requirements/bot.txt pins, and this project built from its files."""
    folder = tmp_path_factory.mktemp("bot host")
    environment, source = folder / "environment", folder / "source"
    listed = subprocess.run(
        ["git", "ls-files", "thumbtune", "*.toml", "*.md"], cwd=ROOT, capture_output=True, check=True
    )
    for name in listed.stdout.decode().splitlines():
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--quiet", "--no-deps", "--no-compile", "--no-input"]
    subprocess.run([*pip, "--requirement", ROOT / "requirements" / "bot.txt"], check=True)
    subprocess.run([*pip, "--no-build-isolation", source], check=True)
    return python


@pytest.mark.timeout(600)
@pytest.mark.xdist_group("heavy")
def test_every_process_imports_on_a_host_without_torch(bot_python: Path, tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    command = [str(bot_python), "-W", "ignore", "-c", IMPORT_ALL, ",".join(HEAVY), ",".join(CHILD_PROGRAMS)]
    done = subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["installed"] == []
    assert seen["loaded"] == []
    assert {"thumbtune.bot.app", "thumbtune.cli.main", "thumbtune.core.store.engine"} <= set(seen["imported"])
