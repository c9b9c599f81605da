"""Updates of character-level networks, chunk by chunk, against RMSProp on the slopes of karpathy2015's equations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.character_models import CharacterModel, learnt
from claims.oracles import karpathy2015 as oracle
from repro import Setting, Text, Weights, train_language_model

ASTRAY = 0.01
"""How far an update may be off, as a share of the array's largest step."""


def some_text(config: Any, chunks: int, seed: int) -> Text:
    """A random text of some chunks for each stream and a few characters more, of which the first is the text's first.

    So it is all the same whether the last target is the first character or the one that was cut off. Beside it stands
    another text for validation, of which training must make nothing.
    """
    size = config.batch * config.unroll
    drawn = np.random.default_rng(seed).integers(0, config.vocabulary, chunks * size + min(size - 1, size // 2 + 1))
    drawn[chunks * size : chunks * size + 1] = drawn[0]
    validation = np.random.default_rng([seed, 1]).integers(0, config.vocabulary, 2 * size)
    return Text(tokens=drawn, validation=validation, vocabulary=config.vocabulary)


def trajectory(
    implementation: CharacterModel, setting: Setting, text: Text, seed: int, updates: int
) -> list[dict[str, NDArray[np.float64]]]:
    """The weights before the first update and after every one; nothing if there are more updates or fewer."""
    asked = tuple(range(updates + 2))
    models = train_language_model(implementation, setting, text, asked, seed=seed)
    found = {step: learnt(setting.config, implementation.state(model)) for step, model in models}
    return list(found.values()) if list(found) == list(range(updates + 1)) else []


def untrained(implementation: CharacterModel, setting: Setting, seed: int = 0) -> dict[str, NDArray[Any]]:
    """The arrays of a network before its first update."""
    _, model = next(train_language_model(implementation, setting, some_text(setting.config, 1, 0), (0,), seed=seed))
    return {name: np.array(array) for name, array in implementation.state(model).items()}


def with_config(setting: Setting, **fields: Any) -> Setting:
    """The setting, with some fields of its config replaced."""
    return replace(setting, config=replace(setting.config, **fields))


def checked(array: NDArray[np.float64], entries: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Places of an array that are looked at, drawn without replacement."""
    return rng.permutation(array.size)[:entries]


def slopes(
    config: Any,
    weights: Weights,
    chunk: tuple[NDArray[np.int64], NDArray[np.int64]],
    states: oracle.States,
    places: Mapping[str, NDArray[np.int64]],
    drop: NDArray[np.float64] | None,
) -> dict[str, NDArray[np.float64]]:
    """Central differences of a chunk's loss by some entries of each array; what was carried on stays as it is."""
    own, found = {name: array.copy() for name, array in weights.items()}, dict[str, NDArray[np.float64]]()
    for name, entries in places.items():
        flat, slope = own[name].reshape(-1), np.zeros(len(entries))
        for number, place in enumerate(entries):
            kept, sides = flat[place], list[float]()
            for step in (1e-5, -1e-5):
                flat[place] = kept + step
                sides.append(oracle.loss(oracle.forward(config.cell, own, chunk[0], states, drop)[0], chunk[1]))
            flat[place] = kept
            slope[number] = (sides[0] - sides[1]) / 2e-5
        found[name] = slope
    return found


def updates_astray(
    config: Any,
    text: Text,
    weights: Sequence[Weights],
    entries: int = 10,
    drops: Sequence[NDArray[np.float64]] | None = None,
) -> list[float]:
    """How far updates are from those of RMSProp on clipped slopes, as a share of the array's largest step, by array.

    Each starts from the implementation's own weights. An epoch may begin with zero states, or with those that the one
    before ended with: what fits better counts, for all epochs. Entries whose slopes have been less than a thousandth of
    the array's largest do not count, unless they have been nothing at all, as those of characters that did not occur.
    """
    every = oracle.chunks(text.tokens, config.batch, config.unroll)
    ways: list[dict[str, float]] = [{"": np.inf}]  # of no updates
    for carried in (False, True) if weights else ():
        rng, states, off = np.random.default_rng(0), oracle.zeros(weights[0], config.batch), dict[str, float]()
        places = {name: checked(array, entries, rng) for name, array in weights[0].items()}
        squares = {name: np.zeros(len(own)) for name, own in places.items()}
        for number, (before, after) in enumerate(pairwise(weights)):
            epoch, place = divmod(number, len(every))
            if place == 0 and not carried:
                states = oracle.zeros(before, config.batch)
            drop = None if drops is None else drops[number]
            rate = oracle.rate(config.lr, config.decay, config.constant_epochs, epoch + 1)
            for name, slope in slopes(config, before, every[place], states, places, drop).items():
                slope = np.clip(slope, -config.clip, config.clip)
                squares[name] = config.smoothing * squares[name] + (1 - config.smoothing) * slope**2
                root = np.sqrt(squares[name])
                step = -rate * slope / (root + config.epsilon)
                seen = (after[name] - before[name]).reshape(-1)[places[name]]
                counts = (root == 0) | (root > 1e-3 * root.max())
                gap = np.abs(seen - step)[counts].max(initial=0.0) / max(np.abs(step).max(), 1e-9)
                off[name] = max(off.get(name, 0.0), float(np.nan_to_num(gap, nan=np.inf)))
            _, states, _ = oracle.forward(config.cell, before, every[place][0], states, drop)
        ways.append(off)
        if max(off.values()) < ASTRAY or len(weights) <= len(every) + 1:
            break  # of one epoch there is one way
    return list(min(ways, key=lambda off: max(off.values())).values())
