"""No broken adapter goes live, whatever broke it, and none spoils what the server answers otherwise."""

import random
from functools import partial

import pytest

from tests.serving.bench import Bench
from tests.serving.models import copy_adapter, publish_random
from tests.serving.mutations import DAMAGES, FAULTS, Mutation, republish
from thumbtune.core.inference import InferenceClient
from thumbtune.core.prompt import ChatMessage
from thumbtune.core.store import adapters

pytestmark = pytest.mark.xdist_group("heavy")

MUTATIONS = (*DAMAGES, *FAULTS)
HELLO: list[ChatMessage] = [{"role": "user", "content": "Where is my order?"}]


def try_mutations(bench: Bench, client: InferenceClient, *, count: int, seed: int) -> None:
    """Publish broken copies of a sound adapter, one after another; none may go live or change what others answer."""
    good = bench.publish(lambda name: publish_random(bench.adapters_dir, name, base=bench.base, scale=0.3))
    assert bench.reconcile()
    assert bench.live() == good, "the sound one goes live"
    models = (bench.base.name, good)
    before = [client.complete(HELLO, model=model, max_tokens=12).text for model in models]
    dice = random.Random(seed)
    for number in range(count):
        mutate = MUTATIONS[number % len(MUTATIONS)]
        name = bench.publish(partial(publish_copy, bench, good, fault=mutate if mutate in FAULTS else None, dice=dice))
        if mutate in DAMAGES:
            mutate(bench.adapters_dir / name, dice)
        bench.reconcile_patiently()
        assert bench.live() == good, f"mutation {number}, {mutate.__name__}, seed {seed}"
        assert bench.load(name).proven_at is None
        with bench.store.write() as conn:
            adapters.quarantine(conn, name, reason="tried")
    assert [client.complete(HELLO, model=model, max_tokens=12).text for model in models] == before


def publish_copy(bench: Bench, good: str, name: str, *, fault: Mutation | None, dice: random.Random) -> None:
    """Publish a copy of the sound adapter, with a fault that its manifest knows nothing of."""
    copy_adapter(bench.adapters_dir / good, name)
    if fault is not None:
        fault(bench.adapters_dir / name, dice)
        republish(bench.adapters_dir / name)


def test_no_broken_adapter_goes_live(bench: Bench, client: InferenceClient) -> None:
    """Every kind of mutation twice."""
    try_mutations(bench, client, count=2 * len(MUTATIONS), seed=1)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_no_adapter_of_a_thousand_mutations_goes_live(bench: Bench, client: InferenceClient) -> None:
    try_mutations(bench, client, count=1000, seed=2)
