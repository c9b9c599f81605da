"""Exact checks of the picture that is taken of a cup: averages, buckets, sizes of files, and when these peak."""

from __future__ import annotations

import gzip
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.aaronson2014 import CoffeeAutomaton, _fine, _size
from claims.oracles import aaronson2014 as oracle
from repro import Measurements, Setting, cases

BUCKETS = (3, 7)


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


def pictures(coffee: CoffeeAutomaton, setting: Setting) -> Measurements:
    """Given averages: their buckets, and the adjusted picture. Of pictures of cups: their sizes, by Python's gzip.

    Averages lie about the middle of buckets, and every row has one most frequent bucket, since the paper prints neither
    the cuts nor what happens to a tie: of three buckets values within 0.1 of 0, 0.5 and 1 are known, by Section 5.1. Of
    other averages none is in a lower bucket than a smaller one.
    """
    rng, found, expected = np.random.default_rng(setting.seed), [], []
    looks = ((3, np.array([0, 0.5, 1]), 0.1), (7, (np.arange(7) + 0.5) / 7, 0.01))
    payloads = [bytes(n * n) for n in (40, 100)]
    for n, (buckets, middles, about) in product((40, 100), looks):
        wanted = _rows(n, buckets, rng)
        plain = replace(setting.config, n=n, grain=1, buckets=buckets, adjusted=False)
        near = np.clip(middles[wanted] + rng.uniform(-about, about, (n, n)), 0, 1)
        found += [coffee.discretise(plain, near), coffee.discretise(replace(plain, adjusted=True), near)]
        averages = rng.random((n, n))
        ascending = coffee.discretise(plain, averages).ravel()[averages.ravel().argsort()].astype(int)
        found.append(np.minimum(np.diff(ascending), 0))
        expected += [wanted, oracle.adjusted(wanted), np.zeros(n * n - 1)]
        payloads.append(wanted.astype(np.uint8).tobytes())
    return {
        "buckets": cases(np.concatenate(found, axis=None), np.concatenate(expected, axis=None), "buckets"),
        "size": cases(_by_gzip(coffee, payloads + _of_cups(coffee, setting)), 1, "1"),
    }


def _rows(n: int, buckets: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Buckets [n, n]: in each row one has two fifths of the cells, and is often neither median nor mean."""
    most, others = rng.integers(0, buckets, (n, 1)), 1 + np.arange(n - 2 * n // 5) % (buckets - 1)
    return rng.permuted((most + np.concatenate([np.zeros(2 * n // 5, int), others])) % buckets, axis=1)


def _of_cups(coffee: CoffeeAutomaton, setting: Setting) -> list[bytes]:
    """What is compressed of cups of both models while they mix: their cells, and their pictures."""
    payloads = []
    for interacting, (n, grain) in product((True, False), ((20, 4), (60, 12), (100, 10))):
        config = replace(setting.config, n=n, grain=grain, interacting=interacting)
        times = np.geomspace(1, n**2 / 50 * (n**2 if interacting else 1), 6).astype(int)
        states = coffee.simulate(config, times.tolist(), seed=setting.seed)
        payloads += [_fine(config, state) for state in states]
        for buckets in BUCKETS:
            look = replace(config, buckets=buckets, adjusted=buckets == 7)
            found = coffee.discretise(look, coffee.coarse_grain(look, states))
            payloads += [picture.astype(np.uint8).tobytes() for picture in found]
    return payloads


def _by_gzip(coffee: CoffeeAutomaton, payloads: list[bytes]) -> NDArray[Any]:
    """Sizes of compressed files by those of Python's own, at the one of its levels that they are nearest to."""
    found = np.array([_size(coffee, payload) for payload in payloads])
    ratios = [found / [len(gzip.compress(payload, level)) for payload in payloads] for level in range(1, 10)]
    return min(ratios, key=lambda ratio: np.abs(ratio - 1).max())


def expected_peak(coffee: CoffeeAutomaton, setting: Setting) -> Measurements:
    """Exponent in n of the time of the largest complexity without interaction, by exact propagation: nothing is drawn.

    A window's count is Poisson of its expectation, as in a large cup, so each cell of the picture is in each of three
    buckets with a known chance. The sum of the cells' entropies stands for complexity (our surrogate). Windows are a
    fifth of the cup wide, and 7 cells in all cups. Windows are wide enough that it does not matter whether cuts between
    buckets, which the paper does not print, are a quarter or a third from 0 and 1.
    """
    exponents = []
    for fixed in (0, 7):
        configs = [replace(setting.config, n=n, grain=fixed or n // 5, buckets=3, adjusted=False) for n in (40, 60, 80)]
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
