"""How the coffee automaton is measured: the contract, and experiments that turn its states into numbers.

Sizes of compressed files are only ever compared with one another, never with a number of bytes from elsewhere:
they depend on the version of zlib. Where a scaling law is fitted, the size of the same array filled with zeros
is subtracted first, since a file's header is not information about the cup.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from repro import Measurements, Setting, cases, curve, scalar
from repro.task import Simulator

SIZES = (20, 30, 40, 50, 60, 70)


class CoffeeAutomaton(Simulator, Protocol):
    """The contract: both models, the picture taken of a cup, and what the appendix computes.

    States are [..., n, n] cream particles per cell; pairs are flat indices of cells, [M, 2].
    """

    def swappable(self, config: Any, state: NDArray[Any]) -> NDArray[Any]:
        """The pairs [M, 2] of which the interacting model swaps one, each with the same probability."""
        ...

    def propagate(self, config: Any, density: NDArray[Any]) -> NDArray[Any]:
        """Expected particles per cell [n, n] one step of the non-interacting model later."""
        ...

    def coarse_grain(self, config: Any, states: NDArray[Any]) -> NDArray[Any]:
        """Means over the window around each cell, [..., n, n]."""
        ...

    def discretise(self, config: Any, averages: NDArray[Any]) -> NDArray[Any]:
        """Buckets of averages [..., n, n], adjusted if the config says so."""
        ...

    def compress(self, payload: bytes, compressor: Any) -> bytes:
        """A "gzip", "bz2" or "lzma" file that unpacks to `payload`."""
        ...

    def bad_block_bound(self, side: int, buckets: int, expected: float) -> float:
        """Eq. 15: bound on the chance that a block's count is far from what is expected."""
        ...


def _size(coffee: CoffeeAutomaton, payload: bytes, compressor: str = "gzip") -> float:
    """Bytes of a compressed file; NaN if it does not unpack to what went in, and to no more."""
    packed = coffee.compress(payload, compressor)
    unpack = {
        "gzip": lambda: zlib.decompressobj(wbits=31),
        "bz2": bz2.BZ2Decompressor,
        "lzma": lambda: lzma.LZMADecompressor(memlimit=1 << 27),
    }[compressor]()
    try:
        same = unpack.decompress(packed, len(payload) + 1) == payload and unpack.eof and not unpack.unused_data
    except (zlib.error, OSError, EOFError, lzma.LZMAError):
        same = False
    return float(len(packed)) if same else np.nan


def _fine(config: Any, state: NDArray[Any]) -> bytes:
    """The array whose compressed size estimates entropy: a bit per cell, or a byte where cells hold several."""
    return np.packbits(state).tobytes() if config.interacting else state.astype(np.uint8).tobytes()


def _sizes(coffee: CoffeeAutomaton, pictures: NDArray[Any], compressor: str = "gzip") -> NDArray[Any]:
    """Bytes of each picture [T, n, n], a byte per cell, compressed: [T]."""
    return np.array([_size(coffee, picture.astype(np.uint8).tobytes(), compressor) for picture in pictures])


def _complexity(coffee: CoffeeAutomaton, config: Any, states: NDArray[Any]) -> NDArray[Any]:
    """Apparent complexity of states [T, n, n]: bytes of each coarse picture by gzip, [T]."""
    return _sizes(coffee, coffee.discretise(config, coffee.coarse_grain(config, states)))


def _sweep(config: Any) -> int:
    """Ticks in which every particle moves about twice: n**2 swaps, or one step of all particles."""
    return config.n**2 if config.interacting else 1


def _log_times(config: Any, last: float, points: int, first: float = 1) -> NDArray[np.int64]:
    """Ascending whole ticks, evenly spaced in their logarithm, from `first` ticks to `last` * n**2 sweeps."""
    end = last * config.n**2 * _sweep(config)
    return np.unique(np.geomspace(first, end, points).astype(np.int64))


def _smooth(values: NDArray[Any], width: int) -> NDArray[Any]:
    kernel = np.ones(width)
    return np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")


