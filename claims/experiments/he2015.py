"""How residual networks are measured: the contract, what networks show, warm-up and ten crops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from claims.experiments.residual_networks import (
    SCALES,
    canonical,
    drawn,
    evaluated,
    inputs,
    random_images,
    softmax,
    untrained,
    watched,
)
from claims.experiments.residual_updates import (
    BATCHES,
    CLEAR,
    along,
    clearance,
    direction,
    fitting,
    loss_at,
    rates_apart,
    steps_apart,
)
from claims.oracles import he2015 as paper
from claims.oracles.he2015 import Array, Layers
from repro import Experiment, Measurements, Setting, Split, Weights, cases, numerical_gradients, scalar
from repro.task import Counted, Predictor, Signal


class ResidualLearning(Counted, Protocol):
    """What an implementation of this paper offers beside training and counting.

    A config whose `augment` is "scale-colour" has Section 3.4's augmentation, whatever its stem. Where crops have
    another size than 224 pixels, the shorter sides of 256 to 480 pixels, and of 256 in tests, change in proportion.
    Where shortcuts are padded (option A), the maps of zeros stand behind those that are kept.
    """

    def deepen(self, predictor: Predictor, config: Any, *, seed: int) -> Predictor:
        """A predictor of the deeper `config` whose added layers are identities and whose others are copies."""
        ...

    def probe(
        self, config: Any, images: NDArray[np.uint8], labels: NDArray[np.int64], *, seed: int
    ) -> tuple[Signal, ...]:
        """What each block shows on one batch, of the network whose weights training at that seed starts from."""
        ...


@dataclass(frozen=True)
class Deepening(Experiment):
    """Train, deepen by identities, and compare the scores of both networks on the test images.

    Measures:
        change: the largest change of a score, per image.
        apart: of the deeper network's scores on a few images, from those that its weights give by the equations.
    """

    depth: int

    def __call__(self, implementation: ResidualLearning, setting: Setting) -> Measurements:
        """Train and deepen one network."""
        train, images = setting.dataset.train, setting.dataset.test.images
        *_, (_, shallow) = implementation.train(setting.config, train, seed=setting.seed, device=setting.device)
        before = shallow.predict(images)
        config = replace(setting.config, depth=self.depth)
        deep = implementation.deepen(shallow, config, seed=setting.seed)
        after, few = deep.predict(images), images[:20]
        off = evaluated(implementation, "he2015", config, deep, inputs(few, train.images), after[:20])
        change = np.abs(after.astype(float) - before)
        return {"change": cases(change.max(axis=1), 0.0, "1"), "apart": cases([off], 0.0, "1")}


def signals(implementation: ResidualLearning, setting: Setting) -> Measurements:
    """What the blocks of an untrained network show on a batch of random images.

    Measures:
        variance: of each block's response.
        kept: the norm of the gradient by the first block's first kernel over that by the last's.
        responses: their differences from those that the network's weights give by the oracle, as shares of the spread.
    """
    split = random_images(setting.config, 4, setting.seed)
    found = implementation.probe(setting.config, np.asarray(split.images), split.labels, seed=setting.seed)
    norms = [float(np.linalg.norm(signal.gradient)) for signal in found]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.divide(norms[0], norms[-1])
    responses = [np.ascontiguousarray(signal.response) for signal in found]  # sums depend on the order in memory
    start = _at_the_start(implementation, setting.config, setting, split)
    return {
        "variance": cases([float(response.var()) for response in responses], 1e-3, "1"),
        "kept": cases([ratio], [0.1], "1"),
        "responses": cases(_off(responses, setting.config, start, split), 0.0, "1"),
    }


def gradients(implementation: ResidualLearning, setting: Setting) -> Measurements:
    """The gradient by each block's first kernel, of a small network, against differences of the oracle's loss.

    Measures:
        responses: see `signals`.
        apart: the largest difference of a few entries of each kernel, as a share of the largest of these.
    """
    config, found = setting.config, list[tuple[float, Split]]()
    start = _at_the_start(implementation, config, setting, random_images(config, 8, setting.seed))
    while len(found) < BATCHES and (not found or found[-1][0] < CLEAR):
        split = random_images(config, 8, BATCHES * setting.seed + len(found))
        found.append((clearance("he2015", config, split, start), split))
    _, split = max(found, key=lambda one: one[0])
    shown = implementation.probe(config, np.asarray(split.images), split.labels, seed=setting.seed)
    names = [f"W{1 + (3 if config.bottleneck else 2) * block}" for block in range(len(shown))]
    generator = np.random.default_rng(setting.seed)
    ways = {name: direction(start, [name], generator) for name in names}
    own = along({name: signal.gradient.astype(float) for name, signal in zip(names, shown, strict=True)}, ways)
    spread = {name: float(np.std(signal.gradient)) for name, signal in zip(names, shown, strict=True)}

    def off(scale: float) -> list[float]:
        loss = partial(loss_at, paper, config, scale * inputs(split.images, split.images), split.labels, start, ways)
        wanted = numerical_gradients(loss, along(start, ways))
        return [float(np.abs(own[name] - value).max() / spread[name]) for name, value in wanted.items()]

    responses = _off([signal.response for signal in shown], config, start, split)
    return {"responses": cases(responses, 0.0, "1"), "apart": cases(fitting(off), 0.0, "1")}


def _at_the_start(implementation: ResidualLearning, config: Any, setting: Setting, split: Split) -> dict[str, Array]:
    config = replace(config, iterations=0, batch=len(split.labels), augment="none")
    return watched(implementation, config, split, setting)[-1]


def _off(found: Sequence[NDArray[Any]], config: Any, weights: Weights, split: Split) -> list[float]:
    """Differences of responses from the oracle's, as shares of their spread."""

    def apart(scale: float) -> list[float]:
        layers = Layers(weights)
        paper.logits(layers, config, scale * inputs(split.images, split.images))
        pairs = zip(found, layers.signals, strict=True)
        live = ((a, b) if a.shape == b.shape and b.any() else None for a, b in pairs)
        return [float(np.abs(pair[0] - pair[1]).max() / pair[1].std()) if pair else np.inf for pair in live]

    return fitting(apart)


