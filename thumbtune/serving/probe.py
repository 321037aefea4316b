"""Proves that an adapter on a server is the one that was trained: it changes the output, and as the trainer saw it.

It knows tokens and log probabilities only: no files, no store. vLLM serves an adapter that matches nothing, or that
belongs to another base, without a word; so nothing goes live unproven.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from thumbtune.core.errors import AdapterNotLoaded, EngineUnavailable, InferenceError, NotProven, WrongBase
from thumbtune.core.manifest import Manifest, Probe
from thumbtune.serving.replica import ReplicaServer

MIN_CHANGE_NATS = 1e-3
"""Mean change per token below which an adapter counts as doing nothing. An adapter of zeros changes exactly 0."""

MAX_GAP_NATS = 0.15
"""Mean gap per token allowed between the trainer's log probabilities and the server's, which computes in bf16."""

MAX_GAP_SHARE = 0.05
"""Share of a probe's mean log probability that its gap may be in any case: what a model finds unlikely, it rounds coarsely.

Seen: 0.175 nats between the same base on a CPU in fp32 and in bf16, where it found the reply's tokens 6.9 nats unlikely.
"""

MAX_CHANGE_GAP = 0.5
"""Share of the mean change that its tokens may differ by; between two adapters that have nothing in common it is above 1."""

NOISE_FACTOR = 4.0
"""How often the base's own gap per token they may differ by in any case: a slight change drowns in what rounding does."""


@dataclass(frozen=True)
class ProbeReport:
    """What the probes of one adapter measured on one server, in nats per token."""

    adapter: str
    probes: int
    change: float
    """Mean absolute change of a token's log probability against the base."""
    adapter_gap: float
    """Largest gap of a probe's mean log probability to the trainer's, with the adapter."""
    base_gap: float
    """The same without the adapter: how far the server's base is from the trainer's."""
    change_gap: float
    """Mean absolute gap of a token's change to the change that the trainer saw; 0 where only means were kept."""
    noise: float
    """Mean absolute gap of a token without the adapter: what the server's rounding does; 0 where only means were kept."""


@dataclass(frozen=True)
class _Gap:
    """How far a probe's mean log probability is from the trainer's, and how far it may be, in nats per token."""

    nats: float
    allowed: float


def prove_adapter(
    server: ReplicaServer, manifest: Manifest, *, base_model: str, max_gap: float = MAX_GAP_NATS
) -> ProbeReport:
    """Ask the server what the trainer asked, with and without the adapter, and return what was measured.

    Raises: NotProven with the reason; WrongBase when already the server's tokens or its base differ from the
    trainer's; EngineUnavailable and AdapterNotLoaded as the server answers.
    """
    name = manifest.adapter
    if not manifest.probes:
        raise NotProven(f"{name} carries no probe; publish it again with this version's trainer")
    changes, gaps, taught, noise = list[float](), list[float](), list[float](), list[float]()
    adapter_gaps, base_gaps = list[_Gap](), list[_Gap]()
    for probe in manifest.probes:
        with_adapter, without = _score_probe(server, probe, adapter=name, base_model=base_model)
        changed = _subtract(with_adapter, without)
        changes += changed
        if not probe.is_mean:
            seen = _subtract(probe.candidate_logprobs, probe.base_logprobs)
            taught += seen
            gaps += _subtract(changed, seen)
            noise += _subtract(without, probe.base_logprobs)
        adapter_gaps.append(_compare(with_adapter, probe.candidate_logprobs, max_gap=max_gap))
        base_gaps.append(_compare(without, probe.base_logprobs, max_gap=max_gap))
    report = ProbeReport(
        adapter=name,
        probes=len(manifest.probes),
        change=_measure(changes),
        adapter_gap=max(gap.nats for gap in adapter_gaps),
        base_gap=max(gap.nats for gap in base_gaps),
        change_gap=_measure(gaps),
        noise=_measure(noise),
    )
    for gap in base_gaps:
        if not gap.nats <= gap.allowed:  # so that what is not a number is refused too
            raise WrongBase(
                f"{name}: the server's base differs from the trainer's by {gap.nats:.3f} nats per token, {gap.allowed:.2g} are "
                "allowed; check that both have the same base model"
            )
    if not report.change >= MIN_CHANGE_NATS:
        raise NotProven(f"{name} changes nothing: {report.change:.2g} nats per token against the base")
    for gap in adapter_gaps:
        if not gap.nats <= gap.allowed:
            raise NotProven(
                f"{name} answers differently from how it was trained: {gap.nats:.3f} nats per token, {gap.allowed:.2g} are "
                "allowed; train it again"
            )
    if not report.change_gap <= max(MAX_CHANGE_GAP * _measure(taught), min(max_gap, NOISE_FACTOR * report.noise)):
        raise NotProven(
            f"{name} answers differently from how it was trained: its tokens' changes are off by {report.change_gap:.3f} nats "
            f"where training changed them by {_measure(taught):.3f}; train it again"
        )
    return report


def _score_probe(
    server: ReplicaServer, probe: Probe, *, adapter: str, base_model: str
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the log probabilities of the probe's reply tokens with the adapter, and without it."""
    try:
        if server.tokenize_prompt(probe.messages, model=base_model) != probe.prompt_token_ids:
            raise WrongBase(
                f"{adapter}: the server turns its probe into other tokens than the trainer did; "
                "check that both use the same chat template and tokenizer"
            )
        return (
            server.score_reply(probe.prompt_token_ids, probe.reply_token_ids, model=adapter),
            server.score_reply(probe.prompt_token_ids, probe.reply_token_ids, model=base_model),
        )
    except (EngineUnavailable, AdapterNotLoaded):
        raise
    except InferenceError as exc:  # vLLM cannot put what is not a number into JSON
        raise NotProven(f"{adapter}: the server cannot score its probe: {exc}") from exc


def _compare(found: Sequence[float], recorded: Sequence[float], *, max_gap: float) -> _Gap:
    mean = _mean(recorded)
    return _Gap(abs(_mean(found) - mean), max(max_gap, MAX_GAP_SHARE * abs(mean)))


def _subtract(ones: Sequence[float], others: Sequence[float]) -> list[float]:
    return [one - other for one, other in zip(ones, others, strict=True)]


def _measure(differences: Sequence[float]) -> float:
    return _mean([abs(value) for value in differences]) if differences else 0.0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
