"""Erases what is on its way and holds something of a person: events that nobody has worked on, posts Slack has not taken.

It does not know who the person is, nor which channels count.
"""

from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from thumbtune.core.errors import ConfigError
from thumbtune.core.sealing import Sealer
from thumbtune.core.store.engine import Store
from thumbtune.core.store.inbox import find_channel
from thumbtune.core.store.schema import inbox, outbox

_OPEN_EVENTS = ("received", "working", "dead")

Thread = tuple[str, str, str]
"""Team, channel and `thread_ts`."""


def erase_events(
    conn: sa.Connection,
    store: Store,
    *,
    is_ours: Callable[[str, str], bool],
    is_person: Callable[[object], bool],
    at: datetime,
) -> int:
    """Erase what was received until then and holds something of theirs, whoever sent it; return how much that was.

    `is_ours` says whether a team's channel counts, an empty one where it happened in none.
    """
    query = sa.select(inbox.c.inbox_id, inbox.c.team_id, inbox.c.state, inbox.c.sealed_body).where(
        inbox.c.state.in_(_OPEN_EVENTS), inbox.c.sealed_body.is_not(None), inbox.c.received_at <= at
    )
    count = 0
    for row in conn.execute(query).all():
        body = _open(store.sealer, row.sealed_body)
        if not is_ours(row.team_id, find_channel(body)) or not any(map(is_person, _list_authors(body))):
            continue
        which = inbox.c.inbox_id == row.inbox_id
        done = {"state": "done", "done_at": store.now(), "sealed_body": None, "lease_owner": None}
        conn.execute(
            sa.delete(inbox).where(which) if row.state == "dead" else sa.update(inbox).where(which).values(done)
        )
        count += 1
    return count


def erase_posts(conn: sa.Connection, store: Store, threads: Collection[Thread], *, why: str) -> int:
    """Take back replies in these threads that have not reached Slack yet; return how many."""
    query = sa.select(outbox.c.post_id, outbox.c.channel_id, outbox.c.sealed_payload).where(
        outbox.c.sealed_payload.is_not(None), outbox.c.method.like("chat.%")
    )
    places = {(channel_id, thread_ts) for _, channel_id, thread_ts in threads}
    count = 0
    for row in conn.execute(query).all():
        call = _open(store.sealer, row.sealed_payload).get("call") or {}
        if (row.channel_id, call.get("thread_ts")) in places:
            gone = {"state": "failed", "error": why, "sealed_payload": None, "lease_owner": None}
            conn.execute(sa.update(outbox).where(outbox.c.post_id == row.post_id).values(gone))
            count += 1
    return count


def _open(sealer: Sealer, sealed: str) -> dict[str, Any]:  # Any: Slack's JSON
    try:
        opened = sealer.open(sealed)
    except ConfigError:  # of another key: nobody reads it any more
        return {}
    return opened if isinstance(opened, dict) else {}


def _list_authors(body: dict[str, Any]) -> Iterator[object]:
    """Yield who wrote, did or asked what Slack sent, and who wrote whatever message lies in it, however deep."""
    yield body.get("user_id")  # of a command; deeper, it is someone who is merely mentioned
    parts: list[object] = [body]
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            user = part.get("user")
            yield user.get("id") if isinstance(user, dict) else user
            yield part.get("author_id")  # of a message that is quoted
            parts += part.values()
        elif isinstance(part, list):
            parts += part
