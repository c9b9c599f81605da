"""Residual networks against their papers' oracles: scores and initial weights.

An implementation lists its layers and gives its weights by layer; here they get the oracle's names. Two freedoms are
left: the factor that inputs are multiplied by, and whether kept variances divide by N or N - 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice, product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from claims.oracles import he2015, he2016
from claims.oracles.he2015 import Array, Layers
from repro import Experiment, Measurements, ReproError, Setting, Split, Weights, cases, from_normal
from repro.task import Counted, Layer, Predictor

Paper = Literal["he2015", "he2016"]

ROLES = {
    "gamma": ("gamma", "weight", "scale"),
    "beta": ("beta", "bias", "shift"),
    "mean": ("mean", "running_mean", "moving_mean"),
    "variance": ("variance", "running_var", "moving_variance", "var", "running_variance"),
}
"""What a normalization's arrays may be called, behind the layer's name."""

SCALES = (1 / 255, 1.0)  # of inputs; the first normalization cancels it
LARGE = 30.0  # by which drawn kernels and means are multiplied, so that normalization's epsilon does not matter
IMAGENET: dict[str, Any] = {"stem": "imagenet", "depth": 18, "widths": (2, 2, 3, 4), "image": 32}
VARIANTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "plain": {"residual": False},
    "projections": {"shortcut": "B"},
    "projections everywhere": {"shortcut": "C"},
    "bottlenecks": {"bottleneck": True, "shortcut": "B"},
    "imagenet": IMAGENET,
    "imagenet, projections": {**IMAGENET, "shortcut": "B"},
    "imagenet, bottlenecks": {**IMAGENET, "depth": 50, "bottleneck": True, "shortcut": "B"},
    **{
        unit: {"unit": unit}
        for unit in ("bn-after-addition", "relu-before-addition", "relu-preactivation", "preactivation", "asymmetric")
    },
    **{
        f"{unit}, bottlenecks": {"unit": unit, "bottleneck": True, "shortcut": "B", "depth": 11}
        for unit in ("original", "bn-after-addition", "relu-before-addition", "relu-preactivation", "preactivation")
    },
    "scaled": {"scale": 0.5, "branch_scale": 0.7},
    "exclusive gates": {"gate": "exclusive", "gate_bias": -1.0},
    "shortcut gates": {"gate": "shortcut", "gate_bias": -1.0},
    "convolutions": {"shortcut": "C"},
    "dropout": {"dropout": 0.3},
    "all dropped": {"dropout": 1.0},
    "wider gates": {"gate": "shortcut", "gate_bias": -1.0, "widths": (8, 9), "depth": 6},
}
ORDERS = ("as it is", "bn-after-addition", "relu-before-addition", "relu-preactivation", "preactivation", "asymmetric")
BOTTLENECKS = ("original, bottlenecks", "preactivation, bottlenecks", "relu-preactivation, bottlenecks")
SHORTCUTS = ("scaled", "exclusive gates", "shortcut gates", "convolutions", "dropout", "plain")
"""Variants of he2016's networks: the orders of Figure 4, with bottlenecks, and the shortcuts of Figure 2."""


def oracle(paper: Paper) -> Any:
    """The paper's equations."""
    return he2016 if paper == "he2016" else he2015


def random_images(config: Any, count: int, seed: int) -> Split:
    """Images of the config's size with pixels of every value; labels of every class."""
    generator = np.random.default_rng(seed)
    shape = (count, config.image, config.image, config.channels)
    images = generator.integers(0, 256, shape, dtype=np.uint8)
    return Split(images=images, labels=np.arange(count) % config.classes, classes=config.classes)


def untrained(implementation: Counted, config: Any, split: Split, setting: Setting) -> Predictor:
    """What training gives before its first update."""
    config = replace(config, iterations=0)
    *_, (_, predictor) = implementation.train(config, split, seed=setting.seed, device=setting.device)
    return predictor


def inputs(images: Any, train: Any) -> Array:
    """Images less the mean image of those trained on, [N, C, H, W]; yet to be multiplied by a factor."""
    return np.moveaxis(images - train.astype(np.float64).mean(0), -1, 1)


def softmax(scores: NDArray[Any]) -> Array:
    """Chances of classes, over the last axis."""
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


def classifier_gradient(features: Array, weights: Weights) -> Array:
    """The loss's gradient by the classifier's weights and biases, [K, D + 1].

    Args:
        features: of a batch of images of classes 0 to N - 1, [N, D].
        weights: of the classifier, "W" and "b".
    """
    chances = softmax(features @ weights["W"].T + weights["b"])
    return (chances - np.eye(*chances.shape)).T @ np.c_[features, np.ones(len(features))] / len(features)


