"""Tests, intervals and fits for 3 to 20 seeds: Student t throughout, never the bootstrap.

Every t procedure first turns its data into an `Effect` (estimate, standard error, degrees of freedom); the tests
then look at effects only. Degenerate samples are exact: without spread the interval is a point, with one value
there is no interval, and a value that is not finite refutes. A `level` is the size of each one-sided test.

Shapes: S seeds, K grid points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from repro.verdict import Status

    Array = NDArray[np.float64]

POWER = 0.9  # power at which the smallest detectable effect is stated
_ULPS = 8 * np.finfo(float).eps  # differences this small, relative to the inputs, are rounding


@dataclass(frozen=True, kw_only=True)
class Effect:
    """An estimate with its sampling error.

    Attributes:
        estimate: the estimate; NaN if any input was not finite.
        se: its standard error; 0 if the inputs have no spread, infinite if the spread is unknown (one value).
        df: degrees of freedom of `se`; 0 if the spread is unknown.
        n: number of values, the smaller number for two independent samples.
        rounding: rounding error of `estimate`; differences from a bound below it count as zero.
    """

    estimate: float
    se: float
    df: float
    n: int
    rounding: float = 0.0

    def __neg__(self) -> Effect:
        return replace(self, estimate=-self.estimate)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a test says about an effect.

    Attributes:
        status: "holds", "refuted" or "inconclusive".
        p: p-value of the test whose rejection means "holds"; None without an interval.
        interval: two-sided interval of the effect at confidence 1 - 2 * level; None for one value or NaN.
        detectable: the effect (superiority) or the margin (equivalence) that is found to hold with 90 % power,
            taking the observed spread as the true one; None without an interval.
    """

    status: Status
    p: float | None = None
    interval: tuple[float, float] | None = None
    detectable: float | None = None


def mean_effect(values: ArrayLike, *, scale: float = 0.0) -> Effect:
    """Mean of values [S].

    Args:
        values: at least one number.
        scale: magnitude of the numbers that `values` were computed from, where that exceeds their own.

    Raises:
        ValueError: if `values` is empty or not one-dimensional.
    """
    v = np.asarray(values, dtype=float)
    if v.ndim != 1 or not v.size:
        raise ValueError(f"a mean needs values [S], got shape {v.shape}")
    if not np.isfinite(v).all():
        return Effect(estimate=math.nan, se=math.nan, df=0, n=v.size)
    largest = float(np.abs(v).max())
    unit = 2.0 ** (math.frexp(largest)[1] - 1)  # a power of two: keeps sums from overflowing and is exact
    # fsum is exactly rounded, so no verdict depends on the order of the seeds
    estimate = unit * (math.fsum(v / unit) / v.size)
    rounding = float(_ULPS) * max(largest, scale)
    if v.size == 1:
        return Effect(estimate=estimate, se=math.inf, df=0, n=1, rounding=rounding)
    spread = float((v / 2).max() - (v / 2).min())
    if spread <= rounding / 2:
        estimate = float(v[0]) if spread == 0 else estimate
        return Effect(estimate=estimate, se=0.0, df=v.size - 1, n=v.size, rounding=rounding)
    deviations = (v / 2 - estimate / 2) / spread
    sd = 2 * spread * math.sqrt(math.fsum(deviations**2) / (v.size - 1))
    return Effect(estimate=estimate, se=sd / math.sqrt(v.size), df=v.size - 1, n=v.size, rounding=rounding)


