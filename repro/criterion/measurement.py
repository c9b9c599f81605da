"""What a trial measures, and a measurement over seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Better = Literal["lower", "higher"]
"""Which way a quantity improves; None for exact cases and for quantities that are neither good nor bad."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Measurement:
    """One named quantity of one trial.

    Attributes:
        value: a number, or an array [K] over a grid or over cases. NaN and infinities mean "diverged".
        unit: unit of `value`; "1" for a pure number.
        x: the grid [K] that `value` runs over (times, sizes), if it is a curve.
        x_unit: unit of `x`.
        expected: what exact reasoning says `value` must be, [K] or a number, for claims judged by `holds`.
        better: which way the quantity improves, if it does.
    """

    value: float | Array
    unit: str
    x: Array | None = None
    x_unit: str = ""
    expected: float | Array | None = None
    better: Better | None = None


def scalar(value: float, unit: str, better: Better | None = None) -> Measurement:
    """One number."""
    return Measurement(value=float(value), unit=unit, better=better)


def curve(x: ArrayLike, value: ArrayLike, *, unit: str, x_unit: str, better: Better | None = None) -> Measurement:
    """A quantity [K] over a grid x [K]."""
    xs, ys = np.asarray(x, dtype=float), np.asarray(value, dtype=float)
    if xs.ndim != 1 or xs.shape != ys.shape:
        raise ValueError(f"a curve needs two equal one-dimensional arrays, got {xs.shape} and {ys.shape}")
    return Measurement(value=ys, unit=unit, x=xs, x_unit=x_unit, better=better)


def cases(value: ArrayLike, expected: ArrayLike, unit: str) -> Measurement:
    """Values [K] found and the values [K] (or one value) that exact reasoning demands."""
    found, wanted = np.asarray(value, dtype=float), np.asarray(expected, dtype=float)
    if wanted.ndim and wanted.shape != found.shape:
        raise ValueError(f"{found.shape} values against {wanted.shape} expected ones")
    return Measurement(value=found, unit=unit, expected=wanted)


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """A measurement over seeds: what a criterion judges.

    Attributes:
        arm: the arm of the claim that was run, such as "plain depth=42".
        measurement: name of the quantity, such as "train_error".
        seeds: the seeds [S], in the order of `values`.
        values: raw values per seed, [S] or [S, K].
        x: grid [K] shared by all seeds, or None.
        expected: values [K] that exact reasoning demands, or None.
        better: which way the quantity improves, if it does.
    """

    arm: str
    measurement: str
    unit: str
    seeds: tuple[int, ...]
    values: Array
    x: Array | None = None
    x_unit: str = ""
    expected: Array | None = None
    better: Better | None = None

    def __post_init__(self) -> None:
        if len(self.seeds) != len(self.values):
            raise ValueError(f"{len(self.seeds)} seeds but {len(self.values)} values")

    @property
    def diverged(self) -> int:
        """How many seeds gave a value that is not finite."""
        finite = np.isfinite(self.values).reshape(len(self.values), -1).all(axis=1)
        return int((~finite).sum())
