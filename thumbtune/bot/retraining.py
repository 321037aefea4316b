"""Opens a training run that a lead asked for, and says so.

It does not know who may ask.
"""

import logging

from thumbtune.bot.blocks.run_progress import describe_phase
from thumbtune.bot.bot import Bot
from thumbtune.core.records import Desk
from thumbtune.core.store.audits import record_act
from thumbtune.core.store.pairs import count_pairs
from thumbtune.core.store.runs import open_run

logger = logging.getLogger(__name__)


def start_run(bot: Bot, desk: Desk, *, user_id: str, announce_channel: str | None) -> str:
    """Open a run unless the desk has an open one, and return what to tell who asked."""
    now = bot.store.now()
    with bot.store.write() as conn:
        pairs = count_pairs(conn, desk_id=desk.desk_id).get("active", 0)
        if pairs < bot.settings.min_pairs:
            return (
                f"*{desk.name}* has {pairs} approved {'reply' if pairs == 1 else 'replies'}; training needs at least "
                f"{bot.settings.min_pairs}. Give a 👍 to good replies and try again."
            )
        run, is_new = open_run(
            conn,
            desk_id=desk.desk_id,
            reason="retrain",
            now=now,
            requested_by=user_id,
            announce_channel=announce_channel,
        )
        if is_new:
            record_act(conn, actor=user_id, action="run_requested", subject=run.run_id, now=now)
    bot.signals.announce.set()
    if not is_new:
        return f"*{desk.name}* is already training: {run.progress:.0%}, {describe_phase(run).lower()} (`{run.run_id}`)."
    logger.info("run_requested", extra={"run_id": run.run_id, "desk_id": desk.desk_id, "user_id": user_id})
    return f"Training starts with {pairs} approved replies (`{run.run_id}`). Its progress is shown in the channel."
