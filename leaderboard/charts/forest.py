"""Published numbers and ours, on scales that claims of different units share; and the chart of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from leaderboard.board.reported import AXES, MOST, Mark, Scale, named
from leaderboard.board.units import unit_suffix
from leaderboard.charts.picture import INK, layered, short
from repro.criterion.verdict import Outcome
from repro.numbers import interval, number

HUES = {
    Outcome.REPRODUCED: "#2a9d8f",
    Outcome.SUPPORTED: "#2a9d8f",
    Outcome.FINDING: "#8f83e3",
    Outcome.INCONCLUSIVE: "#c2a200",
    Outcome.POWERLESS: "#8d959e",
    Outcome.REFUTED: "#e0683f",
    Outcome.UNEXPECTED: "#e0683f",
}
LETTER = "#0d1013"  # on all of these
ROW = 50  # pixels of a pair: its name above, its marks below
AXIS = 62  # pixels of the axis with its title
LABEL = 46  # letters
WIDE = 40.0  # times further out than the middle one: from there on the axis is compressed


def chart(found: Sequence[Mark], scale: Scale) -> alt.LayerChart:
    """A row for each mark: published as an upright line at 0, ours as a lettered disc with interval, bound dotted."""
    rows = [_row(i, one) for i, one in enumerate(found[:MOST])]
    frame = pd.DataFrame(rows)
    far = sorted(abs(float(x)) for name in ("value", "low", "high") for x in frame[name])
    compressed = bool(far and far[-1] > WIDE * max(far[len(far) // 2], 0.25))
    ends = [min(0.0, *frame["low"], *frame["bound"].dropna()), max(0.0, *frame["high"], *frame["bound"].dropna())]
    room = 0.07 * (ends[1] - ends[0]) or 1.0
    ends = [1.15 * x for x in ends] if compressed else [ends[0] - room, ends[1] + room]
    across = alt.X(
        "value:Q",
        title=AXES[scale] + (", compressed" if compressed else ""),
        scale=alt.Scale(type="symlog" if compressed else "linear", domain=ends, nice=False, zero=False),
        axis=alt.Axis(tickCount=5, labelFlush=True),
    )
    band = alt.Y("row:O", axis=None, scale=alt.Scale(paddingInner=0, paddingOuter=0))
    hue = alt.Color(
        "outcome:N", scale=alt.Scale(domain=[str(outcome) for outcome in HUES], range=list(HUES.values())), legend=None
    )
    tip = [alt.Tooltip(f"{name}:N") for name in ("claim", "verdict", "published", "measured", "difference")]
    base, low_of_row = alt.Chart(frame), 9
    layers: list[Any] = [
        alt.Chart(pd.DataFrame({"value": [0.0]})).mark_rule(color=INK, strokeWidth=2).encode(x="value:Q"),
        base.mark_rule(strokeWidth=4, opacity=0.55, yOffset=low_of_row).encode(
            x="low:Q", x2="high:Q", y=band, color=hue
        ),
        base.mark_tick(aria=False, thickness=2, size=18, color=INK, strokeDash=[2, 2], yOffset=low_of_row).encode(
            x="bound:Q", y=band
        ),
        base.mark_circle(size=250, opacity=1, yOffset=low_of_row).encode(x=across, y=band, color=hue, tooltip=tip),
        base.mark_text(color=LETTER, fontWeight="bold", fontSize=11, yOffset=low_of_row).encode(
            x="value:Q", y=band, text="letter:N", tooltip=tip
        ),
        base.mark_text(color=INK, fontSize=12, align="left", yOffset=low_of_row - 21).encode(
            x=alt.value(2), y=band, text="claim:N"
        ),
    ]
    return layered(layers, ROW * len(rows) + AXIS)


def _row(index: int, one: Mark) -> dict[str, object]:
    pair = one.pair
    outcome, unit = pair.line.outcome, unit_suffix(pair.fact.unit)
    ends = interval((pair.low, pair.high)) if pair.low is not None and pair.high is not None else ""
    return {
        "row": index,
        "claim": short(named(pair), LABEL),
        "outcome": str(outcome),
        "letter": outcome.letter,
        "verdict": str(outcome),
        "value": one.value,
        "low": one.value if one.low is None else one.low,
        "high": one.value if one.high is None else one.high,
        "bound": one.bound,
        "published": f"{number(pair.fact.value)}{unit}, {pair.fact.place}",
        "measured": f"{number(pair.value)}{unit} {ends}".strip(),
        "difference": number(one.value),
    }


def words(found: Sequence[Mark], scale: Scale) -> str:
    """What the chart shows, for those who cannot see it."""
    shown = "; ".join(f"{named(x.pair)}: {x.pair.line.outcome}, {x.value:+.3g}" for x in found[:MOST])
    return f"Measured and published values, as {AXES[scale]}, the published ones at 0. {shown}"
