"""Batch normalization of mini-batches that come in micro-batches (Huang et al. 2019, Section 2.2).

Shapes: N examples of a micro-batch, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DeferredNorm(nn.Module):
    """Normalizes by a micro-batch's moments in training, by moving averages later.

    Attributes:
        deferred: averages move when `settle` is called, by the mini-batch's moments, and not with each micro-batch.
        recomputing: the micro-batch has been seen before; its moments count once.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, width: int, momentum: float = 0.1, deferred: bool = True) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))
        self.momentum, self.deferred, self.recomputing = momentum, deferred, False
        self.seen: list[tuple[int, Tensor, Tensor]] = []  # examples, mean and variance of each micro-batch

    def forward(self, x_ND: Tensor) -> Tensor:
        """Normalize a micro-batch by its own moments, and remember them; a recomputation only normalizes."""
        if not self.training:
            return (x_ND - self.running_mean) / (self.running_var + 1e-5).sqrt() * self.weight + self.bias
        mean_D, var_D = x_ND.mean(0), x_ND.var(0, correction=0)
        if not self.recomputing:
            self.seen.append((len(x_ND), mean_D.detach(), var_D.detach()))
            if not self.deferred:
                self.settle()
        return (x_ND - mean_D) / (var_D + 1e-5).sqrt() * self.weight + self.bias

    @torch.no_grad()
    def settle(self) -> None:
        """Move the averages by the moments of everything since the last time, if there is any."""
        if not self.seen:
            return
        sizes, means, variances = zip(*self.seen, strict=True)
        n, share = sum(sizes), means[0].new_tensor(sizes)[:, None] / sum(sizes)
        mean_D = (share * torch.stack(means)).sum(0)
        var_D = (share * (torch.stack(variances) + (torch.stack(means) - mean_D) ** 2)).sum(0)
        self.running_mean.lerp_(mean_D, self.momentum)
        self.running_var.lerp_(var_D * n / (n - 1), self.momentum)
        self.seen.clear()
