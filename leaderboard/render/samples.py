"""The samples of a record: drawn, arm by seed as a folded table, and as CSV. Texts are escaped."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape

import numpy as np

from leaderboard.board.downloads import sheet
from leaderboard.board.units import unit_suffix
from leaderboard.charts import samples as charts
from leaderboard.render import style
from leaderboard.render.components import footnote
from leaderboard.render.parts import Download, Html, PagePart
from repro.criterion.measurement import Sample
from repro.record.record import Record, SamplePart, as_sample, file_name

MOST = 50  # values that the table shows
HEADS = ("arm", "measurement", "unit", "seed", "point", "x", "x_unit", "value", "expected")


@dataclass(frozen=True)
class Value:
    """One number of a sample.

    Attributes:
        point: which one of its seed's numbers, from 1; 0 where there is one for each seed.
        x: where on the grid; None without one.
        value: None where it is not finite.
        expected: what exact reasoning demands; None where it demands nothing.
    """

    part: SamplePart
    seed: int
    point: int
    x: float | None
    value: float | None
    expected: float | None


def parts(record: Record) -> list[PagePart]:
    """The samples as charts, exact cases as a table; then as numbers, and all of them as CSV."""
    folded = table(record)
    file = Download(
        label="Download the samples (CSV)",
        name=file_name(record).replace(".json", ".csv"),
        mime="text/csv",
        content=lambda: as_csv(record),  # it may be long, and few ask for it
    )
    return [*(drawn(record) if record.samples else []), *([Html(folded), file] if folded else [])]


def drawn(record: Record) -> list[PagePart]:
    """The samples as charts, and as a table what exact reasoning decides."""
    try:
        samples, pictures = map(as_sample, charts.distinct(record)), charts.pictures(record)
        exact = [sample for sample in samples if sample.expected is not None]
        cases = [Html(found_cases(exact))] if exact else []
    except (ValueError, IndexError):  # a valid record may hold rows of unequal length
        return [Html(footnote("These samples have no common shape and cannot be drawn; the record has them."))]
    return [*cases, *pictures]


def found_cases(samples: Iterable[Sample]) -> str:
    """Exact samples: found against demanded, case by case where they are few, else by their extremes."""
    rows: list[tuple[str, ...]] = []
    for sample in samples:
        found = sample.values.ravel()
        wanted = np.broadcast_to(np.asarray(sample.expected, dtype=float), sample.values.shape).ravel()
        name = escape(f"{sample.arm}, {sample.measurement.replace('_', ' ')}")
        if found.size <= charts.FEW:
            cases = enumerate(zip(found, wanted, strict=True), start=1)
            rows += [(name, str(i), _amount(f, sample), _amount(w, sample), _amount(f - w)) for i, (f, w) in cases]
        else:
            worst = np.abs(np.where(found == wanted, 0.0, found - wanted)).max()
            rows.append(
                (name, f"all {found.size:,}", _extremes(found, sample), _extremes(wanted, sample), _amount(worst))
            )
    return style.wrap(style.table(("Measurement", "Case", "Found", "Demanded", "Difference"), rows))


def _amount(value: float, sample: Sample | None = None) -> str:
    if not np.isfinite(value):
        return "diverged"
    return f'<span class="value">{style.amount(float(value), sample.unit if sample else "1")}</span>'


def _extremes(values: np.ndarray, sample: Sample) -> str:
    low, high = values.min(), values.max()
    return _amount(low, sample) if low == high else f"{_amount(low)} to {_amount(high, sample)}"


def count(record: Record) -> int:
    """How many numbers there are."""
    return sum(len(row) if isinstance(row, tuple) else 1 for part in charts.distinct(record) for row in part.values)


def values(record: Record) -> Iterator[Value]:
    """Every number, in the record's order."""
    for part in charts.distinct(record):
        for i, (seed, row) in enumerate(zip(part.seeds, part.values, strict=True)):
            if not isinstance(row, tuple):
                yield Value(part, seed, 0, None, row, _at(part.expected, i))
                continue
            for k, value in enumerate(row):
                yield Value(part, seed, k + 1, _at(part.x, k), value, _at(part.expected, k))


def _at(numbers: float | tuple[float | None, ...] | None, place: int) -> float | None:
    """The number at a place; a single one stands at every place."""
    if not isinstance(numbers, tuple):
        return numbers
    return numbers[place] if place < len(numbers) else None


def table(record: Record, most: int = MOST) -> str:
    """The first numbers, folded; "" where there are none."""
    every, shown = count(record), list(itertools.islice(values(record), most))
    if not shown:
        return ""
    points, wanted = any(one.point for one in shown), any(one.expected is not None for one in shown)
    heads = ["Arm", "Measurement", "Seed", *["At"] * points, "Value", *["Demanded"] * wanted]
    rows = [
        (
            f'<span class="mono">{escape(one.part.arm)}</span>',
            escape(one.part.measurement.replace("_", " ")),
            str(one.seed),
            *[_place(one)] * points,
            _value(one),
            *["&ndash;" if one.expected is None else _number(one.expected, one.part.unit)] * wanted,
        )
        for one in shown
    ]
    more = f"{len(shown)} of {every:,} shown" if every > len(shown) else f"all {every:,}"
    rest = f'<p class="soft small">{len(shown)} of {every:,} shown; the CSV has all.</p>' if every > len(shown) else ""
    return style.wrap(
        f"<details><summary>Arm by seed, as numbers: {more}</summary>{style.table(heads, rows)}{rest}</details>"
    )


def _place(one: Value) -> str:
    if not one.point:
        return "&ndash;"
    return f"point {one.point}" if one.x is None else _number(one.x, one.part.x_unit)


def _value(one: Value) -> str:
    if one.value is not None:
        return _number(one.value, one.part.unit)
    return "not finite" if one.point else "diverged, or not finite"


def _number(value: float, unit: str) -> str:
    shown = f"{int(value):,}" if abs(value) < 1e15 and value == int(value) else f"{value:.8g}"
    return f'<span class="value">{escape(shown + unit_suffix(unit))}</span>'


def as_csv(record: Record) -> str:
    """Every number with all its digits."""
    lost = "not finite"
    rows = (
        (
            *(one.part.arm, one.part.measurement, one.part.unit, one.seed, one.point or "", one.x, one.part.x_unit),
            lost if one.value is None else one.value,
            one.expected,
        )
        for one in values(record)
    )
    return sheet(HEADS, rows)
