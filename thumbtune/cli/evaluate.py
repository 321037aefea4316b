"""The `evaluate` command: how base, live adapter and another one do on a file of approved replies.

It does not know how likelihoods are computed or drafts checked. Nothing of the file is stored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from thumbtune.cli.context import open_checked_store, pick_desk
from thumbtune.cli.drafting_set import find_server, write_set_drafts
from thumbtune.cli.evaluation_set import Question, read_questions
from thumbtune.cli.output import console, errors, print_grounding, print_json, print_table, show_progress
from thumbtune.cli.trials import print_figures
from thumbtune.core.base_model import locate_base
from thumbtune.core.errors import BadInput
from thumbtune.core.manifest import hash_base, verify_adapter
from thumbtune.core.records import Adapter, Desk
from thumbtune.core.settings import Settings, load_settings
from thumbtune.core.store import Store
from thumbtune.core.store.adapters import find_live, load_adapter
from thumbtune.trainer.gate import Comparison, compare_models
from thumbtune.trainer.measuring import Measured, Reply, measure_replies

SHOWN_PROBLEMS = 20
FEWEST_CONVERSATIONS = 5
"""Below it an interval says nothing."""

HELP = "\n\n".join(
    (
        "Measure base, live adapter and another one on a file of approved replies.",
        'The file is chat JSONL, as for `pairs import`: {"messages": [{"role": "user|assistant", "content": "…"}]}; the last '
        "assistant message is the reply. It is redacted in memory, and nothing of it is kept.",
        "Told are nats per token (how surprised a model is by the reply; lower is better), differences with 95 % intervals, "
        "and how many replies each fits better; and, where the help centre has passages on enough questions, the same replies "
        "without those passages. Replies that a model was trained on flatter it: take others.",
    )
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("evaluate", help=HELP)(evaluate_set)


def evaluate_set(
    file: Annotated[Path, typer.Option("--set", help="Chat JSONL file.")],
    desk: Annotated[str | None, typer.Option(help="Desk; may be left out when there is one.")] = None,
    adapter: Annotated[str | None, typer.Option(help="Another adapter than the live one.")] = None,
    drafts: Annotated[
        bool, typer.Option("--drafts", help="Have the models write drafts as well, where vLLM runs.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many lines of the file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure base, live adapter and another one on a file of approved replies."""
    settings = load_settings(role="trainer")
    store = open_checked_store(settings)
    chosen = pick_desk(store, desk)
    questions, problems = read_questions(file, store, desk=chosen, settings=settings, limit=limit)
    for problem in problems[:SHOWN_PROBLEMS]:
        errors.print(str(problem), markup=False, highlight=False, soft_wrap=True)
    if len(problems) > SHOWN_PROBLEMS:
        errors.print(f"… and {len(problems) - SHOWN_PROBLEMS} more lines that cannot be used")
    models = _find_models(store, chosen, adapter)
    server = find_server(store, [item.name for item in models.values()]) if drafts else None
    measured = _measure(questions, models, desk=chosen, settings=settings)
    report = _make_report(questions, measured, models) | {"problems": [str(problem) for problem in problems]}
    if server is not None:
        with show_progress(len(questions) * (len(models) + 1), what="drafts") as advance:
            report["drafts"] = write_set_drafts(
                questions,
                store,
                desk=chosen,
                settings=settings,
                adapters=models,
                replica=server,
                on_done=lambda: advance(1),
            )
    if as_json:
        print_json(report)
    else:
        _print_report(report, file=file)


def _find_models(store: Store, desk: Desk, name: str | None) -> dict[str, Adapter]:
    """Return the adapters to measure: the live one as `live`, the one that was named as `adapter`."""
    with store.read() as conn:
        live = find_live(conn, desk_id=desk.desk_id)
        named = load_adapter(conn, name) if name is not None else None
    if named is not None and named.desk_id != desk.desk_id:
        raise BadInput(f"adapter {named.name} is of desk {named.desk_id}; say --desk {named.desk_id}")
    models = {"live": live} if live is not None else {}
    if named is not None and named != live:
        models["adapter"] = named
    if not models:
        raise BadInput(
            f"desk {desk.desk_id} has no live adapter to measure; name one with --adapter, or train one first"
        )
    return models