def _mean_over_cups(coffee: CoffeeAutomaton, config: Any, times: Any, seed: int, cups: int, measure: Any) -> Any:
    """Mean of `measure(states, cup's seed)` over cups; seeds of cups never coincide between trials."""
    seeds = range(seed * cups, (seed + 1) * cups)
    return np.mean([measure(coffee.simulate(config, times, seed=own), own) for own in seeds], axis=0)


@dataclass(frozen=True, kw_only=True)
class EntropyCurve:
    """The entropy estimate while a cup mixes, as a mean over cups.

    Attributes:
        last: when it ends, in units of n**2 sweeps; soon after, the estimate sits at its ceiling.
    """

    last: float
    cups: int = 12
    points: int = 14

    def __call__(self, coffee: CoffeeAutomaton, setting: Setting) -> Measurements:
        """Bytes over time."""
        config = setting.config
        grid = _log_times(config, self.last, self.points)

        def sizes(states: NDArray[Any], _: int) -> list[float]:
            return [_size(coffee, _fine(config, state)) for state in states]

        entropy = _mean_over_cups(coffee, config, grid, setting.seed, self.cups, sizes)
        return {"entropy": curve(grid, entropy, unit="B", x_unit="ticks")}


@dataclass(frozen=True, kw_only=True)
class LargestEntropy:
    """The largest entropy estimate of a cup, for several sizes."""

    sizes: tuple[int, ...]

    def __call__(self, coffee: CoffeeAutomaton, setting: Setting) -> Measurements:
        """Largest size in bytes over that of an empty cup, and how well a parabola fits it."""
        largest = []
        for n in self.sizes:
            config = replace(setting.config, n=n)
            states = coffee.simulate(config, _log_times(config, 0.125, 10).tolist(), seed=setting.seed)
            empty = _size(coffee, _fine(config, np.zeros((n, n), np.uint8)))
            largest.append(max(_size(coffee, _fine(config, state)) for state in states) - empty)
        return {
            "largest": curve(self.sizes, largest, unit="B", x_unit="cells"),
            "quadratic_r2": scalar(_r2(self.sizes, largest, 2), "r2"),
        }


@dataclass(frozen=True, kw_only=True)
class ComplexityCurve:
    """Complexity from start to mixed, by three compressors, as a mean over cups.

    Attributes:
        last: when it ends, in units of n**2 sweeps.
    """

    last: float
    cups: int = 3
    points: int = 40

    def __call__(self, coffee: CoffeeAutomaton, setting: Setting) -> Measurements:
        """The curve by gzip, the least rank correlation of two curves, and how far apart their peaks lie."""
        config = setting.config
        grid = _log_times(config, self.last, self.points)

        def sizes(states: NDArray[Any], _: int) -> list[NDArray[Any]]:
            pictures = coffee.discretise(config, coffee.coarse_grain(config, states))
            return [_sizes(coffee, pictures, name) for name in ("gzip", "bz2", "lzma")]

        curves = _mean_over_cups(coffee, config, grid, setting.seed, self.cups, sizes)
        peaks = [int(_smooth(values, 5).argmax()) for values in curves]
        return {
            "complexity": curve(grid, curves[0], unit="B", x_unit="ticks"),
            "agreement": scalar(min(_spearman(a, b) for a, b in combinations(curves, 2)), "1"),
            "peaks_apart": scalar(max(peaks) - min(peaks), "grid cells"),
        }


