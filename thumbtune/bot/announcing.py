"""Tells Slack how training runs go: one message each, changed as the run goes on and closed with its result.

It does not know how runs are carried out.
"""

import logging
import random
import threading
import uuid

import sqlalchemy as sa

from thumbtune.bot.blocks.override import build_override_blocks
from thumbtune.bot.blocks.run_progress import build_run_message
from thumbtune.bot.bot import Bot
from thumbtune.bot.run_reports import queue_reports
from thumbtune.bot.sending import POST_MESSAGE
from thumbtune.bot.slack import Json, SlackBusy, SlackLockedOut, describe_error
from thumbtune.core.errors import NotFound, SlackError, SlackRefused
from thumbtune.core.logs import hide_text
from thumbtune.core.records import OPEN_RUN_STATES, Adapter, TrainingRun
from thumbtune.core.store.adapters import load_adapter
from thumbtune.core.store.desks import load_desk
from thumbtune.core.store.outbox import add_post, find_post
from thumbtune.core.store.overriding import find_override
from thumbtune.core.store.runs import list_unannounced_runs, load_run, mark_announced, set_announce_channel

logger = logging.getLogger(__name__)

LOOK_S = 2.0
QUIET_S = 30.0
"""Longest pause while Slack is away or wants to be left alone."""
STEPS = 50
CLOSED = "closed"
RUN_EVENT = "thumbtune_run"


class Announcer:
    """The loop that keeps the runs' messages up to date."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._quiet_s = 0.0

    def run(self, stop: threading.Event) -> None:
        """Look at the runs now and then until told to stop."""
        while not stop.is_set():
            try:
                self.announce_due()
            except Exception as exc:  # the loop must live; the next look tries again
                logger.error("announcer_failed", exc_info=hide_text(exc))
            self._bot.signals.announce.wait(LOOK_S + self._quiet_s)
            self._bot.signals.announce.clear()

    def announce_due(self) -> None:
        """Post or change the message of every run that moved since Slack was last told."""
        self._quiet_s = 0.0
        with self._bot.store.read() as conn:
            runs = list_unannounced_runs(conn)
        for run, announced in runs:
            if describe_step(run) != announced:
                self._announce(run) if self._is_placed(run) else self._open_private(run)
        queue_reports(self._bot)

    @staticmethod
    def _is_placed(run: TrainingRun) -> bool:
        """Return whether it is known in which conversation a run is told of, rather than to whom."""
        return not str(run.announce_channel).startswith(("U", "W"))

    def _open_private(self, run: TrainingRun) -> None:
        """Find the conversation with whoever is told of a run in private; the next look tells them."""
        try:
            answer = self._bot.slack.call("conversations.open", users=run.announce_channel)
        except SlackBusy as exc:
            self._quiet_s = min(exc.retry_after_s, QUIET_S)
        except SlackError as exc:
            logger.warning("run_not_announced", extra={"run_id": run.run_id, "error": describe_error(exc)})
            if _is_final(exc):
                self._close(run)
            else:
                self._quiet_s = QUIET_S
        else:
            with self._bot.store.write() as conn:
                set_announce_channel(conn, run.run_id, str(answer["channel"]["id"]))
            self._bot.signals.announce.set()

    def _announce(self, run: TrainingRun) -> None:
        bot, key = self._bot, f"run:{run.run_id}"
        # Whatever moves the run before Slack has been told, or another bot that tells of it, overwrites this.
        telling = f"telling:{uuid.uuid4().hex}"
        with bot.store.write() as conn:
            run = load_run(conn, run.run_id)
            mark_announced(conn, run.run_id, announced=telling)
            try:
                desk_name = load_desk(conn, run.desk_id).name
            except NotFound:
                desk_name = run.desk_id
            text, blocks = build_run_message(run, desk_name=desk_name)
            blocks += build_override_blocks(run, find_override(conn, run.run_id), _find_adapter(conn, run))
            message: Json = {"channel": run.announce_channel, "text": text, "blocks": blocks}
            posted = find_post(conn, key)
            if posted is None:
                metadata = {"event_type": RUN_EVENT, "event_payload": {"run_id": run.run_id, "key": key}}
                call = {**message, "metadata": metadata, "unfurl_links": False, "unfurl_media": False}
                add_post(
                    conn,
                    bot.store.sealer,
                    dedupe_key=key,
                    method=POST_MESSAGE,
                    channel_id=str(run.announce_channel),
                    payload={"call": call},
                    now=bot.store.now(),
                )
        if posted is None:
            bot.signals.send.set()
            return
        state, slack_ts = posted
        if state == "failed":
            self._close(run)
        elif slack_ts is not None:
            self._change(run, {**message, "ts": slack_ts}, telling=telling)

    def _change(self, run: TrainingRun, message: Json, *, telling: str) -> None:
        try:
            self._bot.slack.call("chat.update", **message)
        except SlackBusy as exc:
            self._quiet_s = min(exc.retry_after_s, QUIET_S)
            return
        except SlackError as exc:
            logger.warning("run_not_announced", extra={"run_id": run.run_id, "error": describe_error(exc)})
            if not _is_final(exc):
                self._quiet_s = QUIET_S
            if not _is_final(exc) or run.state in OPEN_RUN_STATES:
                return  # the next look tries again
        with self._bot.store.write() as conn:
            if not mark_announced(conn, run.run_id, announced=describe_step(run), after=telling):
                mark_announced(conn, run.run_id, announced="")  # nobody knows whose words Slack took last
                self._quiet_s = max(self._quiet_s, random.uniform(0, LOOK_S))  # so that two bots do not do this in step

    def _close(self, run: TrainingRun) -> None:
        with self._bot.store.write() as conn:
            mark_announced(conn, run.run_id, announced=CLOSED)


def _find_adapter(conn: sa.Connection, run: TrainingRun) -> Adapter | None:
    try:
        return load_adapter(conn, run.adapter) if run.adapter is not None else None
    except NotFound:
        return None


def describe_step(run: TrainingRun) -> str:
    """Return what Slack was told when it was told of this state: it changes only when people would see a change."""
    if run.state not in OPEN_RUN_STATES:
        return CLOSED
    return f"{run.state}:{run.phase}:{int(run.progress * STEPS)}{':cancel' if run.cancel_requested else ''}"


def _is_final(exc: SlackError) -> bool:
    return isinstance(exc, SlackRefused) and not isinstance(exc, SlackLockedOut)
