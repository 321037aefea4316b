"""Starts the fine-tuning child program as the trainer does, with limits on what it may have."""

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import psutil

from thumbtune.trainer.recipe import Recipe, dump_recipe
from thumbtune.trainer.snapshot_files import RECIPE_NAME

RECIPE = {"base_model": "acme/tiny", "rank": 8, "alpha": 16, "learning_rate": 2e-2, "batch_tokens": 600}
LIMITS = {"max_context_tokens": 500, "max_reply_tokens": 100, "threads": 1, "min_steps": 40, "max_epochs": 8}


def start(
    snapshot: Path,
    base: Path,
    out: Path,
    *,
    megabytes: int = 0,
    file_kilobytes: int = 0,
    stdout: IO[str] | int = subprocess.PIPE,
    **changes: Any,
) -> subprocess.Popen[str]:
    recipe = out.parent / f"{out.name}-recipe.json"
    recipe.write_bytes(dump_recipe(Recipe(**{**RECIPE, **LIMITS, **changes})))
    command = [sys.executable, "-m", "thumbtune.trainer.finetune", "--snapshot", str(snapshot), "--base", str(base)]

    def limit() -> None:
        if megabytes:
            resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
        if file_kilobytes:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_kilobytes << 10, file_kilobytes << 10))

    command += ["--recipe", str(recipe), "--out", str(out)]
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, text=True, preexec_fn=limit)


def finetune(*arguments: Path, **changes: Any) -> tuple[int, list[dict], str]:
    child = start(*arguments, **changes)
    output, errors = child.communicate(timeout=200)
    return child.returncode, [json.loads(line) for line in (output or "").splitlines()], errors


def run_again(snapshot: Path, base: Path, out: Path) -> Path:
    """Train once more on a run's snapshot by its own recipe, and return the folder of what came out."""
    command = [sys.executable, "-m", "thumbtune.trainer.finetune", "--snapshot", str(snapshot), "--base", str(base)]
    command += ["--recipe", str(snapshot / RECIPE_NAME), "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True, timeout=280)
    return out


def find_children() -> list[psutil.Process]:
    """Return the child programs of this process; it may have others, such as the database of other tests."""
    return [
        child for child in psutil.Process().children() if any("thumbtune.trainer." in part for part in child.cmdline())
    ]
