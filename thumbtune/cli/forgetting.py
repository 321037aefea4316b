"""The command that forgets a person: `thumbtune pairs forget`."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from thumbtune.cli.context import open_checked_store
from thumbtune.cli.output import console, print_json
from thumbtune.core.errors import BadInput
from thumbtune.core.forgetting import forget, preview, replay
from thumbtune.core.receipts import NOT_REACHED, describe_counts, describe_learned, describe_sequel
from thumbtune.core.settings import load_settings
from thumbtune.core.store.forgetting import Receipt
from thumbtune.trainer.erasing import erase_from_disk

HELP = "\n\n".join(
    (
        "Forget a customer or an agent: erase what the store holds of them, and replace what learned from them.",
        "PERSON is a Slack user id; or, for pairs of imported tables and chats, the name or address that stood in the author "
        "column (`name` in chat JSONL). Pairs of files that did not say who wrote cannot be found this way: use pairs withdraw.",
        "A tombstone keeps what they wrote until now from coming back, by import, backfill or a restored backup. What they "
        "write from now on is new. The receipt names them by keyed digest only.",
    )
)


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("forget", help=HELP)(forget_person)


def forget_person(
    person: Annotated[str, typer.Argument(help="Slack user id, or an imported author's name or address.")] = "",
    desk: Annotated[str | None, typer.Option(help="Only this desk; all desks when left out.")] = None,
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    receipt_file: Annotated[
        Path | None, typer.Option("--receipt", help="Also write the receipt here, as JSON.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--replay", help="Forget everyone again who ever was, as after restoring a backup by hand.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Forget a person, or everyone again who ever was."""
    if bool(person.strip()) == again:
        raise BadInput("say who: `thumbtune pairs forget U0123`; or --replay alone, for everyone who ever was")
    settings = load_settings()
    store = open_checked_store(settings)
    if again:
        receipts = replay(store, settings)
    else:
        who = {"person": person, "desk_ids": [desk] if desk else [], "by": "cli"}
        if not is_sure:
            _ask(preview(store, settings, **who))  # type: ignore[arg-type]  # each of its own type
        receipts = [forget(store, settings, **who)]  # type: ignore[arg-type]  # as above
    erase_from_disk(store, settings)
    if receipt_file is not None:
        _write(receipt_file, receipts)
    if as_json:
        print_json(receipts if again else receipts[0])
        return
    for receipt in receipts:
        _tell(receipt)
    if not receipts:
        console.print("Nobody was ever forgotten here.")


def _ask(found: Receipt) -> None:
    lines = [f"This would erase: {describe_counts(found) or 'nothing; a tombstone would still keep them out'}."]
    lines += [describe_learned(found), NOT_REACHED]
    typer.echo("\n".join(lines), err=True)
    typer.confirm("Forget this person? It cannot be undone", abort=True, err=True)


def _tell(receipt: Receipt) -> None:
    console.print(
        f"Receipt {receipt.receipt_id} of {receipt.at:%Y-%m-%d %H:%M:%S} UTC, by {receipt.by}", highlight=False
    )
    lines = [
        f"Person: {receipt.person} (keyed digest), forgotten by {', '.join(receipt.desks)}",
        f"Erased: {describe_counts(receipt) or 'nothing was there; the tombstone keeps them out'}",
        describe_learned(receipt),
        *describe_sequel(receipt),
        NOT_REACHED,
    ]
    if not any(receipt.counts.values()):
        lines.insert(
            2, "If you meant a person in Slack, give their user id (U…): names are looked for in imported files only."
        )
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _write(path: Path, receipts: list[Receipt]) -> None:
    fields = [asdict(receipt) | {"at": receipt.at.isoformat()} for receipt in receipts]
    try:
        with path.open("w", encoding="utf-8") as stream:
            json.dump(fields[0] if len(fields) == 1 else fields, stream, indent=2)
            stream.write("\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as exc:
        raise BadInput(f"{path} cannot be written ({exc.strerror}); the receipt is in `thumbtune audit list`") from exc
