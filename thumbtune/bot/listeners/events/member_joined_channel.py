"""Someone joined a channel: when it is the bot, it says in one line what it does here; others become known by name.

It does not know how channels come to belong to desks.
"""

import sqlalchemy as sa

from thumbtune.bot.bot import Bot, Write
from thumbtune.bot.people import People
from thumbtune.bot.sending import POST_MESSAGE
from thumbtune.core.records import InboxEvent
from thumbtune.core.store.outbox import add_post

WELCOME = (
    "Hello! Give a 👍 to a colleague's reply and I learn from it. To get a draft, use *Draft a reply* on a message "
    "or mention me in its thread; only you will see it."
)


def handle_member_joined_channel(event: InboxEvent, bot: Bot) -> Write | None:
    """Return the welcome to post, once for a channel, where a desk is."""
    payload = event.body["event"]
    channel_id, user_id = str(payload.get("channel") or ""), str(payload.get("user") or "")
    if not user_id or bot.find_desk(channel_id) is None:
        return None
    if user_id != bot.identity.user_id:
        People.add_name(bot.people.fetch_names(channel_id), bot.people.fetch_person(user_id))
        return None
    key = f"welcome:{channel_id}"
    metadata = {"event_type": "thumbtune_welcome", "event_payload": {"key": key}}
    call = {"channel": channel_id, "text": WELCOME, "metadata": metadata}

    def write(conn: sa.Connection) -> None:
        add_post(
            conn,
            bot.store.sealer,
            dedupe_key=key,
            method=POST_MESSAGE,
            channel_id=channel_id,
            payload={"call": call},
            now=bot.store.now(),
        )

    return write
