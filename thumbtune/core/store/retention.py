"""Erases texts that are older than the installation keeps them: messages that no pair in use needs, drafts, pairs.

It does not know settings or when it is called.
"""

from collections import Counter
from datetime import datetime, timedelta

import sqlalchemy as sa

from thumbtune.core.store.audits import record_act
from thumbtune.core.store.curating import ask_for_dependents
from thumbtune.core.store.engine import Store
from thumbtune.core.store.pairs import EXPIRED, erase_pairs
from thumbtune.core.store.schema import drafts, messages, pairs

_OPEN_DRAFTS = ("requested", "ready")


def expire_texts(
    conn: sa.Connection, store: Store, *, message_days: float, pair_days: float, shows_sign: bool, actor: str
) -> Counter[str]:
    """Erase what is older than so many days, 0 meaning for ever; return how much that was.

    A message is kept as long as its thread has a pair that counts or may come to count.
    """
    counts, now = Counter[str](), store.now()
    if pair_days:
        counts["pairs"] = _expire_pairs(conn, store, now - timedelta(days=pair_days), shows_sign=shows_sign)
    if message_days:
        counts += _expire_messages(conn, now - timedelta(days=message_days))
    if +counts:
        detail = dict(+counts)
        record_act(conn, actor=actor, action="texts_expired", subject="", now=now, detail=detail)
    return +counts


def _expire_pairs(conn: sa.Connection, store: Store, before: datetime, *, shows_sign: bool) -> int:
    old = sa.select(pairs.c.pair_id).where(pairs.c.created_at < before, pairs.c.reply != "")
    pair_ids = list(conn.execute(old).scalars())
    erase_pairs(conn, pair_ids, reason=EXPIRED, now=store.now())
    ask_for_dependents(conn, store, pair_ids, shows_sign=shows_sign)
    return len(pair_ids)


def _expire_messages(conn: sa.Connection, before: datetime) -> Counter[str]:
    def in_thread_of(table: sa.Table) -> sa.ColumnElement[bool]:
        names = ("team_id", "channel_id", "thread_ts")
        return sa.and_(*(pairs.c[name] == table.c[name] for name in names))

    needed = sa.exists().where(in_thread_of(messages), pairs.c.state != "withdrawn")
    before_ts = f"{before.timestamp():.6f}"
    old = sa.and_(messages.c.ts < before_ts, sa.not_(messages.c.deleted), sa.not_(needed))
    # As if it had been deleted in Slack: nothing that reads the thread again brings it back.
    erased = conn.execute(sa.update(messages).where(old).values(text="", former=[], deleted=True)).rowcount
    left = sa.exists().where(in_thread_of(messages), sa.not_(messages.c.deleted), messages.c.ts < before_ts)
    stale = sa.and_(pairs.c.state == "withdrawn", pairs.c.reply != "", pairs.c.reply_ts < before_ts, sa.not_(left))
    conn.execute(sa.update(pairs).where(stale).values(turns=[], passages=[], reply=""))
    done = sa.and_(drafts.c.requested_at < before, drafts.c.state.not_in(_OPEN_DRAFTS))
    full = sa.or_(drafts.c.text != "", drafts.c.sent_text != "")
    values = {"text": "", "sent_text": "", "passages": []}
    return Counter(messages=erased, drafts=conn.execute(sa.update(drafts).where(done, full).values(values)).rowcount)
