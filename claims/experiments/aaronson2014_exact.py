"""Exact checks of the coffee automaton: against definitions, against the oracle, and against bounds of the appendix.

Where an implementation draws at random, what is counted is compared with its exact expectation, in standard errors.
With at most 21,000 counts an experiment, a correct implementation stays within the six that claims allow, but for a
chance of 4e-5.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from claims.experiments.aaronson2014 import SIZES, CoffeeAutomaton
from claims.oracles import aaronson2014 as oracle
from repro import Measurements, Setting, cases

Array = NDArray[np.float64]


def expected_counts(coffee: CoffeeAutomaton, setting: Setting) -> Measurements:
    """Exact expectations for 200 steps of a 12 x 12 cup without walls, from cream in the upper half."""
    config = replace(setting.config, n=12, grain=3, boundary="periodic")
    density, largest = np.repeat(np.arange(12) < 6, 12).reshape(12, 12).astype(float), []
    for _ in range(200):
        density = coffee.propagate(config, density)
        largest.append(density.max())
    return {
        "largest": cases(largest, 1, "particles per cell"),
        "total": cases([density.sum()], 72, "particles"),
    }


def _expected_rows(n: int, steps: int) -> NDArray[Any]:
    """Expected particles per cell in each row [n] of a cup without walls, after a number of steps."""
    decay = (1 + np.cos(2 * np.pi * np.arange(n // 2 + 1) / n)) / 2  # of each wave in one step
    return np.fft.irfft(np.fft.rfft((np.arange(n) < n // 2).astype(float)) * decay**steps, n)


def _blocks(states: NDArray[Any], side: int) -> NDArray[Any]:
    """Counts in the tiles of side x side cells of states [..., n, n]."""
    tiles = states.shape[-1] // side
    return states.reshape(*states.shape[:-2], tiles, side, tiles, side).sum(axis=(-3, -1), dtype=float)


def bad_blocks(coffee: CoffeeAutomaton, setting: Setting) -> Measurements:
    """How many blocks are off by more than L**2 / G after 25, 100 and 400 steps, in 16 cups of 192 x 192 cells.

    What is compared with Eq. 16 is the Clopper-Pearson upper limit (97.5 %) of the frequency, for (G, L) = (2, 8),
    (3, 12) and (4, 16); at (4, 24) it would take 300,000 blocks to get below the bound.
    """
    from scipy import special

    n, times, cups = 192, (25, 100, 400), 16
    config = replace(setting.config, n=n, boundary="periodic")
    states = np.stack([coffee.simulate(config, times, seed=setting.seed * cups + cup) for cup in range(cups)])
    expected = np.stack([np.repeat(_expected_rows(n, steps), n).reshape(n, n) for steps in times])
    limits, bounds = [], []
    for buckets, side in ((2, 8), (3, 12), (4, 16)):
        off = np.abs(_blocks(states, side) - _blocks(expected, side)) > side**2 / buckets
        for k in range(len(times)):
            bad, blocks = int(off[:, k].sum()), off[:, k].size
            limits.append(float(special.betaincinv(bad + 1, blocks - bad, 0.975)) if bad < blocks else 1.0)
            bounds.append(2 * np.exp(-(side**2) / (3 * buckets**2)))
    return {"frequency": cases(limits, bounds, "probability")}


def _poisson_tail(expected: float, off: float) -> float:
    """Chance that a Poisson count differs from what is expected by more than `off`."""
    from scipy import stats

    below = np.ceil(expected - off) - 1
    return float(stats.poisson.sf(np.floor(expected + off), expected) + stats.poisson.cdf(below, expected))


def block_bounds(coffee: CoffeeAutomaton, setting: Setting) -> Measurements:
    """Exact tails of a block's count, Poisson in a large cup, against the bounds that the implementation states."""
    tails: dict[str, list[float]] = {"found": [], "own": [], "widest": []}
    for side, buckets in product((4, 8, 12, 16, 24), (2, 3, 4, 7, 10)):
        for share in (1 / 64, 1 / 16, 1 / 4, 1 / 2, 1):
            expected = share * side**2
            tails["found"].append(_poisson_tail(expected, side**2 / buckets))
            tails["own"].append(coffee.bad_block_bound(side, buckets, expected))
            tails["widest"].append(coffee.bad_block_bound(side, buckets, side**2))
    return {
        "eq15": cases(tails["found"], tails["own"], "probability"),
        "eq16": cases(tails["found"], tails["widest"], "probability"),
    }


