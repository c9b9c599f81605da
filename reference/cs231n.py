"""CS231n, Convolutional Neural Networks for Visual Recognition: the course notes of Stanford University, 2015.

Source      Written by A. Karpathy and others. Not on arXiv: read at cs231n.github.io, as of commit 3d84654 of the
            repository cs231n/cs231n.github.io (27 April 2026).
Implements  image classification (nearest neighbours), linear classification (both losses), optimization 1 (two searches
            and the gradient), neural networks 2 (starts), neural networks 3 (gradient checks, momentum), convolutional
            networks (sizes, counts, FC layers as CONV layers), and the case study.
Shapes      N examples, M others, D numbers of an input, K classes or filters, H height, W width, F side of a filter,
            S stride, P zero-padding. Weights are W1 [D, h], b1 [h], W2 [h, K], b2 [K], and so on, as in the case study.
Units       losses are nats; one update uses all examples; image values are bytes 0..255.

Deviations
  1. Everything is NumPy in float64, whatever the device, with Python 3's range and print.
  2. The searches of optimization 1 print neither a penalty nor how pixels are prepared: there is none, and the mean
     image is subtracted, as linear classification advises. Biases are searched like weights (the bias trick).
  3. Nearest neighbours: of training images that are equally near, the first.
  4. Each CONV and FC layer but the last is followed by a ReLU. AlexNet is one tower, without groups.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numba
import numpy as np
from numpy.typing import NDArray

from repro.task import Device, Images

Array = NDArray[np.float64]
Weights = dict[str, Array]


@dataclass(frozen=True, kw_only=True)
class Config:
    """A classifier, how it learns, how it is checked and what prepares its inputs."""

    hidden: tuple[int, ...] = ()  # units of each hidden layer; none for a linear classifier
    activation: Literal["relu", "tanh", "none"] = "relu"
    loss: Literal["softmax", "svm"] = "softmax"
    margin: float = 1.0  # Delta of the multiclass SVM
    reg: float = 0.0  # lambda of the penalty lambda / 2 times the sum of squared weights; biases are free
    start: Literal["small", "fan-in", "he"] = "small"  # N(0, std), N(0, 1) / sqrt(fan-in), or N(0, 1) sqrt(2 / fan-in)
    std: float = 0.01
    method: Literal["gradient", "random", "local"] = "gradient"  # or the best of random weights, or of random steps
    rule: Literal["vanilla", "momentum", "nesterov"] = "vanilla"
    momentum: float = 0.9
    step: float = 1.0  # learning rate; of the local search, the standard deviation of a step
    updates: int = 200
    mean: bool = False  # whether the mean training image is subtracted
    scale: float = 1.0  # what multiplies inputs then
    h: float = 1e-5  # step of numerical gradients
    formula: Literal["centred", "forward"] = "centred"
    distance: Literal["L1", "L2"] = "L1"  # by which neighbours are nearest


@dataclass(frozen=True, kw_only=True)
class ConvNet:
    """A stack of layers on square images.

    Attributes:
        side, depth: of the input volume.
        stack: ("conv", K, F, S, P), ("pool", F, S) or ("fc", K), from the input on.
    """

    side: int
    depth: int = 3
    stack: tuple[tuple[Any, ...], ...]


_HEAD = (("fc", 4096), ("fc", 4096), ("fc", 1000))
_VGG = tuple(
    layer
    for filters, convolutions in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
    for layer in (*[("conv", filters, 3, 1, 1)] * convolutions, ("pool", 2, 2))
)
_ALEXNET = (
    *(("conv", 96, 11, 4, 0), ("pool", 3, 2), ("conv", 256, 5, 1, 2), ("pool", 3, 2)),
    *(("conv", 384, 3, 1, 1), ("conv", 384, 3, 1, 1), ("conv", 256, 3, 1, 1), ("pool", 3, 2)),
)
CONFIGS: Mapping[str, Config | ConvNet] = {
    "spiral-linear": Config(reg=1e-3),
    "spiral-net": Config(hidden=(100,), reg=1e-3, updates=10_000),
    "image-net": Config(hidden=(100,), start="he", step=0.5, updates=500, mean=True, scale=1 / 255),
    "random-search": Config(loss="svm", method="random", std=1e-4, updates=1000, mean=True),
    "local-search": Config(loss="svm", method="local", std=1e-3, step=1e-4, updates=1000, mean=True),
    "svm-descent": Config(loss="svm", std=1e-4, step=1e-7, updates=1000, rule="momentum", mean=True),
    "vgg16": ConvNet(side=224, stack=_VGG + _HEAD),
    "alexnet": ConvNet(side=227, stack=_ALEXNET + _HEAD),
}


def _score_losses(config: Config, scores: Array, labels: NDArray[np.int64]) -> tuple[Array, Array]:
    """The loss of each example [N], and its gradient by the example's scores [N, K]."""
    rows = np.arange(len(labels))
    if config.loss == "softmax":
        shifted = scores - scores.max(axis=1, keepdims=True)  # the highest is 0, so no exponential overflows
        p = np.exp(shifted)
        total = p.sum(axis=1, keepdims=True)
        losses, gradient = np.log(total[:, 0]) - shifted[rows, labels], p / total
        gradient[rows, labels] -= 1  # p_k - 1(y = k)
        return losses, gradient
    margins = scores - scores[rows, labels][:, None] + config.margin
    margins[rows, labels] = 0
    gradient = (margins > 0).astype(np.float64)
    gradient[rows, labels] = -gradient.sum(axis=1)
    return np.maximum(0, margins).sum(axis=1), gradient


