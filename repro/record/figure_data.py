"""What a figure shows, looked up in records: nothing is computed but means, and nothing is drawn that is not there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from repro.claim.figure import Drawn, Figure
from repro.criterion.exhibit import Axis, Exhibit, ExhibitPart
from repro.criterion.measurement import Array, Sample
from repro.errors import ReproError
from repro.numbers import number
from repro.paper import Reported
from repro.record.record import Record, as_sample

REMEDY = "Correct claims/figures/<key>.py, or run the claim and publish its record."


@dataclass(frozen=True, kw_only=True, eq=False)
class FigureSeries:
    """One line with its seeds, or one bar, or one bar of each group.

    Attributes:
        x: where the values stand [K]; of bars their number from 0 on.
        values: a row for each seed [S, K]; NaN where there is none.
        published: what the paper has in their place, and at which x; None where the series has no x of its own.
    """

    label: str
    seeds: tuple[int, ...]
    x: Array
    values: Array
    published: tuple[tuple[float | None, Reported], ...] = ()

    @property
    def mean(self) -> Array:
        """The means [K] over the seeds that have a finite value; NaN where none has."""
        there = np.isfinite(self.values)
        total, count = np.where(there, self.values, 0.0).sum(axis=0), there.sum(axis=0)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)


@dataclass(frozen=True, kw_only=True, eq=False)
class FigurePanel:
    """One picture of those that stand side by side.

    Attributes:
        title: what tells it from the others; "" where it stands alone.
        array: of an image [rows, columns]; of points [series, points, coordinates].
        exhibit: that it is of, with the axes.
    """

    title: str
    array: Array
    exhibit: Exhibit


@dataclass(frozen=True, kw_only=True, eq=False)
class FigureData:
    """What is drawn.

    Attributes:
        place: where the paper has such a figure.
        kind: lines and bars are drawn from `series`, points and images from `panels`.
        x: what runs across, with its unit; "" for bars.
        y: what is measured, with its unit.
        groups: of bars, what each value of a series belongs to; empty where a series is a single bar.
        rules: published numbers of the claims that are in the same unit, drawn as level lines.
        records: what all of it comes from, each once.
        seeds: of the trials.
    """

    place: str
    says: str
    kind: Literal["lines", "bars", "points", "image"]
    unit: str
    x: str = ""
    y: str = ""
    log: str = ""
    series: tuple[FigureSeries, ...] = ()
    groups: tuple[str, ...] = ()
    rules: tuple[Reported, ...] = ()
    panels: tuple[FigurePanel, ...] = ()
    records: tuple[Record, ...] = ()
    seeds: tuple[int, ...] = ()


def figure_data(figure: Figure, records: Mapping[str, Record]) -> FigureData:
    """A figure with the numbers of records, which are given by the name of their claim, with "[row]" for a row.

    Raises:
        ReproError: if a record is missing, or does not hold what the figure names, or units or kinds do not agree.
    """
    used = {one.claim: _record(one, records) for one in figure.draws}
    if figure.kind == "exhibit":
        found = [(one.label, part) for one in figure.draws for part in _exhibits(one, used[one.claim])]
        return _of_exhibits(figure, found, used.values())
    found = [(one, sample) for one in figure.draws for sample in _samples(one, used[one.claim])]
    units = sorted({sample.unit for _, sample in found})
    if len(units) > 1:
        raise ReproError(f"{figure.place} is in several units: {', '.join(units)}", REMEDY)
    series = _lines(figure, found) if figure.kind == "lines" else tuple(_bar(one, sample) for one, sample in found)
    first = found[0][1]
    marked = {one.published for one in figure.draws}
    facts = (fact for record in used.values() for fact in record.claim.reported)
    stated = (fact for fact in facts if fact.unit == units[0] != "1")  # pure numbers may be of another quantity
    return FigureData(
        place=figure.place,
        says=figure.says,
        kind=figure.kind,
        unit=units[0],
        x="" if figure.kind == "bars" else titled(figure.x, "1") if figure.x else titled(first.x_unit or "number", "1"),
        y=titled(figure.y or first.measurement, units[0]),
        log=figure.log,
        series=series,
        rules=tuple(fact for fact in dict.fromkeys(stated) if fact not in marked),
        records=tuple({record.id: record for record in used.values()}.values()),
        seeds=tuple(sorted({seed for _, sample in found for seed in sample.seeds})),
    )


def exhibit_data(part: ExhibitPart, record: Record) -> FigureData:
    """An exhibit of a record as a figure of its own."""
    one, draws = part.exhibit, (Drawn(record.claim.name, part.measurement),)
    return _of_exhibits(Figure(place=one.place, says=one.says, kind="exhibit", draws=draws), [("", part)], [record])


def exhibits_of(record: Record) -> tuple[ExhibitPart, ...]:
    """The exhibits that a record keeps."""
    return () if record.exhibits is msgspec.UNSET else record.exhibits


def by_claim(records: Iterable[Record]) -> dict[str, Record]:
    """The newest record of the highest version of each claim, by the claim's name, with "[row]" for a row."""
    ordered = sorted(records, key=lambda record: (record.claim.version, record.created))
    return {f"{one.claim.name}[{one.claim.row}]" if one.claim.row else one.claim.name: one for one in ordered}


