"""Commands on triages: list, export."""

import json
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Annotated, Any

import typer

from thumbtune.cli.context import open_checked_store
from thumbtune.cli.output import console, print_json, print_table, shorten
from thumbtune.core.errors import BadInput
from thumbtune.core.records import ThreadTriage
from thumbtune.core.store import audits, triages
from thumbtune.core.triage import FIELDS

app = typer.Typer(
    help="Triages: category, priority, summary and suggested action of threads, as models suggested and agents decided.",
    no_args_is_help=True,
)
PAGE = 500


@app.command("list")
def list_triages(
    desk: Annotated[str | None, typer.Option(help="Only this desk.")] = None,
    taught: Annotated[bool, typer.Option("--taught", help="Only what agents confirmed or corrected.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most this many, oldest first.")] = 50,
    after: Annotated[int, typer.Option(help="Only those after this id.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List triages; texts show placeholders, never names."""
    store = open_checked_store()
    states = triages.TAUGHT if taught else ()
    with store.read() as conn:
        found = triages.list_triages(conn, desk_id=desk, states=states, after_id=after, limit=limit)
    if as_json:
        print_json(found)
        return
    rows = []
    for item in found:
        triage = item.decided or item.suggested
        told = [shorten(text) for text in astuple(triage)] if triage else [""] * len(FIELDS)
        rows.append((item.triage_id, item.desk_id, item.state, *told))
    columns = ("id", "desk", "state", "category", "priority", "summary", "suggested action")
    print_table(columns, rows, empty="No triages yet: give the desk categories with `thumbtune desks set --category`.")


@app.command("export")
def export_triages(
    out: Annotated[Path, typer.Option(help="File to write, as JSON lines; an existing one is not replaced.")],
    desk: Annotated[str | None, typer.Option(help="Only this desk.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Export what agents confirmed or corrected, with the conversations; it is audited."""
    store = open_checked_store()
    if out.exists():
        raise BadInput(f"{out} exists already: remove it or name another")
    count, after_id = 0, 0
    with out.open("w", encoding="utf-8") as stream:
        while True:
            with store.read() as conn:
                page = triages.list_triages(conn, desk_id=desk, states=triages.TAUGHT, after_id=after_id, limit=PAGE)
            if not page:
                break
            stream.writelines(json.dumps(_export(item), ensure_ascii=False) + "\n" for item in page)
            count, after_id = count + len(page), page[-1].triage_id
    with store.write() as conn:
        detail = {"triages": count}
        audits.record_act(
            conn, actor="cli", action="triages_exported", subject=desk or "", now=store.now(), detail=detail
        )
    if as_json:
        print_json({"triages": count, "out": str(out)})
    else:
        console.print(f"{count} triages are in {out}.")


def _export(item: ThreadTriage) -> dict[str, Any]:  # Any: JSON
    return {
        "triage_id": item.triage_id,
        "desk_id": item.desk_id,
        "turns": [asdict(turn) for turn in item.turns],
        "state": item.state,
        "suggested": asdict(item.suggested) if item.suggested else None,
        "decided": asdict(item.decided) if item.decided else None,
    }
