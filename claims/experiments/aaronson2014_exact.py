"""Exact checks of the coffee automaton: against definitions, against the oracle, and against bounds of the appendix.

Where an implementation draws at random, what is counted is compared with its exact expectation, in standard errors.
With at most 21,000 counts an experiment, a correct implementation stays within the six that claims allow, but for a
chance of 4e-5.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from claims.experiments.aaronson2014 import SIZES, CoffeeAutomaton
from claims.oracles import aaronson2014 as oracle
from repro import Measurements, Setting, cases

Array = NDArray[np.float64]


def window_means(coffee: CoffeeAutomaton, setting: Setting) -> Measurements:
    """Random cups coarse-grained, several at once; an even window may be off its middle to either side."""
    rng = np.random.default_rng(setting.seed)
    found, expected = [], []
    for n, grain in ((5, 3), (9, 3), (12, 5), (20, 7), (60, 12), (100, 5)):
        states, weights = rng.integers(0, 4, (2, n, n), dtype=np.uint8), oracle.windows(n, grain)
        means = coffee.coarse_grain(replace(setting.config, n=n, grain=grain), states)
        readings = [own @ states @ own.T for own in (weights, weights[::-1, ::-1])]
        found.append(np.asarray(means).ravel())
        expected.append(min(readings, key=lambda reading: np.abs(reading - means).max()).ravel())
    return {"means": cases(np.concatenate(found), np.concatenate(expected), "particles per cell")}


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


def swap_choices(coffee: CoffeeAutomaton, setting: Setting) -> Measurements:
    """Which pair is swapped, given the cup before: 50,000 swaps of a 6 x 6 cup, and 40 swaps in each of 14 large cups.

    By pair and by kind of pair, how often it was swapped less how often it should be, in standard errors. Kinds are
    horizontal and vertical, beside each wall, with cream above or to the left, and the pair swapped just before. Large
    cups, of all sizes of which curves are taken, are seen at 40 times and one swap later each, so cups must also hold
    together between snapshots; and from one time to the next cream must sink as fast as its swaps let it.
    """
    small = coffee.simulate(replace(setting.config, n=6, grain=1), range(50_001), seed=setting.seed)
    by_pair, by_kind = _choices(small[:-1], small[1:], 6)
    kinds, sunk = np.full((1, *by_kind.shape), np.nan), np.full((2, 2), np.nan)
    if np.isfinite(by_pair).all():  # what is wrong already may be slow
        large = [_large_cups(coffee, setting, n, 8 if n == 60 else 1) for n in (*SIZES, 100)]
        kinds, sunk = (np.array(each) for each in zip(*large, strict=True))
    (off, largest_off), (variance, largest_variance) = np.stack([sunk[:-1].sum(0), sunk[-1]], 1)
    return {
        "pairs": cases(_errors(by_pair), 0, "standard errors"),
        "kinds": cases(_errors(by_kind), 0, "standard errors"),
        "large": cases(_errors(kinds.sum(0)[:-1]), 0, "standard errors"),
        "sunk": cases([off / variance**0.5, largest_off / largest_variance**0.5], 0, "standard errors"),
    }


def _large_cups(coffee: CoffeeAutomaton, setting: Setting, n: int, cups: int) -> tuple[Array, Array]:
    """Of cups of one size, until small ones are half mixed: by kind of pair [K, 3], and what `_sunk` gives, summed."""
    times = np.array(sorted({int(t) + more for t in np.geomspace(1, 0.05 * min(n, 60) ** 4, 40) for more in (0, 1)}))
    single = np.flatnonzero(np.diff(times) == 1)
    config = replace(setting.config, n=n, grain=1)
    states = [coffee.simulate(config, times.tolist(), seed=setting.seed * cups + cup) for cup in range(cups)]
    before, after = (np.concatenate([cup[single + more] for cup in states]) for more in (0, 1))
    return _choices(before, after, n)[1], np.sum([_sunk(cup[single], times[single]) for cup in states], axis=0)


def _sunk(states: NDArray[Any], times: NDArray[Any]) -> tuple[float, float]:
    """By how many rows all cream together sank less what it should have by the last time, and that number's variance.

    Of D differing pairs one is swapped: summed over vertical ones, cream sinks by (top row - bottom row) / D.
    """
    n, rows, pairs = states.shape[1], states.sum(2, dtype=float), oracle.adjacent(states.shape[1])
    cells = states.reshape(len(states), -1)
    differ = cells[:, pairs[:, 0]] != cells[:, pairs[:, 1]]
    speed = (rows[:, 0] - rows[:, -1]) / differ.sum(1)
    vertical = (differ & (pairs[:, 1] - pairs[:, 0] == n)).sum(1) / differ.sum(1)
    expected, variance = (
        each[0] * times[0] + np.trapezoid(each * times, np.log(times)) for each in (speed, vertical)
    )  # over the time's logarithm, in which both change slowly
    return float(rows[-1] @ np.arange(n) - oracle.start(n).reshape(n, n).sum(1) @ np.arange(n) - expected), variance


def _choices(before: NDArray[Any], after: NDArray[Any], n: int) -> tuple[Array, Array]:
    """By pair [M, 3] and by kind [K, 3]: swaps counted, expected, their variance; NaN if more than a pair changed."""
    pairs = oracle.adjacent(n)
    old, new = before.reshape(len(before), -1), after.reshape(len(before), -1)
    differ = old[:, pairs[:, 0]] != old[:, pairs[:, 1]]
    changed = old != new
    swapped = differ & changed[:, pairs[:, 0]] & changed[:, pairs[:, 1]]
    if not ((changed.sum(1) == 2) & (swapped.sum(1) == 1)).all():
        return np.full((1, 3), np.nan), np.full((8, 3), np.nan)
    chance = differ / differ.sum(1, keepdims=True)
    (y, x), first = np.divmod(pairs.T, n), old[:, pairs[:, 0]] > 0
    flat = y[0] == y[1]
    walls = [(line == edge).all(0) for line in (y, x) for edge in (0, n - 1)]
    again = np.zeros_like(swapped)
    again[1:] = swapped[:-1]
    kinds = [np.broadcast_to(kind, swapped.shape) for kind in (flat, *walls)] + [first, first & flat, again]
    by_kind = [_counted((swapped & kind).sum(1), np.where(kind, chance, 0).sum(1)) for kind in kinds]
    return np.array([_counted(*both) for both in zip(swapped.T, chance.T, strict=True)]), np.array(by_kind)


def _counted(happened: NDArray[Any], chances: Array) -> list[float]:
    """How often something happened, how often it should have, and that number's variance."""
    return [happened.sum(), chances.sum(), (chances * (1 - chances)).sum()]


