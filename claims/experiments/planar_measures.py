"""Answers to problems on points in the plane, and how they are measured.

Shapes: N instances, L longest instance, n points of one, M longest output.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.planar import Places, Points, compiled, turn
from repro import ReproError
from repro.task import Sequences


def checked(found: Any, inputs: Sequences) -> Sequences:
    """What a pointer returned, if it is one answer for each instance and points at nothing but its points.

    Raises:
        ReproError: if it is not.
    """
    count = len(inputs.lengths)
    if not isinstance(found, Sequences):
        raise ReproError(f"A pointer gave a {type(found).__name__}", "point must return repro.task.Sequences.")
    items, lengths = np.asarray(found.items), np.asarray(found.lengths)
    fits = items.ndim == 2 and len(items) == count and items.dtype.kind in "iu"
    if not fits or lengths.shape != (count,) or lengths.dtype.kind not in "iu":
        raise ReproError(f"A pointer gave {items.dtype} {list(items.shape)} for {count} inputs", "Give places [N, L].")
    if count and not 0 <= lengths.min() <= lengths.max() <= items.shape[1]:
        raise ReproError(f"A pointer gave lengths up to {lengths.max()} in {items.shape[1]} columns", "Count places.")
    real = np.arange(items.shape[1]) < lengths[:, None]
    if ((items < 0) | (items >= inputs.lengths[:, None]))[real].any():
        raise ReproError("A pointer pointed beyond its input", "Places count from 0 and lie below the input's length.")
    return Sequences(items=np.where(real, items, 0).astype(np.int32), lengths=lengths.astype(np.int64))


@dataclass(frozen=True)
class Outlines:
    """How answers did as convex hulls.

    Attributes:
        exact: whether it is the true polygon, from wherever and whichever way round it starts, [N].
        simple: whether it is a simple polygon: no two of its edges meet but neighbours in their common end, [N].
        covered: its area over that of the true hull; 0 where it is not simple, [N].
    """

    exact: NDArray[np.bool_]
    simple: NDArray[np.bool_]
    covered: NDArray[np.float64]


def outlines(inputs: Sequences, found: Sequences, truth: Sequences) -> Outlines:
    """Compare polygons [N, M] with the true hulls."""
    exact, simple, covered = (np.zeros(len(inputs.lengths), kind) for kind in (bool, bool, float))
    for row, length in enumerate(inputs.lengths):
        points = inputs.items[row, :length].astype(np.float64)
        own, wanted = found.items[row, : found.lengths[row]], truth.items[row, : truth.lengths[row]]
        exact[row] = same_polygon(own, wanted)
        simple[row] = is_simple(points, own)
        covered[row] = area(points, own) / area(points, wanted) if simple[row] else 0.0
    return Outlines(exact, simple, covered)


@compiled
def same_polygon(one: Places, other: Places) -> bool:
    """Whether two cycles of places are the same, up to where they start and which way round they go."""
    n = len(one)
    if n != len(other) or n == 0:
        return False
    for start in range(n):
        forwards = backwards = True
        for step in range(n):
            forwards &= one[step] == other[(start + step) % n]
            backwards &= one[step] == other[(start - step) % n]
        if forwards or backwards:
            return True
    return False


@compiled
def _between(a: Points, b: Points, c: Points) -> bool:
    """Whether c, which lies on the line through a and b, lies between them or on one."""
    return (
        min(a[0], b[0]) <= c[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= c[1] <= max(a[1], b[1])
    )  # fmt: skip


@compiled
def _meet(a: Points, b: Points, c: Points, d: Points) -> bool:
    """Whether the edges ab and cd have a point in common."""
    at_c, at_d, at_a, at_b = turn(a, b, c), turn(a, b, d), turn(c, d, a), turn(c, d, b)
    if at_c * at_d < 0 and at_a * at_b < 0:
        return True
    return (
        (at_c == 0 and _between(a, b, c))
        or (at_d == 0 and _between(a, b, d))
        or (at_a == 0 and _between(c, d, a))
        or (at_b == 0 and _between(c, d, b))
    )


@compiled
def is_simple(points: Points, places: Places) -> bool:
    """Whether places [M] of points [n, 2] are the corners of a simple polygon, one after the other."""
    m = len(places)
    if m < 3 or len(np.unique(places)) < m:
        return False
    for i in range(m):
        a, b, c = points[places[i]], points[places[(i + 1) % m]], points[places[(i + 2) % m]]
        if turn(a, b, c) == 0 and (_between(a, b, c) or _between(b, c, a)):  # an edge goes back over the one before
            return False
        for j in range(i + 2, m if i else m - 1):
            if _meet(a, b, points[places[j]], points[places[(j + 1) % m]]):
                return False
    return True


@compiled
def area(points: Points, places: Places) -> float:
    """Area of the polygon with corners at places [M] of points [n, 2]."""
    total = 0.0
    for i in range(1, len(places) - 1):
        total += turn(points[places[0]], points[places[i]], points[places[i + 1]])
    return abs(total) / 2


def triangulations(found: Sequences, truth: Sequences) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Whether the triangles are the true ones, in whatever order, [N], and the share of the true ones found, [N]."""
    exact, covered = np.zeros(len(truth.lengths), bool), np.zeros(len(truth.lengths))
    for row, (count, length) in enumerate(zip(found.lengths, truth.lengths, strict=True)):
        own, wanted = _triples(found.items[row, :count]), _triples(truth.items[row, :length])
        exact[row] = count % 3 == 0 and own == wanted
        covered[row] = len(own & wanted) / len(wanted)
    return exact, covered


def _triples(places: Places) -> set[tuple[int, ...]]:
    """The whole triangles in places [M]."""
    whole = np.sort(places[: len(places) // 3 * 3].reshape(-1, 3), axis=1)
    return set(map(tuple, whole.tolist()))


def tour_lengths(inputs: Sequences, tours: Sequences) -> NDArray[np.float64]:
    """Length of each tour, there and back to its start, [N]; infinite where it does not visit each point once."""
    found = np.full(len(inputs.lengths), np.inf)
    for row, (count, length) in enumerate(zip(tours.lengths, inputs.lengths, strict=True)):
        tour = tours.items[row, :count]
        if np.array_equal(np.sort(tour), np.arange(length)):
            at = inputs.items[row, tour].astype(np.float64)
            found[row] = np.linalg.norm(at - np.roll(at, -1, 0), axis=1).sum()
    return found
