"""The processes of one fine-tuning: one alone, or one for each GPU of this machine under torchrun.

They hold the same model and the same adapter, share the rows of every step, and add up the adapter's gradients, so
that together they do what one would do alone. It imports torch; only the trainer's child programs may import it.
"""

import os
from collections.abc import Sequence

import torch
import torch.distributed as dist

from thumbtune.core.errors import BadInput
from thumbtune.core.processes import die_with_parent
from thumbtune.trainer.examples import TokenSequence

_TORCHRUN = "torch.distributed.run"


class Group:
    """This process and its equals; `number` 0 is the one that reports and writes."""

    def __init__(self, *, processes: int, on_gpu: bool) -> None:
        self.number, self.size, place = 0, processes, 0
        if processes > 1:
            self.number, place = int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"])
        if on_gpu and place >= torch.cuda.device_count():
            raise BadInput(f"train_gpus is {processes}, but this machine has {torch.cuda.device_count()} GPUs")
        self.device = torch.device("cuda", place) if on_gpu else torch.device("cpu")
        if processes > 1:
            die_with_parent(parent_word=_TORCHRUN)  # it gives each process a session of its own, which would outlive it
            if on_gpu:
                torch.cuda.set_device(self.device)
            dist.init_process_group("nccl" if on_gpu else "gloo")

    def share(self, rows: Sequence[TokenSequence]) -> list[TokenSequence]:
        """Return this process's part of the rows, of about the same length as the others'."""
        ordered = sorted(rows, key=lambda row: len(row.token_ids), reverse=True) if self.size > 1 else rows
        return list(ordered[self.number :: self.size])

    def add_up(self, numbers: Sequence[float]) -> list[float]:
        """Return the sums over all processes."""
        if self.size == 1:
            return list(numbers)
        sums = torch.tensor(numbers, dtype=torch.float64, device=self.device)  # (number) float64
        dist.all_reduce(sums)
        added: list[float] = sums.tolist()
        return added

    def add_up_gradients(self, weights: Sequence[torch.Tensor]) -> None:
        """Give every process the sum of all gradients of the weights; those without one count as zero."""
        if self.size == 1:
            return
        grads = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in weights]
        flat = torch.cat([grad.flatten() for grad in grads])  # (all trained weights) float32
        dist.all_reduce(flat)
        start = 0
        for weight in weights:
            weight.grad = flat[start : start + weight.numel()].view_as(weight).clone()
            start += weight.numel()

    def seed_apart(self, seed: int) -> None:
        """Let dropout differ between the processes, once all of them have made the same adapter."""
        if self.size > 1:
            torch.manual_seed(seed + self.number)

    def leave(self) -> None:
        """End the group when the work is done."""
        if self.size > 1:
            dist.barrier()
            dist.destroy_process_group()
