"""The second stage of a fine-tuning: the same adapter weights learn to prefer approved replies to rejected drafts (DPO).

It imports torch; only the trainer's child programs may import it. What it learned is kept only if it does not cost what
the first stage learned.
Source: the formula is that of Direct Preference Optimization, arxiv.org/abs/2305.18290, as huggingface.co/docs/trl,
"DPO Trainer", has it; the added loss of the chosen reply follows arxiv.org/abs/2404.19733; seen 2026-11-21.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.nn.functional import logsigmoid

from thumbtune.trainer.child import NotFinite
from thumbtune.trainer.examples import Example, TokenSequence, merge_prefixes, plan_steps
from thumbtune.trainer.model import is_out_of_memory, score_rows
from thumbtune.trainer.preferences import Choice, list_rows
from thumbtune.trainer.recipe import PreferenceRecipe, Recipe
from thumbtune.trainer.reporting import TakeProgress
from thumbtune.trainer.training import Training


@dataclass(frozen=True)
class SecondStage:
    """What came of it: the mean loss of each step, and the NLL of the replies set aside before and after."""

    is_kept: bool
    losses: tuple[float, ...]
    nll_before: float
    nll_after: float


class Preferring(Training):
    """The second stage after a fine-tuning, on the same weights; every process of the group does the same steps."""

    phase = "preferences"

    def __init__(self, first: Training, *, recipe: Recipe, how: PreferenceRecipe) -> None:
        paced = replace(recipe, learning_rate=how.learning_rate, forward_tokens=first.forward_tokens)
        super().__init__(first.model, recipe=paced, group=first.group)
        self._how = how
        self._choices: dict[str, Choice] = {}
        self._references: dict[str, float] = {}

    def improve(
        self,
        choices: Sequence[Choice],
        *,
        validation: Sequence[TokenSequence],
        on_progress: TakeProgress = lambda _: None,
    ) -> SecondStage:
        """Learn from the preference pairs, and leave the model as it was when that made `validation` too unlikely.

        Raises: NotFinite; MemoryError when two rows do not fit into one forward pass. The model is as it was then too.
        """
        before = [weight.detach().clone() for weight in self._weights]
        try:
            stage = self._learn(choices, validation=validation, on_progress=on_progress)
        except (NotFinite, MemoryError, RuntimeError) as exc:
            # What is not one of the first two was not agreed between the processes, and one alone must not go on.
            is_agreed = isinstance(exc, NotFinite | MemoryError)
            if not is_agreed and (self.group.size > 1 or not is_out_of_memory(exc)):
                raise
            self._optimizer.zero_grad(set_to_none=True)
            self._put_back(before)
            raise exc if is_agreed else MemoryError from exc
        if not stage.is_kept:
            self._put_back(before)
        return stage

    def _learn(
        self, choices: Sequence[Choice], *, validation: Sequence[TokenSequence], on_progress: TakeProgress
    ) -> SecondStage:
        nll_before = self.look(validation, 0)
        self._choices = {choice.key: choice for choice in choices}
        self._references = self._measure_references(list_rows(choices))
        steps: list[list[TokenSequence]] = []
        for epoch in range(self._how.epochs):
            rows = [choice.chosen for choice in choices]
            steps += plan_steps(rows, batch_tokens=self._recipe.batch_tokens, seed=self._recipe.seed + epoch)
        course = self.run(steps, validation=(), epochs=self._how.epochs, on_progress=on_progress)
        nll_after = self.look(validation, len(steps))
        is_kept = nll_after <= nll_before * (1 + self._how.max_nll_rise)
        return SecondStage(is_kept, tuple(course.losses), nll_before, nll_after)

    def _measure_references(self, rows: Sequence[TokenSequence]) -> dict[str, float]:
        """Return each row's summed negative log likelihood under the model as it is now, by the name of its span."""
        names = [row.spans[0].pair_id for row in rows]

        def measure() -> list[float]:
            own = self._measure(self.group.share(rows))
            return [own.get(name, 0.0) for name in names]

        return dict(zip(names, self._add_up(measure, count=len(names)), strict=True))

    def _measure(self, rows: Sequence[TokenSequence]) -> dict[str, float]:
        self.model.eval()
        found: dict[str, float] = {}
        for group in self._split(rows):
            found |= score_rows(self._loss_of, group)
        self.model.train()
        return found

    def _accumulate(self, rows: Sequence[TokenSequence], *, of: Sequence[TokenSequence]) -> float:
        total = 0.0
        for group in _split_choices([self._choices[row.spans[0].pair_id] for row in rows], self._forward_tokens):
            both = list_rows(group)
            losses = self._loss_of.compute(both)  # (reply tokens) float32, by row
            sizes = [row.supervised_tokens for row in both]
            nll = torch.stack([part.sum() for part in losses.split(sizes)])  # (2 × pairs) float32
            reference = torch.tensor([self._references[row.spans[0].pair_id] for row in both], device=nll.device)
            tokens = torch.tensor(sizes[::2], device=nll.device)  # (pairs) int64
            loss = compute_preference_loss(
                nll[::2], nll[1::2], reference[::2], reference[1::2], chosen_tokens=tokens, how=self._how
            )
            mean = loss.sum() / len(of)
            mean.backward()
            total += mean.item()
        return total

    def _count_tokens(self, step: Sequence[TokenSequence]) -> int:
        return sum(row.example_tokens for row in step)


