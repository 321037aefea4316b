"""Commands on training runs: start, list, show, cancel."""

from typing import Annotated

import typer

from thumbtune.cli.context import open_checked_store, pick_desk
from thumbtune.cli.output import console, print_json, print_record, print_table
from thumbtune.core.store import audits, runs

app = typer.Typer(help="Training runs: attempts to make a better adapter.", no_args_is_help=True)


@app.command("start")
def start_run(
    desk: Annotated[str | None, typer.Option(help="Desk; may be left out when there is one.")] = None,
) -> None:
    """Ask the trainer for a run, as `/retrain` does in Slack."""
    store = open_checked_store()
    chosen = pick_desk(store, desk)
    with store.write() as conn:
        run, is_new = runs.open_run(conn, desk_id=chosen.desk_id, reason="retrain", requested_by="cli", now=store.now())
        if is_new:
            audits.record_act(conn, actor="cli", action="run_requested", subject=run.run_id, now=store.now())
    if is_new:
        console.print(f"{run.run_id} is queued; follow it with `thumbtune runs show {run.run_id}`.")
    else:
        console.print(f"{run.run_id} is already {run.state}, {run.progress:.0%} done; no second one was started.")


@app.command("list")
def list_runs(
    desk: Annotated[str | None, typer.Option(help="Only this desk.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many, newest first.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List training runs, newest first."""
    store = open_checked_store()
    with store.read() as conn:
        found = runs.list_runs(conn, desk_id=desk, limit=limit)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            run.run_id,
            run.desk_id,
            run.state,
            f"{run.progress:.0%}",
            run.examples,
            run.adapter,
            run.created_at,
            run.message,
        )
        for run in found
    ]
    columns = ("run", "desk", "state", "done", "examples", "adapter", "created", "result")
    print_table(columns, rows, empty="No runs yet.")


@app.command("show")
def show_run(run_id: str, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show one run with what the gate said."""
    store = open_checked_store()
    with store.read() as conn:
        run = runs.load_run(conn, run_id)
    (print_json if as_json else print_record)(run)


@app.command("cancel")
def cancel_run(run_id: str) -> None:
    """Ask for a run to be cancelled; what is live stays live."""
    store = open_checked_store()
    with store.write() as conn:
        run = runs.request_cancel(conn, run_id, now=store.now())
        audits.record_act(conn, actor="cli", action="run_cancelled", subject=run_id, now=store.now())
    console.print(f"{run_id} is {run.state}." if run.finished_at else f"{run_id} is being cancelled.")
