from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.conftest import Clock
from thumbtune.core.errors import Conflict
from thumbtune.core.prompt import Passage, Turn
from thumbtune.core.pseudonyms import is_pseudonym, name_forgotten
from thumbtune.core.records import Approval, Desk, Message
from thumbtune.core.store import Store, adapters, desks, drafts, pairs, runs
from thumbtune.core.store.approvals import load_approvals, record_approval
from thumbtune.core.store.audits import list_acts, verify_chain
from thumbtune.core.store.forgetting import Receipt, forget_person
from thumbtune.core.store.inbox import add_event, claim_events, count_events, finish_events, postpone_event
from thumbtune.core.store.messages import (
    hash_channel,
    load_message,
    load_thread,
    lock_channel,
    number_placeholders,
    record_message,
)
from thumbtune.core.store.outbox import add_post, claim_posts, count_posts
from thumbtune.core.store.tombstones import (
    Tombstone,
    digest_person,
    holds_forgotten,
    is_kept,
    list_tombstones,
    load_forgotten,
)

pytestmark = pytest.mark.usefixtures("desk")

MAYA, TOM, PRIYA, JONAS = "U0MAYA", "U0TOM", "U0PRIYA", "U0JONAS"
UP_TO = "200.000000"
HERE = {"team_id": "T1", "channel_id": "C1"}


def say(store: Store, user_id: str, ts: str, text: str, *, thread: str, channel: str = "C1") -> None:
    message = Message("T1", channel, ts, thread, user_id, False, text, "", False)
    with store.write() as conn:
        record_message(conn, message, event_ts=ts)


def learn(store: Store, reply_ts: str, *, thread: str, turns: list[Turn], **changes: str) -> int:
    values = {"desk_id": "support", "channel_id": "C1", "approved_by": JONAS, **changes}
    with store.write() as conn:
        pairs.put_pair(
            conn,
            team_id="T1",
            thread_ts=thread,
            reply_ts=reply_ts,
            revision="",
            turns=turns,
            reply="It ships today.",
            passages=[Passage("Shipping", "We ship daily.")],
            source="human",
            now=store.now(),
            **values,
        )
        return max(pair.pair_id for pair in pairs.list_pairs(conn, limit=1000))


def talk(store: Store) -> tuple[int, int]:
    """Let Maya and Tom ask in two threads and Priya answer both; return their pairs."""
    say(store, MAYA, "100.000001", "Where is [ORDER_1]? Mail [EMAIL_1].", thread="100.000001")
    say(store, PRIYA, "100.000002", "It ships today. Ask [NAME_3].", thread="100.000001")
    say(store, TOM, "101.000001", "And mine, [ORDER_1]? [NAME_2] has hers.", thread="101.000001")
    say(store, PRIYA, "101.000002", "It ships today.", thread="101.000001")
    first = learn(store, "100.000002", thread="100.000001", turns=[Turn("customer", "Where is [ORDER_1]?")])
    return first, learn(store, "101.000002", thread="101.000001", turns=[Turn("customer", "And mine, [ORDER_1]?")])


def bury(store: Store, person: str, *desk_ids: str) -> Tombstone:
    digest = digest_person(store.sealer, person)
    return Tombstone(f"forget-{digest[:12]}", digest, desk_ids or ("support",), UP_TO, "U9", store.now())


def forget(store: Store, person: str, *desk_ids: str, min_pairs: int = 1) -> Receipt:
    tombstone = bury(store, person, *desk_ids)
    with store.write() as conn:
        return forget_person(conn, store, tombstone, min_pairs=min_pairs, shows_sign=True)


