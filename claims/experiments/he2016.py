"""How residual networks are measured: the contract, counts of layers, and exact relations between signals.

Signals are those of an untrained network on one batch of random images, in double precision. Those of equal shape have
only identities between them: where sizes change, a group of signals ends and the next begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from repro import Measurements, Setting, cases
from repro.task import Counted, Layer, Predictor

Signals = dict[str, tuple[NDArray[np.float64], ...]]
ORDERS = ("bn-after-addition", "relu-before-addition", "relu-preactivation", "preactivation")


class IdentityMappings(Counted, Protocol):
    """What an implementation of this paper offers beside training and counting."""

    def unroll(
        self, config: Any, images: NDArray[np.uint8], labels: NDArray[np.int64], *, seed: int, branch: float = 1.0
    ) -> Signals:
        """Signals of the untrained network on one batch of images [N, H, W, C] with labels [N], in double precision.

        The last weights of every residual function F are multiplied by `branch`. "x": the units' inputs and the
        output of the last; "residual": F of each unit; "gradient": the loss's gradients by the arrays of "x".
        """
        ...

    def repartition(self, predictor: Predictor, config: Any) -> Predictor:
        """A predictor of the asymmetric `config` with the weights of a trained full pre-activation network."""
        ...


def weights(layers: tuple[Layer, ...]) -> int:
    """Parameters of the layers."""
    return sum(prod(shape) for layer in layers for shape in layer.weights)


def kernels(layers: tuple[Layer, ...]) -> int:
    """Entries of the layers' kernels: neither normalization nor biases."""
    return sum(prod(layer.weights[0]) for layer in layers if layer.kind != "norm")


