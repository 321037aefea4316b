"""Measures the demo's base model: NLL, facts copied right, brand voice before and after a LoRA on its own threads.

    python -m benchmarks.base_model [--base DIR] [--learning-rate 2e-3] [--epochs 12] [--passages N]

The shop's questions come with the right passage and two wrong ones of its page, or, with `--passages`, with what the
store's search finds. It does not know vLLM: drafts are greedy and come from transformers, adapters from the trainer's
child program. Held-out values are never in the base's training text; weekdays, colours and other closed lists are.
"""

import argparse
import json
import logging
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from thumbtune.core.prompt import ChatMessage, Passage, Turn, build_prompt, find_question
from thumbtune.core.redaction import NameIndex, Redactor, apply_placeholders
from thumbtune.core.settings import Settings
from thumbtune.core.store.documents import search_passages
from thumbtune.demo.base_model.corpus.samples import ConversationMaker
from thumbtune.demo.base_model.training import encode_conversation
from thumbtune.demo.installation import DESK_ID, open_installation
from thumbtune.demo.shop import VOICE, is_in_voice, load_help_center
from thumbtune.demo.threads import OWN_THREADS, DemoThread, load_threads
from thumbtune.trainer.recipe import Recipe, dump_recipe

BASE = Path(__file__).parents[1] / "thumbtune" / "demo" / "base_model" / "weights"
TRAINED_THREADS = 60
MAX_CHARS = 2400
MAX_REPLY_TOKENS = 120
BATCH = 16


@dataclass(frozen=True)
class Item:
    """A prompt, the reply it should get, and the facts that must be in it."""

    thread_id: str
    prompt: list[ChatMessage]
    reply: str
    fact: str
    is_shown: bool
    """Whether a passage of the prompt has the fact."""


Choose = Callable[[Sequence[Turn], list[Passage]], list[Passage]]
"""Returns the passages for a thread so far, given those that have the fact its reply needs."""


def main() -> None:
    """Measure, print the table and the drafts for the threads held back."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, default=BASE)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch-tokens", type=int, default=2048)
    parser.add_argument("--passages", type=int, help="as many as the store's search finds, at most")
    parser.add_argument("--conversations", type=int, default=200, help="fresh conversations for NLL and facts")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    base = Base(options.base)
    figures = measure_fresh(base, count=options.conversations)
    recipe = Recipe(
        base_model="thumbtune-demo",
        learning_rate=options.learning_rate,
        max_epochs=options.epochs,
        min_steps=10_000,
        batch_tokens=options.batch_tokens,
        max_context_tokens=2048,
        max_reply_tokens=MAX_REPLY_TOKENS,
    )
    with open_search(options.passages) if options.passages else plant_passages() as choose:
        items = build_items(load_threads(OWN_THREADS), choose=choose)
    drafts = measure_adapter(base, recipe, items, figures=figures)
    for item, before, after in drafts[-20:]:
        print(f"\nQ      {item.prompt[-1]['content']}\nbase   {before}\nafter  {after}")
    print()
    for name, value in figures.items():
        print(f"{name:<58} {value:.3f}" if isinstance(value, float) else f"{name:<58} {value}")


class Base:
    """The base model in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    @torch.inference_mode()
    def draft(self, prompts: Sequence[list[ChatMessage]], *, model: torch.nn.Module | None = None) -> list[str]:
        """Return one greedy reply for each prompt."""
        replies = []
        for start in range(0, len(prompts), BATCH):
            inputs = self.tokenizer.apply_chat_template(
                list(prompts[start : start + BATCH]),
                add_generation_prompt=True,
                padding=True,
                return_tensors="pt",
                return_dict=True,
            )
            output = (model or self.model).generate(**inputs, max_new_tokens=MAX_REPLY_TOKENS, do_sample=False)
            written = output[:, inputs["input_ids"].shape[1] :]  # (batch, seq) int64
            replies += self.tokenizer.batch_decode(written, skip_special_tokens=True)
        return replies

    @torch.inference_mode()
    def score(self, conversations: Sequence[list[ChatMessage]], *, model: torch.nn.Module | None = None) -> float:
        """Return the mean NLL in nats per token of the last replies."""
        total, count = 0.0, 0
        for conversation in conversations:
            ids, weights = encode_conversation(self.tokenizer, conversation)
            start = len(weights) - weights[::-1].index(next(weight for weight in weights[::-1] if weight < 1))
            logits = (model or self.model)(input_ids=torch.tensor([ids])).logits[0, start - 1 : -1].float()
            losses = torch.nn.functional.cross_entropy(logits, torch.tensor(ids[start:]), reduction="sum")
            total, count = total + losses.item(), count + len(ids) - start
        return total / count


