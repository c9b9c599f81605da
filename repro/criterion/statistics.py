"""Tests, intervals and fits for 3 to 20 seeds: Student t throughout, never the bootstrap.

Every t procedure first turns its data into an `Effect` (estimate, standard error, degrees of freedom); the tests
then look at effects only. Degenerate samples are exact: without spread the interval is a point, with one value
there is no interval, and a value that is not finite refutes. A `level` is the size of each one-sided test.

Shapes: S seeds, K grid points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from repro.criterion.verdict import Status

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
class TestResult:
    """What a test says about an effect.

    Attributes:
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
) -> TestResult:
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
        return TestResult(status="inconclusive" if math.isfinite(effect.estimate) else "refuted")
    if not effect.se:
        holds = gain > 0 or (inclusive and gain == 0)
        return TestResult(status="holds" if holds else "refuted", p=float(not holds), interval=ends, detectable=margin)
    status: Status = "holds" if ends[0] > margin else "refuted" if ends[1] < margin else "inconclusive"
    detectable = margin + _noncentrality(effect.df, level, POWER) * effect.se
    return TestResult(status=status, p=t_tail(effect.df, gain / effect.se), interval=ends, detectable=detectable)


def equivalent(effect: Effect, low: float, high: float, level: float) -> TestResult:
    """Two one-sided t tests (TOST) that an effect lies strictly between low and high.

    Holds if the interval at confidence 1 - 2 * level lies inside, refuted if it lies wholly outside. `detectable`
    is the half-width of the narrowest margins that a truly central effect would have met with 90 % power.
    """
    if not low < high:
        raise ValueError(f"margins {low}, {high} enclose nothing")
    ends = interval(effect, level)
    if ends is None:
        return TestResult(status="inconclusive" if math.isfinite(effect.estimate) else "refuted")
    above, below = _gain(effect, low), -_gain(effect, high)
    if not effect.se:
        holds = above > 0 and below > 0
        return TestResult(status="holds" if holds else "refuted", p=float(not holds), interval=ends, detectable=0.0)
    inside, outside = low < ends[0] and ends[1] < high, ends[1] < low or ends[0] > high
    return TestResult(
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


def _root(rising: Callable[[float], float]) -> float:
    """Where a rising function of a positive number crosses zero, by bisection."""
    low, high = 0.0, 1.0
    while rising(high) < 0:
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2
