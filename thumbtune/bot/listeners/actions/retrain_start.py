"""The buttons under what a training would use: it starts, or the question goes away.

They stand on a message that only one person sees, or above their Home tab.
"""

from thumbtune.bot.blocks.parts import render_blocks, section
from thumbtune.bot.bot import Bot
from thumbtune.bot.homes import publish_home
from thumbtune.bot.retraining import find_refusal, start_run
from thumbtune.core.errors import NotFound
from thumbtune.core.records import InboxEvent
from thumbtune.core.store.desks import load_desk


def handle_retrain_start(event: InboxEvent, bot: Bot) -> None:
    """Open a run for the desk, if who pressed is one of its leads still, and say what came of it."""
    actions = event.body.get("actions") or [{}]
    user_id = str((event.body.get("user") or {}).get("id") or "")
    response_url = str(event.body.get("response_url") or "")
    try:
        with bot.store.read() as conn:
            desk = load_desk(conn, str(actions[0].get("value") or ""))
    except NotFound:
        return
    text = find_refusal(bot, desk, user_id) or start_run(bot, desk, user_id=user_id)
    blocks = render_blocks([section(text)])
    if response_url:
        bot.slack.respond(response_url, replace_original=True, text=text, blocks=blocks)
    else:
        publish_home(bot, user_id, notice=blocks)


def handle_retrain_leave(event: InboxEvent, bot: Bot) -> None:
    """Take the question away."""
    response_url = str(event.body.get("response_url") or "")
    if response_url:
        bot.slack.respond(response_url, delete_original=True)
    else:
        publish_home(bot, str((event.body.get("user") or {}).get("id") or ""))
