"""Figures as SVG without scripts: lines, bars, points and images, for a given width in pixels."""

from __future__ import annotations

import itertools
import math

import numpy as np

from leaderboard.board.units import unit_suffix
from leaderboard.charts.canvas import TINY, Canvas, Scale, colours, shorten, shows, span, tick
from leaderboard.charts.picture import INK, PALETTE
from repro.criterion.exhibit import Axis
from repro.numbers import number
from repro.record.figure_data import FigureData, FigurePanel, FigureSeries, titled

BAND = 22  # pixels of a bar
DOTS = 40  # points of a line up to which each is marked
FEW = 10  # points of lines up to which these are what the axis names
NAMED = 24  # labels along the side of an image up to which they are written
UPRIGHT = 13  # least pixels of a column of an image whose label is written upright
PANEL = 150  # least width of a panel in pixels


def svg(data: FigureData, width: int, alt: str) -> str:
    """A figure as SVG."""
    canvas = Canvas(width=width)
    {"lines": _lines, "bars": _bars, "points": _points, "image": _images}[data.kind](canvas, data)
    return canvas.document(alt)


def coloured(names: list[str]) -> list[tuple[str, str]]:
    """Names, each with a colour."""
    return list(zip(names, itertools.cycle(PALETTE), strict=False))


def _lines(canvas: Canvas, data: FigureData) -> None:
    """Every seed thin, their mean bold; published numbers as level lines and hollow marks."""
    named = coloured([one.label for one in data.series])
    if len(named) > 1:
        canvas.legend(named)
    canvas.height += 20
    canvas.text(2, canvas.height, data.y, soft=True)
    log_x, log_y = "x" in data.log, "y" in data.log
    facts = [(x, fact) for one in data.series for x, fact in one.published]
    xs = [*(float(x) for one in data.series for x in one.x), *(x for x, _ in facts if x is not None)]
    xs = [x for x in xs if shows(x, log=log_x)]
    ys = [float(v) for one in data.series for v in one.values.ravel()]
    ys += [fact.value for fact in (*data.rules, *(fact for _, fact in facts))]
    top, tall = canvas.height + 12, 250 if canvas.width < 500 else 330
    upward = Scale(*span(ys, log=log_y), top + tall, top, log_y)
    left = 14 + 7.2 * max(len(tick(v)) for v in (*upward.ticks(6), 0))
    low, high = (min(xs), max(xs)) if xs and max(xs) - min(xs) > TINY else span(xs, log=log_x)
    across = Scale(low, high, left + 8, canvas.width - 14, log_x)
    _frame(canvas, across, upward, left, sorted(set(xs)))
    for fact in (one for one in data.rules if shows(one.value, log=log_y)):
        y = upward(fact.value)
        canvas.line([(left, y), (canvas.width, y)], INK, 1.6, dash="6 4")
        label = f"published {number(fact.value)}{unit_suffix(fact.unit)}, {fact.place}"
        canvas.text(left + 4, y - 5, shorten(label, canvas.width - left), size=12, soft=True)
    for one, (_, colour) in zip(data.series, named, strict=True):
        _line(canvas, one, colour, across, upward, data.unit)
    canvas.height = top + tall + 40
    canvas.text((left + canvas.width) / 2, canvas.height - 4, data.x, anchor="middle", soft=True)


def _line(canvas: Canvas, one: FigureSeries, colour: str, across: Scale, upward: Scale, unit: str) -> None:
    def at(x: float, y: float) -> tuple[float, float]:
        x, y = float(x), float(y)
        fits = shows(x, log=across.log) and shows(y, log=upward.log)
        return (across(x), upward(y)) if fits else (math.nan, math.nan)

    if len(one.seeds) > 1:
        for row in one.values:
            canvas.line([at(x, y) for x, y in zip(one.x, row, strict=True)], colour, 1, opacity=0.35)
    mean = [at(x, y) for x, y in zip(one.x, one.mean, strict=True)]
    canvas.line(mean, colour, 2.6)
    if len(mean) <= DOTS:
        for (x, y), place, value in zip(mean, one.x, one.mean, strict=True):
            canvas.dot(x, y, 3.4, colour, says=f"{one.label}, {number(place)}: {number(value)}{unit_suffix(unit)}")
    marks = [(at(one.x[-1] if x is None else x, fact.value), fact) for x, fact in one.published]
    canvas.line([mark for mark, _ in marks], colour, 1.4, dash="6 4")
    for (x, y), fact in marks:
        canvas.diamond(x, y, colour, f"published {number(fact.value)}{unit_suffix(fact.unit)}, {fact.place}")


