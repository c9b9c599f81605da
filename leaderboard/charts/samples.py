"""Charts of a record's samples: points per seed, curves over a grid, found against demanded values."""

from __future__ import annotations

from functools import partial
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from leaderboard.charts.picture import INK, PALETTE, Picture, layered, short
from repro.criterion.comparisons import AtLeast, AtMost, Matches, PowerLaw
from repro.criterion.measurement import Sample
from repro.numbers import number
from repro.paper import Reported
from repro.record.record import Record, SamplePart, as_sample

POINTS = 500  # of a curve or of a set of cases that are drawn
FEW = 12  # cases up to this many are easier to read as a table


def pictures(record: Record) -> list[Picture]:
    """One chart for each unit of a record's samples: arms and seeds, with the published value where units agree.

    Raises:
        ValueError: if the samples have no common shape.
    """
    by_kind: dict[tuple[str, ...], list[Sample]] = {}
    for sample in map(as_sample, distinct(record)):
        exact = sample.expected is not None
        varied = bool(np.ptp(np.asarray(sample.expected)) or np.ptp(sample.values)) if exact else True
        if exact and (sample.values.size <= FEW or not varied):
            continue  # a line of a table says as much
        kind = "cases" if exact else "points" if sample.values.ndim == 1 else "curves"
        if kind == "curves" and sample.x is not None and len(sample.x) != sample.values.shape[1]:
            raise ValueError(f"{sample.values.shape[1]} values over a grid of {len(sample.x)} points")
        key = (kind, sample.unit, sample.x_unit, sample.measurement if exact else "")
        by_kind.setdefault(key, []).append(sample)
    drawn = []
    for (kind, unit, *_), samples in by_kind.items():
        if kind == "points":
            make = partial(points, samples, _rules(record, unit))
        elif kind == "curves":
            rule = record.claim.criterion
            power = _powers(record, rule, samples) if isinstance(rule, PowerLaw) else None
            make = partial(curves, samples, _published(record, unit), power)
        else:
            make = partial(cases, samples)
        drawn.append(Picture(make=make, alt=_words(samples)))
    return drawn


def distinct(record: Record) -> list[SamplePart]:
    """The samples of a record, each once: parts of a compound criterion often judge the same one."""
    return list({(s.arm, s.measurement, s.unit, s.x_unit, s.seeds): s for s in record.samples}.values())


def title(measurement: str, unit: str) -> str:
    """The name of an axis."""
    return f"{measurement.replace('_', ' ')}{'' if unit in ('1', '') else f' ({unit})'}"


def points(samples: list[Sample], rules: pd.DataFrame) -> alt.LayerChart:
    """Scalar samples [S]: a strip of seeds for each arm, its mean as a bar, published values as upright lines."""
    columns = ["arm", "seed", "value"]
    names = _names(samples)
    named = list(zip(names, samples, strict=True))
    drawn = [(name, seed, float(v)) for name, s in named for seed, v in zip(s.seeds, s.values, strict=True)]
    frame = pd.DataFrame([one for one in drawn if np.isfinite(one[2])], columns=columns)
    arms = list(dict.fromkeys(names))
    bands = [*[" " * (i + 1) for i in range(len(rules) and 1)], *arms]  # a free band on top for the lines' labels
    row = alt.Y("arm:N", axis=None, scale=alt.Scale(domain=bands, paddingInner=0.2, paddingOuter=0.25))
    ends = _ends([*frame["value"], *rules["value"]])
    across = alt.X(
        "value:Q",
        title=_axis(samples),
        scale=alt.Scale(domain=ends, nice=False, zero=False),
        axis=alt.Axis(tickCount=6, labelFlush=True),
    )
    colour = _colour(arms, legend=False)
    tip = [alt.Tooltip("arm:N"), alt.Tooltip("seed:Q"), alt.Tooltip("value:Q", format=".6~g")]
    base = alt.Chart(frame)
    lost = [f", {s.diverged} of {len(s.seeds)} seeds diverged" if s.diverged else "" for s in samples]
    labelled = [
        {"arm": name, "text": f"{short(name)}: mean {number(_mean(s))}{left}"}
        for (name, s), left in zip(named, lost, strict=True)
    ]
    labels = alt.Chart(pd.DataFrame(labelled)).mark_text(
        align="left", baseline="bottom", dy=-14, fontSize=13, color=INK
    )
    layers: list[Any] = [
        *_upright(rules, ends),
        base.mark_tick(thickness=2.5, size=26, opacity=0.9).encode(x=alt.X("mean(value):Q"), y=row, color=colour),
        base.mark_circle(size=80, opacity=0.62).encode(x=across, y=row, color=colour, tooltip=tip),
        labels.encode(x=alt.value(2), y=row, text="text:N"),
    ]
    return layered(layers, height=74 * len(bands) + 60)