def test_customer_s_words_go_and_others_stay(store: Store) -> None:
    hers, his = talk(store)
    receipt = forget(store, MAYA)
    with store.read() as conn:
        gone, kept = pairs.load_pair(conn, hers), pairs.load_pair(conn, his)
        message = load_message(conn, ts="100.000001", **HERE)
        left = [item.text for item in load_thread(conn, thread_ts="100.000001", **HERE)]
        (act,) = list_acts(conn, limit=5, action="person_forgotten")
        assert verify_chain(conn).finding == ""
    assert (gone.state, gone.reason, gone.turns, gone.reply, gone.passages) == (
        "withdrawn",
        pairs.FORGOTTEN,
        (),
        "",
        (),
    )
    assert (kept.state, kept.reply) == ("active", "It ships today.")
    assert message is not None
    assert (message.text, message.user_id, message.deleted) == ("", "", True)
    assert left == ["It ships today. Ask [NAME_3]."]
    assert (receipt.counts["messages"], receipt.counts["pairs"]) == (1, 1)
    assert act.subject == receipt.receipt_id
    assert MAYA not in str(act)
    with store.write() as conn:
        posts = claim_posts(conn, store.sealer, owner="t", limit=9, now=store.now(), lease_s=9)
    assert [post.payload["timestamp"] for post in posts] == ["100.000002"]


def test_forgetting_again_changes_nothing(store: Store) -> None:
    talk(store)
    forget(store, MAYA)
    assert not any(forget(store, MAYA).counts.values())


def test_what_is_forgotten_does_not_come_back(store: Store) -> None:
    hers, _ = talk(store)
    forget(store, MAYA)
    say(store, MAYA, "100.000001", "Where is [ORDER_1]?", thread="100.000001")
    learn(store, "100.000002", thread="100.000001", turns=[Turn("customer", "Where is [ORDER_1]?")])
    with store.read() as conn:
        assert pairs.load_pair(conn, hers).reply == ""
        message = load_message(conn, ts="100.000001", **HERE)
    assert message is not None
    assert message.text == ""


def test_tombstone_reaches_up_to_its_moment_and_in_its_desks_only(store: Store) -> None:
    with store.write() as conn:
        desks.save_desk(conn, Desk("sales", "T1", "Sales", "Be brief.", channels=("C2",)))
    tombstone = bury(store, MAYA)
    forget(store, MAYA)
    with store.read() as conn:
        support = load_forgotten(conn, store.sealer, team_id="T1", channel_id="C1")
        sales = load_forgotten(conn, store.sealer, team_id="T1", channel_id="C2")
        assert support.holds(MAYA, ts="199.999999")
        assert not support.holds(MAYA, ts="200.000001")
        assert not support.holds(TOM, ts="100.000001")
        assert not sales.holds(MAYA, ts="100.000001")
        assert holds_forgotten(conn, [tombstone.digest], desk_id="support")
        assert not holds_forgotten(conn, [tombstone.digest], desk_id="sales")
        assert list_tombstones(conn) == [tombstone]
        assert is_kept(conn, tombstone)
        assert not is_kept(conn, replace(tombstone, up_to="201.000000"))
        assert not is_kept(conn, replace(tombstone, desk_ids=("sales", "support")))


def test_other_desk_keeps_what_it_has_of_the_person(store: Store) -> None:
    with store.write() as conn:
        desks.save_desk(conn, Desk("sales", "T1", "Sales", "Be brief.", channels=("C2",)))
    say(store, MAYA, "100.000001", "Your prices?", thread="100.000001", channel="C2")
    asked = [Turn("customer", "Your prices?")]
    pair_id = learn(store, "100.000002", thread="100.000001", turns=asked, desk_id="sales", channel_id="C2")
    assert forget(store, MAYA, "support").counts["messages"] == 0
    with store.read() as conn:
        assert pairs.load_pair(conn, pair_id).state == "active"
    assert forget(store, MAYA, "sales", "support").counts["pairs"] == 1


