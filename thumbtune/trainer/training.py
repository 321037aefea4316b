"""Runs a fine-tuning's optimizer steps: gradients in forward passes that fit, clipping, pace, and the best moment.

It imports torch; only the trainer's child programs may import it. It knows no files.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from thumbtune.trainer.child import NotFinite, ProgressReporter, emit
from thumbtune.trainer.examples import TokenSequence
from thumbtune.trainer.gpus import Group
from thumbtune.trainer.model import ReplyLoss, is_out_of_memory
from thumbtune.trainer.recipe import Recipe
from thumbtune.trainer.reporting import TakeProgress
from thumbtune.trainer.validation import plan_looks

FORWARD_TOKENS = {"cpu": 2048, "cuda": 16384}
_MEMORY_TRIES = 3
_PATIENCE = 2
"""Looks in a row that may be worse than the best before the training ends."""


@dataclass
class Course:
    """What happened: the mean loss per reply token of each step in nats, the tokens run, and the looks (step, NLL)."""

    losses: list[float] = field(default_factory=list)
    tokens_run: int = 0
    looks: list[tuple[int, float]] = field(default_factory=list)

    @property
    def best_step(self) -> int:
        """The step whose weights are kept: the best look, or the last step when nobody looked."""
        return min(self.looks, key=lambda look: look[1])[0] if self.looks else len(self.losses)

    @property
    def is_getting_worse(self) -> bool:
        """Whether the last looks were all worse than one before them."""
        best = [step for step, _ in self.looks].index(self.best_step) if self.looks else 0
        return len(self.looks) - 1 - best >= _PATIENCE


class Training:
    """One fine-tuning of a model that carries fresh adapter weights; every process of a group does the same steps."""

    phase = "finetune"

    def __init__(self, model: Any, *, recipe: Recipe, group: Group) -> None:  # Any: a PEFT model of some base's class
        self.model = model
        self._recipe = recipe
        self.group = group
        self._weights = [weight for weight in model.parameters() if weight.requires_grad]
        self._optimizer = torch.optim.AdamW(
            self._weights, lr=recipe.learning_rate, betas=(0.9, 0.99), weight_decay=recipe.weight_decay, fused=True
        )
        self._loss_of = ReplyLoss(model, device=group.device)
        self._forward_tokens = recipe.forward_tokens or FORWARD_TOKENS[group.device.type]
        self._memory_tries = 0

    def run(
        self,
        steps: Sequence[list[TokenSequence]],
        *,
        validation: Sequence[TokenSequence],
        epochs: int,
        on_progress: TakeProgress = lambda _: None,
    ) -> Course:
        """Take the steps, and leave the model with the weights of the best moment.

        The moment is chosen by the NLL of `validation`, and the training ends when two looks in a row are worse; with no
        validation it is the last step.
        Raises: NotFinite; MemoryError when the smallest forward pass does not fit.
        """
        reporter = ProgressReporter(self.phase, steps=len(steps), on_progress=on_progress)
        looks = plan_looks(len(steps), epochs=epochs) if validation else set()
        course, best = Course(), []
        for number, step in enumerate(steps, start=1):
            loss = self._compute_gradient(step)
            norm = torch.nn.utils.clip_grad_norm_(self._weights, self._recipe.max_grad_norm).item()
            if not (math.isfinite(loss) and math.isfinite(norm)):
                raise NotFinite(f"step {number} of {len(steps)}: loss {loss}, gradient norm {norm}")
            for parameters in self._optimizer.param_groups:
                parameters["lr"] = self._recipe.learning_rate * compute_pace(
                    number, steps=len(steps), warmup_share=self._recipe.warmup_share
                )
            self._optimizer.step()
            self._optimizer.zero_grad(set_to_none=True)
            course.losses.append(loss)
            step_tokens = self._count_tokens(step)
            course.tokens_run += step_tokens
            if self.group.number == 0:
                reporter.report(number, tokens=step_tokens, loss=loss)
            if number in looks:
                course.looks.append((number, self.look(validation, number)))
                if course.best_step == number:
                    best = [weight.detach().clone() for weight in self._weights]
                elif course.is_getting_worse:
                    break
        if best and course.best_step != len(course.losses):
            self._put_back(best)
        return course

    @property
    def forward_tokens(self) -> int:
        """How large a forward pass may be, after what full memory has taught."""
        return self._forward_tokens

    def look(self, validation: Sequence[TokenSequence], number: int) -> float:
        """Return the mean NLL of the validation replies in nats per token after this step."""
        self.model.eval()

        def measure() -> list[float]:
            groups = self._split(self.group.share(validation))
            with torch.inference_mode():
                return [sum(self._loss_of.compute(rows).double().sum().item() for rows in groups)]

        [total] = self._add_up(measure, count=1)
        self.model.train()
        mean = total / sum(row.supervised_tokens for row in validation)
        if not math.isfinite(mean):
            raise NotFinite(f"step {number}: the validation loss is {mean}")
        if self.group.number == 0:
            emit("validation", phase=self.phase, step=number, nll=round(mean, 5))
        return mean

    def _put_back(self, weights: Sequence[torch.Tensor]) -> None:
        with torch.no_grad():
            for weight, kept in zip(self._weights, weights, strict=True):
                weight.copy_(kept)

    def _add_up(self, measure: Callable[[], list[float]], *, count: int) -> list[float]:
        """Return the sums over all processes of what each measures, `count` numbers.

        Raises: MemoryError in all of them when memory is full in any.
        """
        own, is_full = [0.0] * count, False
        try:
            own = measure()
        except (MemoryError, RuntimeError) as exc:
            if not is_out_of_memory(exc):
                raise
            is_full = True
        *sums, full = self.group.add_up([*own, float(is_full)])
        if full:
            raise MemoryError
        return sums

    def _compute_gradient(self, step: list[TokenSequence]) -> float:
        """Leave the gradient of the mean loss over all reply tokens of a step, and return that loss.

        When memory is full, in any process, all halve their forward passes and do the step again.
        """
        while True:
            try:
                [loss] = self._add_up(lambda: [self._accumulate(self.group.share(step), of=step)], count=1)
            except MemoryError:
                if self._memory_tries == _MEMORY_TRIES:
                    raise
            else:
                self.group.add_up_gradients(self._weights)
                return loss
            self._memory_tries += 1
            self._forward_tokens //= 2
            self._optimizer.zero_grad(set_to_none=True)
            if self.group.device.type == "cuda":
                torch.cuda.empty_cache()
            if self.group.number == 0:
                emit("memory", forward_tokens=self._forward_tokens)

    def _accumulate(self, rows: Sequence[TokenSequence], *, of: Sequence[TokenSequence]) -> float:
        """Add the gradient of these rows' part in the mean loss of a step, and return that part."""
        count = sum(row.supervised_tokens for row in of)
        return accumulate_gradient(self._loss_of, rows, count=count, forward_tokens=self._forward_tokens)

    def _count_tokens(self, step: Sequence[TokenSequence]) -> int:
        return sum(len(row.token_ids) for row in step)

    def _split(self, rows: Sequence[TokenSequence]) -> list[list[TokenSequence]]:
        return self._loss_of.split(rows, forward_tokens=self._forward_tokens)


def accumulate_gradient(loss_of: ReplyLoss, rows: Iterable[TokenSequence], *, count: int, forward_tokens: int) -> float:
    """Add the gradient of the summed loss over `count` reply tokens, in as many forward passes as fit."""
    total = 0.0
    for group in loss_of.split(list(rows), forward_tokens=forward_tokens):
        loss = loss_of.compute(group).sum() / count
        loss.backward()
        total += loss.item()
    return total


def compute_pace(step: int, *, steps: int, warmup_share: float) -> float:
    """Return the share of the peak learning rate at a step: linear warm-up, then a cosine down to one tenth."""
    warmup = max(1, round(warmup_share * steps))
    if step <= warmup:
        return step / warmup
    return 0.55 + 0.45 * math.cos(math.pi * (step - warmup) / max(1, steps - warmup))
