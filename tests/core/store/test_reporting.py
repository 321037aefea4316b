"""A run's report as it is gathered from the rows."""

from datetime import timedelta

import pytest

from tests.core.store.test_trials import SOUND, publish
from thumbtune.core.errors import NotFound
from thumbtune.core.golden import CaseContent, Expectations
from thumbtune.core.prompt import Turn
from thumbtune.core.store import Store, golden, pairs, runs, trials
from thumbtune.core.store.courses import load_course, record_course
from thumbtune.core.store.outbox import add_post
from thumbtune.core.store.reporting import SHOWN, list_unreported_runs, load_report, name_report
from thumbtune.core.trial import TrialDraft, TrialRole, Verdict

pytestmark = pytest.mark.usefixtures("desk")

ROLES: tuple[TrialRole, ...] = ("base", "candidate")


def write_drafts(store: Store, case_keys: list[tuple[str, int | None]]) -> None:
    with store.write() as conn:
        trials.begin_trial(conn, "support-0001", live=None, now=store.now())
        for key, pair_id in case_keys:
            for role in ROLES:
                draft = TrialDraft(
                    "support-0001", key, role, role, key, pair_id, f"{role} {key}", False, SOUND, store.now()
                )
                trials.put_trial_draft(conn, draft)
        trials.finish_trial(conn, "support-0001", Verdict("passed", "", {"base": {"drafts": 1}}), now=store.now())


def test_report_gathers_course_trial_and_drafts(store: Store) -> None:
    run_id, ids = publish(store, threads=6, replies=2)
    with store.write() as conn:
        content = CaseContent(
            title="Refunds",
            turns=(Turn("customer", "A refund?"),),
            expectations=Expectations(contains_all=("14 days",)),
        )
        case = golden.add_case(conn, desk_id="support", content=content, added_by="U9", now=store.now())
        runs_run = runs.load_run(conn, run_id)
        conn.execute(
            runs.runs.update().where(runs.runs.c.run_id == run_id).values(adapter="support-0001", gpu_s=1800.0)
        )
        record_course(conn, runs_run.run_id, dropped={"same as another": 2}, losses=[[1, 2.0]])
        record_course(conn, runs_run.run_id, skipped={"too long": 1}, looks=[[1, 1.5]], best_step=1, rank=16)
        grounding = {"base": {"replies": 9, "with_passages": 1.5, "without_passages": 2.5}}
        record_course(conn, runs_run.run_id, grounding=grounding)
    write_drafts(store, [*((f"pair:{pair_id}", pair_id) for pair_id in ids), (f"golden:{case.case_id}", None)])
    with store.read() as conn:
        report = load_report(conn, run_id, gpu_price_per_hour=4.0)
    assert report.desk_name == "Support"
    assert report.price == 2.0
    assert report.course.losses == ((1, 2.0),)
    assert report.course.looks == ((1, 1.5),)
    assert report.course.dropped == {"same as another": 2, "too long": 1}
    assert report.course.facts == {"rank": 16}
    assert report.course.grounding == grounding
    assert len(report.side_by_side) == SHOWN
    assert report.side_by_side[0].title == f"Golden case {case.case_id}: Refunds"
    assert report.side_by_side[1].question == "Where is it?"
    assert report.side_by_side[1].approved == "On its way."
    assert set(report.side_by_side[1].drafts) == {"base", "candidate"}
    assert report.trial is not None
    assert report.trial.state == "passed"


def test_what_was_erased_since_is_not_in_a_report(store: Store) -> None:
    run_id, ids = publish(store)
    with store.write() as conn:
        conn.execute(runs.runs.update().where(runs.runs.c.run_id == run_id).values(adapter="support-0001"))
    write_drafts(store, [(f"pair:{pair_id}", pair_id) for pair_id in ids])
    with store.write() as conn:
        pairs.erase_pairs(conn, ids[:1], reason="forgotten", now=store.now())
    with store.read() as conn:
        report = load_report(conn, run_id, gpu_price_per_hour=0.0)
    assert [item.title for item in report.side_by_side] == [f"Pair {pair_id}" for pair_id in ids[1:]]


def test_report_of_a_run_that_is_not_there(store: Store) -> None:
    with store.read() as conn, pytest.raises(NotFound, match="no run 'run-x'"):
        load_report(conn, "run-x", gpu_price_per_hour=0.0)
    with store.read() as conn:
        assert load_course(conn, "run-x") == {}


def test_runs_are_reported_once_and_when_their_result_was_told(store: Store) -> None:
    run_id, _ = publish(store)
    with store.write() as conn:
        assert list_unreported_runs(conn, since=store.now(), trials_since=store.now()) == []
        conn.execute(runs.runs.update().where(runs.runs.c.run_id == run_id).values(announce_channel="C1"))
        runs.mark_announced(conn, run_id, announced="closed")
        assert [run.run_id for run in list_unreported_runs(conn, since=store.now(), trials_since=store.now())] == [
            run_id
        ]
        conn.execute(runs.runs.update().values(adapter="support-0001"))  # which is on trial
        assert list_unreported_runs(conn, since=store.now(), trials_since=store.now()) == []
        later = store.now() + timedelta(seconds=1)
        assert [run.run_id for run in list_unreported_runs(conn, since=store.now(), trials_since=later)] == [run_id]
        report = {"dedupe_key": name_report(run_id), "method": "upload", "channel_id": "C1", "payload": {}}
        add_post(conn, store.sealer, now=store.now(), **report)  # type: ignore[arg-type]
        assert list_unreported_runs(conn, since=store.now(), trials_since=later) == []
