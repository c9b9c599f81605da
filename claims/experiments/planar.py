"""Problems on points in the plane: instances and what solves them.

Shapes: N instances, L longest instance, n points of one, M longest output, T triangles.

Points are uniform in the unit square, on NumPy's grid of 2**-24: the cross product of two differences of such points
takes 51 bits, so which way three of them turn is decided exactly in float64. Answers are places of points, counted
from 0. Everything depends on its seed alone, whatever the number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from repro.task import Sequences

Points = NDArray[np.floating[Any]]
Places = NDArray[np.integer[Any]]
Solver = Callable[[Sequences], Sequences]
"""Answers to instances, `Sequences` of points [N, L, 2], as `Sequences` of places [N, M]."""

CHUNK = 2000  # instances that a thread solves at a time
SMALL = 12  # points of instances that are solved sooner than handed to another thread
TIE = 1e-12  # what a change of a tour must gain: less is rounding


@dataclass(frozen=True, kw_only=True)
class SolvedPoints:
    """Pairs of instances and answers, made when they are first asked for.

    Attributes:
        count: instances.
        low: fewest points of an instance.
        high: most points; every number in between is as likely.
        seed: where the points come from; other words give other points.
        solver: makes the answers.
    """

    count: int
    low: int
    high: int
    seed: tuple[int, ...]
    solver: Solver

    @cached_property
    def inputs(self) -> Sequences:
        """Points [N, high, 2], float32, zero beyond an instance's own."""
        rng = np.random.default_rng(self.seed)
        lengths = rng.integers(self.low, self.high, self.count, endpoint=True)
        items = rng.random((self.count, self.high, 2), dtype=np.float32)
        items[np.arange(self.high) >= lengths[:, None]] = 0
        return Sequences(items=items, lengths=lengths)

    @cached_property
    def outputs(self) -> Sequences:
        """Places [N, M] of the answers."""
        return self.solver(self.inputs)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile, without Python's lock; keep the machine code on disk where there is a folder to keep it in."""
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba may write neither beside this file nor in the user's cache folder
        return numba.njit(nogil=True)(function)


def hulls(inputs: Sequences) -> Sequences:
    """Convex hulls, counter-clockwise from the lowest place on and not closed (Section 3.1)."""
    return _solved(inputs, inputs.items.shape[1], _hull)


def delaunay(inputs: Sequences) -> Sequences:
    """Delaunay triangulations: each triple ascending, triangles in the order of their incentres (Section 3.2).

    Incentres are ordered by their first coordinate, then by the second.
    """
    return _solved(inputs, 3 * (2 * inputs.items.shape[1] - 5), _triangles)


def shortest_tours(inputs: Sequences) -> Sequences:
    """Shortest tours, by the dynamic program of Held and Karp (1962): O(2**n n**2), so for up to about 20 points.

    A tour starts at place 0 and goes first to the lower of that place's two neighbours.
    """
    return _solved(inputs, inputs.items.shape[1], _held_karp)


def greedy_tours(inputs: Sequences) -> Sequences:
    """Tours of edges taken from the shortest on, wherever one fits: how tsp-solver, the paper's A1, begins."""
    return _solved(inputs, inputs.items.shape[1], _greedy)


def nearest_tours(inputs: Sequences) -> Sequences:
    """Tours that go to the nearest point not yet visited, from place 0 on."""
    return _solved(inputs, inputs.items.shape[1], _nearest)


def improved_greedy_tours(inputs: Sequences) -> Sequences:
    """Greedy tours after 2-opt: no two edges can be exchanged for two shorter ones."""
    return _solved(inputs, inputs.items.shape[1], lambda points, into: _improve(points, into, _greedy(points, into)))


def christofides_tours(inputs: Sequences) -> Sequences:
    """Tours by Christofides (1976), at most half as long again as the shortest, after 2-opt: the paper's A3."""
    return _solved(
        inputs, inputs.items.shape[1], lambda points, into: _improve(points, into, _christofides(points, into))
    )


def _solved(inputs: Sequences, longest: int, solve: Callable[[Points, Places], int]) -> Sequences:
    """Answers of `solve`, which writes the places of one instance and says how many there are."""
    count = len(inputs.lengths)
    items, lengths = np.zeros((count, longest), np.int32), np.zeros(count, np.int64)

    def part(first: int) -> None:
        last = min(first + CHUNK, count)
        points = inputs.items[first:last].astype(np.float64)
        if solve in COMPILED:
            COMPILED[solve](points, inputs.lengths[first:last], items[first:last], lengths[first:last])
            return
        for row in range(last - first):
            lengths[first + row] = solve(points[row, : inputs.lengths[first + row]], items[first + row])

    starts = range(0, count, CHUNK)
    if len(starts) == 1 or inputs.items.shape[1] <= SMALL:
        for first in starts:
            part(first)
    else:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(part, starts))
    return Sequences(items=items, lengths=lengths)


@compiled
def turn(a: Points, b: Points, c: Points) -> float:
    """Twice the signed area of a triangle: positive where a, b, c turn left."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


@compiled
def _hull(points: Points, into: Places) -> int:
    """The hull of points [n, 2] by Andrew's monotone chain (1979); points inside an edge are not on it."""
    n = len(points)
    order = np.argsort(points[:, 1], kind="mergesort")
    order = order[np.argsort(points[order, 0], kind="mergesort")]
    chain, size = np.empty(2 * n + 1, np.int64), 0
    for side in range(2):  # below from left to right, above from right to left
        first = size
        for step in range(n):
            place = order[step] if side == 0 else order[n - 1 - step]
            while size >= first + 2 and turn(points[chain[size - 2]], points[chain[size - 1]], points[place]) <= 0:
                size -= 1
            chain[size] = place
            size += 1
        size -= 1  # where the other side begins
    start = np.argmin(chain[:size])
    for step in range(size):
        into[step] = chain[(start + step) % size]
    return size


