"""Puts the report of a finished run under its message in Slack: the charts as a picture, and the whole as a page.

It does not know what the report tells. It is uploaded once, through the outbox; an upload with an unclear outcome is
looked for in the thread before it is tried again.
"""

import logging
from datetime import timedelta

from thumbtune.bot.bot import Bot
from thumbtune.bot.slack import Json
from thumbtune.core.records import Post
from thumbtune.core.reporting import draw_report_png, render_page
from thumbtune.core.store.outbox import add_post, find_post
from thumbtune.core.store.reporting import list_unreported_runs, load_report, name_report

logger = logging.getLogger(__name__)

UPLOAD_REPORT = "thumbtune.upload_report"
WORTH_TELLING = timedelta(hours=24)
"""How long after its end a run is still reported, as when Slack was away."""
PATIENCE = timedelta(minutes=15)
"""How long a report waits for the drafts of a new adapter's trial."""


def queue_reports(bot: Bot) -> None:
    """Queue the report of each run that was judged, told of in Slack and has nothing more to come."""
    now = bot.store.now()
    with bot.store.read() as conn:
        due: list[tuple[str, str, str]] = []
        for run in list_unreported_runs(conn, since=now - WORTH_TELLING, trials_since=now - PATIENCE):
            posted = find_post(conn, f"run:{run.run_id}")
            if posted is not None and posted[1] is not None:
                due.append((run.run_id, str(run.announce_channel), posted[1]))
    for run_id, channel_id, ts in due:
        with bot.store.write() as conn:
            add_post(
                conn,
                bot.store.sealer,
                dedupe_key=name_report(run_id),
                method=UPLOAD_REPORT,
                channel_id=channel_id,
                payload={"run_id": run_id, "channel": channel_id, "thread_ts": ts},
                now=now,
            )
        bot.signals.send.set()


def upload_report(bot: Bot, post: Post) -> str:
    """Upload a run's picture and page in the thread of its message, unless they are there; return where they hang.

    Raises: SlackError.
    """
    run_id, channel_id, thread_ts = (str(post.payload[name]) for name in ("run_id", "channel", "thread_ts"))
    if post.state == "unknown" and _is_uploaded(bot, run_id, channel=channel_id, ts=thread_ts):
        return thread_ts
    with bot.store.read() as conn:
        report = load_report(conn, run_id, gpu_price_per_hour=bot.settings.gpu_price_per_hour)
    files = {f"{run_id}.png": draw_report_png(report), f"{run_id}.html": render_page(report).encode()}
    told = "How it went, and the drafts side by side: open the page."
    bot.slack.upload(files, channel_id=channel_id, thread_ts=thread_ts, comment=told)
    logger.info("report_uploaded", extra={"run_id": run_id})
    return thread_ts


def _is_uploaded(bot: Bot, run_id: str, *, channel: str, ts: str) -> bool:
    replies = bot.slack.pages("conversations.replies", "messages", limit=200, channel=channel, ts=ts)
    return any(_holds(raw, f"{run_id}.png") for raw in replies)


def _holds(raw: Json, name: str) -> bool:
    return any(file.get("name") == name for file in raw.get("files") or [])
