"""The small reaction that tells people that a reply is learned: whoever changes a pair asks for it to be set right.

It does not know Slack: the bot adds or takes the reaction, by what is true when it comes to it.
"""

import sqlalchemy as sa

from thumbtune.core.store.engine import Store
from thumbtune.core.store.outbox import add_post
from thumbtune.core.store.pairs import is_learned

SYNC_REACTION = "thumbtune.sync_reaction"


def add_sign(conn: sa.Connection, store: Store, *, team_id: str, channel_id: str, reply_ts: str, cause: str) -> None:
    """Ask for the reaction on a message to be brought in line with whether it is learned; once for each cause."""
    learned = is_learned(conn, team_id=team_id, channel_id=channel_id, reply_ts=reply_ts)
    add_post(
        conn,
        store.sealer,
        dedupe_key=f"sign:{channel_id}:{reply_ts}:{learned}:{cause}",
        method=SYNC_REACTION,
        channel_id=channel_id,
        payload={"channel": channel_id, "timestamp": reply_ts},
        now=store.now(),
    )
