"""The coffee automaton's reference: its kernel, its statistics, its pictures."""

from __future__ import annotations

import bz2
import gzip
import lzma
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import aaronson2014 as coffee

CUP = replace(coffee.CONFIGS["interacting"], n=12, grain=3)
FREE = replace(coffee.CONFIGS["non-interacting"], n=12, grain=3)
BOTH = pytest.mark.parametrize("config", [CUP, FREE], ids=["interacting", "non-interacting"])


def plain_swaps(config: coffee.Config, swaps: int, rng: np.random.Generator) -> np.ndarray:
    """Section 3.1 to the letter: list the differing pairs, choose one, swap it."""
    cells = coffee.start(config).ravel().tolist()
    pairs = coffee.neighbours(config).tolist()
    for _ in range(swaps):
        differing = [(i, j) for i, j in pairs if cells[i] != cells[j]]
        i, j = differing[rng.integers(len(differing))]
        cells[i], cells[j] = cells[j], cells[i]
    return np.array(cells).reshape(config.n, config.n)


def plain_steps(config: coffee.Config, steps: int, rng: np.random.Generator) -> np.ndarray:
    """Section 3.2 to the letter: every particle takes every step; walls block it."""
    counts = np.zeros((config.n, config.n))
    for y, x in np.argwhere(coffee.start(config)):
        for _ in range(steps):
            dy, dx = ((1, 0), (-1, 0), (0, 1), (0, -1))[rng.integers(4)]
            y, x = (y + dy, x + dx) if config.boundary == "reflecting" else ((y + dy) % config.n, (x + dx) % config.n)
            y, x = min(max(y, 0), config.n - 1), min(max(x, 0), config.n - 1)
        counts[y, x] += 1
    return counts


def test_the_kernel_agrees_with_the_definition():
    """Compiled swaps and the plain loop give the same mean density in each row and the same number of pairs."""
    cup, cups, swaps = replace(CUP, n=6, grain=3), 400, 40
    fast = np.stack([coffee.simulate(cup, [swaps], seed=seed)[0] for seed in range(cups)])
    slow = np.stack([plain_swaps(cup, swaps, np.random.default_rng(seed)) for seed in range(cups)])
    assert np.abs(fast.mean(axis=(0, 2)) - slow.mean(axis=(0, 2))).max() < 0.04  # standard error 0.01
    active = [np.mean([len(coffee.swappable(cup, state)) for state in states]) for states in (fast, slow)]
    assert active[0] == pytest.approx(active[1], rel=0.03)


@pytest.mark.parametrize("boundary", ["reflecting", "periodic"])
def test_walks_agree_with_the_definition(boundary):
    """Moving particles at once and step by step give the same densities, and `propagate` is their expectation."""
    config, cups, steps = replace(FREE, n=6, grain=3, boundary=boundary), 400, 9
    fast = np.mean([coffee.simulate(config, [steps], seed=seed)[0] for seed in range(cups)], axis=0)
    slow = np.mean([plain_steps(config, steps, np.random.default_rng(seed)) for seed in range(100)], axis=0)
    exact = coffee.start(config).astype(float)
    for _ in range(steps):
        exact = coffee.propagate(config, exact)
    assert np.abs(fast - exact).max() < 0.16  # 4.5 standard errors of the worst of 36 cells
    assert np.abs(slow - exact).max() < 0.32
    assert fast.sum() == exact.sum() == 18


@BOTH
def test_particles_are_conserved(config):
    """No snapshot has more or fewer particles than the start, which is the upper half."""
    states = coffee.simulate(config, [0, 1, 10, 5000], seed=3)
    assert states.shape == (4, 12, 12)
    assert states.dtype == np.uint8
    assert (states.sum(axis=(1, 2)) == 72).all()
    assert (states[0] == (np.arange(12) < 6)[:, None]).all()


@BOTH
def test_seeds_decide_everything(config):
    """The same seed gives the same states, another seed others, and neighbouring seeds are uncorrelated."""
    times = [50, 20_000]
    first, again, other = (coffee.simulate(config, times, seed=seed) for seed in (7, 7, 8))
    assert (first == again).all()
    assert (first != other).any()
    mixed = [coffee.simulate(config, [20_000], seed=seed).ravel().astype(float) for seed in range(40)]
    correlations = np.corrcoef(mixed)[np.triu_indices(40, 1)]
    assert abs(correlations.mean()) < 0.02
    assert np.abs(correlations).max() < 0.45


def test_the_path_does_not_depend_on_the_snapshots():
    """Asking for more snapshots of the interacting cup leaves the others as they were."""
    few = coffee.simulate(CUP, [100, 900], seed=5)
    many = coffee.simulate(CUP, [0, 1, 99, 100, 500, 900], seed=5)
    assert (many[3] == few[0]).all()


def test_single_steps_are_single_steps():
    """From one snapshot to the next step every particle has moved by one cell or was stopped by a wall."""
    lone = coffee.simulate(replace(FREE, n=2, grain=1), range(200), seed=0)
    assert (lone.sum(axis=(1, 2)) == 2).all()
    free = coffee.simulate(replace(FREE, boundary="periodic"), [0, 1], seed=1)
    reach = sum(np.roll(free[0], shift, axis) for axis in (0, 1) for shift in (1, -1))
    assert (free[1] <= reach).all()
    colours = np.indices((12, 12)).sum(axis=0) % 2  # a step changes the colour of the square, as in chess
    assert free[1][colours == 0].sum() == free[0][colours == 1].sum()


