"""Planar problems: solvers and measures against independent implementations, in exact arithmetic where there is one."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, permutations

import networkx
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from claims.experiments import planar, planar_measures
from claims.experiments.planar import Sequences, SolvedPoints
from repro import ReproError

SOLVERS = (
    planar.hulls,
    planar.delaunay,
    planar.shortest_tours,
    planar.greedy_tours,
    planar.nearest_tours,
    planar.improved_greedy_tours,
    planar.christofides_tours,
)
TOURS = SOLVERS[2:]


def points(least: int = 3, most: int = 8, side: int = 2**24):
    """Different points of a grid in the unit square, [n, 2]; a coarse grid has many on one line."""
    place = st.tuples(st.integers(0, side - 1), st.integers(0, side - 1))
    return st.lists(place, min_size=least, max_size=most, unique=True).map(lambda found: np.array(found) / side)


def instance(at: np.ndarray) -> Sequences:
    """One instance."""
    return Sequences(items=at[None].astype(np.float32), lengths=np.array([len(at)]))


def answer(solver: planar.Solver, at: np.ndarray) -> list[int]:
    """A solver's answer to one instance."""
    found = solver(instance(at))
    return found.items[0, : found.lengths[0]].tolist()


def rows(*places: list[int]) -> Sequences:
    """Answers, padded by zeros."""
    items = np.zeros((len(places), max(map(len, places))), np.int32)
    for own, row in zip(items, places, strict=True):
        own[: len(row)] = row
    return Sequences(items=items, lengths=np.array([len(row) for row in places]))


def exact(at: np.ndarray) -> list[tuple[Fraction, Fraction]]:
    """The same points as fractions."""
    return [(Fraction(float(x)), Fraction(float(y))) for x, y in at]


def turn(a, b, c) -> Fraction:
    """Twice the signed area of a triangle."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def length_of(at: np.ndarray, tour) -> float:
    """Length of a closed tour."""
    return sum(float(np.hypot(*(at[a] - at[b]))) for a, b in zip(tour, [*tour[1:], tour[0]], strict=True))


# Hulls


@given(st.integers(0, 10**6), st.integers(3, 40))
def test_hulls_are_those_of_qhull(seed, n):
    """On uniform points the hull is scipy's, counter-clockwise from the lowest place on."""
    problems = SolvedPoints(count=1, low=n, high=n, seed=(seed,), solver=planar.hulls)
    found = problems.outputs.items[0, : problems.outputs.lengths[0]].tolist()
    vertices = ConvexHull(problems.inputs.items[0].astype(float)).vertices.tolist()  # counter-clockwise
    start = vertices.index(min(vertices))
    assert found == vertices[start:] + vertices[:start]


@given(points(side=4))
def test_hulls_turn_left_everywhere_and_hold_all_points(at):
    """With many points on one line, corners are strict left turns, and no point lies outside."""
    spots = exact(at)
    assume(any(turn(*three) for three in combinations(spots, 3)))
    corners = [spots[place] for place in answer(planar.hulls, at)]
    ring = zip(corners, corners[1:] + corners[:1], corners[2:] + corners[:2], strict=True)
    for a, b, c in ring:
        assert turn(a, b, c) > 0
        assert all(turn(a, b, spot) >= 0 for spot in spots)


# Polygons


def brute_simple(spots, places) -> bool:
    """Whether no two edges have a point in common but neighbours their common end: by parameters of the crossing."""
    m = len(places)
    if m < 3 or len(set(places)) < m:
        return False
    edges = [(spots[places[i]], spots[places[(i + 1) % m]]) for i in range(m)]
    for i, j in combinations(range(m), 2):
        common = shared(*edges[i], *edges[j])
        neighbours = j == i + 1 or (i == 0 and j == m - 1)
        if common != (1 if neighbours else 0):
            return False
    return True


