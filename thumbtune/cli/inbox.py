"""Commands on the inbox: list, retry and forget what was set aside."""

from typing import Annotated

import sqlalchemy as sa
import typer

from thumbtune.cli.context import open_checked_store
from thumbtune.cli.output import console, print_json, print_table
from thumbtune.core.errors import BadInput
from thumbtune.core.store import Store, audits, inbox

app = typer.Typer(help="Inbox: what Slack sent and could not be worked on.", no_args_is_help=True)

InboxIds = Annotated[
    list[int] | None,
    typer.Argument(metavar="ID", help="Numbers, as `inbox list` and a reference `event-ID` name them."),
]
All = Annotated[bool, typer.Option("--all", help="Everything that was set aside.")]


@app.command("list")
def list_events(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List what was set aside after several attempts, oldest first; never what it says."""
    store = open_checked_store()
    with store.read() as conn:
        dead = inbox.list_dead_events(conn)
    if as_json:
        print_json(dead)
        return
    rows = [
        (event.inbox_id, event.kind, event.name, event.error, event.attempts, event.received_at, event.done_at)
        for event in dead
    ]
    columns = ("id", "kind", "name", "error", "attempts", "received", "set aside")
    print_table(columns, rows, empty="Nothing was set aside.")


@app.command("retry")
def retry_events(inbox_ids: InboxIds = None, every: All = False) -> None:
    """Give events back to the bot, as if Slack had just sent them; drafts that are late by now are not written."""
    store = open_checked_store()
    chosen = _choose(store, inbox_ids, every=every)
    with store.write() as conn:
        done = inbox.retry_dead_events(conn, chosen)
        _note(conn, store, done, action="event_retried")
    console.print(f"{len(done)} given back to the bot; what fails again shows in `thumbtune inbox list`.")


@app.command("forget")
def forget_events(inbox_ids: InboxIds = None, every: All = False) -> None:
    """Delete events with what they say; after 30 days this happens by itself."""
    store = open_checked_store()
    chosen = _choose(store, inbox_ids, every=every)
    with store.write() as conn:
        done = inbox.forget_dead_events(conn, chosen)
        _note(conn, store, done, action="event_forgotten")
    console.print(f"{len(done)} deleted.")


def _note(conn: sa.Connection, store: Store, inbox_ids: list[int], *, action: str) -> None:
    for inbox_id in inbox_ids:
        audits.record_act(conn, actor="cli", action=action, subject=f"event-{inbox_id}", now=store.now())


def _choose(store: Store, inbox_ids: list[int] | None, *, every: bool) -> list[int]:
    """Return the numbers that were named, or all of what was set aside.

    Raises: BadInput when neither or both were asked for, or a number names nothing that was set aside.
    """
    if bool(inbox_ids) == every:
        raise BadInput("say which: numbers of `thumbtune inbox list`, or --all")
    with store.read() as conn:
        dead = [event.inbox_id for event in inbox.list_dead_events(conn)]
    unknown = sorted(set(inbox_ids or []) - set(dead))
    if unknown:
        names = ", ".join(str(number) for number in unknown)
        raise BadInput(f"nothing set aside is numbered {names}; run `thumbtune inbox list`")
    return inbox_ids or dead
