"""The optimizer's steps themselves, in this process: full memory, and what it leaves of the result."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.children import LIMITS, RECIPE
from tests.trainer.samples import make_line
from thumbtune.trainer.examples import Line, encode_lines, find_end_of_turn, merge_prefixes
from thumbtune.trainer.recipe import Recipe


def train(base: Path, *, room: int, forward_tokens: int) -> tuple[list[float], list[Any]]:
    """Train for an epoch on a device with room for so many tokens; return the losses and the weights."""
    import torch

    from thumbtune.trainer import model as models
    from thumbtune.trainer.finetune import add_adapter, plan_run
    from thumbtune.trainer.gpus import Group
    from thumbtune.trainer.training import Training

    recipe = Recipe(**{**RECIPE, **LIMITS, "min_steps": 1, "forward_tokens": forward_tokens})
    device = models.prepare_torch(seed=recipe.seed, threads=1)
    tokenizer = models.load_tokenizer(base)
    lines = [
        Line(str(fields["pair_id"]), str(fields["thread_id"]), (tuple(fields["messages"]),), str(fields["reply"]))
        for fields in json.loads(json.dumps([make_line(thread) for thread in range(30)]))
    ]
    limits = {name: LIMITS[name] for name in ("max_context_tokens", "max_reply_tokens")}
    examples, _ = encode_lines(lines, tokenizer, end_of_turn=find_end_of_turn(tokenizer, stop_ids=[]), **limits)
    model = add_adapter(models.load_base(base, device=device), recipe)

    def take_memory(_module: object, _arguments: object, options: dict[str, Any]) -> None:
        if options["input_ids"].numel() > room:
            raise torch.OutOfMemoryError("the device is full")

    model.register_forward_pre_hook(take_memory, with_kwargs=True)
    training = Training(model, recipe=recipe, group=Group(processes=1, on_gpu=False))
    course = training.run(plan_run(merge_prefixes(examples), recipe), validation=[], epochs=1)
    return course.losses, [weight.detach().clone() for weight in model.parameters() if weight.requires_grad]


def test_full_memory_halves_the_forward_pass_and_the_result_is_as_if_it_had_begun_so(
    tiny_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    losses, weights = train(tiny_base, room=260, forward_tokens=2000)
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [event["forward_tokens"] for event in events if event["event"] == "memory"] == [1000, 500, 250]
    expected_losses, expected_weights = train(tiny_base, room=260, forward_tokens=250)
    assert losses == expected_losses
    assert all(bool((one == other).all()) for one, other in zip(weights, expected_weights, strict=True))


def test_memory_that_stays_full_ends_the_training(tiny_base: Path) -> None:
    with pytest.raises(MemoryError):
        train(tiny_base, room=20, forward_tokens=2000)
