"""What is written in one batch with others is what is written alone: each adapter's own, and the base's without any."""

import itertools
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.serving.models import publish_random
from thumbtune.core.inference import InferenceClient
from thumbtune.core.prompt import ChatMessage
from thumbtune.core.triage import MAX_TRIAGE_TOKENS, build_response_format, read_triage
from thumbtune.serving.engine import Engine
from thumbtune.serving.replica import ReplicaServer

pytestmark = [pytest.mark.xdist_group("heavy"), pytest.mark.timeout(600)]

QUESTION: list[ChatMessage] = [{"role": "user", "content": "Where is my order? Can I send the lamp back?"}]
ROOT = Path(__file__).resolve().parents[2]
ROUNDING_NATS = 0.1
"""What a token's log probability may be off by in a batch of another size."""


def test_base_and_adapters_answer_the_same_in_one_batch_as_alone(
    engine: Engine, server: ReplicaServer, client: InferenceClient, adapters_dir: Path, tiny_base: Path
) -> None:
    names = [f"batch-{number:04}" for number in range(1, engine.plan.max_loras + 1)]
    for seed, name in enumerate(names, start=11):
        if not (adapters_dir / name).exists():
            publish_random(adapters_dir, name, base=tiny_base, seed=seed, scale=0.3)
        server.load_adapter(name, adapters_dir / name)
    models = [tiny_base.name, *names]
    prompt = list(server.tokenize_prompt(QUESTION, model=tiny_base.name))
    replies = [prompt[start : start + 12] for start in range(3)]

    def score(model: str, number: int) -> tuple[float, ...]:
        return server.score_reply(prompt, replies[number], model=model)

    asked = list(itertools.product(models, range(len(replies))))
    alone = {one: score(*one) for one in asked}  # every slot has its adapter now, the last one too
    for one, other in itertools.combinations(models, 2):
        assert differ(alone[one, 0], alone[other, 0]) > 5 * ROUNDING_NATS, "what is mixed up must show"
    shuffled = asked * 4
    random.Random(3).shuffle(shuffled)
    categories = ("orders", "returns")

    def draft(model: str, temperature: float) -> str:
        form = build_response_format(categories)
        options = {"max_tokens": MAX_TRIAGE_TOKENS, "temperature": temperature}
        client.complete(QUESTION, model=model, max_tokens=60, temperature=temperature)
        return client.complete(QUESTION, model=model, response_format=form, **options).text  # type: ignore[arg-type]

    with ThreadPoolExecutor(8) as writing, ThreadPoolExecutor(8) as scoring:
        drafts = [writing.submit(draft, *one) for one in itertools.product(models, (0.0, 0.7, 1.0))]
        together = list(scoring.map(lambda one: score(*one), shuffled))
        triages = [read_triage(written.result(), categories) for written in drafts]
    for one, found in zip(shuffled, together, strict=True):
        assert differ(found, alone[one]) < ROUNDING_NATS, f"{one[0]} answered otherwise beside others"
    assert {triage.category for triage in triages} <= set(categories)


def differ(ones: tuple[float, ...], others: tuple[float, ...]) -> float:
    """Return by how much the log probability of a token differs most."""
    return max(abs(one - other) for one, other in zip(ones, others, strict=True))


def test_our_lora_adds_what_plain_sums_give() -> None:
    done = subprocess.run([sys.executable, "-m", "tests.serving.slot_sums"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "200 batches are right" in done.stdout
