"""Passes the figures of a fine-tuning on to TensorBoard, trackio, wandb or MLflow, as far as the settings name them.

It imports such a library only where it is asked for. What is passed on are numbers and the run's id; texts never are.
"""

import importlib
import importlib.util
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from thumbtune.core.logs import hide_text

logger = logging.getLogger(__name__)

PROJECT = "thumbtune"
FIGURES = ("loss", "tokens_per_s")

Figures = Mapping[str, float]
TakeProgress = Callable[[Mapping[str, Any]], None]  # Any: JSON
"""Takes what a progress line says."""
_Log = Callable[[Figures, int], None]
_Opened = tuple[_Log, Callable[[], None]]
"""How to pass figures of a step on, and how to end."""


def describe_missing(names: Sequence[str]) -> str | None:
    """Return which libraries of these names are not installed, with what to do; none of them is imported."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    return (
        f"THUMBTUNE_TRAIN_REPORT_TO names {', '.join(missing)}, not installed beside the trainer: "
        f"`pip install {' '.join(missing)}`, or leave it out"
    )


@contextmanager
def open_reports(names: Sequence[str], *, run_id: str, folder: Path) -> Iterator[TakeProgress]:
    """Open the reports of a run, files of theirs in this folder, and yield what takes its progress.

    A library that fails is left alone from then on: the training goes on.
    """
    opened: dict[str, _Opened] = {}

    @contextmanager
    def bear(name: str) -> Iterator[None]:
        try:
            yield
        except Exception as exc:  # a library of others, with errors of its own; no figure is worth a training
            opened.pop(name, None)
            logger.warning("report_failed", extra={"library": name}, exc_info=hide_text(exc))

    def take(progress: Mapping[str, Any]) -> None:  # Any: JSON
        of = "" if progress["phase"] == "finetune" else f"{progress['phase']}_"  # another stage's loss is another thing
        figures = {f"{of}{name}": float(progress[name]) for name in FIGURES if progress[name] is not None}
        for name, (log, _) in list(opened.items()):
            with bear(name):
                log(figures, progress["step"])

    for name in names:
        with bear(name):
            opened[name] = _OPENERS[name](run_id, folder)
    try:
        yield take
    finally:
        for name, (_, close) in list(opened.items()):
            with bear(name):
                close()


def _open_tensorboard(run_id: str, folder: Path) -> _Opened:
    writer = importlib.import_module("torch.utils.tensorboard").SummaryWriter(str(folder / run_id))

    def log(figures: Figures, step: int) -> None:
        for name, value in figures.items():
            writer.add_scalar(f"train/{name}", value, step)
        writer.flush()

    return log, writer.close


def _open_trackio(run_id: str, _folder: Path) -> _Opened:
    trackio = importlib.import_module("trackio")
    trackio.init(project=PROJECT, name=run_id)
    return lambda figures, step: trackio.log(dict(figures), step=step), trackio.finish


def _open_wandb(run_id: str, folder: Path) -> _Opened:
    folder.mkdir(parents=True, exist_ok=True)
    run = importlib.import_module("wandb").init(project=PROJECT, name=run_id, dir=str(folder))
    return lambda figures, step: run.log(dict(figures), step=step), run.finish


def _open_mlflow(run_id: str, _folder: Path) -> _Opened:
    mlflow = importlib.import_module("mlflow")
    mlflow.set_experiment(PROJECT)
    mlflow.start_run(run_name=run_id)
    return lambda figures, step: mlflow.log_metrics(dict(figures), step=step), mlflow.end_run


_OPENERS: Mapping[str, Callable[[str, Path], _Opened]] = {
    "tensorboard": _open_tensorboard,
    "trackio": _open_trackio,
    "wandb": _open_wandb,
    "mlflow": _open_mlflow,
}