def _forward(config: Config, weights: Mapping[str, Array], x: Array) -> list[Array]:
    """The inputs of every layer, and at last the scores."""
    outputs, count = [x], len(weights) // 2
    for n in range(1, count + 1):
        s = outputs[-1] @ weights[f"W{n}"]
        s += weights[f"b{n}"]  # in place: fresh memory would cost most of the time
        if n < count and config.activation != "none":
            s = np.maximum(0, s, out=s) if config.activation == "relu" else np.tanh(s, out=s)
        outputs.append(s)
    return outputs


def objective(
    config: Config, weights: Mapping[str, Array], inputs: Array, labels: NDArray[np.int64]
) -> tuple[float, Weights]:
    """The mean loss of examples [N, D] with the penalty, and its gradient by every weight."""
    outputs, gradients = _forward(config, weights, inputs), Weights()
    losses, d = _score_losses(config, outputs[-1], labels)
    d /= len(labels)
    penalty = sum(float((w * w).sum()) for name, w in weights.items() if name[0] == "W")
    for n in range(len(outputs) - 1, 0, -1):
        gradients[f"W{n}"] = outputs[n - 1].T @ d + config.reg * weights[f"W{n}"]
        gradients[f"b{n}"] = d.sum(axis=0)
        if n > 1:
            d = d @ weights[f"W{n}"].T
            if config.activation == "relu":
                d *= outputs[n - 1] > 0
            elif config.activation == "tanh":
                d *= 1 - outputs[n - 1] ** 2
    return float(losses.mean()) + 0.5 * config.reg * penalty, gradients


def _start(config: Config, sizes: Sequence[int], rng: np.random.Generator) -> Weights:
    """Weights of a network with layers of these sizes; biases are 0, but drawn like weights where they are searched."""
    weights, searched = Weights(), config.method != "gradient"
    for n, (fan_in, fan_out) in enumerate(pairwise(sizes), 1):
        scale = {"small": config.std, "fan-in": 1 / math.sqrt(fan_in), "he": math.sqrt(2 / fan_in)}[config.start]
        weights[f"W{n}"] = scale * rng.standard_normal((fan_in, fan_out))
        weights[f"b{n}"] = scale * rng.standard_normal(fan_out) if searched else np.zeros(fan_out)
    return weights


