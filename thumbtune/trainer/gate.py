"""Decides whether a candidate may go live: a paired comparison on replies that no model has trained on.

It does not know models or runs: it is given likelihoods and returns a decision with its reason. The likelihoods of
replies of one conversation hang together, so whole conversations are drawn again and again (a clustered bootstrap),
and each draw compares the models on the same replies.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Decision = Literal["passed", "rejected", "inconclusive"]

RESAMPLES = 10_000
_SURE = 0.95
_DETECTABLE = 2.8
"""Standard errors of a difference that is found 4 times in 5 when tested at 5 %."""
_SURER = 1.7
"""How much wider an interval is that holds in 999 of 1,000 cases than one that holds in 95 of 100."""
_MIN_MIXED_UP_THREADS = 20
"""Conversations below which nothing is said on whether replies follow from them."""
_MIXED_UP = (
    "The base model finds the replies that this run learned from as likely after another customer's question as after their own, "
    "so they seem to be mixed up. Were replies approved in the wrong threads, or imported with their columns mixed up? If your "
    "team's replies really do not depend on what was asked, THUMBTUNE_GATE_MIXED_UP=false lets them pass."
)
_TIE_NATS = 1e-3
"""Difference per token below which nobody won a reply: bf16 alone moves it that far."""


@dataclass(frozen=True)
class ReplyScore:
    """One held-out reply: its tokens, and its summed negative log likelihood in nats under each model."""

    thread_id: str
    tokens: int
    base: float
    candidate: float
    live: float | None = None


@dataclass(frozen=True)
class PromptScore:
    """One reply that was learned from: its summed negative log likelihood under the base after its own prompt and another's."""

    thread_id: str
    tokens: int
    own: float
    other: float


@dataclass(frozen=True)
class Comparison:
    """Candidate minus other in nats per token, with a 95 % interval; below 0 the candidate is better."""

    difference: float
    low: float
    high: float
    detectable: float
    """Smallest true difference that this many conversations would have found 4 times in 5."""
    wins: int = 0
    """Replies that the candidate fits better; those within a thousandth of a nat per token are ties."""
    ties: int = 0
    losses: int = 0
    sign_p: float = 1.0
    """Exact two-sided sign test over conversations: how often chance alone favours one side as much."""


@dataclass(frozen=True)
class GateResult:
    """The decision, its reason in words a team lead understands, and the figures behind it."""

    decision: Decision
    reason: str
    threads: int
    pairs: int
    nll_base: float | None
    nll_live: float | None
    nll_candidate: float | None
    versus_base: Comparison | None = None
    versus_live: Comparison | None = None
    own_prompts: Comparison | None = None
    """Replies that were learned from, after their own prompt minus another's, under the base; below 0 they follow from it."""

    @property
    def may_be_overridden(self) -> bool:
        """Whether a lead may put the candidate live all the same: it is not surely worse, and not the live one again."""
        is_same = self.versus_live is not None and self.versus_live.detectable == 0
        return self.decision == "inconclusive" and not is_same

    def to_json(self) -> dict[str, Any]:  # Any: JSON
        """Return the result for the run's row and the manifest."""
        return asdict(self)


def decide(
    scores: Sequence[ReplyScore],
    *,
    min_threads: int,
    margin: float,
    forgets: bool = False,
    seed: int = 0,
    outlier: str = "",
    prompts: Sequence[PromptScore] = (),
) -> GateResult:
    """Compare a candidate with the base and, if there is one, with what is live.

    It passes when it is surely better than both. When it `forgets` pairs that were withdrawn since the live one was
    trained, being at most `margin` nats per token worse than live is enough, because what is live must not stay; an
    infinite margin asks only that it is surely better than the base. It is rejected when it is surely worse than either;
    otherwise what is live stays. An `outlier` in its weights, in words, rejects it whatever its likelihoods, and so do
    `prompts` that show that what it learned from was mixed up: the base finds those replies as likely after another
    conversation's prompt as after their own. How the team sounds can be learned from such pairs, so likelihood alone would
    let it pass.
    """
    threads = len({score.thread_id for score in scores})
    figures: dict[str, Any] = {"threads": threads, "pairs": len(scores), **_mean_losses(scores)}
    if outlier:
        return GateResult("rejected", f"The new adapter is not as training makes them. {outlier}", **figures)
    if threads < min_threads:
        missing = min_threads - threads
        reason = (
            f"Only {threads} conversations are held out for judging; {missing} more are needed before an adapter may "
            "go live by itself. About one conversation in ten is held out, so keep approving replies."
        )
        return GateResult("inconclusive", reason, **figures)
    if not all(math.isfinite(score.base + score.candidate + (score.live or 0.0)) for score in scores):
        return GateResult("rejected", "The new adapter gave results that are not numbers.", **figures)
    if len({score.thread_id for score in prompts}) >= _MIN_MIXED_UP_THREADS:
        own = compare_models([(score.thread_id, score.tokens, score.own - score.other) for score in prompts], seed=seed)
        figures["own_prompts"] = own
        if own.difference + _SURER * (own.high - own.difference) >= 0:
            return GateResult("rejected", _MIXED_UP, **figures)
    versus_base = compare_models([(s.thread_id, s.tokens, s.candidate - s.base) for s in scores], seed=seed)
    has_live = all(score.live is not None for score in scores)
    versus_live = (
        compare_models([(s.thread_id, s.tokens, s.candidate - (s.live or 0.0)) for s in scores], seed=seed)
        if has_live
        else None
    )
    decision, reason = _judge(versus_base, versus_live, threads=threads, margin=margin, forgets=forgets)
    return GateResult(decision, reason, **figures, versus_base=versus_base, versus_live=versus_live)


