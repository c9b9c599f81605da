"""Charts of a record's samples: points per seed, curves over a grid, found against demanded values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from repro.criterion import AtLeast, AtMost, Matches, PowerLaw
from repro.measurement import Sample
from repro.paper import Reported
from repro.record import Record, as_sample
from repro.text import number

POINTS = 500  # of a curve or of a set of cases that are drawn
FEW = 12  # cases up to this many are easier to read as a table
INK = "#8b8f97"  # rules and labels: readable on light and on dark ground
PALETTE = ["#2a9d8f", "#e07a3f", "#7a6fd0", "#c2a200", "#3d8fd1", "#c55a8a", "#7f8c8d"]  # told apart by most eyes


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A chart with what it shows in words, for people who cannot see it."""

    title: str
    chart: alt.LayerChart
    alt: str


def pictures(record: Record) -> list[Picture]:
    """One chart for each measurement of a record: its arms and seeds, with the published value where units agree."""
    grouped: dict[tuple[str, str, str], list[Sample]] = {}
    for part in record.samples:
        sample = as_sample(part)
        grouped.setdefault((sample.measurement, sample.unit, _kind(sample)), []).append(sample)
    drawn = []
    for (name, unit, kind), samples in grouped.items():
        samples = _unique(samples)
        if kind == "scalar":
            chart = points(samples, _rules(record, unit))
        elif kind == "curve":
            chart = curves(samples, _published(record, unit), log_y=isinstance(record.claim.criterion, PowerLaw))
        elif sum(sample.values.size for sample in samples) > FEW:
            chart = cases(samples)
        else:
            continue
        drawn.append(Picture(title=title(name, unit), chart=chart, alt=_words(name, unit, samples)))
    return drawn


def few_cases(record: Record) -> list[Sample]:
    """Exact samples of so few cases that a table shows them best."""
    samples = [as_sample(part) for part in record.samples if part.expected is not None]
    return [sample for sample in samples if sample.values.size <= FEW]


def title(measurement: str, unit: str) -> str:
    """The name of an axis."""
    return f"{measurement.replace('_', ' ')}{'' if unit in ('1', '') else f' ({unit})'}"


def points(samples: list[Sample], rules: pd.DataFrame) -> alt.LayerChart:
    """Scalar samples [S]: a strip of seeds for each arm, its mean as a bar, published values as upright lines."""
    frame = pd.DataFrame(
        [
            {"arm": s.arm, "seed": seed, "value": value}
            for s in samples
            for seed, value in zip(s.seeds, s.values, strict=True)
            if np.isfinite(value)
        ],
        columns=["arm", "seed", "value"],
    )
    arms = [s.arm for s in samples]
    row = alt.Y("arm:N", sort=arms, axis=None, scale=alt.Scale(domain=arms, paddingInner=0.3, paddingOuter=0.4))
    across = alt.X(
        "value:Q",
        title=title(samples[0].measurement, samples[0].unit),
        scale=alt.Scale(zero=False, nice=True, padding=14),
    )
    colour = alt.Color("arm:N", scale=alt.Scale(domain=arms, range=_range(arms)), legend=None)
    tip = [alt.Tooltip("arm:N"), alt.Tooltip("seed:Q"), alt.Tooltip("value:Q", format=".6~g")]
    base = alt.Chart(frame)
    names = alt.Chart(pd.DataFrame({"arm": arms})).mark_text(
        align="left", baseline="bottom", dy=-15, fontSize=12.5, color=INK
    )
    layers: list[Any] = [
        *_upright(rules, frame["value"]),
        base.mark_tick(thickness=2.5, size=26, opacity=0.9).encode(x=alt.X("mean(value):Q"), y=row, color=colour),
        base.mark_circle(size=75, opacity=0.62).encode(x=across, y=row, color=colour, tooltip=tip),
        names.encode(x=alt.value(2), y=row, text="arm:N"),
    ]
    return _finish(alt.layer(*layers), height=62 * len(arms) + 74)