@dataclass(frozen=True, eq=False)
class Classifier:
    """What was learnt: weights, and the mean training image [D] (zeros where it is not subtracted)."""

    config: Config
    weights: Weights
    mean: Array

    def predict(self, images: NDArray[Any], *, crops: int = 1) -> NDArray[np.float32]:
        """Scores [N, K] of images [N, H, W, C]; a crop is the whole image."""
        return _forward(self.config, self.weights, _prepared(self.config, images, self.mean))[-1].astype(np.float32)


def _prepared(config: Config, images: NDArray[Any], mean: Array) -> Array:
    return (np.asarray(images, np.float64).reshape(len(images), -1) - mean) * config.scale


def train(
    config: Config, data: Images, *, seed: int, device: Device, eval_steps: Sequence[int] = ()
) -> Iterator[tuple[int, Classifier]]:
    """Learn from images [N, H, W, C] of bytes or real numbers; an update sees all of them."""
    rng, flat = np.random.default_rng(seed), np.asarray(data.images, np.float64).reshape(len(data.labels), -1)
    mean = flat.mean(axis=0) if config.mean else np.zeros(flat.shape[1])
    x, y = _prepared(config, data.images, mean), np.asarray(data.labels)
    weights = _start(config, (x.shape[1], *config.hidden, data.classes), rng)
    method = _descent if config.method == "gradient" else _search
    for step, now in enumerate(method(config, weights, x, y, rng)):
        if step in eval_steps or step == config.updates:
            yield step, Classifier(config, {name: w.copy() for name, w in now.items()}, mean)


def _descent(
    config: Config, weights: Weights, x: Array, y: NDArray[np.int64], rng: np.random.Generator
) -> Iterator[Weights]:
    velocity = {name: np.zeros_like(w) for name, w in weights.items()}
    yield weights
    for _ in range(config.updates):
        gradients = objective(config, weights, x, y)[1]
        for name, w in weights.items():
            if config.rule == "vanilla":
                w -= config.step * gradients[name]
                continue
            before = velocity[name]
            v = velocity[name] = config.momentum * before - config.step * gradients[name]
            w += v if config.rule == "momentum" else -config.momentum * before + (1 + config.momentum) * v
        yield weights


def _search(
    config: Config, weights: Weights, x: Array, y: NDArray[np.int64], rng: np.random.Generator
) -> Iterator[Weights]:
    """Random search, or random local search, whose first step is always kept."""
    best, sizes = math.inf, (x.shape[1], *config.hidden, weights[f"b{len(weights) // 2}"].size)
    yield weights
    for _ in range(config.updates):
        if config.method == "random":
            tried = _start(config, sizes, rng)
        else:
            tried = {name: w + config.step * rng.standard_normal(w.shape) for name, w in weights.items()}
        loss = float(_score_losses(config, _forward(config, tried, x)[-1], y)[0].mean())
        if loss < best:
            best, weights = loss, tried
        yield weights


def state(model: Classifier) -> dict[str, NDArray[Any]]:
    """Weights by name, and "mean"."""
    return {**model.weights, "mean": model.mean}


def restore(config: Config, state: dict[str, NDArray[Any]], *, device: Device) -> Classifier:
    """The classifier with a state."""
    weights = {name: np.asarray(value, np.float64) for name, value in state.items()}
    return Classifier(config, weights, weights.pop("mean"))


def numerical_gradient(
    config: Config, weights: Mapping[str, Array], inputs: Array, labels: NDArray[np.int64]
) -> Weights:
    """Differences of the objective by each weight: [f(x + h) - f(x - h)] / 2h, or [f(x + h) - f(x)] / h."""

    def f(name: str, place: int, by: float) -> float:
        moved = {**weights, name: weights[name].copy()}
        moved[name].flat[place] += by
        return objective(config, moved, inputs, labels)[0]

    found, h = {name: np.zeros_like(w) for name, w in weights.items()}, config.h
    back, span = (h, 2 * h) if config.formula == "centred" else (0.0, h)
    for name, w in weights.items():
        for place in range(w.size):
            found[name].flat[place] = (f(name, place, h) - f(name, place, -back)) / span
    return found


