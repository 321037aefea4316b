"""Draws a report's two charts: the loss while learning, and how much better the new adapter fits the team's replies.

It does not know where the figures come from. matplotlib is loaded when the first chart is drawn: most processes never do.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from thumbtune.core.reporting.contents import RunReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, SOFT, GRID = "#22303a", "#6b7a86", "#e3e8ec"
LEARNED, SET_ASIDE, WORSE = "#2f7d6d", "#d98324", "#b5483a"
SMOOTHED_OVER = 0.05
"""Share of the steps that the drawn line of losses is averaged over."""


def draw_report_svg(report: RunReport) -> str:
    """Return the charts as SVG, to stand in a page."""
    text = _draw(report, format="svg", transparent=True, metadata={"Date": None}).decode()
    return text[text.index("<svg") :]


def draw_report_png(report: RunReport) -> bytes:
    """Return the charts as a picture of about 1,600 × 640 pixels."""
    return _draw(report, format="png", dpi=160, facecolor="white")


def _draw(report: RunReport, **options: Any) -> bytes:  # Any: matplotlib's options for files
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # Letters stay letters, and the same report gives the same file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": report.run.run_id, "font.size": 10.5}):
        figure = Figure(figsize=(10, 4), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[1.1, 1])
        _draw_losses(left, report)
        _draw_comparisons(right, report)
        drawn = io.BytesIO()
        figure.savefig(drawn, **options)
    return drawn.getvalue()


def _draw_losses(axes: Axes, report: RunReport) -> None:
    course = report.course
    _dress(axes, title="Learning", across="step", up="loss, nats per token")
    if course.losses:
        steps, losses = zip(*course.losses, strict=True)
        window = max(1, round(len(losses) * SMOOTHED_OVER))
        means = [sum(losses[max(0, at - window + 1) : at + 1]) / min(at + 1, window) for at in range(len(losses))]
        axes.plot(steps, losses, color=LEARNED, alpha=0.25, linewidth=1)
        axes.plot(steps, means, color=LEARNED, linewidth=2, label="replies it learned from")
    if course.looks:
        steps, losses = zip(*course.looks, strict=True)
        axes.plot(steps, losses, "o-", color=SET_ASIDE, linewidth=1.5, markersize=5, label="replies set aside")
    if course.best_step is not None and course.looks:
        axes.axvline(course.best_step, color=SOFT, linewidth=1, linestyle=":", label="kept")
    if course.losses or course.looks:
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False, labelcolor=INK)
    else:
        _say(axes, "It did not come to training")


def _draw_comparisons(axes: Axes, report: RunReport) -> None:
    _dress(axes, title="On held-out conversations", across="new adapter better by, %", up="")
    found = report.comparisons
    if not found:
        _say(axes, "Not judged")
        return
    axes.axvline(0, color=SOFT, linewidth=1)
    for row, versus in enumerate(reversed(found)):
        colour = LEARNED if versus.low > 0 else WORSE if versus.high < 0 else SET_ASIDE
        axes.plot([versus.low, versus.high], [row, row], color=colour, linewidth=6, alpha=0.35, solid_capstyle="round")
        axes.plot([versus.percent], [row], "o", color=colour, markersize=9)
        axes.annotate(
            f"{versus.percent:+.0f} %",
            (versus.percent, row),
            (0, 11),
            textcoords="offset points",
            ha="center",
            color=INK,
        )
    axes.set_yticks(range(len(found)), [f"against {versus.name}" for versus in reversed(found)], color=INK)
    axes.set_ylim(-0.6, len(found) - 0.3)
    edge = max(10.0, *(versus.high * 1.15 for versus in found))
    axes.set_xlim(min(-0.08 * edge, *(versus.low * 1.3 for versus in found)), edge)


def _dress(axes: Axes, *, title: str, across: str, up: str) -> None:
    axes.set_title(title, loc="left", color=INK, fontsize=11.5, fontweight="bold")
    axes.set_xlabel(across, color=SOFT)
    axes.set_ylabel(up, color=SOFT)
    axes.tick_params(colors=SOFT, length=0)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)


def _say(axes: Axes, text: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color=SOFT)
