"""How complexodynamics is measured: the contract, and complextropy over time."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from claims.oracles import aaronson2011 as oracle
from repro import Experiment, Measurements, Setting, cases, curve, scalar
from repro.task import Simulator

STROKES = (0, 1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 32, 48, 64)
Array = NDArray[Any]


class Complexodynamics(Simulator, Protocol):
    """The contract: systems, what a state can be computed from, and the programs that sample sets of pictures.

    Config fields: `system`, `n`, `amplitude`, `rule`, `slack`.

    "exclusion" is the cup of aaronson2014's interacting model. "stirred" starts with the same half of cream and has no
    walls. Stroke 1, 3, ... moves column x down, stroke 2, 4, ... row y to the right, by round(amplitude * n *
    sin(2 pi y / n)) cells. After each, the four cells of every block of 2 x 2 change places at random, all 24 orders
    alike; the grid of blocks begins at row 0 or 1 and column 0 or 1, drawn anew for each stroke.
    "ring": next[i] = rule(now[i - 1], now[i], now[i + 1]) xor before[i], from a single 1 at n // 2 and no 1 before.

    Bits are arrays [L]; they, states and pictures hold 0 and 1, in any dtype. gamma(v) is Elias's code: floor(log2 v)
    zeros, then v in binary. A description is gamma(rule + 1) gamma(n + 1) gamma(time + 1). A program is gamma(rows)
    gamma(columns) gamma(height) gamma(width) and the cream of each block, row by row, in as many digits as the number
    of the block's cells has; heights and widths are powers of two or the whole side, and the last blocks are cut off.
    """

    def describe(self, config: Any, time: int) -> Array:
        """The description of a ring's state at a time."""
        ...

    def replay(self, description: Array) -> Array:
        """The state [n] of the ring that is described."""
        ...

    def pseudorandom(self, multiplier: int, increment: int, start: int, count: int) -> bytes:
        """The high bytes of `count` steps of x <- multiplier x + increment mod 2**64."""
        ...

    def program(self, config: Any, state: Array) -> Array:
        """The shortest program of a set S that is generic of a picture [rows, columns].

        Of all grids, those count of which program and log2 |S| are at most `slack` bits above the least of any.
        """
        ...

    def sample(self, program: Array, count: int, *, seed: int) -> Array:
        """Independent, uniform pictures [count, rows, columns] from the program's set, also where a block is large."""
        ...


def bits_of(found: Any) -> list[int]:
    """The bits of a program or description; one that is none if anything else was returned."""
    array = np.asarray(found)
    return array.astype(int).tolist() if array.ndim == 1 and array.size and np.isin(array, (0, 1)).all() else [0]


def whole_bits(program: list[int], picture: Array) -> float:
    """Bits of a program and of a picture's index in its set; NaN if the picture is not in it."""
    return len(program) + oracle.index_bits(program) if oracle.contains(program, picture) else np.nan


def packed_bits(state: Array) -> float:
    """Bits of a state's cells, eight to a byte, compressed by gzip: an upper bound on Kolmogorov complexity."""
    return 8.0 * len(gzip.compress(np.packbits(np.asarray(state) != 0).tobytes(), mtime=0))


def rival_bits(picture: Array) -> int:
    """The fewest bits of a picture by zlib, bz2 and lzma, without headers where there is a choice."""
    payload = np.packbits(picture != 0).tobytes()
    raw = lzma.compress(payload, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA1, "preset": 6}])
    return 8 * min(map(len, (zlib.compress(payload, 9, -15), bz2.compress(payload), raw)))


def cups(system: Complexodynamics, config: Any, seed: int, last: float = 0.2, points: int = 20) -> tuple[Array, Array]:
    """Times [T] and states [T, n, n] of a cup: after some strokes, or after 1 to `last` n**4 swaps."""
    if config.system == "stirred":
        states = np.asarray(system.simulate(config, range(STROKES[-1] + 1), seed=seed))
        return np.array(STROKES), states[list(STROKES)]
    swaps = np.unique(np.geomspace(1, last * config.n**4, points).astype(int))
    return swaps, np.asarray(system.simulate(config, swaps.tolist(), seed=seed))


def _length(system: Complexodynamics, config: Any, picture: Array) -> float:
    program = bits_of(system.program(config, picture))
    return float(len(program)) if oracle.contains(program, picture) else np.nan


@dataclass(frozen=True, kw_only=True)
class ComplextropyCurve(Experiment):
    """Complextropy and entropy of a cup over time, as means over cups.

    Attributes:
        last: when a cup without stirring ends, in units of n**4 swaps.
        mixed: the same for the curve of rising entropy, which soon after sits at its ceiling.
        strokes: the last stroke of that curve in a stirred cup.

    Measures:
        complextropy: bits of the shortest program that samples a set of which the cup is generic.
        shuffled: the same once the cells of each row are shuffled, which leaves the profile from top to bottom alone.
        entropy: bits of the cells by gzip, for Kolmogorov complexity.
        rising: the same, up to when the cup is mixed.
        peak, peak_shuffled, end: of the first two curves, smoothed over 3 points.
    """

    last: float = 0.2
    mixed: float = 0.02
    strokes: int = 20
    cups: int
    points: int = 20

    def __call__(self, system: Complexodynamics, setting: Setting) -> Measurements:
        """Measure some cups."""
        config, found, grid = setting.config, [], np.zeros(0)
        for own in range(setting.seed * self.cups, (setting.seed + 1) * self.cups):
            grid, states = cups(system, config, own, self.last, self.points)
            shuffled = np.random.default_rng([own, 1]).permuted(states, axis=2)
            lengths = [[_length(system, config, cup) for cup in each] for each in (states, shuffled)]
            found.append([*lengths, [packed_bits(cup) for cup in states]])
        complextropy, profile, entropy = np.mean(found, axis=0)
        unit = "strokes" if config.system == "stirred" else "swaps"
        rising = grid <= (self.strokes if config.system == "stirred" else self.mixed * config.n**4)
        smooth, smooth_profile = (np.convolve(each, np.ones(3) / 3, "valid") for each in (complextropy, profile))
        return {
            "complextropy": curve(grid, complextropy, unit="bit", x_unit=unit),
            "shuffled": curve(grid, profile, unit="bit", x_unit=unit),
            "entropy": curve(grid, entropy, unit="bit", x_unit=unit),
            "rising": curve(grid[rising], entropy[rising], unit="bit", x_unit=unit),
            "peak": scalar(smooth.max(), "bit"),
            "peak_shuffled": scalar(smooth_profile.max(), "bit"),
            "end": scalar(smooth[-1], "bit"),
        }


def rivals(system: Complexodynamics, setting: Setting) -> Measurements:
    """Of a stirred cup from the fourth stroke on: bits by general compressors, against program and index less c.

    Before, while the border between cream and coffee is sharp, the shortest of them is up to 150 bits shorter: blocks
    cannot follow a border.
    """
    config, found, bounds = setting.config, [], []
    strokes, states = cups(system, config, setting.seed)
    for cup in states[strokes >= 4]:
        found.append(rival_bits(cup))
        bounds.append(whole_bits(bits_of(system.program(config, cup)), cup) - config.slack)
    return {"bits": cases(found, bounds, "bit")}
