"""Measures triage through real vLLM: how many answers are valid, and how often each field is right, untaught and taught.

It teaches the demo's base model with triages and replies of the demo's shop, by the trainer's own program, and asks base and
adapter about questions of which it was taught none. It knows no Slack and no store.

Run: python -m benchmarks.triage [--prompts 1000] [--taught 600] [--temperature 0] [--epochs 8] [--threads 0]
    [--json FILE]
"""

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thumbtune.core.errors import BadInput
from thumbtune.core.inference import InferenceClient
from thumbtune.core.prompt import Turn, build_triage_prompt
from thumbtune.core.settings import Settings
from thumbtune.core.triage import MAX_TRIAGE_TOKENS, Triage, build_response_format, dump_triage, read_triage, spell_text
from thumbtune.core.tripwires import compute_chrf
from thumbtune.demo.base_model.corpus import phrases
from thumbtune.demo.base_model.corpus.samples import ConversationMaker
from thumbtune.demo.base_model.corpus.topics import load_topics
from thumbtune.demo.installation import BASE_MODEL
from thumbtune.demo.shop import CATEGORIES
from thumbtune.serving.engine import Engine
from thumbtune.serving.plan import place_socket, plan_engine
from thumbtune.serving.replica import ReplicaServer
from thumbtune.trainer.recipe import Recipe, count_cores, dump_recipe
from thumbtune.trainer.snapshot_files import TRAIN_NAME, TRIAGE_NAME

API_KEY = "a key of the benchmark"
ADAPTER = "bench-0001"
AT_ONCE = 16
PATIENCE_S = 900.0
REPLIES = 40
MAX_CHARS = 2400
URGENT = ("It is urgent! ", "I need this today. ", "Please hurry: ")
TROUBLE = ("Late parcels", "Refunds", "Broken items", "Wrong tea", "Cancelling an order")

Case = tuple[Sequence[Turn], Triage]
"""A conversation, and the triage that an agent would give it."""