def _frame(canvas: Canvas, across: Scale, upward: Scale, left: float, xs: list[float]) -> None:
    """Grid lines with their numbers; where the lines have few points, the numbers of these."""
    for value in upward.ticks(6):
        y = upward(value)
        canvas.line([(left, y), (canvas.width, y)], opacity=0.13)
        canvas.text(left - 6, y + 4, tick(value), anchor="end", size=12, soft=True)
    places: list[float] = []
    for value in xs if len(xs) <= FEW else across.ticks(5 if canvas.width < 500 else 9):
        x = across(value)
        if places and x - places[-1] < 7 * len(tick(value)) + 6:
            continue
        places.append(x)
        canvas.line([(x, upward.start), (x, upward.start + 5)], opacity=0.4)
        end = "end" if x > canvas.width - 20 else "middle"
        canvas.text(x + 8 * (end == "end"), upward.start + 18, tick(value), anchor=end, size=12, soft=True)
    canvas.line([(left, upward.start), (canvas.width, upward.start)], opacity=0.4)


def _bars(canvas: Canvas, data: FigureData) -> None:
    """A bar to each mean with its seeds as dots; published numbers as hollow marks."""
    named = coloured([one.label for one in data.series])
    if data.groups and len(named) > 1:
        canvas.legend(named, line=False)
    log = bool(data.log)
    values = [float(v) for one in data.series for v in one.values.ravel()]
    values += [fact.value for one in data.series for _, fact in one.published]
    values += [fact.value for fact in data.rules]
    across = Scale(*span(values, log=log, zero=not log), 4, canvas.width - 12, log)
    top = canvas.height + 6
    canvas.height += 6
    if data.groups:
        for column, group in enumerate(data.groups):
            _label(canvas, group, "")
            for one, (name, colour) in zip(data.series, named, strict=True):
                _bar(canvas, one, column, colour, across, f"{name}, {group}", data.unit)
    else:
        for one, (name, colour) in zip(data.series, named, strict=True):
            facts = "".join(f", published {number(fact.value)}" for _, fact in one.published)
            _label(canvas, name, f"{number(one.mean[0])}{unit_suffix(data.unit)}{facts}")
            _bar(canvas, one, 0, colour, across, name, data.unit)
    canvas.height += 8
    for fact in (one for one in data.rules if shows(one.value, log=log)):
        x = across(fact.value)
        canvas.line([(x, top), (x, canvas.height)], INK, 1.6, dash="6 4")
        canvas.height += 16
        label = f"dashed: published {number(fact.value)}{unit_suffix(fact.unit)}, {fact.place}"
        canvas.text(2, canvas.height, shorten(label, canvas.width), size=12, soft=True)
    base = canvas.height
    canvas.line([(0, base), (canvas.width, base)], opacity=0.4)
    for value in across.ticks(5 if canvas.width < 500 else 8):
        canvas.line([(across(value), base), (across(value), base + 5)], opacity=0.4)
        end = "start" if across(value) < 12 else "end" if across(value) > canvas.width - 16 else "middle"
        canvas.text(across(value), base + 18, tick(value), anchor=end, size=12, soft=True)
    canvas.height += 40
    canvas.text(canvas.width / 2, canvas.height - 4, data.y, anchor="middle", soft=True)


def _label(canvas: Canvas, name: str, value: str) -> None:
    canvas.height += 20
    room = canvas.width - 7.2 * len(value) - 12
    canvas.text(2, canvas.height, shorten(name, room))
    canvas.text(canvas.width - 4, canvas.height, value, anchor="end", soft=True)


