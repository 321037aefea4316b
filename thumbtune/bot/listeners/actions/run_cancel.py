"""The Cancel button of a run's progress message.

It does not know how a run is ended.
"""

from thumbtune.bot.bot import Bot
from thumbtune.bot.retraining import find_refusal
from thumbtune.core.errors import NotFound
from thumbtune.core.records import OPEN_RUN_STATES, InboxEvent
from thumbtune.core.store.audits import record_act
from thumbtune.core.store.desks import load_desk
from thumbtune.core.store.runs import load_run, request_cancel


def handle_run_cancel(event: InboxEvent, bot: Bot) -> None:
    """Ask for the run to be cancelled, if who pressed is a lead of its desk; others are told who may."""
    actions = event.body.get("actions") or [{}]
    run_id = str(actions[0].get("value") or "")
    user_id = str((event.body.get("user") or {}).get("id") or "")
    try:
        with bot.store.read() as conn:
            desk = load_desk(conn, load_run(conn, run_id).desk_id)
    except NotFound:
        return
    refusal = find_refusal(bot, desk, user_id)
    if refusal is not None:
        response_url = str(event.body.get("response_url") or "")
        bot.slack.respond(response_url, replace_original=False, response_type="ephemeral", text=refusal)
        return
    with bot.store.write() as conn:
        if load_run(conn, run_id).state in OPEN_RUN_STATES:
            request_cancel(conn, run_id, now=bot.store.now())
            record_act(conn, actor=user_id, action="run_cancelled", subject=run_id, now=bot.store.now())
    bot.signals.announce.set()
