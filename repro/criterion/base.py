"""What criteria share: their base, checking samples, contrasting two of them, and wording verdicts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import msgspec
import numpy as np

from repro.criterion import statistics
from repro.criterion.measurement import Sample
from repro.criterion.statistics import Effect, TestResult
from repro.criterion.verdict import Status, Verdict
from repro.errors import ReproError
from repro.numbers import number
from repro.paper import Reported

LOG_RATIO = "log ratio"


class BaseCriterion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What all criteria share; as JSON, "kind" says which one it is."""

    SAMPLES: ClassVar[int | None] = 1
    EXACT: ClassVar[bool] = False

    @property
    def arity(self) -> int | None:
        """How many samples `judge` takes; None for two or more."""
        return self.SAMPLES

    @property
    def statistical(self) -> bool:
        """Whether a verdict rests on a test, not on exact cases only."""
        return not self.EXACT


class Tested(BaseCriterion, frozen=True, kw_only=True):
    """A criterion that tests at a level, the size of each one-sided test."""

    level: float = 0.01

    def __post_init__(self) -> None:
        if not 0 < self.level < 0.5:
            raise ValueError(f"a level lies between 0 and 0.5, not at {self.level}")
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if type(value) is int:  # 1 and 1.0 are the same rule, with the same JSON
                msgspec.structs.force_setattr(self, name, float(value))
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{name} must be finite, not {value}")

    def with_test(self, rule: str, test: str = "one-sided t test") -> str:
        """The rule, followed by how it is tested."""
        return f"{rule} ({test}, level {number(self.level)})"

    def enclosed(
        self, effect: Effect, low: float, high: float, *, what: str, must: str, bound: float, unit: str
    ) -> Verdict:
        """The verdict on whether an effect lies between two margins; see `verdict`."""
        result = statistics.equivalent(effect, low, high, self.level)
        return self.verdict(
            effect, result, what=what, must=must, bound=bound, unit=unit, power="could have shown a margin of"
        )

    def verdict(
        self,
        effect: Effect,
        result: TestResult,
        *,
        what: str,
        must: str,
        bound: float,
        unit: str,
        level: float | None = None,
        power: str = "could have detected",
    ) -> Verdict:
        """Put a test's result into a verdict.

        Args:
            effect: what was estimated, in `unit`.
            result: what the test says about it.
            what: name of the estimate, such as "difference".
            must: what the estimate must do to hold.
            bound: what the estimate is compared with.
            unit: unit of the estimate.
            level: size of each one-sided test, where it is not the criterion's own.
            power: words before the smallest detectable effect.
        """
        level = level or self.level
        ends, detectable = result.interval, result.detectable
        if ends is not None and not all(map(math.isfinite, ends)):
            ends = detectable = None
        if not math.isfinite(effect.estimate):
            reason = f"{what} is not finite, n={effect.n}, {must}"
        elif ends is None:
            reason = f"{what} {number(effect.estimate)}, n={effect.n} gives no interval, {must}"
        else:
            span = f"[{number(ends[0])}, {number(ends[1])}] at {100 * (1 - 2 * level):.4g} %"
            shown = "" if detectable is None else f"; {power} {number(detectable)}"
            reason = f"{what} {number(effect.estimate)} {span}, n={effect.n}, {must}{shown}"
        return Verdict(
            status=result.status,
            estimate=effect.estimate if math.isfinite(effect.estimate) else None,
            interval=ends,
            bound=bound,
            level=level,
            p=result.p,
            n=effect.n,
            detectable=detectable,
            unit=unit,
            reason=reason,
        )


def plain(sample: Sample) -> str:
    """How a message names a sample."""
    return f"{sample.measurement!r} of {sample.arm!r}"


