"""Renders a report as one page that stands by itself: no script, nothing loaded from anywhere.

It does not know where the page goes.
"""

from datetime import timedelta
from importlib import resources

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from thumbtune.core.records import TrainingRun
from thumbtune.core.reporting.charts import draw_report_svg
from thumbtune.core.reporting.contents import ROLES, RunReport
from thumbtune.core.trial import TrialDraft

TEMPLATE_NAME = "page.html.jinja"
HEADINGS = {
    "passed": "The new adapter may go live",
    "rejected": "The new adapter stays out",
    "inconclusive": "Not sure enough to change anything",
    "failed": "Training did not work",
    "cancelled": "Cancelled",
}


def render_page(report: RunReport) -> str:
    """Return the report as an HTML page; every text in it is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(
        findings=_say_findings, number=_say_number, percent=_say_percent, time=_say_time, chance=_say_chance
    )
    source = resources.files(__package__).joinpath(TEMPLATE_NAME).read_text(encoding="utf-8")
    page = environment.from_string(source)
    charts = Markup(draw_report_svg(report))  # matplotlib escapes its letters
    heading = HEADINGS.get(report.run.state, "Still running")
    figures = report.trial.figures if report.trial else {}
    roles = {
        role: name
        for role, name in ROLES.items()
        if role in figures or any(role in item.drafts for item in report.side_by_side)
    }
    return page.render(
        report=report,
        run=report.run,
        heading=heading,
        charts=charts,
        roles=roles,
        role_names=ROLES,
        used=_say_used(report.run),
    )


def _say_number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _say_percent(value: float, digits: int = 0) -> str:
    return f"{value:+.{digits}f} %".replace("-", "−")


def _say_chance(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _say_time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _say_used(run: TrainingRun) -> str:
    took = (run.finished_at or run.created_at) - (run.started_at or run.created_at)
    return _say_time(max(took, timedelta()).total_seconds())


def _say_findings(draft: TrialDraft) -> list[str]:
    """Return what was found about a draft, in a few words each."""
    checks = draft.checks
    named = {"empty": checks.is_empty, "stuck in a loop": checks.is_looping, "cut at the limit": checks.is_cut}
    found = [name for name, is_so in named.items() if is_so]
    if checks.facts_wanted:
        found.append(f"{checks.facts_right} of {checks.facts_wanted} facts right")
    if checks.facts_made_up:
        found.append(f"{checks.facts_made_up} made up")
    found += [f"holds {kind.lower()}" for kind in checks.leaks]
    return [*found, *draft.failures, *([draft.error] if draft.error else [])]
