"""Commands on training pairs: list, show, review, approve, edit, withdraw, restore, keep, import, export, preferences."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from thumbtune.cli import exporting, preferences
from thumbtune.cli.context import open_checked_store, pick_desk
from thumbtune.cli.editing import edit_text
from thumbtune.cli.importing.outcome import Outcome
from thumbtune.cli.importing.running import Format, ImportOptions, import_file
from thumbtune.cli.output import console, count_noun, print_json, print_table, shorten, show_progress
from thumbtune.core.curation import KIND_WORDS, explain_pair
from thumbtune.core.errors import BadInput
from thumbtune.core.prompt import find_question
from thumbtune.core.records import Finding, PairState, TrainingPair
from thumbtune.core.redaction import NameIndex, Redactor
from thumbtune.core.settings import load_settings
from thumbtune.core.store import pairs
from thumbtune.core.store.correcting import correct_pair
from thumbtune.core.store.curating import Inspector
from thumbtune.core.store.decisions import decide_between, decide_pair
from thumbtune.core.store.desks import load_desk
from thumbtune.core.store.findings import count_findings, load_findings
from thumbtune.core.store.reviewing import review_desk

app = typer.Typer(help="Training pairs: what the model learns from.", no_args_is_help=True)

SHOWN_PROBLEMS = 20

IMPORT_HELP = "\n\n".join(
    (
        "Make pairs of a file: redacted, each once, whichever way and how often it comes.",
        "Slack export (.zip): the replies that the desk's rules approve, as they would have become pairs live. Reactions in "
        "an export have no time, so a reply that was edited waits for review.",
        "Help-desk table (.csv): a header row with the columns conversation (or ticket_id), role (customer or agent) and "
        "text (or message, body), best with time (or created_at) and author; an agent's message right after a customer's "
        "becomes a pair. Or the two columns question and reply. UTF-8, any common delimiter.",
        'Chat JSONL: {"messages": [{"role": "system|user|assistant", "content": "…"}]}; the last assistant message is the '
        "reply.",
        "Rows that cannot be used are told with their line, and the others are kept.",
    )
)


@app.command("list")
def list_pairs(
    desk: Annotated[str | None, typer.Option(help="Only this desk.")] = None,
    state: Annotated[str | None, typer.Option(help="Only active, merged, withdrawn or quarantined ones.")] = None,
    why: Annotated[bool, typer.Option("--why", help="Say why each is in or out, and what was found about it.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most this many, newest first.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List training pairs, newest first."""
    store = open_checked_store()
    with store.read() as conn:
        if desk is not None:
            load_desk(conn, desk)
        found = pairs.list_pairs(conn, desk_id=desk, state=_check_state(state), limit=limit, newest_first=True)
        noted = load_findings(conn, [pair.pair_id for pair in found]) if why else {}
    if as_json:
        print_json([_add_why(pair, noted[pair.pair_id]) for pair in found] if why else found)
        return
    empty = "No such pairs." if desk or state else "No pairs yet."
    if why:
        lines = [
            (pair.pair_id, pair.state, "\n".join([_quote(pair), *explain_pair(pair, noted[pair.pair_id])]))
            for pair in found
        ]
        print_table(("id", "state", "what, and why"), lines, empty=empty)
        return
    rows = [
        (pair.pair_id, pair.desk_id, pair.state, pair.source, pair.approved_by, shorten(pair.reply), pair.reason)
        for pair in found
    ]
    print_table(("id", "desk", "state", "source", "approved by", "reply", "reason"), rows, empty=empty)