@dataclass(frozen=True)
class Parameters:
    """Parameters of a bottleneck network on CIFAR-10, against the arithmetic of the appendix and reported millions.

    Measures:
        kernels: entries of kernels, against [1x1, w; 3x3, w; 1x1, 4w] and projections where sizes change.
        millions: the same in millions, against the reported figure.
        all_millions: all that the layers list, in millions, against the reported figure.
    """

    depth: int
    reported: float

    def __call__(self, implementation: IdentityMappings, setting: Setting) -> Measurements:
        """Count one network."""
        layers = implementation.layers(setting.config)
        exact, inputs = 9 * 3 * 16 + 256 * 10, 16
        for width in (16, 32, 64):
            for _ in range((self.depth - 2) // 9):
                projection = inputs * 4 * width if inputs != 4 * width else 0
                exact += inputs * width + 9 * width**2 + 4 * width**2 + projection
                inputs = 4 * width
        return {
            "kernels": cases([kernels(layers)], [exact], "1"),
            "millions": cases([kernels(layers) / 1e6], [self.reported], "M"),
            "all_millions": cases([weights(layers) / 1e6], [self.reported], "M"),
        }


@dataclass(frozen=True)
class Units:
    """Residual units at each resolution: convolutions of the main path there, but for the first, by those of a unit."""

    each: int
    layers: int

    def __call__(self, implementation: IdentityMappings, setting: Setting) -> Measurements:
        """Count one network."""
        found = implementation.layers(setting.config)
        sides = [layer.output[1] for layer in found if layer.kind == "conv" and not layer.shortcut][1:]
        units = [sides.count(side) / self.layers for side in (32, 16, 8)]
        return {"units": cases([*units, len(sides) / self.layers], [self.each] * 3 + [3 * self.each], "1")}


def reordered(implementation: IdentityMappings, setting: Setting) -> Measurements:
    """The orders of Figure 4 against the original: differences in parameters and in layers of each kind."""
    original = implementation.layers(setting.config)
    differences: list[int] = []
    for order in ORDERS:
        found = implementation.layers(replace(setting.config, unit=order))
        differences.append(weights(found) - weights(original))
        for kind in ("conv", "norm", "linear"):
            differences.append(sum(a.kind == kind for a in found) - sum(b.kind == kind for b in original))
    return {"differences": cases(differences, 0, "1")}


def recursion(implementation: IdentityMappings, setting: Setting) -> Measurements:
    """Eq. (4): x_L against x_l and the sum of the F between them, relative to the norm of x_L, for every pair."""
    found = signals(implementation, setting)
    errors: list[float] = []
    for group in _groups(found["x"]):
        for place, low in enumerate(group[:-1]):
            total = found["x"][low]
            for high in group[place + 1 :]:
                total = total + found["residual"][high - 1]
                x = found["x"][high]
                errors.append(float(np.linalg.norm(x - total) / np.linalg.norm(x)))
    return {"error": cases(errors, 0.0, "1")}


def backward(implementation: IdentityMappings, setting: Setting) -> Measurements:
    """Eq. (5): gradients where every branch is dead, and where its last weights are a hundredth.

    Measures:
        change: the largest difference of an entry from the gradient behind the last unit of the group, relative to
            that gradient's largest.
        doublings: of the norms, |log2 ratio|, over the group.
    """
    dead, faint = (signals(implementation, setting, branch=branch)["gradient"] for branch in (0.0, 0.01))
    change, doublings = [], []
    with np.errstate(divide="ignore", invalid="ignore"):
        for *group, last in _groups(dead):
            for place in group:
                change.append(np.abs(dead[place] - dead[last]).max() / np.abs(dead[last]).max())
                ratio = np.linalg.norm(faint[place]) / np.linalg.norm(faint[last])
                doublings.append(np.abs(np.log2(ratio)))
    return {"change": cases(change, 0.0, "1"), "doublings": cases(doublings, 1.0, "1")}


@dataclass(frozen=True)
class Scaling:
    """Eq. (7) and (8): through dead branches, signal and gradient change by the product of the shortcuts' scales."""

    scales: tuple[float, ...]

    def __call__(self, implementation: IdentityMappings, setting: Setting) -> Measurements:
        """Both ratios over the product, less 1, from the first unit to every other."""
        errors: list[float] = []
        for scale in self.scales:
            config = replace(setting.config, scale=scale)
            found = signals(implementation, replace(setting, config=config), branch=0.0)
            x, gradient = ([np.linalg.norm(array) for array in found[name]] for name in ("x", "gradient"))
            for depth in range(1, len(x)):
                forward, back = x[depth] / x[0], gradient[0] / gradient[depth]
                errors += [float(ratio / scale**depth - 1) for ratio in (forward, back)]
        return {"error": cases(errors, 0.0, "1")}


def increments(implementation: IdentityMappings, setting: Setting) -> Measurements:
    """The least that a unit between equal sizes adds to any entry of its input, in its input's standard deviations.

    Measures:
        grows: against zero, which it is to reach.
        falls: against -0.01, which it is to stay below.
    """
    x = signals(implementation, setting)["x"]
    least = [float((x[i + 1] - x[i]).min() / x[i].std()) for group in _groups(x) for i in group[:-1]]
    return {"grows": cases(least, 0.0, "1"), "falls": cases(least, -0.01, "1")}


def repartitioned(implementation: IdentityMappings, setting: Setting) -> Measurements:
    """Figure 5: train with full pre-activation, cut into asymmetric units, and compare the scores of test images."""
    train, images = setting.dataset.train, setting.dataset.test.images
    *_, (_, trained) = implementation.train(setting.config, train, seed=setting.seed, device=setting.device)
    before = trained.predict(images)
    after = implementation.repartition(trained, replace(setting.config, unit="asymmetric")).predict(images)
    return {"change": cases(np.abs(after.astype(float) - before).max(axis=1), 0.0, "1")}


def signals(implementation: IdentityMappings, setting: Setting, *, branch: float = 1.0) -> Signals:
    """What the untrained network shows on two random images."""
    generator = np.random.default_rng(setting.seed)
    side, channels = setting.config.image, setting.config.channels
    images = generator.integers(0, 256, (2, side, side, channels), dtype=np.uint8)
    labels = generator.integers(0, setting.config.classes, 2)
    return implementation.unroll(setting.config, images, labels, seed=setting.seed, branch=branch)


def _groups(arrays: tuple[NDArray[np.float64], ...]) -> Iterator[list[int]]:
    """Places of arrays of equal shape, one after another."""
    shapes = [array.shape for array in arrays]
    for shape in dict.fromkeys(shapes):
        yield [place for place, other in enumerate(shapes) if other == shape]
