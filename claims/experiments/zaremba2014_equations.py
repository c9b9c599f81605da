"""Recurrent networks whose weights are known, against the oracle of zaremba2014."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise, product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.zaremba2014 import Equations, RecurrentRegularization, learnt, read
from claims.oracles import zaremba2014 as oracle
from repro import (
    Experiment,
    Measurements,
    ReproError,
    Setting,
    Text,
    Weights,
    cases,
    from_uniform,
    train_language_model,
)

LARGEST = 5.0
"""Standard errors that a frequency or a correlation may be off: less than one in a million is by chance."""


def some_words(config: Any, segments: int, seed: int, more: int = 1) -> Text:
    """A random text that fills the streams of a batch with some segments each and `more` words; a few are left."""
    length = config.batch * (segments * config.unroll + more) + config.batch - 1
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
    updates: Sequence[int] = (),
    seed: int = 0,
    whole: bool = False,
) -> list[dict[str, NDArray[np.float64]]]:
    """The weights after some updates, 0 for the first ones; with `whole` after each that the training makes.

    Raises:
        ReproError: if training gives models after others than these, or a second bias vector on its way.
    """
    found: dict[int, dict[str, NDArray[np.float64]]] = {}
    if whole:  # one for every word is more than there can be
        updates = range(setting.config.epochs * len(text.tokens) + 1)
    for step, reader in train_language_model(implementation, setting, text, tuple(updates), seed=seed):
        found[step] = learnt(setting.config, implementation.state(reader))
        if len(found) == len(updates) and not whole:
            break
    if list(found) != (list(updates)[: len(found)] if whole else list(updates)):
        raise ReproError(f"Training gave models after {list(found)} updates, where {list(updates)} were asked for")
    weights = list(found.values())
    if any(each.keys() != weights[0].keys() for each in weights):
        raise ReproError("A layer's second bias vector is zero at first and later is not", "Give one, or learn both.")
    return weights


def departure(
    loss: Callable[[Weights], Any], before: Weights, after: Weights, rng: np.random.Generator, apart: bool = True
) -> tuple[Any, Any, float]:
    """How far a step is from one down the gradient of a loss, by derivatives along some directions alone.

    Args:
        loss: may be an array, of losses under each of some masks; then so is what is found.
        before: weights.
        after: those that the step led to.
        rng: for directions.
        apart: whether each array has a direction of its own, or all have one together.

    Returns:
        The largest difference of a slope from what it is where the step is along the gradient, as a share of what
        an entry of the array contributes; the gradient's norm, if it is; and the step's.
    """
    step = {name: after[name] - before[name] for name in before}
    length = float(np.sqrt(sum((each**2).sum() for each in step.values())))
    if not np.isfinite(length) or length == 0.0:
        return np.inf, np.nan, length
    ahead = {name: each / length for name, each in step.items()}

    def slope(along: Mapping[str, NDArray[np.float64]]) -> Any:
        sides = [loss({**before, **{n: before[n] + side * u for n, u in along.items()}}) for side in (1e-4, -1e-4)]
        return (sides[0] - sides[1]) / 2e-4

    falls, least = -slope(ahead), 0.01 / sum(each.size for each in step.values()) ** 0.5
    scales = {name: max(float(np.sqrt((each**2).mean())), least) for name, each in ahead.items()}
    drawn = {name: scales[name] * rng.standard_normal(each.shape) for name, each in ahead.items()}
    turned = np.zeros_like(falls)
    for along in [{name: each} for name, each in drawn.items()] if apart else [drawn]:
        off = slope(along) + falls * sum((ahead[name] * each).sum() for name, each in along.items())
        size = np.sqrt(sum(scales[name] ** 2 * (each**2).sum() for name, each in along.items()))
        with np.errstate(all="ignore"):
            turned = np.maximum(turned, np.nan_to_num(np.abs(off / (falls * size)), nan=np.inf))
    return turned, falls, length


@dataclass(frozen=True)
class RecurrentScores(Experiment):
    """Texts read by networks of drawn weights, and by averages of them, against the paper's equations."""

    networks: int = 3
    streams: int = 2
    length: int = 150

    def __call__(self, implementation: RecurrentRegularization, setting: Setting) -> Measurements:
        """Log-probabilities of every word after every word; what starts as zeros stays so, see the contract."""
        config, rng = setting.config, np.random.default_rng(setting.seed)
        _, untrained = next(train_language_model(implementation, setting, some_words(config, 1, 0), (0,)))
        first = {name: np.array(array) for name, array in implementation.state(untrained).items()}
        learnt(config, first)
        states = [{n: rng.normal(size=a.shape) * a.any() for n, a in first.items()} for _ in range(self.networks)]
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

    Each starts from the implementation's own weights. Three things are left open: the paper does not say whether an
    epoch starts from zero states, its code lowers the rate an epoch later than its text, and a last segment that is
    not whole may be left out. The first text has none; the second one's lacks a word.
    """

    epochs: int = 3
    segments: int = 2

    def __call__(self, implementation: RecurrentRegularization, setting: Setting) -> Measurements:
        """How far each update leads astray, as a share of how far it leads."""
        config, found = setting.config, {}
        for name, clip, epochs, more in (
            ("clipped", config.clip, self.epochs, 1),
            ("free", 1e9, 1, config.unroll),
        ):
            own = replace(setting, config=replace(config, clip=clip, epochs=epochs))
            text = some_words(config, self.segments, setting.seed, more)
            weights = steps(implementation, own, text, whole=True)
            found[name] = cases(updates_astray(own.config, text, weights), 0, "1")
        return found


@dataclass(frozen=True)
class OwnUpdates(Experiment):
    """Updates at an arm's own setting without dropout, on a text of one segment: every third, to the last epoch."""

    def __call__(self, implementation: RecurrentRegularization, setting: Setting) -> Measurements:
        """As `RecurrentUpdates` measures."""
        text = some_words(setting.config, 1, setting.seed)
        weights = steps(implementation, setting, text, whole=True)
        return {"own": cases(updates_astray(setting.config, text, weights, every=3), 0, "1")}


