"""Commands on training pairs: list, show, withdraw, import, export."""

import json
from pathlib import Path
from typing import Annotated

import typer

from thumbtune.cli.context import open_checked_store, pick_desk
from thumbtune.cli.output import console, print_json, print_record, print_table, shorten
from thumbtune.core.errors import BadInput
from thumbtune.core.records import PairState, TrainingPair
from thumbtune.core.settings import load_settings
from thumbtune.core.store import Store, audits, desks, pairs, signs

app = typer.Typer(help="Training pairs: what the model learns from.", no_args_is_help=True)

PAGE = 500


@app.command("list")
def list_pairs(
    desk: Annotated[str | None, typer.Option(help="Only this desk.")] = None,
    state: Annotated[str | None, typer.Option(help="Only active, withdrawn or quarantined ones.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many, newest first.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List training pairs, newest first."""
    store = open_checked_store()
    with store.read() as conn:
        found = pairs.list_pairs(conn, desk_id=desk, state=_check_state(state), limit=limit, newest_first=True)
    if as_json:
        print_json(found)
        return
    rows = [
        (pair.pair_id, pair.desk_id, pair.state, pair.source, pair.approved_by, shorten(pair.reply), pair.reason)
        for pair in found
    ]
    print_table(("id", "desk", "state", "source", "approved by", "reply", "reason"), rows, empty="No pairs yet.")


@app.command("show")
def show_pair(pair_id: int, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show one pair with its conversation."""
    store = open_checked_store()
    with store.read() as conn:
        pair = pairs.load_pair(conn, pair_id)
    (print_json if as_json else print_record)(pair)


@app.command("withdraw")
def withdraw_pair(
    pair_id: int, reason: Annotated[str, typer.Option(help="Why, for whoever looks later.")] = "withdrawn by hand"
) -> None:
    """Take a pair out of every later training run."""
    settings = load_settings()
    store = open_checked_store(settings)
    with store.write() as conn:
        pair = pairs.set_pair_state(conn, pair_id, state="withdrawn", reason=reason, now=store.now())
        place = {"team_id": pair.team_id, "channel_id": pair.channel_id}
        if settings.collected_reaction and desks.find_desk(
            conn, **place
        ):  # what was imported may stand nowhere in Slack
            cause = f"withdrawn:{store.now().isoformat()}"
            signs.add_sign(conn, store, reply_ts=pair.reply_ts, cause=cause, **place)
        audits.record_act(conn, actor="cli", action="pair_withdrawn", subject=str(pair_id), now=store.now())
    console.print(f"Pair {pair_id} is withdrawn and will not be trained on again.")


@app.command("export")
def export_pairs(
    file: Annotated[Path, typer.Argument(help="File to write: OpenAI-style chat JSONL.")],
    desk: Annotated[str | None, typer.Option(help="Desk; may be left out when there is one.")] = None,
) -> None:
    """Write the active pairs as chat JSONL, one conversation a line."""
    store = open_checked_store()
    chosen = pick_desk(store, desk)
    aside = file.with_name(f"{file.name}.part")
    count = 0
    with aside.open("w", encoding="utf-8") as out:
        for pair in _each_active(store, chosen.desk_id):
            roles = {"customer": "user", "agent": "assistant"}
            messages = [{"role": roles[turn.role], "content": turn.text} for turn in pair.turns]
            messages.append({"role": "assistant", "content": pair.reply})
            out.write(json.dumps({"messages": messages, "pair_id": pair.pair_id}, ensure_ascii=False) + "\n")
            count += 1
    aside.replace(file)
    console.print(f"Wrote {count} pairs to {file}.")


def _each_active(store: Store, desk_id: str) -> "list[TrainingPair]":
    found: list[TrainingPair] = []
    after = 0
    while True:
        with store.read() as conn:
            page = pairs.list_pairs(conn, desk_id=desk_id, state="active", after_id=after, limit=PAGE)
        found += page
        if len(page) < PAGE:
            return found
        after = page[-1].pair_id


def _check_state(state: str | None) -> PairState | None:
    if state in (None, "active", "withdrawn", "quarantined"):
        return state  # type: ignore[return-value]  # just checked
    raise BadInput(f"unknown state {state!r}: choose active, withdrawn or quarantined")
