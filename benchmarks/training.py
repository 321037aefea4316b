"""Measures fine-tuning against TRL's SFT with its defaults: supervised tokens a second at equal held-out NLL.

Command: python -m benchmarks.training --threads-file FILE --base DIR [--threads 60] [--trl-path DIR] [--shape 1.5b]

FILE holds conversations as JSON lines ({"thread_id", "messages": [{"role", "text"}]}). TRL is no dependency of this
project: give the folder it was installed into (pip install --target DIR --no-deps trl datasets …) to compare with it.
Both train on the same pairs of the same base on the same device, with the same LoRA, epochs and learning rate; TRL's own
rate (2e-5) is made for whole models and would teach an adapter next to nothing. Time is that of the training alone. What
was learned is measured by our evaluation, on conversations neither saw: the ratio counts only where ours learned as much.
With `--shape` the base is one of that size with random weights and DIR's tokenizer, for a GPU that a small base leaves idle.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.training_gpu import describe
from thumbtune.core.prompt import Turn, build_prompt
from thumbtune.trainer.backend import build_env
from thumbtune.trainer.recipe import Recipe, dump_recipe
from thumbtune.trainer.snapshot_files import SnapshotMeta, dump_meta

VOICE = "You answer customers of this team."
EQUAL_NATS = 0.02
"""Nats per token by which ours may be worse and still count as equal."""

TRL_PROGRAM = """
import json, sys, time, uuid
import torch
from datasets import Dataset
from datasets.fingerprint import Hasher
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer
Hasher.hash = classmethod(lambda cls, value: uuid.uuid4().hex)  # its cache keys cannot be pickled with this pyarrow

base, data, out, threads, rate, epochs = sys.argv[1:]
torch.set_num_threads(int(threads))
on_gpu = torch.cuda.is_available()
tokenizer = AutoTokenizer.from_pretrained(base)
lines = [json.loads(line) for line in open(data)]
rows = [{"prompt": line["messages"], "completion": [{"role": "assistant", "content": line["reply"]}]} for line in lines]
device = {} if on_gpu else {"use_cpu": True, "bf16": False}
config = SFTConfig(output_dir=out, num_train_epochs=int(epochs), learning_rate=float(rate), report_to="none",
                   save_strategy="no", max_length=2048, **device)
model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16 if on_gpu else torch.float32)
targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
trainer = SFTTrainer(model, args=config, train_dataset=Dataset.from_list(rows), processing_class=tokenizer,
                     peft_config=LoraConfig(r=16, lora_alpha=32, target_modules=targets, task_type="CAUSAL_LM"))
began = time.monotonic()
trainer.train()
if on_gpu:
    torch.cuda.synchronize()
seconds = time.monotonic() - began
trainer.save_model(out)
print(json.dumps({"seconds": seconds}))
"""


@dataclass(frozen=True)
class Timing:
    """What one program took for the supervised tokens of all epochs."""

    name: str
    seconds: float
    supervised_tokens: int

    @property
    def tokens_per_s(self) -> float:
        """Supervised tokens a second."""
        return self.supervised_tokens / self.seconds


def write_snapshot(threads_file: Path, directory: Path, *, threads: int, held_out: int) -> int:
    """Write the pairs of the first conversations for training and those of the last for judging; return how many train."""
    texts = threads_file.read_text(encoding="utf-8").splitlines()
    if threads + held_out > len(texts):
        raise SystemExit(f"{threads_file} has {len(texts)} conversations, fewer than {threads} and {held_out}")
    counts = []
    for name, share in (("train", texts[:threads]), ("held_out", texts[-held_out:])):
        lines = [line for text in share for line in list_pairs(text)]
        (directory / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        counts.append(len(lines))
    (directory / "snapshot.json").write_bytes(dump_meta(SnapshotMeta("bench", "bench", VOICE, "", (), (), 0, {})))
    return counts[0]


def list_pairs(text: str) -> list[dict[str, object]]:
    """Return a conversation's replies, each with its prompt."""
    thread = json.loads(text)
    turns: list[Turn] = []
    pairs: list[dict[str, object]] = []
    for number, message in enumerate(thread["messages"]):
        if message["role"] == "agent" and turns:
            prompt = build_prompt(turns, voice=VOICE, max_chars=4000)
            place = {"pair_id": f"{thread['thread_id']}-{number}", "thread_id": thread["thread_id"]}
            pairs.append({**place, "messages": prompt, "reply": message["text"]})
        turns.append(Turn(message["role"], message["text"]))
    return pairs


def write_random_base(base: Path, directory: Path, *, shape: str) -> Path:
    """Write a base of this shape with random weights and the tokenizer of `base`; return its folder."""
    import torch
    from transformers import AutoModelForCausalLM

    shutil.copytree(base, directory, ignore=shutil.ignore_patterns("*.safetensors", "config.json"))
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = AutoModelForCausalLM.from_config(describe(shape), dtype=torch.bfloat16)
    model.generation_config = None
    model.save_pretrained(directory)
    return directory


