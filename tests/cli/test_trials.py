from dataclasses import replace
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.cli.test_commands import add_pair
from thumbtune.core.errors import Conflict, NotFound
from thumbtune.core.prompt import find_question
from thumbtune.core.store import Store, adapters, pairs, runs, trials
from thumbtune.core.store.audits import list_acts
from thumbtune.core.trial import TrialDraft, TrialRole, judge_trial
from thumbtune.core.tripwires import DraftCheck


@pytest.fixture
def run_id(with_desk: Store) -> str:
    """An inconclusive run whose adapter is held."""
    with with_desk.write() as conn:
        runs.open_run(conn, desk_id="support", reason="retrain", now=with_desk.now())
        run = runs.claim_run(conn, owner="t", now=with_desk.now(), lease_s=30)
        assert run is not None
        adapters.add_adapter(
            conn,
            name="support-0001",
            desk_id="support",
            run_id=run.run_id,
            path="/adapters/support-0001",
            manifest_hash="0" * 64,
            base_model="base",
            now=with_desk.now(),
            is_held=True,
        )
        runs.finish_run(conn, run, state="inconclusive", message="", now=with_desk.now(), adapter="support-0001")
    return run.run_id


def write(store: Store, role: TrialRole, **changes: Any) -> TrialDraft:
    said = {
        "text": "Hello [NAME_1]!",
        "checks": DraftCheck(is_empty=False, is_looping=False, is_cut=False, chrf=42.0),
        "failures": (),
        **changes,
    }
    return TrialDraft(
        adapter="support-0001",
        case_key="golden:4",
        role=role,
        model=role,
        prompt_hash="",
        pair_id=None,
        is_cut=False,
        written_at=store.now(),
        **said,
    )


def test_held_adapter_is_put_live_by_an_override_and_not_by_promoting(run_id: str, store: Store, run: Run) -> None:
    with pytest.raises(Conflict, match=f"thumbtune runs override {run_id}"):
        run("adapters", "promote", "support-0001")
    assert "goes live as soon as it is proven" in " ".join(run("runs", "override", run_id).split())
    with store.read() as conn:
        [act] = list_acts(conn, limit=9, action="gate_overridden")
        assert adapters.load_adapter(conn, "support-0001").state == "published"
    assert act.actor.startswith("cli:")
    assert act.subject == run_id


def test_trial_is_shown_side_by_side_with_what_came_of_it(run_id: str, store: Store, run: Run) -> None:
    with pytest.raises(NotFound, match="no trial yet"):
        run("adapters", "trial", "support-0001")
    drafts = [write(store, "base"), write(store, "candidate", text="", failures=("is empty",))]
    with store.write() as conn:
        trials.begin_trial(conn, "support-0001", live=None, now=store.now())
        for draft in drafts:
            trials.put_trial_draft(conn, draft)
    assert "support-0001: running. Drafts are still written." in run("adapters", "trial", "support-0001")
    with store.write() as conn:
        adapters.quarantine(conn, "support-0001", reason="by hand")
    assert "support-0001: running. It ended unfinished." in run("adapters", "trial", "support-0001")
    with store.write() as conn:
        trials.finish_trial(conn, "support-0001", judge_trial(drafts, max_broken=0.2), now=store.now())
    shown = run("adapters", "trial", "support-0001")
    for words in ("golden:4", "Hello [NAME_1]!", "(nothing)", "✗ is empty", "42", "support-0001: vetoed."):
        assert words in shown
    assert "customer" not in shown, "that case is gone"
    found = run("adapters", "trial", "support-0001", "--json")
    assert found["trial"]["state"] == "vetoed"
    assert [draft["role"] for draft in found["drafts"]] == ["base", "candidate"]
    assert run_id


def test_each_case_is_shown_with_what_was_asked_and_what_the_team_wrote(run_id: str, store: Store, run: Run) -> None:
    add_pair(store, 3)
    run("golden", "add", "--title", "Norway", "--question", "Do you ship to Norway?", "--contains", "5 days")
    [case] = run("golden", "list", "--json")
    with store.write() as conn:
        [pair] = pairs.list_pairs(conn, desk_id="support")
        trials.begin_trial(conn, "support-0001", live=None, now=store.now())
        for key in (f"pair:{pair.pair_id}", f"golden:{case['case_id']}"):
            trials.put_trial_draft(conn, replace(write(store, "candidate"), case_key=key))
    shown = run("adapters", "trial", "support-0001")
    assert f"Pair {pair.pair_id}" in shown
    for who, said in (("customer", find_question(pair.turns)), ("team", pair.reply), ("candidate", "Hello [NAME_1]!")):
        assert [who, *said.split()] in [line.split() for line in shown.splitlines()]
    lines = [line.rstrip() for line in shown.splitlines()]
    at = lines.index(f"Golden case {case['case_id']}: Norway")
    assert lines[at + 1 : at + 3] == ["  customer  Do you ship to Norway?", "  candidate Hello [NAME_1]!"]
