"""The small reaction that tells people that a reply is learned: whoever changes a pair asks for it to be set right.

It does not know Slack: the bot adds or takes the reaction, by what is true when it comes to it.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from thumbtune.core.store.engine import Store, insert_row
from thumbtune.core.store.outbox import add_post
from thumbtune.core.store.schema import outbox

SYNC_REACTION = "thumbtune.sync_reaction"


def add_signs(conn: sa.Connection, store: Store, places: Sequence[tuple[str, str, str]], *, cause: str) -> None:
    """Ask for the reactions on many messages, by team, channel and `ts`, to be set right; once for each new cause."""
    now = store.now()
    rows = [
        {
            "dedupe_key": f"sign:{channel_id}:{reply_ts}:{cause}",
            "method": SYNC_REACTION,
            "channel_id": channel_id,
            "sealed_payload": store.sealer.seal({"channel": channel_id, "timestamp": reply_ts}),
            "state": "pending",
            "not_before": now,
            "created_at": now,
        }
        for _, channel_id, reply_ts in places
    ]
    if rows:
        conn.execute(insert_row(conn, outbox).on_conflict_do_nothing(), rows)


def add_sign(conn: sa.Connection, store: Store, *, channel_id: str, reply_ts: str, cause: str) -> None:
    """Ask for the reaction on a message to be brought in line with whether it is learned; once for each cause."""
    add_post(
        conn,
        store.sealer,
        dedupe_key=f"sign:{channel_id}:{reply_ts}:{cause}",
        method=SYNC_REACTION,
        channel_id=channel_id,
        payload={"channel": channel_id, "timestamp": reply_ts},
        now=store.now(),
    )
