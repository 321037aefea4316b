"""Trains a LoRA adapter on a snapshot's approved replies; a child program of the trainer.

Command: python -m thumbtune.trainer.finetune --snapshot DIR --base DIR --recipe FILE --out DIR

It does not know the store, runs or desks. It reads DIR/train.jsonl, prints progress as JSON lines, and writes the
adapter (bfloat16 safetensors and its configuration) and result.json. The same snapshot, recipe and thread count give the same
bytes on a CPU. Exit codes: 0 done, 2 bad input, 3 loss or gradient not finite, 4 out of memory, 143 cancelled.
"""

import argparse
import json
import math
import sys
import time
from pathlib import Path

from thumbtune.core.errors import BadInput
from thumbtune.core.manifest import CONFIG_NAME, WEIGHTS_NAME
from thumbtune.trainer.child import (
    EXIT_BAD_INPUT,
    EXIT_NOT_FINITE,
    EXIT_OK,
    EXIT_OUT_OF_MEMORY,
    ProgressReporter,
    emit,
    exit_on_sigterm,
)
from thumbtune.trainer.examples import (
    encode_lines,
    find_end_of_turn,
    merge_prefixes,
    plan_steps,
    read_lines,
    split_rows,
)
from thumbtune.trainer.recipe import Recipe, load_recipe
from thumbtune.trainer.snapshot_files import TRAIN_NAME

_FORWARD_TOKENS = {"cpu": 2048, "cuda": 16384}
_MEMORY_TRIES = 3


class NotFinite(Exception):
    """The loss or the gradient is not a number."""


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    exit_on_sigterm()
    parser = argparse.ArgumentParser(description="Train a LoRA adapter on a snapshot.")
    for name in ("snapshot", "base", "recipe", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args(argv)
    try:
        recipe = load_recipe(arguments.recipe)
        result = finetune(arguments.snapshot, base=arguments.base, recipe=recipe, out=arguments.out)
    except BadInput as exc:
        emit("failed", reason=str(exc))
        return EXIT_BAD_INPUT
    except NotFinite as exc:
        emit("failed", reason=str(exc))
        return EXIT_NOT_FINITE
    except (MemoryError, RuntimeError) as exc:
        from thumbtune.trainer.model import is_out_of_memory

        if not is_out_of_memory(exc):
            raise
        emit("failed", reason="out of memory")
        return EXIT_OUT_OF_MEMORY
    emit("result", **result)
    return EXIT_OK


def finetune(snapshot: Path, *, base: Path, recipe: Recipe, out: Path) -> dict:
    """Train on the snapshot, save the adapter in `out` and return what was done."""
    lines = read_lines(snapshot / TRAIN_NAME)
    if not (base / "config.json").is_file():
        raise BadInput(f"base model {base} has no config.json")
    from thumbtune.trainer import model as models

    began = time.monotonic()
    emit("phase", phase="load")
    device = models.prepare_torch(seed=recipe.seed, threads=recipe.threads)
    tokenizer = models.load_tokenizer(base)
    examples, skipped = encode_lines(
        lines,
        tokenizer,
        end_of_turn=find_end_of_turn(tokenizer, stop_ids=models.find_stop_ids(base)),
        max_context_tokens=recipe.max_context_tokens,
        max_reply_tokens=recipe.max_reply_tokens,
    )
    if not examples:
        raise BadInput(f"no example of the snapshot can be trained on; skipped: {dict(skipped)}")
    sequences = merge_prefixes(examples)
    steps = plan_run(sequences, recipe)
    model = add_adapter(models.load_base(base, device=device), recipe)
    losses, trained_tokens = train(model, steps, recipe=recipe, device=device)
    save_adapter(model, out, base_model=recipe.base_model)
    result = {
        "examples": len(examples),
        "skipped": dict(skipped),
        "sequences": len(sequences),
        "steps": len(steps),
        "epochs": round(sum(len(step) for step in steps) / len(sequences), 2),
        "tokens": sum(sequence.example_tokens for step in steps for sequence in step),
        "tokens_run": trained_tokens,
        "supervised_tokens": sum(sequence.supervised_tokens for step in steps for sequence in step),
        "first_loss": losses[0],
        "last_loss": sum(losses[-5:]) / len(losses[-5:]),
        "device": device.type,
        "seconds": round(time.monotonic() - began, 1),
    }
    (out / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    return result


def plan_run(sequences: list, recipe: Recipe) -> list[list]:
    """Return the optimizer steps of all epochs: whole epochs, at least one, until `min_steps` or `max_epochs`."""
    steps: list[list] = []
    for epoch in range(recipe.max_epochs):
        if epoch and len(steps) >= recipe.min_steps:
            break
        steps += plan_steps(sequences, batch_tokens=recipe.batch_tokens, seed=recipe.seed + epoch)
    return steps


def add_adapter(model, recipe: Recipe):
    """Add fresh LoRA weights in float32 to all linear layers except the output layer."""
    from peft import LoraConfig, get_peft_model
    from torch.nn import Linear

    output_layer = model.get_output_embeddings()
    linear = {name for name, layer in model.named_modules() if isinstance(layer, Linear) and layer is not output_layer}
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=sorted({name.rpartition(".")[2] for name in linear}),
        bias="none",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config).train()


def train(model, steps: list[list], *, recipe: Recipe, device) -> tuple[list[float], int]:
    """Run the optimizer steps; return each step's mean loss per reply token in nats, and the tokens run."""
    import torch

    from thumbtune.trainer.model import ReplyLoss, is_out_of_memory

    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(
        weights, lr=recipe.learning_rate, betas=(0.9, 0.99), weight_decay=recipe.weight_decay, fused=True
    )
    loss_of = ReplyLoss(model, device=device)
    forward_tokens = recipe.forward_tokens or _FORWARD_TOKENS[device.type]
    reporter = ProgressReporter("finetune", steps=len(steps))
    losses, tokens_run, tries = [], 0, 0
    for number, step in enumerate(steps, start=1):
        while True:
            try:
                loss = accumulate_gradient(loss_of, step, forward_tokens=forward_tokens)
                break
            except (MemoryError, RuntimeError) as exc:
                if not is_out_of_memory(exc) or tries == _MEMORY_TRIES:
                    raise
            tries += 1
            forward_tokens //= 2
            optimizer.zero_grad(set_to_none=True)
            if device.type == "cuda":
                torch.cuda.empty_cache()
            emit("memory", forward_tokens=forward_tokens)
        norm = torch.nn.utils.clip_grad_norm_(weights, recipe.max_grad_norm).item()
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise NotFinite(f"step {number} of {len(steps)}: loss {loss}, gradient norm {norm}")
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * compute_pace(
                number, steps=len(steps), warmup_share=recipe.warmup_share
            )
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss)
        step_tokens = sum(len(row.token_ids) for row in step)
        tokens_run += step_tokens
        reporter.report(number, tokens=step_tokens, loss=loss)
    return losses, tokens_run


