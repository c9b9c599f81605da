"""How residual networks are measured: the contract, and exact relations between signals.

Signals are those of an untrained network on one batch of random images, in double precision. Those of equal shape have
only identities between them: where sizes change, a group of signals ends and the next begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from claims.experiments.residual_networks import inputs, random_images, watched
from claims.experiments.residual_updates import BATCHES, CLEAR, clearance, fitting
from claims.oracles import he2016 as paper
from claims.oracles.he2015 import Layers, cross_entropy
from repro import Experiment, Measurements, Setting, Split, Weights, cases
from repro.task import Counted, Predictor

Signals = dict[str, tuple[NDArray[np.float64], ...]]
ORDERS = ("bn-after-addition", "relu-before-addition", "relu-preactivation", "preactivation")
UNROLLED: tuple[tuple[dict[str, Any], float], ...] = (
    *(({"unit": unit}, 1.0) for unit in ("original", *ORDERS)),
    ({"unit": "preactivation", "scale": 0.7}, 0.5),
    ({"unit": "preactivation", "bottleneck": True, "shortcut": "B", "depth": 11}, 0.5),
    ({"unit": "original", "gate": "shortcut", "gate_bias": -1.0}, 0.5),
)
"""Networks whose signals are compared with the oracle's, each with the factor of its branches' last weights."""
NUDGE = 1e-6


class IdentityMappings(Counted, Protocol):
    """What an implementation of this paper offers beside training and counting."""

    def unroll(
        self, config: Any, images: NDArray[np.uint8], labels: NDArray[np.int64], *, seed: int, branch: float = 1.0
    ) -> Signals:
        """Signals on one batch of images [N, H, W, C] with labels [N], in double precision.

        They are of the network whose weights training at that seed starts from. The last weights of every residual
        function F are multiplied by `branch`. "x": the units' inputs and the output of the last; "residual": F of each
        unit; "gradient": the loss's gradients by the arrays of "x".
        """
        ...

    def repartition(self, predictor: Predictor, config: Any) -> Predictor:
        """A predictor of the asymmetric `config` with the weights of a trained full pre-activation network."""
        ...


def unrolled(implementation: IdentityMappings, setting: Setting) -> Measurements:
    """Signals and gradients of small networks against those that their weights give by the oracle.

    Measures:
        signals: the largest difference of each x and F, as a share of its spread.
        gradients: the change of the loss along a random direction of each x, by the gradient and by differences, as a
            share of the gradient's norm.
    """
    signals, gradients = [], []
    for change, branch in UNROLLED:
        config, found = replace(setting.config, **change), list[tuple[float, Split]]()
        start = watched(implementation, replace(config, iterations=0), random_images(config, 8, 0), setting)[-1]
        kept = config.unit in ("original", "relu-before-addition", "relu-preactivation")  # normalized after all
        count = 3 if config.bottleneck else 2
        lasts = [f"{'gamma' if kept else 'W'}{count * unit}" for unit in range(1, sum(paper.layout(config)) + 1)]
        start |= {name: branch * start[name] for name in lasts}
        while len(found) < BATCHES and (not found or found[-1][0] < CLEAR):
            split = random_images(config, 4, BATCHES * setting.seed + len(found))
            found.append((clearance("he2016", config, split, start), split))
        _, split = max(found, key=lambda one: one[0])
        shown = implementation.unroll(config, np.asarray(split.images), split.labels, seed=setting.seed, branch=branch)
        signals += fitting(lambda scale, one=(config, start, split, shown): _apart(*one, scale))
        gradients += fitting(lambda scale, one=(config, start, split, shown): _slopes(*one, scale))
    return {"signals": cases(signals, 0.0, "1"), "gradients": cases(gradients, 0.0, "1")}


def _apart(config: Any, weights: Weights, split: Split, shown: Signals, scale: float) -> list[float]:
    layers = Layers(weights)
    paper.logits(layers, config, scale * inputs(split.images, split.images))
    pairs = [*zip(shown["x"], layers.signals, strict=True), *zip(shown["residual"], layers.residuals, strict=True)]
    return [float(np.abs(a - b).max() / b.std()) if a.shape == b.shape else np.inf for a, b in pairs]


def _slopes(config: Any, weights: Weights, split: Split, shown: Signals, scale: float) -> list[float]:
    x, generator, found = scale * inputs(split.images, split.images), np.random.default_rng(0), []
    for place, gradient in enumerate(shown["gradient"]):
        direction = generator.standard_normal(gradient.shape)
        moved = [Layers(weights, nudges={place: step * direction}) for step in (NUDGE, -NUDGE)]
        above, below = (cross_entropy(paper.logits(layers, config, x), split.labels).mean() for layers in moved)
        size = np.linalg.norm(gradient)
        off = abs((gradient * direction).sum() - (above - below) / (2 * NUDGE))
        found.append(float(off / size) if size else np.inf)
    return found


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
class Scaling(Experiment):
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
