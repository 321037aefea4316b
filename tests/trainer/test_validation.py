"""The best moment of a training is chosen by conversations of its own, and its weights are what is saved."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.trainer.children import LIMITS, finetune
from tests.trainer.samples import make_line
from thumbtune.core.manifest import verify_config
from thumbtune.trainer.examples import Example, encode_lines, find_end_of_turn, merge_prefixes, read_lines
from thumbtune.trainer.validation import plan_looks, split_validation


def make_examples(threads: int) -> list[Example]:
    return [Example(f"p{number}", f"t{number // 2}", (1,), (2,)) for number in range(2 * threads)]


@pytest.mark.parametrize(("threads", "expected"), [(1, 0), (99, 0), (100, 8), (200, 10), (400, 20), (2000, 40)])
def test_whole_conversations_are_set_aside_once_there_are_enough(threads: int, expected: int) -> None:
    examples = make_examples(threads)
    trained, aside = split_validation(examples, share=0.05)
    assert len(aside) == 2 * expected
    assert not {example.thread_id for example in trained} & {example.thread_id for example in aside}
    assert sorted([*trained, *aside], key=examples.index) == examples
    assert split_validation(examples[::-1], share=0.05)[1][::-1] == aside
    assert split_validation(examples, share=0.0) == (examples, [])


def test_looks_are_spread_over_the_training_and_end_with_it() -> None:
    assert plan_looks(100, epochs=1) == {25, 50, 75, 100}
    assert plan_looks(64, epochs=8) == {8, 16, 24, 32, 40, 48, 56, 64}
    assert plan_looks(3, epochs=1) == {1, 2, 3}


def test_training_that_only_learns_by_heart_ends_early_and_keeps_its_best_moment(
    tiny_base: Path, tmp_path: Path, write_snapshot: Callable[..., Path]
) -> None:
    dice = random.Random(5)
    replies = [f"Hello! Your code is {dice.randrange(10**8)}. Bye." for _ in range(110)]
    snapshot = write_snapshot([make_line(thread, reply=reply) for thread, reply in enumerate(replies)])
    long = {"min_steps": 10_000, "max_epochs": 16, "validation_share": 0.05, "rslora": True}
    code, events, errors = finetune(snapshot, tiny_base, tmp_path / "out", **long)
    assert code == 0, errors
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert (result["examples"], result["validation"]) == (102, 8)
    looks = dict(result["looks"])
    assert [event["step"] for event in events if event["event"] == "validation"] == list(looks)
    assert looks[result["best_step"]] == min(looks.values())
    assert list(looks)[-3] == result["best_step"], "it ends with the second look that is worse"
    assert result["epochs"] < 16
    assert verify_config(tmp_path / "out")["use_rslora"] is True
    assert measure(tmp_path / "out", snapshot, tiny_base) == pytest.approx(min(looks.values()), rel=0.01)


def measure(adapter: Path, snapshot: Path, base: Path) -> float:
    """The saved adapter's NLL of the conversations set aside, in nats per token."""
    import torch

    from thumbtune.trainer import model as models

    tokenizer = models.load_tokenizer(base)
    end = find_end_of_turn(tokenizer, stop_ids=[])
    limits = {name: LIMITS[name] for name in ("max_context_tokens", "max_reply_tokens")}
    examples, _ = encode_lines(read_lines(snapshot / "train.jsonl"), tokenizer, end_of_turn=end, **limits)
    rows = merge_prefixes(split_validation(examples, share=0.05)[1])
    cpu = torch.device("cpu")
    model = models.attach_adapter(models.load_base(base, device=cpu), adapter, name="candidate")
    with torch.inference_mode():
        return float(models.ReplyLoss(model, device=cpu).compute(rows).mean())
