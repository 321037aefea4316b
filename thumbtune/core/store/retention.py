"""Erases texts older than the installation keeps them: messages that no pair in use needs, drafts, pairs, triages.

It does not know settings or when it is called. It goes by small transactions, so that nobody waits long for it; what a
kill leaves is erased at the next call.
"""

from collections import Counter
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa

from thumbtune.core.records import TriageState
from thumbtune.core.store.audits import record_act
from thumbtune.core.store.engine import Store
from thumbtune.core.store.erasing import erase_for_good
from thumbtune.core.store.golden import drop_cases_of
from thumbtune.core.store.messages import lock_channel
from thumbtune.core.store.pairs import EXPIRED
from thumbtune.core.store.schema import drafts, messages, pairs
from thumbtune.core.store.schema_training import triages
from thumbtune.core.store.triages import TAUGHT, UNTAUGHT, erase_triages
from thumbtune.core.store.trials import drop_drafts_of_erased, drop_old_drafts

BATCH = 500
"""Rows of a transaction at most."""
_OPEN_DRAFTS = ("requested", "ready")

_Step = Callable[[sa.Connection], int]


def expire_texts(store: Store, *, message_days: float, pair_days: float, shows_sign: bool, actor: str) -> Counter[str]:
    """Erase what is older than so many days, 0 meaning for ever; return how much that was.

    A message is kept as long as its thread has a pair that counts or may come to count. What models wrote in trials goes
    with its pair, however old it is.
    """
    counts, now = Counter[str](), store.now()

    def repeat(name: str, step: _Step) -> None:
        done = BATCH
        while done:
            with store.write() as conn:
                done = step(conn)
                if done:
                    detail = {name: done}
                    record_act(conn, actor=actor, action="texts_expired", subject="", now=now, detail=detail)
            counts[name] += done

    if pair_days:
        before = now - timedelta(days=pair_days)
        repeat("pairs", partial(_expire_pairs, store=store, before=before, shows_sign=shows_sign))
        repeat("triages", partial(_expire_triages, before=before, states=TAUGHT))
    if message_days:
        before = now - timedelta(days=message_days)
        before_ts = f"{before.timestamp():.6f}"
        for team_id, channel_id in _list_channels(store, before_ts):
            step = partial(_expire_messages, before_ts=before_ts, team_id=team_id, channel_id=channel_id)
            repeat("messages", step)
        with store.write() as conn:
            _empty_stale_pairs(conn, before_ts, now=now)
        repeat("trial_drafts", partial(drop_old_drafts, before=before, limit=BATCH))
        repeat("drafts", partial(_expire_drafts, before=before))
        repeat("triages", partial(_expire_triages, before=before, states=UNTAUGHT))
    repeat("trial_drafts", partial(drop_drafts_of_erased, limit=BATCH))
    return +counts


def _expire_pairs(conn: sa.Connection, *, store: Store, before: datetime, shows_sign: bool) -> int:
    old = sa.select(pairs.c.pair_id).where(pairs.c.created_at < before, pairs.c.reply != "")
    pair_ids = list(conn.execute(old.order_by(pairs.c.pair_id).limit(BATCH)).scalars())
    cause = f"expired:{store.now().isoformat()}"
    erase_for_good(conn, store, pair_ids, reason=EXPIRED, cause=cause, shows_sign=shows_sign)
    return len(pair_ids)


def _in_thread_of(table: sa.Table) -> sa.ColumnElement[bool]:
    names = ("team_id", "channel_id", "thread_ts")
    return sa.and_(*(pairs.c[name] == table.c[name] for name in names))


def _is_old(before_ts: str) -> sa.ColumnElement[bool]:
    needed = sa.exists().where(_in_thread_of(messages), pairs.c.state != "withdrawn")
    return sa.and_(messages.c.ts < before_ts, sa.not_(messages.c.deleted), sa.not_(needed))


def _list_channels(store: Store, before_ts: str) -> list[tuple[str, str]]:
    """Return team and channel of what there is to erase."""
    query = sa.select(messages.c.team_id, messages.c.channel_id).where(_is_old(before_ts)).distinct()
    with store.read() as conn:
        return sorted((row.team_id, row.channel_id) for row in conn.execute(query))


def _expire_messages(conn: sa.Connection, *, before_ts: str, team_id: str, channel_id: str) -> int:
    lock_channel(conn, team_id=team_id, channel_id=channel_id)  # a pair that is being made may need them
    here = sa.and_(messages.c.team_id == team_id, messages.c.channel_id == channel_id)
    old = sa.select(messages.c.ts).where(here, _is_old(before_ts)).order_by(messages.c.ts).limit(BATCH)
    which = sa.and_(here, messages.c.ts.in_(conn.execute(old).scalars().all()))
    # As if it had been deleted, so that nothing that reads the thread again brings it back; but by no event of Slack's.
    gone = {"text": "", "former": [], "deleted": True, "event_ts": ""}
    return conn.execute(sa.update(messages).where(which).values(gone)).rowcount


def _empty_stale_pairs(conn: sa.Connection, before_ts: str, *, now: datetime) -> None:
    """Erase what withdrawn pairs repeat of threads of which nothing is left, and the golden cases made from them."""
    left = sa.exists().where(_in_thread_of(messages), sa.not_(messages.c.deleted), messages.c.ts < before_ts)
    stale = sa.and_(pairs.c.state == "withdrawn", pairs.c.reply != "", pairs.c.reply_ts < before_ts, sa.not_(left))
    emptied = sa.update(pairs).where(stale).values(turns=[], passages=[], reply="").returning(pairs.c.pair_id)
    drop_cases_of(conn, conn.execute(emptied).scalars().all(), now=now)


def _expire_triages(conn: sa.Connection, *, before: datetime, states: Collection[TriageState]) -> int:
    old = sa.and_(triages.c.created_at < before, triages.c.state.in_(states))
    return erase_triages(conn, old, reason=EXPIRED, limit=BATCH)


def _expire_drafts(conn: sa.Connection, *, before: datetime) -> int:
    done = sa.and_(drafts.c.requested_at < before, drafts.c.state.not_in(_OPEN_DRAFTS))
    full = sa.or_(drafts.c.text != "", drafts.c.sent_text != "")
    old = sa.select(drafts.c.draft_id).where(done, full).order_by(drafts.c.draft_id).limit(BATCH)
    which = drafts.c.draft_id.in_(conn.execute(old).scalars().all())
    values = {"text": "", "sent_text": "", "passages": []}
    return conn.execute(sa.update(drafts).where(which).values(values)).rowcount