def canonical(layers: tuple[Layer, ...], state: Mapping[str, NDArray[Any]]) -> dict[str, str]:
    """By the oracle's name of an array, its name in the state: layers by position, their arrays by role.

    Raises:
        ReproError: if a layer lacks an array, or one has another shape than `layers` says.
    """
    layer_names = [layer.name for layer in layers]
    owner = {name: max((x for x in layer_names if name.startswith(f"{x}.")), key=len, default="") for name in state}
    given: dict[tuple[str, bool], int] = {}
    found: dict[str, str] = {}
    for layer in layers:
        number = given.get((layer.kind, layer.shortcut), 0)
        given[layer.kind, layer.shortcut] = number + 1
        where, place = "shortcut." if layer.shortcut else "", "" if layer.kind == "linear" else str(number)
        own = [name for name in state if owner[name] == layer.name]
        if layer.kind == "norm":
            last = {name.rpartition(".")[2]: name for name in own}
            roles = {role: next((last[n] for n in names if n in last), "") for role, names in ROLES.items()}
            if missing := [f"{layer.name}.{role}" for role, name in roles.items() if not name]:
                raise ReproError(f"state has no {missing[0]!r}", f"It has {', '.join(own)} of that layer.")
        else:
            roles = {"b" if np.ndim(state[name]) == 1 else "W": name for name in own}
            if len(roles) != len(layer.weights):
                raise ReproError(
                    f"state has {', '.join(own) or 'nothing'} of layer {layer.name!r}",
                    f"By layers it has {len(layer.weights)}.",
                )
        for role, name in roles.items():
            wanted = layer.weights[1 if role == "b" and len(layer.weights) > 1 else 0]
            if np.shape(state[name]) != tuple(wanted):
                raise ReproError(
                    f"{name!r} of state is {list(np.shape(state[name]))}", f"By layers it is {list(wanted)}."
                )
        found |= {f"{where}{role}{place}": name for role, name in roles.items()}
    return found


def watched(
    implementation: Counted,
    config: Any,
    split: Split,
    setting: Setting,
    eval_steps: tuple[int, ...] = (),
    *,
    to_the_end: bool = True,
) -> list[dict[str, Array]]:
    """Weights and statistics by the oracle's names, at those updates and, if it is to get there, at training's end."""
    found: list[dict[str, Array]] = []
    names: dict[str, str] = {}
    steps = implementation.train(config, split, seed=setting.seed, device=setting.device, eval_steps=eval_steps)
    for _, predictor in steps if to_the_end else islice(steps, len(eval_steps)):
        state = implementation.state(predictor)
        names = names or canonical(implementation.layers(config), state)
        found.append({name: np.array(state[own], dtype=np.float64) for name, own in names.items()})
    return found


def kind_of(name: str) -> str:
    """What an array is, by its name: "W", "b", "gamma", "beta", "mean" or "variance"."""
    return name.removeprefix("shortcut.").rstrip("0123456789")


def drawn(like: Mapping[str, Array], seed: int) -> dict[str, Array]:
    """Arrays of the same shapes in which nothing is 0, 1 or equal."""
    generator = np.random.default_rng(seed)
    found: dict[str, Array] = {}
    for name, value in like.items():
        kind, shape = kind_of(name), value.shape
        if kind == "W":
            found[name] = generator.normal(0.0, (2 / np.prod(shape[1:])) ** 0.5, shape)
            found[name] *= 1.0 if name.replace("W", "b") in like else LARGE  # what has a bias is not normalized
        elif kind in ("gamma", "variance"):
            found[name] = generator.uniform(0.5, 1.5, shape) * (LARGE**2 if kind == "variance" else 1.0)
        else:
            found[name] = generator.normal(0.0, 0.3, shape) * (LARGE if kind == "mean" else 1.0)
    return {name: value.astype(np.float32).astype(np.float64) for name, value in found.items()}


def apart(found: NDArray[Any], compute: Callable[[], tuple[Array, Layers]]) -> float:
    """The largest difference from what the oracle computes, as a share of the spread of that; infinite if it cannot."""
    try:
        wanted, layers = compute()
    except (KeyError, ValueError, IndexError):  # arrays that are missing, or have other shapes
        return float("inf")
    if layers.left or found.shape != wanted.shape:
        return float("inf")
    return float(np.abs(found - wanted).max() / wanted.std())


def evaluated(
    implementation: Counted, paper: Paper, config: Any, predictor: Predictor, x: Array, scores: NDArray[Any]
) -> float:
    """How far scores are from those that the predictor's state gives by the oracle; see `apart`."""
    state = implementation.state(predictor)
    try:
        names = canonical(implementation.layers(config), state)
    except ReproError:  # the state of another network
        return float("inf")
    weights = {name: np.array(state[own], dtype=np.float64) for name, own in names.items()}
    return scored(paper, config, weights, x, scores)


def scored(paper: Paper, config: Any, weights: Mapping[str, Array], x: Array, scores: NDArray[Any]) -> float:
    """How far scores are from the oracle's in evaluation, for the better of the factors of the inputs."""

    def compute(scale: float) -> tuple[Array, Layers]:
        layers = Layers(weights, evaluation=True)
        return oracle(paper).logits(layers, config, scale * x), layers

    return min(apart(scores, partial(compute, scale)) for scale in SCALES)


