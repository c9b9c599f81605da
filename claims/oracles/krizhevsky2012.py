"""The network of Figure 2 and what it is fed, in NumPy, forward only, as Sections 2 to 5 describe them.

Weights are W1, b1 to W5, b5 of the convolutions [out, in / groups, height, width] and, from the next number on, those
of fully connected layers [out, in], whose inputs run over maps, then rows, then columns.

Shapes: N inputs, C maps, H height, W width, F side of a stored image, S side of an input, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from repro import Weights

Array = NDArray[np.float64]
KEPT = 0.5  # share of hidden units, Section 4.2
UNITS = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh, "sigmoid": lambda x: 1 / (1 + np.exp(-x))}


class Layout(NamedTuple):
    """Which convolutions are in two towers, normalized and pooled, and how; by default as Section 3.5 has it."""

    towers: tuple[int, ...] = (2, 4, 5)
    normalized: tuple[int, ...] = (1, 2)
    pooled: tuple[int, ...] = (1, 2, 5)
    pool: tuple[int, int] = (3, 2)
    unit: str = "relu"


FIGURE_2 = Layout()


def convolved(x: Array, kernel: Array, bias: Array, stride: int, padding: tuple[int, int], towers: int) -> Array:
    """A convolution whose maps see those of their own tower only, [N, C, H, W]; padded before and after."""
    x = np.pad(x, ((0, 0), (0, 0), padding, padding))
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[2:], (2, 3))[:, :, ::stride, ::stride]
    parts = zip(np.split(windows, towers, 1), np.split(kernel, towers, 0), strict=True)
    maps = [np.tensordot(inputs, own, ((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2) for inputs, own in parts]
    return np.concatenate(maps, 1) + bias[:, None, None]


def normalized(a: Array) -> Array:
    """Section 3.3, with k = 2, n = 5, alpha = 1e-4 and beta = 0.75: maps divided by those beside them."""
    b = np.empty_like(a)
    for i in range(a.shape[1]):
        near = a[:, max(0, i - 2) : min(a.shape[1] - 1, i + 2) + 1]
        b[:, i] = a[:, i] / (2 + 1e-4 * (near**2).sum(1)) ** 0.75
    return b


def pooled(x: Array, size: int, stride: int) -> Array:
    """Section 3.4: maxima of squares at every so many units."""
    return np.lib.stride_tricks.sliding_window_view(x, (size, size), (2, 3))[:, :, ::stride, ::stride].max((4, 5))


def logits(
    weights: Weights,
    x: Array,
    *,
    stride: int = 4,
    padding: tuple[int, int] = (2, 2),
    dropout: bool = True,
    layout: Layout = FIGURE_2,
) -> Array:
    """A network on inputs [N, C, H, W], [N, K]: ReLU, then normalization, then pooling; dropped units are halved."""
    active = UNITS[layout.unit]
    convolutions = sum(weight.ndim == 4 for weight in weights.values())
    for number in range(1, convolutions + 1):
        kernel = weights[f"W{number}"]
        step, around = (stride, padding) if number == 1 else (1, (kernel.shape[2] // 2,) * 2)
        towers = 2 if number in layout.towers else 1
        x = active(convolved(x, kernel, weights[f"b{number}"], step, around, towers))
        x = normalized(x) if number in layout.normalized else x
        x = pooled(x, *layout.pool) if number in layout.pooled else x
    h, last = x.reshape(len(x), -1), len(weights) // 2
    for number in range(convolutions + 1, last):
        h = active(h @ weights[f"W{number}"].T + weights[f"b{number}"]) * (KEPT if dropout else 1)
    return h @ weights[f"W{last}"].T + weights[f"b{last}"]


def log_softmax(scores: Array) -> Array:
    """Logarithms of probabilities, over the last axis."""
    shifted = scores - scores.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def loss(scores: Array, labels: NDArray[np.int64]) -> float:
    """Section 5: the average over a batch of the cross-entropy, nats."""
    return float(-log_softmax(scores)[np.arange(len(labels)), labels].mean())


def updated(
    now: Weights, before: Weights | None, gradients: Weights, rate: float, decay: float, undecayed: Sequence[str]
) -> Weights:
    """Section 5: v <- 0.9 v - decay * rate * w - rate * g and w <- w + v, where v is how far w has moved last."""
    after = {}
    for name, w in now.items():
        v = np.zeros_like(w) if before is None else w - before[name]
        after[name] = w + 0.9 * v - (0 if name in undecayed else decay) * rate * w - rate * gradients[name]
    return after


def crops(images: Array, mean: Array, size: int) -> tuple[Array, list[tuple[int, int, bool]]]:
    """Section 4.1: every crop of images [N, F, F, C] less the mean image's, and mirrored, [N, places, C, S, S]."""
    starts = range(images.shape[1] - size + 1)
    places = list(product(starts, starts, (False, True)))
    off = images - mean
    found = [off[:, y : y + size, x : x + size][:, :, :: -1 if mirrored else 1] for y, x, mirrored in places]
    return np.stack(found, 1).transpose(0, 1, 4, 2, 3), places


def ten(x: Array, size: int) -> Array:
    """Section 4.1: the four corners and the centre of [N, F, F, C], and their reflections, [N, 10, S, S, C]."""
    room = x.shape[1] - size
    corners = [(0, 0), (0, room), (room, 0), (room, room), (room // 2, room // 2)]
    five = [x[:, y : y + size, z : z + size] for y, z in corners]
    return np.stack([*five, *(view[:, :, ::-1] for view in five)], 1)


def colours(images: Array) -> tuple[Array, Array]:
    """Section 4.1: eigenvectors, a column each, and eigenvalues of the covariance of colours in 0..1."""
    values, vectors = np.linalg.eigh(np.cov(images.reshape(-1, images.shape[-1]).T / 255))
    return vectors, values
