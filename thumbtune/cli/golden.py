"""Commands on the golden set: list, show, add, edit, remove, import, export."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from thumbtune.cli.context import open_checked_store, pick_desk
from thumbtune.cli.golden_file import ReadCase, count_words, read_cases, write_case
from thumbtune.cli.importing.conversations import Problem
from thumbtune.cli.output import console, errors, print_json, print_record, print_table, shorten
from thumbtune.core.errors import BadInput, Conflict
from thumbtune.core.golden import CaseContent, Expectations, describe_expectations, redact_case
from thumbtune.core.prompt import Turn, find_question
from thumbtune.core.redaction import NameIndex, Redactor
from thumbtune.core.settings import load_settings
from thumbtune.core.store import golden, pairs
from thumbtune.core.store.audits import record_act
from thumbtune.core.store.engine import Store
from thumbtune.core.store.places import find_pair, find_place

app = typer.Typer(
    help="The golden set: a candidate that fails a case which the live adapter or the base passes does not go live, whatever "
    "else speaks for it. Cases are never trained on.",
    no_args_is_help=True,
)

IMPORT_HELP = "\n\n".join(
    (
        "Add cases from JSON lines, redacted: all of them, or none when a line cannot be used.",
        '{"title": "Returns", "question": "How long may I return a lamp?", "expectations": {"contains_all": ["30 days"], '
        '"contains_any": ["refund", "exchange"], "contains_none": ["guarantee"], "max_chars": 600}, "grounded": true}',
        'Instead of a question, "turns": [{"role": "customer", "text": "…"}, {"role": "agent", "text": "…"}, …]. '
        "Cases that are there already stay as they are.",
    )
)

_Title = Annotated[str | None, typer.Option(help="What it is about, in a few words.")]
_Question = Annotated[str | None, typer.Option(help="What the customer asks; it is redacted.")]
_All = Annotated[list[str] | None, typer.Option("--contains", help="Word or phrase that must be in the reply; repeat.")]
_Any = Annotated[list[str] | None, typer.Option("--contains-any", help="One of these must be in it; repeat.")]
_None = Annotated[list[str] | None, typer.Option("--contains-none", help="Word or phrase that must not; repeat.")]
_Length = Annotated[
    int | None, typer.Option("--max-chars", help="Characters the reply may have at most; 0: any number.")
]
_Passages = Annotated[
    bool | None, typer.Option("--passages/--no-passages", help="Ask with what the help centre says on it, or without.")
]


@app.command("list")
def list_cases(
    desk: Annotated[str | None, typer.Option(help="Only this desk.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List golden cases."""
    store = open_checked_store()
    with store.read() as conn:
        found = golden.list_cases(conn, desk_id=desk)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            case.case_id,
            case.desk_id,
            shorten(case.title),
            shorten(find_question(case.turns)),
            "\n".join(describe_expectations(case.expectations)),
        )
        for case in found
    ]
    empty = "No golden cases yet: add one with `thumbtune golden add`, or make one of a reply in the Home tab."
    print_table(("id", "desk", "title", "question", "the reply"), rows, empty=empty)


