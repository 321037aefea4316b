from dataclasses import replace
from datetime import timedelta

from cryptography.fernet import Fernet

from tests.conftest import Clock
from thumbtune.core.records import Post
from thumbtune.core.sealing import Sealer
from thumbtune.core.store import Store, outbox


def add(store: Store, key: str = "draft:1") -> bool:
    payload = {"text": "Hi Maya, it ships today."}
    with store.write() as conn:
        return outbox.add_post(
            conn,
            store.sealer,
            dedupe_key=key,
            method="chat.postMessage",
            channel_id="C1",
            payload=payload,
            now=store.now(),
        )


def claim(store: Store) -> list[Post]:
    with store.write() as conn:
        return outbox.claim_posts(conn, store.sealer, owner="w", limit=10, now=store.now(), lease_s=30)


def test_second_click_adds_no_second_post(store: Store) -> None:
    assert add(store)
    assert not add(store)
    assert [(post.state, post.payload["text"]) for post in claim(store)] == [("sending", "Hi Maya, it ships today.")]
    assert claim(store) == []


def test_post_whose_sender_died_comes_back_as_unknown(store: Store, clock: Clock) -> None:
    add(store)
    claim(store)
    clock.advance(seconds=31)
    assert [(post.state, post.attempts) for post in claim(store)] == [("unknown", 2)]


def test_sent_post_keeps_its_ts_and_loses_its_text(store: Store) -> None:
    add(store)
    (post,) = claim(store)
    with store.write() as conn:
        outbox.mark_sent(conn, post.post_id, owner="w", slack_ts="100.000009")
        assert outbox.find_post(conn, "draft:1") == ("sent", "100.000009")
        assert conn.exec_driver_sql("SELECT sealed_payload FROM outbox").scalar_one() is None
        assert outbox.count_posts(conn) == {"sent": 1}


def test_refused_post_is_never_tried_again(store: Store, clock: Clock) -> None:
    add(store)
    (post,) = claim(store)
    with store.write() as conn:
        outbox.mark_failed(conn, post.post_id, owner="w", error="channel_not_found")
    clock.advance(seconds=3600)
    assert claim(store) == []


def test_postponed_post_waits_and_an_unclear_one_stays_unclear(store: Store, clock: Clock) -> None:
    add(store)
    (post,) = claim(store)
    with store.write() as conn:
        outbox.postpone_post(
            conn, post.post_id, owner="w", retry_at=clock() + timedelta(seconds=10), error="ratelimited"
        )
    assert claim(store) == []
    clock.advance(seconds=11)
    (post,) = claim(store)
    assert post.state == "sending"
    with store.write() as conn:
        outbox.mark_unknown(conn, post.post_id, owner="w", retry_at=clock(), error="timeout")
    assert [item.state for item in claim(store)] == ["unknown"]


def test_message_does_not_wait_behind_bookkeeping(store: Store) -> None:
    for number, method in enumerate(["reactions.add"] * 12 + ["chat.postMessage"]):
        with store.write() as conn:
            outbox.add_post(
                conn,
                store.sealer,
                dedupe_key=str(number),
                method=method,
                channel_id="C1",
                payload={},
                now=store.now(),
            )
    assert claim(store)[0].method == "chat.postMessage"


def test_post_sealed_with_another_key_is_set_aside_and_the_rest_goes_on(store: Store) -> None:
    add(replace(store, sealer=Sealer(Fernet.generate_key().decode())), "draft:1")
    add(store, "draft:2")
    assert [post.dedupe_key for post in claim(store)] == ["draft:2"]
    with store.read() as conn:
        assert outbox.count_posts(conn) == {"sending": 1, "failed": 1}


def test_slow_sender_cannot_settle_what_another_took_over(store: Store, clock: Clock) -> None:
    add(store)
    (post,) = claim(store)
    clock.advance(seconds=31)
    with store.write() as conn:
        outbox.claim_posts(conn, store.sealer, owner="w2", limit=10, now=store.now(), lease_s=30)
        assert not outbox.mark_failed(conn, post.post_id, owner="w", error="too late")
        assert outbox.mark_sent(conn, post.post_id, owner="w2", slack_ts="1.1")
        assert outbox.count_posts(conn) == {"sent": 1}
