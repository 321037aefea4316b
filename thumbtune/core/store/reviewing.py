"""Looks at all pairs of a desk anew, in batches: after a change of settings, or for pairs from before there was curation.

It does not know what is looked for.
"""

from collections.abc import Callable

from thumbtune.core.records import Desk
from thumbtune.core.store.curating import Inspector, ask_curation
from thumbtune.core.store.engine import Store
from thumbtune.core.store.pairs import list_pairs

BATCH = 100


def review_desk(
    store: Store, desk: Desk, *, inspector: Inspector, shows_sign: bool, on_done: Callable[[int], None]
) -> None:
    """Look at every pair of a desk; what was decided by hand stays. `on_done` is told how many more are done."""
    after_id = 0
    while True:
        with store.write() as conn:
            page = list_pairs(conn, desk_id=desk.desk_id, after_id=after_id, limit=BATCH)
            for pair in page:
                place = {"team_id": pair.team_id, "channel_id": pair.channel_id, "reply_ts": pair.reply_ts}
                if pair.state != "withdrawn":
                    ask_curation(conn, store, shows_sign=shows_sign, inspector=inspector, **place)
        if not page:
            return
        after_id = page[-1].pair_id
        on_done(len(page))
