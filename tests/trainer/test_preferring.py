"""The second stage: its loss, what it does to a real model, and when it is not kept."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.children import LIMITS, RECIPE, run_again
from tests.trainer.installation import make_installation
from tests.trainer.samples import make_line
from tests.trainer.test_judging import Backend, carry_out
from thumbtune.core.manifest import CONFIG_NAME, WEIGHTS_NAME, hash_file
from thumbtune.core.store.courses import load_course
from thumbtune.core.store.reporting import load_report
from thumbtune.trainer.examples import encode_lines, find_end_of_turn, merge_prefixes, read_lines
from thumbtune.trainer.preferences import Choice, compare_choices, describe_second_stage, list_rows, read_choices
from thumbtune.trainer.recipe import PreferenceRecipe, Recipe
from thumbtune.trainer.validation import split_validation

HOW = PreferenceRecipe(learning_rate=2e-3)


def test_loss_is_that_of_the_published_formula() -> None:
    import torch

    from thumbtune.trainer.preferring import compute_preference_loss

    logp = {"chosen": [-12.0, -30.5], "rejected": [-11.0, -20.0], "ref_c": [-13.5, -30.5], "ref_r": [-9.0, -20.0]}
    nll = {name: -torch.tensor(values, requires_grad=True) for name, values in logp.items()}
    how = PreferenceRecipe(beta=0.3, sft_weight=0.5)
    tokens = torch.tensor([4, 10])
    found = compute_preference_loss(
        nll["chosen"], nll["rejected"], nll["ref_c"], nll["ref_r"], chosen_tokens=tokens, how=how
    )
    # beta × ((-12 + 13.5) - (-11 + 9)) = 0.3 × 3.5 = 1.05, and nothing has moved in the second pair.
    expected = [-math.log(1 / (1 + math.exp(-1.05))) + 0.5 * 12 / 4, math.log(2) + 0.5 * 30.5 / 10]
    assert found.tolist() == pytest.approx(expected, rel=1e-6)


class Model:
    """A tiny model that has just learned approved replies, with replies set aside and preference pairs of two sides."""

    def __init__(self, base: Path, snapshot: Path) -> None:
        from thumbtune.trainer import model as models
        from thumbtune.trainer.finetune import add_adapter, plan_run
        from thumbtune.trainer.gpus import Group
        from thumbtune.trainer.training import Training

        self.recipe = Recipe(**{**RECIPE, **LIMITS, "min_steps": 20})
        device = models.prepare_torch(seed=self.recipe.seed, threads=1)
        tokenizer = models.load_tokenizer(base)
        limits = {name: LIMITS[name] for name in ("max_context_tokens", "max_reply_tokens")}
        limits["end_of_turn"] = find_end_of_turn(tokenizer, stop_ids=[])
        examples, _ = encode_lines(read_lines(snapshot / "train.jsonl"), tokenizer, **limits)
        trained, self.validation = split_validation(examples, share=0.05)
        choices, unfit = read_choices(snapshot / "preferences.jsonl", tokenizer, **limits)
        self.choices, self.held_out = choices[:60], choices[60:]
        assert unfit == 1
        model = add_adapter(models.load_base(base, device=device), self.recipe)
        self.training = Training(model, recipe=self.recipe, group=Group(processes=1, on_gpu=False))
        self.training.run(plan_run(merge_prefixes(trained), self.recipe), validation=(), epochs=1)

    def improve(self, how: PreferenceRecipe) -> dict[str, Any]:
        from thumbtune.trainer.preferring import prefer_approved

        options = {"recipe": self.recipe, "how": how, "validation": self.validation}
        return prefer_approved(self.training, self.choices, **options, on_progress=lambda _: None)

    def compare(self, choices: list[Choice]) -> dict[str, float]:
        from thumbtune.trainer.model import ReplyLoss, score_rows

        loss_of = ReplyLoss(self.training.model, device=self.training.group.device)
        return compare_choices(choices, score_rows(loss_of, list_rows(choices)))

    def read_weights(self) -> list[list[float]]:
        return [weight.flatten().tolist() for weight in self.training.model.parameters() if weight.requires_grad]


@pytest.fixture
def model(tiny_base: Path, write_snapshot: Callable[..., Path]) -> Iterator[Model]:
    lines = [make_line(thread) for thread in range(110)]
    drafted = [{**make_line(thread), "rejected": f"Hello! Lamp {thread % 7} is gone. Bye."} for thread in range(89)]
    import torch

    unfit = {**make_line(90), "rejected": "word " * 500}
    yield Model(tiny_base, write_snapshot(lines, preferences=[*drafted, unfit]))
    torch.set_flush_denormal(False)  # of the whole process; NumPy would warn of it


def test_approved_replies_are_preferred_more_and_stay_likely(model: Model, capsys: pytest.CaptureFixture[str]) -> None:
    before = model.compare(model.held_out)
    told = model.improve(HOW)
    after = model.compare(model.held_out)
    aside = {example.thread_id for example in model.validation}
    assert told["pairs"] == sum(choice.thread_id not in aside for choice in model.choices) < 60
    assert told["kept"], told
    assert told["nll_after"] < 1.02 * told["nll_before"]
    assert after["margin"] > before["margin"] + 0.05
    assert after["share"] >= before["share"]
    assert told["losses"][-1] < told["losses"][0]
    assert told["losses"][0] == pytest.approx(math.log(2) + told["nll_before"], abs=0.5)
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    progress = [event for event in events if event["event"] == "progress" and event["phase"] == "preferences"]
    assert progress[-1]["step"] == progress[-1]["steps"] == len(told["losses"])


def test_second_stage_that_costs_what_was_learned_leaves_the_first_ones_weights(model: Model) -> None:
    before = model.read_weights()
    told = model.improve(PreferenceRecipe(learning_rate=5e-2, sft_weight=0.0))
    assert told["nll_after"] > 1.02 * told["nll_before"]
    assert not told["kept"]
    assert model.read_weights() == before
    model.validation = []
    told = model.improve(HOW)
    assert "fewer than 100 conversations" in told["why"]
    assert model.read_weights() == before


@pytest.mark.parametrize("max_grad_norm", [1.0, 1e30])
def test_second_stage_that_diverges_leaves_the_first_ones_weights(model: Model, max_grad_norm: float) -> None:
    before = model.read_weights()
    model.recipe = replace(model.recipe, max_grad_norm=max_grad_norm)
    told = model.improve(PreferenceRecipe(learning_rate=1e30))
    assert not told["kept"]
    assert "lower train_preference_learning_rate" in told["why"]
    assert "No second stage: its loss stopped being a number" in describe_second_stage(told)
    assert model.read_weights() == before


def test_second_stage_that_does_not_fit_into_memory_leaves_the_first_ones_weights(model: Model) -> None:
    from thumbtune.trainer.gpus import Group

    class FullElsewhere(Group):
        """Another process of it tells that its memory is full: the last of the numbers that are added up."""

        def add_up(self, numbers: Sequence[float]) -> list[float]:
            return [*numbers[:-1], 1.0]

    before = model.read_weights()
    model.training.group = FullElsewhere(processes=1, on_gpu=False)
    told = model.improve(HOW)
    assert not told["kept"]
    assert "the device ran out of memory in it" in told["why"]
    assert model.read_weights() == before


def test_run_whose_second_stage_diverges_passes_on_the_first_ones_weights(tmp_path: Path, tiny_base: Path) -> None:
    changes = {"train_preferences": "dpo", "train_preference_min": 50, "train_preference_learning_rate": 1e6}
    installation = make_installation(tmp_path, tiny_base, pairs=150, train_min_steps=40, **changes)
    installation.add_drafts(range(150))
    ended = carry_out(installation, Backend())
    assert ended.state == "passed", ended.message
    assert "No second stage: " in ended.message or "was not kept" in ended.message
    [adapter] = installation.list_adapters()
    assert "Second stage" not in (installation.settings.adapters_dir / adapter.name / "README.md").read_text()
    installation.store.engine.dispose()


def test_run_with_a_second_stage_is_judged_told_and_repeats_bit_by_bit(tmp_path: Path, tiny_base: Path) -> None:
    changes = {"train_preferences": "dpo", "train_preference_min": 50, "train_preference_learning_rate": 1e-3}
    installation = make_installation(tmp_path, tiny_base, pairs=150, train_min_steps=40, **changes)
    installation.add_drafts(range(150))
    phases = set()
    run_id = installation.queue_run().run_id
    with installation.start_trainer():
        ended = installation.await_run(
            run_id,
            lambda found: phases.add(found.phase) or found.finished_at is not None,  # type: ignore[func-returns-value]
        )
    with installation.store.read() as conn:
        course = load_course(conn, run_id)
        report = load_report(conn, run_id, gpu_price_per_hour=0)
    assert ended.state == "passed", ended.message
    told, preferred = course["preferences"], course["preferred"]
    assert told["kept"], told
    assert f"A second stage learned from {told['pairs']} preference pairs." in ended.message
    assert {"finetune", "evaluate"} <= phases
    assert preferred["candidate"]["pairs"] == preferred["base"]["pairs"] > 20
    assert preferred["candidate"]["margin"] > preferred["base"]["margin"]
    assert report.course.preferred == preferred
    [adapter] = installation.list_adapters()
    assert "Second stage (DPO)" in (Path(adapter.path) / "README.md").read_text()
    again = run_again(installation.settings.snapshots_dir / run_id, tiny_base, tmp_path / "again")
    for name in (WEIGHTS_NAME, CONFIG_NAME):
        assert hash_file(Path(adapter.path) / name) == hash_file(again / name)
    installation.store.engine.dispose()
