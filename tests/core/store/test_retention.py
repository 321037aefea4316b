from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from tests.conftest import Clock
from tests.core.store.test_forgetting import is_waited_for
from thumbtune.core.prompt import Turn
from thumbtune.core.records import Message
from thumbtune.core.store import Store, drafts, pairs
from thumbtune.core.store.audits import list_acts
from thumbtune.core.store.messages import load_message, lock_channel, record_message
from thumbtune.core.store.outbox import claim_posts
from thumbtune.core.store.retention import BATCH, expire_texts
from thumbtune.core.store.signs import SYNC_REACTION

pytestmark = pytest.mark.usefixtures("desk")

DAY_S = 86_400.0
HERE = {"team_id": "T1", "channel_id": "C1"}


def say(store: Store, clock: Clock) -> str:
    """Let a customer ask now, in a thread of their own."""
    ts = f"{clock().timestamp():.6f}"
    message = Message("T1", "C1", ts, ts, "U1", False, "Where is it?", "", False)
    with store.write() as conn:
        record_message(conn, message, event_ts=ts)
    return ts


def put(conn: sa.Connection, store: Store, ts: str) -> int:
    pairs.put_pair(
        conn,
        desk_id="support",
        thread_ts=ts,
        reply_ts=f"{ts[:-1]}1",
        revision="",
        turns=[Turn("customer", "Where is it?")],
        reply="On its way.",
        passages=(),
        source="human",
        approved_by="U2",
        now=store.now(),
        **HERE,
    )
    return pairs.list_pairs(conn, newest_first=True, limit=1)[0].pair_id


def learn(store: Store, ts: str) -> int:
    with store.write() as conn:
        return put(conn, store, ts)


def expire(store: Store, *, message_days: float = 0.0, pair_days: float = 0.0) -> dict[str, int]:
    days = {"message_days": message_days, "pair_days": pair_days}
    return dict(expire_texts(store, **days, shows_sign=True, actor="trainer"))


def read_text(store: Store, ts: str) -> str:
    with store.read() as conn:
        message = load_message(conn, ts=ts, **HERE)
    assert message is not None
    return message.text


def test_nothing_expires_unless_it_is_set(store: Store, clock: Clock) -> None:
    ts = say(store, clock)
    learn(store, ts)
    clock.advance(seconds=9999 * DAY_S)
    assert expire(store) == {}
    assert read_text(store, ts) == "Where is it?"


def test_old_message_goes_unless_a_pair_in_use_needs_it(store: Store, clock: Clock) -> None:
    plain = say(store, clock)
    clock.advance(seconds=1)
    learned = say(store, clock)
    pair_id = learn(store, learned)
    clock.advance(seconds=30 * DAY_S)
    young = say(store, clock)
    clock.advance(seconds=DAY_S)
    assert expire(store, message_days=30) == {"messages": 1}
    assert [read_text(store, ts) for ts in (plain, learned, young)] == ["", "Where is it?", "Where is it?"]
    with store.write() as conn:
        assert [act.action for act in list_acts(conn, limit=9)] == ["texts_expired"]
        pairs.set_pair_state(conn, pair_id, state="withdrawn", reason="no use", now=store.now())
    assert expire(store, message_days=30) == {"messages": 1}
    with store.read() as conn:
        assert pairs.load_pair(conn, pair_id).reply == ""
    assert expire(store, message_days=30) == {}


def test_expired_message_is_not_brought_back(store: Store, clock: Clock) -> None:
    ts = say(store, clock)
    clock.advance(seconds=31 * DAY_S)
    expire(store, message_days=30)
    with store.write() as conn:
        again = Message("T1", "C1", ts, ts, "U1", False, "Where is it?", "", False)
        assert not record_message(conn, again, event_ts=f"{clock().timestamp():.6f}")


def test_old_pair_is_withdrawn_and_erased_and_no_approval_restores_it(store: Store, clock: Clock) -> None:
    ts = say(store, clock)
    pair_id = learn(store, ts)
    clock.advance(seconds=364 * DAY_S)
    assert expire(store, pair_days=365) == {}
    clock.advance(seconds=2 * DAY_S)
    assert expire(store, pair_days=365, message_days=30) == {"pairs": 1, "messages": 1}
    learn(store, ts)
    with store.read() as conn:
        pair = pairs.load_pair(conn, pair_id)
    assert (pair.state, pair.reason, pair.reply, pair.turns) == ("withdrawn", pairs.EXPIRED, "", ())


def test_sign_on_an_expired_reply_is_taken_off(store: Store, clock: Clock) -> None:
    ts = say(store, clock)
    learn(store, ts)
    clock.advance(seconds=366 * DAY_S)
    expire(store, pair_days=365)
    with store.write() as conn:
        posts = claim_posts(conn, store.sealer, owner="t", limit=9, now=store.now(), lease_s=9)
    assert [(post.method, post.payload["timestamp"]) for post in posts] == [(SYNC_REACTION, f"{ts[:-1]}1")]


def test_much_goes_in_several_transactions(store: Store, clock: Clock) -> None:
    with store.write() as conn:
        for number in range(BATCH + 1):
            ts = f"1000000000.{10 * number:06d}"
            record_message(conn, Message("T1", "C1", ts, ts, "U1", False, "Where is it?", "", False), event_ts=ts)
            put(conn, store, ts)
    clock.advance(seconds=31 * DAY_S)
    assert expire(store, message_days=30, pair_days=30) == {"pairs": BATCH + 1, "messages": BATCH + 1}
    with store.read() as conn:
        acts = [act.detail for act in list_acts(conn, limit=9)]
    assert acts == [{"messages": 1}, {"messages": BATCH}, {"pairs": 1}, {"pairs": BATCH}]


def test_message_that_a_new_pair_needs_is_kept(store: Store, clock: Clock) -> None:
    ts = say(store, clock)
    clock.advance(seconds=31 * DAY_S)
    with ThreadPoolExecutor(1) as other:
        with store.write() as conn:
            lock_channel(conn, **HERE)
            put(conn, store, ts)
            expiring = other.submit(expire, store, message_days=30)
            while not (expiring.done() or is_waited_for(store)):
                pass
        assert expiring.result(30) == {}
    assert read_text(store, ts) == "Where is it?"


def test_settled_drafts_lose_their_texts(store: Store, clock: Clock) -> None:
    with store.write() as conn:
        for name in ("d1", "d2"):
            asked = {"request_key": name, "desk_id": "support", "thread_ts": "1.0", "asked_by": "U1"}
            drafts.request_draft(conn, draft_id=name, last_seen_ts="1.0", now=clock(), **asked, **HERE)
            drafts.fill_draft(conn, name, mode="grounded", adapter=None, text="Soon.", passages=[], latency_ms=1)
        drafts.settle_draft(conn, "d1", state="sent", now=clock(), sent_text="Soon.")
    clock.advance(seconds=31 * DAY_S)
    assert expire(store, message_days=30) == {"drafts": 1}
    with store.read() as conn:
        assert [drafts.load_draft(conn, name).text for name in ("d1", "d2")] == ["", "Soon."]
