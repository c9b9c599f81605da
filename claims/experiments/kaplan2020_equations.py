"""Transformers whose weights are known, against the oracle of kaplan2020."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
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
    text = some_text(setting.config, setting.config.context + 1, 0)
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


@dataclass(frozen=True)
class TransformerScores(Experiment):
    """Contexts read by networks of drawn weights, against the equations of Section 2.1.

    Measures:
        scores: log-probabilities of every token after every position.
        weights: N as given, against what the arrays of a network have without embeddings, biases and gains.
    """

    networks: int = 2
    contexts: int = 3

    def __call__(self, implementation: ScalingLaws, setting: Setting) -> Measurements:
        """Read whole contexts, token by token."""
        config, rng = setting.config, np.random.default_rng(setting.seed)
        shapes = {name: array.shape for name, array in untrained(implementation, setting).items()}
        matrices = [
            shape for name, shape in shapes.items() if len(shape) > 1 and name not in ("embedding", "positions")
        ]
        found, wanted = [], []
        for _ in range(self.networks):
            state = {name: rng.normal(size=shape) for name, shape in shapes.items()}
            texts = rng.integers(0, config.vocabulary, (self.contexts, config.context))
            stream = implementation.restore(config, state, device=setting.device).start(self.contexts)
            scores = np.stack([stream.step(column) for column in np.ascontiguousarray(texts.T)], 1).astype(np.float64)
            found.append(np.log(oracle.softmax(scores)))
            wanted.append(oracle.forward(learnt(config, state), config.heads, texts))
        return {
            "scores": cases(np.ravel(found), np.ravel(wanted), "nats"),
            "weights": cases([implementation.parameters(config)], sum(map(prod, matrices)), "parameters"),
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
        rule = replace(setting.config, lr=0.0, warmup=1, updates=2)
        for name, config, peak in (
            ("given rate", setting.config, setting.config.lr),
            ("rule", rule, 0.003239 - 0.0001395 * log(n)),
        ):
            own, text = replace(setting, config=config), some_text(config, config.context + 1, setting.seed)
            weights = after_each_update(implementation, own, text, setting.seed)
            found[name] = cases(self._gaps(config, peak, text.tokens[None], weights), 0, "1")
        return found

    def _gaps(self, config: Any, peak: float, context: NDArray[np.int64], weights: list[Any]) -> list[float]:
        """Of the nearest schedule."""
        directions = Adam((1.0,))
        gaps: dict[tuple[int, int], list[float]] = {(rising, falling): [] for rising in (0, 1) for falling in (0, 1)}
        for number, (before, after) in enumerate(pairwise(weights)):
            slopes = numerical_gradients(lambda own: oracle.loss(own, config.heads, context), before)
            leads = {name: moved - before[name] for name, moved in directions.step(before, slopes).items()}
            for (rising, falling), into in gaps.items():
                at = number + (rising if number + rising <= config.warmup else falling)
                rate = oracle.rate(peak, at, config.warmup, config.updates)
                wanted = {name: before[name] + rate * lead for name, lead in leads.items()}
                clear = {name: np.where(np.abs(slopes[name]) > 1e-6, new, after[name]) for name, new in wanted.items()}
                into.append(distance(after, clear, before))
        return min(gaps.values(), key=max)


READ_OFF = ("positions", "0 attention out")
"""Arrays whose updates say what the gradient was of: to tell a few contexts apart these are enough."""


def slopes_by_context(weights: Any, heads: int, contexts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Gradients of the loss of each of contexts [C, T + 1] by the entries of `READ_OFF`, [C, entries]."""
    found: list[NDArray[np.float64]] = []
    for name in READ_OFF:
        for place in np.ndindex(weights[name].shape):
            sides = []
            for side in (1e-5, -1e-5):
                own = {**weights, name: weights[name].copy()}
                own[name][place] += side
                said = oracle.forward(own, heads, contexts[:, :-1])
                sides.append(-np.take_along_axis(said, contexts[:, 1:, None], 2).mean((1, 2)))
            found.append((sides[0] - sides[1]) / 2e-5)
    return np.stack(found, 1)


