"""Whether a measurement got worse: tests on values per seed, and how many seeds a wanted power takes.

A gate looks twice. The *screen* looks at the seeds that the baseline has; it only chooses what is looked at again. The
*confirmation* looks at fresh seeds, up to three times with more of them each time, and only it can fail a gate. Its
p-values are corrected by Holm over all measurements that changed, whether or not they were suspicious, and its level
is shared among the looks: so the chance that a gate fails although nothing got worse is at most `LEVEL`, whatever the
screen chose and however measurements depend on each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.gate.baseline import Values
from harness.gate.metric_direction import Aspect, transformed
from harness.gate.protocol import Worse
from repro.criterion.statistics import Effect, mean_effect, paired_effect, t_tail, welch_effect

LEVEL = 0.005  # of all quality together; verdicts and costs have their own
SCREEN = 0.2  # p-value below which a measurement is looked at again
LOOKS = (8, 24, 100)  # fresh seeds in all after each look
CLEARED = (0.7, 0.3)  # after each look but the last, a larger p-value ends the suspicion
UNSURE = 0.05  # a corrected p-value below this after the last look, but not below the level, is left undecided
MINIMUM_SD = 0.25  # an effect smaller than this share of the baseline's standard deviation never counts
CONSTANT = 1e-6  # a spread below this share of the mean is rounding: what has it counts as constant
MINIMUM_SHARE = 0.001  # of the mean: an effect smaller than this never counts where the baseline is constant
SEEDS, FRESH = 24, LOOKS[-1]  # that find a drop of one standard deviation 95 times in 100; see docs/gate.md


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """New values against old ones, at one look.

    Attributes:
        n: seeds of the new values, and of the old.
        shift: new minus old, in `unit` or as a log ratio; None where nothing finite can be compared.
        low, high: ends of its 95 % t interval; None where the spread is unknown.
        spreads: the shift towards worse, in standard deviations of the baseline; None where that has no spread.
        p: p-value of "got worse"; 1 where all of the interval is smaller than the least shift that counts.
        large: whether the shift itself is one that counts.
        paired: whether values were compared seed by seed.
        diverged: how many new runs diverged.
    """

    n: tuple[int, int]
    shift: float | None = None
    low: float | None = None
    high: float | None = None
    spreads: float | None = None
    p: float = 1.0
    large: bool = False
    paired: bool = False
    diverged: int = 0


def identical(old: Values, new: Values) -> bool | None:
    """Whether values are bitwise identical at all seeds that both have; None if they have none in common."""
    common = sorted(set(old.seeds) & set(new.seeds))
    return old.at(common).values == new.at(common).values if common else None


def compare(old: Values, new: Values, aspect: Aspect) -> Comparison:
    """Test whether a measurement got worse: paired where both have the same seeds, else as independent samples.

    A new run that diverged where no old one did counts as worse than any number. Where old runs diverged as well, the
    finite values are compared, and whether divergence became more frequent is tested by Fisher's exact test.
    """
    n, lost = (len(new.values), len(old.values)), len(new.diverged)
    if lost and not old.diverged:
        return Comparison(n=n, p=0.0, large=True, diverged=lost)
    finite = [v for v in (*old.values, *new.values) if v is not None]
    log = aspect.log and all(v > 0 for v in finite)
    paired = set(old.seeds) == set(new.seeds) and not old.diverged
    a = transformed(new.at(old.seeds).values if paired else new.values, log=log)
    b = transformed(old.values, log=log)
    if not a or not b:
        return Comparison(n=n, diverged=lost)
    effect = paired_effect(a, b) if paired else independent(a, b)
    spread = float(np.std(b, ddof=1)) if len(b) > 1 else 0.0
    size = 1.0 if log else abs(float(np.mean(b)))
    spread = spread if spread > CONSTANT * size else 0.0
    least = MINIMUM_SD * spread if spread else MINIMUM_SHARE * size
    half = None if not effect.df else effect.se * _quantile(effect.df)
    p = _p(effect, aspect.worse, least, half)
    if old.diverged:
        p = min(1.0, 2 * min(p, _fisher_p(lost, len(new.values), len(old.diverged), len(old.values))))
    return Comparison(
        shift=effect.estimate,
        low=None if half is None else effect.estimate - half,
        high=None if half is None else effect.estimate + half,
        spreads=worsening(effect.estimate, aspect.worse) / spread if spread else None,
        p=p,
        large=worsening(effect.estimate, aspect.worse) > max(least, effect.rounding),
        n=n,
        paired=paired,
        diverged=lost,
    )


def independent(a: Sequence[float], b: Sequence[float]) -> Effect:
    """Difference of the means of independent samples.

    That nothing changed means that both have one spread, so its estimate is pooled: Welch's has next to no power where
    the baseline has four seeds and the check eighty, and takes four equal values for a spread of zero. Where Welch's
    error is the larger one, because the spread shrank, that one counts.
    """
    x, y = mean_effect(a), mean_effect(b)
    welch = welch_effect(a, b) if min(x.n, y.n) > 1 else None
    df = x.n + y.n - 2
    rounding = max(x.rounding, y.rounding)
    if not df:
        return Effect(estimate=x.estimate - y.estimate, se=math.inf, df=0, n=1, rounding=rounding)
    squares = sum((effect.n - 1) * effect.n * effect.se**2 for effect in (x, y) if effect.n > 1)
    pooled = math.sqrt(squares / df * (1 / x.n + 1 / y.n))
    se = max(pooled, welch.se) if welch is not None else pooled
    return Effect(estimate=x.estimate - y.estimate, se=se, df=df, n=min(x.n, y.n), rounding=rounding)


def worsening(shift: float, worse: Worse) -> float:
    """How far a shift goes towards worse."""
    return abs(shift) if worse in ("either", "neither") else shift if worse == "up" else -shift


def _p(effect: Effect, worse: Worse, least: float, half: float | None) -> float:
    gain = worsening(effect.estimate, worse)
    if half is None or gain <= effect.rounding or gain + half <= least:
        return 1.0
    if not effect.se:
        return 0.0
    tail = t_tail(effect.df, gain / effect.se)
    return min(1.0, 2 * tail) if worse in ("either", "neither") else tail


def _quantile(df: float) -> float:
    from scipy import special

    return float(special.stdtrit(df, 0.975))


def _fisher_p(hits: int, of: int, before: int, of_before: int) -> float:
    """Chance of at least so many hits of all hits among the new runs, if old and new are alike."""
    total, both = of + of_before, hits + before
    ways = sum(math.comb(of, k) * math.comb(of_before, both - k) for k in range(hits, min(of, both) + 1))
    return ways / math.comb(total, both)


def look_sizes(fresh: int) -> tuple[int, ...]:
    """Fresh seeds in all after each look, where at most `fresh` may be taken."""
    return (*(n for n in LOOKS if n < fresh), fresh) if fresh else ()


def detectable(family: int, old: int, new: int, look_count: int, power: float = 0.95) -> float:
    """The smallest drop, in standard deviations, that the last look finds with this power in a family of tests.

    By the normal approximation: `old` and `new` are the seeds of the two samples.
    """
    from scipy import special

    level = LEVEL / max(1, look_count) / max(1, family)
    standard = math.sqrt(1 / old + 1 / new)
    return float((special.stdtrit(old + new - 2, 1 - level) + special.ndtri(power)) * standard)