def compare_models(differences: Sequence[tuple[str, int, float]], *, seed: int) -> Comparison:
    """Return the mean difference per token of (thread, tokens, summed difference) rows, with its 95 % interval.

    The interval is a bootstrap over threads, widened as a t interval is for few of them. Wins are counted by reply and
    tested by thread, because the replies of one thread are no independent witnesses.
    """
    places = {thread: number for number, thread in enumerate(dict.fromkeys(row[0] for row in differences))}
    totals = np.zeros((len(places), 2))  # (thread, [difference, tokens]) float64
    for thread, tokens, difference in differences:
        totals[places[thread]] += (difference, tokens)
    mean = float(totals[:, 0].sum() / totals[:, 1].sum())
    drawn = _draw_means(totals, seed=seed)
    tail = (1 - _SURE) / 2
    low, high = (float(bound) for bound in np.quantile(drawn, [tail, 1 - tail]))
    widening = _widen(len(places))
    low, high = mean + (low - mean) * widening, mean + (high - mean) * widening
    replies = [_find_winner(difference, tokens) for _, tokens, difference in differences]
    by_thread = [_find_winner(difference, tokens) for difference, tokens in totals.tolist()]
    return Comparison(
        mean,
        low,
        high,
        detectable=float(_DETECTABLE * drawn.std() * widening),
        wins=replies.count(1),
        ties=replies.count(0),
        losses=replies.count(-1),
        sign_p=compute_sign_p(by_thread.count(1), by_thread.count(-1)),
    )


def compute_sign_p(wins: int, losses: int) -> float:
    """Return the p-value of an exact two-sided sign test; ties are left out."""
    decided = wins + losses
    tail = sum(math.comb(decided, count) for count in range(min(wins, losses) + 1))
    return min(1.0, float(2 * tail / 2**decided))


def _find_winner(difference: float, tokens: float) -> int:
    """Return 1 when the candidate fits better, -1 when it fits worse, 0 for a tie."""
    return 0 if abs(difference) < _TIE_NATS * tokens else 1 if difference < 0 else -1


def _draw_means(totals: NDArray[np.float64], *, seed: int) -> NDArray[np.float64]:
    dice = np.random.default_rng(seed)
    threads = len(totals)
    drawn = np.empty(RESAMPLES)  # (resample) float64
    for start in range(0, RESAMPLES, 1000):
        counts = dice.multinomial(threads, np.full(threads, 1 / threads), size=1000)  # (resample, thread) int64
        sums = counts @ totals  # (resample, [difference, tokens]) float64
        drawn[start : start + 1000] = sums[:, 0] / sums[:, 1]
    return drawn


def _widen(threads: int) -> float:
    """Return how much wider a t interval of so many threads is than a bootstrap's, which takes the normal's width.

    The 97.5 % point of t with v degrees of freedom is about 1.96 + 2.4 / v; a bootstrap's spread is short by
    sqrt((n - 1) / n).
    """
    freedom = max(threads - 1, 1)
    return (1.96 + 2.4 / freedom + 3.0 / freedom**2) / 1.96 * math.sqrt(threads / freedom)


def _mean_losses(scores: Sequence[ReplyScore]) -> dict[str, float | None]:
    tokens = sum(score.tokens for score in scores)
    if not tokens:
        return {"nll_base": None, "nll_live": None, "nll_candidate": None}
    live = [score.live for score in scores if score.live is not None]
    return {
        "nll_base": sum(score.base for score in scores) / tokens,
        "nll_live": sum(live) / tokens if len(live) == len(scores) else None,
        "nll_candidate": sum(score.candidate for score in scores) / tokens,
    }


def _judge(
    versus_base: Comparison, versus_live: Comparison | None, *, threads: int, margin: float, forgets: bool
) -> tuple[Decision, str]:
    asked = f"On {threads} conversations that no model trained on, the new adapter"
    if versus_base.low > 0:
        return "rejected", f"{asked} fits your team's replies {_in_words(versus_base)} than the base model."
    if versus_live and versus_live.low > (margin if forgets else 0):
        return "rejected", f"{asked} fits your team's replies {_in_words(versus_live)} than the one that is live."
    if versus_base.high >= 0:
        return "inconclusive", (
            f"{asked} cannot be told apart from the base model; a difference below "
            f"{_percent(versus_base.detectable)} would not show. More approved replies may help."
        )
    if versus_live is None:
        return "passed", f"{asked} fits your team's replies {_in_words(versus_base)} than the base model."
    if versus_live.high < 0:
        return "passed", f"{asked} fits your team's replies {_in_words(versus_live)} than the one that is live."
    if forgets and math.isinf(margin):
        return "passed", (
            f"{asked} fits your team's replies {_in_words(versus_base)} than the base model. It replaces the one that is "
            "live, which must not stay."
        )
    if forgets and versus_live.high <= margin:
        return "passed", f"{asked} is as good as the one that is live, and no longer knows what was withdrawn."
    if versus_live.detectable == 0:
        return "inconclusive", f"{asked} answers exactly like the one that is live, which stays."
    return "inconclusive", (
        f"{asked} cannot be told apart from the one that is live; a difference below "
        f"{_percent(versus_live.detectable)} would not show. What is live stays."
    )


def _in_words(comparison: Comparison) -> str:
    word = "better" if comparison.difference < 0 else "worse"
    nearest, farthest = sorted((_share(comparison.low), _share(comparison.high)))
    return f"{_share(comparison.difference)} % {word} (95 % sure: {nearest} to {farthest} %)"


def _share(difference: float) -> int:
    return abs(round(100 * (1 - math.exp(-abs(difference)))))


def _percent(difference: float) -> str:
    return f"{100 * (1 - math.exp(-difference)):.1f} %"
