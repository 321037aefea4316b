"""Commands on the help centre: add, list, remove."""

from pathlib import Path
from typing import Annotated

import typer

from thumbtune.cli.context import open_checked_store, pick_desk
from thumbtune.cli.output import console, print_json, print_table
from thumbtune.core.errors import BadInput
from thumbtune.core.passages import cut_document
from thumbtune.core.store import documents

app = typer.Typer(help="Help-centre documents that drafts take their facts from.", no_args_is_help=True)

SUFFIXES = (".md", ".txt")


@app.command("add")
def add_documents(
    paths: Annotated[list[Path], typer.Argument(help="Markdown or text files, or folders of them.")],
    desk: Annotated[str | None, typer.Option(help="Desk; may be left out when there is one.")] = None,
) -> None:
    """Add documents, or bring changed ones up to date."""
    store = open_checked_store()
    chosen = pick_desk(store, desk)
    files = _find_files(paths)
    texts = {file: _read_text(file) for file in files}
    changed = 0
    with store.write() as conn:
        for file, text in texts.items():
            title, sections = cut_document(text, fallback_title=file.stem)
            source = str(file.resolve())
            changed += documents.add_document(
                conn, desk_id=chosen.desk_id, source=source, title=title, sections=sections, now=store.now()
            )
    console.print(f"{changed} of {len(files)} documents were new or changed.")


@app.command("list")
def list_documents(
    desk: Annotated[str | None, typer.Option(help="Only this desk.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List documents."""
    store = open_checked_store()
    with store.read() as conn:
        found = documents.list_documents(conn, desk_id=desk)
    if as_json:
        print_json(found)
        return
    rows = [(item.document_id, item.desk_id, item.title, item.passages, item.source) for item in found]
    print_table(("id", "desk", "title", "passages", "source"), rows, empty="No documents yet.")


@app.command("remove")
def remove_document(document_id: int) -> None:
    """Remove a document; drafts use it no more."""
    store = open_checked_store()
    with store.write() as conn:
        documents.remove_document(conn, document_id)
    console.print(f"Document {document_id} is removed.")


def _find_files(paths: list[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(item for item in path.rglob("*") if item.suffix in SUFFIXES)
        elif path.is_file():
            files.append(path)
        else:
            raise BadInput(f"{path} does not exist")
    if not files:
        raise BadInput(f"no {' or '.join(SUFFIXES)} files found; give Markdown or text files")
    return files


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        raise BadInput(f"{file} is not UTF-8 text: byte {exc.start} cannot be read; nothing was added") from exc
