"""Fits of curves: power laws, rises and peaks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from repro.criterion.measurement import Array
from repro.criterion.statistics import _ULPS, Effect, _t_quantile, mean_effect


@dataclass(frozen=True, kw_only=True)
class PowerLawFit:
    """Fit of y = a * x**b.

    Attributes:
        slope: b, with K - 2 degrees of freedom (from the scatter of the points around the line).
        logarithm: AICc of y = a + b * log x less that of the power law; negative where the logarithm is better.
        offset: the same for y = a * x**b + c; infinite for fewer than 6 points, too few to tell.
    """

    slope: Effect
    logarithm: float
    offset: float


def power_law(x: ArrayLike, y: ArrayLike) -> PowerLawFit:
    """Least squares in logarithms on the means of log y over seeds; x [K] and y [S, K] (or [K]) are positive.

    The alternatives are fitted by maximum likelihood on the same scale, Gaussian residuals in log y. Residuals
    below 1e-9 are rounding and tell no model from another.

    Raises:
        ValueError: for fewer than 3 distinct x, or an x or y that is not positive and finite.
    """
    grid, curves = np.asarray(x, dtype=float), np.atleast_2d(np.asarray(y, dtype=float))
    if grid.ndim != 1 or len(np.unique(grid)) < 3 or curves.shape[1:] != grid.shape:
        raise ValueError(f"a power law needs x [K >= 3] and y [S, K], got {grid.shape} and {curves.shape}")
    if not all((np.isfinite(v) & (v > 0)).all() for v in (grid, curves)):
        raise ValueError("a power law needs positive finite numbers")
    u, v, k = np.log(grid), np.log(curves).mean(axis=0), len(grid)
    centred = u - u.mean()
    sxx = float(centred @ centred)
    rounding = float(_ULPS) * (1 + float(np.abs(v).max()))
    slope = float(centred @ (v - v.mean())) / sxx if np.ptp(v) > rounding else 0.0
    residuals = v - v.mean() - slope * centred
    sse = float(residuals @ residuals)
    exact = float(np.abs(residuals).max()) <= rounding
    se = 0.0 if exact else math.sqrt(sse / (k - 2) / sxx)
    w = (u - u.min()) / np.ptp(u)
    log_sse = float(_profile(v, w, np.zeros(1))[0])
    offset_sse = min(sse, log_sse, _offset_sse(v, w))
    return PowerLawFit(
        slope=Effect(estimate=slope, se=se, df=k - 2, n=len(curves), rounding=rounding / math.sqrt(sxx)),
        logarithm=_aicc(log_sse, k, 2) - _aicc(sse, k, 2),
        offset=_aicc(offset_sse, k, 3) - _aicc(sse, k, 2) if k > 5 else math.inf,
    )


def kendall(values: ArrayLike) -> tuple[float, float]:
    """How well values [K] rise along their order: Kendall's tau, and the p-value of a tau this high by chance.

    The p-value is exact under random order. A tie counts for neither order in tau (tau-a) and against in p.
    """
    v = np.asarray(values, dtype=float)
    i, j = np.triu_indices(len(v), 1)
    if not i.size:
        return 0.0, 1.0
    steps = v[j] - v[i]
    signs = np.sign(np.where(np.abs(steps) <= _ULPS * np.abs(v).max(), 0.0, steps))  # rounding is a tie
    concordant = int((signs > 0).sum())
    chances = np.ones(1)  # distribution of the number of inversions of a random permutation, size by size
    for size in range(2, len(v) + 1):
        chances = np.convolve(chances, np.full(size, 1 / size))
    p = float(chances[: i.size - concordant + 1].sum())
    return float(signs.sum() / i.size), min(1.0, p)


def largest_reversal(values: ArrayLike) -> float:
    """Largest fall of values [K] from an earlier to a later point, as a share of their range; 0 if constant."""
    v = np.asarray(values, dtype=float)
    extent = float(np.ptp(v))
    return float((np.maximum.accumulate(v) - v).max()) / extent if extent else 0.0


@dataclass(frozen=True, kw_only=True)
class Rise:
    """How steadily curves rise.

    Attributes:
        tau: Kendall's tau of the mean curve, with the jackknife's standard error over seeds.
        p_order: exact p-value of that tau under random order.
        reversal: largest reversal of the mean curve, as a share of its range.
        slack: for the pair of points with the least room: the reversal allowed less the reversal found.
        breach: the slack whose upper bound is lowest, for a refutation at a level divided by `pairs`.
        pairs: number of pairs of points.
    """

    tau: Effect
    p_order: float
    reversal: float
    slack: Effect
    breach: Effect
    pairs: int


def rise(curves: ArrayLike, reversal: float, level: float) -> Rise:
    """Statistics of monotone rise for curves [S, K], K >= 3.

    For points i < j the slack is reversal * (last - first) - (y_i - y_j), a mean over seeds. All slacks must be
    positive, so testing each at `level` needs no correction (intersection-union); refuting by any one does.
    """
    y = np.asarray(curves, dtype=float)
    if y.ndim != 2 or y.shape[1] < 3:
        raise ValueError(f"curves need shape [S, K >= 3], got {y.shape}")
    n, mean = len(y), y.mean(axis=0)
    i, j = np.triu_indices(y.shape[1], 1)
    slack = reversal * (y[:, -1:] - y[:, :1]) - (y[:, i] - y[:, j])
    centre = slack.mean(axis=0)
    least = breach = int(centre.argmin())
    tau, p_order = kendall(mean)
    se = math.inf
    if n > 1:
        errors = slack.std(axis=0, ddof=1) / math.sqrt(n)
        least = int((centre - _t_quantile(n - 1, level) * errors).argmin())
        breach = int((centre + _t_quantile(n - 1, level / i.size) * errors).argmin())
        left_out = np.array([kendall((n * mean - curve) / (n - 1))[0] for curve in y])
        se = math.sqrt((n - 1) ** 2 / n) * float(left_out.std(ddof=1)) if np.ptp(left_out) else 0.0
    scale = float(np.abs(y).max())
    return Rise(
        tau=Effect(estimate=tau, se=se, df=n - 1, n=n, rounding=float(_ULPS)),
        p_order=p_order,
        reversal=largest_reversal(mean),
        slack=mean_effect(slack[:, least], scale=scale),
        breach=mean_effect(slack[:, breach], scale=scale),
        pairs=i.size,
    )


@dataclass(frozen=True, kw_only=True)
class Peak:
    """The highest point of curves, smoothed over 5 points.

    Attributes:
        index: position of the highest point of the mean curve on the grid.
        interior: whether that point lies in the inner 80 % of the grid, for the mean curve and for each mean
            that leaves one seed out; None where these disagree, or where there is one seed.
        start: peak less first point.
        end: peak less last point.
        fall: (1 - drop) * peak less last point: positive where the curve falls by more than that share.
    """

    index: int
    interior: bool | None
    start: Effect
    end: Effect
    fall: Effect


def peak(curves: ArrayLike, drop: float) -> Peak:
    """Statistics of an interior maximum for curves [S, K], K >= 7.

    Picking the highest of many noisy points favours a peak, so each seed's peak stands where the mean of the
    *other* seeds is highest; its excess then has mean zero for pure noise. Windows are cut off at the ends.
    """
    y = np.asarray(curves, dtype=float)
    if y.ndim != 2 or y.shape[1] < 7:
        raise ValueError(f"a peak needs curves [S, K >= 7], got {y.shape}")
    n, k = y.shape
    kernel = np.ones(5)
    weight = np.convolve(np.ones(k), kernel, "same")
    smooth = np.stack([np.convolve(curve, kernel, "same") for curve in y]) / weight
    mean = smooth.mean(axis=0)
    index = int(mean.argmax())
    tops = np.array([index])
    if n > 1:
        tops = ((n * mean - smooth) / (n - 1)).argmax(axis=1)
    inner = [0.1 * (k - 1) <= top <= 0.9 * (k - 1) for top in (index, *tops)]
    top, scale = smooth[np.arange(n), tops], float(np.abs(y).max())
    return Peak(
        index=index,
        interior=inner[0] if n > 1 and len(set(inner)) == 1 else None,
        start=mean_effect(top - smooth[:, 0], scale=scale),
        end=mean_effect(top - smooth[:, -1], scale=scale),
        fall=mean_effect((1 - drop) * top - smooth[:, -1], scale=scale),
    )


def _aicc(sse: float, k: int, parameters: int) -> float:
    """Corrected Akaike criterion of a Gaussian fit to k points; the variance is one more parameter.

    With too few points the correction is left out: two models with equally many parameters still compare.
    """
    p = parameters + 1
    correction = 2 * p * (p + 1) / (k - p - 1) if k > p + 1 else 0.0
    return k * math.log(max(sse / k, 1e-18)) + 2 * p + correction


def _profile(v: Array, w: Array, bends: Array) -> Array:
    """Smallest sum of squares [B] of log y = v [K] around log(A * (1 - g + e**r * g)), best A and r, per bend.

    g runs from 0 to 1 along w in [0, 1]: (e**(bend * w) - 1) / (e**bend - 1), or w itself for bend 0. Bend 0 is
    the logarithm y = a + b * log x; bend b * log(x_last / x_first) is y = a * x**b + c. Searched by zooming in.
    """
    safe = np.where(np.abs(bends) < 1e-6, 1.0, bends)[:, None]
    ramp = np.where(np.abs(bends)[:, None] < 1e-6, w, np.expm1(safe * w) / np.expm1(safe))
    steps = np.linspace(-1, 1, 21)
    best = np.zeros(len(bends))
    half = min(2 * float(np.ptp(v)) + 5, 300.0)  # keeps e**r a float
    rows, least = np.arange(len(bends)), np.full(len(bends), math.inf)
    for _ in range(12):
        logs = best[:, None] + half * steps
        model = np.log((1 - ramp)[:, None, :] + np.exp(logs)[:, :, None] * ramp[:, None, :])
        errors = (v - model).var(axis=-1) * len(v)  # the variance is what the best log A leaves
        pick = errors.argmin(axis=1)
        best, least, half = logs[rows, pick], errors[rows, pick], half / 5
    return least


def _offset_sse(v: Array, w: Array) -> float:
    """Smallest sum of squares of an offset power law, over bends |b * log(x_last / x_first)| up to 20."""
    centre, half, steps = 0.0, 20.0, np.linspace(-1, 1, 21)
    least = math.inf
    for _ in range(6):
        bends = centre + half * steps
        sse = _profile(v, w, bends)
        centre, half = float(bends[sse.argmin()]), half / 5
        least = min(least, float(sse.min()))
    return least