def _bar(canvas: Canvas, one: FigureSeries, column: int, colour: str, across: Scale, name: str, unit: str) -> None:
    middle = canvas.height + 6 + BAND / 2
    mean = float(one.mean[column])
    if shows(mean, log=across.log):
        x = across(mean)
        if not across.log:
            zero = across(0.0)
            canvas.box(min(zero, x), middle - 7, abs(x - zero), 14, colour, 0.32)
        canvas.line([(x, middle - 10), (x, middle + 10)], colour, 3)
    for seed, value in zip(one.seeds, one.values[:, column].tolist(), strict=True):
        if shows(value, log=across.log):
            says = f"{name}, seed {seed}: {number(value)}{unit_suffix(unit)}"
            canvas.dot(across(value), middle, 3.6, colour, opacity=0.7, says=says)
    for _, fact in (pair for pair in one.published if shows(pair[1].value, log=across.log)):
        canvas.diamond(across(fact.value), middle, says=f"published {number(fact.value)}, {fact.place}")
    canvas.height += BAND + 8


def _rows(canvas: Canvas, panels: tuple[FigurePanel, ...]) -> tuple[float, list[tuple[float, list[FigurePanel]]]]:
    """The width of a panel, and panels in rows."""
    lines = math.ceil(len(panels) / max(1, int(canvas.width // PANEL)))
    many = math.ceil(len(panels) / lines)
    wide = min(canvas.width / many, 440.0)
    return wide, [(wide, list(panels[i : i + many])) for i in range(0, len(panels), many)]


def _points(canvas: Canvas, data: FigureData) -> None:
    """Points in the plane, one unit as long across as upward; some series joined, some coloured by a number."""
    first = data.panels[0].exhibit
    third = [p.array[..., 2].ravel() for p in data.panels if p.array.shape[-1] == 3]
    ends = _ends(np.concatenate(third)) if third else None
    if ends is None and first.series is not None:
        canvas.legend(coloured([str(name) for name in first.series.at]), line=False)
    wide, rows = _rows(canvas, data.panels)
    for _, panels in rows:
        top, lowest = canvas.height + 26, canvas.height
        for column, panel in enumerate(panels):
            lowest = max(lowest, _plane(canvas, panel, column * wide, top, wide, ends))
        canvas.height = lowest
    if ends:
        _colour_bar(canvas, ends, " ".join(first.axes[-1].labels[2:]))


def _plane(
    canvas: Canvas, panel: FigurePanel, x: float, y: float, wide: float, ends: tuple[float, float] | None
) -> float:
    """One panel of points with its left upper corner; where it ends below."""
    found, names = panel.array, panel.exhibit.axes[-1].labels
    low = [float(np.nanmin(found[..., i], initial=math.inf)) for i in (0, 1)]
    high = [float(np.nanmax(found[..., i], initial=-math.inf)) for i in (0, 1)]
    if not all(map(math.isfinite, (*low, *high))):
        return y
    inner = wide - 30
    extent = [b - a for a, b in zip(low, high, strict=True)]
    far = max(map(abs, (*low, *high)))
    least = max(max(extent) / 8, 1e-9 * far, TINY)  # points on a line have no extent across it
    extent = [max(one, least) for one in extent]
    pixel = min(inner / extent[0], 1.4 * inner / extent[1])
    across = Scale(low[0], low[0] + extent[0], x + 12, x + 12 + pixel * extent[0])
    upward = Scale(low[1], low[1] + extent[1], y + 12 + pixel * extent[1], y + 12)
    canvas.text(x + 4, y - 8, shorten(panel.title, wide))
    series = panel.exhibit.series
    labels = [str(name) for name in series.at] if series else [""]
    for number_, (label, points) in enumerate(zip(labels, found, strict=True)):
        colour = PALETTE[number_ % len(PALETTE)]
        places = [(across(px), upward(py)) for px, py in points[:, :2]]
        joined = label in panel.exhibit.joined
        if joined:
            canvas.line(places, colour, 2.2, opacity=0.85)
        shades = colours(points[:, 2], *ends) if ends and points.shape[1] == 3 else None
        for i, place in enumerate(places):
            shade = colour if shades is None else f"#{bytes(shades[i, :3]).hex()}"
            canvas.dot(*place, 3.0 if joined else 4.2, shade, opacity=0.85)
    below = upward.start + 14
    canvas.line([(x + 4, below), (x + wide - 12, below)], opacity=0.4)
    canvas.text(x + 4, below + 16, tick(low[0]), size=12, soft=True)
    canvas.text(x + wide / 2, below + 16, f"{names[0]} across, {names[1]} upward", anchor="middle", size=12, soft=True)
    canvas.text(x + wide - 12, below + 16, tick(high[0]), anchor="end", size=12, soft=True)
    return below + 26


def _images(canvas: Canvas, data: FigureData) -> None:
    """Arrays as images, side by side, with one scale of colours."""
    ends = _ends(np.concatenate([panel.array.ravel() for panel in data.panels]))
    wide, rows = _rows(canvas, data.panels)
    for _, panels in rows:
        top, lowest = canvas.height + 24, canvas.height
        for column, panel in enumerate(panels):
            lowest = max(lowest, _image(canvas, panel, column * wide, top, wide, ends))
        canvas.height = lowest
    _colour_bar(canvas, ends, data.y)


def _image(canvas: Canvas, panel: FigurePanel, x: float, y: float, wide: float, ends: tuple[float, float]) -> float:
    """One image with its left upper corner; where it ends below."""
    rows, columns = panel.exhibit.axes[-2:]
    written = _written(rows)
    side = min(7.2 * max(map(len, written), default=0) + 8, wide / 3) if written else 18
    inner = wide - side - 12
    tall = float(np.clip(inner * panel.array.shape[0] / panel.array.shape[1], 16 * len(written), 1.6 * inner))
    tall = max(tall, inner / 4)
    canvas.text(x + side, y - 7, shorten(panel.title, inner))
    canvas.image(x + side, y, inner, tall, colours(panel.array, *ends))
    for i, name in enumerate(written):
        place = y + (i + 0.5) * tall / len(written) + 4
        canvas.text(x + side - 5, place, shorten(name, side - 6), anchor="end", size=12, soft=True)
    end = _below(canvas, columns, x + side, y + tall, inner)
    title = f"{titled(columns.name, columns.unit)} across, {titled(rows.name, rows.unit)} downward"
    canvas.text(x + side, end + 18, shorten(title, inner + 12), size=12, soft=True)
    return end + 28


def _written(axis: Axis) -> list[str]:
    """What is written along a side of an image: its labels, or its numbers where they are few."""
    if len(axis.at) > NAMED:
        return []
    return [one if isinstance(one, str) else tick(one) for one in axis.at]


def _below(canvas: Canvas, axis: Axis, x: float, y: float, wide: float) -> float:
    """What is written below an image: every coordinate where they fit, else the first and the last; where it ends."""
    names, step = _written(axis), wide / len(axis.at)
    if names and max(map(len, names)) * 7.2 < step:
        for i, name in enumerate(names):
            canvas.text(x + (i + 0.5) * step, y + 17, name, anchor="middle", size=12, soft=True)
        return y + 18
    if names and axis.labels and step >= UPRIGHT:
        for i, name in enumerate(names):
            canvas.text(x + (i + 0.5) * step + 4, y + 8, shorten(name, 90), size=12, soft=True, upright=True)
        return y + 12 + min(7.2 * max(map(len, names)), 90.0)
    first, last = (one if isinstance(one, str) else tick(one) for one in (axis.at[0], axis.at[-1]))
    canvas.text(x, y + 17, shorten(first, wide / 2), size=12, soft=True)
    canvas.text(x + wide, y + 17, shorten(last, wide / 2), anchor="end", size=12, soft=True)
    return y + 18


def _ends(values: np.ndarray) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)


def _colour_bar(canvas: Canvas, ends: tuple[float, float], title: str) -> None:
    """What the colours mean."""
    ramp = colours(np.linspace(*ends, 128)[None], *ends)
    y = canvas.height + 8
    low, high = tick(ends[0]), tick(ends[1])
    start = 8 + 7.2 * len(low)
    canvas.text(2, y + 11, low, size=12, soft=True)
    canvas.image(start, y, 120, 14, ramp)
    canvas.text(start + 126, y + 11, shorten(f"{high}   {title}", canvas.width - start - 130), size=12, soft=True)
    canvas.height = y + 22
