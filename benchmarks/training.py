"""Measures fine-tuning: our child program against TRL's default SFT on the same pairs, base, rank and epochs.

Command: python -m benchmarks.training --threads-file FILE --base DIR [--threads 60] [--trl-path DIR]

FILE holds conversations as JSON lines ({"thread_id", "messages": [{"role", "text"}]}). TRL is no dependency of this
project: give the folder it was installed into (pip install --target DIR --no-deps trl datasets …) to compare with it.
Speed is counted in tokens of the examples, each with its whole prompt, a second of training without loading. It does
not judge what was learned; both print their last loss.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from thumbtune.core.prompt import Turn, build_prompt
from thumbtune.trainer.recipe import Recipe, dump_recipe

VOICE = "You answer customers of this team."

TRL_PROGRAM = """
import json, sys, time
import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer
from datasets.fingerprint import Hasher
import uuid
Hasher.hash = classmethod(lambda cls, value: uuid.uuid4().hex)  # its cache keys cannot be pickled with this pyarrow

base, data, out, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
tokenizer = AutoTokenizer.from_pretrained(base)
lines = [json.loads(line) for line in open(data)]
rows = [{"prompt": line["messages"], "completion": [{"role": "assistant", "content": line["reply"]}]} for line in lines]
config = SFTConfig(output_dir=out, num_train_epochs=1, learning_rate=2e-3, report_to="none", save_strategy="no",
                   bf16=False, use_cpu=True, max_length=2048, completion_only_loss=True)
model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
trainer = SFTTrainer(model, args=config, train_dataset=Dataset.from_list(rows), processing_class=tokenizer,
                     peft_config=LoraConfig(r=16, lora_alpha=32, target_modules=targets, task_type="CAUSAL_LM"))
began = time.monotonic()
result = trainer.train()
print(json.dumps({"seconds": time.monotonic() - began, "loss": result.training_loss}))
"""


@dataclass(frozen=True)
class Timing:
    """What one program took."""

    name: str
    seconds: float
    tokens: int
    note: str

    @property
    def tokens_per_s(self) -> float:
        """Tokens of the examples a second."""
        return self.tokens / self.seconds


def write_snapshot(threads_file: Path, directory: Path, *, threads: int) -> int:
    """Write the training lines of the first threads and return how many pairs they hold."""
    pairs = 0
    with threads_file.open(encoding="utf-8") as source, (directory / "train.jsonl").open("w") as target:
        for _, text in zip(range(threads), source, strict=False):
            thread = json.loads(text)
            turns: list[Turn] = []
            for number, message in enumerate(thread["messages"]):
                if message["role"] == "agent" and turns:
                    line = {
                        "pair_id": f"{thread['thread_id']}-{number}",
                        "thread_id": thread["thread_id"],
                        "messages": build_prompt(turns, voice=VOICE, max_chars=4000),
                        "reply": message["text"],
                    }
                    target.write(json.dumps(line) + "\n")
                    pairs += 1
                turns.append(Turn(message["role"], message["text"]))
    return pairs


def measure_ours(directory: Path, *, base: Path, cores: int) -> Timing:
    """Run our child program once over the data."""
    recipe = Recipe(
        "base",
        learning_rate=2e-3,
        batch_tokens=4096,
        min_steps=1,
        max_epochs=1,
        max_context_tokens=2048,
        max_reply_tokens=400,
        threads=cores,
    )
    (directory / "recipe.json").write_bytes(dump_recipe(recipe))
    command = [sys.executable, "-m", "thumbtune.trainer.finetune", "--snapshot", str(directory), "--base", str(base)]
    command += ["--recipe", str(directory / "recipe.json"), "--out", str(directory / "ours")]
    first_step_at = 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        for line in child.stdout or ():
            if '"phase": "load"' in line:
                first_step_at = time.monotonic()
    seconds = time.monotonic() - first_step_at
    if child.returncode != 0:
        raise SystemExit(f"finetune ended with exit code {child.returncode}")
    result = json.loads((directory / "ours" / "result.json").read_text())
    shared = 1 - result["tokens_run"] / result["tokens"]
    return Timing(
        "thumbtune", seconds, result["tokens"], f"{shared:.0%} of tokens shared, loss {result['last_loss']:.2f}"
    )


def measure_trl(directory: Path, *, base: Path, cores: int, trl_path: Path, tokens: int) -> Timing:
    """Run TRL's SFTTrainer with its defaults once over the data."""
    env = {**os.environ, "PYTHONPATH": str(trl_path), "HF_HUB_OFFLINE": "1", "HF_HOME": str(directory / "cache")}
    arguments = [str(base), str(directory / "train.jsonl"), str(directory / "trl"), str(cores)]
    (directory / "trl_program.py").write_text(TRL_PROGRAM)
    ended = subprocess.run(
        [sys.executable, str(directory / "trl_program.py"), *arguments],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        raise SystemExit(f"TRL ended with exit code {ended.returncode}:\n{ended.stderr[-2000:]}")
    result = json.loads(ended.stdout.strip().splitlines()[-1])
    return Timing("trl defaults", result["seconds"], tokens, f"mean loss {result['loss']:.2f}")


def main() -> None:
    """Measure and print a table; ours counts loading the model too, TRL's does not."""
    parser = argparse.ArgumentParser(description="Measure fine-tuning.")
    parser.add_argument("--threads-file", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=60)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--trl-path", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        pairs = write_snapshot(arguments.threads_file, directory, threads=arguments.threads)
        timings = [measure_ours(directory, base=arguments.base, cores=arguments.cores)]
        if arguments.trl_path:
            timings.append(
                measure_trl(
                    directory,
                    base=arguments.base,
                    cores=arguments.cores,
                    trl_path=arguments.trl_path,
                    tokens=timings[0].tokens,
                )
            )
    print(f"{pairs} pairs of {arguments.threads} threads, {timings[0].tokens} example tokens, {arguments.cores} cores")
    for timing in timings:
        faster = timing.tokens_per_s / timings[-1].tokens_per_s
        print(
            f"{timing.name:<14}{timing.seconds:>8.1f} s{timing.tokens_per_s:>10.0f} tokens/s  x{faster:.1f}  {timing.note}"
        )


if __name__ == "__main__":
    main()