def curves(samples: list[Sample], published: pd.DataFrame, power: pd.DataFrame | None = None) -> alt.LayerChart:
    """Curve samples [S, K]: every seed thin, the mean over seeds bold; published values as level lines.

    With `power` axes are logarithmic, and power laws are drawn as straight lines.
    """
    names = _names(samples)
    frame = pd.concat([_long(name, s) for name, s in zip(names, samples, strict=True)], ignore_index=True)
    arms = list(dict.fromkeys(names))
    xs, ys = frame["x"].to_numpy(), frame["value"].to_numpy()
    wide = bool(xs.size and xs.min() > 0 and xs.max() / xs.min() > 50)
    log_y = bool(power is not None and ys.size and xs.min() > 0 and ys.min() > 0)
    first = samples[0]
    across = alt.X(
        "x:Q",
        title=first.x_unit or "x",
        scale=alt.Scale(type="log" if wide or log_y else "linear", nice=not (wide or log_y), zero=False),
        axis=alt.Axis(format="~s", tickCount=6, grid=False),
    )
    up = alt.Y(
        "value:Q",
        title=_axis(samples),
        scale=alt.Scale(type="log" if log_y else "linear", zero=False, nice=not log_y),
        axis=alt.Axis(tickCount=5),
    )
    colour = _colour(arms)
    thin = alt.Chart(frame).mark_line(strokeWidth=1, opacity=0.35)
    bold = alt.Chart(frame.groupby(["arm", "x"], sort=False, as_index=False)["value"].mean())
    tip = [alt.Tooltip("arm:N"), alt.Tooltip("x:Q", format=".6~g"), alt.Tooltip("value:Q", format=".6~g", title="mean")]
    layers: list[Any] = [
        thin.encode(x=across, y=up, color=colour, detail="seed:N"),
        bold.mark_line(strokeWidth=2.8).encode(x=across, y=up, color=colour),
        bold.mark_circle(size=26).encode(x=across, y=up, color=colour, tooltip=tip),
    ]
    if power is not None and log_y:
        layers += _straight(power)
    if len(published):
        level = alt.Chart(published)
        layers += [
            level.mark_rule(strokeDash=[6, 4], color=INK, strokeWidth=1.6).encode(y="value:Q", tooltip=["text:N"]),
            level.mark_text(align="left", dy=-7, color=INK, fontSize=12).encode(
                y="value:Q", x=alt.value(4), text="text:N"
            ),
        ]
    return layered(layers, height=340)


def cases(samples: list[Sample]) -> alt.LayerChart:
    """Exact samples: each case found against what exact reasoning demands; on the line they agree."""
    frame = pd.concat([_against(sample) for sample in samples], ignore_index=True)
    arms = list(dict.fromkeys(s.arm for s in samples))
    ends = pd.DataFrame({"end": [frame["expected"].min(), frame["expected"].max()]})
    colour = _colour(arms)
    tip = [alt.Tooltip(f"{name}:Q", format=".8~g") for name in ("expected", "found")]
    name = title(samples[0].measurement, samples[0].unit)
    if np.unique(frame["expected"]).size == 1:  # one demanded value: draw the cases one after the other
        across = alt.X("case:Q", title="case", axis=alt.Axis(grid=False))
        line = alt.Chart(ends.head(1)).mark_rule(color=INK, strokeDash=[6, 4], strokeWidth=1.6).encode(y="end:Q")
    else:
        across = alt.X("expected:Q", title=f"demanded {name}", scale=alt.Scale(zero=False), axis=alt.Axis(grid=False))
        line = alt.Chart(ends).mark_line(color=INK, strokeDash=[6, 4], strokeWidth=1.6).encode(x="end:Q", y="end:Q")
    up = alt.Y("found:Q", title=f"found {name}", scale=alt.Scale(zero=False))
    dots = alt.Chart(frame).mark_circle(size=46, opacity=0.6).encode(x=across, y=up, color=colour, tooltip=tip)
    return layered([line, dots], height=320)


