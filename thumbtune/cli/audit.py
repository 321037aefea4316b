"""Commands on the audit: list, verify."""

from typing import Annotated

import typer

from thumbtune.cli.context import open_checked_store
from thumbtune.cli.output import console, print_json, print_table
from thumbtune.core.store import audits

app = typer.Typer(help="Audit: who approved, withdrew, trained, promoted, imported, changed.", no_args_is_help=True)


@app.command("list")
def list_acts(
    action: Annotated[str | None, typer.Option(help="Only this action, such as adapter_promoted.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many, newest first.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List what was done, newest first: ids and counts, never a text."""
    store = open_checked_store()
    with store.read() as conn:
        found = audits.list_acts(conn, limit=limit, action=action)
    if as_json:
        print_json(found)
        return
    rows = [(act.audit_id, act.at, act.actor, act.action, act.subject, act.detail or "") for act in found]
    print_table(
        ("id", "at", "who", "did", "to", "detail"),
        rows,
        empty="Nothing of that was done." if action else "Nothing was done yet.",
    )


@app.command("verify")
def verify_chain(
    head: Annotated[str, typer.Option(help="A head that an earlier verify printed, kept somewhere else.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check that no row was changed, removed, added or moved; exit 1 naming the first that was."""
    store = open_checked_store()
    with store.read() as conn:
        report = audits.verify_chain(conn, noted_head=head)
    if as_json:
        print_json(report)
    elif report.finding:
        console.print(f"The audit is broken: {report.finding}.", style="red", soft_wrap=True)
    else:
        console.print(f"{report.acts} acts, all as they were written.")
        console.print(
            f"Head: {report.head or '–'} (keep it elsewhere and give it to the next verify as --head)", soft_wrap=True
        )
    if report.finding:
        raise typer.Exit(1)