@dataclass(frozen=True)
class Score:
    """What one model's triages came to; the fields count those that are right, and the texts are chrF, 0 to 100."""

    asked: int
    valid: int
    category: int
    priority: int
    summary: float
    suggested_action: float
    tokens: int
    """Of the longest."""
    seconds: float


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--taught", type=int, default=600)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--threads", type=int, default=0, help="of the training; 1 where others hold the cores")
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="triage-") as folder:
        settings = Settings(_env_file=None, data_dir=Path(folder), base_model=str(BASE_MODEL), max_model_len=2048)
        found = measure(
            settings,
            prompts=options.prompts,
            taught=options.taught,
            epochs=options.epochs,
            threads=options.threads,
            temperature=options.temperature,
        )
    for name, value in found.items():
        print(f"{name:<28} {value}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


def measure(
    settings: Settings, *, prompts: int, taught: int, epochs: int, threads: int, temperature: float
) -> dict[str, object]:
    """Return the figures, by name."""
    recipe = Recipe(
        base_model="thumbtune-demo",
        learning_rate=2e-3,
        batch_tokens=4096,
        min_steps=100_000,
        max_epochs=epochs,
        max_context_tokens=2048,
        max_reply_tokens=160,
        threads=threads or count_cores(),
    )
    names = tuple(CATEGORIES)
    began = time.monotonic()
    train_adapter(
        settings.adapters_dir / ADAPTER,
        base=Path(settings.base_model),
        recipe=recipe,
        replies=make_replies(REPLIES),
        triages=[make_line(number, case) for number, case in enumerate(make_cases(taught, is_held_out=False))],
        work=settings.data_dir,
    )
    train_s = time.monotonic() - began
    plan = plan_engine(settings, api_key=API_KEY, socket_path=place_socket(settings.data_dir / "run", "vllm"))
    engine = Engine(plan)
    cases = make_cases(prompts, is_held_out=True)
    try:
        engine.start()
        with (
            ReplicaServer(plan.url, API_KEY, adapters_dir=settings.adapters_dir) as server,
            InferenceClient(plan.url, API_KEY, timeout_s=PATIENCE_S) as client,
        ):
            server.load_adapter(ADAPTER, settings.adapters_dir / ADAPTER)
            scores = {
                title: ask_model(client, cases, model=model, categories=names, temperature=temperature)
                for title, model in (("base", plan.base_name), ("adapter", ADAPTER))
            }
    finally:
        engine.end()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    device = "NVIDIA GPU" if plan.on_gpu else f"{platform.machine()} CPU, {len(os.sched_getaffinity(0))} cores"
    return {"commit": commit, "device": device, "training s": round(train_s, 1)} | {
        f"{title}: {name}": value for title, score in scores.items() for name, value in vars(score).items()
    }


def make_cases(count: int, *, is_held_out: bool) -> list[Case]:
    """Return conversations of the demo's shop; every fourth question of each subject is held out."""
    dice = random.Random(int(is_held_out))
    category_of = {page: name for name, pages in CATEGORIES.items() for page in pages}
    asked = [
        (topic, question)
        for page in load_topics()
        for topic in page
        if topic.page in category_of
        for number, question in enumerate(question for ask in topic.asks for question in ask.questions)
        if (number % 4 == 3) == is_held_out
    ]
    cases: list[Case] = []
    for _ in range(count):
        topic, question = dice.choice(asked)
        text, _ = phrases.dress_question(phrases.roughen(question, dice), dice)
        is_urgent = dice.random() < 0.15
        calm = "high" if topic.heading in TROUBLE else "low" if topic.page == "Brewing guide" else "normal"
        triage = Triage(
            category_of[topic.page],
            "urgent" if is_urgent else calm,
            spell_text(f"Asks about {topic.heading.lower()}."),
            spell_text(f"Answer from the page {topic.page}, {topic.heading}."),
        )
        cases.append(([Turn("customer", (dice.choice(URGENT) if is_urgent else "") + text)], triage))
    return cases


def make_line(number: int, case: Case) -> dict[str, Any]:  # Any: JSON
    """Return a triage as a snapshot has it."""
    turns, triage = case
    prompt = build_triage_prompt(turns, categories=tuple(CATEGORIES), max_chars=MAX_CHARS)
    return {"pair_id": f"triage-{number}", "thread_id": str(number), "messages": prompt, "reply": dump_triage(triage)}


def make_replies(count: int) -> list[dict[str, Any]]:  # Any: JSON
    """Return replies that are taught beside the triages, as in a run."""
    maker, lines = ConversationMaker(seed=5), []
    for number in range(count):
        maker.values.start_prompt()
        *prompt, reply = maker.make_grounded(exchanges=1)
        line = {"pair_id": str(number), "thread_id": f"r{number}", "messages": prompt, "reply": reply["content"]}
        lines.append(line)
    return lines


def train_adapter(
    folder: Path,
    *,
    base: Path,
    recipe: Recipe,
    replies: Sequence[Mapping[str, Any]],
    triages: Sequence[Mapping[str, Any]],
    work: Path,
) -> None:
    """Teach an adapter replies and triages with the trainer's own program, and leave it in `folder`."""
    snapshot = work / "snapshot"
    snapshot.mkdir(parents=True)
    for name, lines in ((TRAIN_NAME, replies), (TRIAGE_NAME, triages)):
        (snapshot / name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    recipe_path = snapshot / "recipe.json"
    recipe_path.write_bytes(dump_recipe(recipe))
    command = [sys.executable, "-m", "thumbtune.trainer.finetune", "--snapshot", str(snapshot), "--base", str(base)]
    command += ["--recipe", str(recipe_path), "--out", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def ask_model(
    client: InferenceClient,
    cases: Sequence[Case],
    *,
    model: str,
    categories: Sequence[str],
    temperature: float = 0.0,
    max_chars: int = MAX_CHARS,
) -> Score:
    """Return what a model's triages of these conversations come to."""

    def ask(number: int) -> tuple[Triage | None, int]:
        prompt = build_triage_prompt(cases[number][0], categories=categories, max_chars=max_chars)
        reply = client.complete(
            prompt,
            model=model,
            max_tokens=MAX_TRIAGE_TOKENS,
            temperature=temperature,
            response_format=build_response_format(categories),
        )
        try:
            return read_triage(reply.text, categories), reply.completion_tokens
        except BadInput:
            return None, reply.completion_tokens

    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(ask, range(len(cases))))
    found = [(mine, case[1]) for (mine, _), case in zip(answers, cases, strict=True) if mine is not None]

    def average(name: str) -> float:
        scores = [compute_chrf(getattr(mine, name), getattr(wanted, name)) for mine, wanted in found]
        return round(sum(scores) / max(1, len(scores)), 1)

    return Score(
        asked=len(cases),
        valid=len(found),
        category=sum(mine.category == wanted.category for mine, wanted in found),
        priority=sum(mine.priority == wanted.priority for mine, wanted in found),
        summary=average("summary"),
        suggested_action=average("suggested_action"),
        tokens=max((tokens for _, tokens in answers), default=0),
        seconds=round(time.monotonic() - began, 1),
    )


if __name__ == "__main__":
    main()
