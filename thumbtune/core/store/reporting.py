"""Gathers the report of a run from its rows.

It does not know what a report looks like.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from thumbtune.core.errors import NotFound
from thumbtune.core.prompt import find_question
from thumbtune.core.records import TrainingRun
from thumbtune.core.reporting import Course, RunReport, SideBySide
from thumbtune.core.store.adapters import load_adapter
from thumbtune.core.store.courses import load_course
from thumbtune.core.store.desks import load_desk
from thumbtune.core.store.golden import load_case
from thumbtune.core.store.overriding import find_override
from thumbtune.core.store.pairs import load_pair
from thumbtune.core.store.runs import load_run
from thumbtune.core.store.schema import adapters, outbox, runs
from thumbtune.core.store.trials import list_roles, list_trial_drafts, load_trial

SHOWN = 10
"""Drafts that are shown side by side: golden cases first."""
_REPORT = "report:"
_FACTS = ("rank", "epochs", "supervised_tokens", "device")


def name_report(run_id: str) -> str:
    """Return the key under which a run's report is uploaded once."""
    return f"{_REPORT}{run_id}"


def list_unreported_runs(conn: sa.Connection, *, since: datetime, trials_since: datetime) -> list[TrainingRun]:
    """Return the runs that were judged since then, whose result Slack has been told, and whose report is not queued.

    One that ended after `trials_since` waits while its adapter is on trial.
    """
    told = sa.and_(runs.c.announce_channel.is_not(None), runs.c.announced == "closed")
    judged = runs.c.state.in_(("passed", "rejected", "inconclusive"))
    reported = sa.exists().where(outbox.c.dedupe_key == sa.literal(_REPORT) + runs.c.run_id)
    on_trial = sa.exists().where(adapters.c.name == runs.c.adapter, adapters.c.state.in_(("published", "proven")))
    is_over = sa.or_(runs.c.finished_at < trials_since, sa.not_(on_trial))
    which = sa.and_(told, judged, runs.c.finished_at >= since, sa.not_(reported), is_over)
    query = sa.select(runs.c.run_id).where(which).order_by(runs.c.finished_at)
    return [load_run(conn, run_id) for run_id in conn.scalars(query).all()]


def load_report(conn: sa.Connection, run_id: str, *, gpu_price_per_hour: float) -> RunReport:
    """Return everything the report of a run tells.

    Raises: NotFound.
    """
    run = load_run(conn, run_id)
    told = load_course(conn, run_id)
    override = find_override(conn, run_id)
    try:
        desk_name = load_desk(conn, run.desk_id).name
    except NotFound:
        desk_name = run.desk_id
    adapter = load_adapter(conn, run.adapter) if run.adapter else None
    return RunReport(
        run=run,
        desk_name=desk_name,
        base_model=adapter.base_model if adapter else str(told.get("base_model", "")),
        course=_read_course(told),
        trial=load_trial(conn, adapter.name) if adapter else None,
        side_by_side=_list_side_by_side(conn, run),
        price=run.gpu_s / 3600 * gpu_price_per_hour,
        overridden_by=override.overridden_by if override else "",
    )


def _read_course(told: Mapping[str, Any]) -> Course:  # Any: JSON
    return Course(
        losses=tuple((int(step), float(loss)) for step, loss in told.get("losses", ())),
        looks=tuple((int(step), float(loss)) for step, loss in told.get("looks", ())),
        best_step=told.get("best_step"),
        dropped={**told.get("dropped", {}), **told.get("skipped", {})},
        preferred=told.get("preferred") or {},
        grounding=told.get("grounding") or {},
        facts={name.replace("_", " "): told[name] for name in _FACTS if told.get(name) is not None},
    )


def _list_side_by_side(conn: sa.Connection, run: TrainingRun) -> tuple[SideBySide, ...]:
    drafts = list_roles(list_trial_drafts(conn, run.adapter)) if run.adapter else {}
    shown: list[SideBySide] = []
    for case_key, by_role in sorted(drafts.items(), key=lambda item: (not item[0].startswith("golden:"), item[0])):
        case = find_trial_case(conn, case_key)
        if case is not None:
            shown.append(replace(case, drafts=by_role))
    return tuple(shown[:SHOWN])


def find_trial_case(conn: sa.Connection, case_key: str) -> SideBySide | None:
    """Return what was asked in a case of a trial, without drafts; None for triages and what was removed since."""
    kind, _, number = case_key.partition(":")
    try:
        if kind == "golden":
            case = load_case(conn, int(number))
            return SideBySide(f"Golden case {case.case_id}: {case.title}", find_question(case.turns), "", {})
        if kind == "pair":
            pair = load_pair(conn, int(number))
            if pair.reply:
                return SideBySide(f"Pair {pair.pair_id}", find_question(pair.turns), pair.reply, {})
    except NotFound:
        pass
    return None
