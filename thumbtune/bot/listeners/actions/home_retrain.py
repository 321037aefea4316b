"""The Retrain button of the Home tab.

It does not know how training works.
"""

from thumbtune.bot.bot import Bot
from thumbtune.bot.homes import publish_home
from thumbtune.bot.retraining import start_run
from thumbtune.bot.roles import is_lead
from thumbtune.core.errors import NotFound
from thumbtune.core.records import InboxEvent
from thumbtune.core.store.desks import load_desk


def handle_home_retrain(event: InboxEvent, bot: Bot) -> None:
    """Open a run for the desk, if who pressed is one of its leads, and draw the Home tab anew."""
    actions = event.body.get("actions") or [{}]
    user_id = str((event.body.get("user") or {}).get("id") or "")
    try:
        with bot.store.read() as conn:
            desk = load_desk(conn, str(actions[0].get("value") or ""))
    except NotFound:
        return
    notice = ""
    if is_lead(bot.people.fetch_person(user_id), bot.people.fetch_roles(desk)):
        notice = start_run(bot, desk, user_id=user_id, announce_channel=next(iter(desk.channels), None))
    publish_home(bot, user_id, notice=notice)
