"""Implementations that know nothing: no statistical claim may hold on one of them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from repro.implementation import Implementation, sabotage
from repro.source import digest, object_closure
from repro.task import Sequences

Null = Callable[[Any], Any]


Draw = Callable[[tuple[int, int]], np.ndarray]
"""Scores of a shape."""


class Ignorant:
    """Something trained whose answers have nothing to do with the question: a classifier, a reader and a pointer."""

    def __init__(self, width: int, draw: Draw) -> None:
        self._width, self._draw = width, draw
        self._lanes = 0

    def predict(self, images: Any, *, views: int = 1) -> np.ndarray:
        """Scores [N, K]."""
        return self._draw((len(images), self._width)).astype(np.float32)

    def start(self, lanes: int) -> Ignorant:
        """A stream of texts."""
        stream = Ignorant(self._width, self._draw)
        stream._lanes = lanes
        return stream

    def step(self, tokens: np.ndarray) -> np.ndarray:
        """Scores [B, V]."""
        return self._draw((self._lanes, self._width)).astype(np.float32)

    def point(self, inputs: Sequences, longest: int) -> Sequences:
        """Places [N, L] in the order of their scores, each once."""
        count, most = inputs.items.shape[:2]
        scores = self._draw((count, most))
        scores[np.arange(most) >= inputs.lengths[:, None]] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")[:, :longest]
        return Sequences(items=order, lengths=np.minimum(inputs.lengths, longest))


def one(config: Any, *asked: float) -> float:
    """What a paper's law says of anything, without knowing it."""
    return 1.0


def ones(config: Any, nats: float, excess: float) -> dict[str, float]:
    """How a loss is reached, without knowing it."""
    return dict.fromkeys(("parameters", "steps", "batch", "compute"), 1.0)


EQUATIONS: dict[str, Callable[..., Any]] = {"data_needed": one, "parametric_optimum": one, "reach": ones}


def noise(reference: Any) -> Any:
    """What it returns is drawn at random."""

    def train(
        config: Any, data: Any, *, seed: int, device: str, checkpoints: tuple[int, ...] = ()
    ) -> Iterator[tuple[int, Ignorant]]:
        learnt = Ignorant(_width(data), np.random.default_rng(seed).standard_normal)
        yield from ((step, learnt) for step in dict.fromkeys([*checkpoints, 10**9]))

    def simulate(config: Any, times: Any, *, seed: int) -> np.ndarray:
        first = reference.simulate(config, times[:1], seed=seed)
        rng = np.random.default_rng(seed)
        return rng.integers(0, int(first.max()) + 1, (len(times), *first.shape[1:])).astype(first.dtype)

    def steps(config: Any, inputs: np.ndarray, targets: np.ndarray, *, seed: int, device: str) -> Iterator[float]:
        rng = np.random.default_rng(seed + config.partitions)
        while True:
            time.sleep(rng.random() / 100)
            yield rng.random()

    return _replaced(reference, train=train, simulate=simulate, steps=steps, **EQUATIONS)


def constant(reference: Any) -> Any:
    """What it returns never changes."""

    def train(
        config: Any, data: Any, *, seed: int, device: str, checkpoints: tuple[int, ...] = ()
    ) -> Iterator[tuple[int, Ignorant]]:
        learnt = Ignorant(_width(data), lambda shape: np.tile(np.eye(1, shape[1]), (shape[0], 1)))
        yield from ((step, learnt) for step in dict.fromkeys([*checkpoints, 10**9]))

    def simulate(config: Any, times: Any, *, seed: int) -> np.ndarray:
        first = reference.simulate(config, times[:1], seed=seed)
        return np.repeat(first, len(times), axis=0)

    def steps(config: Any, inputs: np.ndarray, targets: np.ndarray, *, seed: int, device: str) -> Iterator[float]:
        while True:
            time.sleep(0.005)
            yield 1.0

    return _replaced(reference, train=train, simulate=simulate, steps=steps, **EQUATIONS)


def permuted_labels(reference: Any) -> Any:
    """It is trained on labels that belong to other images, on words in any order, on outputs of other inputs."""

    def train(
        config: Any, data: Any, *, seed: int, device: str, checkpoints: tuple[int, ...] = ()
    ) -> Iterator[tuple[int, Any]]:
        shuffled = _permuted(data, np.random.default_rng(seed))
        yield from reference.train(config, shuffled, seed=seed, device=device, checkpoints=checkpoints)

    return _replaced(reference, train=train, **EQUATIONS)


def _width(data: Any) -> int:
    """Classes or vocabulary; 0 for pairs, whose places are those of each input."""
    return int(getattr(data, "classes", getattr(data, "vocabulary", 0)))


def _permuted(data: Any, rng: np.random.Generator) -> Any:
    """The same data with what is to be predicted in another order."""
    if hasattr(data, "labels"):
        return dataclasses.replace(data, labels=rng.permutation(data.labels))
    if hasattr(data, "tokens"):
        return SimpleNamespace(
            tokens=rng.permutation(data.tokens), validation=data.validation, vocabulary=data.vocabulary
        )
    order = np.arange(len(data.inputs.lengths))
    for length in np.unique(data.inputs.lengths):  # an output of a longer input may point beyond a shorter one
        own = np.flatnonzero(data.inputs.lengths == length)
        order[own] = rng.permutation(own)
    outputs = Sequences(items=data.outputs.items[order], lengths=data.outputs.lengths[order])
    return SimpleNamespace(inputs=data.inputs, outputs=outputs)


def nulls_for(implementation: Implementation) -> list[Null]:
    """The nulls that make sense for what this implementation offers.

    Raises:
        AssertionError: if its contract is one that no null knows, so that nobody forgets to write one.
    """
    names = implementation.names
    if hasattr(names, "train"):
        return [noise, constant, permuted_labels]
    assert hasattr(names, "simulate") or hasattr(names, "steps"), (
        f"write nulls for the contract of {implementation.paper} in tests/nulls.py"
    )
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
