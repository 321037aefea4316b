"""The `runs report` command: writes the report of a run as a page, or its charts as a picture."""

from pathlib import Path
from typing import Annotated

import typer

from thumbtune.cli.context import open_checked_store
from thumbtune.cli.output import console
from thumbtune.core.errors import BadInput, NotFound
from thumbtune.core.reporting import draw_report_png, render_page
from thumbtune.core.settings import load_settings
from thumbtune.core.store import runs
from thumbtune.core.store.reporting import load_report


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("report")(write_report)


def write_report(
    run_id: Annotated[str | None, typer.Argument(help="Run; the newest when left out.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to, ending in .html or .png; RUN.html here when left out.")
    ] = None,
) -> None:
    """Write what went into a run, how it went, what was decided and why, and drafts side by side."""
    store = open_checked_store()
    with store.read() as conn:
        if run_id is None:
            newest = runs.list_runs(conn, limit=1)
            if not newest:
                raise NotFound("no runs yet; start one with `thumbtune runs start`")
            run_id = newest[0].run_id
        report = load_report(conn, run_id, gpu_price_per_hour=load_settings().gpu_price_per_hour)
    path = out or Path(f"{run_id}.html")
    if path.suffix not in (".html", ".png"):
        raise BadInput(f"{path} ends neither in .html nor in .png; say which the report should be")
    content = draw_report_png(report) if path.suffix == ".png" else render_page(report).encode()
    try:
        path.write_bytes(content)
    except OSError as exc:
        raise BadInput(f"{path} cannot be written: {exc.strerror}; give another place with --out") from exc
    console.print(f"{path.resolve()}", highlight=False, soft_wrap=True)
