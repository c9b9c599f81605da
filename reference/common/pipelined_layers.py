"""Layers of networks that are cut into partitions: each maps one tensor to one tensor.

Shapes: N examples, T tokens, D width.
"""

from __future__ import annotations

import math
from threading import Event
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Residual(nn.Module):
    """x + V relu(U norm(x) + b) + c."""

    def __init__(self, width: int, hidden: int, norm: nn.Module) -> None:
        super().__init__()
        self.norm, self.up, self.down = norm, nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x_ND: Tensor) -> Tensor:
        """The next layer's input."""
        return x_ND + self.down(F.relu(self.up(self.norm(x_ND))))


class Embedding(nn.Module):
    """Vectors of tokens, with sinusoids of their positions added."""

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)

    def forward(self, tokens_NT: Tensor) -> Tensor:
        """The first layer's input, [N, T, D]."""
        x_NTD = self.tokens(tokens_NT)
        length, width = x_NTD.shape[1:]
        rate_D = 10_000 ** -(torch.arange(0, width, 2, device=x_NTD.device) / width)
        angle_TD = torch.arange(length, device=x_NTD.device)[:, None] * rate_D
        return x_NTD + torch.cat([angle_TD.sin(), angle_TD.cos()], 1).to(x_NTD.dtype)


class TransformerLayer(nn.Module):
    """Masked self-attention and two linear maps, each on normalized inputs and with a shortcut."""

    def __init__(self, width: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x_NTD: Tensor) -> Tensor:
        """The next layer's input; attention keeps all its [N, heads, T, T] weights, as it did in 2018."""
        length = x_NTD.shape[1]
        parts_NTD = self.qkv(self.norm_1(x_NTD)).chunk(3, 2)
        q, k, v = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in parts_NTD)
        later_TT = torch.ones(length, length, dtype=torch.bool, device=x_NTD.device).triu(1)
        score_NHTT = (q @ k.transpose(2, 3) / math.sqrt(q.shape[3])).masked_fill(later_TT, -math.inf)
        x_NTD = x_NTD + self.out((score_NHTT.softmax(3) @ v).transpose(1, 2).flatten(2))
        return x_NTD + self.down(F.relu(self.up(self.norm_2(x_NTD))))


class Wait(torch.autograd.Function):
    """Times a weight, which takes some seconds forward and twice as many backward, and no processor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, seconds: float) -> Tensor:
        """The product, later."""
        ctx.save_for_backward(x, weight)
        ctx.seconds = seconds
        Event().wait(seconds)
        return x * weight

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        """Gradients, twice as much later."""
        x, weight = ctx.saved_tensors
        Event().wait(2 * ctx.seconds)
        return grads[0] * weight, (grads[0] * x).sum().reshape(1), None


class Waiting(nn.Module):
    """A layer that takes time and nothing else."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.weight, self.seconds = nn.Parameter(torch.ones(1)), seconds

    def forward(self, x: Tensor) -> Tensor:
        """The input times a weight."""
        return Wait.apply(x, self.weight, self.seconds)


def draw(layer: nn.Module, index: int, seed: int, device: torch.device) -> nn.Module:
    """Draw a layer's weights on a device, the same whichever process it is in.

    Matrices are normal with the variance 1 / (4 inputs); biases are 0, and the weights of normalizations 1.
    """
    layer.to_empty(device=device)
    word = int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
    generator = torch.Generator().manual_seed(word)
    for name, value in layer.state_dict().items():
        if value.dim() > 1:
            value.copy_(torch.randn(value.shape, generator=generator) * 0.5 * value.shape[-1] ** -0.5)
        else:
            value.fill_(name.endswith(("weight", "var")))  # of normalizations, and what waiting layers multiply by
    return layer