def curves(samples: list[Sample], published: pd.DataFrame, *, log_y: bool = False) -> alt.LayerChart:
    """Curve samples [S, K]: every seed thin, the mean over seeds bold; published values as level lines."""
    frame = pd.concat([_long(sample) for sample in samples], ignore_index=True)
    arms = [s.arm for s in samples]
    xs = frame["x"]
    wide = len(xs) > 0 and xs.min() > 0 and xs.max() / xs.min() > 50
    log_y = log_y and len(frame) > 0 and bool((frame["value"] > 0).all())
    first = samples[0]
    across = alt.X(
        "x:Q",
        title=first.x_unit or "x",
        scale=alt.Scale(type="log" if wide or log_y else "linear", nice=not (wide or log_y), zero=False),
        axis=alt.Axis(format="~s", tickCount=6, grid=False),
    )
    up = alt.Y(
        "value:Q",
        title=title(first.measurement, first.unit),
        scale=alt.Scale(type="log" if log_y else "linear", zero=False),
    )
    colour = alt.Color("arm:N", scale=alt.Scale(domain=arms, range=_range(arms)), legend=_legend(arms))
    thin = alt.Chart(frame).mark_line(strokeWidth=1, opacity=0.35)
    bold = alt.Chart(frame.groupby(["arm", "x"], sort=False, as_index=False)["value"].mean())
    tip = [alt.Tooltip("arm:N"), alt.Tooltip("x:Q", format=".6~g"), alt.Tooltip("value:Q", format=".6~g", title="mean")]
    layers: list[Any] = [
        thin.encode(x=across, y=up, color=colour, detail="seed:N"),
        bold.mark_line(strokeWidth=2.8).encode(x=across, y=up, color=colour),
        bold.mark_circle(size=26).encode(x=across, y=up, color=colour, tooltip=tip),
    ]
    if len(published):
        level = alt.Chart(published)
        layers += [
            level.mark_rule(strokeDash=[6, 4], color=INK, strokeWidth=1.6).encode(y="value:Q", tooltip=["text:N"]),
            level.mark_text(align="left", dy=-7, color=INK, fontSize=12).encode(
                y="value:Q", x=alt.value(4), text="text:N"
            ),
        ]
    return _finish(alt.layer(*layers), height=340)


def cases(samples: list[Sample]) -> alt.LayerChart:
    """Exact samples: each case found against what exact reasoning demands; on the line they agree."""
    frame = pd.concat([_against(sample) for sample in samples], ignore_index=True)
    arms = [s.arm for s in samples]
    ends = pd.DataFrame({"end": [frame["expected"].min(), frame["expected"].max()]})
    colour = alt.Color("arm:N", scale=alt.Scale(domain=arms, range=_range(arms)), legend=_legend(arms))
    tip = [alt.Tooltip(f"{name}:Q", format=".8~g") for name in ("expected", "found")]
    name = title(samples[0].measurement, samples[0].unit)
    if frame["expected"].nunique() == 1:  # one demanded value: draw the cases one after the other
        across = alt.X("case:Q", title="case", axis=alt.Axis(grid=False))
        line = alt.Chart(ends.head(1)).mark_rule(color=INK, strokeDash=[6, 4], strokeWidth=1.6).encode(y="end:Q")
    else:
        across = alt.X("expected:Q", title=f"demanded {name}", scale=alt.Scale(zero=False), axis=alt.Axis(grid=False))
        line = alt.Chart(ends).mark_line(color=INK, strokeDash=[6, 4], strokeWidth=1.6).encode(x="end:Q", y="end:Q")
    up = alt.Y("found:Q", title=f"found {name}", scale=alt.Scale(zero=False))
    dots = alt.Chart(frame).mark_circle(size=46, opacity=0.6).encode(x=across, y=up, color=colour, tooltip=tip)
    return _finish(alt.layer(line, dots), height=320)


def _finish(chart: alt.LayerChart, *, height: int) -> alt.LayerChart:
    return chart.properties(height=height, width="container").configure_view(strokeWidth=0)


