"""Charts of what trials used: series over time, and seconds of claims by arm."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

import altair as alt
import pandas as pd

from leaderboard.board.telemetry import GAUGES, Gauge, RecordCost, Trace, points
from leaderboard.board.units import several, short_time
from leaderboard.charts.picture import INK, PALETTE, Picture, layered, short
from repro.numbers import number

POINTS = 6000  # of all lines of a chart
BARS = 30  # claims in a chart
LETTERS = 14  # pixels of the names in it
TALL = 48  # pixels of a claim in it
NTH = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh")  # a name for each colour
DOTS = 60  # points of a line that are drawn as dots too
DASHES = {"solid": [1, 0], "dashed": [7, 4], "dotted": [2, 3]}  # distinct without colours; CSS knows these names


def looks(traces: Sequence[Trace]) -> dict[str, tuple[str, str]]:
    """Colour and kind of line of each arm."""
    arms, kinds = dict.fromkeys(trace.arm for trace in traces), list(DASHES)
    return {arm: (PALETTE[i % len(PALETTE)], kinds[i % len(kinds)]) for i, arm in enumerate(arms)}


def pictures(traces: Sequence[Trace], chosen: Collection[str] = ()) -> list[tuple[Gauge, Picture]]:
    """A chart over time for each column that was sampled.

    Args:
        traces: those to draw.
        chosen: names of those that are drawn bold, the others faint; none chosen draws all alike.
    """
    drawn, most = [], max(20, POINTS // max(1, len(traces)))
    for gauge in GAUGES:
        rows = [(trace.name, trace.arm, t, v) for trace in traces for t, v in points(trace, gauge, most)]
        frame = pd.DataFrame(rows, columns=["trial", "arm", "t", "value"])
        if len(frame):
            make = partial(_over_time, frame, gauge, chosen, looks(traces))
            drawn.append((gauge, Picture(make=make, alt=_words(frame, gauge))))
    return drawn


def _over_time(
    frame: pd.DataFrame, gauge: Gauge, chosen: Collection[str], looks: dict[str, tuple[str, str]]
) -> alt.LayerChart:
    across = alt.X("t:Q", title="seconds", axis=_axis(grid=False, tickCount=6))
    scale = alt.Scale(zero=gauge.zero, nice=True)
    up = alt.Y("value:Q", title=gauge.unit, scale=scale, axis=_axis(tickCount=5, format=",.4~g"))
    arms = list(looks)
    hues = alt.Scale(domain=arms, range=[hue for hue, _ in looks.values()])
    dashes = alt.Scale(domain=arms, range=[DASHES[kind] for _, kind in looks.values()])
    colour = alt.Color("arm:N", scale=hues, legend=None)
    drawn = {"x": across, "y": up, "color": colour, "detail": "trial:N"}
    dash = alt.StrokeDash("arm:N", scale=dashes, legend=None)
    tip = [
        alt.Tooltip("trial:N"),
        alt.Tooltip("t:Q", format=".1f", title="seconds"),
        alt.Tooltip("value:Q", format=".5~g", title=gauge.unit),
    ]
    bold = frame[frame["trial"].isin(list(chosen))]
    lines = alt.Chart(frame).mark_line(strokeWidth=1.2, opacity=0.25 if len(bold) else 0.75)
    layers: list[Any] = [lines.encode(**drawn, strokeDash=dash)]
    if len(bold):
        layers.append(alt.Chart(bold).mark_line(strokeWidth=2.6).encode(**drawn, strokeDash=dash))
    few = len(frame) <= DOTS * max(1, len(set(frame["trial"])))
    dots = alt.Chart(bold if len(bold) else frame).mark_circle(size=24, opacity=0.7 if few else 0.0)
    layers.append(dots.encode(x=across, y=up, color=colour, tooltip=tip))
    return layered(layers, height=190)


def _words(frame: pd.DataFrame, gauge: Gauge) -> str:
    times, values = frame["t"].tolist(), frame["value"].tolist()
    trials = len(set(frame["trial"]))
    return (
        f"{gauge.name[0].upper()}{gauge.name[1:]} over {number(max(times))} s, {several(trials, 'trial')}: "
        f"between {number(min(values))} and {number(max(values))} {gauge.unit}"
    )


def seconds(costs: Sequence[RecordCost]) -> Picture:
    """Seconds of each claim as a bar, stacked by arm, the longest claims first; at most `BARS` of them."""
    costs = costs[:BARS]
    words = "; ".join(f"{one.short}: {short_time(one.wall_s)}" for one in costs)
    return Picture(make=partial(_bars, costs), alt=f"Seconds by claim and arm. {words}")


def _bars(costs: Sequence[RecordCost]) -> alt.LayerChart:
    names = [short(one.short) for one in costs]
    order = [f"{i}" for i in range(len(costs))]  # names of two claims may be equal once they are cut
    longest = max((one.wall_s for one in costs), default=0.0)
    unit, long = ("seconds", 1.0) if longest < 600 else ("minutes", 60.0) if longest < 7200 else ("hours", 3600.0)
    rows = [
        (order[i], one.short, arm.name, _nth(place), place, arm.wall_s / long, short_time(arm.wall_s), arm.trials)
        for i, one in enumerate(costs)
        for place, arm in enumerate(one.arms)
    ]
    frame = pd.DataFrame(rows, columns=["bar", "claim", "arm", "hue", "place", "wall", "time", "trials"])
    labels = pd.DataFrame(
        [
            {"bar": order[i], "text": f"{names[i]}: {short_time(one.wall_s)} in {several(one.trials, 'trial')}"}
            for i, one in enumerate(costs)
        ]
    )
    band = alt.Y("bar:N", axis=None, scale=alt.Scale(domain=order, paddingInner=0.62, paddingOuter=0.5))
    across = alt.X("wall:Q", title=f"{unit} of wall time", stack="zero", axis=_axis(tickCount=6))
    found = [_nth(place) for place in range(min(len(PALETTE), max((len(one.arms) for one in costs), default=0)))]
    hues = alt.Scale(domain=found, range=PALETTE[: len(found)])
    legend = alt.Legend(orient="top", title=None, symbolOpacity=1, labelFontSize=LETTERS, labelLimit=0)
    colour = alt.Color("hue:N", scale=hues, legend=legend if len(found) > 1 else None)
    tip = [
        alt.Tooltip("claim:N"),
        alt.Tooltip("arm:N"),
        alt.Tooltip("time:N", title="wall time"),
        alt.Tooltip("trials:Q"),
    ]
    bars = alt.Chart(frame).mark_bar(stroke="white", strokeWidth=0.8, opacity=0.85)
    text = alt.Chart(labels).mark_text(align="left", baseline="bottom", dy=-10, fontSize=LETTERS, color=INK)
    layers: list[Any] = [
        bars.encode(x=across, y=band, color=colour, order=alt.Order("place:Q"), tooltip=tip),
        text.encode(x=alt.value(2), y=band, text="text:N"),
    ]
    return layered(layers, height=TALL * len(costs) + 100)


def _nth(place: int) -> str:
    """What the legend calls an arm: each claim has arms of its own, so that a colour says only which one it is."""
    return f"{NTH[place % len(PALETTE)]} arm of a claim"


def _axis(**facts: Any) -> alt.Axis:
    """An axis whose numbers and title can be read."""
    return alt.Axis(labelFontSize=LETTERS - 1, titleFontSize=LETTERS - 1, **facts)
