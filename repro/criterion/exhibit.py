"""Exhibits: a small array with named axes that a trial records for a picture. No criterion judges one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from repro.criterion.measurement import Array
from repro.paper import PLACES

NUMBERS = 8192  # of one exhibit
LARGEST = 1e30  # what a picture can show; a number beyond it has diverged
SERIES = 8  # lines, groups of bars or kinds of points that a picture shows
PANELS = 6  # images side by side
NAME = 60  # letters of a name, a unit or a label
SENTENCE = 240  # letters of what a picture shows
AXES = {"lines": 1, "bars": 1, "points": 2, "image": 2}
"""How many axes each kind has; one more, before the others, is for series or panels."""

FINITE = f"an exhibit holds finite numbers up to {LARGEST:g}, or NaN where there is none"

ExhibitKind = Literal["lines", "bars", "points", "image"]


class Axis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named axis of an exhibit.

    Attributes:
        name: what runs along it, such as "layers".
        at: its coordinates, all of them finite numbers or all of them labels, each label once.
        unit: of the numbers; "1" for pure numbers and for labels.

    Raises:
        ValueError: if a text is empty, too long or not printable, or the coordinates are mixed, doubled or not finite.
    """

    name: str
    at: Annotated[tuple[float | str, ...], msgspec.Meta(min_length=1, max_length=NUMBERS)]
    unit: str = "1"

    def __post_init__(self) -> None:
        for text in (self.name, self.unit, *self.labels):
            _check_text(text, NAME)
        if self.labels and (len(self.labels) < len(self.at) or len(set(self.labels)) < len(self.at)):
            raise ValueError(f"the axis {self.name!r} mixes labels with numbers, or has a label twice")
        if not all(isinstance(one, str) or abs(one) <= LARGEST for one in self.at):
            raise ValueError(f"the axis {self.name!r} has a coordinate that is not finite, or above {LARGEST:g}")

    @property
    def labels(self) -> tuple[str, ...]:
        """The coordinates that are labels: all or none."""
        return tuple(one for one in self.at if isinstance(one, str))


class Exhibit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A small array for a picture, as caches and records keep it; see `exhibit`, which makes one.

    Attributes:
        numbers: the array, flat, the last axis fastest; None where there is no value.
        axes: one for each dimension of the array.
        joined: of "points", the series whose points are joined by a line, in their order.

    Raises:
        ValueError: if it is too large, the axes are not those of its kind, or a text is not fit to be shown.
    """

    kind: ExhibitKind
    numbers: Annotated[tuple[float | None, ...], msgspec.Meta(min_length=1, max_length=NUMBERS)]
    axes: Annotated[tuple[Axis, ...], msgspec.Meta(min_length=1, max_length=3)]
    unit: str
    place: str
    says: str
    joined: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_text(self.unit, NAME)
        _check_text(self.says, SENTENCE)
        _check_text(self.place, NAME)
        if not self.place.startswith(PLACES):
            raise ValueError(f"an exhibit needs a place in the paper, such as 'Figure 2', not {self.place!r}")
        if len(self.numbers) > NUMBERS:
            raise ValueError(f"an exhibit holds at most {NUMBERS:,} numbers, not {len(self.numbers):,}: thin it out")
        if not all(one is None or abs(one) <= LARGEST for one in self.numbers):
            raise ValueError(FINITE)
        if math.prod(self.shape) != len(self.numbers):
            raise ValueError(f"{len(self.numbers)} numbers do not fill axes of {self.shape} coordinates")
        self._check_axes()

    def _check_axes(self) -> None:
        own, series = AXES[self.kind], self.series
        if len(self.axes) not in (own, own + 1):
            raise ValueError(f"an exhibit of {self.kind} has {own} or {own + 1} axes, not {len(self.axes)}")
        most = PANELS if self.kind == "image" else SERIES
        if series is not None and len(series.at) > most:
            raise ValueError(f"the axis {series.name!r} has {len(series.at)} coordinates; {most} can be told apart")
        last = self.axes[-1]
        if self.kind == "lines" and last.labels:
            raise ValueError(f"lines run over numbers, and the axis {last.name!r} has labels")
        if self.kind == "points" and len(last.labels) not in (2, 3):
            raise ValueError("the last axis of points names the two coordinates, and a third that is shown as colour")
        known = series.labels if series and self.kind == "points" else ()
        if strange := [name for name in self.joined if name not in known]:
            raise ValueError(f"{strange[0]!r} is to be joined, and is no series of points")

    @property
    def series(self) -> Axis | None:
        """The axis of the series or panels, if there is one."""
        return self.axes[0] if len(self.axes) > AXES[self.kind] else None

    @property
    def shape(self) -> tuple[int, ...]:
        """How many coordinates each axis has."""
        return tuple(len(axis.at) for axis in self.axes)

    @property
    def value(self) -> Array:
        """The numbers in their shape, NaN where there is none."""
        return np.asarray(self.numbers, dtype=float).reshape(self.shape)


class ExhibitPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one trial recorded for a picture, as records keep it.

    Attributes:
        measurement: its name among the trial's measurements.
        seed: of the trial, the first of its arm.
    """

    arm: str
    measurement: str
    seed: int
    exhibit: Exhibit


def axis(name: str, at: Iterable[float | str], unit: str = "1") -> Axis:
    """A named axis with its coordinates, numbers or labels.

    Raises:
        ValueError: see `Axis`.
    """
    return Axis(name, tuple(one if isinstance(one, str) else float(one) for one in at), unit)


def exhibit(
    values: ArrayLike,
    *axes: Axis,
    unit: str,
    kind: ExhibitKind,
    place: str,
    says: str,
    joined: Iterable[str] = (),
) -> Exhibit:
    """A small array for a picture, which an experiment returns among its measurements.

    Args:
        values: numbers, NaN where there is none, at most `NUMBERS`. By kind, S series or panels first where there are
            any: lines [S, K] over K numbers; bars [S, K] of K labels; points [S, K, 2] in the plane, or [S, K, 3] with
            a number that is shown as colour; image [S, rows, columns], the first row on top.
        axes: one for each dimension, in their order.
        unit: of the values.
        kind: how they are drawn.
        place: where the paper has such a picture, such as "Figure 2".
        says: in a sentence, what the picture shows.
        joined: of points, the series whose points are joined by a line, in their order.

    Raises:
        ValueError: for anything else; see `Exhibit`.
    """
    array = np.asarray(values, dtype=float)
    shape = tuple(len(one.at) for one in axes)
    if array.shape != shape:
        raise ValueError(f"an exhibit of values {array.shape} needs axes of as many coordinates, not {shape}")
    flat = tuple(None if math.isnan(one) else one for one in array.ravel().tolist())
    return Exhibit(kind=kind, numbers=flat, axes=axes, unit=unit, place=place, says=says, joined=tuple(joined))


def _check_text(text: str, most: int) -> None:
    if not text or len(text) > most or not text.isprintable():
        raise ValueError(f"a text of an exhibit has 1 to {most} printable letters, not {text[:most]!r}")
