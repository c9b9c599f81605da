"""Transformers whose weights are known, against the oracle of kaplan2020."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise, product
from math import log, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.kaplan2020 import ScalingLaws, learnt, size
from claims.oracles import kaplan2020 as oracle
from repro import (
    Adam,
    Carried,
    Experiment,
    Measurements,
    ReproError,
    Setting,
    Text,
    cases,
    distance,
    from_normal,
    numerical_gradients,
    train_language_model,
)


def some_text(config: Any, tokens: int, seed: int) -> Text:
    """Tokens at random."""
    drawn = np.random.default_rng(seed).integers(0, config.vocabulary, tokens)
    return Text(tokens=drawn, validation=drawn[:0], vocabulary=config.vocabulary)


def untrained(implementation: ScalingLaws, setting: Setting, seed: int = 0) -> dict[str, NDArray[Any]]:
    """The arrays of a network before its first update."""
    text = some_text(setting.config, 10 * (setting.config.context + 1), 0)
    _, model = next(train_language_model(implementation, setting, text, (0,), seed=seed))
    return Carried.of(implementation, setting, model).arrays


def after_each_update(
    implementation: ScalingLaws, setting: Setting, text: Text, seed: int
) -> list[dict[str, NDArray[np.float64]]]:
    """The weights before the first update and after every one.

    Raises:
        ReproError: if training makes more updates than the config says, or fewer.
    """
    every = list(range(setting.config.updates + 1))
    models = train_language_model(implementation, setting, text, tuple(every), seed=seed)
    found = {step: learnt(setting.config, implementation.state(model)) for step, model in models}
    if list(found) != every:
        raise ReproError(f"Of {every[-1]} updates, training gave models after {list(found)}, and not after each")
    return list(found.values())


Form = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def read_as_one(weights: Any, heads: int, texts: NDArray[np.int64], form: Form, slides: bool) -> NDArray[np.float64]:
    """Log-probabilities after each token of texts [B, length], longer than a context, by a way to go on after it."""
    context = len(weights["positions"])
    found = [oracle.forward(weights, heads, texts[:, :context], form)]
    if slides:
        for end in range(context + 1, texts.shape[1] + 1):
            found.append(oracle.forward(weights, heads, texts[:, end - context : end], form)[:, -1:])
    else:
        starts = range(context, texts.shape[1], context)
        found += [oracle.forward(weights, heads, texts[:, at : at + context], form) for at in starts]
    return np.concatenate(found, 1)


def drawn_reading(
    implementation: ScalingLaws, setting: Setting, networks: int, texts: int
) -> tuple[Form, NDArray[np.float64], NDArray[np.float64], dict[str, tuple[int, ...]]]:
    """Texts of two contexts and a half, read by networks of drawn weights, and what the equations say of them.

    Returns:
        The form of GELU that is the nearest; log-probabilities as found, and by it; shapes of the arrays.
    """
    config, rng = setting.config, np.random.default_rng(setting.seed)
    shapes = {name: array.shape for name, array in untrained(implementation, setting).items()}
    found, ways = [], {way: [] for way in product(oracle.FORMS, (False, True))}
    for _ in range(networks):
        state = {name: rng.normal(size=shape) for name, shape in shapes.items()}
        weights, read = learnt(config, state), rng.integers(0, config.vocabulary, (texts, 5 * config.context // 2))
        stream = implementation.restore(config, state, device=setting.device).start(texts)
        scores = np.stack([stream.step(column) for column in np.ascontiguousarray(read.T)], 1).astype(np.float64)
        found.append(np.log(oracle.softmax(scores)))
        for (form, slides), into in ways.items():
            into.append(read_as_one(weights, config.heads, read, form, slides))
    gaps = {way: float(np.nan_to_num(np.abs(np.subtract(found, each)), nan=np.inf).max()) for way, each in ways.items()}
    nearest = min(gaps, key=lambda way: gaps[way])
    return nearest[0], np.array(found), np.array(ways[nearest]), shapes


def form_of(implementation: ScalingLaws, setting: Setting) -> Form:
    """The form of GELU that an implementation reads with, by which it must train as well."""
    return drawn_reading(implementation, setting, 1, 1)[0]


@dataclass(frozen=True)
class TransformerScores(Experiment):
    """Texts longer than a context read by networks of drawn weights, against the equations of Section 2.1.

    Measures:
        scores: log-probabilities of every token after every position.
        weights: N as given, against what the arrays of a network have without embeddings, biases and gains.
    """

    networks: int = 2
    texts: int = 3

    def __call__(self, implementation: ScalingLaws, setting: Setting) -> Measurements:
        """Read token by token; see the contract for what is left open."""
        _, found, wanted, shapes = drawn_reading(implementation, setting, self.networks, self.texts)
        ends = "embedding", "positions"
        matrices = [shape for name, shape in shapes.items() if len(shape) > 1 and name not in ends]
        return {
            "scores": cases(found.ravel(), wanted.ravel(), "nats"),
            "weights": cases([implementation.parameters(setting.config)], sum(map(prod, matrices)), "parameters"),
        }


@dataclass(frozen=True)
class TransformerUpdates(Experiment):
    """Updates on a text of one context, against Adam on the gradients of the oracle from the network's own weights.

    Whether the schedule counts updates before or after they are made is left open, for the warm-up and after it, and so
    are weights with hardly a gradient, whose direction is that of rounding.

    Measures:
        given rate, rule: how far each update leads astray, as a share of how far it leads; at the config's rate, and at
            the rate of Eq. D.1.
    """

    def __call__(self, implementation: ScalingLaws, setting: Setting) -> Measurements:
        """Five updates, and two."""
        n, found = size(setting.config.layers, setting.config.width), {}
        form = form_of(implementation, setting)
        rule = replace(setting.config, lr=0.0, warmup=1, updates=2)
        for name, config, peak in (
            ("given rate", setting.config, setting.config.lr),
            ("rule", rule, 0.003239 - 0.0001395 * log(n)),
        ):
            own, text = replace(setting, config=config), some_text(config, config.context + 1, setting.seed)
            weights = after_each_update(implementation, own, text, setting.seed)
            found[name] = cases(self._gaps(config, peak, text.tokens[None], weights, form), 0, "1")
        return found

    def _gaps(
        self, config: Any, peak: float, context: NDArray[np.int64], weights: list[Any], form: Form
    ) -> list[float]:
        """Of the nearest schedule."""
        directions = Adam((1.0,))
        gaps: dict[tuple[int, int], list[float]] = {(rising, falling): [] for rising in (0, 1) for falling in (0, 1)}
        for number, (before, after) in enumerate(pairwise(weights)):
            slopes = numerical_gradients(lambda own: oracle.loss(own, config.heads, context, form), before)
            leads = {name: moved - before[name] for name, moved in directions.step(before, slopes).items()}
            for (rising, falling), into in gaps.items():
                at = number + (rising if number + rising <= config.warmup else falling)
                rate = oracle.rate(peak, at, config.warmup, config.updates)
                wanted = {name: before[name] + rate * lead for name, lead in leads.items()}
                clear = {name: np.where(np.abs(slopes[name]) > 1e-6, new, after[name]) for name, new in wanted.items()}
                into.append(distance(after, clear, before))
        return min(gaps.values(), key=max)


@dataclass(frozen=True)
class EveryUpdate(Experiment):
    """All updates at an arm's own setting, on a text of one context, by some entries of the weights.

    Measures:
        own: how far each update is from Adam's, as a share of the rate, or of a thirtieth of its height.
    """

    def __call__(self, implementation: ScalingLaws, setting: Setting) -> Measurements:
        """An entry of the first and one of the last matrix; the schedule is left open as in `TransformerUpdates`."""
        config, adam = setting.config, Adam((1.0,))
        exact = replace(config, precision="float64", context=4, batch=1, vocabulary=5)
        form = form_of(implementation, replace(setting, config=exact))
        text = some_text(config, config.context + 1, setting.seed)
        weights = after_each_update(implementation, setting, text, setting.seed)
        read_off = "0 attention out", f"{config.layers - 1} inner out"
        gaps: dict[tuple[int, int], list[float]] = {(rising, falling): [] for rising in (0, 1) for falling in (0, 1)}
        for number, (before, after) in enumerate(pairwise(weights)):
            slopes: dict[str, NDArray[np.float64]] = {}
            for name in read_off:
                sides = []
                for side in (1e-4, -1e-4):
                    own = {**before, name: before[name].copy()}
                    own[name][0, 0] += side
                    sides.append(oracle.loss(own, config.heads, text.tokens[None], form))
                slopes[name] = np.array((sides[0] - sides[1]) / 2e-4)
            leads = adam.step({name: np.zeros(()) for name in read_off}, slopes)
            for (rising, falling), into in gaps.items():
                at = number + (rising if number + rising <= config.warmup else falling)
                rate = oracle.rate(config.lr, at, config.warmup, config.updates)
                off = [after[n][0, 0] - before[n][0, 0] - rate * leads[n] for n in read_off]
                into.append(float(np.abs(off).max()) / max(rate, config.lr / 30))
        return {"own": cases(min(gaps.values(), key=max), 0, "1")}


@dataclass(frozen=True)
class NormalStart(Experiment):
    """The weights that training begins with.

    Measures:
        likely: p-values of normal weights, by array. Of a matrix that ends a sublayer and of positions, GPT-2's smaller
            deviations will do as well as the config's.
        fixed: gains and biases.
    """

    seeds: int = 10

    def __call__(self, implementation: ScalingLaws, setting: Setting) -> Measurements:
        """Over some seeds."""
        config, likely, fixed = setting.config, [], []
        drawn = [learnt(config, untrained(implementation, setting, seed)) for seed in range(self.seeds)]
        for name in drawn[0]:
            values = np.stack([each[name] for each in drawn])
            if values.ndim == 2:
                fixed.append(np.abs(values - name.endswith("norm")).max())
                continue
            smaller = {"positions": 0.5, "out": (2 * config.layers) ** -0.5}.get(name.split()[-1], 1.0)
            likely.append(max(from_normal(values, scale * config.init) for scale in (1.0, smaller)))
        return {"likely": cases(likely, 1e-6, "1"), "fixed": cases(fixed, 0, "1")}
