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
