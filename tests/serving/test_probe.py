import dataclasses
import statistics
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.serving.models import publish_random
from thumbtune.core.errors import NotProven, WrongBase
from thumbtune.core.manifest import Probe, load_manifest
from thumbtune.serving.probe import MAX_GAP_NATS, prove_adapter
from thumbtune.serving.replica import ReplicaServer

SLIGHT = 0.01
"""Scale of random weights that change a token's log probability by less than what a mean may be off by."""

pytestmark = pytest.mark.xdist_group("heavy")


def test_real_adapter_is_proven(server: ReplicaServer, good_adapter: Path, tiny_base: Path) -> None:
    server.load_adapter(good_adapter.name, good_adapter)
    report = prove_adapter(server, load_manifest(good_adapter), base_model=tiny_base.name)
    assert report.change > 0.05
    assert report.adapter_gap < 0.05
    assert report.base_gap < 0.05


def test_adapter_of_zeros_is_refused(server: ReplicaServer, adapters_dir: Path, tiny_base: Path) -> None:
    manifest = publish_random(adapters_dir, "zero-0001", base=tiny_base, scale=0.0)
    server.load_adapter("zero-0001", adapters_dir / "zero-0001")
    with pytest.raises(NotProven, match="changes nothing"):
        prove_adapter(server, manifest, base_model=tiny_base.name)


def test_other_weights_than_trained_are_refused(
    server: ReplicaServer, adapters_dir: Path, good_adapter: Path, tiny_base: Path
) -> None:
    publish_random(adapters_dir, "other-0001", base=tiny_base, seed=2, scale=0.5)
    server.load_adapter("other-0001", adapters_dir / "other-0001")
    claimed = dataclasses.replace(load_manifest(good_adapter), adapter="other-0001")
    with pytest.raises(NotProven, match="differently from how it was trained"):
        prove_adapter(server, claimed, base_model=tiny_base.name)


def test_probe_of_another_template_is_refused(server: ReplicaServer, good_adapter: Path, tiny_base: Path) -> None:
    server.load_adapter(good_adapter.name, good_adapter)
    manifest = load_manifest(good_adapter)
    probe = dataclasses.replace(manifest.probes[0], prompt_token_ids=manifest.probes[0].prompt_token_ids[1:])
    with pytest.raises(WrongBase, match="other tokens"):
        prove_adapter(server, dataclasses.replace(manifest, probes=(probe,)), base_model=tiny_base.name)


def test_adapter_without_probes_is_refused(server: ReplicaServer, good_adapter: Path, tiny_base: Path) -> None:
    server.load_adapter(good_adapter.name, good_adapter)
    manifest = dataclasses.replace(load_manifest(good_adapter), probes=())
    with pytest.raises(NotProven, match="no probe"):
        prove_adapter(server, manifest, base_model=tiny_base.name)


def test_other_weights_are_refused_though_a_reply_is_as_likely_by_chance(
    server: ReplicaServer, adapters_dir: Path, good_adapter: Path, tiny_base: Path
) -> None:
    publish_random(adapters_dir, "alike-0001", base=tiny_base, seed=2, scale=0.3)
    server.load_adapter("alike-0001", adapters_dir / "alike-0001")
    claimed = load_manifest(good_adapter)
    probes = tuple(shift_to_mean(probe, server, model="alike-0001") for probe in claimed.probes)
    with pytest.raises(NotProven, match="its tokens' changes are off by"):
        changed = dataclasses.replace(claimed, adapter="alike-0001", probes=probes)
        prove_adapter(server, changed, base_model=tiny_base.name)


def test_base_may_be_off_by_more_where_it_finds_a_reply_unlikely(
    server: ReplicaServer, good_adapter: Path, tiny_base: Path
) -> None:
    """What is unlikely is rounded coarsely; another base is off by more than that."""
    server.load_adapter(good_adapter.name, good_adapter)
    manifest = load_manifest(good_adapter)
    means = [statistics.fmean(probe.base_logprobs) for probe in manifest.probes]
    assert max(means) < -5 * MAX_GAP_NATS
    for share, is_refused in ((0.04, False), (0.07, True)):
        probes = tuple(stretch(probe, 1 + share) for probe in manifest.probes)
        shifted = dataclasses.replace(manifest, probes=probes)
        with pytest.raises(WrongBase, match="differs from the trainer's") if is_refused else nullcontext():
            prove_adapter(server, shifted, base_model=tiny_base.name)


def stretch(probe: Probe, factor: float) -> Probe:
    """Return what a trainer would have seen that finds everything so much less likely."""
    base, candidate = (
        tuple(factor * value for value in values) for values in (probe.base_logprobs, probe.candidate_logprobs)
    )
    return dataclasses.replace(probe, base_logprobs=base, candidate_logprobs=candidate)


def test_slight_change_is_proven_and_another_one_as_slight_is_refused(
    server: ReplicaServer, adapters_dir: Path, tiny_base: Path
) -> None:
    slight, other = (
        publish_random(adapters_dir, name, base=tiny_base, seed=seed, scale=SLIGHT)
        for seed, name in ((3, "slight-0001"), (4, "slight-0002"))
    )
    for name in (slight.adapter, other.adapter):
        server.load_adapter(name, adapters_dir / name)
    report = prove_adapter(server, slight, base_model=tiny_base.name)
    assert report.change < MAX_GAP_NATS
    with pytest.raises(NotProven, match="its tokens' changes are off by"):
        prove_adapter(server, dataclasses.replace(slight, adapter=other.adapter), base_model=tiny_base.name)


def shift_to_mean(probe: Probe, server: ReplicaServer, *, model: str) -> Probe:
    """Return what a trainer would have seen whose adapter finds the reply, as a whole, as likely as this one does."""
    found = server.score_reply(probe.prompt_token_ids, probe.reply_token_ids, model=model)
    shift = statistics.fmean(found) - statistics.fmean(probe.candidate_logprobs)
    return dataclasses.replace(probe, candidate_logprobs=tuple(value + shift for value in probe.candidate_logprobs))
