"""The coffee automaton: Aaronson, Carroll and Ouellette 2014, arXiv:1405.6903v1.

"Quantifying the Rise and Fall of Complexity in Closed Systems: The Coffee Automaton". Implemented: the two
models (Section 3), coarse-graining and compression as an estimate of apparent complexity (Section 5), the
adjusted coarse-graining (Section 6), and the formulas that the appendix bounds block counts with.

Shapes: T snapshots, n rows and n columns of cells, M pairs of cells, P particles. A state is [n, n]: cream
particles per cell, row 0 at the top. Leading axes of states are free ("...").

Units: one tick of the interacting model is one swap of a differing pair (Section 3.1), one tick of the
non-interacting model one step of every particle (Section 3.2). n**2 swaps are called a sweep.

Deviations, where the paper is silent or time can be saved without changing the law:
  1. The walls of the cup are not described: no pair of cells lies across them, and a particle that would leave
     stays where it is. `boundary="periodic"` is what the appendix assumes.
  2. The grain is "selected experimentally" and not printed; here it is a field, 10 at the paper's n = 100. An
     even grain reaches one cell further up and left than down and right.
  3. The cuts between the three buckets are not printed: cells go to the nearest of 0, 1/2 and 1. Those of the
     seven are equally wide. Averages above 1 (several particles in a cell) go to the last bucket.
  4. A swap is drawn by choosing any adjacent pair until one differs: the same law as choosing among the
     differing ones, without keeping their list. A pair is drawn from 32 random bits, so pairs differ in
     probability by less than the number of pairs / 2**32 (5e-6 at n = 100).
  5. Particles that do not interact are moved from snapshot to snapshot at once: along both diagonals a step is
     an independent +-1, so t steps are two binomial draws; walls unfold to a ring of 2 n cells.
  6. Which of two equally frequent buckets is a row's majority is not said: the lower one.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numba
import numpy as np
from numpy.typing import NDArray

States = NDArray[np.uint8]
Floats = NDArray[np.float64]
Compressor = Literal["gzip", "bz2", "lzma"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """One cup and one way to look at it.

    Attributes:
        interacting: cells swap contents (Section 3.1), or particles walk independently (Section 3.2).
        n: cells along each side.
        grain: cells along each side of the averaging window (Section 5.1).
        buckets: values that an average is rounded to: 3 in Section 5.1, 7 in Section 6.1.
        adjusted: whether cells one bucket off their row's majority are set to it (Section 6.1).
    """

    interacting: bool = True
    n: int = 100
    grain: int = 10
    buckets: int = 3
    adjusted: bool = False
    boundary: Literal["reflecting", "periodic"] = "reflecting"

    def __post_init__(self) -> None:
        if self.n < 2 or not 1 <= self.grain <= self.n or self.buckets < 2:
            raise ValueError(f"a cup needs n >= 2, 1 <= grain <= n and buckets >= 2, got {self}")


CONFIGS = {"interacting": Config(), "non-interacting": Config(interacting=False)}


# Section 3: the two models


def simulate(config: Config, times: Sequence[int], *, seed: int) -> States:
    """States [T, n, n] at ascending times, from cream in the upper half.

    Raises:
        ValueError: if times descend or are negative.
    """
    ticks = np.asarray(times, dtype=np.int64)
    if ticks.ndim != 1 or (np.diff(ticks, prepend=0) < 0).any():
        raise ValueError("times must be ascending and not negative")
    return stir(config, ticks, seed)[0] if config.interacting else _walk(config, ticks, seed)


def start(config: Config) -> States:
    """Cream in the first half of the cells, row by row: the upper half of the cup for an even n. [n, n]."""
    cells = np.zeros(config.n**2, dtype=np.uint8)
    cells[: config.n**2 // 2] = 1
    return cells.reshape(config.n, config.n)


def neighbours(config: Config) -> NDArray[np.int32]:
    """Every horizontally or vertically adjacent pair of cells once, as flat indices [M, 2]."""
    index = np.arange(config.n**2, dtype=np.int32).reshape(config.n, config.n)
    if config.boundary == "periodic":
        ahead = [np.roll(index, -1, axis) for axis in (0, 1)]
        return np.concatenate([np.stack([index.ravel(), other.ravel()], axis=1) for other in ahead])
    down = np.stack([index[:-1].ravel(), index[1:].ravel()], axis=1)
    right = np.stack([index[:, :-1].ravel(), index[:, 1:].ravel()], axis=1)
    return np.concatenate([down, right])


def swappable(config: Config, state: States) -> NDArray[np.int32]:
    """The pairs that Section 3.1 chooses from with equal probability: adjacent and differing. [M, 2]."""
    pairs = neighbours(config)
    cells = state.reshape(-1)
    return pairs[cells[pairs[:, 0]] != cells[pairs[:, 1]]]


def stir(config: Config, swaps: NDArray[np.int64], seed: int) -> tuple[States, int]:
    """The interacting model: states [T, n, n] after the given numbers of swaps, and how many pairs were chosen."""
    cells = start(config).reshape(-1)
    states = np.empty((len(swaps), config.n**2), dtype=np.uint8)
    key = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
    choices = _stir(cells, neighbours(config), swaps, key, states)
    return states.reshape(-1, config.n, config.n), int(choices)


def _kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile; keep the machine code on disk where there is a folder to keep it in."""
    try:
        return numba.njit(cache=True)(function)
    except RuntimeError:  # numba may write neither beside this file nor in the user's cache folder
        return numba.njit(function)


