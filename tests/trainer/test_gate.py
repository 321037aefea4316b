"""The gate's decisions on made-up likelihoods whose truth is known."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from thumbtune.trainer.gate import PromptScore, ReplyScore, compare_models, compute_sign_p, decide


def make_scores(
    seed: int, *, threads: int = 40, gain: float = 0.0, live_gain: float | None = None, spread: float = 0.1
) -> list[ReplyScore]:
    """Replies whose candidate is `gain` nats per token better than the base, with effects shared within a thread."""
    dice = np.random.default_rng(seed)
    scores = []
    for thread in range(threads):
        shared = dice.standard_t(5, size=2) * spread
        for _ in range(dice.integers(1, 9)):
            tokens = int(dice.integers(4, 60))
            base = float(dice.normal(2.5, 0.4))
            noise = dice.normal(0, spread, size=2)
            candidate = base - gain + shared[0] + noise[0]
            live = None if live_gain is None else (base - live_gain + shared[1] + noise[1]) * tokens
            scores.append(ReplyScore(f"t{thread}", tokens, base * tokens, candidate * tokens, live))
    return scores


def judge(scores: list[ReplyScore], **changes: Any) -> Any:  # Any: keyword arguments of several types
    return decide(scores, **{"min_threads": 20, "margin": 0.01, **changes})


def test_clearly_better_candidate_passes_and_says_why() -> None:
    result = judge(make_scores(1, gain=0.5))
    assert result.decision == "passed"
    assert "40 conversations" in result.reason
    assert "better" in result.reason
    assert result.versus_base.low < -0.4 < result.versus_base.high + 0.2
    assert result.nll_candidate < result.nll_base
    assert result.to_json()["versus_base"]["difference"] == pytest.approx(result.nll_candidate - result.nll_base)


def test_candidate_that_learned_shuffled_replies_is_rejected() -> None:
    dice = np.random.default_rng(5)
    scores = make_scores(2, gain=0.0)
    shuffled = [replace(score, candidate=score.base + float(dice.gamma(4, 0.2)) * score.tokens) for score in scores]
    result = judge(shuffled)
    assert result.decision == "rejected"
    assert "worse" in result.reason


def test_equal_models_pass_in_at_most_five_of_a_hundred() -> None:
    passed = sum(judge(make_scores(seed, threads=20)).decision == "passed" for seed in range(200))
    assert passed <= 10
    passed = sum(
        judge(make_scores(seed, threads=25, gain=0.4, live_gain=0.4)).decision == "passed" for seed in range(200, 400)
    )
    assert passed <= 10


def test_seeded_regressions_never_replace_what_is_live() -> None:
    decisions = [judge(make_scores(seed, gain=0.3, live_gain=0.4)).decision for seed in range(50)]
    assert "passed" not in decisions
    assert decisions.count("rejected") >= 35


def test_too_few_conversations_leave_it_open_and_say_how_many_are_missing() -> None:
    result = judge(make_scores(3, threads=13, gain=2.0))
    assert result.decision == "inconclusive"
    assert "Only 13 conversations" in result.reason
    assert "7 more" in result.reason
    assert judge([]).decision == "inconclusive"


def test_many_replies_of_few_conversations_are_not_taken_for_many() -> None:
    scores = make_scores(4, threads=3, gain=0.1, spread=0.3) * 50
    wide = compare_models([(s.thread_id, s.tokens, s.candidate - s.base) for s in scores], seed=0)
    alone = compare_models([(str(n), s.tokens, s.candidate - s.base) for n, s in enumerate(scores)], seed=0)
    assert wide.high - wide.low > 4 * (alone.high - alone.low)


def test_same_adapter_again_keeps_what_is_live() -> None:
    scores = [replace(score, live=score.candidate) for score in make_scores(6, gain=0.5)]
    result = judge(scores)
    assert result.decision == "inconclusive"
    assert "exactly like" in result.reason


def test_as_good_as_live_is_enough_only_when_it_forgets_what_was_withdrawn() -> None:
    scores = [replace(score, live=score.candidate - 0.001 * score.tokens) for score in make_scores(7, gain=0.5)]
    assert judge(scores).decision == "rejected"
    assert judge(scores, forgets=True).decision == "passed"
    assert judge(scores, forgets=True, margin=0.0005).decision == "rejected"


def test_whatever_is_better_than_the_base_replaces_an_adapter_that_must_not_stay() -> None:
    worse_than_live = make_scores(11, gain=0.3, live_gain=0.7)
    assert judge(worse_than_live, forgets=True).decision == "rejected"
    result = judge(worse_than_live, forgets=True, margin=math.inf)
    assert result.decision == "passed"
    assert "must not stay" in result.reason
    assert judge(make_scores(12, gain=0.0, live_gain=0.7), forgets=True, margin=math.inf).decision != "passed"


def test_better_than_base_but_not_than_live_is_not_enough() -> None:
    assert judge(make_scores(8, gain=0.5, live_gain=0.5)).decision == "inconclusive"
    assert judge(make_scores(9, gain=0.7, live_gain=0.3)).decision == "passed"


def test_result_that_is_no_number_is_rejected() -> None:
    scores = make_scores(10, gain=0.5)
    assert judge([replace(scores[0], candidate=float("nan")), *scores[1:]]).decision == "rejected"


def test_same_scores_give_the_same_result() -> None:
    assert judge(make_scores(11, gain=0.2)) == judge(make_scores(11, gain=0.2))


def test_detectable_difference_is_found_about_four_times_in_five() -> None:
    detectable = judge(make_scores(12)).versus_base.detectable
    found = sum(judge(make_scores(seed, gain=detectable)).decision == "passed" for seed in range(100))
    assert 60 <= found <= 95


def test_truly_better_candidates_pass_in_at_least_nineteen_of_twenty() -> None:
    """A gain of 5 % of the base's NLL over 40 conversations, less than any run on the demo's data brought."""
    passed = sum(judge(make_scores(seed, gain=0.12)).decision == "passed" for seed in range(100))
    assert passed >= 95
    versus_live = [judge(make_scores(seed, gain=0.5, live_gain=0.3)).decision for seed in range(100, 160)]
    assert versus_live.count("passed") >= 57


def test_replies_are_counted_as_wins_and_tested_by_conversation() -> None:
    rows = [("a", 10, -1.0), ("a", 10, -2.0), ("b", 10, -1.0), ("c", 10, 0.5), ("d", 10, 0.001), ("e", 10, -1.0)]
    found = compare_models(rows, seed=0)
    assert (found.wins, found.ties, found.losses) == (4, 1, 1)
    assert found.sign_p == pytest.approx(2 * (1 + 4) / 16)
    assert judge(make_scores(1, gain=0.5)).to_json()["versus_base"]["wins"] > 100


def test_sign_test_is_exact() -> None:
    assert compute_sign_p(0, 0) == 1.0
    assert compute_sign_p(5, 5) == 1.0
    assert compute_sign_p(0, 6) == pytest.approx(0.03125)
    assert compute_sign_p(15, 5) == pytest.approx(0.04138947, abs=1e-7)  # as scipy.stats.binomtest gives it
    assert compute_sign_p(400, 100) < 1e-40


def make_prompt_scores(spared: float, *, threads: int = 60, seed: int = 3) -> list[PromptScore]:
    """Return replies that cost so much more after another conversation's prompt, in nats per token, with much noise."""
    dice = np.random.default_rng(seed)
    return [
        PromptScore(f"t{number}", 20, own=40.0, other=40.0 + 20 * float(dice.normal(spared, 0.8)))
        for number in range(threads)
    ]


