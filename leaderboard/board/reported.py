"""Published numbers beside ours, on scales that claims of different units share; and the chart of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import exp, isfinite
from typing import Any, Literal

import altair as alt
import pandas as pd

from leaderboard import style
from leaderboard.charts import INK
from leaderboard.queries import Line
from repro.criterion import AllOf, AtLeast, AtMost, Criterion, Matches
from repro.paper import Reported
from repro.record import Record
from repro.shapes import PowerLaw
from repro.text import interval, number
from repro.verdict import Verdict

Scale = Literal["published", "margin"]
SCALES: dict[Scale, str] = {"published": "per cent of the published value", "margin": "margins of the criterion"}
AXES: dict[Scale, str] = {
    "published": "difference from the published value (% of it)",
    "margin": "difference from the published value (margins of the criterion)",
}
HUES = {
    "reproduced": "#2a9d8f",
    "supported": "#2a9d8f",
    "refuted": "#e0683f",
    "unexpected": "#e0683f",
    "inconclusive": "#c2a200",
    "finding": "#8f83e3",
    "powerless": "#8d959e",
}
LETTER = "#0d1013"  # on all of these
MOST = 40  # pairs that one chart shows
ROW = 50  # pixels of a pair: its name above, its marks below
AXIS = 62  # pixels of the axis with its title
LABEL = 46  # letters
WIDE = 40.0  # times further out than the middle one: from there on the axis is compressed


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A published number and what was measured of the same quantity, both in the unit of the published one.

    Attributes:
        value: ours; `low` and `high` are the ends of its interval, None for exact values and single seeds.
        bound: the number that the criterion compares ours with; None where it compares case by case.
    """

    line: Line
    fact: Reported
    value: float
    low: float | None
    high: float | None
    bound: float | None


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A pair on a scale that all pairs share: differences from the published number, which lies at 0."""

    pair: Pair
    value: float
    low: float | None
    high: float | None
    bound: float | None


def pairs(line: Line, record: Record | None) -> list[Pair]:
    """What a claim states and what was measured of it, where both are the same quantity.

    Of an exact claim these are its values in the unit of the published numbers; of others, each mean that the criterion
    tests against a published number, or against the only one of its unit. Differences between arms are no such number.

    Args:
        line: of any implementation.
        record: of that line; an exact claim needs none.
    """
    if line.exact:
        if len(line.values) != len(line.reported) or len({fact.unit for fact in line.reported}) > 1:
            return []
        both = zip(line.reported, line.values, strict=True)
        return [Pair(line=line, fact=f, value=v, low=None, high=None, bound=None) for f, v in both]
    if record is None:
        return []
    found = (_pair(line, rule, verdict) for rule, verdict in _leaves(record.claim.criterion, record.verdict))
    return [pair for pair in found if pair is not None]


def _leaves(rule: Criterion, verdict: Verdict) -> Iterator[tuple[Criterion, Verdict]]:
    """Each simple criterion with its own verdict."""
    if not isinstance(rule, AllOf):
        yield rule, verdict
    elif len(rule.parts) == len(verdict.parts):
        for part, its in zip(rule.parts, verdict.parts, strict=True):
            yield from _leaves(part, its)


def _pair(line: Line, rule: Criterion, verdict: Verdict) -> Pair | None:
    fact = _fact(line.reported, rule, verdict.unit)
    if fact is None or verdict.estimate is None:
        return None
    ends = verdict.interval or (None, None)
    numbers = (verdict.estimate, *ends, verdict.bound)
    if isinstance(rule, Matches):
        numbers = (*numbers[:3], rule.within if rule.log else rule.value + rule.within)
        if rule.log:
            numbers = tuple(None if x is None else _grown(rule.value, x) for x in numbers)
    if any(x is not None and not isfinite(x) for x in numbers):
        return None
    value, low, high, bound = numbers
    return None if value is None else Pair(line=line, fact=fact, value=value, low=low, high=high, bound=bound)


def _fact(reported: Sequence[Reported], rule: Criterion, unit: str) -> Reported | None:
    """The published number of the quantity that a criterion estimates."""
    if isinstance(rule, PowerLaw):
        unit = "exponent"
    elif not isinstance(rule, AtMost | AtLeast | Matches):
        return None
    elif rule.reported is not None:
        return rule.reported
    elif isinstance(rule, Matches) and rule.log:
        return None
    same = [fact for fact in reported if fact.unit == unit]
    return same[0] if len(same) == 1 else None


def _grown(value: float, by: float) -> float:
    """A value times e to the power `by`; infinite where that is too large for a number."""
    try:
        return value * exp(by)
    except OverflowError:
        return float("inf")


def mark(pair: Pair, scale: Scale) -> Mark | None:
    """A pair on a scale; None where the scale has no length for it.

    Args:
        pair: any.
        scale: "published" counts in per cent of the published number, which must not be 0; "margin" in margins of the
            criterion, the distance from the published number to the bound, which must not be 0 either.
    """
    zero = pair.fact.value
    margin = 0.0 if pair.bound is None else abs(pair.bound - zero)
    length = abs(zero) / 100 if scale == "published" else margin
    if not length > 1e-12 * abs(zero):  # rounding may leave a little of an empty margin
        return None
    value, low, high, bound = (
        None if x is None else (x - zero) / length for x in (pair.value, pair.low, pair.high, pair.bound)
    )
    return None if value is None else Mark(pair=pair, value=value, low=low, high=high, bound=bound)


def marks(found: Iterable[Pair], scale: Scale) -> list[Mark]:
    """All pairs that a scale has a length for."""
    return [one for pair in found if (one := mark(pair, scale)) is not None]


def named(pair: Pair) -> str:
    """The claim of a pair, with its row, and with the published number's place where the claim states several."""
    one = pair.line
    name = f"{one.name}[{one.row}]" if one.row else one.name
    return f"{name}, {pair.fact.place}" if len(one.reported) > 1 else name


def chart(found: Sequence[Mark], scale: Scale) -> alt.LayerChart:
    """A row for each mark: published as an upright line at 0, ours as a lettered disc with its interval, bound dotted.

    Args:
        found: at most `MOST` of these are drawn.
        scale: what the axis counts in.
    """
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
    hue = alt.Color("outcome:N", scale=alt.Scale(domain=list(HUES), range=list(HUES.values())), legend=None)
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
    return (
        alt.LayerChart(layer=layers)
        .properties(height=ROW * len(rows) + AXIS, width="container")
        .configure_view(strokeWidth=0)
    )


def _row(index: int, one: Mark) -> dict[str, object]:
    pair, label = one.pair, named(one.pair)
    look, unit = style.BADGES[pair.line.outcome], style.unit(pair.fact.unit)
    ends = interval((pair.low, pair.high)) if pair.low is not None and pair.high is not None else ""
    return {
        "row": index,
        "claim": label if len(label) <= LABEL else label[: LABEL - 1] + "\N{HORIZONTAL ELLIPSIS}",
        "outcome": pair.line.outcome,
        "letter": look.letter,
        "verdict": look.word,
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
    shown = "; ".join(
        f"{named(x.pair)}: {style.BADGES[x.pair.line.outcome].word}, {x.value:+.3g}" for x in found[:MOST]
    )
    return f"Measured beside published values, as {AXES[scale]}, the published ones at 0. {shown}"