def measure_fresh(base: Base, *, count: int) -> dict[str, float | int | str]:
    """Return NLL and facts on fresh conversations with values that training never saw."""
    maker = ConversationMaker(seed=1, held_out=True)
    mixed = [maker.make() for _ in range(count)]
    grounded = []
    for _ in range(count):
        maker.values.start_prompt()
        grounded.append(maker.make_grounded(exchanges=1))
    drafts = base.draft([conversation[:-1] for conversation in grounded])
    wanted = [conversation[-1]["content"] for conversation in grounded]
    return {
        "held-out NLL per reply token (nats)": base.score(mixed),
        "fresh conversations: all values right": share(map(has_values, drafts, wanted)),
        "fresh conversations: reply word for word": share(map(str.__eq__, drafts, wanted)),
    }


def measure_adapter(
    base: Base, recipe: Recipe, items: Sequence[Item], *, figures: dict[str, float | int | str]
) -> list[tuple[Item, str, str]]:
    """Train on the first threads, draft for the rest, add the figures, and return the drafts before and after."""
    first_held_out = 1 + max(i for i, item in enumerate(items) if int(item.thread_id[-3:]) <= TRAINED_THREADS)
    trained, asked = items[:first_held_out], items[first_held_out:]
    conversations = [[*item.prompt, {"role": "assistant", "content": item.reply}] for item in asked]
    before = base.draft([item.prompt for item in asked])
    figures["shop questions not trained on"] = len(asked)
    figures["before: NLL of the approved reply"] = base.score(conversations)
    figures["before: fact word for word"] = share(item.fact in text for item, text in zip(asked, before, strict=True))
    shown = [place for place, item in enumerate(asked) if item.is_shown]
    figures["of them with a fact, and its passage in the prompt"] = len(shown)
    figures["before: all values right where the passage is there"] = share(
        has_values(before[place], asked[place].fact) for place in shown
    )
    figures["before: in voice"] = share(map(is_in_voice, before))
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        result = train_adapter(trained, base=base.folder, recipe=recipe, folder=Path(folder))
        figures["training, whole child program (s)"] = time.monotonic() - began
        figures["training"] = f"{result['examples']} pairs, {result['steps']} steps, {result['epochs']} epochs"
        fresh = AutoModelForCausalLM.from_pretrained(base.folder, dtype=torch.float32)
        tuned = PeftModel.from_pretrained(fresh, Path(folder) / "adapter").eval()
    after = base.draft([item.prompt for item in asked], model=tuned)
    figures["after: NLL of the approved reply"] = base.score(conversations, model=tuned)
    figures["after: fact word for word"] = share(item.fact in text for item, text in zip(asked, after, strict=True))
    figures["after: all values right where the passage is there"] = share(
        has_values(after[place], asked[place].fact) for place in shown
    )
    figures["after: in voice"] = share(map(is_in_voice, after))
    return list(zip(asked, before, after, strict=True))


@contextmanager
def plant_passages() -> Iterator[Choose]:
    """Choose the right passage and two wrong ones of the same page."""
    rng = random.Random(4)

    def choose(turns: Sequence[Turn], right: list[Passage]) -> list[Passage]:
        page = right[0].title.split(":")[0] if right else "Delivery"
        near = [passage for passage in list_sections() if passage.title.startswith(page) and passage not in right]
        shown = right[:1] + rng.sample(near, 2)
        rng.shuffle(shown)
        return shown

    yield choose