def titled(name: str, unit: str) -> str:
    """A name as people read it, with its unit."""
    plain = name.replace("_", " ")
    return plain if unit in ("1", "") or unit in plain.split() else f"{plain} ({unit})"


def _record(one: Drawn, records: Mapping[str, Record]) -> Record:
    if one.claim not in records:
        raise ReproError(f"A figure draws {one.claim!r}, of which there is no record", REMEDY)
    return records[one.claim]


def _samples(one: Drawn, record: Record) -> list[Sample]:
    """The samples that are named, each once."""
    named = {
        (part.arm, part.seeds): part
        for part in record.samples
        if part.measurement == one.measurement and one.arm in ("", part.arm)
    }
    if not named:
        raise ReproError(f"A figure draws {_words(one)}, which the record of {record.claim.id} does not hold", REMEDY)
    try:
        return [as_sample(part) for part in named.values()]
    except ValueError as error:  # a valid record may hold rows of unequal length
        raise ReproError(f"{_words(one)} in the record of {record.claim.id} has no common shape") from error


def _exhibits(one: Drawn, record: Record) -> list[ExhibitPart]:
    found = [p for p in exhibits_of(record) if p.measurement == one.measurement and one.arm in ("", p.arm)]
    if not found:
        problem = f"A figure shows {_words(one)}, and the record of {record.claim.id} has no such exhibit"
        raise ReproError(problem, REMEDY)
    return found


def _words(one: Drawn) -> str:
    return repr(one.measurement) + (f" of {one.arm!r}" if one.arm else "")


def _bar(one: Drawn, sample: Sample) -> FigureSeries:
    if sample.values.ndim != 1:
        raise ReproError(f"A bar is a single number for each seed, and {_words(one)} is not", REMEDY)
    published = ((None, one.published),) if one.published else ()
    label = one.label or sample.arm
    return FigureSeries(
        label=label, seeds=sample.seeds, x=np.zeros(1), values=sample.values[:, None], published=published
    )


def _lines(figure: Figure, found: list[tuple[Drawn, Sample]]) -> tuple[FigureSeries, ...]:
    """Curves as they are, and single numbers joined by their labels."""
    single: dict[str, list[tuple[Drawn, Sample]]] = {}
    whole: dict[str, FigureSeries] = {}
    for one, sample in found:
        label = one.label or sample.arm
        if sample.values.ndim == 1:
            if one.x is None:
                raise ReproError(f"{figure.place} draws the single number {_words(one)} without its x", REMEDY)
            single.setdefault(label, []).append((one, sample))
            whole.setdefault(label, _joined(label, single[label]))
            continue
        width = sample.values.shape[1]
        grid = np.arange(1.0, width + 1) if sample.x is None else sample.x
        if label in whole or grid.shape != (width,):
            raise ReproError(f"{figure.place} cannot draw {_words(one)}: two lines of a name, or no grid", REMEDY)
        published = ((one.x, one.published),) if one.published else ()
        whole[label] = FigureSeries(label=label, seeds=sample.seeds, x=grid, values=sample.values, published=published)
    return tuple(whole[label] if label not in single else _joined(label, single[label]) for label in whole)


