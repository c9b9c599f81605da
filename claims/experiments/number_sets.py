"""Sets of numbers: to be sorted, and of different sizes, padded by noise, in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.task import Sequences


@dataclass(frozen=True, kw_only=True)
class UnsortedSets:
    """Sets of numbers, uniform between 0 and 1, and where they lie from the smallest on, or in any order.

    Attributes:
        count: sets.
        size: numbers of each.
        seed: where they come from.
        targets: "sorted", or "any": each set's places in a random order of their own.
    """

    count: int
    size: int
    seed: tuple[int, ...]
    targets: str = "sorted"

    @cached_property
    def inputs(self) -> Sequences:
        """Numbers [N, n, 1]."""
        items = np.random.default_rng(self.seed).random((self.count, self.size, 1), dtype=np.float32)
        return Sequences(items=items, lengths=np.full(self.count, self.size))

    @cached_property
    def outputs(self) -> Sequences:
        """Places [N, n]."""
        keys = self.inputs.items[:, :, 0]
        if self.targets == "any":
            keys = np.random.default_rng((*self.seed, 2)).random(keys.shape)
        return Sequences(items=np.argsort(keys, axis=1, kind="stable"), lengths=self.inputs.lengths.copy())


def padded_sets(sizes: tuple[int, ...], seed: int, features: int = 1, pad: int = 2) -> Any:
    """Sets of these sizes, padded by noise, and places in them, which may repeat, as many as there are elements."""
    rng, count, most = np.random.default_rng((seed, 2)), len(sizes), max(sizes) + pad
    items = rng.normal(0, 2, (count, most, features)).astype(np.float32)
    places = np.array([rng.integers(0, n, most) for n in sizes])
    lengths = np.array(sizes)
    return SimpleNamespace(
        inputs=Sequences(items=items, lengths=lengths), outputs=Sequences(items=places, lengths=lengths.copy())
    )


def each_set(sets: Any) -> list[tuple[NDArray[np.float64], Sequence[int]]]:
    """Elements and places of each set, without padding."""
    inputs, outputs = sets.inputs, sets.outputs
    rows = zip(inputs.items, inputs.lengths, outputs.items, outputs.lengths, strict=True)
    return [(x[:n].astype(np.float64), o[:m].tolist()) for x, n, o, m in rows]


def copies_of(sets: Any) -> tuple[Sequences, Sequences]:
    """Copies of inputs and outputs."""
    parts = (sets.inputs, sets.outputs)
    first, second = (Sequences(items=part.items.copy(), lengths=part.lengths.copy()) for part in parts)
    return first, second


def only(sets: Any, row: int) -> Any:
    """One set alone, without padding."""
    n = int(sets.inputs.lengths[row])
    parts = {
        name: Sequences(items=part.items[row : row + 1, :n], lengths=part.lengths[row : row + 1])
        for name, part in vars(sets).items()
    }
    return SimpleNamespace(**parts)
