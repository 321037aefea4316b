"""What the store knows of an exported pair's origin: who wrote there, and whether one of them was forgotten.

It does not know files: an exported line says where it comes from, not who wrote.
"""

from collections.abc import Collection

import sqlalchemy as sa

from thumbtune.core.sealing import Sealer
from thumbtune.core.store.messages import list_authors
from thumbtune.core.store.pairs import FORGOTTEN
from thumbtune.core.store.places import Place, find_pair, load_authors
from thumbtune.core.store.tombstones import digest_person, holds_forgotten, load_forgotten


def find_authors(conn: sa.Connection, sealer: Sealer, origin: Place | None, *, desk_id: str) -> Collection[str] | None:
    """Return the digests of who is known to have written what a pair of this place holds; None when one was forgotten.

    Forgotten by whoever has the channel, or by `desk_id`, into which it is to go. An erased message that is nobody's keeps
    out what never was a pair here: its author was forgotten, or it was deleted before it was stored.
    """
    if origin is None:
        return ()
    place = {"team_id": origin.team_id, "channel_id": origin.channel_id}
    found = find_pair(conn, origin)
    written = list_authors(conn, **place, thread_ts=origin.thread_ts, up_to=origin.reply_ts)
    forgotten = load_forgotten(conn, sealer, **place, desk_id=desk_id)
    if found is not None and found.reason == FORGOTTEN:
        return None
    if any(forgotten.holds(user_id, ts=ts) if user_id else found is None for user_id, ts in written):
        return None
    noted = load_authors(conn, found.pair_id) if found is not None else []
    if holds_forgotten(conn, noted, desk_id=desk_id):
        return None
    return {*noted, *(digest_person(sealer, user_id) for user_id, _ in written if user_id)}