def test_agent_s_replies_go_and_their_approvals_lose_their_name(store: Store) -> None:
    talk(store)
    with store.write() as conn:
        for user_id in (JONAS, PRIYA):
            record_approval(conn, Approval(user_id, "+1", True, "150.0"), message_ts="101.000002", **HERE)
        draft = drafts.request_draft(
            conn,
            draft_id="d1",
            request_key="k1",
            desk_id="support",
            thread_ts="101.000001",
            asked_by=PRIYA,
            last_seen_ts="101.000001",
            now=store.now(),
            **HERE,
        )
        drafts.fill_draft(conn, "d1", mode="grounded", adapter=None, text="Today.", passages=[], latency_ms=1)
    receipt = forget(store, PRIYA)
    assert receipt.counts["pairs"] == receipt.counts["messages"] == 2
    with store.read() as conn:
        names = {approval.user_id for approval in load_approvals(conn, message_ts="101.000002", **HERE)}
        draft = drafts.load_draft(conn, "d1")
        (question,) = load_thread(conn, thread_ts="101.000001", **HERE)
    pseudonym = name_forgotten(receipt.person)
    assert names == {JONAS, pseudonym}
    assert is_pseudonym(pseudonym)
    assert (draft.asked_by, draft.text, draft.state) == (pseudonym, "", "discarded")
    assert question.user_id == TOM


def test_approver_is_not_named_in_pairs_that_stay(store: Store) -> None:
    _, his = talk(store)
    receipt = forget(store, JONAS)
    with store.read() as conn:
        pair = pairs.load_pair(conn, his)
    assert (pair.state, pair.approved_by) == ("active", name_forgotten(receipt.person))


def test_what_they_do_afterwards_keeps_their_name_when_it_is_done_again(store: Store, clock: Clock) -> None:
    talk(store)
    tombstone, hers = bury(store, JONAS), digest_person(store.sealer, JONAS)
    with store.write() as conn:
        number_placeholders(conn, [("NAME", hers)], thread_ts="100.000001", **HERE)
        forget_person(conn, store, tombstone, min_pairs=1, shows_sign=True)
    clock.advance(seconds=60)
    learned = learn(store, "300.000002", thread="300.000001", turns=[Turn("customer", "And now?")])
    with store.write() as conn:
        record_approval(conn, Approval(JONAS, "+1", True, "300.0"), message_ts="300.000002", **HERE)
        number_placeholders(conn, [("NAME", hers)], thread_ts="100.000001", **HERE)
        again = forget_person(conn, store, tombstone, min_pairs=1, shows_sign=True)
        assert number_placeholders(conn, [("NAME", hers)], thread_ts="100.000001", **HERE) == {("NAME", hers): 2}
        assert pairs.load_pair(conn, learned).approved_by == JONAS
        assert [item.user_id for item in load_approvals(conn, message_ts="300.000002", **HERE)] == [JONAS]
    assert not any(again.counts.values())


def test_placeholders_keep_their_numbers_and_lose_their_originals(store: Store) -> None:
    talk(store)
    hers = digest_person(store.sealer, MAYA)
    order, mail = ("ORDER", "o" * 64), ("EMAIL", "e" * 64)
    with store.write() as conn:
        number_placeholders(conn, [("NAME", hers), order, mail], thread_ts="100.000001", **HERE)
        number_placeholders(conn, [("NAME", "t" * 64), ("NAME", hers), order], thread_ts="101.000001", **HERE)
    assert forget(store, MAYA).counts["placeholders"] == 4
    with store.write() as conn:
        mine = number_placeholders(conn, [order, mail, ("NAME", hers)], thread_ts="100.000001", **HERE)
        his = number_placeholders(conn, [order, ("NAME", hers)], thread_ts="101.000001", **HERE)
    assert list(mine.values()) == [2, 2, 2]
    assert his == {order: 1, ("NAME", hers): 3}