def _names(samples: list[Sample]) -> list[str]:
    """Samples by what tells them apart: their arms, their measurements or both, without the words all arms share."""
    arms, measured = _distinct([s.arm for s in samples]), {s.measurement for s in samples}
    if len(measured) == 1:
        return arms
    quantities = [s.measurement.replace("_", " ") for s in samples]
    return quantities if len(set(arms)) == 1 else [f"{a}, {q}" for a, q in zip(arms, quantities, strict=True)]


def _distinct(arms: list[str]) -> list[str]:
    """Names of arms without the settings, such as n=60, that are the same for all."""
    words = [arm.split() for arm in arms]
    if len(set(arms)) == 1:
        return arms
    shared = {word for word in set.intersection(*map(set, words)) if "=" in word}
    return [" ".join(x for x in w if x not in shared) for w in words]


def _axis(samples: list[Sample]) -> str:
    """The title of the axis that samples of one unit share."""
    names = list(dict.fromkeys(s.measurement for s in samples))
    return title(names[0], samples[0].unit) if len(names) == 1 else samples[0].unit.replace("1", "value")


def _long(name: str, sample: Sample) -> pd.DataFrame:
    """A curve sample as one row for each seed and point, thinned, without what diverged."""
    width = sample.values.shape[1]
    x = np.arange(width, dtype=float) if sample.x is None else sample.x
    keep = np.unique(np.linspace(0, width - 1, min(width, POINTS)).round().astype(int))
    values = sample.values[:, keep].ravel()
    seeds, xs, finite = (
        np.repeat(np.asarray(sample.seeds), len(keep)),
        np.tile(x[keep], len(sample.seeds)),
        np.isfinite(values),
    )
    return pd.DataFrame({"arm": name, "seed": seeds[finite], "x": xs[finite], "value": values[finite]})


