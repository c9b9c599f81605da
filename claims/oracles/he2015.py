"""He, Zhang, Ren & Sun (2015) in NumPy, float64, forward only: written from the paper.

Weights by name, numbered from 0 in the order of execution: kernels "W0", "W1", ... [out, in, k, k]; normalizations
"gamma0", "beta0" and, for evaluation, "mean0", "variance0" [C]; the classifier "W" [K, C] and "b" [K]. What lies on
shortcuts is numbered by itself: "shortcut.W0" and so on.

Shapes: N images, C channels, H height, W width, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro import Weights

Array = NDArray[np.float64]
EPSILON = 1e-5  # of normalization; the paper does not say


def convolve(x: Array, kernel: Array, stride: int = 1) -> Array:
    """A convolution padded with zeros so that a stride of 1 keeps the size; [N, C, H, W] to [N, out, H', W']."""
    side, (height, width) = kernel.shape[2], x.shape[2:]
    edge = side // 2
    padded = np.zeros((*x.shape[:2], height + 2 * edge, width + 2 * edge))
    padded[:, :, edge : edge + height, edge : edge + width] = x
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), (2, 3))[:, :, ::stride, ::stride]
    return np.moveaxis(np.tensordot(windows, kernel, axes=((1, 4, 5), (1, 2, 3))), -1, 1)


@dataclass
class Layers:
    """Hands out a network's layers in the order of execution, on the main path and on shortcuts apart.

    Attributes:
        weights: by name.
        evaluation: whether normalization uses kept statistics rather than the batch's.
        alone: whether each image is a batch of its own.
        nudges: what is added to signals between blocks, by their number.
        found: the batch's mean and variance at each normalization, by name.
        averaged: over how many values, by name of the variance.
        spread: standard deviation of what each normalization gives, on the main path.
        signals: what passes from block to block.
        residuals: what the branches give.
        clearance: how near any unit comes to a kink of its rectifier or of max pooling, where a gradient jumps.
    """

    weights: Weights
    evaluation: bool = False
    alone: bool = False
    nudges: Mapping[int, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._given: dict[str, int] = {}
        self.found: dict[str, Array] = {}
        self.averaged: dict[str, int] = {}
        self.spread: list[float] = []
        self.signals: list[Array] = []
        self.residuals: list[Array] = []
        self.clearance = np.inf

    def _next(self, kind: str, where: str) -> str:
        number = self._given.get(where + kind, 0)
        self._given[where + kind] = number + 1
        return f"{where}{{}}{number}"

    def conv(self, x: Array, stride: int = 1, where: str = "") -> Array:
        """The next convolution; with a bias where there is one."""
        name = self._next("conv", where)
        y = convolve(x, self.weights[name.format("W")], stride)
        bias = self.weights.get(name.format("b"))
        return y if bias is None else y + bias[:, None, None]

    def norm(self, x: Array, where: str = "") -> Array:
        """The next batch normalization: over images and places, for each channel."""
        name = self._next("norm", where)
        over = (2, 3) if self.alone else (0, 2, 3)
        self.found[name.format("mean")] = x.mean(over)
        self.found[name.format("variance")] = x.var(over)
        self.averaged[name.format("variance")] = x.size // x.shape[1]
        kept = self.weights if self.evaluation else self.found
        mean, variance = kept[name.format("mean")], kept[name.format("variance")]
        gamma, beta = self.weights[name.format("gamma")], self.weights[name.format("beta")]
        normal = (x - mean[..., None, None]) / np.sqrt(variance + EPSILON)[..., None, None]
        y = normal * gamma[:, None, None] + beta[:, None, None]
        self.spread += [] if where else [float(y.std())]
        return y

    def relu(self, x: Array) -> Array:
        """The rectifier."""
        self.clearance = min(self.clearance, float(np.abs(x).min()))
        return np.maximum(x, 0.0)

    def max_pool(self, x: Array) -> Array:
        """Table 1: 3x3 max pooling with a stride of 2, padded by a pixel so that it halves the size."""
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))[:, :, ::2, ::2]
        second, first = np.moveaxis(np.partition(windows.reshape(*windows.shape[:4], 9), 7, axis=4)[..., 7:], 4, 0)
        self.clearance = min(self.clearance, float((first - second)[first > 0].min(initial=np.inf)))
        return first

    def passed(self, x: Array) -> Array:
        """A signal from one block to the next."""
        self.signals.append(x)
        return x + self.nudges.get(len(self.signals) - 1, 0.0)

    @property
    def left(self) -> int:
        """How many kernels were never asked for."""
        kernels = sum(value.ndim == 4 for value in self.weights.values())
        return kernels - sum(count for kind, count in self._given.items() if kind.endswith("conv"))


def layout(config: Any) -> tuple[int, ...]:
    """Blocks at each size: Table 1, or n each of the 6n + 2 layers of Section 4.2."""
    table = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
    return (
        table[config.depth]
        if config.stem == "imagenet"
        else ((config.depth - 2) // (2 * len(config.widths)),) * len(config.widths)
    )


def stem(layers: Layers, config: Any, x: Array) -> Array:
    """7x7 with a stride of 2 and max pooling (Table 1), or 3x3 (Section 4.2); normalized and rectified."""
    if config.stem == "imagenet":
        return layers.max_pool(layers.relu(layers.norm(layers.conv(x, 2))))
    return layers.relu(layers.norm(layers.conv(x)))


def padded(x: Array, width: int, stride: int) -> Array:
    """Option A: every other pixel where the size changes, and zeros for the maps that are new."""
    kept = x[:, :, ::stride, ::stride]
    found = np.zeros((len(x), width, *kept.shape[2:]))
    found[:, : x.shape[1]] = kept
    return found


def shortcut(layers: Layers, config: Any, x: Array, width: int, stride: int) -> Array:
    """Section 3.3: identities; where sizes change, zeros (A) or projections (B); or projections everywhere (C)."""
    changes = stride != 1 or width != x.shape[1]
    if config.shortcut == "C" or (config.shortcut == "B" and changes):
        return layers.norm(layers.conv(x, stride, "shortcut."), "shortcut.")
    return padded(x, width, stride)


def block(layers: Layers, config: Any, x: Array, width: int, stride: int) -> Array:
    """Eq. (1) and (2), Figure 5: y = relu(F(x) + shortcut(x)); without shortcuts in a plain network."""
    f = layers.relu(layers.norm(layers.conv(x, stride)))
    f = layers.norm(layers.conv(f))
    if config.bottleneck:
        f, width = layers.norm(layers.conv(layers.relu(f))), 4 * width
    return layers.relu(f + shortcut(layers, config, x, width, stride)) if config.residual else layers.relu(f)


def logits(layers: Layers, config: Any, x: Array) -> Array:
    """Scores [N, K] of inputs [N, C, H, W]: stem, blocks, global average pooling, a linear map."""
    h = stem(layers, config, x)
    for stage, (width, blocks) in enumerate(zip(config.widths, layout(config), strict=True)):
        for index in range(blocks):
            h = layers.passed(block(layers, config, h, width, 2 if stage and not index else 1))
    return h.mean((2, 3)) @ layers.weights["W"].T + layers.weights["b"]


def cross_entropy(scores: Array, labels: NDArray[np.int64]) -> Array:
    """Minus the logarithm of the label's softmax, for each image [N]; the loss is the mean."""
    shifted = scores - scores.max(1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return -log_softmax[np.arange(len(labels)), labels]


def rate(config: Any, update: int) -> float:
    """Section 4.2: the learning rate of the update after `update` others, divided by 10 at each milestone."""
    return config.lr / 10 ** sum(update >= milestone for milestone in config.milestones)
