"""Criteria: the rules that turn samples into verdicts.

A criterion is data: a claims file says `higher(by=0.2)`, a record stores the struct as JSON. Every statistical
criterion has three outcomes at its level, the size of each one-sided test, fixed beforehand:

- *holds*: the one-sided confidence bound of the effect lies beyond the margin;
- *refuted*: the opposite bound falls short of the margin, or a run diverged;
- *inconclusive*: neither, or the spread over seeds is unknown (one seed).

Without spread over two or more seeds the estimate counts as the truth and either holds or is refuted. An effect
exactly at the margin does not hold, save for `at_most` and `at_least`, whose bound is included.

Signs: `lower` and `higher` report a - times * b, negative where the first sample is lower. With `log=True` the
effect is log(a) - log(times * b), and margins are log ratios too; a value without a logarithm refutes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import ClassVar, Literal, TypeAlias

import numpy as np

from repro.criterion import statistics
from repro.criterion.base import LOG_RATIO, BaseCriterion, Tested, check_unit, combine, contrast, take, unusable
from repro.criterion.curves import InteriorPeak, Monotone, PowerLaw
from repro.criterion.exact import Equals, Holds
from repro.criterion.measurement import Sample
from repro.criterion.verdict import Verdict
from repro.errors import ReproError
from repro.numbers import number
from repro.paper import Reported

Entry: TypeAlias = "Sample | Sequence[Entry]"  # what one part of all_of judges


class AtMost(Tested, frozen=True, kw_only=True, tag="at_most"):
    """The mean of one sample is at most bound + plus."""

    bound: float
    plus: float = 0.0
    reported: Reported | None = None

    def says(self) -> str:
        """The rule in words."""
        return self.with_test(f"at most the bound: mean <= {_sum(self.bound, self.plus)}{_place(self.reported)}")

    def judge(self, samples: Sequence[Sample]) -> Verdict:
        """Test the mean of one sample [S] against the bound, which is included."""
        return _judge_mean(self, samples, self.bound + self.plus, "below")


class AtLeast(Tested, frozen=True, kw_only=True, tag="at_least"):
    """The mean of one sample is at least bound - minus."""

    bound: float
    minus: float = 0.0
    reported: Reported | None = None

    def says(self) -> str:
        """The rule in words."""
        return self.with_test(f"at least the bound: mean >= {_sum(self.bound, -self.minus)}{_place(self.reported)}")

    def judge(self, samples: Sequence[Sample]) -> Verdict:
        """Test the mean of one sample [S] against the bound, which is included."""
        return _judge_mean(self, samples, self.bound - self.minus, "above")


class Matches(Tested, frozen=True, kw_only=True, tag="matches"):
    """The mean of one sample lies within a margin of `value`; with `log`, the mean log ratio to it does."""

    value: float
    within: float
    log: bool = False
    reported: Reported | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.within <= 0 or (self.log and self.value <= 0):
            raise ValueError("matches() needs a positive margin, and with log=True a positive value")

    def _estimate(self) -> str:
        return f"mean log(value / {number(self.value)})" if self.log else "mean"

    def says(self) -> str:
        """The rule in words."""
        gap = self._estimate() if self.log else f"mean - {number(self.value)}"
        rule = f"matches the value: |{gap}| < {number(self.within)}{_place(self.reported)}"
        return self.with_test(rule, "two one-sided t tests")

    def judge(self, samples: Sequence[Sample]) -> Verdict:
        """Two one-sided t tests of one sample [S]."""
        (sample,) = take(samples, 1)
        check_unit(sample, self.reported)
        unit, centre = (LOG_RATIO, 0.0) if self.log else (sample.unit, self.value)
        if bad := unusable([sample], unit, self.level, log=self.log):
            return bad
        values = np.log(sample.values) - math.log(self.value) if self.log else sample.values
        effect = statistics.mean_effect(values)
        return self.enclosed(
            effect,
            centre - self.within,
            centre + self.within,
            what=self._estimate(),
            must=f"must lie within {number(centre)} ± {number(self.within)}{_place(self.reported)}",
            bound=centre,
            unit=unit,
        )


class Superiority(Tested, frozen=True, kw_only=True):
    """What `Lower` and `Higher` share: the first sample against `times` the second, by a margin."""

    SAMPLES: ClassVar[int | None] = 2
    by: float = 0.0
    times: float = 1.0
    log: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.times <= 0:
            raise ValueError(f"times must be positive, not {self.times}")

    def _judge(self, samples: Sequence[Sample], limit: float, side: Literal["above", "below"]) -> Verdict:
        a, b = take(samples, 2)
        unit = LOG_RATIO if self.log else a.unit
        if bad := unusable([a, b], unit, self.level, log=self.log):
            return bad
        effect = contrast(a, b, self.times, log=self.log)
        return self.verdict(
            effect,
            statistics.superior(effect, limit, self.level, side=side),
            what="difference" if not self.log and self.times == 1 else _gap(self.times, self.log),
            must=f"must {'exceed' if side == 'above' else 'be below'} {number(limit)}",
            bound=limit,
            unit=unit,
        )


class Lower(Superiority, frozen=True, kw_only=True, tag="lower"):
    """The first sample is lower than `times` the second by more than `by`."""

    def says(self) -> str:
        """The rule in words."""
        return self.with_test(f"the first is lower than the second: {_gap(self.times, self.log)} < {number(-self.by)}")

    def judge(self, samples: Sequence[Sample]) -> Verdict:
        """Test two samples [S], paired where they share seeds, else by Welch."""
        return self._judge(samples, -self.by, "below")


class Higher(Superiority, frozen=True, kw_only=True, tag="higher"):
    """The first sample is higher than `times` the second by more than `by`."""

    def says(self) -> str:
        """The rule in words."""
        return self.with_test(f"the first is higher than the second: {_gap(self.times, self.log)} > {number(self.by)}")

    def judge(self, samples: Sequence[Sample]) -> Verdict:
        """Test two samples [S], paired where they share seeds, else by Welch."""
        return self._judge(samples, self.by, "above")


class Equivalent(Tested, frozen=True, kw_only=True, tag="equivalent"):
    """Two samples differ by less than a margin: what tells them apart does not matter."""

    SAMPLES: ClassVar[int | None] = 2
    within: float
    log: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.within <= 0:
            raise ValueError(f"equivalent() needs a positive margin, not {self.within}")

    def says(self) -> str:
        """The rule in words."""
        rule = f"the two do not differ by a margin: |{_gap(1.0, self.log)}| < {number(self.within)}"
        return self.with_test(rule, "two one-sided t tests")

    def judge(self, samples: Sequence[Sample]) -> Verdict:
        """Two one-sided t tests of two samples [S], paired where they share seeds, else by Welch."""
        a, b = take(samples, 2)
        unit = LOG_RATIO if self.log else a.unit
        if bad := unusable([a, b], unit, self.level, log=self.log):
            return bad
        return self.enclosed(
            contrast(a, b, 1.0, log=self.log),
            -self.within,
            self.within,
            what=LOG_RATIO if self.log else "difference",
            must=f"must lie within ± {number(self.within)}",
            bound=self.within,
            unit=unit,
        )


class Ordered(Tested, frozen=True, kw_only=True, tag="ordered"):
    """Each sample is lower than the next by more than `by`."""

    SAMPLES: ClassVar[int | None] = None
    by: float = 0.0

    def says(self) -> str:
        """The rule in words."""
        rule = f"each is lower than the next: a - b < {number(-self.by)} for all neighbours"
        return self.with_test(rule, "one-sided t tests")

    def judge(self, samples: Sequence[Sample]) -> Verdict:
        """Test all neighbours among two or more samples [S]; no correction, as all must hold."""
        if len(samples) < 2:
            raise ReproError(f"An order needs two or more samples, got {len(samples)}")
        pairs = list(itertools.pairwise(samples))
        step = Lower(by=self.by, level=self.level)
        return combine([step.judge(pair) for pair in pairs], [f"{a.arm} below {b.arm}" for a, b in pairs])


class AllOf(BaseCriterion, frozen=True, kw_only=True, tag="all_of"):
    """Several criteria that must all hold; `judge` takes one entry per part: a sample, or a tuple of samples."""

    parts: tuple[Criterion, ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError("all_of() needs at least one criterion")

    @property
    def arity(self) -> int | None:
        """One entry per part."""
        return len(self.parts)

    @property
    def statistical(self) -> bool:
        """Whether any part is."""
        return any(part.statistical for part in self.parts)

    def says(self) -> str:
        """The rules in words."""
        return "; and ".join(part.says() for part in self.parts)

    def judge(self, samples: Sequence[Entry]) -> Verdict:
        """Judge each part by its own entry."""
        if len(samples) != len(self.parts):
            raise ReproError(f"{len(self.parts)} criteria, but {len(samples)} entries to judge")
        verdicts = [_judge_entry(part, entry) for part, entry in zip(self.parts, samples, strict=True)]
        return combine(verdicts, [f"part {i + 1}" for i in range(len(verdicts))])


Criterion: TypeAlias = (
    Holds
    | Equals
    | AtMost
    | AtLeast
    | Matches
    | Lower
    | Higher
    | Equivalent
    | Ordered
    | PowerLaw
    | InteriorPeak
    | Monotone
    | AllOf
)
"""Any criterion, as records store it: a JSON object whose "kind" says which."""


def _judge_entry(part: Criterion, entry: Entry) -> Verdict:
    entries = (entry,) if isinstance(entry, Sample) else tuple(entry)
    if isinstance(part, AllOf):
        return part.judge(entries)
    flat = [e for e in entries if isinstance(e, Sample)]
    if len(flat) != len(entries):
        raise ReproError(f"{type(part).__name__} judges samples, not groups of them")
    return part.judge(flat)


def _judge_mean(
    rule: AtMost | AtLeast, samples: Sequence[Sample], limit: float, side: Literal["above", "below"]
) -> Verdict:
    (sample,) = take(samples, 1)
    check_unit(sample, rule.reported)
    if bad := unusable([sample], sample.unit, rule.level):
        return bad
    effect = statistics.mean_effect(sample.values)
    return rule.verdict(
        effect,
        statistics.superior(effect, limit, rule.level, side=side, inclusive=True),
        what="mean",
        must=f"must be at {'most' if side == 'below' else 'least'} {number(limit)}{_place(rule.reported)}",
        bound=limit,
        unit=sample.unit,
    )


def _gap(times: float, log: bool) -> str:
    second = "b" if times == 1 else f"{number(times)} b"
    return f"log(a / {second})" if log and times == 1 else f"log(a / ({second}))" if log else f"a - {second}"


def _sum(bound: float, plus: float) -> str:
    return number(bound) + (f" {'+' if plus > 0 else '-'} {number(abs(plus))}" if plus else "")


def _place(reported: Reported | None) -> str:
    return f" [{reported.place}]" if reported else ""