@contextmanager
def open_search(limit: int) -> Iterator[Choose]:
    """Choose what the demo's store finds."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_installation(Settings(_env_file=None, data_dir=Path(folder)), threshold=100, with_shop=True)
        with store.read() as conn:
            yield lambda turns, _: search_passages(conn, find_question(turns), desk_id=DESK_ID, limit=limit)
        store.engine.dispose()


def list_sections() -> list[Passage]:
    """Return all passages of the help centre."""
    return [Passage(f"{page}: {name}", text) for page, found in load_help_center() for name, text in found]


def build_items(threads: Sequence[DemoThread], *, choose: Choose) -> list[Item]:
    """Return one item for each agent reply: redacted, with passages."""
    redactor = Redactor(order_number_patterns=Settings().order_number_patterns)
    sections = list_sections()
    items = []
    for thread in threads:
        turns = redact_thread(thread, redactor)
        for position, turn in enumerate(turns):
            if turn.role == "customer":
                continue
            right = [passage for passage in sections if find_fact(passage.text, turn.text)]
            shown = choose(turns[:position], right)
            prompt = build_prompt(turns[:position], voice=VOICE, max_chars=MAX_CHARS, passages=shown)
            fact = find_fact(right[0].text, turn.text) if right else ""
            is_shown = any(passage in shown for passage in right)
            items.append(Item(thread.thread_id, prompt, turn.text, fact, is_shown))
    return items


def redact_thread(thread: DemoThread, redactor: Redactor) -> list[Turn]:
    """Return the thread's turns with placeholders; the customer is always the first name."""
    names = NameIndex()
    numbers: dict[tuple[str, str], int] = {}
    for number, person in enumerate((thread.customer, thread.agent), start=1):
        names.add(person, [person])
        numbers["NAME", person] = number
    turns = []
    for turn in thread.turns:
        spans = redactor.find_spans(turn.text, names=names)
        for span in spans:
            used = sum(kind == span.kind for kind, _ in numbers)
            numbers.setdefault((span.kind, span.canonical), used + 1)
        turns.append(Turn(turn.role, apply_placeholders(turn.text, spans, numbers)))
    return turns


def find_fact(passage: str, reply: str) -> str:
    """Return the part of a passage that a reply quotes: all of it or its sentences."""
    if passage in reply:
        return passage
    quoted = [sentence for sentence in re.split(r"(?<=[.!?]) (?=[A-Z])", passage) if sentence in reply]
    return " ".join(quoted)


def has_values(text: str, wanted: str) -> bool:
    """Return whether every number, placeholder and capitalised word of `wanted` is in the text, in order."""
    found = re.findall(r"\[\w+\]|\d+(?:[.:]\d+)?|\b[A-Z]\w+", wanted)
    return re.search(".*".join(re.escape(value) for value in found), text, re.DOTALL) is not None


def train_adapter(items: Sequence[Item], *, base: Path, recipe: Recipe, folder: Path) -> dict[str, float]:
    """Run the trainer's child program on the items and return its result."""
    lines = [
        {"pair_id": str(number), "thread_id": item.thread_id, "messages": item.prompt, "reply": item.reply}
        for number, item in enumerate(items)
    ]
    (folder / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "recipe.json").write_bytes(dump_recipe(recipe))
    command = [sys.executable, "-m", "thumbtune.trainer.finetune", "--snapshot", str(folder), "--base", str(base)]
    command += ["--recipe", str(folder / "recipe.json"), "--out", str(folder / "adapter")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=600)
    found: dict[str, float] = json.loads((folder / "adapter" / "result.json").read_text())
    return found


def share(found: object) -> float:
    """Return the share of true values."""
    values = list(found)  # type: ignore[call-overload]
    return sum(values) / len(values)


if __name__ == "__main__":
    main()