def shared(a, b, c, d) -> float:
    """How many points two edges have in common: 0, 1, or infinitely many."""
    cross = (b[0] - a[0]) * (d[1] - c[1]) - (b[1] - a[1]) * (d[0] - c[0])
    if cross:
        s = ((c[0] - a[0]) * (d[1] - c[1]) - (c[1] - a[1]) * (d[0] - c[0])) / cross
        t = ((c[0] - a[0]) * (b[1] - a[1]) - (c[1] - a[1]) * (b[0] - a[0])) / cross
        return int(0 <= s <= 1 and 0 <= t <= 1)
    if turn(a, b, c):
        return 0
    low, high = max(min(a, b), min(c, d)), min(max(a, b), max(c, d))  # on one line points are ordered as pairs
    return 0 if low > high else 1 if low == high else np.inf


@settings(max_examples=400)
@given(st.data(), st.sampled_from([3, 4, 2**24]))
def test_simplicity_is_exact(data, side):
    """Whether a polygon is simple agrees with exact fractions, where edges touch or lie on one line too."""
    at = data.draw(points(side=side))
    places = data.draw(st.lists(st.integers(0, len(at) - 1), min_size=0, max_size=7, unique=data.draw(st.booleans())))
    assert planar_measures.is_simple(at, np.array(places, np.int32)) == brute_simple(exact(at), places)


@given(st.data())
def test_areas_are_exact(data):
    """The area of a polygon is the shoelace formula's in fractions."""
    at = data.draw(points())
    places = data.draw(st.permutations(range(len(at))))
    corners = [exact(at)[place] for place in places]
    ring = zip(corners, [*corners[1:], corners[0]], strict=True)
    shoelace = abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in ring)) / 2
    assert planar_measures.area(at, np.array(places, np.int32)) == pytest.approx(float(shoelace), abs=1e-15)


@given(st.integers(3, 12), st.integers(0, 11), st.booleans())
def test_polygons_are_the_same_wherever_they_start_and_whichever_way_they_run(n, shift, back):
    """Equality ignores rotation and reversal, and nothing else."""
    one = np.random.default_rng(n).permutation(20)[:n].astype(np.int32)
    other = np.roll(one[::-1] if back else one, shift)
    assert planar_measures.same_polygon(one, other)
    assert not planar_measures.same_polygon(one[:-1], other)
    if n > 3:
        swapped = other.copy()
        swapped[:2] = swapped[1::-1]
        assert not planar_measures.same_polygon(one, swapped)


def test_outlines_are_scored_against_the_hull():
    """Of a square with a point inside: its hull, half of it, one that crosses itself, and two more."""
    at = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.25]])
    inputs = Sequences(items=np.tile(at, (5, 1, 1)).astype(np.float32), lengths=np.full(5, 5))
    found = rows([2, 1, 0, 3], [0, 1, 2], [0, 2, 1, 3], [0, 1, 2, 3, 0], [0, 4, 1, 2, 3])
    scored = planar_measures.outlines(inputs, found, planar.hulls(inputs))
    assert scored.exact.tolist() == [True, False, False, False, False]
    assert scored.simple.tolist() == [True, True, False, False, True]
    assert scored.covered.tolist() == [1, 0.5, 0, 0, 0.875]


# Triangulations


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(3, 9))
def test_no_point_lies_within_the_circle_of_a_triangle(seed, n):
    """The defining property in exact fractions, with all triangles that Euler's formula asks for, in their order."""
    problems = SolvedPoints(count=1, low=n, high=n, seed=(seed,), solver=planar.delaunay)
    spots = exact(problems.inputs.items[0])
    triples = problems.outputs.items[0, : problems.outputs.lengths[0]].reshape(-1, 3)
    corners = len(answer(planar.hulls, problems.inputs.items[0]))
    assert len({tuple(t) for t in triples.tolist()}) == len(triples) == 2 * n - 2 - corners
    assert (np.diff(triples, axis=1) > 0).all()
    for triple in triples:
        a, b, c = (spots[place] for place in triple)
        if turn(a, b, c) < 0:
            b, c = c, b
        assert not any(in_circle(a, b, c, spots[other]) for other in set(range(n)) - set(triple.tolist()))
    centres = [incentre(problems.inputs.items[0, triple].astype(float)) for triple in triples]
    assert centres == sorted(centres)


