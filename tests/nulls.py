"""Implementations that know nothing: no statistical claim may hold on one of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from repro.implementation import Implementation, sabotage
from repro.source import digest, object_closure

Null = Callable[[Any], Any]


class Ignorant:
    """A predictor whose scores have nothing to do with the images."""

    def __init__(self, classes: int, draw: Callable[[tuple[int, int]], np.ndarray]) -> None:
        self._classes, self._draw = classes, draw

    def predict(self, images: Any, *, views: int = 1) -> np.ndarray:
        """Scores [N, K]."""
        return self._draw((len(images), self._classes)).astype(np.float32)


def noise(reference: Any) -> Any:
    """What it returns is drawn at random."""

    def train(
        config: Any, data: Any, *, seed: int, device: str, checkpoints: tuple[int, ...] = ()
    ) -> Iterator[tuple[int, Ignorant]]:
        predictor = Ignorant(data.classes, np.random.default_rng(seed).standard_normal)
        yield from ((step, predictor) for step in dict.fromkeys([*checkpoints, 10**9]))

    def simulate(config: Any, times: Any, *, seed: int) -> np.ndarray:
        first = reference.simulate(config, times[:1], seed=seed)
        rng = np.random.default_rng(seed)
        return rng.integers(0, int(first.max()) + 1, (len(times), *first.shape[1:])).astype(first.dtype)

    return _replaced(reference, train=train, simulate=simulate)


def constant(reference: Any) -> Any:
    """What it returns never changes."""

    def train(
        config: Any, data: Any, *, seed: int, device: str, checkpoints: tuple[int, ...] = ()
    ) -> Iterator[tuple[int, Ignorant]]:
        predictor = Ignorant(data.classes, lambda shape: np.tile(np.eye(1, shape[1]), (shape[0], 1)))
        yield from ((step, predictor) for step in dict.fromkeys([*checkpoints, 10**9]))

    def simulate(config: Any, times: Any, *, seed: int) -> np.ndarray:
        first = reference.simulate(config, times[:1], seed=seed)
        return np.repeat(first, len(times), axis=0)

    return _replaced(reference, train=train, simulate=simulate)


def permuted_labels(reference: Any) -> Any:
    """It is trained on labels that belong to other images."""

    def train(
        config: Any, data: Any, *, seed: int, device: str, checkpoints: tuple[int, ...] = ()
    ) -> Iterator[tuple[int, Any]]:
        labels = np.random.default_rng(seed).permutation(data.labels)
        shuffled = dataclasses.replace(data, labels=labels)
        yield from reference.train(config, shuffled, seed=seed, device=device, checkpoints=checkpoints)

    return _replaced(reference, train=train)


def nulls_for(implementation: Implementation) -> list[Null]:
    """The nulls that make sense for what this implementation offers.

    Raises:
        AssertionError: if its contract is one that no null knows, so that nobody forgets to write one.
    """
    names = implementation.names
    if hasattr(names, "train"):
        return [noise, constant, permuted_labels]
    assert hasattr(names, "simulate"), f"write nulls for the contract of {implementation.paper} in tests/nulls.py"
    return [noise, constant]


def apply(null: Null, reference: Implementation) -> Implementation:
    """The reference with `null` in its place, keyed by both sources."""
    return dataclasses.replace(
        reference,
        kind="control",
        name=null.__name__,
        names=null(reference.names),
        source=digest(reference.source + object_closure(null)),
    )


def _replaced(reference: Any, **functions: Any) -> Any:
    return sabotage(reference, **{name: f for name, f in functions.items() if hasattr(reference, name)})