@pytest.mark.parametrize(
    ("spared", "threads", "decision"),
    [(0.7, 60, "passed"), (1.0, 20, "passed"), (0.0, 60, "rejected"), (0.0, 19, "passed")],
)
def test_replies_must_follow_from_what_was_asked(spared: float, threads: int, decision: str) -> None:
    result = decide(
        make_scores(4, gain=0.5), min_threads=15, margin=0.02, prompts=make_prompt_scores(spared, threads=threads)
    )
    assert result.decision == decision, result
    assert ("as likely after another customer's question" in result.reason) == (decision == "rejected")
    assert not result.may_be_overridden


def test_mixed_up_replies_are_found_in_nearly_all_cases() -> None:
    scores = make_scores(4, gain=0.5)
    missed = sum(
        decide(scores, min_threads=15, margin=0.02, prompts=make_prompt_scores(0.0, seed=seed)).decision != "rejected"
        for seed in range(50)
    )
    assert missed == 0


def test_outlier_in_the_weights_is_rejected_whatever_the_likelihoods() -> None:
    result = judge(make_scores(1, gain=0.5), outlier="It changes a 15 times as much.")
    assert result.decision == "rejected"
    assert result.reason.endswith("It changes a 15 times as much.")
    assert judge(make_scores(1, threads=3), outlier="It changes a.").decision == "rejected"
    assert not result.may_be_overridden


def test_lead_may_override_what_could_not_be_decided_and_nothing_else() -> None:
    assert judge(make_scores(3, threads=13)).may_be_overridden
    assert not judge(make_scores(1, gain=0.5)).may_be_overridden
    same = [replace(score, live=score.candidate) for score in make_scores(6, gain=0.5)]
    assert not judge(same).may_be_overridden