def warm_up(implementation: ResidualLearning, setting: Setting) -> Measurements:
    """Updates of a network that is warmed up, on labels that are all wrong, and on labels that cannot all be right.

    The second are 20 copies of each of two images. 6 have the label that untrained weights find likeliest and the
    others each their own, so that the error is first 70 %; at the full rate, which is far too large, it then rises to
    nearly 90 %, mostly.

    Measures:
        apart: the first three updates, where labels are wrong, from those at a tenth of the rate; see `steps_apart`.
        rates: updates 40 to 100, where they cannot be right, from those at a tenth first and then at the full rate
            for good; see `rates_apart`.
    """
    config = replace(setting.config, warmup=True, milestones=(), iterations=3)
    found: list[tuple[float, Split, list[dict[str, Array]]]] = []
    while len(found) < BATCHES and (not found or found[-1][0] < CLEAR):
        split = random_images(config, config.batch, BATCHES * setting.seed + len(found))
        split = replace(split, labels=_untrained_scores(implementation, config, setting, split).argmin(1))
        states = watched(implementation, config, split, setting, (0, 1, 2, 3))
        found.append((min(clearance("he2015", config, split, state) for state in states[:-1]), split, states))
    _, split, states = max(found, key=lambda one: one[0])
    wrong = steps_apart("he2015", config, split, states, [config.lr / 10])
    config = replace(config, classes=15, batch=40, lr=15.0, weight_decay=0.0, iterations=100)
    split = random_images(config, 2, setting.seed)
    split = Split(images=np.repeat(split.images, 20, 0), labels=np.arange(40) % 15, classes=15)
    best = _untrained_scores(implementation, config, setting, split)[::20].argmax(1)
    labels = np.concatenate([[one] * 6 + [n for n in range(15) if n != one] for one in best])
    split = replace(split, labels=labels)
    states = watched(implementation, config, split, setting, tuple(range(40, 101)))
    rates = rates_apart("he2015", config, split, states, config.lr / 10, config.lr)
    return {"apart": cases(wrong, 0.0, "1"), "rates": cases([rates], 0.0, "1")}


