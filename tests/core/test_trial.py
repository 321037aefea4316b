"""Verdicts over drafts whose truth is known."""

from datetime import UTC, datetime
from typing import Any

from thumbtune.core.trial import TrialDraft, TrialRole, judge_trial
from thumbtune.core.tripwires import DraftCheck, describe_style

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def write(role: TrialRole, case: str, *, failures: tuple[str, ...] = (), error: str = "", **found: Any) -> TrialDraft:
    checks = DraftCheck(**{"is_empty": False, "is_looping": False, "is_cut": False, **found})
    return TrialDraft(
        adapter="support-0002",
        case_key=case,
        role=role,
        model=role,
        prompt_hash="",
        pair_id=None,
        text="Hello! It is on its way.",
        is_cut=checks.is_cut,
        checks=checks,
        written_at=NOW,
        failures=failures,
        error=error,
    )


def write_all(role: TrialRole, *, broken: int = 0, kind: str = "is_cut", count: int = 10) -> list[TrialDraft]:
    return [write(role, f"pair:{number}", **{kind: number < broken}) for number in range(count)]


def judge(drafts: list[TrialDraft]) -> tuple[str, str]:
    verdict = judge_trial(drafts, max_broken=0.2)
    return verdict.state, verdict.reason


def test_sound_drafts_pass_and_an_empty_trial_too() -> None:
    assert judge([*write_all("base"), *write_all("candidate")]) == ("passed", "")
    assert judge([]) == ("passed", "")


def test_golden_case_that_what_is_live_passes_is_a_veto() -> None:
    failed = write("candidate", "golden:7", failures=("contains “never”",))
    assert judge([write("live", "golden:7"), failed]) == (
        "vetoed",
        "Its drafts fail 1 golden case (7), which what answers now or the base passes.",
    )
    assert judge([write("base", "golden:7"), failed])[0] == "vetoed"


def test_golden_case_that_the_live_adapter_lost_is_a_veto_while_the_base_passes_it() -> None:
    failed = [write("live", "golden:7", failures=("is empty",)), write("candidate", "golden:7", failures=("is empty",))]
    assert judge([write("base", "golden:7"), *failed])[0] == "vetoed"


def test_golden_case_that_no_model_passes_is_no_veto_and_is_named() -> None:
    roles: tuple[TrialRole, ...] = ("base", "live", "candidate")
    failed = [write(role, "golden:7", failures=("is empty",)) for role in roles]
    assert judge([*failed, *(write(role, "golden:8") for role in roles)]) == (
        "passed",
        "Its drafts still fail 1 golden case (7); that stops nothing, as no other model passes.",
    )


def test_more_broken_drafts_than_the_bound_are_a_veto() -> None:
    assert judge([*write_all("base"), *write_all("candidate", broken=2)])[0] == "passed"
    state, reason = judge([*write_all("base"), *write_all("candidate", broken=3, kind="is_looping")])
    assert (state, reason) == ("vetoed", "3 of its 10 drafts cannot be sent: 3 stuck in a loop.")


def test_as_many_broken_drafts_as_what_answers_now_writes_are_none_but_not_over_half() -> None:
    assert judge([*write_all("base", broken=3), *write_all("candidate", broken=3)])[0] == "passed"
    assert judge([*write_all("live", broken=2), *write_all("base", broken=9), *write_all("candidate", broken=3)])[
        0
    ] == ("vetoed")
    assert judge([*write_all("base", broken=10), *write_all("candidate", broken=6)])[0] == "vetoed"


def test_one_leak_is_a_veto_that_does_not_say_what_leaked() -> None:
    state, reason = judge([*write_all("candidate"), write("candidate", "pair:11", leaks=("EMAIL",))])
    assert state == "vetoed"
    assert "1 draft of it held personal data" in reason
    assert "(email)" in reason
    assert judge([write("base", "pair:1", leaks=("EMAIL",)), *write_all("candidate")])[0] == "passed"


def test_case_that_could_not_be_asked_counts_for_nothing() -> None:
    drafts = [
        *write_all("candidate"),
        *(write("candidate", f"pair:{n}", error="too long", is_empty=True) for n in (11, 12)),
    ]
    assert judge(drafts)[0] == "passed"
    assert judge_trial(drafts, max_broken=0.0).figures["candidate"]["drafts"] == 10


def test_figures_hold_what_each_model_came_to() -> None:
    style = describe_style(["Hello! It is on its way.", "Hello! It is sold out.", "Hello! It comes on Monday."])
    first = write("candidate", "pair:1", chrf=40.0, length_ratio=1.0, facts_wanted=2, facts_right=1, facts_made_up=1)
    second = write("candidate", "pair:2", chrf=60.0, length_ratio=3.0)
    golden = write("candidate", "golden:1", failures=("is empty",))
    figures = judge_trial([first, second, golden, *write_all("base", count=2)], max_broken=0.2, style=style).figures
    assert set(figures) == {"base", "candidate"}
    found = figures["candidate"]
    assert (found["drafts"], found["chrf"], found["length_ratio"]) == (3, 50.0, 2.0)
    assert (found["facts_wanted"], found["facts_right"], found["facts_made_up"]) == (2, 1, 1)
    assert (found["golden"], found["golden_failed"]) == (1, 1)
    assert found["style_distance"] < 0.5