def test_events_and_posts_on_their_way_go_too(store: Store) -> None:
    talk(store)
    with store.write() as conn:
        for key, user_id in (("e1", MAYA), ("e2", TOM), ("e3", MAYA)):
            event = {"type": "message", "user": user_id, "channel": "C1", "ts": "150.0", "text": "secret"}
            rest = {"team_id": "T1", "kind": "event", "name": "message", "now": store.now()}
            add_event(conn, store.sealer, event_key=key, body={"event": event}, **rest)  # type: ignore[arg-type]
        (in_hand,) = claim_events(conn, store.sealer, owner="w", limit=1, now=store.now(), lease_s=60)
        for thread in ("100.000001", "101.000001"):
            add_post(
                conn,
                store.sealer,
                dedupe_key=thread,
                method="chat.postMessage",
                channel_id="C1",
                payload={"call": {"channel": "C1", "thread_ts": thread, "text": "secret"}},
                now=store.now(),
            )
    receipt = forget(store, MAYA)
    assert (receipt.counts["events"], receipt.counts["posts"]) == (2, 1)
    with store.write() as conn:
        postpone_event(conn, in_hand.inbox_id, owner="w", until=store.now(), error="Later")
        assert finish_events(conn, [in_hand.inbox_id], owner="w", now=store.now()) == 0
        assert count_events(conn) == {"done": 2, "received": 1}
        assert count_posts(conn) == {"failed": 1, "pending": 2}


def make_adapter(store: Store, name: str, *, trained: list[int], is_live: bool) -> None:
    now = store.now()
    with store.write() as conn:
        run, _ = runs.open_run(conn, desk_id="support", reason="retrain", now=now)
        held = runs.claim_run(conn, owner="t", now=now, lease_s=60)
        assert held is not None
        runs.record_snapshot(conn, held, trained=trained, held_out=[])
        runs.finish_run(conn, held, state="passed", message="", now=now, adapter=name)
        rest = {"path": "x", "manifest_hash": "h", "base_model": "base"}
        adapters.add_adapter(conn, name=name, desk_id="support", run_id=run.run_id, now=now, **rest)
        adapters.mark_proven(conn, name, now=now)
        if is_live:
            adapters.promote(conn, name, now=now)


def test_runs_they_asked_for_lose_their_name_and_the_conversation_with_them(store: Store) -> None:
    talk(store)
    rest = {"desk_id": "support", "reason": "retrain", "requested_by": PRIYA}
    with store.write() as conn:
        for place in ("D0PRIYA", PRIYA, "C9"):
            runs.open_run(conn, **rest, announce_channel=place, now=store.now())  # type: ignore[arg-type]  # texts
            held = runs.claim_run(conn, owner="t", now=store.now(), lease_s=60)
            assert held is not None
            runs.finish_run(conn, held, state="failed", message="", now=store.now())
    forget(store, PRIYA)
    with store.read() as conn:
        found = runs.list_runs(conn)
    assert all(is_pseudonym(run.requested_by) for run in found)
    assert sorted(str(run.announce_channel) for run in found) == ["C9", "None", "None"]


def test_adapters_that_learned_are_named_and_replaced_and_never_come_back(store: Store) -> None:
    hers, his = talk(store)
    make_adapter(store, "support-0001", trained=[his], is_live=True)
    make_adapter(store, "support-0002", trained=[hers, his], is_live=True)
    make_adapter(store, "support-0003", trained=[hers], is_live=True)
    make_adapter(store, "support-0004", trained=[hers], is_live=False)
    receipt = forget(store, MAYA)
    assert receipt.adapters == ("support-0002", "support-0003", "support-0004")
    with store.write() as conn:
        run = runs.find_open_run(conn, desk_id="support")
        assert run is not None
        assert (run.reason, receipt.replacements) == ("forget", {"support": run.run_id})
        assert [item.name for item in adapters.list_to_replace(conn)] == ["support-0003"]
        assert adapters.load_adapter(conn, "support-0004").state == "retired"
        for name in ("support-0002", "support-0004"):
            for go_live in (adapters.promote, adapters.request_live):
                with pytest.raises(Conflict, match="learned from someone who was forgotten"):
                    go_live(conn, name, now=store.now())
        back = adapters.roll_back(conn, desk_id="support", now=store.now())
        assert back is not None
        assert back.name == "support-0001"
    assert forget(store, MAYA).adapters == ()