@dataclass(frozen=True)
class Scores(Experiment):
    """Scores of networks whose weights are drawn, in evaluation, against the oracle's.

    Attributes:
        paper: whose oracle.
        variants: of the setting's network.

    Measures:
        apart: for each variant, the largest difference as a share of the scores' standard deviation.
        statistics: where nothing is learnt, kept means and variances against those of the training images.
    """

    paper: Paper
    variants: tuple[str, ...]

    def __call__(self, implementation: Counted, setting: Setting) -> Measurements:
        """Restore each network from drawn weights, and let it predict."""
        configs = [replace(setting.config, **VARIANTS[name]) for name in self.variants]
        found = [self._scores(implementation, config, setting) for config in configs]
        still = replace(setting.config, lr=0.0, weight_decay=0.0, iterations=200)
        kept = self._kept(implementation, still, setting)
        return {"apart": cases(found, 0.0, "1"), "statistics": cases(kept, 0.0, "1")}

    def _scores(self, implementation: Counted, config: Any, setting: Setting) -> float:
        train, test = (random_images(config, config.batch, setting.seed + more) for more in (0, 1))
        state = implementation.state(untrained(implementation, config, train, setting))
        try:
            names = canonical(implementation.layers(config), state)
        except (KeyError, StopIteration):
            return float("inf")
        weights = drawn({name: np.asarray(state[own]) for name, own in names.items()}, setting.seed)
        carried = dict(state) | {own: weights[name].astype(np.float32) for name, own in names.items()}
        predictor = implementation.restore(config, carried, device=setting.device)
        x = inputs(test.images, train.images)
        return scored(self.paper, config, weights, x, predictor.predict(test.images))

    def _kept(self, implementation: Counted, config: Any, setting: Setting) -> list[float]:
        train = random_images(config, config.batch, setting.seed)
        *_, weights = watched(implementation, config, train, setting)
        found: list[list[float]] = []
        for scale, less in product(SCALES, (0, 1)):
            layers = Layers(weights)
            oracle(self.paper).logits(layers, config, scale * inputs(train.images, train.images))
            wanted = dict(layers.found)
            wanted |= {n: wanted[n] * count / (count - less) for n, count in layers.averaged.items()}
            spread = {n: wanted[n.replace("mean", "variance")].max() for n in wanted}
            spread |= {n: spread[n] ** 0.5 for n in wanted if kind_of(n) == "mean"}
            found.append([float(np.abs(weights[n] - value).max() / spread[n]) for n, value in wanted.items()])
        return min(found, key=max)


@dataclass(frozen=True)
class HeInitialisation(Experiment):
    """Weights before the first update, over many seeds, against N(0, 2 / fan), scales of 1 and shifts of 0.

    The fan is that of a kernel's inputs or that of its outputs: "it is sufficient to use either" alone, says the paper
    that both cite (arXiv:1502.01852, Section 2.2), and libraries take the one or the other for all convolutions.

    Attributes:
        seeds: how many networks are made.

    Measures:
        chance: of kernels as far from normal, by variance and by shape: of each, and of all together.
        constants: scales, shifts and biases, against their values.
    """

    seeds: int = 30

    def __call__(self, implementation: Counted, setting: Setting) -> Measurements:
        """Make the networks."""
        split = random_images(setting.config, setting.config.batch, setting.seed)
        config = replace(setting.config, iterations=0)
        settings = [replace(setting, seed=setting.seed * self.seeds + more) for more in range(self.seeds)]
        states = [watched(implementation, config, split, own)[-1] for own in settings]
        kernels: list[Array] = []
        constants, wanted = [], []
        for name in states[0]:
            values = np.stack([state[name] for state in states])
            if kind_of(name) == "W" and name.replace("W", "b") in states[0] and "shortcut." in name:
                continue  # a gate's: the paper gives only its bias
            if kind_of(name) == "W":
                kernels.append(values)
            elif kind_of(name) in ("gamma", "beta", "b"):
                constants += list(values.ravel())
                gate = getattr(setting.config, "gate_bias", 0.0) if "shortcut.b" in name else 0.0
                wanted += [1.0 if kind_of(name) == "gamma" else gate] * values.size
        chance = max((_chances(kernels, of_outputs) for of_outputs in (False, True)), key=min)
        return {"chance": cases(chance, 1e-5, "1"), "constants": cases(constants, wanted, "1")}


def _chances(kernels: Sequence[Array], of_outputs: bool) -> list[float]:
    """Of kernels [seeds, out, in, ...] as far from N(0, 2 / fan); the classifier's fan may be either."""

    def standard(values: Array, of_outputs: bool) -> Array:
        _, outputs, inputs, *window = values.shape
        return values.ravel() * (np.prod([outputs if of_outputs else inputs, *window]) / 2) ** 0.5

    convolutions = [standard(values, of_outputs) for values in kernels if values.ndim == 5]
    dense = [values for values in kernels if values.ndim == 3]
    chances = [from_normal(values, 1.0) for values in (*convolutions, np.concatenate(convolutions))]
    return chances + [max(from_normal(standard(values, each), 1.0) for each in (False, True)) for values in dense]
