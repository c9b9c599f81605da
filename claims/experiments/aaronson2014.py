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
from itertools import combinations
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from repro import Experiment, Measurements, Setting, curve, scalar
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
class EntropyCurve(Experiment):
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
class LargestEntropy(Experiment):
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
class ComplexityCurve(Experiment):
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
class AgainstShuffled(Experiment):
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
class Peaks(Experiment):
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