def _measure(
    questions: Sequence[Question], models: Mapping[str, Adapter], *, desk: Desk, settings: Settings
) -> Measured:
    """Return the likelihoods of every reply, by its number in the file."""
    base = locate_base(settings.base_model)
    base_hash = hash_base(base)
    for adapter in models.values():
        verify_adapter(settings.adapters_dir / adapter.name, base_hash=base_hash)
    replies = [
        Reply(str(item.number), item.thread_id, item.build_prompts(desk, settings), item.reply) for item in questions
    ]
    folders = [settings.adapters_dir / adapter.name for adapter in models.values()]
    done = 0
    with show_progress(100, what="% measured") as advance:

        def tell(share: float) -> None:
            nonlocal done
            advance(round(100 * share) - done)
            done = round(100 * share)

        return measure_replies(
            replies,
            voice=desk.voice,
            settings=settings,
            base=base,
            candidate=folders[-1],
            live=folders[0] if len(folders) > 1 else None,
            on_progress=tell,
        )


def _make_report(
    questions: Sequence[Question], measured: Measured, models: Mapping[str, Adapter]
) -> dict[str, Any]:  # Any: JSON
    kept = [item for item in questions if str(item.number) in measured.nll]
    if not kept:
        told = ", ".join(f"{count} × {why}" for why, count in measured.skipped.items())
        raise BadInput(f"no reply of the file could be measured ({told})")
    names = {role: adapter.name for role, adapter in models.items()}
    columns = {"base": "base"} | {
        role: "candidate" if role == list(models)[-1] else "live" for role in models
    }  # the child's own words

    def compute_mean(role: str) -> float:
        return sum(found[columns[role]] for found in measured.nll.values()) / sum(measured.tokens.values())

    def compare(one: str, other: str) -> Comparison:
        rows = []
        for item in kept:
            nll = measured.nll[str(item.number)]
            rows.append((item.thread_id, measured.tokens[str(item.number)], nll[columns[one]] - nll[columns[other]]))
        return compare_models(rows, seed=0)

    pairs = [(role, "base") for role in models] + ([("adapter", "live")] if len(models) > 1 else [])
    return {
        "replies": len(kept),
        "conversations": len({item.thread_id for item in kept}),
        "not_measured": len(questions) - len(kept),
        "adapters": names,
        "nll": {role: compute_mean(role) for role in columns},
        "grounding": {role: measured.grounding[name] for role, name in columns.items()} if measured.grounding else {},
        "comparisons": {f"{one}_vs_{other}": asdict(compare(one, other)) for one, other in pairs},
    }


def _print_report(report: Mapping[str, Any], *, file: Path) -> None:  # Any: JSON
    names = {"base": "base", **report["adapters"]}
    if "live" in names:
        names["live"] += " (live)"
    console.print(
        f"{report['replies']} replies in {report['conversations']} conversations of {file.name}"
        + (f"; {len(report['problems'])} lines cannot be used" if report["problems"] else "")
        + (f"; {report['not_measured']} replies are too long" if report["not_measured"] else ""),
        markup=False,
        highlight=False,
    )
    print_table(
        ("nats per token", "all replies"), [(names[role], nll) for role, nll in report["nll"].items()], empty=""
    )
    if report["grounding"]:
        console.print()
        print_grounding({names[role]: found for role, found in report["grounding"].items()})
        console.print()
    for key, found in report["comparisons"].items():
        one, other = key.split("_vs_")
        interval = f" (95 %: {found['low']:+.3f} to {found['high']:+.3f})"
        if report["conversations"] < FEWEST_CONVERSATIONS:
            interval = " (too few conversations for an interval)"
        console.print(
            f"{names[one]} against {names[other]}: {found['difference']:+.3f} nats per token{interval}; "
            f"{found['wins']} wins, {found['ties']} ties, {found['losses']} losses, p = {found['sign_p']:.2g}",
            markup=False,
            highlight=False,
        )
    if "drafts" in report:
        print_figures({names.get(role, role): found for role, found in report["drafts"]["figures"].items()})