def nearest(config: Config, train: NDArray[np.uint8], images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """For each of images [M, D], the index of the nearest of the training images [N, D]."""
    if config.distance == "L1":
        return _nearest_l1(np.ascontiguousarray(train), np.ascontiguousarray(images))
    found = np.zeros(len(images), np.int64)
    x = images.astype(np.float64)  # squares and products of bytes add up exactly
    least = np.full(len(images), np.inf)
    for low in range(0, len(train), 4096):
        block = train[low : low + 4096].astype(np.float64)
        for part in (slice(start, start + 1024) for start in range(0, len(x), 1024)):
            squares = (block**2).sum(axis=1) - 2 * x[part] @ block.T  # less |x|**2, and without the root
            nearer = squares.min(axis=1) < least[part]
            found[part] = np.where(nearer, low + squares.argmin(axis=1), found[part])
            least[part] = np.minimum(least[part], squares.min(axis=1))
    return found


@numba.njit(nogil=True)
def _nearest_l1(train: NDArray[np.uint8], images: NDArray[np.uint8]) -> NDArray[np.int64]:
    found = np.zeros(len(images), np.int64)
    least = np.full(len(images), 2**31 - 1, np.int32)
    for low in range(0, len(train), 64):  # these stay in the cache while all images pass
        for m in range(len(images)):
            for n in range(low, min(low + 64, len(train))):
                total = np.int32(0)
                for d in range(train.shape[1]):
                    total += np.int32(abs(np.int16(images[m, d]) - np.int16(train[n, d])))
                if total < least[m]:
                    least[m], found[m] = total, n
    return found


def _size(inputs: int, field: int, stride: int, padding: int) -> int:
    """(W - F + 2P) / S + 1, or 0 where fields do not fit neatly."""
    steps, rest = divmod(inputs - field + 2 * padding, stride)
    return steps + 1 if steps >= 0 and not rest else 0


def volumes(config: ConvNet) -> NDArray[np.int64]:
    """Width, height, depth, weights and biases [L, 5] of the input and of each layer's output; none if one misfits."""
    side, depth = config.side, config.depth
    rows = [(side, side, depth, 0, 0)]
    for kind, *sizes in config.stack:
        # an FC layer is a CONV layer of one field
        filters, field, stride, padding = {"conv": sizes, "pool": [depth, *sizes, 0], "fc": [*sizes, side, 1, 0]}[kind]
        side = _size(side, field, stride, padding)
        if not side:
            return np.zeros((0, 5), np.int64)
        weights, biases = (0, 0) if kind == "pool" else (field**2 * depth * filters, filters)
        rows.append((side, side, filters, weights, biases))
        depth = filters
    return np.array(rows, np.int64)


def convolved(config: ConvNet, weights: Mapping[str, Array], images: Array) -> Array:
    """Scores [N, H', W', K] of images [N, H, W, D] of the network's size or larger, at every place where it fits.

    Weights of a CONV layer are [F, F, D, K]; those of an FC layer, [H W D, K] of its input volume, become the filters
    of a CONV layer that covers that volume.
    """
    volume, rows, layer = np.asarray(images, np.float64), volumes(config), 0
    for (kind, *sizes), (side, _, depth, *_) in zip(config.stack, rows[:-1], strict=True):
        if kind == "pool":
            volume = _windows(volume, *sizes).max(axis=(-2, -1))
            continue
        layer += 1
        w = weights[f"W{layer}"]
        _, field, stride, padding = sizes if kind == "conv" else (*sizes, side, 1, 0)
        w = w if kind == "conv" else w.reshape(side, side, depth, -1)
        if layer > 1:
            volume = np.maximum(0, volume)
        padded = np.pad(volume, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
        volume = np.tensordot(_windows(padded, field, stride), w, axes=((4, 5, 3), (0, 1, 2))) + weights[f"b{layer}"]
    return volume


def _windows(volume: Array, field: int, stride: int) -> Array:
    """All fields [N, H', W', D, F, F] of a volume [N, H, W, D] (im2col)."""
    return np.lib.stride_tricks.sliding_window_view(volume, (field, field), axis=(1, 2))[:, ::stride, ::stride]
