"""A coffee automaton that draws only swaps that happen: Aaronson, Carroll and Ouellette 2014, arXiv:1405.6903v1.

Shapes: T snapshots, n rows and columns of cells, M edges (adjacent pairs of cells), P particles. A state is [n, n]:
particles per cell, row 0 at the top. Leading axes of states are free ("...").

Units: a tick of the interacting model is one swap, a tick of the non-interacting model one step of every particle.

How the interacting model is drawn. `members` lists all edges, those between differing cells first, and `place` says
where each edge stands in it. An edge that starts or ceases to differ is exchanged with the one at the border between
the two parts, and the border moves by one. So the differing edges are known at all times, and one of them is drawn for
each swap.
"""

from __future__ import annotations

import bz2
import lzma
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float64]
States = NDArray[np.uint8]
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


def _swaps(config: Config, ticks: NDArray[np.int64], seed: int) -> States:
    """The interacting model: [T, n * n]."""
    ends, cells = _edges(config.n, config.boundary), start(config)
    edge = np.repeat(np.arange(len(ends)), 2)
    incidence = sparse.csr_array((np.ones(ends.size, np.int8), (edge, ends.ravel())), (len(ends), config.n**2))
    touching = incidence @ incidence.T == 1  # edges that share exactly one cell
    differing = _differing(ends, cells)
    members = np.argsort(~differing, kind="stable").astype(np.uint32)
    place = np.argsort(members).astype(np.uint32)
    states = np.empty((len(ticks), config.n**2), np.uint8)
    _swap(
        cells.ravel(),
        ends.astype(np.uint32),
        touching.indptr.astype(np.uint32),
        touching.indices.astype(np.uint32),
        members,
        place,
        differing.sum(),
        np.random.default_rng(seed),
        ticks,
        states,
    )
    return states


@numba.njit(cache=True)
def _swap(
    cells: States,
    ends: NDArray[np.uint32],
    first: NDArray[np.uint32],
    touching: NDArray[np.uint32],
    members: NDArray[np.uint32],
    place: NDArray[np.uint32],
    count: int,
    rng: np.random.Generator,
    ticks: NDArray[np.int64],
    states: States,
) -> None:
    """Swap differing pairs, and copy `cells` to a row of `states` [T, n * n] whenever as many swaps as `ticks` says.

    `count` edges differ, those at the front of `members` [M]; `place` [M] says where each edge stands. `ends` [M, 2]
    are the cells of edges, and touching[first[e] : first[e + 1]] the edges that share one cell with edge e. `cells`
    [n * n], `members` and `place` are changed in place.
    """
    done = 0
    for k in range(len(ticks)):
        while done < ticks[k]:
            edge = members[int(rng.random() * count)]
            cells[ends[edge, 0]] ^= 1
            cells[ends[edge, 1]] ^= 1
            for index in range(first[edge], first[edge + 1]):
                flipped = touching[index]
                old = place[flipped]
                differed = int(old < count)  # no branch: no processor foresees which way an edge goes
                border = count - differed
                other = members[border]
                members[border], members[old] = flipped, other
                place[flipped], place[other] = border, old
                count += 1 - 2 * differed
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