Masks = Callable[[Weights, Weights], Mapping[str, NDArray[np.float64]]]
"""What D multiplied by in the update between two weights, as the oracle's forward pass takes it."""


def updates_astray(
    config: Any, text: Text, weights: Sequence[Weights], every: int = 1, masks: Masks = lambda before, after: {}
) -> list[float]:
    """How far updates are from those of the clipped gradient, by a reading of what is left open that fits."""
    words = len(text.tokens) // config.batch - 1
    segments, uneven = divmod(len(weights) - 1, config.epochs)
    if uneven or segments not in (words // config.unroll, -(-words // config.unroll)):
        return [np.inf]
    streams, ways = streams_of(config, text), []
    for carried in (False, True):
        rng, found = np.random.default_rng(0), []
        states = oracle.zeros(weights[0], config.batch)
        for number, (before, after) in enumerate(pairwise(weights)):
            epoch, segment = divmod(number, segments)
            if segment == 0 and not carried:
                states = oracle.zeros(before, config.batch)
            follow = streams[:, segment * config.unroll + 1 :][:, : config.unroll]
            read, how = streams[:, segment * config.unroll :][:, : follow.shape[1]], masks(before, after)

            def loss(own: Weights, read: Any = read, follow: Any = follow, states: Any = states, how: Any = how) -> Any:
                return oracle.losses(oracle.forward(own, read, states, **how)[0], follow).mean()

            if number % every == 0:
                found.append((epoch, departure(loss, before, after, rng, apart=every == 1)))
            states = oracle.forward(before, read, states, **how)[1]
        for late in (0, 1):
            lowered = [max(0, epoch + 1 - config.constant_epochs - late) for epoch, _ in found]
            rates = [config.lr / config.decay**count for count in lowered]
            ways.append([gap(each, rate, config.clip) for (_, each), rate in zip(found, rates, strict=True)])
        if max(min(ways, key=max)) < 1e-3:
            break
    return min(ways, key=max)


def gap(found: tuple[Any, Any, float], rate: float, clip: float) -> Any:
    """How far a step that `departure` has looked at is from that of a rate and a clipped gradient."""
    turned, norm, length = found
    with np.errstate(all="ignore"):
        return np.maximum(turned, np.nan_to_num(np.abs(length / (rate * np.minimum(clip, norm)) - 1), nan=np.inf))


@dataclass(frozen=True)
class UniformStart(Experiment):
    """The weights that training begins with."""

    seeds: int = 10

    def __call__(self, implementation: RecurrentRegularization, setting: Setting) -> Measurements:
        """p-values of uniform weights, by array and for two bounds, and correlations between seeds and arrays."""
        likely, related = [], []
        for reach in (setting.config.init, 3 * setting.config.init):
            own = replace(setting, config=replace(setting.config, init=reach))
            text = some_words(own.config, 1, 0)
            drawn = [steps(implementation, own, text, (0,), seed)[0] for seed in range(self.seeds)]
            together = {name: np.stack([each[name].ravel() for each in drawn]) for name in drawn[0]}
            likely += [from_uniform(values, -reach, reach) for values in together.values()]
            pairs = [(values[:-1], values[1:]) for values in together.values()]
            pairs += [(a, b) for a, b in combinations(together.values(), 2) if a.shape == b.shape]
            with np.errstate(all="ignore"):  # of constants
                found = [np.corrcoef(a.ravel(), b.ravel())[0, 1] * a.size**0.5 for a, b in pairs]
            related += np.nan_to_num(found, nan=np.inf).tolist()
        return {"likely": cases(likely, 1e-6, "1"), "related": cases(np.abs(related), LARGEST, "standard errors")}


def errors_off(seen: Any, rate: Any, unsure: Any = 0.0) -> NDArray[np.float64]:
    """Standard errors that sums over cases, the first axis, are off what is expected of independent draws.

    Args:
        seen: what was drawn, 0 or 1, or how likely it was a 1.
        rate: the chance of a 1.
        unsure: the variance that is left where it was not seen.
    """
    rate = np.broadcast_to(rate, np.shape(seen))
    spread = (rate * (1 - rate) - unsure).sum(0)
    return np.abs((seen - rate).sum(0)) / np.maximum(spread, 1.0) ** 0.5


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
                fits = np.where(off <= off.min() + 1e-5, chances, 0.0)  # masks that cannot be told apart
                for into, of in zip(shares, (masks, alike), strict=True):
                    into[seed] = fits @ of / fits.sum()
            both = keep**2 + (1 - keep) ** 2
            for into, seen, rate in ((kept, shares[0], keep), (together, shares[1], both)):
                into.extend(errors_off(seen, rate, seen * (1 - seen)))
        return {
            "unexplained": cases(gaps, 0, "1"),
            "kept": cases(kept, LARGEST, "standard errors"),
            "together": cases(together, LARGEST, "standard errors"),
        }

    def _off(
        self, implementation: RecurrentRegularization, setting: Setting, drop: NDArray[np.float64], seed: int
    ) -> NDArray[np.float64]:
        """How far the first update is from that under each of masks [M, T, L + 1, B, n]."""
        config, text = setting.config, some_words(setting.config, 1, seed)
        before, after = steps(implementation, setting, text, (0, 1), seed)
        texts = np.tile(streams_of(config, text), (len(drop), 1))
        scaled = drop.transpose(1, 2, 0, 3, 4).reshape(*drop.shape[1:3], len(texts), -1)
        states = oracle.zeros(before, len(texts))

        def loss(own: Weights) -> Any:
            scores, _ = oracle.forward(own, texts[:, :-1], states, scaled)
            return oracle.losses(scores, texts[:, 1:]).reshape(len(drop), -1).mean(1)

        found = departure(loss, before, after, np.random.default_rng(seed))
        return np.broadcast_to(gap(found, config.lr, config.clip), len(drop))


@dataclass(frozen=True)
class OwnMasks(Experiment):
    """Updates to the last epoch at an arm's own setting with dropout, in one stream and by segments of one step.

    There a matrix acts on one vector alone, so its gradient has rank one, and columns of zeros where D dropped an
    entry. So masks are read off, and updates are compared with the equations' under them.

    Measures:
        unexplained: as `RecurrentUpdates` measures, of every third update.
        kept, together: as `DropoutMasks`, for places in the network rather than entries; two places, two updates or
            two units that are next to each other.
    """

    segments: int = 2

    def __call__(self, implementation: RecurrentRegularization, setting: Setting) -> Measurements:
        """What comes from the step before is nothing at the beginning of an epoch, if that starts from zero states."""
        config, recurrent = setting.config, setting.config.where == "recurrent"
        own, keep = replace(setting, config=replace(config, batch=1, unroll=1)), 1 - config.dropout
        places = [f"W_{'h' if recurrent else 'x'} {layer + 1}" for layer in range(config.layers)]
        places += [] if recurrent else ["W_y"]

        def kept(before: Weights, after: Weights) -> NDArray[np.bool_]:
            moved = np.stack([np.abs(after[name] - before[name]).max(0) for name in places])
            return moved > 1e-6 * moved.max(1, keepdims=True)

        def masks(before: Weights, after: Weights) -> dict[str, NDArray[np.float64]]:
            return {"along" if recurrent else "drop": kept(before, after)[None, :, None] / keep}

        text = some_words(own.config, self.segments, setting.seed)
        weights = steps(implementation, own, text, whole=True)
        gaps = updates_astray(own.config, text, weights, every=3, masks=masks)
        bits = np.stack([kept(*pair) for pair in pairwise(weights)])[recurrent :: 1 + recurrent]  # [updates, places, n]
        pairs = [(bits[:, a], bits[:, b]) for a, b in combinations(range(len(places)), 2)]
        pairs += [(bits[:-lag], bits[lag:]) for lag in range(1, self.segments + 1)] + [(bits[..., :-1], bits[..., 1:])]
        alike = [float(errors_off((a == b).ravel(), keep**2 + (1 - keep) ** 2)) for a, b in pairs]
        off = errors_off(bits.swapaxes(1, 2).reshape(-1, len(places)), keep)
        return {
            "unexplained": cases(gaps, 0, "1"),
            "kept": cases(off, LARGEST, "standard errors"),
            "together": cases(alike, LARGEST, "standard errors"),
        }
