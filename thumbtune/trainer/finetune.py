"""Trains a LoRA adapter on a snapshot's approved replies; a child program of the trainer.

Command: python -m thumbtune.trainer.finetune --snapshot DIR --base DIR --recipe FILE --out DIR [--report-to NAME]
    [--evaluation FILE [--live DIR] [--mixed-up]]

It does not know the store, runs or desks. It reads DIR/train.jsonl and DIR/train_triage.jsonl, prints progress as JSON
lines, and writes the adapter (bfloat16 safetensors and its configuration) and result.json. Where the recipe says so, a
second stage learns from DIR/preferences.jsonl. With --evaluation it goes on as `evaluate`, with the base that it holds and
the adapter as it was saved, unless it trained in 4 bits or in several processes. The same snapshot, recipe and thread
count give the same bytes on a CPU.
Exit codes: 0 done, 2 bad input, 3 loss or gradient not finite, 4 out of memory, 5 disk full, 143 cancelled.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from thumbtune.core.errors import BadInput
from thumbtune.core.manifest import CONFIG_NAME, WEIGHTS_NAME
from thumbtune.core.triage import MAX_TRIAGE_TOKENS
from thumbtune.trainer.child import NotFinite, emit, exit_on_sigterm, run_program
from thumbtune.trainer.evaluate import write_evaluation
from thumbtune.trainer.examples import encode_lines, find_end_of_turn, merge_prefixes, plan_steps, read_lines
from thumbtune.trainer.preferences import read_choices
from thumbtune.trainer.recipe import Recipe, check_base_unchanged, load_recipe
from thumbtune.trainer.reporting import open_reports
from thumbtune.trainer.snapshot_files import PREFERENCES_NAME, TRAIN_NAME, TRIAGE_NAME
from thumbtune.trainer.validation import split_validation

if TYPE_CHECKING:
    from thumbtune.trainer.model import Loaded


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    exit_on_sigterm()
    parser = argparse.ArgumentParser(description="Train a LoRA adapter on a snapshot.")
    for name in ("snapshot", "base", "recipe", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--report-to", action="append", default=[])
    parser.add_argument("--report-dir", type=Path, default=Path())
    for name in ("evaluation", "live"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--mixed-up", action="store_true")
    arguments = parser.parse_args(argv)
    return run_program(lambda: finetune_and_judge(arguments))


def finetune_and_judge(arguments: argparse.Namespace) -> None:
    """Fine-tune, and judge what came of it if that is asked for and can be done by this process."""
    recipe = load_recipe(arguments.recipe)
    loaded = finetune(
        arguments.snapshot,
        base=arguments.base,
        recipe=recipe,
        out=arguments.out,
        report_to=arguments.report_to,
        report_dir=arguments.report_dir,
    )
    if arguments.evaluation is None or recipe.four_bit or recipe.gpus > 1:
        return
    write_evaluation(
        arguments.evaluation,
        snapshot=arguments.snapshot,
        base=arguments.base,
        recipe=recipe,
        candidate=arguments.out,
        live=arguments.live,
        mixed_up=arguments.mixed_up,
        loaded=loaded,
    )


def finetune(
    snapshot: Path,
    *,
    base: Path,
    recipe: Recipe,
    out: Path,
    report_to: Sequence[str] = (),
    report_dir: Path = Path(),
) -> "Loaded":
    """Train on the snapshot, save the adapter in `out` and say what was done, there and in the last line printed.

    Returns the base without the adapter.
    """
    lines = read_lines(snapshot / TRAIN_NAME)
    triage_lines = read_lines(snapshot / TRIAGE_NAME) if (snapshot / TRIAGE_NAME).exists() else []
    if not (base / "config.json").is_file():
        raise BadInput(f"base model {base} has no config.json")
    from thumbtune.trainer import model as models
    from thumbtune.trainer.gpus import Group
    from thumbtune.trainer.preferring import prefer_approved
    from thumbtune.trainer.training import Training

    began = time.monotonic()
    emit("phase", phase="load")
    device = models.prepare_torch(seed=recipe.seed, threads=recipe.threads // recipe.gpus)
    group = Group(processes=recipe.gpus, on_gpu=device.type == "cuda")
    tokenizer = models.load_tokenizer(base)
    fitting = {
        "end_of_turn": find_end_of_turn(tokenizer, stop_ids=models.find_stop_ids(base)),
        "max_context_tokens": recipe.max_context_tokens,
    }
    of_replies = {**fitting, "max_reply_tokens": recipe.max_reply_tokens}
    examples, skipped = encode_lines(lines, tokenizer, **of_replies)
    choices, _ = read_choices(snapshot / PREFERENCES_NAME, tokenizer, **of_replies) if recipe.preferences else ([], 0)
    triages, unfit = encode_lines(triage_lines, tokenizer, **fitting, max_reply_tokens=MAX_TRIAGE_TOKENS)
    skipped += Counter({f"triage: {reason}": count for reason, count in unfit.items()})
    if not examples:
        raise BadInput(f"no example of the snapshot can be trained on; skipped: {dict(skipped)}")
    trained, chosen_by = split_validation(examples, share=recipe.validation_share)
    sequences = merge_prefixes([*trained, *triages])
    steps = plan_run(sequences, recipe)
    model = add_adapter(models.load_base(base, device=group.device, four_bit=recipe.four_bit), recipe)
    check_base_unchanged(recipe, base)
    group.seed_apart(recipe.seed)
    epochs = sum(len(step) for step in steps) / len(sequences)
    trains_since = time.monotonic()
    training = Training(model, recipe=recipe, group=group)
    with open_reports(report_to if group.number == 0 else (), run_id=snapshot.name, folder=report_dir) as take_progress:
        course = training.run(
            steps, validation=merge_prefixes(chosen_by), epochs=round(epochs), on_progress=take_progress
        )
        second = {}
        if recipe.preferences:
            told = prefer_approved(
                training,
                choices,
                recipe=recipe,
                how=recipe.preferences,
                validation=chosen_by,
                on_progress=lambda progress: take_progress({**progress, "step": len(course.losses) + progress["step"]}),
            )
            second = {"preferences": {**told, "losses": thin_out(told["losses"])}}
    taken = steps[: len(course.losses)]
    result = {
        "examples": len(trained),
        "triages": len(triages),
        "validation": len(chosen_by),
        "skipped": dict(skipped),
        "sequences": len(sequences),
        "steps": len(course.losses),
        "best_step": course.best_step,
        "looks": course.looks,
        "losses": thin_out(course.losses),
        "epochs": round(sum(len(step) for step in taken) / len(sequences), 2),
        "tokens": sum(sequence.example_tokens for step in taken for sequence in step),
        "tokens_run": course.tokens_run,
        "supervised_tokens": sum(sequence.supervised_tokens for step in taken for sequence in step),
        "first_loss": course.losses[0],
        "last_loss": sum(course.losses[-5:]) / len(course.losses[-5:]),
        "device": group.device.type,
        "processes": group.size,
        "train_seconds": round(time.monotonic() - trains_since, 2),
        "seconds": round(time.monotonic() - began, 1),
        **second,
    }
    if group.number == 0:
        save_adapter(model, out, base_model=recipe.base_model)
        (out / "result.json").write_text(json.dumps(result, indent=1) + "\n")
        emit("result", **result)
    group.leave()
    return models.Loaded(group.device, tokenizer, model.unload())


def thin_out(losses: Sequence[float], *, most: int = 200) -> list[tuple[int, float]]:
    """Return at most about so many points of a curve (step, loss), each the mean of the steps up to it."""
    stride = -(-len(losses) // most) or 1
    parts = [losses[start : start + stride] for start in range(0, len(losses), stride)]
    return [(min((at + 1) * stride, len(losses)), round(sum(part) / len(part), 5)) for at, part in enumerate(parts)]


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
        use_rslora=recipe.rslora,
        lora_dropout=recipe.dropout,
        target_modules=sorted({name.rpartition(".")[2] for name in linear}),
        bias="none",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config).train()


def save_adapter(model, out: Path, *, base_model: str) -> None:
    """Write the adapter as bfloat16 safetensors and a configuration that names the base by its public id."""
    import torch
    from peft import get_peft_model_state_dict
    from safetensors.torch import save

    out.mkdir(parents=True, exist_ok=True)
    weights = {
        key: value.detach().to("cpu", torch.bfloat16).contiguous()
        for key, value in sorted(get_peft_model_state_dict(model).items())
    }
    if not all(bool(torch.isfinite(value).all()) for value in weights.values()):
        raise NotFinite("the trained weights are not finite")
    (out / WEIGHTS_NAME).write_bytes(save(weights, metadata={"format": "pt"}))
    config = {**model.peft_config["default"].to_dict(), "base_model_name_or_path": base_model, "inference_mode": True}
    config["target_modules"] = sorted(config["target_modules"])
    (out / CONFIG_NAME).write_text(json.dumps(config, indent=1, default=str, sort_keys=True) + "\n")


if __name__ == "__main__":
    sys.exit(main())