def gaps_to(before: Any, after: Any, *slopes: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far an update is from Adam's on each of some gradients [C, entries], as a share of its largest entry.

    Gradients before the last are those of earlier updates. The rate is left open.
    """
    step = np.concatenate([(after[name] - before[name]).ravel() for name in READ_OFF])
    adam, lead = Adam((1.0,)), np.zeros(0)
    for each in slopes:
        lead = adam.step({"": np.zeros_like(each)}, {"": each})[""]
    with np.errstate(all="ignore"):
        scale = (lead * step).sum(1, keepdims=True) / (lead**2).sum(1, keepdims=True)
        gaps = np.where(np.abs(slopes[-1]) > 1e-6, np.abs(step - scale * lead), 0.0)
        return np.nan_to_num(gaps.max(1) / np.abs(step).max(), nan=np.inf)


@dataclass(frozen=True)
class DrawnContexts(Experiment):
    """Which contexts of a text training draws: the pairs of them whose gradients explain its first two updates.

    No token of the text occurs twice. Contexts may begin anywhere, or where the one before ends.

    Measures:
        unexplained: how far updates are from those of the nearest pairs.
        likely: the p-value of how often each context is drawn.
        repeated: how many batches have a context twice, and how many are the batch before once more; by chance there
            are at most so many, save for once in a million.
    """

    seeds: int = 24

    def __call__(self, implementation: ScalingLaws, setting: Setting) -> Measurements:
        """Some seeds."""
        from scipy import stats

        config, gaps, drawn = setting.config, [], []
        text = replace(some_text(config, 0, 0), tokens=np.random.default_rng(0).permutation(config.vocabulary))
        starts = np.arange(config.vocabulary - config.context)
        contexts = np.stack([text.tokens[at : at + config.context + 1] for at in starts])
        pairs = np.array([(a, b) for a in starts for b in starts[a:]])
        for seed in range(self.seeds):
            first, second, third, *_ = after_each_update(implementation, setting, text, seed)
            earlier, later = (slopes_by_context(own, config.heads, contexts)[pairs].mean(1) for own in (first, second))
            once = gaps_to(first, second, earlier)
            fits = np.flatnonzero(once <= once.min() + 1e-3)  # pairs that the first update does not tell apart
            twice = [gaps_to(second, third, np.broadcast_to(earlier[one], later.shape), later) for one in fits]
            one, other = np.unravel_index(np.argmin(twice), np.shape(twice))
            gaps += [once.min(), np.min(twice)]
            drawn += [pairs[fits[one]], pairs[other]]
        chosen = np.array(drawn)
        often = np.bincount(chosen.ravel(), minlength=len(starts))
        forms = np.ones(len(starts)), np.where(starts % config.context, 1e-9, 1.0)
        likely = max(float(stats.chisquare(often, form / form.sum() * often.sum()).pvalue) for form in forms)
        same = int((chosen[:, 0] == chosen[:, 1]).sum()), int((chosen[::2] == chosen[1::2]).all(1).sum())
        most = stats.binom.ppf(1 - 1e-6, (2 * self.seeds, self.seeds), (1 / len(starts), 2 / len(starts) ** 2))
        return {
            "unexplained": cases(gaps, 0, "1"),
            "likely": cases([likely], 1e-6, "1"),
            "repeated": cases(same, most, "batches"),
        }


@dataclass(frozen=True)
class DroppedEntries(Experiment):
    """The first update on one context with dropout, against that without.

    Measures:
        hardly: how far the update is where next to nothing is dropped.
        half: by seed, how far it is where every other entry is; at least a tenth.
    """

    seeds: int = 6

    def __call__(self, implementation: ScalingLaws, setting: Setting) -> Measurements:
        """Some seeds."""
        text, found = some_text(setting.config, setting.config.context + 1, setting.seed), {}
        for rate in (1e-7, 0.5):
            own = replace(setting, config=replace(setting.config, dropout=rate))
            found[rate] = []
            for seed in range(self.seeds):
                before, after, *_ = after_each_update(implementation, own, text, seed)
                slopes = slopes_by_context(before, setting.config.heads, text.tokens[None])
                found[rate].append(gaps_to(before, after, slopes).item())
        half = np.nan_to_num(found[0.5], posinf=0.0)  # no step at all, or to nowhere
        return {"hardly": cases(found[1e-7], 0, "1"), "half": cases(half, 0.1, "1")}


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