def in_circle(a, b, c, d) -> bool:
    """Whether d lies within the circle through a, b, c, which turn left."""
    (ax, ay), (bx, by), (cx, cy) = ((p[0] - d[0], p[1] - d[1]) for p in (a, b, c))
    first = (ax * ax + ay * ay) * (bx * cy - cx * by)
    second = (bx * bx + by * by) * (ax * cy - cx * ay)
    return first - second + (cx * cx + cy * cy) * (ax * by - bx * ay) > 0


def incentre(at: np.ndarray) -> tuple[float, float]:
    """Centre of the circle within a triangle: corners weighted by the opposite sides."""
    sides = [float(np.hypot(*(at[i - 1] - at[i - 2]))) for i in range(3)]
    x, y = (sum(s * p for s, p in zip(sides, at[:, axis], strict=True)) / sum(sides) for axis in (0, 1))
    return float(x), float(y)


def test_triangulations_are_compared_as_sets():
    """Order within and among triangles plays no part; a triangle too many is not exact, and one too few covers less."""
    truth = rows(*[[0, 1, 2, 1, 2, 3]] * 5)
    found = rows([2, 3, 1, 0, 2, 1], [0, 1, 2], [0, 1, 2, 1, 2, 3, 0, 1, 3], [0, 1, 2, 1, 2, 3, 0], [])
    exactly, covered = planar_measures.triangulations(found, truth)
    assert exactly.tolist() == [True, False, False, False, False]
    assert covered.tolist() == [1, 0.5, 1, 1, 0]


# Tours


@settings(max_examples=60)
@given(points(least=2, most=7))
def test_held_karp_finds_the_shortest_of_all_tours(at):
    """No permutation is shorter."""
    tour = answer(planar.shortest_tours, at)
    shortest = min(length_of(at, (0, *rest)) for rest in permutations(range(1, len(at))))
    assert length_of(at, tour) == pytest.approx(shortest, abs=1e-12)


@settings(max_examples=40)
@given(points(least=1, most=11))
def test_tours_are_tours_and_come_in_the_order_that_must_be(at):
    """Every solver visits each place once, from 0 towards its lower neighbour; none beats the shortest."""
    tours = {solver.__name__: answer(solver, at) for solver in TOURS}
    lengths = {name: length_of(at, tour) for name, tour in tours.items()}
    for tour in tours.values():
        assert sorted(tour) == list(range(len(at)))
        assert tour[0] == 0
        assert len(at) < 3 or tour[1] < tour[-1]
    assert min(lengths.values()) >= lengths["shortest_tours"] - 1e-12
    assert lengths["improved_greedy_tours"] <= lengths["greedy_tours"] + 1e-12
    assert lengths["christofides_tours"] <= 1.5 * lengths["shortest_tours"] + 1e-12


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(3, 15))
def test_heuristics_are_what_they_are_called(seed, n):
    """Nearest neighbour agrees with networkx, and greedy with a union of paths written plainly."""
    at = np.random.default_rng(seed).random((n, 2), dtype=np.float32).astype(float)
    graph = networkx.from_numpy_array(np.linalg.norm(at[:, None] - at, axis=2))
    nearest = networkx.approximation.greedy_tsp(graph, source=0)[:-1]
    assert planar_measures.same_polygon(np.array(answer(planar.nearest_tours, at)), np.array(nearest))
    paths = networkx.Graph()
    paths.add_nodes_from(range(n))
    for i, j in sorted(combinations(range(n), 2), key=lambda pair: graph.edges[pair]["weight"]):
        if max(paths.degree[i], paths.degree[j]) < 2 and not networkx.has_path(paths, i, j):
            paths.add_edge(i, j)
    ends = [place for place in paths if paths.degree[place] == 1]
    greedy = networkx.shortest_path(paths, *ends)
    assert planar_measures.same_polygon(np.array(answer(planar.greedy_tours, at)), np.array(greedy))