def take(samples: Sequence[Sample], count: int, *, dims: int | None = 1) -> list[Sample]:
    """Exactly `count` samples of the same unit, each with seeds that differ and `dims` dimensions.

    Raises:
        ReproError: if the number, the units, the seeds or the shapes are not what the criterion judges.
    """
    if len(samples) != count:
        raise ReproError(f"This criterion judges {count} sample{'s' * (count > 1)}, got {len(samples)}")
    if len({s.unit for s in samples}) > 1:
        units = ", ".join(f"{plain(s)} in {s.unit}" for s in samples)
        raise ReproError(f"Samples in different units: {units}", "Compare equal quantities.")
    for s in samples:
        if len(set(s.seeds)) != len(s.seeds):
            raise ReproError(f"{plain(s)} uses a seed twice: {s.seeds}")
        if dims is None:
            continue
        if np.ndim(s.values) != dims:
            wanted = {1: "one number", 2: "a curve"}[dims]
            raise ReproError(f"{plain(s)} has values {np.shape(s.values)}; this criterion judges {wanted} per seed")
        if not len(s.seeds):
            raise ReproError(f"{plain(s)} has no values")
    return list(samples)


def take_curve(samples: Sequence[Sample], points: int) -> Sample:
    """The only sample, a curve [S, K] over a grid x [K] with at least `points` points.

    Raises:
        ReproError: if it is not one.
    """
    (sample,) = take(samples, 1, dims=2)
    k = sample.values.shape[1]
    if sample.x is None or sample.x.shape != (k,):
        raise ReproError(f"{plain(sample)} has no grid of {k} points", "Measure it with curve().")
    if k < points:
        raise ReproError(f"{plain(sample)} has {k} points", f"This criterion needs {points} or more.")
    if not np.isfinite(sample.x).all() or not (np.diff(sample.x) > 0).all():
        raise ReproError(f"The grid of {plain(sample)} does not ascend")
    return sample


def check_unit(sample: Sample, reported: Reported | None) -> None:
    """Refuse to compare a sample with a reported number of another unit."""
    if reported is not None and reported.unit != sample.unit:
        raise ReproError(
            f"{plain(sample)} is in {sample.unit}, the number in {reported.place} in {reported.unit}",
            "Measure it in the paper's unit.",
        )


def unusable(samples: Sequence[Sample], unit: str, level: float, *, log: bool = False) -> Verdict | None:
    """The refutation of samples with diverged runs, or with values that have no logarithm; None if all is well."""
    total, n = sum(len(s.seeds) for s in samples), min(len(s.seeds) for s in samples)
    diverged = sum(s.diverged for s in samples)
    if diverged:
        reason = f"{diverged} of {total} runs diverged"
    elif log and (negative := sum(int((s.values.reshape(len(s.seeds), -1) <= 0).any(1).sum()) for s in samples)):
        reason = f"{negative} of {total} runs have values without a logarithm"
    else:
        return None
    return Verdict(status="refuted", estimate=None, level=level, n=n, unit=unit, reason=reason)


def contrast(a: Sample, b: Sample, times: float, *, log: bool) -> Effect:
    """A - times * b of values [S], or its log ratio; paired where both have the same seeds, else independent."""
    with np.errstate(over="ignore"):
        x, y = a.values, times * b.values
    if log:
        x, y = np.log(a.values), np.log(b.values) + math.log(times)
    if set(a.seeds) == set(b.seeds):
        return statistics.paired_effect(x[np.argsort(a.seeds)], y[np.argsort(b.seeds)])
    return statistics.welch_effect(x, y)


def combine(parts: Sequence[Verdict], names: Sequence[str]) -> Verdict:
    """All must hold: refuted if any is refuted, else inconclusive if any is.

    The numbers are those of the deciding part: the first that failed, or the one with the largest p-value; p is
    that largest one, so a compound of tests at one level has that level (intersection-union).
    """
    statuses = [part.status for part in parts]
    if "refuted" in statuses or "inconclusive" in statuses:
        status: Status = "refuted" if "refuted" in statuses else "inconclusive"
        pick = statuses.index(status)
        lead = f"{statuses.count(status)} of {len(parts)} parts {status}"
    else:
        status, pick = "holds", max(range(len(parts)), key=lambda i: (parts[i].p or 0.0, -i))
        lead = f"all {len(parts)} parts hold; weakest"
    chosen, p_values = parts[pick], [part.p for part in parts if part.p is not None]
    return msgspec.structs.replace(
        chosen,
        status=status,
        p=max(p_values) if p_values else None,
        reason=f"{lead}: {names[pick]}: {chosen.reason}" if len(parts) > 1 else chosen.reason,
        parts=tuple(parts),
    )
