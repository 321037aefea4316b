"""Triages through real vLLM: always valid, and right more often with an adapter that the trainer's own program taught."""

import shutil
from pathlib import Path

import pytest

from benchmarks.triage import ask_model, train_adapter
from tests.trainer.samples import make_line
from thumbtune.core.inference import InferenceClient
from thumbtune.core.prompt import Turn, build_triage_prompt
from thumbtune.core.triage import Triage, dump_triage
from thumbtune.serving.replica import ReplicaServer
from thumbtune.trainer.recipe import Recipe

pytestmark = pytest.mark.xdist_group("heavy")

CATEGORIES = ("Orders", "Returns")
QUESTIONS = ("Where is my order?", "Can I send the lamp back?")


def test_reply_that_is_held_to_a_form_has_every_letter_of_it(
    tiny_base: Path, server: ReplicaServer, client: InferenceClient
) -> None:
    form = {"type": "structural_tag", "format": {"type": "regex", "pattern": r"(<\|pad\|>){4}"}}
    asked = {"model": tiny_base.name, "max_tokens": 60, "temperature": 1.0, "response_format": form}
    prompt = build_triage_prompt([Turn("customer", QUESTIONS[0])], categories=CATEGORIES, max_chars=900)
    written = {client.complete(prompt, **asked).text for _ in range(20)}
    assert written == {"<|pad|>" * 4}, "a special token may stand for letters, and is no less text"


def test_every_triage_is_valid_and_the_taught_adapter_sorts_better(
    tiny_base: Path, adapters_dir: Path, server: ReplicaServer, client: InferenceClient, tmp_path: Path
) -> None:
    cases = [
        ([Turn("customer", QUESTIONS[number % 2])], Triage(CATEGORIES[number % 2], "normal", "Asks.", "Answer."))
        for number in range(12)
    ]
    lines = [
        {
            "pair_id": f"triage-{number}",
            "thread_id": str(number),
            "messages": build_triage_prompt(turns, categories=CATEGORIES, max_chars=900),
            "reply": dump_triage(triage),
        }
        for number, (turns, triage) in enumerate(cases[:4])
    ]
    recipe = Recipe(
        base_model="tiny",
        rank=16,
        learning_rate=2e-2,
        batch_tokens=4000,
        min_steps=60,
        max_epochs=120,
        max_context_tokens=2048,
        max_reply_tokens=100,
        threads=1,
    )
    replies = [make_line(number) for number in range(2)]
    folder = adapters_dir / "triage-0001"
    train_adapter(folder, base=tiny_base, recipe=recipe, replies=replies, triages=lines, work=tmp_path)
    server.load_adapter("triage-0001", folder)
    try:
        score = {
            model: ask_model(client, cases, model=model, categories=CATEGORIES, temperature=1.0, max_chars=900)
            for model in (tiny_base.name, "triage-0001")
        }
    finally:
        server.unload_adapter("triage-0001")
        shutil.rmtree(folder)
    assert [(found.asked, found.valid) for found in score.values()] == [(12, 12), (12, 12)]
    assert score["triage-0001"].category > score[tiny_base.name].category