def _triangles(points: Points, into: Places) -> int:
    """The triangulation of points [n, 2], flattened; qhull works without Python's lock."""
    from scipy.spatial import Delaunay

    corners = np.sort(Delaunay(points).simplices, axis=1)
    at = points[corners]  # [T, 3, 2]
    opposite = np.linalg.norm(np.roll(at, -1, 1) - np.roll(at, -2, 1), axis=2)
    centres = (opposite[..., None] * at).sum(1) / opposite.sum(1, keepdims=True)
    flat = corners[np.lexsort((centres[:, 1], centres[:, 0]))].reshape(-1)
    into[: len(flat)] = flat
    return len(flat)


@compiled
def _distances(points: Points) -> Points:
    """Lengths of all edges, [n, n]."""
    n = len(points)
    found = np.empty((n, n))
    for i in range(n):
        for j in range(n):
            found[i, j] = np.sqrt((points[i, 0] - points[j, 0]) ** 2 + (points[i, 1] - points[j, 1]) ** 2)
    return found


@compiled
def _held_karp(points: Points, into: Places) -> int:
    """The shortest tour: shortest[S, j] is the shortest path from place 0 through the set S that ends in its j."""
    n = len(points)
    away, m = _distances(points), n - 1
    shortest = np.full((1 << m, m), np.inf)
    for j in range(m):
        shortest[1 << j, j] = away[0, j + 1]
    for visited in range(1, 1 << m):
        for j in range(m):
            before = visited & ~(1 << j)
            if before == visited or before == 0:
                continue
            best = np.inf
            for k in range(m):  # what is not in the set before has infinite length
                best = min(best, shortest[before, k] + away[k + 1, j + 1])
            shortest[visited, j] = best
    into[0], visited, after = 0, (1 << m) - 1, 0
    for step in range(m):
        best, chosen = np.inf, 0
        for k in range(m):
            if visited >> k & 1 and shortest[visited, k] + away[k + 1, after] < best:
                best, chosen = shortest[visited, k] + away[k + 1, after], k
        into[m - step] = after = chosen + 1
        visited &= ~(1 << chosen)
    _orient(into, n)
    return n


@compiled
def _orient(tour: Places, n: int) -> None:
    """Turn a tour that starts at place 0 round, if need be, so that its second place is lower than its last."""
    if n > 2 and tour[1] > tour[n - 1]:
        tour[1:n] = tour[1:n][::-1].copy()


@compiled
def _nearest(points: Points, into: Places) -> int:
    """Go to the nearest point not yet visited."""
    n = len(points)
    away, visited = _distances(points), np.zeros(n, np.bool_)
    into[0], visited[0] = 0, True
    for step in range(1, n):
        best = -1
        for k in range(n):
            if not visited[k] and (best < 0 or away[into[step - 1], k] < away[into[step - 1], best]):
                best = k
        into[step], visited[best] = best, True
    _orient(into, n)
    return n


@compiled
def _greedy(points: Points, into: Places) -> int:
    """Take the shortest edge that joins two ends of different paths, until one path is left."""
    n = len(points)
    away = _distances(points)
    beside, degree, path = np.full((n, 2), -1), np.zeros(n, np.int64), np.arange(n)
    for edge in np.argsort(away.ravel(), kind="mergesort"):
        i, j = edge // n, edge % n
        if i < j and degree[i] < 2 and degree[j] < 2 and path[i] != path[j]:
            beside[i, degree[i]], beside[j, degree[j]] = j, i
            degree[i] += 1
            degree[j] += 1
            path[path == path[j]] = path[i]
    ends = np.flatnonzero(degree < 2)
    if n > 2:
        beside[ends[0], 1], beside[ends[1], 1] = ends[1], ends[0]
    into[0], before, here = 0, -1, 0
    for step in range(1, n):
        follows = beside[here, 0] if beside[here, 0] != before else beside[here, 1]
        into[step] = follows
        before, here = here, follows
    _orient(into, n)
    return n


def _christofides(points: Points, into: Places) -> int:
    """Christofides' tour, as networkx has it."""
    import networkx

    if len(points) < 3:
        into[: len(points)] = np.arange(len(points))
        return len(points)
    graph = networkx.from_numpy_array(_distances(points))
    cycle = np.array(networkx.approximation.christofides(graph)[:-1])
    into[: len(cycle)] = np.roll(cycle, -int(np.flatnonzero(cycle == 0)[0]))
    _orient(into, len(cycle))
    return len(cycle)


@compiled
def _improve(points: Points, tour: Places, n: int) -> int:
    """2-opt (Croes, 1958): turn stretches of the tour round while that makes it shorter."""
    away, better = _distances(points), True
    while better:
        better = False
        for i in range(n - 2):
            for j in range(i + 2, n if i else n - 1):
                a, b, c, d = tour[i], tour[i + 1], tour[j], tour[(j + 1) % n]
                if away[a, c] + away[b, d] < away[a, b] + away[c, d] - TIE:
                    tour[i + 1 : j + 1] = tour[i + 1 : j + 1][::-1].copy()
                    better = True
    _orient(tour, n)
    return n


def _row_by_row(solve: Callable[[Points, Places], int]) -> Callable[..., None]:
    """A compiled loop over instances: points [N, L, 2] and their lengths [N], places [N, M] and how many there are."""

    @compiled
    def loop(points: Points, lengths: Places, into: Places, counts: Places) -> None:
        for row in range(len(lengths)):
            counts[row] = solve(points[row, : lengths[row]], into[row])

    return loop


COMPILED = {solve: _row_by_row(solve) for solve in (_hull, _held_karp, _nearest, _greedy)}
