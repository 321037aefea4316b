"""Commands on training runs: start, list, show, due, cancel."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.padding import Padding
from rich.text import Text

from thumbtune.cli.context import open_checked_store, pick_desk
from thumbtune.cli.output import console, print_grounding, print_json, print_record, print_table
from thumbtune.cli.watching import watch_run
from thumbtune.core.errors import BadInput
from thumbtune.core.reporting.contents import ROLES
from thumbtune.core.retraining import describe_lack, describe_preview, preview_run, request_run
from thumbtune.core.settings import load_settings
from thumbtune.core.store import audits, desks, outlooks, runs
from thumbtune.core.store.courses import load_course

app = typer.Typer(help="Training runs: attempts to make a better adapter.", no_args_is_help=True)

COMPARED = {
    "versus_base": "the base",
    "versus_live": "what was live",
    "own_prompts": "swapped prompts",
}
"""What the gate compared; below 0 is better: replies are likelier by the candidate, or after the prompts they answer."""
UNDER_WAY = ("eta_s", "step", "steps", "loss", "tokens_per_s")
"""What says how a run goes, of whichever phase is under way."""


@app.command("start")
def start_run(
    desk: Annotated[str | None, typer.Option(help="Desk; may be left out when there is one.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and do not ask.")] = False,
) -> None:
    """Ask the trainer for a run, as `/retrain` does in Slack, having shown what it would use."""
    settings = load_settings()
    store = open_checked_store(settings)
    chosen = pick_desk(store, desk)
    with store.read() as conn:
        is_open = runs.find_open_run(conn, desk_id=chosen.desk_id) is not None
    preview = preview_run(store, settings, desk_id=chosen.desk_id)
    if not is_open:
        if not as_json:
            console.print(f"A run for {chosen.desk_id} would use the approved replies so:", markup=False)
            for line in describe_preview(preview):
                console.print(f"  • {line}", markup=False)
        if not preview.is_enough:
            raise BadInput(describe_lack(preview, chosen))
        if not yes and not as_json:
            typer.confirm("Start training?", abort=True)
    run, is_new = request_run(store, chosen, by="cli", announce_channel=chosen.training_channel or None)
    if as_json:
        print_json({"run_id": run.run_id, "state": run.state, "is_new": is_new, "preview": asdict(preview)})
    elif is_new:
        console.print(f"{run.run_id} is queued; follow it with `thumbtune runs show {run.run_id} --watch`.")
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
    for run in found:
        done = "" if run.finished_at else f" {run.progress:.0%}"
        told = [
            run.run_id,
            run.desk_id,
            f"{run.state}{done}",
            run.adapter or "",
            f"{run.created_at.astimezone():%Y-%m-%d %H:%M}",
        ]
        console.print("  ".join(filter(None, told)), markup=False, highlight=False, style="bold")
        if run.message:
            console.print(Padding(Text(run.message), (0, 0, 0, 4)))
    if not found:
        console.print("No runs yet.")


@app.command("show")
def show_run(
    run_id: str,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it with a bar until it is closed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show one run with what the gate said, and what the help centre's passages do and what the training does."""
    store = open_checked_store()
    if watch:
        watch_run(store, run_id)
    with store.read() as conn:
        run = runs.load_run(conn, run_id)
        grounding = load_course(conn, run_id).get("grounding") or {}
    if as_json:
        print_json(asdict(run) | {"grounding": grounding})
        return
    hidden = ("gate", "fence", *(UNDER_WAY if run.finished_at else ()))
    print_record({name: value for name, value in asdict(run).items() if name not in hidden})
    rows = [
        (
            words,
            found["difference"],
            found["low"],
            found["high"],
            " · ".join(str(found.get(kind, 0)) for kind in ("wins", "ties", "losses")),
            f"{found.get('sign_p', 1.0):.2g}",
            found["detectable"],
        )
        for name, words in COMPARED.items()
        if (found := run.gate.get(name))
    ]
    if rows:
        console.print()
        heads = (
            "nats per token against",
            "difference",
            "95 %: from",
            "to",
            "wins · ties · losses",
            "by chance",
            "detectable",
        )
        print_table(heads, rows, empty="")
        console.print("Below 0 the new adapter is better, and replies follow from their own prompts.")
    if grounding:
        console.print()
        print_grounding({ROLES[role].lower(): found for role, found in grounding.items()})


@app.command("due")
def show_due(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Say of every desk whether a run is due and why none starts by itself, as the trainer last saw it."""
    settings = load_settings()
    store = open_checked_store(settings)
    with store.read() as conn:
        seen = {desk.desk_id: outlooks.find_outlook(conn, desk_id=desk.desk_id) for desk in desks.list_desks(conn)}
    found = [
        {
            "desk_id": desk_id,
            "is_due": outlook.is_due if outlook else False,
            "why": outlook.why if outlook else "",
            "looked_at": outlook.looked_at if outlook else None,
            "trouble": outlooks.find_silence(outlook, now=store.now(), tick_s=settings.train_tick_s),
        }
        for desk_id, outlook in seen.items()
    ]
    if as_json:
        print_json(found)
        return
    rows = [
        (item["desk_id"], "yes" if item["is_due"] else "no", item["why"], item["looked_at"], item["trouble"] or "")
        for item in found
    ]
    print_table(("desk", "due", "why", "looked at", "trouble"), rows, empty="No desks yet: `thumbtune desks add`.")


@app.command("cancel")
def cancel_run(run_id: str) -> None:
    """Ask for a run to be cancelled; what is live stays live."""
    store = open_checked_store()
    with store.write() as conn:
        run = runs.request_cancel(conn, run_id, now=store.now())
        audits.record_act(conn, actor="cli", action="run_cancelled", subject=run_id, now=store.now())
    console.print(f"{run_id} is {run.state}." if run.finished_at else f"{run_id} is being cancelled.")
