"""Figures on top of pages: lines and bars as charts, points and images as drawings; all of them as SVG in files."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from leaderboard.board.units import unit_suffix
from leaderboard.charts.canvas import span
from leaderboard.charts.picture import INK, PALETTE, Picture, Vector, layered, short
from leaderboard.charts.vector import svg
from repro.numbers import number
from repro.paper import Reported
from repro.record.figure_data import FigureData, FigureSeries

FEW = 8  # bars of a series that are read out


def picture(data: FigureData) -> Picture | Vector:
    """A figure, drawn when it is shown."""
    said = words(data)
    vector = Vector(draw=lambda width: svg(data, width, said), alt=said)
    if data.kind == "lines":
        return Picture(make=partial(lines, data), alt=said, vector=vector)
    if data.kind == "bars":
        return Picture(make=partial(bars, data), alt=said, vector=vector)
    return vector


def words(data: FigureData) -> str:
    """What a figure shows, in words and numbers."""
    parts = [f"{data.place}, redrawn from measurements: {data.says.rstrip('.')}"]
    parts += [f"{one.label}: {_read(one, data)}" for one in data.series]
    for panel in data.panels:
        finite = panel.array[np.isfinite(panel.array)]
        ends = f", from {number(finite.min())} to {number(finite.max())}" if finite.size else ""
        parts.append(f"{panel.title or data.y}: {' by '.join(map(str, panel.array.shape))} numbers{ends}")
    return ". ".join(parts) + "."


def _read(one: FigureSeries, data: FigureData) -> str:
    there = np.isfinite(one.mean)
    means, grid = one.mean[there], one.x[there]
    if not means.size:
        return "no finite value"
    if data.kind == "bars":
        return ", ".join(f"{number(float(v))}{unit_suffix(data.unit)}" for v in means[:FEW])
    ends = [f"{number(float(means[i]))}{unit_suffix(data.unit)} at {number(float(grid[i]))}" for i in (0, -1)]
    return f"from {' to '.join(ends)}"


def lines(data: FigureData) -> alt.LayerChart:
    """Every seed thin, their mean bold, published numbers as level lines and hollow marks."""
    runs = [
        {"line": one.label, "seed": seed, "x": float(x), "value": float(v)}
        for one in data.series
        for seed, row in zip(one.seeds, one.values, strict=True)
        for x, v in zip(one.x, row, strict=True)
        if np.isfinite(v) and not ("y" in data.log and v <= 0) and not ("x" in data.log and x <= 0)
    ]
    frame = pd.DataFrame(runs, columns=["line", "seed", "x", "value"])
    across = alt.X(
        "x:Q",
        title=data.x,
        scale=alt.Scale(type="log" if "x" in data.log else "linear", nice=False, zero=False),
        axis=alt.Axis(format=_format(part["x"] for part in runs), tickCount=6, grid=False),
    )
    up = alt.Y(
        "value:Q",
        title=data.y,
        scale=alt.Scale(type="log" if "y" in data.log else "linear", zero=False),
        axis=alt.Axis(format=_format(part["value"] for part in runs), tickCount=5),
    )
    colour = _colour([one.label for one in data.series], "line")
    tip = [
        alt.Tooltip("line:N"),
        alt.Tooltip("x:Q", format=".6~g", title=data.x),
        alt.Tooltip("value:Q", format=".6~g", title="mean"),
    ]
    means = [
        {"line": one.label, "x": float(x), "value": float(v)}
        for one in data.series
        for x, v in zip(one.x, one.mean, strict=True)
        if np.isfinite(v) and not ("y" in data.log and v <= 0) and not ("x" in data.log and x <= 0)
    ]
    mean = alt.Chart(pd.DataFrame(means, columns=["line", "x", "value"]))
    layers: list[Any] = [
        mean.mark_line(strokeWidth=2.8).encode(x=across, y=up, color=colour),
        mean.mark_circle(size=30).encode(x=across, y=up, color=colour, tooltip=tip),
        *_levels(data.rules),
    ]
    if len(data.seeds) > 1:
        thin = alt.Chart(frame).mark_line(strokeWidth=1, opacity=0.35)
        layers.insert(0, thin.encode(x=across, y=up, color=colour, detail="seed:N"))
    published = [
        {"line": one.label, "x": float(one.x[-1] if x is None else x), "value": fact.value, "place": fact.place}
        for one in data.series
        for x, fact in one.published
    ]
    if published:
        marks = alt.Chart(pd.DataFrame(published))
        said = [alt.Tooltip("line:N"), alt.Tooltip("value:Q", title="published"), alt.Tooltip("place:N")]
        hollow = marks.mark_point(shape="diamond", size=90, strokeWidth=1.8)
        layers.append(marks.mark_line(strokeDash=[6, 4], strokeWidth=1.4).encode(x=across, y=up, color=colour))
        layers.append(hollow.encode(x=across, y=up, color=colour, tooltip=said))
    return layered(layers, height=360)


def _levels(facts: Iterable[Reported]) -> list[Any]:
    """Published numbers as level lines, their names at the left ends."""
    rules = [{"value": one.value, "text": f"published {number(one.value)}, {one.place}"} for one in facts]
    if not rules:
        return []
    level = alt.Chart(pd.DataFrame(rules))
    names = level.mark_text(align="left", dy=-7, color=INK, fontSize=12)
    return [
        level.mark_rule(strokeDash=[6, 4], color=INK, strokeWidth=1.6).encode(y="value:Q", tooltip=["text:N"]),
        names.encode(y="value:Q", x=alt.value(4), text="text:N"),
    ]


def bars(data: FigureData) -> alt.LayerChart:
    """A bar to each mean with its seeds as dots, its name above it; published numbers as hollow marks."""
    log = bool(data.log)
    rows = [
        (f"{data.groups[column]}, {one.label}" if data.groups else one.label, one, column)
        for column in range(max(len(data.groups), 1))
        for one in data.series
    ]
    seeds = [
        {"row": row, "bar": one.label, "seed": seed, "value": float(v)}
        for row, one, column in rows
        for seed, v in zip(one.seeds, one.values[:, column], strict=True)
        if np.isfinite(v)
    ]
    means = [
        {"row": row, "bar": one.label, "value": mean, "zero": 0.0, "text": f"{short(row)}: {number(mean)}"}
        for row, one, column in rows
        if np.isfinite(mean := float(one.mean[column]))
    ]
    facts = [
        {"row": row, "value": fact.value, "place": fact.place} for row, one, _ in rows for _, fact in one.published
    ]
    rules = [{"value": fact.value, "place": fact.place} for fact in data.rules]
    ends = span([float(part["value"]) for part in (*seeds, *facts, *rules)], log=log, zero=not log)
    across = alt.X(
        "value:Q",
        title=data.y,
        scale=alt.Scale(type="log" if log else "linear", domain=list(ends), nice=False),
        axis=alt.Axis(format=_format(ends), tickCount=6, labelFlush=True),
    )
    domain = [row for row, _, _ in rows]
    band = alt.Y("row:N", axis=None, scale=alt.Scale(domain=domain, paddingInner=0.2, paddingOuter=0.3))
    colour = _colour([one.label for one in data.series], "bar", legend=bool(data.groups))
    tip = [alt.Tooltip("row:N"), alt.Tooltip("seed:Q"), alt.Tooltip("value:Q", format=".6~g")]
    said = [alt.Tooltip("value:Q", title="published"), alt.Tooltip("place:N")]
    mean = alt.Chart(pd.DataFrame(means, columns=["row", "bar", "value", "zero", "text"]))
    dots = alt.Chart(pd.DataFrame(seeds, columns=["row", "bar", "seed", "value"])).mark_circle(size=60, opacity=0.7)
    names = mean.mark_text(align="left", baseline="bottom", dy=-13, fontSize=13, color=INK)
    body = mean.mark_bar(size=14, opacity=0.0 if log else 0.32)  # a bar would have no beginning on a log scale
    layers: list[Any] = [
        body.encode(x=across, x2="zero:Q", y=band, color=colour),
        mean.mark_tick(thickness=2.5, size=22).encode(x=across, y=band, color=colour),
        dots.encode(x=across, y=band, color=colour, tooltip=tip),
        names.encode(x=alt.value(2), y=band, text="text:N"),
    ]
    if facts:
        marks = alt.Chart(pd.DataFrame(facts)).mark_point(shape="diamond", size=90, color=INK, strokeWidth=1.8)
        layers.append(marks.encode(x=across, y=band, tooltip=said))
    if rules:
        rule = alt.Chart(pd.DataFrame(rules)).mark_rule(strokeDash=[6, 4], color=INK, strokeWidth=1.6)
        layers.append(rule.encode(x="value:Q", tooltip=said))
    return layered(layers, height=56 * len(rows) + 60)


def _format(values: Iterable[Any]) -> str:
    """How numbers beside an axis are written: large ones with the letter of their size."""
    return "~s" if max(map(abs, values), default=0.0) >= 1e4 else ".4~g"


def _colour(names: list[str], by: str, *, legend: bool = True) -> alt.Color:
    scale = alt.Scale(domain=names, range=[PALETTE[i % len(PALETTE)] for i in range(len(names))])
    named = alt.Legend(orient="top", direction="vertical", title=None, labelLimit=320)
    return alt.Color(f"{by}:N", scale=scale, legend=named if legend and len(names) > 1 else None)