def measure_ours(directory: Path, *, base: Path, recipe: Recipe) -> Timing:
    """Run our child program."""
    (directory / "recipe.json").write_bytes(dump_recipe(recipe))
    run_program("finetune", directory, "--base", str(base), "--out", str(directory / "ours"))
    result = json.loads((directory / "ours" / "result.json").read_text())
    return Timing("thumbtune", result["train_seconds"], result["supervised_tokens"])


def measure_trl(directory: Path, *, base: Path, recipe: Recipe, trl_path: Path, supervised_tokens: int) -> Timing:
    """Run TRL's SFTTrainer."""
    env = {**os.environ, "PYTHONPATH": str(trl_path), "HF_HUB_OFFLINE": "1", "HF_HOME": str(directory / "cache")}
    (directory / "trl_program.py").write_text(TRL_PROGRAM)
    arguments = [str(base), str(directory / "train.jsonl"), str(directory / "trl"), str(recipe.threads)]
    arguments += [str(recipe.learning_rate), str(recipe.max_epochs)]
    command = [sys.executable, str(directory / "trl_program.py"), *arguments]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise SystemExit(f"TRL ended with exit code {ended.returncode}:\n{ended.stderr[-2000:]}")
    return Timing("trl", json.loads(ended.stdout.strip().splitlines()[-1])["seconds"], supervised_tokens)


def judge(directory: Path, *, base: Path, with_trl: bool) -> dict[str, float]:
    """Return the held-out NLL in nats per token under the base, ours and TRL's."""
    live = ["--live", str(directory / "trl")] if with_trl else []
    out = directory / "evaluation.json"
    run_program(
        "evaluate", directory, "--base", str(base), "--candidate", str(directory / "ours"), *live, "--out", str(out)
    )
    scores = json.loads(out.read_text())["scores"]
    tokens = sum(score["tokens"] for score in scores)
    return {name: sum(score["nll"][name] for score in scores) / tokens for name in scores[0]["nll"]}


def run_program(program: str, directory: Path, *arguments: str) -> None:
    """Run one of the trainer's child programs as the trainer does."""
    command = [sys.executable, "-m", f"thumbtune.trainer.{program}", "--snapshot", str(directory)]
    command += ["--recipe", str(directory / "recipe.json"), *arguments]
    ended = subprocess.run(command, env=build_env(os.environ), capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise SystemExit(
            f"{program} ended with exit code {ended.returncode}:\n{ended.stdout[-500:]}{ended.stderr[-2000:]}"
        )


def main() -> None:
    """Measure both, in turn, and print a table."""
    parser = argparse.ArgumentParser(description="Measure fine-tuning.")
    parser.add_argument("--threads-file", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=60)
    parser.add_argument("--held-out", type=int, default=30, help="conversations to judge by")
    parser.add_argument("--epochs", type=int, default=3, help="TRL's default")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--trl-path", type=Path)
    parser.add_argument("--shape", choices=["tiny", "1.5b", "8b"], help="random weights of this size")
    options = parser.parse_args()
    recipe = Recipe(
        "base",
        learning_rate=options.learning_rate,
        batch_tokens=options.batch_tokens,
        min_steps=1_000_000,
        max_epochs=options.epochs,
        max_context_tokens=2048,
        max_reply_tokens=400,
        threads=options.cores,
    )
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; above 1.5 the figures mean little")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        pairs = write_snapshot(options.threads_file, directory, threads=options.threads, held_out=options.held_out)
        base = options.base
        if options.shape:
            base = write_random_base(base, directory / "base", shape=options.shape)
        timings = [measure_ours(directory, base=base, recipe=recipe)]
        if options.trl_path:
            tokens = timings[0].supervised_tokens
            timings.append(
                measure_trl(directory, base=base, recipe=recipe, trl_path=options.trl_path, supervised_tokens=tokens)
            )
        nll = judge(directory, base=base, with_trl=bool(options.trl_path))
    print(f"{pairs} pairs of {options.threads} conversations, {options.epochs} epochs; base: NLL {nll['base']:.3f}")
    for timing, learned in zip(timings, (nll["candidate"], nll.get("live")), strict=False):
        print(
            f"{timing.name:<10}{timing.seconds:>8.1f} s{timing.tokens_per_s:>9.0f} supervised tokens/s   NLL {learned:.3f}"
        )
    if options.trl_path:
        counts = nll["candidate"] <= nll["live"] + EQUAL_NATS
        ratio = timings[0].tokens_per_s / timings[1].tokens_per_s
        print(f"ratio {ratio:.2f}" + ("" if counts else f"; it does not count: ours learned {EQUAL_NATS} nats less"))


if __name__ == "__main__":
    main()
