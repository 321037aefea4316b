"""Measures how much of a GPU fine-tuning uses: tokens a second and the share of its peak, on random weights.

Command: python -m benchmarks.training_gpu [--size 1.5b] [--size 8b] [--tokens 1000000] [--peak-tflops 989]

No download is needed: the models are the shapes of Qwen2.5-1.5B and Llama-3.1-8B with random weights, and so are the
tokens; lengths are spread as those of support conversations with their facts. It runs the trainer's own steps (LoRA of rank
16 on all linear layers, loss on replies only). Work is counted as 4 operations a weight and token that was run, padding
not counted: forward, and backward through frozen weights to the adapters; recomputing would not count either. The output
layer counts for reply tokens only, as it runs for them only. `--size tiny` tries the program on a CPU.
"""

import argparse
import os
import random
import time
from typing import Any

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, PretrainedConfig, Qwen2Config

from thumbtune.trainer.examples import Span, TokenSequence, plan_steps
from thumbtune.trainer.finetune import add_adapter
from thumbtune.trainer.gpus import Group
from thumbtune.trainer.recipe import Recipe
from thumbtune.trainer.training import Training

WARM_UP_STEPS = 3


def describe(size: str) -> PretrainedConfig:
    """Return a model's shape. Source: config.json of Qwen/Qwen2.5-1.5B and meta-llama/Llama-3.1-8B, seen 2026-11-21."""
    if size == "tiny":
        return LlamaConfig(
            vocab_size=400,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
        )
    if size == "1.5b":
        return Qwen2Config(
            vocab_size=151_936,
            hidden_size=1536,
            intermediate_size=8960,
            num_hidden_layers=28,
            num_attention_heads=12,
            num_key_value_heads=2,
            max_position_embeddings=32_768,
            tie_word_embeddings=True,
        )
    return LlamaConfig(
        vocab_size=128_256,
        hidden_size=4096,
        intermediate_size=14_336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
        max_position_embeddings=131_072,
        rope_theta=500_000.0,
    )


def draw_sequences(*, tokens: int, vocabulary: int, seed: int) -> list[TokenSequence]:
    """Return rows of 200 to 1,500 tokens that end in a reply of 30 to 200."""
    dice = random.Random(seed)
    rows: list[TokenSequence] = []
    while tokens > 0:
        reply = dice.randint(30, 200)
        length = min(1500, reply + round(dice.lognormvariate(5.9, 0.6)))
        ids = tuple(dice.randrange(vocabulary) for _ in range(length))
        rows.append(TokenSequence(ids, (Span(f"p{len(rows):06d}", length - reply, length),), length))
        tokens -= length
    return rows


def count_operations(model: Any, rows: list[TokenSequence]) -> float:  # Any: a PEFT model of some base's class
    """Return the operations that training on these rows needs."""
    config = model.config
    head = config.vocab_size * config.hidden_size
    frozen = sum(weight.numel() for weight in model.parameters() if not weight.requires_grad)
    adapters = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    body = frozen - head * (1 if config.tie_word_embeddings else 2)
    width = config.num_attention_heads * (config.hidden_size // config.num_attention_heads)
    tokens = sum(len(row.token_ids) for row in rows)
    supervised = sum(row.supervised_tokens for row in rows)
    attention = sum(len(row.token_ids) ** 2 for row in rows) * 6 * width * config.num_hidden_layers  # causal: half
    return float(tokens * (4 * body + 6 * adapters) + supervised * 4 * head + attention)


def measure(size: str, *, tokens: int, recipe: Recipe, peak_tflops: float) -> str:
    """Train a model of this size and return a line of figures."""
    on_gpu = torch.cuda.is_available()
    group = Group(processes=1, on_gpu=on_gpu)
    config = describe(size)
    with torch.device(group.device):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16 if on_gpu else torch.float32)
    model.config.use_cache = False
    model = add_adapter(model.requires_grad_(False), recipe)
    rows = draw_sequences(tokens=tokens, vocabulary=config.vocab_size, seed=1)
    steps = plan_steps(rows, batch_tokens=recipe.batch_tokens, seed=1)
    training = Training(model, recipe=recipe, group=group)
    training.run(steps[:WARM_UP_STEPS], validation=[], epochs=1)
    timed = steps[WARM_UP_STEPS:]
    if on_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    began = time.monotonic()
    course = training.run(timed, validation=[], epochs=1)
    if on_gpu:
        torch.cuda.synchronize()
    seconds = time.monotonic() - began
    done = [row for step in timed for row in step]
    tflops = count_operations(model, done) / seconds / 1e12
    supervised = sum(row.supervised_tokens for row in done)
    memory = torch.cuda.max_memory_allocated() / 2**30 if on_gpu else 0.0
    return (
        f"{size:<6}{len(timed):>6} steps{seconds:>8.1f} s{course.tokens_run / seconds:>9.0f} tokens/s"
        f"{supervised / seconds:>8.0f} supervised/s{tflops:>8.1f} TFLOP/s{tflops / peak_tflops:>7.1%} of peak{memory:>7.1f} GiB"
    )


def main() -> None:
    """Measure each size and print a line."""
    parser = argparse.ArgumentParser(description="Measure how much of a GPU fine-tuning uses.")
    parser.add_argument("--size", action="append", choices=["tiny", "1.5b", "8b"])
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--batch-tokens", type=int, default=16_384)
    parser.add_argument("--forward-tokens", type=int, default=16_384)
    parser.add_argument("--peak-tflops", type=float, default=989.0, help="dense bf16 of an H100 or H200")
    options = parser.parse_args()
    recipe = Recipe("random", batch_tokens=options.batch_tokens, forward_tokens=options.forward_tokens)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {os.cpu_count()} cores"
    print(f"{device}, torch {torch.__version__}, rank {recipe.rank}, {options.forward_tokens} tokens in a forward pass")
    for size in options.size or ["1.5b", "8b"]:
        print(measure(size, tokens=options.tokens, recipe=recipe, peak_tflops=options.peak_tflops))


if __name__ == "__main__":
    main()
