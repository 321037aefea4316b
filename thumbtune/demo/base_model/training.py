"""Trains the base model: reply tokens at full weight, batches of one length, Muon for matrices and AdamW for the rest.

It does not know where conversations come from. It writes checkpoints and goes on from the newest one.
"""

import logging
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, distributed, nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from thumbtune.demo.base_model.muon import Muon
from thumbtune.demo.base_model.tokens import MAX_TOKENS, ROLES, render_chat

logger = logging.getLogger(__name__)

LENGTHS = [128, 224, 384]
EAGER_LENGTHS = [1024]
BATCH_TOKENS = 3072
PROMPT_WEIGHT = 0.1
POOL = 512
MATRIX_LR, OTHER_LR = 0.02, 3e-3
WARMUP_STEPS = 60
DECAY_SHARE = 0.3

Conversation = list[dict[str, str]]


def build_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Return an untrained model of 5 million parameters."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=5,
        num_attention_heads=8,
        num_key_value_heads=8,
        max_position_embeddings=MAX_TOKENS,
        rope_theta=10000.0,
        tie_word_embeddings=True,
        initializer_range=0.03,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def train(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    *,
    open_source: Callable[[int], Callable[[], Conversation]],
    steps: int,
    folder: Path,
    seed: int,
    on_checkpoint: Callable[[int], None],
    checkpoint_every: int = 50,
) -> None:
    """Train for `steps` optimizer steps, going on from `folder`'s checkpoint when there is one.

    `open_source` is given the steps done, so that a run that goes on does not see its first conversations again.
    Where a process group exists, each process draws its own batches and the gradients are averaged: on a busy machine
    two processes of one thread wait for each other once a step, two threads in every operation.
    """
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim < 2 or "embed" in name]
    optimizers = [
        Muon(matrices, lr=MATRIX_LR),
        torch.optim.AdamW(others, lr=OTHER_LR, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    ]
    base_rates = [MATRIX_LR, OTHER_LR]
    done = _load_checkpoint(folder, model, optimizers)
    compiled = torch.compile(model, dynamic=False)
    batches = _draw_batches(open_source(done), tokenizer, random.Random(seed + done))
    began_at, tokens, losses = time.monotonic(), 0, []
    for step in range(done, steps):
        scale = _scale_rate(step, steps)
        for optimizer, rate in zip(optimizers, base_rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * scale
        ids, weights = next(batches)  # both (batch, seq); ids int64, weights float32
        network = model if ids.shape[1] in EAGER_LENGTHS else compiled
        loss = _compute_loss(network, ids, weights)
        loss.backward()
        _average_gradients(model)
        torch.nn.utils.clip_grad_norm_(others, 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        tokens += ids.numel()
        losses.append(loss.item())
        if (step + 1) % 20 == 0 and is_first():
            rate = tokens / (time.monotonic() - began_at)
            logger.info("step %d loss %.4f tokens/s %.0f", step + 1, sum(losses[-20:]) / 20, rate)
        if ((step + 1) % checkpoint_every == 0 or step + 1 == steps) and is_first():
            _save_checkpoint(folder, step + 1, model=model, optimizers=optimizers)
            on_checkpoint(step + 1)


def is_first() -> bool:
    """Return whether this is the only process of the run or its first."""
    return not distributed.is_initialized() or distributed.get_rank() == 0


def encode_conversation(
    tokenizer: PreTrainedTokenizerFast, conversation: Conversation
) -> tuple[list[int], list[float]]:
    """Return token ids and loss weights: 1 for what the assistant writes and its end token."""
    ids = tokenizer.encode(render_chat(conversation), add_special_tokens=False)
    starts = tokenizer.convert_tokens_to_ids(ROLES["assistant"])
    weights, writing = [], False
    for token in ids:
        weights.append(1.0 if writing else PROMPT_WEIGHT)
        if token == starts:
            writing = True
        elif token == tokenizer.eos_token_id:
            writing = False
    return ids, weights


def _compute_loss(network: nn.Module, ids: Tensor, weights: Tensor) -> Tensor:
    with torch.autocast(ids.device.type, torch.bfloat16):  # weights, gradients and the loss itself stay float32
        logits = network(input_ids=ids, use_cache=False).logits[:, :-1]  # (batch, seq - 1, vocab)
    losses = nn.functional.cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten(), reduction="none")
    kept = weights[:, 1:].flatten()
    return (losses * kept).sum() / kept.sum()


def _average_gradients(model: nn.Module) -> None:
    if not distributed.is_initialized():
        return
    gradients = [param.grad for param in model.parameters() if param.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for gradient, part in zip(gradients, flat.split([item.numel() for item in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def _draw_batches(
    draw: Callable[[], Conversation], tokenizer: PreTrainedTokenizerFast, rng: random.Random
) -> Iterator[tuple[Tensor, Tensor]]:
    buckets: dict[int, list[tuple[list[int], list[float]]]] = {length: [] for length in [*LENGTHS, *EAGER_LENGTHS]}
    while True:
        ready = []
        for _ in range(POOL):
            item = encode_conversation(tokenizer, draw())
            length = next((length for length in buckets if len(item[0]) <= length), None)
            if length is None:
                continue
            buckets[length].append(item)
            if len(buckets[length]) * length >= BATCH_TOKENS:
                ready.append(_pad(buckets[length], length, tokenizer.pad_token_id))
                buckets[length] = []
        rng.shuffle(ready)
        yield from ready


def _pad(items: list[tuple[list[int], list[float]]], length: int, pad_id: int) -> tuple[Tensor, Tensor]:
    ids = torch.full((len(items), length), pad_id)
    weights = torch.zeros(len(items), length)
    for row, (tokens, values) in enumerate(items):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        weights[row, : len(values)] = torch.tensor(values)
    return ids, weights


def _scale_rate(step: int, steps: int) -> float:
    """Return the share of the full rate: up over the first steps, flat, then down to nothing over the last 30 %."""
    left = (steps - step) / (DECAY_SHARE * steps)
    return min(1.0, (step + 1) / WARMUP_STEPS, left)


def _save_checkpoint(folder: Path, step: int, *, model: nn.Module, optimizers: list[torch.optim.Optimizer]) -> None:
    state = {"step": step, "model": model.state_dict(), "optimizers": [item.state_dict() for item in optimizers]}
    torch.save(state, folder / "checkpoint.new")
    (folder / "checkpoint.new").replace(folder / "checkpoint.pt")


def _load_checkpoint(folder: Path, model: nn.Module, optimizers: list[torch.optim.Optimizer]) -> int:
    path = folder / "checkpoint.pt"
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return int(state["step"])
