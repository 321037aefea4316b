"""Triages of a trial against what agents decided, whose truth is known."""

from datetime import UTC, datetime

import pytest

from thumbtune.core.triage import Triage, dump_triage
from thumbtune.core.trial import TrialDraft, TrialRole, Verdict, judge_trial
from thumbtune.core.tripwires import DraftCheck

NOW = datetime(2026, 3, 2, tzinfo=UTC)
CATEGORIES = ("Delivery", "Returns")
DECIDED = {f"triage:{number}": Triage("Delivery", "high", "Where is it?", "Look it up.") for number in range(20)}


def write(role: TrialRole, *, right: int, junk: int = 0, error: str = "") -> list[TrialDraft]:
    """Let a model sort the first so many threads right, and write junk for the last."""
    drafts = []
    for number, key in enumerate(DECIDED):
        triage = Triage("Delivery" if number < right else "Returns", "high", "Where is it?", "Ask.")
        text = "junk" if number >= len(DECIDED) - junk else dump_triage(triage)
        check = DraftCheck(is_empty=False, is_looping=False, is_cut=False)
        drafts.append(TrialDraft("a-0002", key, role, role, "", None, text, False, check, NOW, error=error))
    return drafts


def judge(*drafts: list[TrialDraft]) -> Verdict:
    every = [draft for some in drafts for draft in some]
    return judge_trial(every, max_broken=0.0, triages=DECIDED, categories=CATEGORIES)


def test_figures_count_what_is_valid_and_right_and_say_how_alike_texts_are() -> None:
    verdict = judge(write("base", right=3, junk=2), write("candidate", right=20))
    base, candidate = verdict.figures["base"], verdict.figures["candidate"]
    assert (base["triages"], base["triages_valid"], base["category_right"], base["priority_right"]) == (20, 18, 3, 18)
    assert (candidate["triages_valid"], candidate["category_right"]) == (20, 20)
    assert candidate["summary_chrf"] == 100
    assert 0 < candidate["suggested_action_chrf"] < 100
    assert verdict.state == "passed"
    assert "drafts" not in base


@pytest.mark.parametrize(("now", "candidate", "state"), [(20, 15, "vetoed"), (20, 16, "passed"), (10, 18, "passed")])
def test_candidate_that_surely_sorts_worse_is_stopped(now: int, candidate: int, state: str) -> None:
    verdict = judge(write("base", right=0), write("live", right=now), write("candidate", right=candidate))
    assert verdict.state == state
    assert ("15 of 20 held-out threads" in verdict.reason) == (state == "vetoed")


def test_candidate_is_compared_with_the_base_where_nothing_is_live_and_junk_is_not_right() -> None:
    assert judge(write("base", right=20), write("candidate", right=20, junk=5)).state == "vetoed"


def test_triage_that_could_not_be_asked_for_counts_for_nothing() -> None:
    verdict = judge(write("base", right=20), write("candidate", right=0, error="too long"))
    assert (verdict.state, set(verdict.figures)) == ("passed", {"base"})


def test_triages_are_no_replies() -> None:
    triages = write("candidate", right=20, error="")
    check = DraftCheck(is_empty=True, is_looping=False, is_cut=False)
    broken = [TrialDraft("a", draft.case_key, "candidate", "c", "", None, "", False, check, NOW) for draft in triages]
    assert judge(broken).state == "passed"
    assert judge_trial(broken, max_broken=0.0) == Verdict("passed", "", {})
