"""CS231n's formulas as the notes print them: losses, networks, updates, distances and layers, in float64.

Shapes: N examples, D inputs, K classes, H height, W width, F filter. Weights are W1 [D, h], b1 [h], W2 [h, K], b2 [K].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro import Weights, numerical_gradients

Array = NDArray[np.float64]
UNITS: Mapping[str, Callable[[Array], Array]] = {"relu": lambda s: np.maximum(0, s), "tanh": np.tanh, "none": np.copy}


def score_loss(f: Array, y: int, config: Any) -> tuple[float, ...]:
    """The loss of one example's scores f [K], and its gradient by them.

    Softmax: p_k - 1(y = k) (case study). SVM: 1(margin > 0), for the own class minus their number (optimization 1).
    """
    own = np.arange(len(f)) == y
    if config.loss == "softmax":
        e = np.exp(f - f.max())
        return -f[y] + f.max() + math.log(e.sum()), *(e / e.sum() - own)
    margins = np.where(own, 0, f - f[y] + config.margin)
    return np.maximum(0, margins).sum(), *np.where(own, -(margins > 0).sum(), margins > 0)


def scores(weights: Weights, x: Array, config: Any) -> list[Array]:
    """Neural networks 1: what each layer adds up before its unit, [N, h]; last the scores [N, K]."""
    sums: list[Array] = []
    for n in range(1, len(weights) // 2 + 1):
        below = UNITS[config.activation](sums[-1]) if sums else x
        sums.append(below @ weights[f"W{n}"] + weights[f"b{n}"])
    return sums


def objective(weights: Weights, x: Array, y: NDArray[Any], config: Any) -> float:
    """Case study: the mean loss of examples and lambda / 2 times the sum of squared weights, biases not among them."""
    losses = [score_loss(f, int(label), config)[0] for f, label in zip(scores(weights, x, config)[-1], y, strict=True)]
    penalty = sum(float((w**2).sum()) for name, w in weights.items() if name.startswith("W"))
    return sum(losses) / len(losses) + config.reg / 2 * penalty


def differences(loss: Callable[[Weights], float], weights: Weights, h: float, formula: str) -> dict[str, Array]:
    """Neural networks 3: [f(x + h) - f(x)] / h, or centred, [f(x + h) - f(x - h)] / 2h."""
    if formula == "centred":
        return numerical_gradients(loss, weights, h)
    found, at = {name: np.zeros_like(w) for name, w in weights.items()}, loss(weights)
    for name, place in ((key, place) for key in weights for place in np.ndindex(weights[key].shape)):
        moved = {**weights, name: weights[name].copy()}
        moved[name][place] += h
        found[name][place] = (loss(moved) - at) / h
    return found


def learnt(loss: Callable[[Weights], float], weights: Weights, config: Any, updates: int) -> list[dict[str, Array]]:
    """Neural networks 3: weights after each update. Nesterov's form steps from x by the gradient at x + mu v."""
    mu, rate = (0.0 if config.rule == "vanilla" else config.momentum), config.step
    x = {name: np.array(w) for name, w in weights.items()}
    v = {name: np.zeros_like(w) for name, w in x.items()}
    found = []
    for _ in range(updates):
        at = {name: x[name] + mu * v[name] for name in x} if config.rule == "nesterov" else x
        gradient = numerical_gradients(loss, at)
        v = {name: mu * v[name] - rate * gradient[name] for name in x}
        x = {name: x[name] + v[name] for name in x}
        # what is stored in the rewritten form is always "the ahead version"
        found.append({name: x[name] + mu * v[name] if config.rule == "nesterov" else x[name] for name in x})
    return found


def distances(train: NDArray[np.uint8], image: NDArray[np.uint8], distance: str) -> Array:
    """Image classification: L1 distances, or squares of L2 distances, of one image [D] to training images [N, D]."""
    difference = train.astype(np.int64) - image.astype(np.int64)
    return (np.abs(difference) if distance == "L1" else difference**2).sum(axis=1)


def fits(inputs: int, field: int, stride: int, padding: int) -> int | None:
    """Convolutional networks: at how many places a field lies wholly inside; None where some pixel is left over."""
    ends = [start + field for start in range(0, inputs + 2 * padding - field + 1, stride)]
    return len(ends) if ends and ends[-1] == inputs + 2 * padding else None


def layer(volume: Array, field: int, stride: int, padding: int, filters: Array | None) -> Array:
    """Convolutional networks: a volume [H, W, D] after a CONV layer of filters [F, F, D, K], or after max pooling."""
    v = np.pad(volume, ((padding, padding), (padding, padding), (0, 0)))
    rows, columns = (range(0, size - field + 1, stride) for size in v.shape[:2])
    fields = [[v[i : i + field, j : j + field] for j in columns] for i in rows]
    if filters is None:
        return np.array([[one.max(axis=(0, 1)) for one in line] for line in fields])
    return np.array([[[(one * f).sum() for f in np.moveaxis(filters, 3, 0)] for one in line] for line in fields])


def network(volume: Array, stack: Any, weights: Weights, sides: Any) -> Array:
    """A stack of layers on one volume; an FC layer covers a field of the side that its input has, `sides` by layer."""
    n = 0
    for (kind, *sizes), side in zip(stack, sides, strict=False):
        field, stride, padding = {"conv": sizes[1:], "pool": [*sizes, 0], "fc": [side, 1, 0]}[kind]
        if kind == "pool":
            volume = layer(volume, field, stride, padding, None)
            continue
        n, w = n + 1, weights[f"W{n + 1}"]
        volume = np.maximum(0, volume) if n > 1 else volume
        volume = layer(volume, field, stride, padding, w.reshape(field, field, -1, w.shape[-1])) + weights[f"b{n}"]
    return volume
