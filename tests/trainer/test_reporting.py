"""A fine-tuning's figures reach the libraries that are asked for, and none of them can end it."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.trainer.samples import make_line
from thumbtune.core.errors import ConfigError
from thumbtune.core.settings import Settings
from thumbtune.trainer.recipe import Recipe, check_libraries, dump_recipe
from thumbtune.trainer.reporting import describe_missing, open_reports

LIBRARIES = ("tensorboard", "trackio", "wandb", "mlflow")
RECORDER = """
import json
def _write(*what):
    with open({path!r}, "a") as stream:
        stream.write(json.dumps(what) + "\\n")
def init(**named): _write("init", named)
def log(figures, *, step): _write("log", figures, step)
def finish(): _write("finish")
"""
PROGRESS = {"phase": "finetune", "step": 3, "steps": 9, "loss": 1.5, "tokens_per_s": 800, "eta_s": 2.0}


@pytest.fixture
def trackio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library of that name that writes down what it is told; returns its file."""
    told = tmp_path / "told.jsonl"
    folder = tmp_path / "libraries"
    folder.mkdir()
    (folder / "trackio.py").write_text(RECORDER.format(path=str(told)))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "trackio", raising=False)
    return told


def read(told: Path) -> list[list[object]]:
    return [json.loads(line) for line in told.read_text().splitlines()]


@pytest.mark.parametrize("name", LIBRARIES)
def test_library_that_is_missing_is_told_before_anything_is_trained(name: str) -> None:
    settings = Settings(train_report_to=[name], _env_file=None)
    if importlib.util.find_spec(name) is not None:
        check_libraries(settings)
        return
    with pytest.raises(ConfigError) as refused:
        check_libraries(settings)
    [problem] = refused.value.problems
    assert f"names {name}, not installed beside the trainer: `pip install {name}`" in problem


def test_nothing_is_reported_unless_asked_for() -> None:
    assert Settings(_env_file=None).train_report_to == []
    assert describe_missing([]) is None


def test_figures_of_each_step_are_passed_on_and_texts_never(tmp_path: Path, trackio: Path) -> None:
    with open_reports(["trackio"], run_id="run-1", folder=tmp_path) as take:
        take(PROGRESS)
        take({**PROGRESS, "step": 4, "loss": None})
    assert read(trackio) == [
        ["init", {"project": "thumbtune", "name": "run-1"}],
        ["log", {"loss": 1.5, "tokens_per_s": 800.0}, 3],
        ["log", {"tokens_per_s": 800.0}, 4],
        ["finish"],
    ]


def test_library_that_fails_is_left_alone_and_the_training_goes_on(tmp_path: Path, trackio: Path) -> None:
    trackio.mkdir()  # it cannot write down anything
    with open_reports(["trackio"], run_id="run-1", folder=tmp_path) as take:
        take(PROGRESS)
    assert list(trackio.iterdir()) == []


def test_fine_tuning_reports_as_it_goes(
    tmp_path: Path, tiny_base: Path, trackio: Path, write_snapshot: Callable[..., Path]
) -> None:
    snapshot = write_snapshot([make_line(thread) for thread in range(8)])
    recipe = Recipe(
        base_model="tiny", min_steps=4, max_epochs=4, max_context_tokens=1024, max_reply_tokens=100, threads=1
    )
    (tmp_path / "recipe.json").write_bytes(dump_recipe(recipe))
    paths = {"snapshot": snapshot, "base": tiny_base, "recipe": tmp_path / "recipe.json", "out": tmp_path / "out"}
    command = [
        sys.executable,
        "-m",
        "thumbtune.trainer.finetune",
        "--report-to",
        "trackio",
        "--report-dir",
        str(tmp_path),
    ]
    command += [part for name, path in paths.items() for part in (f"--{name}", str(path))]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    first, *logged, last = read(trackio)
    assert (first, last) == (["init", {"project": "thumbtune", "name": snapshot.name}], ["finish"])
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"event": "progress"')]
    assert [line[1:] for line in logged] == [
        [{"loss": line["loss"], "tokens_per_s": line["tokens_per_s"]}, line["step"]] for line in told
    ]
