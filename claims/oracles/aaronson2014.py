"""The coffee automaton by exact propagation, from the definitions of Sections 3, 5 and 6 and of the appendix.

Shapes: n cells a side, cells numbered row by row from the top; M pairs of cells, P particles, T times.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
STEPS = ((-1, 0), (1, 0), (0, -1), (0, 1))


def start(n: int) -> NDArray[np.int64]:
    """Section 2: cream fills the upper half, coffee the lower, [n*n]."""
    return (np.arange(n * n) < n * n // 2).astype(int)


def adjacent(n: int) -> NDArray[np.int64]:
    """Section 3.1: pairs of cells beside or above one another, each once, [M, 2]."""
    cells = np.arange(n * n)
    right, down = cells[cells % n < n - 1], cells[cells < n * (n - 1)]
    return np.concatenate([np.stack([right, right + 1], 1), np.stack([down, down + n], 1)])


def swaps(n: int, times: Sequence[int]) -> tuple[Array, Array]:
    """Section 3.1, on all states of a small cup: means [T, n*n] and E[x_a x_b] [T, n*n, n*n] after that many swaps.

    Each swap exchanges one of the adjacent pairs that differ, all with the same probability.
    """
    members = np.array(list(combinations(range(n * n), n * n // 2)))
    bits = np.zeros((len(members), n * n))
    np.put_along_axis(bits, members, 1, 1)
    codes = bits.astype(int) @ (1 << np.arange(n * n))
    order = np.argsort(codes)
    pairs = adjacent(n)
    differ = bits[:, pairs[:, 0]] != bits[:, pairs[:, 1]]
    after = codes[:, None] ^ np.where(differ, (1 << pairs).sum(1), 0)
    target = order[np.searchsorted(codes[order], after)]
    chance = (codes == start(n) @ (1 << np.arange(n * n))).astype(float)
    means, products = [], []
    for tick in range(max(times) + 1):
        if tick:
            each = np.where(differ, (chance / differ.sum(1))[:, None], 0)
            chance = np.bincount(target.ravel(), each.ravel(), len(members))
        if tick in times:
            means.append(chance @ bits)
            products.append((bits * chance[:, None]).T @ bits)
    return np.array(means), np.array(products)


def step(n: int, boundary: str) -> Array:
    """Section 3.2: chances [n*n, n*n] of a particle's next cell: a quarter each way; at a wall it stays where it is."""
    chances = np.zeros((n * n, n * n))
    for y in range(n):
        for x in range(n):
            for dy, dx in STEPS:
                v, u = y + dy, x + dx
                if boundary == "periodic":
                    v, u = v % n, u % n
                elif not (0 <= v < n and 0 <= u < n):
                    v, u = y, x
                chances[y * n + x, v * n + u] += 1 / 4
    return chances


def walks(n: int, boundary: str, times: Sequence[int]) -> tuple[Array, Array]:
    """Section 3.2: means [T*n*n] of the counts in cells after so many steps, and covariances of all of them."""
    one = step(n, boundary)
    particles = np.flatnonzero(start(n))
    at = [np.linalg.matrix_power(one, time)[particles] for time in times]  # chances of each particle's cell [P, n*n]
    covariance = np.block(
        [
            [_covariance(at, one, times, *sorted((a, b)), flip=a > b) for b in range(len(times))]
            for a in range(len(times))
        ]
    )
    return np.concatenate([chances.sum(0) for chances in at]), covariance


def _covariance(at: Sequence[Array], one: Array, times: Sequence[int], a: int, b: int, *, flip: bool) -> Array:
    """Of counts at two times, the first no later: sums over independent particles."""
    between = np.linalg.matrix_power(one, times[b] - times[a])
    found = at[a].sum(0)[:, None] * between - at[a].T @ at[b]
    return found.T if flip else found


def windows(n: int, grain: int) -> Array:
    """Section 5.1: weights [n, n] of a line's cells in the mean around each of them; the walls cut windows off.

    An even window has no cell in its middle: it reaches one further back than ahead.
    """
    ahead = np.arange(n) - np.arange(n)[:, None]
    inside = (ahead >= -(grain // 2)) & (ahead < grain - grain // 2)
    return inside / inside.sum(1, keepdims=True)


def adjusted(buckets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Section 6.1: cells [n, n] one bucket off the most frequent bucket of their row are set to it."""
    picture = buckets.copy()
    for row in picture:
        values, counts = np.unique(row, return_counts=True)
        majority = values[counts.argmax()]
        row[np.abs(row - majority) <= 1] = majority
    return picture


def block_bound(side: int, buckets: int, expected: float) -> float:
    """Appendix, Eq. 15."""
    return 2 * float(np.exp(-(side**4) / (3 * buckets**2 * expected)))