def test_two_opt_leaves_no_crossing():
    """Tours after 2-opt are simple polygons."""
    for solver in (planar.improved_greedy_tours, planar.christofides_tours):
        problems = SolvedPoints(count=20, low=20, high=30, seed=(3,), solver=solver)
        assert all(
            planar_measures.is_simple(at[:n].astype(float), tour[:n])
            for at, tour, n in zip(problems.inputs.items, problems.outputs.items, problems.inputs.lengths, strict=True)
        )


def test_tours_that_leave_out_a_place_have_no_length():
    """Only a permutation is a tour."""
    at = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    inputs = Sequences(items=np.tile(at, (4, 1, 1)), lengths=np.full(4, 4))
    found = planar_measures.tour_lengths(inputs, rows([0, 1, 2, 3], [0, 2, 1, 3], [0, 1, 2, 2], [0, 1, 2]))
    assert found.tolist() == [4, pytest.approx(2 + 2 * 2**0.5), np.inf, np.inf]


# Instances


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: s.__name__)
def test_answers_do_not_depend_on_the_number_of_threads(solver, monkeypatch):
    """Many small parts on several threads give what one part gives."""
    one = SolvedPoints(count=50, low=5, high=9, seed=(1, 2), solver=solver)
    known = one.outputs
    monkeypatch.setattr(planar, "CHUNK", 3)
    monkeypatch.setattr(planar, "SMALL", 0)
    monkeypatch.setattr(planar.os, "cpu_count", lambda: 4)
    again = SolvedPoints(count=50, low=5, high=9, seed=(1, 2), solver=solver).outputs
    np.testing.assert_array_equal(known.items, again.items)
    np.testing.assert_array_equal(known.lengths, again.lengths)


def test_instances_are_uniform_and_their_own():
    """Lengths and coordinates are spread evenly, padding is zero, and other seeds share no instance."""
    one, other = (SolvedPoints(count=4000, low=5, high=8, seed=(0, s), solver=planar.hulls).inputs for s in (0, 1))
    assert np.bincount(one.lengths)[5:] == pytest.approx(np.full(4, 1000), rel=0.15)
    real = np.arange(8) < one.lengths[:, None]
    assert not one.items[~real].any()
    assert np.histogram(one.items[real], 4, (0, 1))[0] / real.sum() == pytest.approx(np.full(4, 0.5), rel=0.05)
    assert not {row.tobytes() for row in one.items} & {row.tobytes() for row in other.items}
    assert (one.items * 2**24 % 1 == 0).all()


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (np.zeros((2, 3), int), "gave a ndarray"),
        (Sequences(items=np.zeros((2, 3)), lengths=np.array([3, 3])), "gave float64"),
        (Sequences(items=np.zeros((1, 3), int), lengths=np.array([3])), r"gave int64 \[1, 3\] for 2 inputs"),
        (Sequences(items=np.zeros((2, 3), int), lengths=np.array([3, 4])), "lengths up to 4 in 3 columns"),
        (Sequences(items=np.full((2, 3), 5), lengths=np.array([0, 1])), "pointed beyond its input"),
        (Sequences(items=np.full((2, 3), -1), lengths=np.array([0, 1])), "pointed beyond its input"),
    ],
)
def test_answers_of_a_wrong_form_are_refused(found, message):
    """What is not one row of places below the input's length for each input is an error."""
    inputs = Sequences(items=np.zeros((2, 5, 2), np.float32), lengths=np.array([5, 5]))
    with pytest.raises(ReproError, match=message):
        planar_measures.checked(found, inputs)


def test_what_lies_beyond_an_answer_plays_no_part():
    """Padding may be anything."""
    inputs = Sequences(items=np.zeros((1, 5, 2), np.float32), lengths=np.array([5]))
    found = planar_measures.checked(Sequences(items=np.array([[1, 2, 99]]), lengths=np.array([2])), inputs)
    assert found.items.tolist() == [[1, 2, 0]]