def _errors(counts: Array) -> Array:
    """By row of what `_counted` gives: how often something happened less what was expected, in standard errors."""
    return np.sign(counts[:, 0] - counts[:, 1]) * _in_errors(np.abs(counts[:, 0] - counts[:, 1]), counts[:, 2] ** 0.5)


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
    return {"cells": cases(_in_errors(off, error).ravel(), 0, "standard errors")}


def _in_errors(off: Array, error: Array) -> Array:
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
        means.append(_in_errors(np.abs(off.mean(0)), np.sqrt(np.diag(covariance) / cups)))
        spread = np.maximum((off**2).T @ off**2 / cups, np.outer(np.diag(covariance), np.diag(covariance)))
        wrong = np.abs(off.T @ off / cups - covariance)
        covariances.append(_in_errors(wrong, np.sqrt(spread / cups))[np.triu_indices(len(mean))])
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


def pictures(coffee: CoffeeAutomaton, setting: Setting) -> Measurements:
    """Given averages: their buckets, the adjusted picture, and its size as a gzip file by that of Python's own.

    Averages lie about the middle of buckets, and every row has one most frequent bucket, since the paper prints neither
    the cuts nor what happens to a tie: of three buckets values within 0.1 of 0, 0.5 and 1 are known, by Section 5.1. Of
    other averages none is in a lower bucket than a smaller one.
    """
    rng, found, expected, ratios = np.random.default_rng(setting.seed), [], [], []
    looks = ((3, np.array([0, 0.5, 1]), 0.1), (7, (np.arange(7) + 0.5) / 7, 0.01))
    for n, (buckets, middles, about) in product((40, 100), looks):
        wanted = np.where(rng.random((n, n)) < 0.6, rng.integers(0, buckets, (n, 1)), rng.integers(0, buckets, (n, n)))
        plain = replace(setting.config, n=n, grain=1, buckets=buckets, adjusted=False)
        near = np.clip(middles[wanted] + rng.uniform(-about, about, (n, n)), 0, 1)
        found += [coffee.discretise(plain, near), coffee.discretise(replace(plain, adjusted=True), near)]
        averages = rng.random((n, n))
        ascending = coffee.discretise(plain, averages).ravel()[averages.ravel().argsort()].astype(int)
        found.append(np.minimum(np.diff(ascending), 0))
        expected += [wanted, oracle.adjusted(wanted), np.zeros(n * n - 1)]
        for picture in (wanted.astype(np.uint8).tobytes(), bytes(n * n)):
            ratios.append((len(coffee.compress(picture, "gzip")) - 18) / (len(zlib.compress(picture, 6)) - 6))
    return {
        "buckets": cases(np.concatenate(found, axis=None), np.concatenate(expected, axis=None), "buckets"),
        "size": cases(ratios, 1, "1"),
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


def expected_peak(coffee: CoffeeAutomaton, setting: Setting) -> Measurements:
    """Exponent in n of the time of the largest complexity without interaction, by exact propagation: nothing is drawn.

    A window's count is Poisson of its expectation, as in a large cup, so each cell of the picture is in each of three
    buckets with a known chance. The sum of the cells' entropies stands for complexity (our surrogate). Windows are a
    fifth of the cup wide, and 7 cells in all cups.
    """
    exponents = []
    for fixed in (0, 7):
        configs = [replace(setting.config, n=n, grain=fixed or n // 5, buckets=3, adjusted=False) for n in (20, 40, 60)]
        times = [_most_complex(coffee, config) for config in configs]
        exponents.append(np.polyfit(np.log([config.n for config in configs]), np.log(times), 1)[0])
    return {"exponent": cases(exponents, 2, "1")}


def _most_complex(coffee: CoffeeAutomaton, config: Any) -> int:
    """The number of steps after which the entropies of the picture's cells add up to most."""
    from scipy import special, stats

    n, averages = config.n, np.linspace(0, 1, config.n**2)
    buckets = np.asarray(coffee.discretise(config, averages.reshape(n, n))).ravel()
    cuts = averages[np.searchsorted(buckets, (1, 2))]
    size = (oracle.windows(n, config.grain) > 0).sum(1) * config.grain  # of windows around the middle column
    density, entropies = oracle.start(n).reshape(n, n).astype(float), []
    grid = np.unique(np.geomspace(max(1, n**2 / 400), n**2, 200).astype(int))
    for more in np.diff(grid, prepend=0):
        for _ in range(more):
            density = coffee.propagate(config, density)
        count = coffee.coarse_grain(config, density)[:, n // 2] * size
        below = [stats.poisson.cdf(np.ceil(cut * size) - 1, count) for cut in cuts]
        entropies.append(special.entr(np.diff([0 * size, *below, 1 + 0 * size], axis=0)).sum())
    return int(grid[np.argmax(entropies)])
