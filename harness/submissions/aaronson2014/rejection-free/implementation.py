"""A coffee automaton that draws only swaps that happen: Aaronson, Carroll and Ouellette 2014, arXiv:1405.6903v1.

Shapes: T snapshots, n rows and columns of cells, M edges (adjacent pairs of cells), P particles. A state is [n, n]:
particles per cell, row 0 at the top. Leading axes of states are free ("...").

Units: a tick of the interacting model is one swap, a tick of the non-interacting model one step of every particle.

How the interacting model is drawn. Cells hold 0 or 1, so a swap of a differing pair flips exactly the edges that
share one cell with it: those that differed no longer do, the others now do. `members` lists all edges, the differing
ones first, and `place` says where each edge stands in it. An edge is flipped by exchanging it with the last differing
edge, or with the first that does not differ, and moving the border between the two by one. So the differing edges are
known at all times, and one of them is drawn for each swap.
"""

from __future__ import annotations

import bz2
import lzma
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float64]
States = NDArray[np.uint8]
U64 = np.uint64
Boundary = Literal["reflecting", "periodic"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """A cup and the picture that is taken of it.

    Attributes:
        interacting: whether cells swap contents (Section 3.1) or particles walk alone (Section 3.2).
        n: cells along a side.
        grain: cells along a side of the averaging window; an even one reaches further up and left by a cell.
        buckets: how many values an average is rounded to.
        adjusted: whether cells near their row's majority join it (Section 6.1).
        boundary: walls, at which a particle stays where it is, or none, as in the appendix.
    """

    interacting: bool = True
    n: int = 100
    grain: int = 10
    buckets: int = 3
    adjusted: bool = False
    boundary: Boundary = "reflecting"

    def __post_init__(self) -> None:
        if self.n < 2 or self.buckets < 2 or not 0 < self.grain <= self.n:
            raise ValueError(f"no cup has n = {self.n}, grain = {self.grain} and {self.buckets} buckets")


CONFIGS = {"interacting": Config(), "non-interacting": Config(interacting=False)}


# The two models


def start(config: Config) -> States:
    """Cream in the first half of the cells in reading order, coffee in the others: [n, n]."""
    cells = np.arange(config.n**2).reshape(config.n, config.n)
    return (cells < config.n**2 // 2).astype(np.uint8)


def simulate(config: Config, times: Sequence[int], *, seed: int) -> States:
    """States [T, n, n] at ascending ticks.

    Raises:
        ValueError: if a time is negative or before the one that precedes it.
    """
    ticks = np.asarray(times, dtype=np.int64)
    if ticks.ndim != 1 or (np.diff(ticks, prepend=0) < 0).any():
        raise ValueError("times must be one list, ascending from 0 or later")
    states = (_swaps if config.interacting else _walks)(config, ticks, seed)
    return states.reshape(-1, config.n, config.n)


def swappable(config: Config, state: States) -> NDArray[np.int32]:
    """Adjacent cells that differ, as flat indices [M, 2]: one of these pairs is swapped, each as likely."""
    ends = _edges(config.n, config.boundary)
    return ends[_differing(ends, state)]


def _differing(ends: NDArray[np.int32], state: States) -> NDArray[np.bool_]:
    first, second = state.ravel()[ends.T]
    return first != second


def _edges(n: int, boundary: Boundary) -> NDArray[np.int32]:
    """Each cell with its right neighbour, then each with its lower one, as flat indices [M, 2]."""
    cells = np.arange(n * n, dtype=np.int32)
    y, x = np.divmod(cells, n)
    right = np.stack([cells, y * n + (x + 1) % n], axis=1)
    below = np.stack([cells, (y + 1) % n * n + x], axis=1)
    if boundary == "reflecting":
        right, below = right[x < n - 1], below[y < n - 1]
    return np.concatenate([right, below])


@lru_cache(maxsize=8)
def _graph(n: int, boundary: Boundary) -> tuple[NDArray[np.int32], NDArray[np.uint32], NDArray[np.uint32]]:
    """Edges [M, 2]; and the edges that share exactly one cell with each: edge e's begin at first[e], [M + 1]."""
    ends = _edges(n, boundary)
    owners = np.repeat(np.arange(len(ends)), 2)
    incidence = sparse.csr_array((np.ones(ends.size, np.int8), (owners, ends.ravel())), shape=(len(ends), n * n))
    shared = (incidence @ incidence.T).tocoo()  # cells that two edges have in common
    once = shared.data == 1
    row, column = shared.coords[0][once], shared.coords[1][once]
    first = np.searchsorted(row, np.arange(len(ends) + 1))
    return ends, first.astype(np.uint32), column.astype(np.uint32)


def _swaps(config: Config, ticks: NDArray[np.int64], seed: int) -> States:
    """The interacting model: [T, n * n]."""
    ends, first, touching = _graph(config.n, config.boundary)
    cells = start(config)
    differing = _differing(ends, cells)
    members = np.argsort(~differing, kind="stable").astype(np.uint32)
    place = np.argsort(members).astype(np.uint32)
    states = np.empty((len(ticks), config.n**2), np.uint8)
    key, stream = np.random.SeedSequence(seed).generate_state(2, np.uint64)
    count = np.uint64(differing.sum())
    _swap(cells.ravel(), ends.astype(np.uint32), first, touching, members, place, count, key, stream, ticks, states)
    return states


@numba.njit(
    "void(uint8[::1], uint32[:, ::1], uint32[::1], uint32[::1], uint32[::1], uint32[::1], uint64, uint64, uint64,"
    "int64[::1], uint8[:, ::1])",
    cache=True,
)
def _swap(
    cells: States,
    ends: NDArray[np.uint32],
    first: NDArray[np.uint32],
    touching: NDArray[np.uint32],
    members: NDArray[np.uint32],
    place: NDArray[np.uint32],
    count: np.uint64,
    key: np.uint64,
    stream: np.uint64,
    ticks: NDArray[np.int64],
    states: States,
) -> None:
    """Swap differing pairs, and copy `cells` to a row of `states` [T, n * n] whenever as many swaps as `ticks` says.

    Random numbers are PCG-XSH-RR's (O'Neill 2014), 32 bits from a linear congruence of 64 bits; those that would make
    some edges likelier than others are drawn anew (Lemire 2019). Flips have no branch: half of them go either way, and
    no processor foresees which. Unsigned indices are not checked for being negative.

    Args:
        cells: 0 or 1, [n * n]; changed in place.
        ends: the cells of each edge, [M, 2].
        first: where the edges that touch an edge begin, [M + 1].
        touching: edges that share one cell with another edge.
        members: all edges, those that differ first, [M]; changed in place.
        place: where each edge stands in `members`, [M]; changed in place.
        count: how many edges differ.
        key: where the generator starts.
        stream: which of its sequences it follows.
        ticks: numbers of swaps, ascending, [T].
        states: receives the snapshots.
    """
    low_bits, stream = U64(0xFFFFFFFF), stream | U64(1)
    done = 0
    for k in range(len(ticks)):
        while done < ticks[k]:
            while True:
                key = key * U64(6364136223846793005) + stream
                mixed = (((key >> U64(18)) ^ key) >> U64(27)) & low_bits
                turn = key >> U64(59)
                word = ((mixed >> turn) | (mixed << ((U64(32) - turn) & U64(31)))) & low_bits
                scaled = word * count
                rest = scaled & low_bits
                if rest >= count or rest >= (U64(1 << 32) - count) % count:
                    break
            edge = members[scaled >> U64(32)]
            cells[ends[edge, 0]] ^= U64(1)
            cells[ends[edge, 1]] ^= U64(1)
            for index in range(first[edge], first[edge + U64(1)]):
                flipped = touching[index]
                old = U64(place[flipped])
                differs = U64(old < count)
                new = count - differs
                other = members[new]
                members[new], members[old] = flipped, other
                place[flipped], place[other] = new, old
                count += U64(1) - differs - differs
            done += 1
        states[k] = cells


def _walks(config: Config, ticks: NDArray[np.int64], seed: int) -> States:
    """The non-interacting model: [T, n * n].

    Of the steps between two snapshots a binomial number goes sideways and the rest up or down; of each kind, a
    binomial number goes the one way and the rest the other.
    """
    rng, n = np.random.Generator(np.random.SFC64(seed)), config.n
    y, x = np.argwhere(start(config)).T
    states = np.empty((len(ticks), n * n), np.uint8)
    for k, steps in enumerate(np.diff(ticks, prepend=0)):
        sideways = rng.binomial(steps, 0.5, len(x))
        x = x + 2 * rng.binomial(sideways, 0.5) - sideways
        y = y + 2 * rng.binomial(steps - sideways, 0.5) - (steps - sideways)
        states[k] = np.bincount(_inside(config, y) * n + _inside(config, x), minlength=n * n)
    return states


def _inside(config: Config, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where an unbounded walk along one axis is in the cup: a walk that a wall stops is one that the wall mirrors."""
    ring = np.arange(config.n)
    if config.boundary == "reflecting":
        ring = np.concatenate([ring, ring[::-1]])
    return ring[places % len(ring)]


def propagate(config: Config, density: Floats) -> Floats:
    """Expected particles per cell [n, n] after one step of the non-interacting model."""
    cells, unit = np.arange(config.n), np.eye(config.n)
    along = (unit[_inside(config, cells - 1)] + unit[_inside(config, cells + 1)]) / 2  # a step along one axis, [n, n]
    return (along @ density + density @ along) / 2


# The picture


def coarse_grain(config: Config, states: NDArray[Any]) -> Floats:
    """Means over the window around each cell, as far as it lies in the cup: [..., n, n]."""
    cells = np.arange(config.n)
    offset = cells - cells[:, None] + config.grain // 2
    window = ((offset >= 0) & (offset < config.grain)).astype(float)  # of each row, and of each column: [n, n]
    sides = window.sum(axis=1)
    return window @ states @ window.T / np.outer(sides, sides)


def discretise(config: Config, averages: Floats) -> States:
    """Buckets of averages [..., n, n]: of three the nearest of 0, 1/2 and 1, of others equal ones from 0 to 1."""
    buckets = config.buckets
    cuts = np.array([0.25, 0.75]) if buckets == 3 else np.arange(1, buckets) / buckets
    picture = np.digitize(averages, cuts)
    if config.adjusted:
        majority = _majority(picture, buckets)
        picture = np.where(np.abs(picture - majority) <= 1, majority, picture)
    return picture.astype(np.uint8)


def _majority(picture: NDArray[np.int64], buckets: int) -> NDArray[np.int64]:
    """The most frequent bucket of each row, the lowest of several: [..., n, 1]."""
    rows = picture.reshape(-1, picture.shape[-1])
    codes = rows + buckets * np.arange(len(rows))[:, None]
    counts = np.bincount(codes.ravel(), minlength=buckets * len(rows)).reshape(-1, buckets)
    return counts.argmax(axis=1).reshape(*picture.shape[:-1], 1)


def compress(payload: bytes, compressor: str) -> bytes:
    """A "gzip", "bz2" or "lzma" file of `payload`, without time or name; lzma's is of the older .lzma format.

    Raises:
        ValueError: for another compressor.
    """
    if compressor == "gzip":
        packer = zlib.compressobj(level=9, wbits=31)
        return packer.compress(payload) + packer.flush()
    if compressor == "bz2":
        return bz2.compress(payload, compresslevel=9)
    if compressor == "lzma":
        method = {"id": lzma.FILTER_LZMA1, "preset": 9, "dict_size": 1 << 16}
        return lzma.compress(payload, format=lzma.FORMAT_ALONE, filters=[method])
    raise ValueError(f"no compressor is called {compressor!r}")


# The appendix


def bad_block_bound(side: int, buckets: int, expected: float) -> float:
    """Eq. 15: a bound on the chance that a block of side * side cells is off by more than side**2 / buckets.

    Args:
        side: cells along a side of the block.
        buckets: into how many buckets densities are rounded.
        expected: particles that the block should have.
    """
    off = side**2 / buckets
    return 2 * math.exp(-(off**2) / (3 * expected))
