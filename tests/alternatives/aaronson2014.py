"""The coffee automaton written a second time: particles and cells are moved one step at a time, as the paper says."""

from __future__ import annotations

import bz2
import lzma
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Config:
    """A cup and how it is looked at."""

    interacting: bool = True
    n: int = 100
    grain: int = 10
    buckets: int = 3
    adjusted: bool = False
    boundary: str = "reflecting"


CONFIGS = {"interacting": Config(), "non-interacting": Config(interacting=False)}


@numba.njit
def _swap(cup: NDArray[Any], swaps: int, rng: np.random.Generator) -> None:
    """A cell and a direction are chosen until the two cells differ."""
    n, done = cup.shape[0], 0
    while done < swaps:
        y, x = int(rng.random() * n), int(rng.random() * n)
        v, u = (y + 1, x) if rng.random() < 0.5 else (y, x + 1)
        if v < n and u < n and cup[y, x] != cup[v, u]:
            cup[y, x], cup[v, u] = cup[v, u], cup[y, x]
            done += 1


@numba.njit
def _step(places: NDArray[Any], n: int, steps: int, periodic: bool, rng: np.random.Generator) -> None:
    """Every particle goes one cell up, down, left or right, as often as said; a wall keeps it where it is."""
    for _ in range(steps):
        for p in range(len(places)):
            way = int(rng.random() * 4)
            axis, by = way // 2, 2 * (way % 2) - 1
            to = places[p, axis] + by
            if periodic:
                to %= n
            if 0 <= to < n:
                places[p, axis] = to


def simulate(config: Config, times: Sequence[int], *, seed: int) -> NDArray[np.uint8]:
    """States [T, n, n] at ascending times."""
    rng, n = np.random.default_rng(seed), config.n
    cup = np.zeros(n * n, np.uint8)
    cup[: n * n // 2] = 1
    cup = cup.reshape(n, n)
    places, states, before = np.argwhere(cup), [], 0
    for time in times:
        if config.interacting:
            _swap(cup, int(time) - before, rng)
            states.append(cup.copy())
        else:
            _step(places, n, int(time) - before, config.boundary == "periodic", rng)
            counts = np.zeros((n, n), np.uint8)
            np.add.at(counts, tuple(places.T), 1)
            states.append(counts)
        before = int(time)
    return np.array(states)


def swappable(config: Config, state: NDArray[Any]) -> NDArray[np.int64]:
    """Adjacent pairs that differ, as flat indices [M, 2]."""
    n = config.n
    pairs = [
        (y * n + x, v * n + u)
        for y in range(n)
        for x in range(n)
        for v, u in ((y, x + 1), (y + 1, x))
        if v < n and u < n and state[y, x] != state[v, u]
    ]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def propagate(config: Config, density: NDArray[Any]) -> NDArray[np.float64]:
    """The expected density one step later."""
    after = np.zeros_like(density, dtype=float)
    for axis in (0, 1):
        for by in (1, -1):
            moved = np.roll(density, by, axis)
            if config.boundary != "periodic":
                edge = [slice(None), slice(None)]
                edge[axis] = slice(0, 1) if by == 1 else slice(-1, None)
                moved[tuple(edge)] = density[tuple(edge)]
            after += moved / 4
    return after


def coarse_grain(config: Config, states: NDArray[Any]) -> NDArray[np.float64]:
    """Means over the windows around cells, cut off at the walls."""
    first = np.arange(config.n) - config.grain // 2
    inside = (np.arange(config.n) >= first[:, None]) & (np.arange(config.n) < first[:, None] + config.grain)
    weights = inside / inside.sum(1, keepdims=True)
    return weights @ states.astype(float) @ weights.T


def discretise(config: Config, averages: NDArray[Any]) -> NDArray[np.uint8]:
    """Buckets of averages; adjusted, cells near their row's majority join it."""
    if config.buckets == 3:
        buckets = np.where(averages < 0.25, 0, np.where(averages < 0.75, 1, 2))
    else:
        buckets = np.minimum(np.floor(averages * config.buckets), config.buckets - 1).astype(int)
    if config.adjusted:
        for row in buckets.reshape(-1, config.n):
            majority = np.bincount(row, minlength=config.buckets).argmax()
            row[np.abs(row - majority) <= 1] = majority
    return buckets.astype(np.uint8)


def compress(payload: bytes, compressor: str) -> bytes:
    """A file of that kind."""
    if compressor == "gzip":
        packer = zlib.compressobj(6, zlib.DEFLATED, 31)
        return packer.compress(payload) + packer.flush()
    return bz2.compress(payload, 9) if compressor == "bz2" else lzma.compress(payload)


def bad_block_bound(side: int, buckets: int, expected: float) -> float:
    """Eq. 15."""
    return math.exp(math.log(2) - side**4 / (3 * buckets**2 * expected))
