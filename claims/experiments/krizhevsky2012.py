"""How networks of Krizhevsky et al. are measured: the contract, and experiments that turn answers into numbers.

Shapes: N images, F side of a stored image, S side of a network's input, C channels, K classes, D features, M masks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import isqrt, prod
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from repro import Measurements, Reported, Setting, cases, scalar
from repro.classification import decoded, score
from repro.data import Split
from repro.resume import trained
from repro.task import Counted, Device, Images, Layer, Predictor

Array = NDArray[np.float64]

KERNELS = ((96, 3, 11, 11), (256, 48, 5, 5), (384, 256, 3, 3), (384, 192, 3, 3), (256, 192, 3, 3))
LINEAR = ((4096, 6 * 6 * 256), (4096, 4096), (1000, 4096))
NEURONS = (27 * 27 * 256, 13 * 13 * 384, 13 * 13 * 384, 13 * 13 * 256, 4096, 4096, 1000)  # layers 2 to 8, Figure 2


class ConvolutionalNetworks(Counted, Protocol):
    """What an implementation of this paper offers beside training and counting."""

    def normalize(self, config: Any, activations: NDArray[Any]) -> NDArray[Any]:
        """Local response normalization of activations [N, C, H, W]."""
        ...

    def descend(self, config: Any, weights: Array, gradients: Array, rates: Array) -> Array:
        """Weights [T, D] after each update, from weights [D], by gradients [T, D] at learning rates [T]."""
        ...

    def augment(self, config: Any, images: NDArray[np.uint8], *, seed: int) -> NDArray[np.float32]:
        """A training input [S, S, C] of each image [F, F, C] of a training set, as 0..255, no mean subtracted."""
        ...

    def sensitivity(self, config: Any, image: NDArray[np.uint8], *, seed: int) -> Mapping[str, Array]:
        """By convolution "conv1", ...: how its middle unit after pooling depends on each pixel, [S, S]; 0: not."""
        ...

    def train(
        self,
        config: Any,
        data: Images,
        *,
        seed: int,
        device: Device,
        checkpoints: Sequence[int] = (),
        start: Mapping[str, NDArray[Any]] | None = None,
    ) -> Any:
        """As `Classifier.train`, from `start` on where it is given, as if training had never stopped.

        That is what `snapshot()` of a predictor gave, arrays by name, with the same seed and config. A predictor need
        not have it; long training then begins anew after a kill.
        """
        ...


def weights(layer: Layer) -> int:
    """Parameters of a layer."""
    return sum(prod(shape) for shape in layer.weights)


@dataclass(frozen=True)
class Parameters:
    """Shapes and parameters of the whole network, against Section 3.5 and the reported total in millions."""

    reported: Reported

    def __call__(self, implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
        """Count one network."""
        found = implementation.layers(setting.config)
        expected = [number for kernel in (*KERNELS, *LINEAR) for number in (*kernel, kernel[0])]
        listed = [number for layer in found for shape in layer.weights for number in shape]
        listed = (listed + [0] * len(expected))[: len(expected)]  # a network of other depth differs somewhere
        total = sum(weights(layer) for layer in found)
        exact = sum(prod(kernel) + kernel[0] for kernel in (*KERNELS, *LINEAR))
        return {
            "shapes": cases(listed, expected, "1"),
            "parameters": cases([total], [exact], "1"),
            "millions": cases([total / 1e6], [self.reported.value], "M"),
        }


@dataclass(frozen=True)
class Neurons:
    """Units by layer against Figure 2, and all of them against the reported total in thousands."""

    reported: Reported
    first: Reported

    def __call__(self, implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
        """Count the outputs of the eight layers."""
        units = [prod(layer.output) for layer in implementation.layers(setting.config)]
        later = (units[1:] + [0] * len(NEURONS))[: len(NEURONS)]
        return {
            "first": cases([units[0]], [self.first.value], "1"),
            "later": cases(later, NEURONS, "1"),
            "thousands": cases([sum(units) / 1e3], [self.reported.value], "k"),
        }


@dataclass(frozen=True)
class Shares:
    """Shares of all parameters, in %: of each convolution, of all of them, and the bound that the paper states."""

    reported: Reported

    def __call__(self, implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
        """Count one network."""
        found = implementation.layers(setting.config)
        total = sum(weights(layer) for layer in found)
        shares = [100 * weights(layer) / total for layer in found if layer.kind == "conv"]
        return {
            "stated": cases(shares, self.reported.value, "%"),
            "each": cases(shares, 1.5, "%"),
            "together": cases([sum(shares)], [4.0], "%"),
        }


def geometry(implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
    """Sides of maps: of the first layer by input and padding, and after overlapping and plain pooling."""

    def sides(**fields: Any) -> list[int]:
        found = implementation.layers(replace(setting.config, **fields))
        into, before = found[5].weights[0][1], found[4].weights[0][0]
        return [*(layer.output[1] for layer in found[:3]), isqrt(into // before)]

    first = [sides(image=image, padding=padding)[0] for image, padding in ((227, 0), (224, 2), (224, 3), (224, 0))]
    pooled = [side for pool in ((3, 2), (2, 2)) for side in sides(pool=pool)]
    return {"first": cases(first, [55, 55, 55, 54], "1"), "pooled": cases(pooled, [55, 27, 13, 6] * 2, "1")}


def receptive_fields(implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
    """Side of the square of pixels that a unit of each convolution sees, after the pooling that follows it."""
    generator = np.random.default_rng(setting.seed)
    side, channels = setting.config.image, setting.config.channels
    image = generator.integers(0, 256, (side, side, channels), dtype=np.uint8)
    found = implementation.sensitivity(setting.config, image, seed=setting.seed)
    field, step, expected = 1, 1, []
    for (*_, kernel), stride, pooled in zip(KERNELS, (4, 1, 1, 1, 1), (True, True, False, False, True), strict=True):
        field, step = field + (kernel - 1) * step, step * stride
        if pooled:
            field, step = field + 2 * step, step * 2  # windows of 3 at every second unit
        expected += [field, field]
    extents = [extent(found[f"conv{number}"] != 0) for number in range(1, len(KERNELS) + 1)]
    return {"fields": cases([number for pair in extents for number in pair], expected, "pixels")}


def extent(seen: NDArray[np.bool_]) -> tuple[int, int]:
    """Height and width of the smallest box that holds all that is true; 0 where nothing is."""
    spans = (np.flatnonzero(seen.any(axis)) for axis in (1, 0))
    height, width = (int(np.ptp(span)) + 1 if span.size else 0 for span in spans)
    return height, width


def multiplicity(implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
    """How many different inputs training can make of one image: rows, columns and reflections are told from pixels.

    Each of 32 places is missed by 1,000 draws with a chance below 1e-12.
    """
    side, draws = setting.config.frame, 1000
    image = np.zeros((side, side, 3), np.uint8)
    image[..., 0], image[..., 1] = np.arange(side)[:, None], np.arange(side)
    config = replace(setting.config, colour=0.0)
    corners: set[tuple[int, int, bool]] = set()
    for part in range(10):
        images = np.broadcast_to(image, (draws // 10, *image.shape))
        crops = implementation.augment(config, images, seed=1000 * setting.seed + part)[:, 0, :, :2]
        left, right = crops[:, 0, 1], crops[:, -1, 1]
        rows = zip(crops[:, 0, 0], np.minimum(left, right), left > right, strict=True)
        corners |= {(int(row), int(column), bool(mirrored)) for row, column, mirrored in rows}
    places = [len(set(column)) for column in zip(*corners, strict=True)]
    return {"inputs": cases([prod(places)], [2 * (side - setting.config.image) ** 2], "1")}


def response_normalization(implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
    """Relative deviation of normalized activations of 16 maps from the formula of Section 3.3, map by map."""
    a = np.random.default_rng(setting.seed).uniform(0, 50, (2, 16, 4, 4))
    expected = np.empty_like(a)
    for i in range(16):
        near = a[:, max(0, i - 2) : min(15, i + 2) + 1]
        expected[:, i] = a[:, i] / (2 + 1e-4 * (near**2).sum(1)) ** 0.75
    found = np.asarray(implementation.normalize(setting.config, a), float)
    return {"deviation": cases((found / expected - 1).ravel(), 0.0, "1")}


def momentum(implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
    """Deviation of weights from the recurrence of Section 5 over 20 gradients; the rate falls to a tenth midway."""
    rng, size = np.random.default_rng(setting.seed), 10
    start, gradients = rng.standard_normal(size), rng.standard_normal((2 * size, size))
    rates = np.repeat([1e-2, 1e-3], size)
    found = np.asarray(implementation.descend(setting.config, start, gradients, rates), float)
    w, v, expected = start.copy(), np.zeros(size), []
    for gradient, rate in zip(gradients, rates, strict=True):
        v = 0.9 * v - 5e-4 * rate * w - rate * gradient
        w = w + v
        expected.append(w)
    return {"deviation": cases((found - np.array(expected)).ravel(), 0.0, "1")}


def log_softmax(scores: Array) -> Array:
    """Logarithms of probabilities, over the last axis."""
    shifted = scores - scores.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def averaged_networks(implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
    """The test-time network against the normalised geometric mean of all networks that dropout can leave.

    Measures, of an untrained perceptron on test images:
        difference: of its probabilities from that mean.
        divergence: its KL divergence from the mean, by that of the network whose outputs are not halved.
    """
    images = setting.dataset.test.images[:20]
    train = setting.dataset.train
    *_, (_, predictor) = implementation.train(setting.config, train, seed=setting.seed, device=setting.device)
    state = implementation.state(predictor)
    found = log_softmax(np.asarray(predictor.predict(images), float))
    layers = [(np.asarray(state[f"{layer.name}.weight"], float), np.asarray(state[f"{layer.name}.bias"], float))
              for layer in implementation.layers(setting.config)]  # fmt: skip
    mean = np.asarray(state["mean"], float)
    x = ((np.asarray(images, float) - mean) * setting.config.scale).reshape(len(images), -1)
    units = sum(setting.config.hidden)
    masks = np.array(list(product((0.0, 1.0), repeat=units)))
    exact = log_softmax(np.mean([log_softmax(thinned(layers, x, mask)) for mask in masks], axis=0))
    whole = log_softmax(thinned(layers, x, np.ones(units)))
    return {
        "difference": cases((np.exp(found) - np.exp(exact)).ravel(), 0.0, "1"),
        "divergence": cases([divergence(found, exact) / divergence(whole, exact)], [0.1], "1"),
    }


def thinned(layers: Sequence[tuple[Array, Array]], x: Array, mask: Array) -> Array:
    """Logits [N, K] of a perceptron of rectifiers on x [N, D] whose hidden units are those in a mask."""
    for weight, bias in layers[:-1]:
        own, mask = np.split(mask, [len(bias)])
        x = np.maximum(x @ weight.T + bias, 0) * own
    return x @ layers[-1][0].T + layers[-1][1]


def divergence(log_p: Array, log_q: Array) -> float:
    """Mean KL divergence of distributions p from q, nats."""
    return float((np.exp(log_p) * (log_p - log_q)).sum(-1).mean())


def colour_shifts(implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
    """What training adds to the colours of 100,000 images of one colour each, 2x2 pixels.

    Measures:
        covariance: how far that of the shifts is from 0.01 P diag(l^2) P', for eigenvectors P and eigenvalues l of
            the covariance of colours in 0..1; relative, by Frobenius' norm. Its standard error is below 0.01.
        spread: the largest difference between shifts of two pixels of one image.
    """
    rng = np.random.default_rng(setting.seed)
    mixed = rng.standard_normal((100_000, 3)) @ rng.uniform(0, 1, (3, 3))
    colours = np.clip(128 + 30 * mixed, 0, 255).astype(np.uint8)
    images = np.ascontiguousarray(np.broadcast_to(colours[:, None, None], (len(colours), 2, 2, 3)))
    inputs = np.asarray(implementation.augment(setting.config, images, seed=setting.seed), float)
    shifts = (inputs - images) / 255
    values, vectors = np.linalg.eigh(np.cov(colours.T / 255))
    expected = 0.01 * (vectors * values**2) @ vectors.T
    found = np.cov(shifts[:, 0, 0].T)
    spread = np.ptp(shifts, axis=(1, 2)).max()
    return {
        "covariance": cases([np.linalg.norm(found - expected) / np.linalg.norm(expected)], [0.0], "1"),
        "spread": cases([spread], [0.0], "1"),
    }


def some(split: Split, count: int, seed: int) -> Split:
    """As many images of a split, drawn without replacement."""
    chosen = np.random.default_rng(seed).choice(len(split), count, replace=False)
    return replace(split, images=np.asarray(split.images)[chosen], labels=split.labels[chosen])


@dataclass(frozen=True)
class Convergence:
    """How many updates training takes to a training error, at the best of some learning rates.

    Attributes:
        error: the training error to reach, in %.
        every: updates between looks at it.
        limit: updates after which training counts as having just reached it.
        rates: learning rates to choose from; none: the config's.

    Measures:
        updates: the fewest at any rate.
    """

    error: float
    every: int
    limit: int
    rates: tuple[float, ...] = ()
    passes_config_on: ClassVar[bool] = True

    def __call__(self, implementation: Any, setting: Setting) -> Measurements:
        """Train at every rate until the error is reached, or until it cannot be the best any more."""
        split, best = setting.dataset.train, self.limit
        for rate in self.rates or (setting.config.lr,):
            config = replace(setting.config, lr=rate, iterations=best)
            marks = range(self.every, best, self.every)
            for step, predictor in implementation.train(
                config, split, seed=setting.seed, device=setting.device, checkpoints=marks
            ):
                if step < best and 100 * score(predictor, split).wrong.mean() <= self.error:
                    best = step
                    break
        return {"updates": scalar(best, "updates")}


@dataclass(frozen=True)
class Overfitting:
    """Train on few images, some with random labels, and measure on the test images, whose labels are right.

    Attributes:
        images: training images, drawn by the trial's seed.
        noise: the share of them whose label is drawn anew.

    Measures:
        test_loss: mean cross-entropy, in nats.
        test_error: wrong images, in %.
    """

    images: int
    noise: float
    passes_config_on: ClassVar[bool] = True

    def __call__(self, implementation: Any, setting: Setting) -> Measurements:
        """Train one classifier and measure it."""
        split, test = some(setting.dataset.train, self.images, setting.seed), setting.dataset.test
        rng = np.random.default_rng((setting.seed, 1))
        labels = split.labels.copy()
        noisy = rng.choice(self.images, round(self.noise * self.images), replace=False)
        labels[noisy] = rng.integers(0, split.classes, len(noisy))
        *_, (_, predictor) = implementation.train(
            setting.config, replace(split, labels=labels), seed=setting.seed, device=setting.device
        )
        scored = score(predictor, test)
        return {
            "test_loss": scalar(float(scored.loss.mean()), "nats"),
            "test_error": scalar(100 * scored.wrong.mean(), "%"),
        }


class Committee:
    """Predicts the logarithm of the mean of its members' probabilities."""

    def __init__(self, members: Sequence[Predictor]) -> None:
        self.members = members

    def predict(self, images: Any, *, views: int = 1) -> NDArray[np.float32]:
        """Scores [N, K]."""
        scores = (np.asarray(member.predict(images, views=views), float) for member in self.members)
        total = sum((np.exp(log_softmax(found)) for found in scores), np.zeros(1))
        return np.log(total / len(self.members) + 1e-30).astype(np.float32)