@pytest.mark.parametrize("boundary", ["reflecting", "periodic"])
def test_each_pair_of_neighbours_stands_once(boundary):
    """Neighbours are adjacent, distinct and complete: 2 n (n - 1) of them, 2 n**2 without walls."""
    pairs = coffee.neighbours(replace(CUP, boundary=boundary))
    y, x = np.divmod(pairs, 12)
    apart = np.abs(np.diff(y, axis=1)), np.abs(np.diff(x, axis=1))
    if boundary == "periodic":
        apart = tuple(np.minimum(d, 12 - d) for d in apart)
    assert (apart[0] + apart[1] == 1).all()
    assert len({frozenset(pair) for pair in pairs.tolist()}) == len(pairs)
    assert len(pairs) == (264 if boundary == "reflecting" else 288)


def test_pair_choices_are_counted():
    """At least as many pairs are chosen as swapped; about twice as many once the cup is mixed."""
    _, choices = coffee.stir(replace(CUP, n=40), np.array([200_000, 400_000]), 0)
    _, early = coffee.stir(replace(CUP, n=40), np.array([200_000]), 0)
    assert 1.9 < (choices - early) / 200_000 < 2.3


@settings(max_examples=25, deadline=None)
@given(n=st.integers(2, 20), data=st.data())
def test_averages_stay_between_the_extremes(n, data):
    """A mean over a window lies between the least and the largest cell; a window of one cell changes nothing."""
    grain = data.draw(st.integers(1, n))
    state = np.random.default_rng(n * 100 + grain).integers(0, 4, (2, n, n), dtype=np.uint8)
    means = coffee.coarse_grain(replace(CUP, n=n, grain=grain), state)
    assert means.shape == state.shape
    assert state.min() - 1e-9 <= means.min()
    assert means.max() <= state.max() + 1e-9
    assert coffee.coarse_grain(replace(CUP, n=n, grain=1), state) == pytest.approx(state)


def test_three_buckets_are_the_nearest_of_three():
    """Averages go to the nearest of 0, 1/2 and 1, and above 1 to the last bucket."""
    averages = np.array([[0.0, 0.24, 0.26], [0.5, 0.74, 0.76], [1.0, 1.7, 0.1]])
    assert coffee.discretise(replace(CUP, n=3, grain=1), averages).tolist() == [[0, 0, 1], [1, 1, 2], [2, 2, 0]]


def test_adjustment_touches_near_cells_only():
    """A cell one bucket off its row's majority joins it; a cell two off stays; a tie goes to the lower bucket."""
    look = replace(CUP, n=4, grain=1, buckets=7, adjusted=True)
    rows = np.array([[3, 3, 4, 2], [3, 3, 5, 1], [0, 0, 6, 6], [2, 3, 4, 5]])
    adjusted = coffee.discretise(look, (rows + 0.5) / 7)
    assert adjusted.tolist() == [[3, 3, 3, 3], [3, 3, 5, 1], [0, 0, 6, 6], [2, 2, 4, 5]]


@pytest.mark.parametrize("compressor", ["gzip", "bz2", "lzma"])
def test_files_unpack_and_repeat(compressor):
    """Every file unpacks to what went in, and compressing twice gives the same bytes."""
    payload = np.random.default_rng(0).integers(0, 3, 4000, dtype=np.uint8).tobytes()
    unpack = {"gzip": gzip.decompress, "bz2": bz2.decompress, "lzma": lzma.decompress}[compressor]
    packed = coffee.compress(payload, compressor)
    assert unpack(packed) == payload
    assert packed == coffee.compress(payload, compressor)


def test_eq_15_as_printed():
    """The bound is 2 exp(-L**4 / (3 G**2 E)), and 2 exp(-L**2 / (3 G**2)), Eq. 16, where E is as large as can be."""
    assert coffee.bad_block_bound(8, 4, 4) == pytest.approx(2 * np.exp(-4096 / 192))
    assert coffee.bad_block_bound(8, 4, 64) == pytest.approx(2 * np.exp(-64 / 48))


@pytest.mark.parametrize("times", [[5, 3], [-1, 2], [[1, 2]]])
def test_times_must_ascend(times):
    """Times that go back, are negative or are no list are refused."""
    with pytest.raises(ValueError, match="ascending"):
        coffee.simulate(CUP, times, seed=0)


@pytest.mark.parametrize("wrong", [{"n": 1}, {"grain": 0}, {"grain": 13}, {"buckets": 1}])
def test_impossible_cups_are_refused(wrong):
    """A cup of one cell, a window larger than the cup and a single bucket are refused."""
    with pytest.raises(ValueError, match="a cup needs"):
        replace(CUP, **wrong)


def test_it_runs_where_nothing_can_be_written(monkeypatch):
    """Where numba finds no folder for its machine code, kernels are compiled without one."""

    def refuse(**options):
        assert options == {"cache": True}

        def decorate(function):
            raise RuntimeError("no locator available")

        return decorate

    njit = coffee.numba.njit
    monkeypatch.setattr(coffee.numba, "njit", lambda *args, **options: refuse(**options) if options else njit(*args))
    assert coffee._kernel(lambda x: x + 1)(1) == 2
