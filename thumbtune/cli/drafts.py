"""Commands on drafts: list."""

from typing import Annotated

import typer

from thumbtune.cli.context import open_checked_store
from thumbtune.cli.output import print_json, print_table, shorten
from thumbtune.core.store import drafts

app = typer.Typer(help="Drafts: what was asked for and what became of it.", no_args_is_help=True)


@app.command("list")
def list_drafts(
    desk: Annotated[str | None, typer.Option(help="Only this desk.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many, newest first.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List drafts, newest first; texts show placeholders, never names."""
    store = open_checked_store()
    with store.read() as conn:
        found = drafts.list_drafts(conn, desk_id=desk, limit=limit)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            draft.draft_id,
            draft.state,
            draft.adapter or draft.mode,
            draft.latency_ms,
            draft.edit_share,
            shorten(draft.text),
        )
        for draft in found
    ]
    columns = ("draft", "state", "written by", "ms", "edited", "text")
    print_table(columns, rows, empty="No drafts yet.")