def _joined(label: str, found: Iterable[tuple[Drawn, Sample]]) -> FigureSeries:
    """Single numbers as one line over their x; NaN where one lacks a seed of another."""
    ordered = sorted(found, key=lambda pair: pair[0].x or 0.0)
    seeds = tuple(sorted({seed for _, sample in ordered for seed in sample.seeds}))
    values = np.full((len(seeds), len(ordered)), np.nan)
    for column, (_, sample) in enumerate(ordered):
        for seed, value in zip(sample.seeds, sample.values, strict=True):
            values[seeds.index(seed), column] = value
    return FigureSeries(
        label=label,
        seeds=seeds,
        x=np.asarray([one.x for one, _ in ordered], dtype=float),
        values=values,
        published=tuple((one.x, one.published) for one, _ in ordered if one.published),
    )


def _of_exhibits(figure: Figure, found: list[tuple[str, ExhibitPart]], used: Iterable[Record]) -> FigureData:
    parts = [part for _, part in found]
    first = parts[0].exhibit
    if any(part.exhibit.kind != first.kind or part.exhibit.unit != first.unit for part in parts):
        raise ReproError(f"{figure.place} shows exhibits of several kinds or units", REMEDY)
    if first.kind in ("lines", "bars") and len(parts) > 1:
        raise ReproError(f"{figure.place} shows several exhibits of {first.kind}: give them one", REMEDY)
    drawn = first.kind in ("lines", "bars")
    last = first.axes[-1]
    return FigureData(
        place=figure.place,
        says=figure.says,
        kind=first.kind,
        unit=first.unit,
        x=titled(last.name, last.unit) if first.kind == "lines" else "",
        y=titled(figure.y or parts[0].measurement, first.unit),
        log=figure.log,
        series=_series(first, parts[0].seed) if drawn else (),
        groups=tuple(map(_coordinate, last.at)) if first.kind == "bars" else (),
        panels=() if drawn else tuple(panel for label, part in found for panel in _panels(label, part, len(found))),
        records=tuple({record.id: record for record in used}.values()),
        seeds=tuple(sorted({part.seed for part in parts})),
    )


def _panels(label: str, part: ExhibitPart, many: int) -> list[FigurePanel]:
    one = part.exhibit
    title = label or (part.arm if many > 1 else "")
    if one.kind == "points":
        return [FigurePanel(title=title, array=one.value.reshape(-1, *one.shape[-2:]), exhibit=one)]
    if one.series is None:
        return [FigurePanel(title=title, array=one.value, exhibit=one)]
    names = map(_coordinate, one.series.at)
    return [
        FigurePanel(title=", ".join(filter(None, (title, name))), array=image, exhibit=one)
        for name, image in zip(names, one.value, strict=True)
    ]


def _coordinate(at: float | str) -> str:
    return at if isinstance(at, str) else number(at)


def _series(one: Exhibit, seed: int) -> tuple[FigureSeries, ...]:
    """Lines and bars of an exhibit, which has one seed."""
    last, axis = one.axes[-1], one.series or Axis(one.axes[-1].name, ("all",))
    grid = np.arange(len(last.at), dtype=float) if last.labels else np.asarray(last.at, dtype=float)
    rows = one.value.reshape(len(axis.at), -1)
    return tuple(
        FigureSeries(label=_coordinate(name), seeds=(seed,), x=grid, values=row[None])
        for name, row in zip(axis.at, rows, strict=True)
    )
