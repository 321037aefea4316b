"""The Muon optimizer: momentum whose matrices are made orthogonal before each step.

It knows matrices only; embeddings and norms belong to another optimizer.
Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024), re-written from its formula.
"""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

_A, _B, _C = 3.4445, -4.7750, 2.0315


class Muon(torch.optim.Optimizer):
    """Steps along the nearest orthogonal matrix of the momentum; matrices of one shape are handled together."""

    def __init__(
        self, params: Iterable[nn.Parameter], *, lr: float, momentum: float = 0.95, decay: float = 0.01
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Apply one step to every parameter that has a gradient."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for param in group["params"]:
                if param.grad is not None:
                    by_shape[param.shape].append(param)
            for shape, params in by_shape.items():
                stacked = torch.stack([self._add_momentum(param, group["momentum"]) for param in params])
                updates = make_orthogonal(stacked)
                scale = max(1.0, shape[0] / shape[1]) ** 0.5
                for param, update in zip(params, updates, strict=True):
                    param.mul_(1 - group["lr"] * group["decay"])
                    param.add_(update, alpha=-group["lr"] * scale)

    def _add_momentum(self, param: nn.Parameter, momentum: float) -> Tensor:
        state = self.state[param]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(param)
        state["momentum"].lerp_(param.grad, 1 - momentum)
        return param.grad.lerp(state["momentum"], momentum)


def make_orthogonal(matrices: Tensor, *, rounds: int = 5) -> Tensor:
    """Return (n, rows, cols) matrices with all singular values brought near 1; worked out in bf16, which is enough."""
    tall = matrices.shape[-2] > matrices.shape[-1]
    work = matrices.transpose(-2, -1) if tall else matrices
    work = (work / (work.norm(dim=(-2, -1), keepdim=True) + 1e-7)).bfloat16()
    for _ in range(rounds):
        square = work @ work.transpose(-2, -1)
        work = _A * work + (_B * square + _C * square @ square) @ work
    return (work.transpose(-2, -1) if tall else work).to(matrices.dtype)