def _spearman(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Rank correlation; NaN where one of the two is constant."""
    from scipy.stats import rankdata

    if not (np.isfinite([a, b]).all() and np.ptp(a) and np.ptp(b)):
        return np.nan
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


@dataclass(frozen=True, kw_only=True)
class AgainstShuffled:
    """Complexity of a cup, and of the same cup with the cells of every row shuffled, each a mean over cups.

    Shuffling keeps the number of particles in each row and forgets where they are: what is left is the profile
    of densities from top to bottom. Adjusted pictures have 7 buckets, others 3.
    """

    last: float
    cups: int = 2
    points: int = 32

    def __call__(self, coffee: CoffeeAutomaton, setting: Setting) -> Measurements:
        """The largest value of each kind, smoothed over 5 points."""
        plain = setting.config
        grid = _log_times(plain, self.last, self.points, first=plain.n)

        def sizes(states: NDArray[Any], seed: int) -> list[NDArray[Any]]:
            shuffled = np.random.default_rng([seed, 1]).permuted(states, axis=2)
            averages = [coffee.coarse_grain(plain, cups) for cups in (states, shuffled)]
            looks = (plain, replace(plain, buckets=7, adjusted=True))
            return [_sizes(coffee, coffee.discretise(look, means)) for look in looks for means in averages]

        curves = _mean_over_cups(coffee, plain, grid, setting.seed, self.cups, sizes)
        names = ("peak", "peak_shuffled", "adjusted_peak", "adjusted_peak_shuffled")
        return {name: scalar(_smooth(values, 5).max(), "B") for name, values in zip(names, curves, strict=True)}


@dataclass(frozen=True, kw_only=True)
class AdjustedPeaks:
    """The largest complexity of the adjusted picture for several grains, and that at the start."""

    last: float
    grains: tuple[int, ...]
    points: int = 40

    def __call__(self, coffee: CoffeeAutomaton, setting: Setting) -> Measurements:
        """Measure one cup."""
        grid = _log_times(setting.config, self.last, self.points)
        states = coffee.simulate(setting.config, [0, *grid], seed=setting.seed)
        found = {}
        for grain in self.grains:
            sizes = _complexity(coffee, replace(setting.config, grain=grain, buckets=7, adjusted=True), states)
            found[f"start, grain {grain}"] = scalar(sizes[0], "B")
            found[f"peak, grain {grain}"] = scalar(sizes.max(), "B")
        return found


@dataclass(frozen=True, kw_only=True)
class Peaks:
    """Height and time of the complexity peak for several sizes, each from the mean over cups.

    Attributes:
        last: when each cup ends, in units of n**2 sweeps.
        grain: cells along the averaging window at every size, or None for a fifth of the cup.
    """

    last: float
    grain: int | None = None
    sizes: tuple[int, ...] = SIZES
    cups: int = 3
    points: int = 72

    def __call__(self, coffee: CoffeeAutomaton, setting: Setting) -> Measurements:
        """Largest complexity over that of an empty picture, and the middle of the peak in ticks and in sweeps."""
        configs = [replace(setting.config, n=n, grain=self.grain or n // 5) for n in self.sizes]
        heights, ticks = np.array([self._peak(coffee, config, setting.seed) for config in configs]).T
        return {
            "height": curve(self.sizes, heights, unit="B", x_unit="cells"),
            "linear_r2": scalar(_r2(self.sizes, heights, 1), "r2"),
            "ticks": curve(self.sizes, ticks, unit="ticks", x_unit="cells"),
            "sweeps": curve(self.sizes, ticks / [_sweep(c) for c in configs], unit="sweeps", x_unit="cells"),
        }

    def _peak(self, coffee: CoffeeAutomaton, config: Any, seed: int) -> tuple[float, float]:
        """Height of the peak, a mean of three points, and its time: the centre of its upper third in log time."""
        grid = _log_times(config, self.last, self.points, first=max(1, _sweep(config) ** 0.5 / 4))

        def sizes(states: NDArray[Any], _: int) -> NDArray[Any]:
            return _complexity(coffee, config, states)

        mean = _mean_over_cups(coffee, config, grid, seed, self.cups, sizes) - _size(coffee, bytes(config.n**2))
        smooth = _smooth(mean, 5)
        upper = np.clip(smooth - 2 / 3 * smooth.max(), 0, None)
        if not np.isfinite(mean).all() or not upper.any():
            return np.nan, np.nan
        return float(_smooth(mean, 3).max()), float(np.exp(upper @ np.log(grid) / upper.sum()))


def _r2(x: Sequence[int], y: Sequence[float] | NDArray[Any], degree: int) -> float:
    """Share of the variance that a polynomial explains, as the figures print it; NaN where there is none."""
    values = np.asarray(y, dtype=float)
    if not np.isfinite(values).all() or not np.ptp(values):
        return np.nan
    residuals = values - np.polyval(np.polyfit(x, values, degree), x)
    return float(1 - residuals.var() / values.var())


# Exact checks


def swaps(coffee: CoffeeAutomaton, setting: Setting) -> Measurements:
    """100,000 swaps on a 20 x 20 cup, checked one by one; the extremes of each thousand are kept."""
    config = replace(setting.config, n=20, grain=4)
    y, x = np.indices((20, 20), dtype=np.float32).reshape(2, -1)
    states = coffee.simulate(config, range(100_001), seed=setting.seed).reshape(100_001, -1)
    found: dict[str, list[float]] = {"changed": [], "gained": [], "moved": []}
    for first in range(0, 100_000, 1000):
        change = np.diff(states[first : first + 1001].astype(np.float32), axis=0)
        distance = np.abs(change @ y) + np.abs(change @ x)
        for name, values in zip(found, (np.abs(change).sum(axis=1), change.sum(axis=1), distance), strict=True):
            found[name] += [values.min(), values.max()]
    return {
        "changed": cases(found["changed"], 2, "cells per swap"),
        "gained": cases(found["gained"], 0, "particles per swap"),
        "moved": cases(found["moved"], 1, "cells"),
    }


def small_cup(coffee: CoffeeAutomaton, setting: Setting) -> Measurements:
    """The whole chain of 4 particles on 3 x 3 cells: 126 states, 12 pairs of neighbours.

    Choosing any pair, and swapping if it differs, is symmetric, so all states are equally likely in the end.
    Choosing among the differing pairs only makes a state as likely as it has such pairs. The simulated cup is
    followed for 100,000 swaps and its visits are compared with that.
    """
    config = replace(setting.config, n=3, grain=1)
    members = list(combinations(range(9), 4))
    index = {sum(1 << cell for cell in cells): k for k, cells in enumerate(members)}
    slides, exits = np.zeros((126, 126)), np.zeros(126)
    for k, cells in enumerate(members):
        state = np.bincount(cells, minlength=9).astype(np.uint8)
        pairs = np.asarray(coffee.swappable(config, state.reshape(3, 3)))
        exits[k] = len(pairs)
        for i, j in pairs:
            after = state.copy()
            after[[i, j]] = after[[j, i]]
            slides[k, index.get(int(after @ (1 << np.arange(9))), k)] += 1 / 12
    slides += np.diag(1 - slides.sum(axis=1))
    jumps = (slides - np.diag(np.diag(slides))) * 12 / exits[:, None]
    stationary = exits / exits.sum()
    states = coffee.simulate(config, range(100_000), seed=setting.seed).reshape(-1, 9).astype(np.int64)
    codes = np.bincount(np.clip(states @ (1 << np.arange(9)), 0, 511), minlength=512)
    visits = codes[list(index)] / len(states)
    return {
        "asymmetry": cases(np.abs(slides - slides.T).max(axis=1), 0, "probability"),
        "drift": cases(stationary @ jumps, stationary, "probability"),
        "visits_off": cases([np.abs(visits - stationary).sum() / 2], 0, "total variation"),
    }


def window_means(coffee: CoffeeAutomaton, setting: Setting) -> Measurements:
    """Random cups coarse-grained with odd windows, against a loop over cells."""
    rng = np.random.default_rng(setting.seed)
    found, expected = [], []
    for n, grain in ((5, 3), (9, 3), (12, 5), (20, 7)):
        state = rng.integers(0, 2, (n, n), dtype=np.uint8)
        found += list(coffee.coarse_grain(replace(setting.config, n=n, grain=grain), state).ravel())
        for y, x in product(range(n), repeat=2):
            half = grain // 2
            window = state[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1]
            expected.append(window.mean())
    return {"means": cases(found, expected, "particles per cell")}


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
