"""Local response normalization of Krizhevsky et al. (2012), Section 3.3, with little kept for the gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

K, ALPHA, BETA = 2.0, 1e-4, 0.75  # that n is 5 is in _window, and beta in _power as well


class ResponseNormalization(torch.autograd.Function):
    """Section 3.3 with as little kept for the gradient as can be: a and s, the denominators before their power."""

    @staticmethod
    def forward(ctx: Any, a_BCHW: Tensor) -> Tensor:
        """The formula, b = a s^-0.75, where s = k + alpha * (sum of the squares of five neighbouring maps)."""
        s_BCHW = _window(a_BCHW.square()).mul_(ALPHA).add_(K)
        ctx.save_for_backward(a_BCHW, s_BCHW)
        return _power(s_BCHW).mul_(a_BCHW)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """dL/da = g s^-0.75 - 2 alpha beta a * (windowed sum of g a s^-1.75)."""
        (g_BCHW,) = gradients
        a_BCHW, s_BCHW = ctx.saved_tensors
        found_BCHW = _power(s_BCHW).mul_(g_BCHW)
        inner_BCHW = (found_BCHW * a_BCHW).div_(s_BCHW)
        return found_BCHW.addcmul_(_window(inner_BCHW), a_BCHW, value=-2 * ALPHA * BETA)


def _power(s: Tensor) -> Tensor:
    """s^-0.75, by roots, which are several times as fast as a general power."""
    root = s.rsqrt()
    return root.mul_(root.sqrt())


def _window(x_BCHW: Tensor) -> Tensor:
    """Sums over five neighbouring maps, fewer at the ends."""
    pairs = x_BCHW[:, :-1] + x_BCHW[:, 1:]  # maps i and i + 1
    sums = x_BCHW.clone()
    sums[:, 2:].add_(pairs[:, :-1])
    sums[:, :-2].add_(pairs[:, 1:])
    if x_BCHW.shape[1] > 1:
        sums[:, 1].add_(x_BCHW[:, 0])
        sums[:, -2].add_(x_BCHW[:, -1])
    return sums


def response_normalized(a_BCHW: Tensor) -> Tensor:
    """Local response normalization over neighbouring maps, in float32 at least."""
    wide_BCHW = a_BCHW.float() if a_BCHW.dtype == torch.bfloat16 else a_BCHW
    return ResponseNormalization.apply(wide_BCHW).to(a_BCHW.dtype)  # pyright: ignore[reportOptionalMemberAccess]
