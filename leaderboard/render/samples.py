"""The samples of a record as numbers: arm by seed, as a folded table and as CSV. Texts are escaped."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from leaderboard import style
from leaderboard.queries import cell
from repro.record import Record, SamplePart

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


def parts(record: Record) -> list[SamplePart]:
    """The samples, each once: parts of a compound criterion often judge the same one."""
    return list({(s.arm, s.measurement, s.unit, s.x_unit, s.seeds): s for s in record.samples}.values())


def count(record: Record) -> int:
    """How many numbers there are."""
    return sum(len(row) if isinstance(row, tuple) else 1 for part in parts(record) for row in part.values)


def values(record: Record) -> Iterator[Value]:
    """Every number, in the record's order."""
    for part in parts(record):
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
    return f'<span class="value">{escape(shown + style.unit(unit))}</span>'


def as_csv(record: Record) -> str:
    """Every number with all its digits; a text that a spreadsheet would run as a formula gets an apostrophe."""
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\n")
    writer.writerow(HEADS)
    for one in values(record):
        part = one.part
        where = (one.point or "", "" if one.x is None else one.x, cell(part.x_unit))
        value = "not finite" if one.value is None else one.value
        expected = "" if one.expected is None else one.expected
        texts = (cell(part.arm), cell(part.measurement), cell(part.unit))
        writer.writerow((*texts, one.seed, *where, value, expected))
    return sheet.getvalue()
