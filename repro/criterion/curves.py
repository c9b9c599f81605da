"""Criteria for curves: power laws, peaks and steady trends over a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import msgspec

from repro.criterion import fits, statistics
from repro.criterion.base import Tested, combine, plain, take_curve, unusable
from repro.criterion.measurement import Sample
from repro.criterion.statistics import Effect
from repro.criterion.verdict import Status, Verdict
from repro.errors import ReproError
from repro.numbers import number


class PowerLaw(Tested, frozen=True, kw_only=True, tag="power_law"):
    """A curve is a power law of its grid, with an exponent between low and high."""

    low: float
    high: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.low < self.high:
            raise ValueError(f"exponents from {self.low} to {self.high} enclose nothing")

    def says(self) -> str:
        """The rule in words."""
        rule = f"a power law of the grid: {number(self.low)} < exponent < {number(self.high)}"
        models = "not beaten by a logarithm or an offset power law by AICc > 2"
        return self.with_test(f"{rule}, {models}", "t interval of the slope in logarithms")

    def judge(self, samples: Sequence[Sample]) -> Verdict:
        """Fit one curve [S, K]; the interval comes from the scatter of the K points; one seed is not enough."""
        curve = take_curve(samples, 3)
        if bad := unusable([curve], "1", self.level, log=True):
            return bad
        if curve.x is None or curve.x[0] <= 0:
            raise ReproError(f"The grid of {plain(curve)} has a point that is not positive")
        fit = fits.power_law(curve.x, curve.values)
        models = f"AICc of a logarithm {fit.logarithm:+.4g}, of an offset power law {fit.offset:+.4g}"
        judged = self.enclosed(
            fit.slope,
            self.low,
            self.high,
            what=f"exponent over {len(curve.x)} points",
            must=f"must lie between {number(self.low)} and {number(self.high)}; {models}",
            bound=min((self.low, self.high), key=lambda edge: abs(edge - fit.slope.estimate)),
            unit="1",
        )
        status: Status = judged.status
        if fit.logarithm < -10:
            status = "refuted"
        elif status == "holds" and (min(fit.logarithm, fit.offset) < -2 or len(curve.values) < 2):
            status = "inconclusive"  # of a single seed, the interval says nothing about another
        return msgspec.structs.replace(judged, status=status)


class InteriorPeak(Tested, frozen=True, kw_only=True, tag="interior_peak"):
    """A curve peaks in the inner 80 % of its grid, well above both ends, and falls by more than `drop` of it."""

    drop: float = 0.15
    threshold: float = 3.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.drop < 1 or self.threshold < 0:
            raise ValueError("interior_peak() needs 0 <= drop < 1 and threshold >= 0")

    def says(self) -> str:
        """The rule in words."""
        rise = f"(peak - start) / SE and (peak - end) / SE > {number(self.threshold)}"
        rule = f"a peak in the inner 80 % of the grid: {rise}, peak - end > {number(self.drop)} peak"
        return self.with_test(rule, "one-sided t tests besides")

    def judge(self, samples: Sequence[Sample]) -> Verdict:
        """Test one curve [S, K >= 7], smoothed over 5 points; each seed's peak is placed by the other seeds."""
        curve = take_curve(samples, 7)
        if bad := unusable([curve], curve.unit, self.level):
            return bad
        found = fits.peak(curve.values, self.drop)
        judged = combine(
            [
                self._part(found.start, "peak - start", self.threshold, curve.unit),
                self._part(found.end, "peak - end", self.threshold, curve.unit),
                self._part(found.fall, f"{number(1 - self.drop)} peak - end", 0.0, curve.unit),
            ],
            ["rise", "fall", "size of the fall"],
        )
        status: Status = judged.status
        if found.interior is False:
            status = "refuted"
        elif status == "holds" and not found.interior:
            status = "inconclusive"
        place = {True: "in the inner 80 %", False: "not in the inner 80 %", None: "unsettled"}[found.interior]
        reason = f"peak at point {found.index + 1} of {curve.values.shape[1]}, {place}; {judged.reason}"
        return msgspec.structs.replace(judged, status=status, reason=reason)

    def _part(self, effect: Effect, what: str, threshold: float, unit: str) -> Verdict:
        """Test that a difference exceeds 0 at the level, and at `threshold` standard errors where that is stricter."""
        level = min(self.level, statistics.t_tail(effect.df, threshold)) if threshold and effect.df else self.level
        must = f"must exceed 0 and {number(threshold)} SE" if threshold else "must exceed 0"
        out = statistics.superior(effect, 0.0, level)
        return self.verdict(effect, out, what=what, must=must, bound=0.0, unit=unit, level=level)


class Monotone(Tested, frozen=True, kw_only=True, tag="monotone"):
    """A curve rises (or falls) steadily along its grid."""

    tau: float = 0.95
    reversal: float = 0.02
    direction: Literal["rising", "falling"] = "rising"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 < self.tau <= 1 and 0 <= self.reversal < 1):
            raise ValueError("monotone() needs 0 < tau <= 1 and 0 <= reversal < 1")

    def says(self) -> str:
        """The rule in words."""
        rule = f"steadily {self.direction}: Kendall tau >= {number(self.tau)}"
        rest = f"no reversal of {number(100 * self.reversal)} % of the way from start to end"
        return self.with_test(f"{rule}, {rest}", "one-sided t tests")

    def judge(self, samples: Sequence[Sample]) -> Verdict:
        """Test one curve [S, K >= 3]: its order (tau, jackknife over seeds) and its largest reversal."""
        curve = take_curve(samples, 3)
        if bad := unusable([curve], curve.unit, self.level):
            return bad
        sign = 1 if self.direction == "rising" else -1
        found = fits.rise(sign * curve.values, self.reversal, self.level)
        return combine([self._order(found), self._reversals(found, curve.unit)], ["order", "reversals"])

    def _order(self, found: fits.Rise) -> Verdict:
        """Whether the points stand in order; too few points to tell that from chance are inconclusive."""
        out = statistics.superior(found.tau, self.tau, self.level, inclusive=True)
        if out.detectable is not None and out.detectable > 1:  # no order is that good
            out = replace(out, detectable=None)
        judged = self.verdict(
            found.tau,
            out,
            what="Kendall tau",
            must=f"must reach {number(self.tau)}, p of such order by chance {number(found.p_order)}",
            bound=self.tau,
            unit="1",
        )
        status: Status = judged.status
        if status == "holds" and found.p_order > self.level:
            status = "inconclusive"
        p = None if out.p is None else max(out.p, found.p_order)
        return msgspec.structs.replace(judged, status=status, p=p)

    def _reversals(self, found: fits.Rise, unit: str) -> Verdict:
        """Whether all reversals stay below the share allowed, judged where there is least room."""
        effect, out = found.slack, statistics.superior(found.slack, 0.0, self.level)
        breach = statistics.superior(found.breach, 0.0, self.level / found.pairs)
        if breach.status == "refuted":
            effect, out = found.breach, statistics.superior(found.breach, 0.0, self.level)
        elif out.status == "refuted":  # one of many pairs, at a level that is not corrected for their number
            out = statistics.TestResult(status="inconclusive", p=out.p, interval=out.interval)
        room = f"largest reversal {number(100 * found.reversal)} % of the range, room left"
        return self.verdict(effect, out, what=room, must="must exceed 0", bound=0.0, unit=unit)