def _kind(sample: Sample) -> str:
    if sample.expected is not None:
        return "cases"
    return "scalar" if sample.values.ndim == 1 else "curve"


def _unique(samples: list[Sample]) -> list[Sample]:
    """Each arm once: parts of a compound criterion often judge the same sample."""
    return list({(sample.arm, sample.seeds): sample for sample in samples}.values())


def _long(sample: Sample) -> pd.DataFrame:
    width = sample.values.shape[1]
    x = np.arange(width, dtype=float) if sample.x is None else sample.x
    keep = np.unique(np.linspace(0, width - 1, min(width, POINTS)).round().astype(int))
    values = sample.values[:, keep]
    frame = pd.DataFrame(
        {
            "arm": sample.arm,
            "seed": np.repeat(np.asarray(sample.seeds), len(keep)),
            "x": np.tile(x[keep], len(sample.seeds)),
            "value": values.ravel(),
        }
    )
    return frame[np.isfinite(frame["value"])]


def _against(sample: Sample) -> pd.DataFrame:
    """Cases evenly spread over a sample, the ones furthest from what is demanded always among them."""
    found = sample.values.ravel()
    expected = np.broadcast_to(np.asarray(sample.expected, dtype=float), sample.values.shape).ravel()
    case = np.arange(found.size)
    if found.size > POINTS:
        worst = np.argsort(-np.nan_to_num(np.abs(found - expected), nan=np.inf))[: POINTS // 5]
        case = np.union1d(worst, np.linspace(0, found.size - 1, POINTS - len(worst)).round().astype(int))
    frame = pd.DataFrame({"arm": sample.arm, "case": case, "found": found[case], "expected": expected[case]})
    return frame[np.isfinite(frame["found"]) & np.isfinite(frame["expected"])]


def _published(record: Record, unit: str) -> pd.DataFrame:
    """The reported numbers of this unit, and how they are labelled."""
    facts: list[Reported] = [fact for fact in record.claim.reported if fact.unit == unit][:6]
    rows = [{"value": f.value, "text": f"published {number(f.value)}, {f.place}", "kind": "published"} for f in facts]
    return pd.DataFrame(rows, columns=["value", "text", "kind"])


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


def _upright(rules: pd.DataFrame, values: pd.Series) -> list[Any]:
    """Upright lines: published values dashed, bounds dotted; their labels one below the other, on the inner side."""
    if not len(rules):
        return []
    every = pd.concat([rules["value"], values])
    middle = (every.min() + every.max()) / 2
    layers: list[Any] = []
    for i, (_, fact) in enumerate(rules.iterrows()):
        one = alt.Chart(rules.iloc[[i]])
        published = fact["kind"] == "published"
        dash = [6, 4] if published else [2, 3]
        side = "left" if fact["value"] <= middle else "right"
        layers.append(
            one.mark_rule(color=INK, strokeDash=dash, strokeWidth=1.8 if published else 1.4).encode(
                x="value:Q", tooltip=[alt.Tooltip("text:N", title="line")]
            )
        )
        layers.append(
            one.mark_text(align=side, dx=5 if side == "left" else -5, color=INK, fontSize=12, baseline="top").encode(
                x="value:Q", y=alt.value(2 + 15 * i), text="text:N"
            )
        )
    return layers


def _legend(arms: list[str]) -> Any:
    return alt.Legend(orient="top", direction="vertical", title=None, labelLimit=320) if len(arms) > 1 else None


def _range(arms: list[str]) -> list[str]:
    return [PALETTE[i % len(PALETTE)] for i in range(len(arms))]


def _words(name: str, unit: str, samples: list[Sample]) -> str:
    parts = [f"{s.arm}: {len(s.seeds)} seeds, mean {number(_mean(s))}" for s in samples]
    return f"{title(name, unit)}. " + "; ".join(parts)


def _mean(sample: Sample) -> float | None:
    finite = sample.values[np.isfinite(sample.values)]
    return float(finite.mean()) if finite.size else None
