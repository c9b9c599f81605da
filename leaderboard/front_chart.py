"""The chart of quality against cost, with its Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from leaderboard.charts import INK
from leaderboard.contest import LARGEST, Contender, Quality
from leaderboard.queries import Standing
from repro.text import interval, number

MOST = 500  # points that one chart shows
NAMED = 8  # members of the front whose names stand in the chart
LABEL = 24  # letters of a name
KINDS = ("reference", "closed", "open", "division not said")
SHAPES = ("diamond", "circle", "square", "triangle-up")
HUES = ("#8d959e", "#2a9d8f", "#e07a3f", "#8f83e3")  # told apart by most eyes; the shape says the same


def kind(standing: Standing) -> str:
    """What a point stands for."""
    return "reference" if standing.newest.is_reference else standing.newest.division or "division not said"


def chart(found: Sequence[Contender], best: Sequence[Contender], quality: Quality, what: str) -> alt.LayerChart:
    """A point for each implementation, its cost's interval as a level line, and the front as a stepped line.

    Args:
        found: those that were measured; at most `MOST` are drawn.
        best: the front, the cheapest first.
        quality: what the upright axis counts; better is always up.
        what: the cost.
    """
    frame = pd.DataFrame([_point(one) for one in _drawn(found, best)])
    steps = pd.DataFrame([_point(one, i) for i, one in enumerate(best)])
    spread = [1.0, *(x for name in ("cost", "low", "high") for x in frame[name])]
    log = max(spread) / min(spread) > 4
    across = alt.X(
        "cost:Q",
        title=f"{_short(what, 40)}, times the reference's",
        scale=alt.Scale(type="log" if log else "linear", domain=_ends(spread, log=log), nice=False),
        axis=alt.Axis(tickCount=6, format="~g"),
    )
    up = alt.Y(
        "quality:Q",
        title=_short(quality.title, 56),
        scale=alt.Scale(reverse=not quality.better, zero=False, domain=_heights(frame["quality"].tolist())),
        axis=alt.Axis(tickCount=5),
    )
    legend = alt.Legend(orient="top", title=None, values=[x for x in KINDS if x in set(frame["kind"])], symbolSize=110)
    hue = alt.Color("kind:N", scale=alt.Scale(domain=list(KINDS), range=list(HUES)), legend=legend)
    shape = alt.Shape("kind:N", scale=alt.Scale(domain=list(KINDS), range=list(SHAPES)), legend=legend)
    tip = [alt.Tooltip(f"{name}:N") for name in ("implementation", "kind", "spent", "gained", "of")]
    base, line = alt.Chart(frame), alt.Chart(steps)
    one = alt.Chart(pd.DataFrame({"cost": [1.0]}))
    layers: list[Any] = [
        one.mark_rule(color=INK, strokeDash=[4, 4]).encode(x="cost:Q"),
        line.mark_line(interpolate="step-after", color=INK, strokeWidth=2).encode(x=across, y=up, order="order:Q"),
        base.mark_rule(strokeWidth=3, opacity=0.4).encode(x="low:Q", x2="high:Q", y=up, color=hue),
        base.mark_point(size=150, filled=True, opacity=1).encode(x=across, y=up, color=hue, shape=shape, tooltip=tip),
        line.transform_filter(f"datum.order < {NAMED}")
        .mark_text(align="left", dx=9, dy=-10, color=INK, fontSize=12)
        .encode(x="cost:Q", y=up, text="label:N"),
    ]
    return alt.LayerChart(layer=layers).properties(height=380, width="container").configure_view(strokeWidth=0)


def _drawn(found: Sequence[Contender], best: Sequence[Contender]) -> list[Contender]:
    """The front, then the others, as far as there is room."""
    members = {id(one) for one in best}
    return [*best, *(one for one in found if id(one) not in members)][:MOST]


def _point(one: Contender, order: int = 0) -> dict[str, object]:
    cost = one.cost
    assert cost is not None
    name = one.standing.newest.implementation.removeprefix("submission:")
    ends = interval((cost.low, cost.high)) if cost.low is not None and cost.high is not None else "one pair of runs"
    return {
        "order": order,
        "implementation": name,
        "label": _short(name, LABEL),
        "kind": kind(one.standing),
        "cost": cost.ratio,
        "low": cost.low if cost.low and 0 < cost.low < cost.ratio else cost.ratio,
        "high": cost.high if cost.high and cost.ratio < cost.high < LARGEST else cost.ratio,
        "quality": one.quality,
        "spent": f"{number(cost.ratio)} {ends}",
        "gained": number(one.quality),
        "of": one.of,
    }


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _ends(values: Sequence[float], *, log: bool) -> list[float]:
    """The ends of the axis of cost, with a little room."""
    low, high = min(values), max(values)
    if log:
        return [low / 1.15, high * 1.3]
    room = 0.12 * (high - low) or 0.1
    return [max(0.0, low - room), high + 1.6 * room]


def _heights(values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    room = 0.14 * (high - low) or 0.1 * abs(high) or 1.0
    return [low - room, high + room]