@app.command("show")
def show_case(case_id: int, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show one golden case."""
    store = open_checked_store()
    with store.read() as conn:
        case = golden.load_case(conn, case_id)
    (print_json if as_json else print_record)(case)


@app.command("add")
def add_case(
    title: Annotated[str, typer.Option(help="What it is about, in a few words.")],
    question: _Question = None,
    pair: Annotated[int | None, typer.Option(help="Ask what this pair answers, instead of --question.")] = None,
    contains: _All = None,
    contains_any: _Any = None,
    contains_none: _None = None,
    max_chars: _Length = None,
    passages: _Passages = True,
    desk: Annotated[str | None, typer.Option(help="Desk; may be left out when there is one, or with --pair.")] = None,
) -> None:
    """Add a golden case."""
    if (question is None) == (pair is None):
        raise BadInput("say what is asked: either --question TEXT or --pair ID")
    store = open_checked_store()
    turns: tuple[Turn, ...] = (Turn("customer", (question or "").strip()),)
    desk_id = ""
    if pair is not None:
        with store.read() as conn:
            found = pairs.load_pair(conn, pair)
        turns, desk_id = found.turns, found.desk_id
        if not turns:
            raise Conflict(f"pair {pair} has no texts any more; choose another")
    chosen = pick_desk(store, desk or desk_id)
    if pair is not None and chosen.desk_id != desk_id:
        raise BadInput(f"pair {pair} is of the desk {desk_id}, not of {chosen.desk_id}")
    expected = Expectations(
        tuple(contains or ()), tuple(contains_any or ()), tuple(contains_none or ()), max_chars or None
    )
    content = _redact(
        CaseContent(title=title.strip(), turns=turns, expectations=expected, grounded=passages is not False)
    )
    with store.write() as conn:
        case = golden.add_case(conn, content, desk_id=chosen.desk_id, added_by="cli", now=store.now(), pair_id=pair)
    console.print(f"Golden case {case.case_id} is added to {chosen.desk_id}.")


@app.command("edit")
def edit_case(
    case_id: int,
    title: _Title = None,
    question: _Question = None,
    contains: _All = None,
    contains_any: _Any = None,
    contains_none: _None = None,
    max_chars: _Length = None,
    passages: _Passages = None,
) -> None:
    """Change what is given of a golden case; '' empties a list, as in --contains ''."""
    store = open_checked_store()
    with store.read() as conn:
        before = golden.load_case(conn, case_id)
    was = before.expectations
    expected = Expectations(
        contains_all=_choose(contains, was.contains_all),
        contains_any=_choose(contains_any, was.contains_any),
        contains_none=_choose(contains_none, was.contains_none),
        max_chars=was.max_chars if max_chars is None else max_chars or None,
    )
    content = CaseContent(
        title=before.title if title is None else title.strip(),
        turns=before.turns if question is None else (Turn("customer", question.strip()),),
        expectations=expected,
        grounded=before.grounded if passages is None else passages,
    )
    with store.write() as conn:
        golden.edit_case(conn, case_id, _redact(content), changed_by="cli", now=store.now())
    console.print(f"Golden case {case_id} is as you say.")


@app.command("remove")
def remove_case(case_id: int) -> None:
    """Remove a golden case; what it asked may be trained on from then on."""
    store = open_checked_store()
    with store.write() as conn:
        golden.remove_case(conn, case_id, removed_by="cli", now=store.now())
    console.print(f"Golden case {case_id} is removed.")


@app.command("import", help=IMPORT_HELP)
def import_cases(
    file: Annotated[Path, typer.Argument(help="JSON lines.")],
    desk: Annotated[str | None, typer.Option(help="Desk; may be left out when there is one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Add cases from a file."""
    store = open_checked_store()
    chosen = pick_desk(store, desk)
    found = read_cases(file, _make_redactor())
    problems = list(found.problems)
    added = 0
    if not problems:
        added, problems = _add_all(store, found.cases, desk_id=chosen.desk_id)
    if problems:
        for problem in problems:
            errors.print(f"  {problem}", markup=False, highlight=False, soft_wrap=True)
        raise BadInput(f"{file}: nothing was imported; mend these lines and import it again: {len(problems)}")
    if as_json:
        print_json({"file": str(file), "desk_id": chosen.desk_id, "added": added, "there": len(found.cases) - added})
        return
    console.print(
        f"{file.name}: {added} of {count_words(found.cases)} added to {chosen.desk_id}, {len(found.cases) - added} were there "
        "already.",
        markup=False,
        soft_wrap=True,
    )


@app.command("export")
def export_cases(
    out: Annotated[Path, typer.Option(help="File to write, JSON lines.")],
    desk: Annotated[str | None, typer.Option(help="Desk; may be left out when there is one.")] = None,
) -> None:
    """Write a desk's golden cases; `golden import` reads them back."""
    store = open_checked_store()
    chosen = pick_desk(store, desk)
    with store.read() as conn:
        cases = golden.list_cases(conn, desk_id=chosen.desk_id)
        lines = [write_case(case, find_place(conn, case.pair_id) if case.pair_id else None) for case in cases]
    try:
        out.write_bytes(b"".join(lines))
    except OSError as exc:
        raise BadInput(f"{out} cannot be written: {exc.strerror}") from exc
    with store.write() as conn:
        detail = {"cases": len(cases)}
        record_act(
            conn, actor="cli", action="golden_set_exported", subject=chosen.desk_id, now=store.now(), detail=detail
        )
    console.print(f"Wrote {count_words(cases)} to {out}.", soft_wrap=True)


class _NotAll(Exception):
    """Ends a transaction in which a case could not be added."""


def _add_all(store: Store, cases: Sequence[ReadCase], *, desk_id: str) -> tuple[int, list[Problem]]:
    """Add all cases that are not there yet, or none; return how many, and what was in the way."""
    problems: list[Problem] = []
    added = 0
    try:
        with store.write() as conn:
            for case in cases:
                pair = find_pair(conn, case.made_from) if case.made_from else None
                if pair is not None and pairs.holds_erased(conn, [pair.pair_id]):
                    problems.append(Problem(case.where, "what it was made from was erased"))
                    continue
                pair_id = pair.pair_id if pair is not None and pair.desk_id == desk_id else None
                if golden.holds_case(conn, case.content, desk_id=desk_id):
                    continue
                try:
                    golden.add_case(
                        conn, case.content, desk_id=desk_id, added_by="cli", now=store.now(), pair_id=pair_id
                    )
                except Conflict as exc:
                    problems.append(Problem(case.where, str(exc)))
                added += 1
            if problems:
                raise _NotAll
    except _NotAll:
        return 0, problems
    return added, []


def _choose(given: list[str] | None, before: tuple[str, ...]) -> tuple[str, ...]:
    return before if given is None else tuple(term for term in given if term)


def _make_redactor() -> Redactor:
    return Redactor(order_number_patterns=load_settings().order_number_patterns)


def _redact(content: CaseContent) -> CaseContent:
    """Return a case with placeholders; names are not known here."""
    return redact_case(_make_redactor(), content, names=NameIndex())
