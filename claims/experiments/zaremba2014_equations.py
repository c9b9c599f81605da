"""Recurrent networks whose weights are known, against the oracle of zaremba2014."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise, product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.zaremba2014 import Equations, RecurrentRegularization, learnt, read
from claims.oracles import zaremba2014 as oracle
from repro import (
    SGD,
    Experiment,
    Measurements,
    ReproError,
    Setting,
    Text,
    Weights,
    cases,
    distance,
    from_uniform,
    train_language_model,
    updated,
)

LARGEST = 5.0
"""Standard errors that a frequency or a correlation may be off: less than one in a million is by chance."""


def some_words(config: Any, segments: int, seed: int) -> Text:
    """A random text that fills the streams of a batch with some segments each and one word more; a few are left."""
    length = config.batch * (segments * config.unroll + 1) + config.batch - 1
    words = np.random.default_rng(seed).integers(0, config.vocabulary, length)
    return Text(tokens=words, validation=words[:0], vocabulary=config.vocabulary)


def streams_of(config: Any, text: Text) -> NDArray[np.int64]:
    """A text as stretches that are read side by side, [B, words]."""
    length = len(text.tokens) // config.batch
    return text.tokens[: config.batch * length].reshape(config.batch, length)


def steps(
    implementation: RecurrentRegularization,
    setting: Setting,
    text: Text,
    updates: Sequence[int],
    seed: int = 0,
    whole: bool = False,
) -> list[dict[str, NDArray[np.float64]]]:
    """The weights after some updates, 0 for the first ones; with `whole` these are all updates of the training.

    Raises:
        ReproError: if training gives models after others than these.
    """
    found: dict[int, dict[str, NDArray[np.float64]]] = {}
    for step, reader in train_language_model(implementation, setting, text, tuple(updates), seed=seed):
        found[step] = learnt(setting.config, implementation.state(reader))
        if len(found) == len(updates) and not whole:
            break
    if list(found) != list(updates):
        raise ReproError(f"Training gave models after {list(found)} updates, where {list(updates)} were asked for")
    return list(found.values())


@dataclass(frozen=True)
class RecurrentScores(Experiment):
    """Texts read by networks of drawn weights, and by averages of them, against the paper's equations."""

    networks: int = 3
    streams: int = 2
    length: int = 9

    def __call__(self, implementation: RecurrentRegularization, setting: Setting) -> Measurements:
        """Log-probabilities of every word after every word."""
        config, rng = setting.config, np.random.default_rng(setting.seed)
        _, untrained = next(train_language_model(implementation, setting, some_words(config, 1, 0), (0,)))
        shapes = {name: np.shape(array) for name, array in implementation.state(untrained).items()}
        states = [{name: rng.normal(size=shape) for name, shape in shapes.items()} for _ in range(self.networks)]
        readers = [implementation.restore(config, state, device=setting.device) for state in states]
        texts = rng.integers(0, config.vocabulary, (self.streams, self.length))
        weights = [learnt(config, state) for state in states]
        wanted = [read(Equations([own]), texts) for own in weights]
        found = [normalized(read(reader, texts)) for reader in readers]
        average = normalized(read(implementation.ensemble(readers), texts))
        return {
            "alone": cases(np.ravel(found), np.ravel(wanted), "nats"),
            "averaged": cases(average.ravel(), read(Equations(weights), texts).ravel(), "nats"),
        }