def paired_effect(a: ArrayLike, b: ArrayLike) -> Effect:
    """Mean of a - b for values [S] that share seeds, in the same order."""
    x, y = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if x.shape != y.shape:
        raise ValueError(f"paired samples need equal shapes, got {x.shape} and {y.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        return mean_effect(x - y, scale=float(max(np.abs(x).max(), np.abs(y).max())) if x.size else 0.0)


def welch_effect(a: ArrayLike, b: ArrayLike) -> Effect:
    """Difference of means of independent samples, with Welch's standard error and degrees of freedom."""
    x, y = mean_effect(a), mean_effect(b)
    n, rounding = min(x.n, y.n), max(x.rounding, y.rounding)
    estimate = x.estimate - y.estimate
    if not math.isfinite(estimate):
        return Effect(estimate=math.nan, se=math.nan, df=0, n=n)
    if n == 1:
        return Effect(estimate=estimate, se=math.inf, df=0, n=n, rounding=rounding)
    se = math.hypot(x.se, y.se)
    if se == 0:
        return Effect(estimate=estimate, se=0.0, df=x.df + y.df, n=n, rounding=rounding)
    df = 1 / ((x.se / se) ** 4 / x.df + (y.se / se) ** 4 / y.df)
    return Effect(estimate=estimate, se=se, df=df, n=n, rounding=rounding)


def interval(effect: Effect, level: float) -> tuple[float, float] | None:
    """Two-sided Student t interval of an effect at confidence 1 - 2 * level; None if the spread is unknown."""
    if not effect.df or not math.isfinite(effect.estimate):
        return None
    half = _t_quantile(effect.df, level) * effect.se if effect.se else 0.0
    return effect.estimate - half, effect.estimate + half


def t_interval(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float] | None:
    """Two-sided Student t interval of the mean of values [S]; None for fewer than two finite values."""
    return interval(mean_effect(values), (1 - confidence) / 2)


def prediction_interval(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float] | None:
    """Student t interval for one further value from where values [S] came; None for fewer than two."""
    effect = mean_effect(values)
    return interval(replace(effect, se=effect.se * math.sqrt(effect.n + 1)), (1 - confidence) / 2)


def superior(
    effect: Effect,
    margin: float,
    level: float,
    *,
    side: Literal["above", "below"] = "above",
    inclusive: bool = False,
) -> Outcome:
    """One-sided t test that an effect lies above (below) a margin.

    Holds if the one-sided confidence bound lies beyond the margin, refuted if the opposite bound falls short of
    it. Without spread the estimate is the truth: it holds strictly beyond the margin, or at it if `inclusive`.
    """
    if side == "below":
        out = superior(-effect, -margin, level, inclusive=inclusive)
        ends = None if out.interval is None else (-out.interval[1], -out.interval[0])
        return replace(out, interval=ends, detectable=None if out.detectable is None else -out.detectable)
    ends, gain = interval(effect, level), _gain(effect, margin)
    if ends is None:
        return Outcome(status="inconclusive" if math.isfinite(effect.estimate) else "refuted")
    if not effect.se:
        holds = gain > 0 or (inclusive and gain == 0)
        return Outcome(status="holds" if holds else "refuted", p=float(not holds), interval=ends, detectable=margin)
    status: Status = "holds" if ends[0] > margin else "refuted" if ends[1] < margin else "inconclusive"
    detectable = margin + _noncentrality(effect.df, level, POWER) * effect.se
    return Outcome(status=status, p=t_tail(effect.df, gain / effect.se), interval=ends, detectable=detectable)


def equivalent(effect: Effect, low: float, high: float, level: float) -> Outcome:
    """Two one-sided t tests (TOST) that an effect lies strictly between low and high.

    Holds if the interval at confidence 1 - 2 * level lies inside, refuted if it lies wholly outside. `detectable`
    is the half-width of the narrowest margins that a truly central effect would have met with 90 % power.
    """
    if not low < high:
        raise ValueError(f"margins {low}, {high} enclose nothing")
    ends = interval(effect, level)
    if ends is None:
        return Outcome(status="inconclusive" if math.isfinite(effect.estimate) else "refuted")
    above, below = _gain(effect, low), -_gain(effect, high)
    if not effect.se:
        holds = above > 0 and below > 0
        return Outcome(status="holds" if holds else "refuted", p=float(not holds), interval=ends, detectable=0.0)
    inside, outside = low < ends[0] and ends[1] < high, ends[1] < low or ends[0] > high
    return Outcome(
        status="holds" if inside else "refuted" if outside else "inconclusive",
        p=t_tail(effect.df, min(above, below) / effect.se),
        interval=ends,
        detectable=_tost_margin(effect.df, level, POWER) * effect.se,
    )


def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of a proportion; (0, 1) for no trials."""
    from scipy import special

    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials")
    tail, failures = (1 - confidence) / 2, trials - successes
    low = float(special.betaincinv(successes, failures + 1, tail)) if successes else 0.0
    high = float(special.betaincinv(successes + 1, failures, 1 - tail)) if failures else 1.0
    return low, high


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's adjusted p-values, in the order given: reject those at or below the family-wise level."""
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = running
    return tuple(adjusted)


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


def _gain(effect: Effect, margin: float) -> float:
    """Estimate less margin, exactly zero where only rounding tells them apart."""
    gain = effect.estimate - margin
    return 0.0 if abs(gain) <= effect.rounding + float(_ULPS) * abs(margin) else gain


@lru_cache(maxsize=1024)
def _t_quantile(df: float, level: float) -> float:
    """The t that is exceeded with probability `level`."""
    from scipy import special

    return -float(special.stdtrit(df, level))


def t_tail(df: float, t: float) -> float:
    """Probability that Student's t with `df` degrees of freedom exceeds t."""
    from scipy import special

    return float(special.stdtr(df, -t))


@lru_cache(maxsize=1024)
def _noncentrality(df: float, level: float, power: float) -> float:
    """Standardised effect at which a one-sided t test of size `level` has the given power."""
    from scipy import special

    critical = _t_quantile(df, level)
    return _root(lambda effect: 1 - float(special.nctdtr(df, effect, critical)) - power)


@lru_cache(maxsize=1024)
def _tost_margin(df: float, level: float, power: float) -> float:
    """Standardised half-width at which TOST of size `level` has the given power for a central effect.

    Given the observed standard error s (relative to the true one), the tests pass while the estimate keeps away
    from both margins by t * s; averaged over the distribution of s, in 1024 equally likely slices.
    """
    from scipy import special

    slices = (np.arange(1024) + 0.5) / 1024
    needed = _t_quantile(df, level) * np.sqrt(2 * special.gammaincinv(df / 2, slices) / df)
    return _root(lambda half: float(np.maximum(0, 2 * special.ndtr(half - needed) - 1).mean()) - power)


def _root(rising) -> float:
    """Where a rising function of a positive number crosses zero, by bisection."""
    low, high = 0.0, 1.0
    while rising(high) < 0:
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2


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
