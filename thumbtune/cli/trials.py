"""Commands around the gate: see what an adapter wrote in its trial, and put an undecided one live anyway.

It does not know how drafts are judged.
"""

import getpass
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from thumbtune.cli.context import open_checked_store
from thumbtune.cli.output import console, print_json, print_table
from thumbtune.core.errors import NotFound
from thumbtune.core.store import trials
from thumbtune.core.store.adapters import load_adapter
from thumbtune.core.store.overriding import override_gate
from thumbtune.core.store.reporting import find_trial_case

WORDS = {
    "drafts": "drafts",
    "broken": "cannot be sent",
    "leaks": "with personal data",
    "golden_failed": "golden cases failed",
    "chrf": "likeness to the approved reply (chrF)",
    "length_ratio": "length to the approved reply's",
    "facts_right": "facts copied right",
    "facts_wanted": "facts there were to copy",
    "facts_made_up": "facts made up",
    "style_distance": "distance in style",
}
TRIAGE_WORDS = {
    "triages": "triages",
    "triages_valid": "that can be read",
    "category_right": "category right",
    "priority_right": "priority right",
    "summary_chrf": "likeness to the team's summary (chrF)",
    "suggested_action_chrf": "likeness to the team's suggested action (chrF)",
}


def register(*, adapters: typer.Typer, runs: typer.Typer) -> None:
    """Add the commands to those of their nouns."""
    adapters.command("trial")(show_trial)
    runs.command("override")(override_run)


def show_trial(name: str, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show what base, live adapter and this one wrote in its trial, and what came of it."""
    store = open_checked_store()
    with store.read() as conn:
        adapter = load_adapter(conn, name)
        trial, drafts = trials.load_trial(conn, name), trials.list_trial_drafts(conn, name)
        by_case = {key: (find_trial_case(conn, key), by_role) for key, by_role in trials.list_roles(drafts).items()}
    if as_json:
        print_json({"trial": None if trial is None else asdict(trial), "drafts": [asdict(draft) for draft in drafts]})
        return
    if trial is None:
        raise NotFound(f"{name} had no trial yet: serving holds it once the adapter is loaded and proven")
    for case_key, (case, by_role) in by_case.items():
        console.print(f"\n{case.title if case else case_key}", style="bold", markup=False)
        lines = Table.grid(padding=(0, 1))
        lines.add_column(min_width=9)
        for who, text in (("customer", case.question), ("team", case.approved)) if case else ():
            if text:
                lines.add_row(who, Text(text), style="dim")
        for role, draft in by_role.items():
            lines.add_row(role, Text(draft.error or draft.text or "(nothing)"))
            for failure in draft.failures:
                lines.add_row("", Text(f"✗ {failure}", style="red"))
        console.print(Padding(lines, (0, 0, 0, 2)))
    console.print()
    said = trial.reason
    if trial.state == "running":
        is_over = adapter.state in ("retired", "quarantined")
        said = "It ended unfinished." if is_over else "Drafts are still written."
    else:
        print_figures(trial.figures)
    console.print(f"{name}: {trial.state}. {said}".strip(), markup=False)


def print_figures(figures: Mapping[str, Mapping[str, Any]]) -> None:  # Any: numbers
    """Print what each model's drafts came to, side by side."""
    shown = WORDS | (TRIAGE_WORDS if any("triages" in found for found in figures.values()) else {})
    rows = [(words, *(found.get(key) for found in figures.values())) for key, words in shown.items()]
    print_table(("", *figures), rows if figures else [], empty="There was nothing to try it on.")


def override_run(run_id: str) -> None:
    """Put the adapter of an inconclusive run live anyway, once it is proven and has passed its trial.

    Your name goes into the audit.
    """
    store = open_checked_store()
    with store.write() as conn:
        adapter = override_gate(conn, run_id, by=f"cli:{_find_name()}", now=store.now())
    if adapter.state == "live":
        console.print(f"{adapter.name} is live.")
    else:
        console.print(
            f"{adapter.name} goes live as soon as it is proven and has passed its trial; until then nothing changes. "
            f"`thumbtune adapters show {adapter.name}` says how far it is."
        )


def _find_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"