@dataclass(frozen=True)
class Ensemble:
    """Train one or several networks that differ in their seeds, and measure them alone and together on the test images.

    Training that is killed goes on from its last snapshot when the trial is run again.

    Attributes:
        networks: how many.
        images: training images, drawn by the trial's seed; None: all.
        views: views of a test image whose scores are averaged, 1 or 10.
        every: updates between snapshots; 0: there are none.

    Measures:
        test_error, test_top5_error: of all networks together, in %; the second for over ten classes.
        single_error, single_top5_error: mean over the networks.
        one_view_error: of all together from one view, where `views` is more.
    """

    networks: int = 1
    images: int | None = None
    views: int = 1
    every: int = 0
    passes_config_on: ClassVar[bool] = True

    def __call__(self, implementation: Any, setting: Setting) -> Measurements:
        """Train one after the other, then measure."""
        train, test = decoded(setting.dataset.train), decoded(setting.dataset.test)
        if self.images is not None:
            train = some(train, self.images, setting.seed)
        seeds = [int(seed) for seed in np.random.SeedSequence(setting.seed).generate_state(self.networks)]
        runs = [trained(implementation, setting, train, seed=seed, every=self.every) for seed in seeds]
        members = [predictor for predictor, _ in runs]
        alone = [score(member, test, views=self.views) for member in members]
        together = alone[0] if len(members) == 1 else score(Committee(members), test, views=self.views)
        found = {
            "test_error": scalar(100 * together.wrong.mean(), "%"),
            "single_error": scalar(float(100 * np.mean([scored.wrong.mean() for scored in alone])), "%"),
        }
        if test.classes > 10:
            found["test_top5_error"] = scalar(100 * together.missed.mean(), "%")
            found["single_top5_error"] = scalar(float(100 * np.mean([scored.missed.mean() for scored in alone])), "%")
        if self.views > 1:
            found["one_view_error"] = scalar(100 * score(Committee(members), test).wrong.mean(), "%")
        for _, kept in runs:
            if kept is not None:
                kept.clear()
        return found
