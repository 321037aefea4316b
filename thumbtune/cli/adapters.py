"""Commands on adapters: list, show, verify, promote, rollback."""

from typing import Annotated

import typer

from thumbtune.cli.context import open_checked_store, pick_desk
from thumbtune.cli.output import console, print_json, print_record, print_table
from thumbtune.cli.verifying import inspect_adapter
from thumbtune.core.base_model import find_base
from thumbtune.core.records import Adapter
from thumbtune.core.settings import load_settings
from thumbtune.core.store import adapters, audits

app = typer.Typer(help="Adapters: what training made, and which one answers.", no_args_is_help=True)


@app.command("list")
def list_adapters(
    desk: Annotated[str | None, typer.Option(help="Only this desk.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List adapters, newest first."""
    store = open_checked_store()
    with store.read() as conn:
        found = adapters.list_adapters(conn, desk_id=desk)
    if as_json:
        print_json(found)
        return
    rows = [
        (item.name, item.desk_id, item.state, item.run_id, item.published_at, item.live_at, _explain(item))
        for item in found
    ]
    columns = ("adapter", "desk", "state", "run", "published", "live since", "reason")
    print_table(columns, rows, empty="No adapters yet.")


@app.command("show")
def show_adapter(name: str, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show one adapter."""
    store = open_checked_store()
    with store.read() as conn:
        adapter = adapters.load_adapter(conn, name)
    (print_json if as_json else print_record)(adapter)


@app.command("verify")
def verify_adapters(
    name: Annotated[str | None, typer.Argument(help="Adapter; all of them when left out.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check adapters' files: manifest, hashes, weights, and whether base model and chat template are still theirs.

    Ends with exit code 1 when one of them may not answer.
    """
    settings = load_settings()
    store = open_checked_store(settings)
    with store.read() as conn:
        chosen = [adapters.load_adapter(conn, name)] if name else adapters.list_adapters(conn)
    base = find_base(settings.base_model) if settings.base_model else None
    found = [inspect_adapter(adapter, adapters_dir=settings.adapters_dir, base=base) for adapter in chosen]
    if as_json:
        print_json(found)
    else:
        rows = [(item.name, item.state, item.verdict, item.base, "; ".join(item.problems)) for item in found]
        print_table(("adapter", "state", "verdict", "base", "problems"), rows, empty="No adapters yet.")
    if any(item.problems for item in found):
        raise typer.Exit(1)


@app.command("promote")
def promote_adapter(name: str) -> None:
    """Make an adapter the live one; serving loads and proves it first where that is missing.

    The one before stays loaded for a rollback.
    """
    store = open_checked_store()
    with store.write() as conn:
        adapter = adapters.request_live(conn, name, now=store.now())
        action = "adapter_promoted" if adapter.state == "live" else "adapter_asked_for"
        audits.record_act(conn, actor="cli", action=action, subject=name, now=store.now())
    if adapter.state == "live":
        console.print(f"{adapter.name} is live for {adapter.desk_id}.")
    else:
        console.print(
            f"{adapter.name} goes live for {adapter.desk_id} as soon as every server has loaded and proven it; until then "
            f"nothing changes. `thumbtune adapters show {adapter.name}` says how far it is."
        )


@app.command("rollback")
def roll_back(
    desk: Annotated[str | None, typer.Option(help="Desk; may be left out when there is one.")] = None,
) -> None:
    """Go back to the adapter that was live before; nothing has to be loaded."""
    store = open_checked_store()
    chosen = pick_desk(store, desk)
    with store.write() as conn:
        previous = adapters.roll_back(conn, desk_id=chosen.desk_id, now=store.now())
        subject = previous.name if previous else "base"
        detail = {"desk_id": chosen.desk_id}
        audits.record_act(
            conn, actor="cli", action="adapter_rolled_back", subject=subject, now=store.now(), detail=detail
        )
    if previous:
        console.print(f"{previous.name} is live for {chosen.desk_id} again.")
    else:
        console.print(f"{chosen.desk_id} has no earlier adapter: the base model answers from now on.")


def _explain(adapter: Adapter) -> str:
    """Return why an adapter is in its state, and whether it has to go."""
    if adapter.replace_since is None:
        return adapter.reason
    sequel = "to be replaced" if adapter.state == "live" else "never goes live again"
    return f"{adapters.LEARNED_FORGOTTEN}: {sequel}"