def good_rows(coffee: CoffeeAutomaton, setting: Setting) -> Measurements:
    """Spread of buckets within rows of the adjusted picture, for rows of which no window is off by half a bucket.

    Within half a bucket of the row's expectation all averages lie in two neighbouring buckets, so the adjustment
    must make the row flat. Rows that are flat without it are left out.
    """
    config = replace(setting.config, n=100, grain=40, buckets=7, adjusted=True, boundary="periodic")
    times = [int(t) for t in np.geomspace(1, 3 * config.n**2, 30)]
    states = coffee.simulate(config, times, seed=setting.seed)
    rows = np.stack([np.repeat(_expected_rows(config.n, t), config.n).reshape(config.n, config.n) for t in times])
    averages, expected = coffee.coarse_grain(config, states), coffee.coarse_grain(config, rows)
    good = (np.abs(averages - expected) < 0.5 / config.buckets).all(axis=-1)
    buckets = np.clip(averages * config.buckets, 0, config.buckets - 1).astype(int)
    telling = good & (np.ptp(buckets, axis=-1) > 0)
    picture = coffee.discretise(config, averages).astype(int)
    return {"spread": cases(np.ptp(picture, axis=-1)[telling], 0, "buckets")}


# Against the oracle


def swap_means(coffee: CoffeeAutomaton, setting: Setting) -> Measurements:
    """Cells, and pairs of cells, of 4,000 cups of 4 x 4 after 1, 2, 5, 12 and 30 swaps, against all 12,870 states."""
    times, cups = (1, 2, 5, 12, 30), 4000
    config = replace(setting.config, n=4, grain=1)
    states = np.stack([coffee.simulate(config, times, seed=setting.seed * cups + cup) for cup in range(cups)])
    bits = states.reshape(cups, len(times), 16).astype(float)
    _, products = oracle.swaps(4, times)
    found = np.einsum("cta,ctb->tab", bits, bits) / cups
    error = np.sqrt(np.maximum(products * (1 - products), 0) / cups)
    off = np.abs(found - products)
    return {"cells": cases(in_errors(off, error).ravel(), 0, "standard errors")}


def in_errors(off: Array, error: Array) -> Array:
    """Differences by their standard errors; where nothing is random, none is allowed."""
    sure = error < 1e-9
    return np.where(sure, np.where(off < 1e-9, 0, np.inf), off / np.where(sure, 1, error))


def walk_moments(coffee: CoffeeAutomaton, setting: Setting) -> Measurements:
    """Counts in cells of 4,000 cups of 6 x 6 after 1, 2, 9 and 40 steps, with walls and without.

    Means of all counts and covariances of all pairs of them, in space and time, against those of independent walks.
    """
    times, cups, n = (1, 2, 9, 40), 4000, 6
    means, covariances = [], []
    for boundary in ("reflecting", "periodic"):
        config = replace(setting.config, n=n, grain=1, boundary=boundary)
        seeds = range(setting.seed * cups, (setting.seed + 1) * cups)
        states = np.stack([coffee.simulate(config, times, seed=seed) for seed in seeds])
        mean, covariance = oracle.walks(n, boundary, times)
        off = states.reshape(cups, -1).astype(float) - mean
        means.append(in_errors(np.abs(off.mean(0)), np.sqrt(np.diag(covariance) / cups)))
        spread = np.maximum((off**2).T @ off**2 / cups, np.outer(np.diag(covariance), np.diag(covariance)))
        wrong = np.abs(off.T @ off / cups - covariance)
        covariances.append(in_errors(wrong, np.sqrt(spread / cups))[np.triu_indices(len(mean))])
    return {
        "means": cases(np.concatenate(means), 0, "standard errors"),
        "covariances": cases(np.concatenate(covariances), 0, "standard errors"),
        "out_of_reach": cases(_out_of_reach(coffee, setting), 0, "particles"),
    }