def _against(sample: Sample) -> pd.DataFrame:
    """Cases evenly spread over a sample, the ones furthest from what is demanded always among them."""
    found = sample.values.ravel()
    expected = np.broadcast_to(np.asarray(sample.expected, dtype=float), sample.values.shape).ravel()
    case = np.arange(found.size)
    if found.size > POINTS:
        worst = np.argsort(-np.nan_to_num(np.abs(found - expected), nan=np.inf))[: POINTS // 5]
        case = np.union1d(worst, np.linspace(0, found.size - 1, POINTS - len(worst)).round().astype(int))
    case = case[np.isfinite(found[case]) & np.isfinite(expected[case])]
    return pd.DataFrame({"arm": sample.arm, "case": case, "found": found[case], "expected": expected[case]})


def _published(record: Record, unit: str) -> pd.DataFrame:
    """The reported numbers of this unit, and how they are labelled."""
    facts: list[Reported] = [fact for fact in record.claim.reported if fact.unit == unit][:6]
    rows = [{"value": f.value, "text": f"published {number(f.value)}, {f.place}", "kind": "published"} for f in facts]
    return pd.DataFrame(rows, columns=["value", "text", "kind"])


def _powers(record: Record, rule: PowerLaw, samples: list[Sample]) -> pd.DataFrame:
    """Power laws through the middle of the samples: the one that was fitted, and those with published exponents."""
    sign = -1 if rule.high <= 0 else 1
    facts = [fact for fact in record.claim.reported if fact.unit == "1"]
    rows: list[dict[str, Any]] = []
    for sample in samples:
        if sample.x is None or sample.x.min() <= 0 or not (sample.values > 0).all() or sample.diverged:
            continue
        u, v = np.log(sample.x), np.log(sample.values).mean(0)
        own = float(np.polyfit(u, v, 1)[0])
        named = [(f"fitted exponent {number(own)}", own, "fitted")]
        named += [
            (f"published {number(sign * abs(f.value))}, {f.place}", sign * abs(f.value), "published") for f in facts
        ]
        for text, slope, kind in named:
            for end in (u.min(), u.max()):
                y = float(np.exp(v.mean() + slope * (end - u.mean())))
                rows.append({"x": float(np.exp(end)), "value": y, "text": text, "kind": kind})
    return pd.DataFrame(rows, columns=["x", "value", "text", "kind"])


def _straight(power: pd.DataFrame) -> list[Any]:
    """Power laws as straight lines: fitted ones dotted, published ones dashed, their names at the left ends."""
    layers: list[Any] = []
    for i, (text, line) in enumerate(power.groupby("text", sort=False)):
        dash = [2, 3] if line["kind"].iloc[0] == "fitted" else [6, 4]
        drawn = alt.Chart(line).mark_line(color=INK, strokeDash=dash, strokeWidth=1.6)
        layers.append(drawn.encode(x="x:Q", y="value:Q", tooltip=["text:N"]))
        name = alt.Chart(pd.DataFrame([{"text": text}])).mark_text(align="right", color=INK, fontSize=12)
        layers.append(name.encode(x=alt.value("width"), y=alt.value(10 + 15 * i), text="text:N"))
    return layers


def _rules(record: Record, unit: str) -> pd.DataFrame:
    """Published values, and the bounds of a criterion that judges a single mean."""
    rule = record.claim.criterion
    bounds: list[float] = []
    if isinstance(rule, AtMost):
        bounds = [rule.bound + rule.plus]
    elif isinstance(rule, AtLeast):
        bounds = [rule.bound - rule.minus]
    elif isinstance(rule, Matches) and not rule.log:
        bounds = [rule.value - rule.within, rule.value + rule.within]
    rows = [{"value": b, "text": f"bound {number(b)}", "kind": "bound"} for b in bounds]
    return pd.concat(
        [_published(record, unit), pd.DataFrame(rows, columns=["value", "text", "kind"])], ignore_index=True
    )


def _upright(rules: pd.DataFrame, ends: list[float]) -> list[Any]:
    """Upright lines: published values dashed, bounds dotted; their labels one below the other, on the inner side."""
    layers: list[Any] = []
    for i, (value, kind) in enumerate(zip(rules["value"], rules["kind"], strict=True)):
        one = alt.Chart(rules.iloc[[i]])
        dash, width = ([6, 4], 1.8) if kind == "published" else ([2, 3], 1.4)
        side, step = ("left", 5) if value <= sum(ends) / 2 else ("right", -5)
        line = one.mark_rule(color=INK, strokeDash=dash, strokeWidth=width)
        name = one.mark_text(align=side, dx=step, color=INK, fontSize=12, baseline="top")
        layers.append(line.encode(x="value:Q", tooltip=[alt.Tooltip("text:N", title="line")]))
        layers.append(name.encode(x="value:Q", y=alt.value(2 + 15 * i), text="text:N"))
    return layers


def _ends(values: list[float]) -> list[float]:
    """The ends of an axis around values, a little wider; it begins at zero rather than just below."""
    if not values:
        return [0.0, 1.0]
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return [0.0 if 0 <= low < 3 * room else low - room, high + room]


def _colour(arms: list[str], *, legend: bool = True) -> alt.Color:
    scale = alt.Scale(domain=arms, range=[PALETTE[i % len(PALETTE)] for i in range(len(arms))])
    named = alt.Legend(orient="top", direction="vertical", title=None, labelLimit=320)
    return alt.Color("arm:N", scale=scale, legend=named if legend and len(arms) > 1 else None)


def _words(samples: list[Sample]) -> str:
    parts = [
        f"{n}: {len(s.seeds)} seeds, mean {number(_mean(s))}" for n, s in zip(_names(samples), samples, strict=True)
    ]
    return f"{_axis(samples)}. " + "; ".join(parts)


def _mean(sample: Sample) -> float | None:
    finite = sample.values[np.isfinite(sample.values)]
    return float(finite.mean()) if finite.size else None
