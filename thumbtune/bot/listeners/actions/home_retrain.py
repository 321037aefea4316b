"""The Retrain button of the Home tab.

It does not know how training works.
"""

from thumbtune.bot.bot import Bot
from thumbtune.bot.homes import publish_home
from thumbtune.bot.retraining import find_refusal, offer_run
from thumbtune.core.errors import NotFound
from thumbtune.core.records import InboxEvent
from thumbtune.core.store.desks import load_desk


def handle_home_retrain(event: InboxEvent, bot: Bot) -> None:
    """Draw the Home tab anew with what a run for the desk would use above it, if who pressed is one of its leads."""
    actions = event.body.get("actions") or [{}]
    user_id = str((event.body.get("user") or {}).get("id") or "")
    try:
        with bot.store.read() as conn:
            desk = load_desk(conn, str(actions[0].get("value") or ""))
    except NotFound:
        return
    is_allowed = find_refusal(bot, desk, user_id) is None
    publish_home(bot, user_id, notice=offer_run(bot, desk) if is_allowed else ())
