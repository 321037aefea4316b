"""Follows a run in the terminal: a bar with steps, loss, speed and the time that is left.

It does not know how a run is carried out; whoever watches changes nothing.
"""

import time

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from thumbtune.bot.blocks.run_progress import describe_phase, describe_speed
from thumbtune.cli.output import errors
from thumbtune.core.records import TrainingRun
from thumbtune.core.store import Store, runs

LOOK_S = 1.0


def watch_run(store: Store, run_id: str) -> None:
    """Show a bar on standard error until the run is closed; Ctrl-C leaves the run going.

    Raises: NotFound; KeyboardInterrupt, having said how to cancel.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
    )
    run = _load(store, run_id)
    try:
        errors.print(f"Following {run_id}; Ctrl-C leaves it going.", markup=False)
        with Progress(*columns, console=errors) as progress:
            task = progress.add_task("", total=1.0, figures="")
            while True:
                shown = {"description": describe_phase(run), "figures": describe_speed(run)}
                progress.update(task, completed=run.progress, **shown)  # type: ignore[arg-type]  # texts are fields
                if run.finished_at is not None:
                    return
                time.sleep(LOOK_S)
                run = _load(store, run_id)
    except KeyboardInterrupt:
        errors.print(f"{run_id} goes on; `thumbtune runs cancel {run_id}` ends it.", markup=False)
        raise


def _load(store: Store, run_id: str) -> TrainingRun:
    with store.read() as conn:
        return runs.load_run(conn, run_id)
