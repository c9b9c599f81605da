"""A claim's estimates over time, with their intervals: a strip for each implementation, or for each machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import altair as alt
import pandas as pd

from leaderboard.board.lines import grouped, label
from leaderboard.board.units import unit_suffix
from leaderboard.charts.picture import INK, PALETTE, Picture, layered, short
from repro.criterion.comparisons import AllOf, Criterion
from repro.criterion.verdict import Verdict
from repro.numbers import interval, number
from repro.record.record import Record, hardware

MOST = 4  # strips
NAMED = 12  # records that the words of a strip name
TALL = 170  # pixels of a strip, with its title and axis
HOUR = 3.6e6  # ms
STEPS = tuple(HOUR * hours for hours in (1, 3, 6, 12, 24, 48, 168, 336, 720, 2184, 8760, 43800))
TICKS = 5
ROOM = 0.06  # of an axis beyond what is drawn


@dataclass(frozen=True)
class Dated:
    """What a record estimates of the same thing as the one that the page shows, and when, in ms since 1970."""

    record: Record
    found: Verdict
    at: float


@dataclass(frozen=True)
class Strips:
    """The pictures, and what they leave out, in words."""

    pictures: list[Picture]
    note: str


def strips(records: Sequence[Record], current: Record) -> Strips:
    """Dated estimates of a claim; none where fewer than two records have one that can be compared.

    Args:
        records: of the claim, of every version and implementation.
        current: the one that the page shows; of a compound claim, that part is drawn which decided there.
    """
    place = _deciding(current)
    dated = [one for record in records if (one := _dated(record, current, place)) is not None]
    if len(dated) < 2:
        return Strips([], "")
    several = len({label(one.record) for one in dated}) > 1
    ordered = sorted(dated, key=lambda one: (one.record.id != current.id, one.at))
    by_name = grouped(ordered, lambda one: label(one.record) if several else hardware(one.record))
    first, *rest = by_name
    names = [first, *sorted(rest, key=lambda name: -len(by_name[name]))]
    heights = [x for one in dated for x in (one.found.estimate, *(one.found.interval or ())) if x is not None]
    ends = _ends([one.at for one in dated]), _ends(heights)
    versions = sorted({one.record.claim.version for one in dated})
    drawn = []
    for i, name in enumerate(names[:MOST]):
        rows = [_row(one, current) for one in by_name[name]]
        make = partial(_drawn, name, dated[0].found.unit, rows, *ends, _breaks(dated, versions[1:]), PALETTE[i])
        drawn.append(Picture(make=make, alt=_words(name, rows)))
    return Strips(drawn, _note(len(dated), versions, len(records), place, len(names)))


def _deciding(record: Record) -> int | None:
    """Which part of a compound claim decided; None where there are no parts."""
    found = record.verdict
    if not isinstance(record.claim.criterion, AllOf) or not found.parts:
        return None
    same = [(part.estimate, part.interval, part.n, part.unit) for part in found.parts]
    own = (found.estimate, found.interval, found.n, found.unit)
    return same.index(own) if own in same else 0


def _dated(record: Record, current: Record, place: int | None) -> Dated | None:
    """What a record estimates; None where it is no finite number of the same kind and unit."""
    pairs = [_judged(one, place) for one in (record, current)]
    (rule, found), (own, shown) = pairs
    if found is None or shown is None or found.estimate is None or not math.isfinite(found.estimate):
        return None
    alike = type(rule) is type(own) and all(getattr(rule, x, None) == getattr(own, x, None) for x in ("times", "log"))
    if not alike or found.unit != shown.unit or found.unit == "violations":
        return None
    try:
        return Dated(record, found, datetime.fromisoformat(record.created).timestamp() * 1000)
    except (ValueError, OverflowError):  # the format admits dates that are none, such as the 99th of a month
        return None


def _judged(record: Record, place: int | None) -> tuple[Criterion | None, Verdict | None]:
    rule, found = record.claim.criterion, record.verdict
    if place is None:
        return rule, found
    if not isinstance(rule, AllOf) or len(rule.parts) != len(found.parts) or place >= len(found.parts):
        return None, None
    return rule.parts[place], found.parts[place]


def _breaks(dated: Sequence[Dated], versions: Sequence[int]) -> dict[int, float]:
    """When each of some versions begins: midway between its first record and the one before that."""
    breaks = {}
    for version in versions:
        first = min(one.at for one in dated if one.record.claim.version == version)
        before = [one.at for one in dated if one.record.claim.version < version and one.at < first]
        breaks[version] = (first + max(before, default=first)) / 2
    return breaks


def _ends(values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    room = ROOM * (high - low) or abs(high) * ROOM or 1.0
    return [low - room, high + room]


def _drawn(
    name: str,
    unit: str,
    rows: Sequence[dict[str, Any]],
    ends: list[float],
    heights: list[float],
    breaks: dict[int, float],
    hue: str,
) -> alt.LayerChart:
    """One strip: discs filled where the version is that of the page, upright lines where a version begins."""
    low, high = ends
    step = next((step for step in STEPS if high - low <= TICKS * step), STEPS[-1])
    day = "%Y-%m-%d" if step >= 24 * HOUR else "%m-%d %H:%M"
    axis = alt.Axis(
        values=[step * i for i in range(math.ceil(low / step), math.floor(high / step) + 1)][: 2 * TICKS],
        labelExpr=f"utcFormat(datum.value, '{day}')",
        grid=False,
        labelOverlap=True,
        labelFlush=True,
    )
    # A number, not a date: Vega-Lite takes no ends of an axis in milliseconds for dates.
    across = alt.X("at:Q", title=None, scale=alt.Scale(domain=ends, nice=False, zero=False), axis=axis)
    up = alt.Y(
        "estimate:Q",
        title="estimate" if unit in ("1", "") else f"estimate ({short(unit)})",
        scale=alt.Scale(domain=heights, nice=False, zero=False),
        axis=alt.Axis(tickCount=4),
    )
    base = alt.Chart(pd.DataFrame(rows))
    tip = [alt.Tooltip(f"{x}:N") for x in ("made", "verdict", "measured", "version", "machine")]
    layers: list[Any] = [
        base.mark_rule(color=hue, strokeWidth=2, opacity=0.55).encode(x=across, y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_point(color=hue, fill=hue, size=80, strokeWidth=2).encode(
            x=across,
            y=up,
            fillOpacity=alt.condition("datum.same", alt.value(1.0), alt.value(0.0)),
            tooltip=tip,
        ),
    ]
    for version, at in breaks.items():
        line = alt.Chart(pd.DataFrame([{"at": at, "text": f"version {version}"}]))
        side, gap = ("left", 5) if at < (low + high) / 2 else ("right", -5)
        layers += [
            line.mark_rule(color=INK, strokeDash=[6, 4], strokeWidth=1.4).encode(x="at:Q"),
            line.mark_text(align=side, dx=gap, baseline="top", color=INK, fontSize=12).encode(
                x="at:Q", y=alt.value(2), text="text:N"
            ),
        ]
    heading = alt.TitleParams(short(name), anchor="start", fontSize=13, fontWeight="normal", color=INK)
    return layered(layers, TALL, title=heading)


def _row(one: Dated, current: Record) -> dict[str, Any]:
    found, record = one.found, one.record
    low, high = found.interval or (found.estimate, found.estimate)
    measured = f"{number(found.estimate)}{unit_suffix(found.unit)} {interval(found.interval)}".strip()
    return {
        "at": one.at,
        "made": f"{record.created[:10]} {record.created[11:16]} UTC",
        "estimate": found.estimate,
        "low": low,
        "high": high,
        "version": f"{record.claim.version}",
        "same": record.claim.version == current.claim.version,
        "verdict": str(record.outcome),
        "measured": measured,
        "machine": hardware(record),
    }


def _words(name: str, rows: Sequence[dict[str, Any]]) -> str:
    """A strip for people who cannot see it."""
    shown = "; ".join(f"{x['made']}, version {x['version']}: {x['measured']}" for x in rows[:NAMED])
    more = f"; and {len(rows) - NAMED} more, in the table below" if len(rows) > NAMED else ""
    return f"Estimates over time of {name}. {shown}{more}."


def _note(dated: int, versions: Sequence[int], records: int, place: int | None, names: int) -> str:
    """How to read the strips, and what they leave out."""
    says = "Estimates with their intervals; a filled disc is of the version shown above, a hollow one of another."
    notes = [says] if len(versions) > 1 else ["Estimates with their intervals."]
    if place is not None:
        notes.append(f"Of this compound claim part {place + 1} is drawn, which decided in the record shown above.")
    if dated < records:
        notes.append(f"{records - dated} of {records} records have no such finite number and are in the table only.")
    if names > MOST:
        notes.append(f"{MOST} of {names} strips are drawn.")
    return " ".join(notes)
