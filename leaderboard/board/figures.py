"""The figures on top of a paper's page: those that its claims name, else what its newest record has for a picture."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from leaderboard.board.downloads import sheet
from leaderboard.board.lines import Section
from leaderboard.board.queries import record_of
from repro.claim.figure import Figure
from repro.errors import ReproError
from repro.record.figure_data import FigureData, exhibit_data, exhibits_of, figure_data
from repro.record.store import MergedStore

HEADS = ("figure", "series", "seed", "x", "column", "value", "unit", "source")


def on_top(stores: MergedStore, section: Section, stated: Iterable[Figure]) -> list[FigureData]:
    """The figures of a paper, from the reference's newest records.

    One whose records are not there, or do not hold what it names, is left out. Where no figure is left, the newest
    record with exhibits stands for them.
    """
    lines = {one.short: one for one in section.claims}
    found = []
    for figure in stated:
        names = {one.claim for one in figure.draws} & lines.keys()
        records = {name: record for name in names if (record := record_of(stores, lines[name])) is not None}
        with contextlib.suppress(ReproError):
            found.append(figure_data(figure, records))
    if found:
        return found
    for one in sorted(section.claims, key=lambda line: line.created, reverse=True):
        record = record_of(stores, one)
        if record is not None and exhibits_of(record):
            return [exhibit_data(part, record) for part in exhibits_of(record)]
    return []


def as_csv(data: FigureData) -> str:
    """Every number of a figure, with all its digits; published ones say where they stand."""
    return sheet(HEADS, ((data.place, *row) for row in _rows(data)))


def _rows(data: FigureData) -> Iterator[tuple[object, ...]]:
    for one in data.series:
        grid = [*data.groups] or [float(x) for x in one.x] if data.kind == "lines" or data.groups else [""]
        for seed, row in zip(one.seeds, one.values.tolist(), strict=True):
            for x, value in zip(grid, row, strict=True):
                yield one.label, seed, x, "", value, data.unit, "measured"
        for x, fact in one.published:
            yield one.label, "", "" if x is None else float(x), "", fact.value, fact.unit, f"published, {fact.place}"
    for fact in data.rules:
        yield "", "", "", "", fact.value, fact.unit, f"published, {fact.place}"
    seed = data.seeds[0] if data.seeds else ""
    for panel in data.panels:
        if panel.exhibit.kind == "image":
            rows, columns = (axis.at for axis in panel.exhibit.axes[-2:])
            for at, row in zip(rows, panel.array.tolist(), strict=True):
                for column, value in zip(columns, row, strict=True):
                    yield panel.title, seed, at, column, value, data.unit, "measured"
            continue
        series, (points, names) = panel.exhibit.series, (axis.at for axis in panel.exhibit.axes[-2:])
        for label, of_series in zip(series.at if series else ("",), panel.array.tolist(), strict=True):
            for at, point in zip(points, of_series, strict=True):
                for name, value in zip(names, point, strict=True):
                    yield label, seed, at, name, value, data.unit, "measured"
