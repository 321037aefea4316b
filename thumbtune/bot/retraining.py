"""Training that a lead asks for: what it would use is shown first, then it is started.

It does not know who may ask, or how training works.
"""

import logging

from thumbtune.bot.blocks.parts import render_blocks, section
from thumbtune.bot.blocks.retraining import build_offer
from thumbtune.bot.blocks.run_progress import describe_phase
from thumbtune.bot.bot import Bot
from thumbtune.bot.drafting import name_allowed
from thumbtune.bot.markup import encode_text
from thumbtune.bot.roles import is_lead
from thumbtune.bot.slack import Json
from thumbtune.core.records import Desk, TrainingRun
from thumbtune.core.retraining import describe_lack, preview_run, request_run
from thumbtune.core.store.runs import find_open_run

logger = logging.getLogger(__name__)


def find_refusal(bot: Bot, desk: Desk, user_id: str) -> str | None:
    """Return what to tell someone who may not train this desk; None for its leads.

    Raises: SlackError.
    """
    roles = bot.people.fetch_roles(desk)
    if desk.team_id == bot.identity.team_id and is_lead(bot.people.fetch_person(user_id), roles):
        return None
    return f"Training is for the leads of *{desk.name}*: {name_allowed(bot, desk.leads, roles.leads)}."


def offer_run(bot: Bot, desk: Desk) -> list[Json]:
    """Return what a run would use with the button that starts it, or why none can start."""
    with bot.store.read() as conn:
        open_run = find_open_run(conn, desk_id=desk.desk_id)
    if open_run is not None:
        return render_blocks([section(_describe_open(open_run, desk))])
    preview = preview_run(bot.store, bot.settings, desk_id=desk.desk_id)
    if not preview.is_enough:
        return render_blocks([section(encode_text(describe_lack(preview, desk), link_domains=()))])
    return build_offer(preview, desk)


def start_run(bot: Bot, desk: Desk, *, user_id: str) -> str:
    """Open a run unless the desk has an open one, and return what to tell who asked."""
    run, is_new = request_run(bot.store, desk, by=user_id, announce_channel=desk.training_channel or user_id)
    bot.signals.announce.set()
    if not is_new:
        return _describe_open(run, desk)
    logger.info("run_requested", extra={"run_id": run.run_id, "desk_id": desk.desk_id, "user_id": user_id})
    where = f"in <#{desk.training_channel}>" if desk.training_channel else "in a private message"
    return f"Training starts (`{run.run_id}`). You can follow it {where}."


def _describe_open(run: TrainingRun, desk: Desk) -> str:
    return f"*{desk.name}* is already training: {run.progress:.0%}, {describe_phase(run).lower()} (`{run.run_id}`)."