def prefer_approved(
    training: Training,
    choices: Sequence[Choice],
    *,
    recipe: Recipe,
    how: PreferenceRecipe,
    validation: Sequence[Example],
    on_progress: TakeProgress,
) -> dict[str, Any]:  # Any: JSON
    """Let a second stage follow a fine-tuning, if there is something to check it by, and return what to tell of it.

    Conversations that were set aside stay so. One that cannot be carried to its end leaves what the first stage learned.
    """
    aside = {example.thread_id for example in validation}
    taken = [choice for choice in choices if choice.thread_id not in aside]
    told: dict[str, Any] = {"pairs": len(taken), "kept": False, "why": "", "losses": []}  # Any: JSON
    if not validation:
        return {**told, "why": "with fewer than 100 conversations none are set aside to check it by"}
    if not taken:
        return {**told, "why": "no preference pair fits the model's context"}
    second = Preferring(training, recipe=recipe, how=how)
    try:
        stage = second.improve(taken, validation=merge_prefixes(validation), on_progress=on_progress)
    except NotFinite:
        return {**told, "why": "its loss stopped being a number; lower train_preference_learning_rate"}
    except MemoryError:
        return {**told, "why": "the device ran out of memory in it; lower train_batch_tokens or gpu_memory_share"}
    figures = {"nll_before": stage.nll_before, "nll_after": stage.nll_after}
    return {**told, "kept": stage.is_kept, "losses": stage.losses, **figures}


def compute_preference_loss(
    chosen: torch.Tensor,
    rejected: torch.Tensor,
    reference_chosen: torch.Tensor,
    reference_rejected: torch.Tensor,
    *,
    chosen_tokens: torch.Tensor,
    how: PreferenceRecipe,
) -> torch.Tensor:
    """Return the loss of each preference pair: DPO's, and the weighted NLL per token of the approved reply.

    All are summed negative log likelihoods, (pairs) float32, so that their signs are those of the formula turned round.
    """
    margin = (reference_chosen - chosen) - (reference_rejected - rejected)  # (pairs) float32
    return -logsigmoid(how.beta * margin) + how.sft_weight * chosen / chosen_tokens


def _split_choices(choices: Sequence[Choice], forward_tokens: int) -> list[list[Choice]]:
    """Return groups of preference pairs whose padded rows stay within `forward_tokens`; at least one pair each."""
    groups: list[list[Choice]] = []
    widest = 0
    for choice in sorted(choices, key=_measure_width, reverse=True):
        if groups and widest * 2 * (len(groups[-1]) + 1) <= forward_tokens:
            groups[-1].append(choice)
        else:
            groups.append([choice])
            widest = _measure_width(choice)
    return groups


def _measure_width(choice: Choice) -> int:
    return max(len(choice.chosen.token_ids), len(choice.rejected.token_ids))
