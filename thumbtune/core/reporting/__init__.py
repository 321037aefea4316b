"""The report of a training run: what went in, how it went, what was decided and why, drafts side by side.

It does not know rows or Slack.
"""

from thumbtune.core.reporting.charts import draw_report_png, draw_report_svg
from thumbtune.core.reporting.contents import Course, RunReport, SideBySide
from thumbtune.core.reporting.page import render_page

__all__ = ["Course", "RunReport", "SideBySide", "draw_report_png", "draw_report_svg", "render_page"]
