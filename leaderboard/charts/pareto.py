"""The chart of quality against cost, with its Pareto front."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from leaderboard.board.lines import Standing
from leaderboard.board.pareto import ALL, ANSWERED, LARGEST, Contender, QualityAxis
from leaderboard.charts.picture import INK, layered, short
from repro.numbers import interval, number

MOST = 500  # points that one chart shows
ALL_NAMED = 12  # points up to this many all have their names next to them
NAMED = 8  # members of the front that have, where there are more
OVER = 3.0  # per cent beyond what a share can be, for the points' own size
NAME = 24  # letters of a name
KINDS = ("reference", "closed division", "open division", "division not stated")
SHAPES = ("diamond", "circle", "square", "triangle-up")
NEAR = 0.25  # of the width of the chart: about the length of a name
HUES = ("#8d959e", "#2a9d8f", "#e07a3f", "#8f83e3")  # distinct to most eyes; the shape says the same


def kind(standing: Standing) -> str:
    """What a point stands for."""
    newest = standing.newest
    return KINDS[0] if newest.is_reference else f"{newest.division} division" if newest.division else KINDS[-1]


def chart(found: Sequence[Contender], best: Sequence[Contender], quality: QualityAxis, what: str) -> alt.LayerChart:
    """A point for each implementation, its cost's interval as a level line, and the front as a stepped line."""
    members = {id(one) for one in best}
    drawn = [*best, *(one for one in found if id(one) not in members)][:MOST]
    frame = pd.DataFrame([_point(one) for one in drawn])
    steps = pd.DataFrame([_point(one, i) for i, one in enumerate(best)])
    spread = [1.0, *(x for name in ("cost", "low", "high") for x in frame[name])]
    log = max(spread) / min(spread) > 4
    share = quality in (ALL, ANSWERED)
    ends, heights = _ends(spread, log=log), _heights(frame["quality"].tolist(), share=share)
    named = len(drawn) if len(drawn) <= ALL_NAMED else min(NAMED, len(best))
    frame["side"] = _sides(frame["cost"].tolist(), frame["quality"].tolist(), ends, heights, named, log=log)
    # Every layer has the scale: one without would draw the axis down to 0.
    wide = alt.Scale(type="log" if log else "linear", domain=ends, nice=False, zero=False)
    across = alt.X(
        "cost:Q",
        title=f"{short(what, 40)}, times the reference's",
        scale=wide,
        axis=alt.Axis(tickCount=6, format="~g"),
    )
    up = alt.Y(
        "quality:Q",
        title=short(quality.title, 56),
        scale=alt.Scale(reverse=not quality.better, zero=False, nice=False, domain=heights),
        axis=alt.Axis(tickCount=5, labelExpr="datum.value > 100 ? '' : datum.label" if share else alt.Undefined),
    )
    legend = alt.Legend(
        orient="top",
        title=None,
        values=[x for x in KINDS if x in set(frame["kind"])],
        symbolSize=110,
        symbolOpacity=1,
        labelFontSize=13,
        labelLimit=0,
    )
    hue = alt.Color("kind:N", scale=alt.Scale(domain=list(KINDS), range=list(HUES)), legend=legend)
    shape = alt.Shape("kind:N", scale=alt.Scale(domain=list(KINDS), range=list(SHAPES)), legend=legend)
    tip = [alt.Tooltip(f"{name}:N") for name in ("implementation", "kind", "spent", "gained", "of")]
    base, line = alt.Chart(frame), alt.Chart(steps)
    one = alt.Chart(pd.DataFrame({"cost": [1.0]}))
    low, high = alt.X("low:Q", scale=wide), alt.X2("high:Q")
    layers: list[Any] = [
        one.mark_rule(color=INK, strokeDash=[4, 4]).encode(x=alt.X("cost:Q", scale=wide)),
        line.mark_line(interpolate="step-after", color=INK, strokeWidth=2).encode(x=across, y=up, order="order:Q"),
        base.mark_rule(strokeWidth=3, opacity=0.4).encode(x=low, x2=high, y=up, color=hue),
        base.mark_point(size=150, filled=True, opacity=1).encode(x=across, y=up, color=hue, shape=shape, tooltip=tip),
    ]
    for side in sorted({x for x in frame["side"] if x}):
        upright, level = side.split()
        layers.append(
            base.transform_filter(f"datum.side === '{side}'")
            .mark_text(
                align="left" if level == "right" else "right",
                dx=9 if level == "right" else -9,
                dy=-12 if upright == "above" else 14,
                color=INK,
                fontSize=13,
            )
            .encode(x=across, y=up, text="label:N")
        )
    return layered(layers, 380)


def _sides(
    costs: Sequence[float],
    qualities: Sequence[float],
    ends: Sequence[float],
    heights: Sequence[float],
    named: int,
    *,
    log: bool,
) -> list[str]:
    """Where the name of each point stands, such as "above right": inside of the chart, and off its neighbour's name.

    Args:
        costs: of the points.
        qualities: the same.
        ends: of the axis of cost.
        heights: the ends of the other axis.
        named: how many of the first points have a name next to them; "" stands for the others.
        log: whether the axis of cost is logarithmic.
    """
    sides = [""] * len(costs)
    scaled = [math.log(x) for x in costs] if log else list(costs)
    first, last = (math.log(x) for x in ends) if log else ends
    before: tuple[float, float, str] | None = None
    for i in sorted(range(named), key=lambda i: scaled[i]):
        x, y = (scaled[i] - first) / (last - first), (qualities[i] - heights[0]) / (heights[1] - heights[0])
        near = before is not None and x - before[0] < NEAR and abs(y - before[1]) < NEAR / 2
        upright = "below" if near and before is not None and before[2] == "above" else "above"
        sides[i] = f"{upright} {'left' if x > 1 - NEAR else 'right'}"
        before = (x, y, upright)
    return sides


def _point(one: Contender, order: int = 0) -> dict[str, object]:
    cost = one.cost
    assert cost is not None
    name = one.standing.newest.implementation.removeprefix("submission:")
    ends = interval((cost.low, cost.high)) if cost.low is not None and cost.high is not None else "one pair of runs"
    return {
        "order": order,
        "implementation": name,
        "label": short(name, NAME),
        "kind": kind(one.standing),
        "cost": cost.ratio,
        "low": cost.low if cost.low and 0 < cost.low < cost.ratio else cost.ratio,
        "high": cost.high if cost.high and cost.ratio < cost.high < LARGEST else cost.ratio,
        "quality": one.quality,
        "spent": f"{number(cost.ratio)} {ends}",
        "gained": number(one.quality),
        "of": one.of,
    }


def _ends(values: Sequence[float], *, log: bool) -> list[float]:
    """The ends of the axis of cost, with a little room."""
    low, high = min(values), max(values)
    if log:
        return [low / 1.15, high * 1.3]
    room = 0.12 * (high - low) or 0.1
    return [max(0.0, low - room), high + 1.6 * room]


def _heights(values: Sequence[float], *, share: bool) -> list[float]:
    """The ends of the axis of quality, with a little room; of per cent, hardly beyond 0 and 100."""
    low, high = min(values), max(values)
    room = 0.14 * (high - low) or 0.1 * abs(high) or 1.0
    return [max(low - room, -OVER), min(high + room, 100 + OVER)] if share else [low - room, high + room]
