"""Updates of all parameters as one array: gradients clipped by their norm, at rates that fall to 0 as half a cosine."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn


class Recipe(Protocol):
    """What a config says of updates."""

    @property
    def optimizer(self) -> str:
        """How gradients move weights: "adam", with its authors' constants, or "sgd", plain descent."""
        ...

    @property
    def lr(self) -> float:
        """The first rate."""
        ...

    @property
    def clip(self) -> float:
        """The largest L2 norm of the gradient."""
        ...

    @property
    def updates(self) -> int:
        """How many there are."""
        ...


class Optimizer:
    """Adam, or descent, on all parameters as one array, at rates that fall to 0 as half a cosine."""

    def __init__(self, config: Recipe, net: nn.Module) -> None:
        self.config, self.done = config, 0
        self.learnt = [parameter for parameter in net.parameters() if parameter.requires_grad]
        self.weights_W = torch.cat([p.detach().flatten() for p in self.learnt])
        for p, part in zip(self.learnt, self.weights_W.split([p.numel() for p in self.learnt]), strict=True):
            p.data = part.view_as(p)
        self.mean_W, self.square_W = torch.zeros_like(self.weights_W), torch.zeros_like(self.weights_W)

    def step(self, loss: Tensor) -> None:
        """Clip the norm of the gradient, and update."""
        gradients = torch.autograd.grad(loss, self.learnt, allow_unused=True, materialize_grads=True)
        g_W = torch.cat([g.flatten() for g in gradients])
        g_W *= (self.config.clip / g_W.norm()).clamp(max=1.0)
        lr = self.config.lr * (1 + math.cos(math.pi * self.done / self.config.updates)) / 2
        self.done += 1
        if self.config.optimizer == "sgd":
            self.weights_W.sub_(g_W, alpha=lr)
            return
        self.mean_W.lerp_(g_W, 0.1)
        self.square_W.lerp_(g_W.square_(), 0.001)
        deviation_W = (self.square_W / (1 - 0.999**self.done)).sqrt_().add_(1e-8)
        self.weights_W.addcdiv_(self.mean_W, deviation_W, value=-lr / (1 - 0.9**self.done))


def batches(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """For ever: which examples are in a batch. A pass takes each once; what does not fill a batch is left out."""
    size = min(size, count)
    while True:
        order = torch.randperm(count, generator=generator)
        yield from order[: count // size * size].split(size)


def fit(net: nn.Module, loss: Callable[[int], Tensor], config: Recipe, eval_steps: Sequence[int]) -> Iterator[int]:
    """Update `net` by what `loss` says of each update; yield at the eval_steps and at the end."""
    optimizer = Optimizer(config, net)
    for update in range(config.updates):
        if update in eval_steps:
            yield update
        optimizer.step(loss(update))
    yield config.updates