def accumulate_gradient(loss_of, step: list, *, forward_tokens: int) -> float:
    """Add the gradient of the mean loss over all reply tokens of a step, in as many forward passes as fit."""
    count = sum(row.supervised_tokens for row in step)
    total = 0.0
    for rows in split_rows(step, forward_tokens=forward_tokens):
        loss = loss_of.compute(rows).sum() / count
        loss.backward()
        total += loss.item()
    return total


def compute_pace(step: int, *, steps: int, warmup_share: float) -> float:
    """Return the share of the peak learning rate at a step: linear warm-up, then a cosine down to one tenth."""
    warmup = max(1, round(warmup_share * steps))
    if step <= warmup:
        return step / warmup
    return 0.55 + 0.45 * math.cos(math.pi * (step - warmup) / max(1, steps - warmup))


def save_adapter(model, out: Path, *, base_model: str) -> None:
    """Write the adapter as bfloat16 safetensors and a configuration that names the base by its public id."""
    import torch
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    out.mkdir(parents=True, exist_ok=True)
    weights = {
        key: value.detach().to("cpu", torch.bfloat16).contiguous()
        for key, value in sorted(get_peft_model_state_dict(model).items())
    }
    if not all(bool(torch.isfinite(value).all()) for value in weights.values()):
        raise NotFinite("the trained weights are not finite")
    save_file(weights, out / WEIGHTS_NAME, metadata={"format": "pt"})
    config = {**model.peft_config["default"].to_dict(), "base_model_name_or_path": base_model, "inference_mode": True}
    config["target_modules"] = sorted(config["target_modules"])
    (out / CONFIG_NAME).write_text(json.dumps(config, indent=1, default=str, sort_keys=True) + "\n")


if __name__ == "__main__":
    sys.exit(main())