def normalized(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-probabilities of scores that count up to a constant."""
    shifted = scores - scores.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


@dataclass(frozen=True)
class RecurrentUpdates(Experiment):
    """Every update of three epochs of two segments, with a clip that bites and with none, against the equations.

    Each starts from the implementation's own weights. Two things are left open: the paper does not say whether an epoch
    starts from zero states, and its code lowers the rate an epoch later than its text.
    """

    epochs: int = 3
    segments: int = 2

    def __call__(self, implementation: RecurrentRegularization, setting: Setting) -> Measurements:
        """How far each update leads astray, as a share of how far it leads."""
        text, found = some_words(setting.config, self.segments, setting.seed), {}
        for name, clip, epochs in (("clipped", setting.config.clip, self.epochs), ("free", 1e9, 1)):
            own = replace(setting, config=replace(setting.config, clip=clip, epochs=epochs))
            weights = steps(implementation, own, text, range(epochs * self.segments + 1), whole=True)
            ways = [self._gaps(own.config, text, weights, carried, late) for carried in (0, 1) for late in (0, 1)]
            found[name] = cases(min(ways, key=max), 0, "1")
        return found

    def _gaps(self, config: Any, text: Text, weights: list[Any], carried: int, late: int) -> list[float]:
        """For states carried from epoch to epoch or not, and a rate that is lowered late or not."""
        streams, gaps = streams_of(config, text), []
        states = oracle.zeros(weights[0], config.batch)
        for number, (before, after) in enumerate(pairwise(weights)):
            epoch, segment = divmod(number, self.segments)
            if segment == 0 and not carried:
                states = oracle.zeros(before, config.batch)
            at = segment * config.unroll
            words, follow = streams[:, at : at + config.unroll], streams[:, at + 1 : at + 1 + config.unroll]

            def loss(own: Weights, words: Any = words, follow: Any = follow, states: Any = states) -> float:
                return float(oracle.losses(oracle.forward(own, words, states)[0], follow).mean())

            rate = config.lr / config.decay ** max(0, epoch + 1 - config.constant_epochs - late)
            (wanted,) = updated(loss, before, SGD((rate,), clip=config.clip), 1)
            gaps.append(distance(after, wanted, before))
            states = oracle.forward(before, words, states)[1]
        return gaps


@dataclass(frozen=True)
class UniformStart(Experiment):
    """The weights that training begins with."""

    seeds: int = 20

    def __call__(self, implementation: RecurrentRegularization, setting: Setting) -> Measurements:
        """p-values of uniform weights, by array, and correlations between seeds and between arrays."""
        config, text = setting.config, some_words(setting.config, 1, 0)
        drawn = [steps(implementation, setting, text, (0,), seed)[0] for seed in range(self.seeds)]
        together = {name: np.stack([each[name].ravel() for each in drawn]) for name in drawn[0]}
        likely = [from_uniform(values, -config.init, config.init) for values in together.values()]
        pairs = [(values[:-1], values[1:]) for values in together.values()]
        pairs += [(a, b) for a, b in combinations(together.values(), 2) if a.shape == b.shape]
        related = [np.corrcoef(a.ravel(), b.ravel())[0, 1] * a.size**0.5 for a, b in pairs]
        return {"likely": cases(likely, 1e-6, "1"), "related": cases(np.abs(related), LARGEST, "standard errors")}


@dataclass(frozen=True)
class DropoutMasks(Experiment):
    """One update of tiny networks with dropout, which must be that of one of all masks that D can have.

    Measures:
        unexplained: distance from the nearest update, by seed.
        kept: by entry, standard errors between the share that is kept and 1 - dropout.
        together: the same of the share of seeds in which two entries are alike, of a step, a layer, a stream or a unit.
    """

    seeds: int = 60

    def __call__(self, implementation: RecurrentRegularization, setting: Setting) -> Measurements:
        """Of one layer of two units over two streams, and of two layers of one unit over two steps."""
        gaps, kept, together, keep = [], [], [], 1 - setting.config.dropout
        for layers, hidden, batch, unroll in ((1, 2, 2, 1), (2, 1, 1, 2)):
            shape = {"layers": layers, "hidden": hidden, "batch": batch, "unroll": unroll}
            own = replace(setting, config=replace(setting.config, **shape))
            entries = (unroll, layers + 1, batch, hidden)
            masks = np.array(list(product((0.0, 1.0), repeat=prod(entries))))  # [M, entries]
            chances = (keep**masks * (1 - keep) ** (1 - masks)).prod(1)
            alike = np.stack([masks[:, a] == masks[:, b] for a, b in combinations(range(masks.shape[1]), 2)], 1)
            shares = np.zeros((self.seeds, masks.shape[1])), np.zeros((self.seeds, alike.shape[1]))
            for seed in range(self.seeds):
                off = self._off(implementation, own, masks.reshape(-1, *entries) / keep, seed)
                gaps.append(off.min())
                fits = np.where(off <= off.min() + 1e-6, chances, 0.0)  # masks that cannot be told apart
                for into, of in zip(shares, (masks, alike), strict=True):
                    into[seed] = fits @ of / fits.sum()
            both = keep**2 + (1 - keep) ** 2
            for into, values, rate in ((kept, shares[0], keep), (together, shares[1], both)):
                into.extend(np.abs(values.mean(0) - rate) / (rate * (1 - rate) / self.seeds) ** 0.5)
        return {
            "unexplained": cases(gaps, 0, "1"),
            "kept": cases(kept, LARGEST, "standard errors"),
            "together": cases(together, LARGEST, "standard errors"),
        }

    def _off(
        self, implementation: RecurrentRegularization, setting: Setting, drop: NDArray[np.float64], seed: int
    ) -> NDArray[np.float64]:
        """How far the first update is from that under each of masks [M, T, L + 1, B, n], as a share of its largest."""
        config, text = setting.config, some_words(setting.config, 1, seed)
        before, after = steps(implementation, setting, text, (0, 1), seed)
        texts = np.tile(streams_of(config, text), (len(drop), 1))
        scaled = drop.transpose(1, 2, 0, 3, 4).reshape(*drop.shape[1:3], len(texts), -1)
        states = oracle.zeros(before, len(texts))
        moved, off = max(float(np.abs(after[name] - before[name]).max()) for name in before), np.zeros(len(drop))
        for name, start in before.items():
            for place in np.ndindex(start.shape):
                sides = []
                for side in (1e-5, -1e-5):
                    own = {**before, name: start.copy()}
                    own[name][place] += side
                    said, _ = oracle.forward(own, texts[:, :-1], states, scaled)
                    sides.append(oracle.losses(said, texts[:, 1:]).reshape(len(drop), -1).mean(1))
                wanted = start[place] - config.lr * (sides[0] - sides[1]) / 2e-5
                off = np.maximum(off, np.abs(after[name][place] - wanted) / moved)
        return off