def _untrained_scores(implementation: ResidualLearning, config: Any, setting: Setting, split: Split) -> Array:
    start = Layers(_at_the_start(implementation, config, setting, split))
    return paper.logits(start, config, SCALES[0] * inputs(split.images, split.images))


def ten_crops(implementation: ResidualLearning, setting: Setting) -> Measurements:
    """Mean softmax over corners, centre and their mirror images of wide and high pictures, of weights that are drawn.

    Measures:
        apart: the largest difference from the oracle's, as a share of the spread over crops, for each shape.
    """
    config, side = replace(setting.config, augment="none"), setting.config.image
    split = random_images(config, config.batch, setting.seed)
    state = implementation.state(untrained(implementation, config, split, setting))
    names = canonical(implementation.layers(config), state)
    weights = drawn({name: np.asarray(state[own]) for name, own in names.items()}, setting.seed)

    def apart(pictures: NDArray[np.uint8], scale: float) -> list[float]:
        down, right = (n - side for n in pictures.shape[1:3])
        places = [(y, x) for y in (0, down) for x in (0, right)] + [(down // 2, right // 2)]
        crops = [pictures[:, y : y + side, x : x + side] for y, x in places]
        views = [scale * inputs(view, split.images) for crop in crops for view in (crop, crop[:, :, ::-1])]
        scores = np.stack([paper.logits(Layers(weights, evaluation=True), config, view) for view in views])
        sharp = 2 / scores.std()  # so that no chance is 0 or 1
        own = weights | {name: sharp * weights[name] for name in ("W", "b")}
        carried = dict(state) | {names[name]: value.astype(np.float32) for name, value in own.items()}
        found = implementation.restore(config, carried, device=setting.device).predict(pictures, crops=10)
        chances = softmax(sharp * scores)
        return [float(np.abs(_chances(found) - chances.mean(0)).max() / chances.std(0).mean())]

    coarse = np.random.default_rng(setting.seed).integers(0, 256, (3, 8, 11, config.channels), dtype=np.uint8)
    wide = coarse.repeat(side // 7, 1).repeat(side // 7, 2)  # 256 pixels high where crops have 224
    shapes = (wide, np.ascontiguousarray(wide.swapaxes(1, 2)))
    return {"apart": cases([one for x in shapes for one in fitting(partial(apart, x))], 0.0, "1")}


def _chances(scores: NDArray[Any]) -> Array:
    """The softmax of scores; they themselves where they are chances already: see `repro.task.Predictor`."""
    chances = scores.min() >= 0 and np.allclose(scores.sum(-1), 1, atol=1e-3)
    return scores.astype(np.float64) if chances else softmax(scores)


@dataclass(frozen=True)
class Responses(Experiment):
    """Train, and compute from the weights what the layers respond with, by the oracle.

    Attributes:
        images: of the test set that are looked at.

    Measures:
        response: standard deviation of what a convolution gives after its normalization and before anything else,
            averaged over the convolutions of the main path (Figure 7).
    """

    images: int = 200

    def __call__(self, implementation: ResidualLearning, setting: Setting) -> Measurements:
        """Train one network."""
        train, test = setting.dataset.train, setting.dataset.test.images[: self.images]
        weights = watched(implementation, setting.config, train, setting)[-1]
        found = []
        with np.errstate(all="ignore"):  # what diverged responds with infinity
            for scale in SCALES:
                layers = Layers(weights, evaluation=True)
                paper.logits(layers, setting.config, scale * inputs(test, train.images))
                found.append(layers)
        layers = min(found, key=lambda one: abs(np.log(one.spread[0])))  # inputs of the factor that statistics are of
        return {"response": scalar(float(np.mean(layers.spread)), "1")}
