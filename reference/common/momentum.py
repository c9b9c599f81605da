"""Momentum whose memory holds the learning rate, as Krizhevsky et al. (2012) print it, and training that resumes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reference.common.images import to_tensor


class Momentum:
    """v <- m v - d e w - e g; w <- w + v, for momentum m, weight decay d, learning rate e and gradient g (Section 5).

    torch's rule keeps u = -v / e. The two are the same as long as the learning rate e is; where e changes, u is
    scaled so that v stays what it was. That done, torch's fused kernel is the fastest way to compute the rule.
    """

    def __init__(self, parameters: Iterable[Tensor], momentum: float, weight_decay: float, *, fused: bool) -> None:
        self.parameters = list(parameters)
        like = self.parameters[0]
        dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
        self.rate = torch.zeros((), dtype=dtype, device=like.device)
        rule = {"momentum": momentum, "weight_decay": weight_decay, "fused": fused}
        self.rule = torch.optim.SGD(self.parameters, self.rate, **rule)
        self.current = 0.0
        for parameter in self.parameters:
            self.rule.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)

    @property
    def scaled(self) -> list[Tensor]:
        """Each parameter's u."""
        return [self.rule.state[parameter]["momentum_buffer"] for parameter in self.parameters]

    def at(self, rate: float) -> None:
        """The learning rate of the next update."""
        if self.current not in (0.0, rate):
            torch._foreach_mul_(self.scaled, self.current / rate)
        if self.current != rate:
            self.current = rate
            self.rate.fill_(rate)


def snapshot(net: nn.Module, momentum: Momentum, step: int) -> dict[str, NDArray[Any]]:
    """Copies, by name, of all that training has changed after `step` updates."""
    found = {"step": np.array(step), "rate": np.array(momentum.current)}
    for (name, weights), scaled in zip(net.named_parameters(), momentum.scaled, strict=True):
        found |= {f"weights.{name}": _copy(weights), f"momentum.{name}": _copy(scaled)}
    return found


def resume(net: nn.Module, momentum: Momentum, start: Mapping[str, NDArray[Any]]) -> int:
    """Set all that training changes to what `snapshot` gave; how many updates it was after."""
    with torch.no_grad():
        for (name, weights), scaled in zip(net.named_parameters(), momentum.scaled, strict=True):
            weights.copy_(to_tensor(start[f"weights.{name}"]))
            scaled.copy_(to_tensor(start[f"momentum.{name}"]))
    momentum.current = float(start["rate"])
    momentum.rate.fill_(momentum.current)
    return int(start["step"])


def _copy(tensor: Tensor) -> NDArray[Any]:
    return tensor.detach().cpu().numpy().copy()
