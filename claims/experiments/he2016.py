"""How residual networks are measured: the contract, counts of layers, and exact relations between signals.

Signals are those of an untrained network on one batch of random images, in double precision. Those of equal shape have
only identities between them: where sizes change, a group of signals ends and the next begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from claims.experiments.counting import weights
from claims.experiments.residual_networks import canonical, drawn, inputs, random_images, scored, untrained, watched
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


def kernels_of(layers: int) -> int:
    """Entries of a bottleneck network's kernels by the appendix: [1x1, w; 3x3, w; 1x1, 4w] and projections."""
    total, inputs = 9 * 3 * 16 + 256 * 10, 16
    for width in (16, 32, 64):
        for _ in range((layers - 2) // 9):
            projection = inputs * 4 * width if inputs != 4 * width else 0
            total += inputs * width + 9 * width**2 + 4 * width**2 + projection
            inputs = 4 * width
    return total


@dataclass(frozen=True)
class Units(Experiment):
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


def larger_crops(implementation: IdentityMappings, setting: Setting) -> Measurements:
    """Scores of pictures, wide and high, whose shorter side is that of the test crop, by weights that are drawn.

    Training images come with their negatives, so that their mean is grey.

    Measures:
        apart: for each shape, the largest difference from the central crop's by the oracle, as a share of the spread.
    """
    config, shape = setting.config, (5, setting.config.test_image, 3 * setting.config.test_image // 2, 1)
    images = np.asarray(random_images(config, config.batch // 2, setting.seed).images)
    split = replace(random_images(config, config.batch, 0), images=np.concatenate([images, 255 - images]))
    state = implementation.state(untrained(implementation, config, split, setting))
    names = canonical(implementation.layers(config), state)
    weights = drawn({name: np.asarray(state[own]) for name, own in names.items()}, setting.seed)
    carried = dict(state) | {names[name]: value.astype(np.float32) for name, value in weights.items()}
    predictor = implementation.restore(config, carried, device=setting.device)
    wide, found = np.random.default_rng(setting.seed).integers(0, 256, shape, dtype=np.uint8), list[float]()
    rest = (shape[2] - shape[1]) // 2
    central = wide[:, :, rest : rest + shape[1]]
    for pictures, crop in ((wide, central), (wide.swapaxes(1, 2), central.swapaxes(1, 2))):
        scores = predictor.predict(np.ascontiguousarray(pictures))
        found.append(scored("he2016", config, weights, np.moveaxis(crop - 127.5, -1, 1), scores))
    return {"apart": cases(found, 0.0, "1")}