@app.command("show")
def show_pair(pair_id: int, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show one pair with its conversation, and why it is in or out."""
    store = open_checked_store()
    with store.read() as conn:
        pair = pairs.load_pair(conn, pair_id)
        found = load_findings(conn, [pair_id])[pair_id]
    if as_json:
        print_json(_add_why(pair, found))
        return
    console.print(f"[bold]Pair {pair.pair_id}[/bold] of desk {pair.desk_id}: {pair.state}", soft_wrap=True)
    for line in explain_pair(pair, found):
        console.print(f"  {line}", markup=False, soft_wrap=True)
    where = f"channel {pair.channel_id}, thread {pair.thread_ts}, reply {pair.reply_ts}"
    console.print(f"  {pair.source}, made {pair.created_at:%Y-%m-%d %H:%M} UTC; {where}", markup=False, soft_wrap=True)
    for passage in pair.passages:
        _print_said(f"from the help centre: {passage.title}", passage.text)
    for turn in pair.turns:
        _print_said(turn.role, turn.text)
    if pair.reply:
        _print_said("the reply that is learned" if pair.state == "active" else "the reply", pair.reply)
    else:
        console.print("  its texts are gone")


@app.command("withdraw")
def withdraw_pair(
    pair_id: int, reason: Annotated[str, typer.Option(help="Why, for whoever looks later.")] = "withdrawn by hand"
) -> None:
    """Take a pair out of every later training run."""
    _decide(pair_id, state="withdrawn", reason=reason)
    console.print(f"Pair {pair_id} is withdrawn and will not be trained on again.")


@app.command("keep")
def keep_pair(pair_id: int) -> None:
    """Train on a pair that is out for whatever reason; approvals change its state no more while one is left."""
    _decide(pair_id, state="active", reason="")
    console.print(f"Pair {pair_id} is kept and will be trained on.")


@app.command("approve")
def approve_pair(
    pair_id: int,
    both: Annotated[bool, typer.Option("--both", help="Keep the pair that it contradicts as well.")] = False,
) -> None:
    """Let in a pair that waits for review; what it contradicts then waits in its place, or stays with --both."""
    if both:
        settings = load_settings()
        store = open_checked_store(settings)
        shows_sign = bool(settings.collected_reaction)
        with store.write() as conn:
            decide_between(conn, store, pair_id, keep="both", decided_by="cli", shows_sign=shows_sign)
    else:
        _decide(pair_id, state="active", reason="", only_if="quarantined")
    console.print(f"Pair {pair_id} is approved and will be trained on.")


@app.command("restore")
def restore_pair(pair_id: int) -> None:
    """Bring back a pair that was withdrawn."""
    _decide(pair_id, state="active", reason="", only_if="withdrawn")
    console.print(f"Pair {pair_id} is restored and will be trained on.")


@app.command("edit")
def edit_pair(
    pair_id: int,
    reply: Annotated[str | None, typer.Option(help="The corrected reply; left out, $EDITOR opens with it.")] = None,
) -> None:
    """Correct a pair's reply and keep the pair; Slack's message stays as it is.

    It is redacted again, but names are not known here: leave [NAME_1] and the like where they stand, or edit it in the
    Home tab in Slack, where names are found.
    """
    settings = load_settings()
    store = open_checked_store(settings)
    with store.read() as conn:
        before = pairs.load_pair(conn, pair_id).reply
    text = edit_text(before) if reply is None else reply
    if reply is None and text == before:
        console.print(f"Nothing was changed; pair {pair_id} stays as it is.")
        return
    shows_sign = bool(settings.collected_reaction)
    with store.write() as conn:
        pair = correct_pair(
            conn,
            store,
            pair_id,
            text=text,
            corrected_by="cli",
            names=NameIndex(),
            redactor=Redactor(order_number_patterns=settings.order_number_patterns),
            settings=settings,
            shows_sign=shows_sign,
        )
    console.print(f"Pair {pair_id} is corrected and will be trained on:", soft_wrap=True)
    console.print(pair.reply, markup=False, soft_wrap=True)


@app.command("review")
def review_pairs(
    desk: Annotated[str | None, typer.Option(help="Desk; may be left out when there is one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look at all pairs anew, as after a change of settings or of version; what was decided by hand stays."""
    settings = load_settings()
    store = open_checked_store(settings)
    chosen = pick_desk(store, desk)
    inspector = Inspector(settings, Redactor(order_number_patterns=settings.order_number_patterns))
    shows_sign = bool(settings.collected_reaction)
    with store.read() as conn:
        total = sum(pairs.count_pairs(conn, desk_id=chosen.desk_id).values())
    with show_progress(total, what="pairs") as on_done:
        review_desk(store, chosen, inspector=inspector, shows_sign=shows_sign, on_done=on_done)
    with store.read() as conn:
        states = pairs.count_pairs(conn, desk_id=chosen.desk_id)
        found = count_findings(conn, desk_id=chosen.desk_id)
    if as_json:
        print_json({"desk_id": chosen.desk_id, "states": states, "findings": found})
        return
    for state, count in sorted(states.items()):
        console.print(f"{count:6,} {state}", soft_wrap=True)
    for kind, count in sorted(found.items(), key=lambda item: -item[1]):
        console.print(f"{count:6,} {KIND_WORDS[kind]}", soft_wrap=True)


@app.command("import", help=IMPORT_HELP)
def import_pairs(
    file: Annotated[Path, typer.Argument(help="Slack export (.zip), help-desk table (.csv) or chat JSONL.")],
    desk: Annotated[str | None, typer.Option(help="Desk; may be left out when there is one.")] = None,
    format_: Annotated[Format | None, typer.Option("--format", help="Found out when left out.")] = None,
    channel: Annotated[
        list[str] | None, typer.Option(help="Slack: read this channel, by name or id, instead of the desk's; repeat.")
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="Slack: who is in a user group, as S1=U1,U2; asked of Slack otherwise.")
    ] = None,
    keep_system: Annotated[
        bool,
        typer.Option(
            "--keep-system", help="JSONL: keep a system message as a passage the reply rests on; dropped otherwise."
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would come of it and store nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make pairs of a file."""
    settings = load_settings()
    store = open_checked_store(settings)
    chosen = pick_desk(store, desk)
    options = ImportOptions(
        format=format_,
        channels=tuple(channel or ()),
        groups=dict(_read_group(item) for item in group or ()),
        keep_system=keep_system,
        is_dry_run=dry_run,
    )
    began = time.monotonic()
    form, outcome = import_file(
        file, store, settings=settings, desk=chosen, options=options, open_progress=show_progress
    )
    result = {"file": str(file), "format": form, "desk_id": chosen.desk_id, "dry_run": dry_run, **vars(outcome)}
    result["problems"] = [asdict(problem) for problem in outcome.problems]
    result["seconds"] = round(time.monotonic() - began, 2)
    if as_json:
        print_json(result)
    else:
        _tell_outcome(file, outcome, seconds=time.monotonic() - began, is_dry_run=dry_run)
    if outcome.problems and not (outcome.imported or outcome.already_there or outcome.refused):
        raise BadInput(f"{file}: no row could be used; the first: {outcome.problems[0]}")


@app.command("export")
def export_pairs(
    out: Annotated[Path, typer.Option(help="File to write (jsonl), or folder to make (hf).")],
    desk: Annotated[str | None, typer.Option(help="Desk; may be left out when there is one.")] = None,
    format_: Annotated[
        exporting.ExportFormat,
        typer.Option("--format", help="jsonl: chat JSONL. hf: a folder for Hugging Face's datasets library."),
    ] = "jsonl",
    state: Annotated[PairState, typer.Option(help="Only pairs of this state.")] = "active",
) -> None:
    """Write a desk's pairs, redacted, as training sees them; `pairs import` reads them back."""
    settings = load_settings()
    store = open_checked_store(settings)
    chosen = pick_desk(store, desk)
    written = exporting.export_pairs(store, chosen, out, form=format_, state=state, settings=settings)
    console.print(
        f"Wrote {count_noun(written.pairs, 'pair')} of {count_noun(len(written.threads), 'conversation')} to {out}.",
        soft_wrap=True,
    )
    console.print(f"SHA-256 {written.sha256}", soft_wrap=True)


@app.command("preferences")
def show_preferences(
    desk: Annotated[str | None, typer.Option(help="Desk; may be left out when there is one.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many, newest first.")] = 20,
    export: Annotated[Path | None, typer.Option(help="Write all of them to this file, as JSONL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of them as JSON.")] = False,
) -> None:
    """List preference pairs: approved replies beside drafts that were edited, dismissed or replaced.

    From them a run learns in a second stage, where the setting train_preferences asks for it.
    """
    settings = load_settings()
    store = open_checked_store(settings)
    chosen = pick_desk(store, desk)
    if export is not None:
        count = preferences.export_preferences(store, chosen, export, settings=settings)
        console.print(f"Wrote {count_noun(count, 'preference pair')} to {export}.", soft_wrap=True)
        return
    found = preferences.list_preferences(store, chosen)
    if as_json:
        print_json(found)
        return
    rows = [
        (item["pair_id"], item["state"], item["edit_share"], shorten(item["chosen"]), shorten(item["rejected"]))
        for item in found[: -limit - 1 : -1]
    ]
    print_table(("pair", "draft was", "changed", "approved", "rejected"), rows, empty="No preference pairs yet.")
    if found:
        console.print(count_noun(len(found), "preference pair"))


def _quote(pair: TrainingPair) -> str:
    return f"“{shorten(find_question(pair.turns))}” → “{shorten(pair.reply)}”" if pair.reply else "its texts are gone"


def _print_said(who: str, text: str) -> None:
    console.print(f"\n{who}", style="bold", markup=False, soft_wrap=True)
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _tell_outcome(file: Path, outcome: Outcome, *, seconds: float, is_dry_run: bool) -> None:
    would = "would be " if is_dry_run else ""
    console.print(
        f"{file.name}: {count_noun(outcome.imported, 'pair')} {would}imported, {outcome.already_there} were there already; "
        f"{seconds:.1f} s.",
        markup=False,
        soft_wrap=True,
    )
    if outcome.merged:
        console.print(
            f"  {outcome.merged} of them say the same as another and are not trained on twice", soft_wrap=True
        )
    for reason, count in outcome.waiting.most_common():
        console.print(f"  {count} of them wait for review: {reason}", soft_wrap=True)
    for reason, count in outcome.refused.most_common():
        console.print(f"  {count_noun(count, 'reply', 'replies')} made no pair: {reason}", soft_wrap=True)
    if outcome.problems:
        console.print(f"{count_noun(len(outcome.problems), 'row')} could not be used:", style="yellow")
    for problem in outcome.problems[:SHOWN_PROBLEMS]:
        console.print(f"  {problem}", markup=False, soft_wrap=True)
    if len(outcome.problems) > SHOWN_PROBLEMS:
        console.print(f"  … and {len(outcome.problems) - SHOWN_PROBLEMS} more; --json lists them all")


def _read_group(item: str) -> tuple[str, frozenset[str]]:
    group_id, _, members = item.partition("=")
    if not group_id.startswith("S") or not members:
        raise BadInput(f"--group {item!r} is not understood: write S0123=U0123,U0456")
    return group_id, frozenset(member.strip() for member in members.split(",") if member.strip())


def _check_state(state: str | None) -> PairState | None:
    if state in (None, *get_args(PairState)):
        return state  # type: ignore[return-value]  # just checked
    raise BadInput(f"unknown state {state!r}: choose {', '.join(get_args(PairState))}")


def _add_why(pair: TrainingPair, found: Sequence[Finding]) -> dict[str, Any]:  # Any: a record's fields
    why = explain_pair(pair, found)
    return {**asdict(pair), "why": why, "findings": [asdict(item) for item in found]}


def _decide(pair_id: int, *, state: PairState, reason: str, only_if: PairState | None = None) -> None:
    settings = load_settings()
    store = open_checked_store(settings)
    shows_sign = bool(settings.collected_reaction)
    with store.write() as conn:
        decide_pair(
            conn, store, pair_id, state=state, reason=reason, decided_by="cli", shows_sign=shows_sign, only_if=only_if
        )