@pytest.mark.parametrize(("channel", "told"), [("C9", "C9"), ("", None)])
def test_replacement_is_told_of_where_the_desk_s_runs_are(
    store: Store, desk: Desk, channel: str, told: str | None
) -> None:
    hers, his = talk(store)
    make_adapter(store, "support-0001", trained=[hers, his], is_live=True)
    with store.write() as conn:
        desks.save_desk(conn, replace(desk, training_channel=channel))
    receipt = forget(store, MAYA)
    with store.read() as conn:
        run = runs.load_run(conn, receipt.replacements["support"])
    assert (run.reason, run.announce_channel) == ("forget", told)
    assert MAYA not in str(run)


def test_too_few_pairs_ask_for_no_run_and_say_so(store: Store) -> None:
    hers, _ = talk(store)
    make_adapter(store, "support-0001", trained=[hers], is_live=True)
    assert forget(store, MAYA, min_pairs=20).replacements == {"support": ""}


@pytest.mark.parametrize(("uses_hers", "begins_anew"), [(True, True), (False, False)])
def test_open_run_that_uses_them_begins_anew(store: Store, uses_hers: bool, begins_anew: bool) -> None:
    hers, his = talk(store)
    with store.write() as conn:
        runs.open_run(conn, desk_id="support", reason="threshold", now=store.now())
        held = runs.claim_run(conn, owner="t", now=store.now(), lease_s=60)
        assert held is not None
        runs.record_snapshot(conn, held, trained=[his], held_out=[hers] if uses_hers else [])
        runs.update_run(conn, held, state="running")
    receipt = forget(store, MAYA)
    assert receipt.begun_anew == ((held.run_id,) if begins_anew else ())
    with store.read() as conn:
        run = runs.load_run(conn, held.run_id)
    assert (run.state, run.fence) == (("queued", held.fence + 1) if begins_anew else ("running", held.fence))


def is_waited_for(store: Store) -> bool:
    """Whether a writer waits for another: on SQLite from its beginning, so that there is nothing to look at."""
    if store.engine.dialect.name == "sqlite":
        return True
    with store.read() as conn:
        return bool(conn.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE NOT granted").scalar_one())


def test_adapter_that_is_being_entered_is_marked_and_its_run_is_not_said_to_begin_anew(store: Store) -> None:
    hers, _ = talk(store)
    with store.write() as conn:
        runs.open_run(conn, desk_id="support", reason="threshold", now=store.now())
        held = runs.claim_run(conn, owner="t", now=store.now(), lease_s=60)
        assert held is not None
        runs.record_snapshot(conn, held, trained=[hers], held_out=[])
        runs.update_run(conn, held, state="evaluating")
    with ThreadPoolExecutor(1) as other:
        with store.write() as conn:
            runs.finish_run(conn, held, state="passed", message="", now=store.now(), adapter="support-0001")
            rest = {"path": "x", "manifest_hash": "h", "base_model": "base", "now": store.now()}
            adapters.add_adapter(conn, name="support-0001", desk_id="support", run_id=held.run_id, **rest)
            forgetting = other.submit(forget, store, MAYA)
            while not (forgetting.done() or is_waited_for(store)):
                pass
        receipt = forgetting.result(30)
    assert (receipt.adapters, receipt.begun_anew) == (("support-0001",), ())
    with store.write() as conn:
        adapters.mark_proven(conn, "support-0001", now=store.now())
        with pytest.raises(Conflict, match="learned from someone who was forgotten"):
            adapters.promote(conn, "support-0001", now=store.now())


def test_forgetting_takes_channels_in_the_order_of_everyone(store: Store) -> None:
    """Desk a has the channel that comes after the other one in that order."""
    low, high = sorted(("C21", "C22"), key=lambda name: hash_channel("T1", name))
    with store.write() as conn:
        for desk_id, name in (("a", high), ("b", low)):
            desks.save_desk(conn, Desk(desk_id, "T1", "Desk", "Be brief.", channels=(name,)))
    with ThreadPoolExecutor(1) as other:
        with store.write() as conn:
            lock_channel(conn, team_id="T1", channel_id=low)
            forgetting = other.submit(forget, store, MAYA, "a", "b")
            while not (forgetting.done() or is_waited_for(store)):
                pass
            lock_channel(conn, team_id="T1", channel_id=high)
        assert forgetting.result(30).desks == ("a", "b")