@_kernel
def _stir(
    cells: NDArray[np.uint8],
    pairs: NDArray[np.int32],
    swaps: NDArray[np.int64],
    key: np.uint64,
    states: NDArray[np.uint8],
) -> int:
    """Swap in `cells` [n*n] and copy them to `states` [T, n*n] at each number of swaps; returns pairs chosen.

    Random words come from splitmix64 (Steele et al. 2014), two choices from each. Equal cells are swapped too:
    it changes nothing and saves an unpredictable branch.
    """
    count = np.uint64(len(pairs))
    done, choices = 0, 0
    for k in range(len(swaps)):
        while done < swaps[k]:
            key += np.uint64(0x9E3779B97F4A7C15)
            word = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            word ^= word >> np.uint64(31)
            for shift in (np.uint64(0), np.uint64(32)):
                chosen = (((word >> shift) & np.uint64(0xFFFFFFFF)) * count) >> np.uint64(32)
                i, j = pairs[chosen, 0], pairs[chosen, 1]
                a, b = cells[i], cells[j]
                cells[i], cells[j] = b, a
                choices += 1
                done += a != b
                if done == swaps[k]:
                    break
        states[k] = cells
    return choices


def _walk(config: Config, steps: NDArray[np.int64], seed: int) -> States:
    """The non-interacting model: states [T, n, n] after the given numbers of steps of every particle."""
    rng, n = np.random.default_rng(seed), config.n
    y_P, x_P = np.nonzero(start(config))
    states = np.empty((len(steps), n * n), dtype=np.uint8)
    for k, more in enumerate(np.diff(steps, prepend=0)):
        u_P, v_P = 2 * rng.binomial(more, 0.5, size=(2, len(x_P))) - more
        x_P, y_P = x_P + (u_P + v_P) // 2, y_P + (u_P - v_P) // 2
        states[k] = np.bincount(_fold(y_P, config) * n + _fold(x_P, config), minlength=n * n)
    return states.reshape(-1, n, n)


def _fold(places: NDArray[np.int64], config: Config) -> NDArray[np.int64]:
    """Places of an unbounded walk as cells of the cup: around the ring, or folded at the walls."""
    if config.boundary == "periodic":
        return places % config.n
    ring = places % (2 * config.n)
    return np.minimum(ring, 2 * config.n - 1 - ring)


def propagate(config: Config, density: Floats) -> Floats:
    """Expected particles per cell one step of the non-interacting model later: a mean over neighbours. [n, n]."""
    mode = "wrap" if config.boundary == "periodic" else "edge"
    padded = np.pad(density, 1, mode=mode)
    return (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]) / 4


# Sections 5 and 6: apparent complexity


def coarse_grain(config: Config, states: NDArray[Any]) -> Floats:
    """Mean over the window of grain x grain cells centred on each cell, cut off at the walls. [..., n, n]."""
    n, before = config.n, config.grain // 2
    low = np.clip(np.arange(n) - before, 0, n)
    high = np.clip(np.arange(n) - before + config.grain, 0, n)
    sums = np.zeros((*states.shape[:-2], n + 1, n + 1))
    np.cumsum(np.cumsum(states, axis=-2, dtype=float), axis=-1, out=sums[..., 1:, 1:])
    rows = sums[..., high, :] - sums[..., low, :]
    return (rows[..., high] - rows[..., low]) / np.outer(high - low, high - low)


def discretise(config: Config, averages: Floats) -> States:
    """Buckets 0 .. buckets - 1 of averages [..., n, n], adjusted to their row's majority if the config says so."""
    last = config.buckets - 1
    scaled = averages * last + 0.5 if config.buckets == 3 else averages * config.buckets
    image = np.clip(scaled, 0, last).astype(np.uint8)
    if not config.adjusted:
        return image
    counts = np.stack([(image == bucket).sum(axis=-1) for bucket in range(config.buckets)])
    majority = counts.argmax(axis=0).astype(np.uint8)[..., None]
    near = np.abs(image.astype(np.int16) - majority) <= 1
    return np.where(near, majority, image)


def compress(payload: bytes, compressor: Compressor) -> bytes:
    """A file of the given kind that unpacks to `payload` (Section 5.2: gzip; Figure 5: others)."""
    if compressor == "gzip":
        return gzip.compress(payload, compresslevel=9, mtime=0)
    if compressor == "bz2":
        return bz2.compress(payload)
    window = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 16}]
    return lzma.compress(payload, check=lzma.CHECK_NONE, filters=window)


# Appendix: block counts of the non-interacting model


def bad_block_bound(side: int, buckets: int, expected: float) -> float:
    """Eq. 15: bound on the chance that a block's count is off by more than side**2 / buckets.

    Args:
        side: cells L along each side of the block.
        buckets: G, the number of buckets.
        expected: the expected count E of the block.
    """
    return 2 * math.exp(-(side**4) / (3 * buckets**2 * expected))
