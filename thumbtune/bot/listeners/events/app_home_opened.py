"""Someone opened the Home tab: it is drawn for them.

It does not know what it looks like.
"""

from thumbtune.bot.bot import Bot
from thumbtune.bot.homes import publish_home
from thumbtune.core.records import InboxEvent


def handle_app_home_opened(event: InboxEvent, bot: Bot) -> None:
    """Publish the Home tab of who opened it."""
    payload = event.body["event"]
    if payload.get("tab", "home") == "home" and payload.get("user"):
        publish_home(bot, str(payload["user"]))
