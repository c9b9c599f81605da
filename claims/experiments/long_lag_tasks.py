"""Tasks with long time lags, of Hochreiter & Schmidhuber (1997), and sequences as graphs without edges."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from repro.task import Graphs

Array = NDArray[np.float64]
Drawn = tuple[Array, NDArray[np.int64], Array]
"""Items [N, T, I], lengths [N] and targets [N, O]."""


def graphs(items: Array, lengths: NDArray[np.int64]) -> Graphs:
    """Sequences [N, T, I] as graphs; what lies beyond their lengths is left out."""
    times = np.broadcast_to(np.arange(items.shape[1])[:, None], (*items.shape[:2], 1))
    nodes = np.concatenate([times, items], 2)[np.arange(items.shape[1]) < lengths[:, None]].astype(np.float32)
    none = np.zeros((0, 2))
    edges, links = none.astype(np.int64), none.astype(np.float32)
    return Graphs(nodes=nodes, edges=edges, links=links, nodes_of=lengths, edges_of=0 * lengths)


def shuffled(rng: np.random.Generator, given: Graphs) -> Graphs:
    """The same sequences at times that are not whole and begin below 0, with the items of each in any order."""
    nodes = given.nodes.copy()
    for end, count in zip(np.cumsum(given.nodes_of), given.nodes_of, strict=True):
        own = nodes[end - count : end]
        own[:, 0] = np.cumsum(rng.uniform(0.1, 0.9, count)) - 3
        nodes[end - count : end] = rng.permutation(own)
    return msgspec.structs.replace(given, nodes=nodes)


def pairs(drawn: Drawn) -> Any:
    """What an implementation is trained on."""
    return SimpleNamespace(inputs=graphs(*drawn[:2]), outputs=drawn[2])


def adding(rng: np.random.Generator, count: int, length: int) -> Drawn:
    """Section 5.4: numbers from [-1, 1]; one of the first ten is marked, and another one before T / 2 - 1."""
    lengths, rows = rng.integers(length, length + length // 10 + 1, count), np.arange(count)
    items = np.zeros((count, lengths.max(), 2))
    items[..., 0] = rng.uniform(-1, 1, items.shape[:2])
    first = rng.integers(0, min(10, length // 2), count)
    second = rng.integers(0, length // 2 - 2, count)
    second += second >= first
    items[rows, 0, 1] = items[rows, lengths - 1, 1] = -1
    items[rows, first, 1] = items[rows, second, 1] = 1
    both = np.where(first == 0, 0, items[rows, first, 0]) + np.where(second == 0, 0, items[rows, second, 0])
    return items, lengths, 0.5 + both[:, None] / 4


def temporal_order(rng: np.random.Generator, count: int, length: int) -> Drawn:
    """Section 5.6: task 6a: which of X and Y stood at two places among four distractors, one class for each answer.

    Items are one-hot: E at the start, B at the end, X, Y, a, b, c, d. At length 100 windows are those of the paper.
    """
    lengths, rows = rng.integers(length, length + length // 10 + 1, count), np.arange(count)
    symbols = rng.integers(4, 8, (count, lengths.max()))
    symbols[:, 0], symbols[rows, lengths - 1] = 0, 1
    letters = rng.integers(0, 2, (count, 2))
    for letter, (low, high) in zip(letters.T, ((0.1, 0.2), (0.5, 0.6)), strict=True):
        places = rng.integers(round(low * length), round(high * length) + 1, count)
        symbols[rows, places] = 2 + letter
    return np.eye(8)[symbols], lengths, np.eye(4)[letters @ (2, 1)]