def _out_of_reach(coffee: CoffeeAutomaton, setting: Setting) -> list[int]:
    """Particles of large cups that one step cannot have brought where they are, or that came from nowhere."""
    found = []
    modes: tuple[tuple[str, Literal["edge", "wrap"]], ...] = (("reflecting", "edge"), ("periodic", "wrap"))
    for n, (boundary, mode) in product((*SIZES, 100), modes):
        config = replace(setting.config, n=n, grain=1, boundary=boundary)
        states = coffee.simulate(config, (n, n + 1, 9 * n, 9 * n + 1), seed=setting.seed).astype(int)
        around = np.pad(states[::2], ((0, 0), (1, 1), (1, 1)), mode=mode)
        near = around[:, :-2, 1:-1] + around[:, 2:, 1:-1] + around[:, 1:-1, :-2] + around[:, 1:-1, 2:]
        found.append(int(np.clip(states[1::2] - near, 0, None).sum() + np.abs(np.diff(states.sum((1, 2)))).sum()))
    return found


def stated_chances(coffee: CoffeeAutomaton, setting: Setting) -> Measurements:
    """What an implementation states of its models, on random cups: the next expectation, and the pairs to swap."""
    rng = np.random.default_rng(setting.seed)
    found, expected, wrong = [], [], []
    for n, boundary in product((2, 5, 6), ("reflecting", "periodic")):
        density = rng.uniform(0, 3, (n, n))
        config = replace(setting.config, n=n, grain=1, boundary=boundary)
        found.append(np.asarray(coffee.propagate(config, density)).ravel())
        expected.append(density.ravel() @ oracle.step(n, boundary))
        state = rng.integers(0, 2, (n, n), dtype=np.uint8)
        stated = np.asarray(coffee.swappable(replace(config, boundary="reflecting"), state)).reshape(-1, 2)
        pairs = oracle.adjacent(n)
        differ = pairs[state.ravel()[pairs[:, 0]] != state.ravel()[pairs[:, 1]]]
        wrong.append(sorted(map(sorted, stated.tolist())) != sorted(map(sorted, differ.tolist())))
    return {
        "expectation": cases(np.concatenate(found), np.concatenate(expected), "particles per cell"),
        "pairs": cases(wrong, 0, "wrong lists"),
    }


def stated_bounds(coffee: CoffeeAutomaton, setting: Setting) -> Measurements:
    """The bound that an implementation states, by that of Eq. 15, for 60 blocks."""
    blocks = list(product((4, 8, 16), (2, 3, 4, 7, 10), (1 / 16, 1 / 4, 1 / 2, 1)))
    ratios = [
        coffee.bad_block_bound(side, buckets, share * side**2) / oracle.block_bound(side, buckets, share * side**2)
        for side, buckets, share in blocks
    ]
    return {"ratio": cases(ratios, 1, "1")}


def picture_from_size_and_time(coffee: CoffeeAutomaton, setting: Setting) -> Measurements:
    """How far a cup without interaction is from the picture that its size and the time alone give, against one bucket.

    Cups of 192 x 192 cells without walls after 1 to 110,592 steps, windows of 61 cells and 7 buckets. By Eq. 16, with
    L = 61, a window is further off with a chance of 2e-11.
    """
    config = replace(setting.config, n=192, grain=61, buckets=7, boundary="periodic")
    times = [int(t) for t in np.geomspace(1, 3 * config.n**2, 12)]
    averages = coffee.coarse_grain(config, coffee.simulate(config, times, seed=setting.seed))
    rows = np.stack([np.repeat(_expected_rows(config.n, t), config.n).reshape(config.n, config.n) for t in times])
    off = np.abs(averages - coffee.coarse_grain(config, rows)).max(axis=(1, 2))
    return {"off": cases(off, 1 / config.buckets, "particles per cell")}
