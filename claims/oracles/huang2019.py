"""Training with micro-batches by the equations of GPipe (arXiv:1811.06965v5, Section 2.2), on the small network.

Shapes: M micro-batches of n examples each, D width, H hidden units. Weights have the contract's names: those of layer l
begin with "l.".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from repro import Weights

Array = NDArray[np.float64]

EPSILON = 1e-5  # of batch normalization


def micro_batches(x: Array, count: int, strided: bool) -> Array:
    """A mini-batch [M n, D] as micro-batches [M, n, D]: one after another, or every M-th example."""
    return x.reshape(-1, count, x.shape[1]).swapaxes(0, 1) if strided else x.reshape(count, -1, x.shape[1])


def layer(w: Weights, index: int, x: Array, moments: tuple[Array, Array] | None) -> Array:
    """X + V relu(U z + b) + c, where z is x, normalized by given mean and variance where the layer has such."""
    own = {name: w[f"{index}.{name}"] for name in "UbVc"}
    z = x
    if moments is not None:
        z = (x - moments[0]) / np.sqrt(moments[1] + EPSILON) * w[f"{index}.gamma"] + w[f"{index}.beta"]
    return x + np.maximum(z @ own["U"].T + own["b"], 0) @ own["V"].T + own["c"]


def own_moments(w: Weights, index: int, x: Array) -> tuple[Array, Array] | None:
    """Mean and variance [M, 1, D] of each micro-batch, where the layer normalizes."""
    return (x.mean(1, keepdims=True), x.var(1, keepdims=True)) if f"{index}.gamma" in w else None


def forward(w: Weights, x: Array, layers: int) -> Array:
    """Outputs in training of micro-batches [M, n, D]: each is normalized by its own moments."""
    for index in range(layers):
        x = layer(w, index, x, own_moments(w, index, x))
    return x


def loss(w: Weights, x: Array, y: Array, layers: int) -> float:
    """The mean over all examples, whatever micro-batch they are in, of squared differences."""
    return float(((forward(w, x, layers) - y) ** 2).mean())


def moved(w: Weights, x: Array, layers: int, momentum: float, ddof: int) -> dict[str, Array]:
    """Moving averages after an update: of the moments of the mini-batch where each normalization stands."""
    found: dict[str, Array] = {}
    for index in range(layers):
        everything = x.reshape(-1, x.shape[2])
        now = {"mean": everything.mean(0), "variance": everything.var(0, ddof=ddof)}
        for name, value in now.items():
            found[f"{index}.{name}"] = (1 - momentum) * w[f"{index}.{name}"] + momentum * value
        x = layer(w, index, x, own_moments(w, index, x))
    return found


def evaluated(w: Weights, x: Array, layers: int) -> Array:
    """Outputs in evaluation of examples [N, D]: normalizations go by their moving averages."""
    for index in range(layers):
        averages = (w[f"{index}.mean"], w[f"{index}.variance"]) if f"{index}.gamma" in w else None
        x = layer(w, index, x, averages)
    return x
