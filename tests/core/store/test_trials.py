"""Trials in the store: which pairs, whose drafts, and that texts go with their pairs."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.conftest import Clock
from thumbtune.core.golden import CaseContent, Expectations
from thumbtune.core.prompt import Turn
from thumbtune.core.store import Store, adapters, golden, pairs, runs, trials
from thumbtune.core.store.reporting import load_report
from thumbtune.core.store.retention import BATCH, expire_texts
from thumbtune.core.trial import TrialDraft, Verdict
from thumbtune.core.tripwires import DraftCheck

pytestmark = pytest.mark.usefixtures("desk")

SOUND = DraftCheck(is_empty=False, is_looping=False, is_cut=False, leaks=("EMAIL",))


def publish(store: Store, *, threads: int = 3, replies: int = 2) -> tuple[str, list[int]]:
    """Publish an adapter whose run was judged by two replies in each of three threads."""
    with store.write() as conn:
        for thread in range(threads):
            for number in range(replies):
                pairs.put_pair(
                    conn,
                    desk_id="support",
                    team_id="T1",
                    channel_id="C1",
                    thread_ts=f"{1000 + thread}.000000",
                    reply_ts=f"{1000 + thread}.00000{number + 1}",
                    revision="",
                    turns=[Turn("customer", "Where is it?")],
                    reply="On its way.",
                    passages=(),
                    source="human",
                    approved_by="U2",
                    now=store.now(),
                )
        runs.open_run(conn, desk_id="support", reason="retrain", now=store.now())
        run = runs.claim_run(conn, owner="t", now=store.now(), lease_s=30)
        assert run is not None
        ids = sorted(pair.pair_id for pair in pairs.list_pairs(conn, desk_id="support", limit=100))
        scores = [{"pair_id": str(pair_id), "tokens": 3, "nll": {"base": 3.0, "candidate": 1.0}} for pair_id in ids]
        for _ in range(2):  # as when a run is carried out twice
            trials.record_scores(conn, run.run_id, scores)
        runs.finish_run(conn, run, state="passed", message="", now=store.now())
        name = f"support-{len(adapters.list_adapters(conn)) + 1:04d}"
        adapters.add_adapter(
            conn,
            name=name,
            desk_id="support",
            run_id=run.run_id,
            path=f"/adapters/{name}",
            manifest_hash="0" * 64,
            base_model="base",
            now=store.now(),
        )
    return run.run_id, ids if name else []


def make_draft(store: Store, pair_id: int | None = 1, **changes: object) -> TrialDraft:
    draft = TrialDraft(
        adapter="support-0001",
        case_key=f"pair:{pair_id}",
        role="base",
        model="base:abc",
        prompt_hash="p" * 64,
        pair_id=pair_id,
        text="Hello [NAME_1]!",
        is_cut=False,
        checks=SOUND,
        written_at=store.now(),
        failures=("contains “no”",),
    )
    return replace(draft, **changes)  # type: ignore[arg-type]


def test_trial_takes_pairs_of_as_many_threads_as_there_are_and_the_same_again(store: Store) -> None:
    run_id, ids = publish(store)
    with store.write() as conn:
        three = trials.list_trial_pairs(conn, run_id, limit=3)
        assert len({pair.thread_ts for pair in three}) == 3
        assert trials.list_trial_pairs(conn, run_id, limit=3) == three
        assert [pair.pair_id for pair in trials.list_trial_pairs(conn, run_id, limit=100)] == ids
        pairs.set_pair_state(conn, three[0].pair_id, state="withdrawn", reason="", now=store.now())
        assert three[0].pair_id not in {pair.pair_id for pair in trials.list_trial_pairs(conn, run_id, limit=100)}


def test_drafts_are_kept_once_and_found_again_for_the_same_model_and_prompt(store: Store) -> None:
    publish(store)
    first = make_draft(store)
    with store.write() as conn:
        trials.begin_trial(conn, "support-0001", live=None, now=store.now())
        trials.put_trial_draft(conn, first)
        trials.put_trial_draft(conn, replace(first, text="another server's"))
        assert trials.list_trial_drafts(conn, "support-0001") == [first]
        assert trials.find_same_draft(conn, model="base:abc", prompt_hash="p" * 64) == first
        assert trials.find_same_draft(conn, model="base:abd", prompt_hash="p" * 64) is None
        assert trials.find_same_draft(conn, model="base:abc", prompt_hash="q" * 64) is None
        assert trials.list_roles([first]) == {"pair:1": {"base": first}}


def test_verdict_is_given_once_and_lets_an_adapter_go_live(store: Store) -> None:
    publish(store)
    with store.write() as conn:
        assert not trials.may_go_live(conn, "support-0001")
        trials.begin_trial(conn, "support-0001", live=None, now=store.now())
        assert not trials.may_go_live(conn, "support-0001")
        trials.finish_trial(conn, "support-0001", Verdict("passed", "", {"base": {"drafts": 3}}), now=store.now())
        trials.finish_trial(conn, "support-0001", Verdict("vetoed", "too late"), now=store.now())
        assert trials.may_go_live(conn, "support-0001")
        trial = trials.begin_trial(conn, "support-0001", live="other", now=store.now())
    assert (trial.state, trial.reason, trial.live) == ("passed", "", None)
    assert trial.figures == {"base": {"drafts": 3}}


def test_drafts_of_a_live_adapter_that_is_replaced_during_the_trial_are_dropped(store: Store) -> None:
    publish(store)
    with store.write() as conn:
        trials.begin_trial(conn, "support-0001", live="older", now=store.now())
        for role, model in (("base", "base:abc"), ("live", "older")):
            trials.put_trial_draft(conn, make_draft(store, role=role, model=model))
        trials.begin_trial(conn, "support-0001", live="newer", now=store.now())
        assert [draft.role for draft in trials.list_trial_drafts(conn, "support-0001")] == ["base"]
        trial = trials.load_trial(conn, "support-0001")
    assert trial is not None
    assert trial.live == "newer"


def test_drafts_go_with_the_texts_of_their_pair(store: Store, clock: Clock) -> None:
    publish(store)
    with store.write() as conn:
        for pair_id in (1, 2, None):
            trials.put_trial_draft(conn, make_draft(store, pair_id, case_key=f"case:{pair_id}"))
        pairs.erase_pairs(conn, [1], reason=pairs.FORGOTTEN, now=store.now())
        assert [draft.pair_id for draft in trials.list_trial_drafts(conn, "support-0001")] == [2, None]
    clock.advance(seconds=timedelta(days=31).total_seconds())
    expire_texts(store, message_days=30, pair_days=0, shows_sign=False, actor="trainer")
    with store.read() as conn:
        assert trials.list_trial_drafts(conn, "support-0001") == []


def list_keys(store: Store) -> list[str]:
    with store.read() as conn:
        return [draft.case_key for draft in trials.list_trial_drafts(conn, "support-0001")]


@pytest.mark.parametrize("deleted", ["question", "reply"])
def test_drafts_go_with_a_deleted_message_that_they_may_repeat(store: Store, deleted: str) -> None:
    """So do those for the golden case that was made of it."""
    run_id, ids = publish(store, replies=1)
    with store.write() as conn:
        turns = (Turn("customer", "Where is it?"),)
        content = CaseContent(title="Mine", turns=turns, expectations=Expectations(max_chars=500))
        case = golden.add_case(conn, content, desk_id="support", added_by="U9", now=store.now(), pair_id=ids[0])
        for key, pair_id in (*((f"pair:{number}", number) for number in ids), (f"golden:{case.case_id}", ids[0])):
            trials.put_trial_draft(conn, make_draft(store, pair_id, case_key=key, text="You asked: where is it?"))
        conn.execute(runs.runs.update().where(runs.runs.c.run_id == run_id).values(adapter="support-0001"))
        place = {"team_id": "T1", "channel_id": "C1", "thread_ts": "1000.000000"}
        deleted_ts = {"question": "1000.000000", "reply": "1000.000001"}[deleted]
        pairs.erase_texts(conn, deleted_ts=deleted_ts, now=store.now(), **place)
    assert list_keys(store) == [f"pair:{number}" for number in ids[1:]]
    with store.read() as conn:
        report = load_report(conn, run_id, gpu_price_per_hour=0.0)
    assert [item.title for item in report.side_by_side] == [f"Pair {number}" for number in ids[1:]]


def test_drafts_written_for_texts_that_were_erased_meanwhile_go_in_batches_where_nothing_expires(store: Store) -> None:
    _, ids = publish(store, threads=3, replies=1)
    with store.write() as conn:
        place = {"team_id": "T1", "channel_id": "C1"}
        pairs.erase_texts(conn, thread_ts="1000.000000", deleted_ts="1000.000001", now=store.now(), **place)
        pairs.erase_texts(conn, thread_ts="1001.000000", deleted_ts="1001.000000", now=store.now(), **place)
        for number in range(BATCH + 1):
            trials.put_trial_draft(conn, make_draft(store, ids[0], case_key=f"golden:{number}"))
        for pair_id in ids[1:]:
            trials.put_trial_draft(conn, make_draft(store, pair_id))
    counts = expire_texts(store, message_days=0, pair_days=0, shows_sign=False, actor="trainer")
    assert counts == {"trial_drafts": BATCH + 2}
    assert list_keys(store) == [f"pair:{ids[2]}"]
