"""Exact criteria: nothing is drawn, so one violation refutes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from repro.criterion.base import BaseCriterion, check_unit, plain, take
from repro.criterion.measurement import Sample
from repro.criterion.verdict import Verdict
from repro.errors import ReproError
from repro.numbers import number
from repro.paper import Reported


class Holds(BaseCriterion, frozen=True, tag="holds"):
    """No case out of all may violate what exact reasoning demands; NaN violates."""

    EXACT: ClassVar[bool] = True
    tolerance: float = 0.0
    relation: Literal["equal", "at_most", "at_least"] = "equal"

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < math.inf:
            raise ValueError(f"a tolerance is finite and not negative, not {self.tolerance}")

    def says(self) -> str:
        """The rule in words."""
        slack = number(self.tolerance)
        rules = {
            "equal": f"|value - expected| <= {slack}",
            "at_most": f"value <= expected + {slack}",
            "at_least": f"value >= expected - {slack}",
        }
        return f"every case is as exact reasoning demands, {rules[self.relation]}, without exception"

    def judge(self, samples: Sequence[Sample]) -> Verdict:
        """Count violations in one sample [S] or [S, K] with expected values; the estimate is their number."""
        (sample,) = take(samples, 1, dims=None)
        if sample.expected is None:
            raise ReproError(f"{plain(sample)} has no expected values", "Measure it with cases().")
        found, expected = np.asarray(sample.values, float), np.asarray(sample.expected, float)
        if not found.size:
            return Verdict(status="refuted", estimate=None, n=0, unit="violations", reason="no cases")
        if expected.ndim and expected.shape not in (found.shape, found.shape[1:]):
            raise ReproError(f"{plain(sample)} has values {found.shape} but {expected.shape} expected ones")
        with np.errstate(invalid="ignore", over="ignore"):
            gap = found - expected
        excess = {"equal": np.abs(gap), "at_most": gap, "at_least": -gap}[self.relation]
        excess = np.where(found == expected, 0.0, excess)  # equal infinities agree
        bad = int((~(excess <= self.tolerance)).sum())
        worst = math.nan if np.isnan(excess).any() else max(0.0, float(excess.max()))
        return Verdict(
            status="refuted" if bad else "holds",
            estimate=float(bad),
            bound=0.0,
            n=found.size,
            unit="violations",
            reason=f"{bad} of {found.size} cases violate; worst deviation {number(worst)}, "
            f"tolerance {number(self.tolerance)}",
        )


class Equals(BaseCriterion, frozen=True, kw_only=True, tag="equals"):
    """One number that nothing random enters equals a published one, as far as the paper prints it."""

    EXACT: ClassVar[bool] = True
    reported: Reported
    within: float

    def __post_init__(self) -> None:
        if not 0 <= self.within < math.inf:
            raise ValueError(f"a margin is finite and not negative, not {self.within}")

    def says(self) -> str:
        """The rule in words."""
        gap = f"|value - {number(self.reported.value)}| <= {number(self.within)}"
        return f"the number equals the published one, {gap} [{self.reported.place}]"

    def judge(self, samples: Sequence[Sample]) -> Verdict:
        """Compare the number of one sample [S], the same at every seed; one that is not finite refutes."""
        (sample,) = take(samples, 1)
        check_unit(sample, self.reported)
        found, published = np.asarray(sample.values, float), self.reported.value
        if not found.size or not np.isfinite(found).all():
            return Verdict(status="refuted", estimate=None, n=found.size, unit=sample.unit, reason="not finite")
        if (found != found[0]).any():
            raise ReproError(f"{plain(sample)} differs between seeds", "equals() is for numbers that are not drawn.")
        value = float(found[0])
        slack = self.within + 1e-12 * abs(published)  # 3.85 - 3.8 is more than 0.05 in binary
        return Verdict(
            status="holds" if abs(value - published) <= slack else "refuted",
            estimate=value,
            bound=published,
            n=found.size,
            unit=sample.unit,
            reason=f"{number(value)} {sample.unit}, where {number(published)} is published ({self.reported.place}); "
            f"must be within {number(self.within)}",
        )
