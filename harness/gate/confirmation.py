"""The measurements that a change moved: screened at the baseline's seeds, confirmed together on fresh seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from harness.gate import significance
from harness.gate.baseline import BaselineEntry, BaselineSample, Values
from harness.gate.metric_direction import Aspect, aspect_of, transformed
from harness.gate.protocol import ClaimInfo
from harness.gate.result import QualityChange, State
from harness.gate.significance import CLEARED, LEVEL, SCREEN, UNSURE, Comparison
from repro.criterion.statistics import holm
from repro.numbers import number

WAYS = {
    "up": "higher is worse",
    "down": "lower is worse",
    "either": "any change counts",
    "neither": "neither way is worse",
}
Look = Callable[["MeasurementChange", int], tuple[Values, Values] | None]
"""Old and new values of a measurement at this many fresh seeds; None if it could not be run, which has a remark."""


@dataclass(eq=False)
class MeasurementChange:
    """One measurement of one claim, old and new.

    Attributes:
        index: of the sample in its claim.
        old: values of the last look; `new` likewise.
        last: the comparison of the last look; None where the values are bitwise identical.
        confirmed: whether that look was at fresh seeds.
        corrected: p-value of the confirmation, corrected for family and looks.
        alike: other claims that draw the same measurement at the same seeds.
    """

    claim: ClaimInfo
    index: int
    sample: BaselineSample
    aspect: Aspect
    old: Values
    new: Values
    last: Comparison | None = None
    confirmed: bool = False
    corrected: float = 1.0
    state: State = "same"
    alike: tuple[str, ...] = ()

    @property
    def identity(self) -> tuple[Any, ...]:
        """Equal for the same measurement drawn by several claims of a paper."""
        return (self.claim.id.partition("/")[0], *self.sample.name, self.aspect, self.old, self.new)

    @property
    def neutral(self) -> bool:
        """Whether the measurement has no worse, so that only its divergence can be a regression."""
        return self.aspect.worse == "neither"

    @property
    def p(self) -> float:
        """P-value of "got worse" at the last look."""
        if self.last is None or (self.neutral and self.last.shift is not None):
            return 1.0
        return self.last.p

    @property
    def large(self) -> bool:
        """Whether the last look showed a shift that counts."""
        return self.last is not None and self.last.large


def measurement_changes(claim: ClaimInfo, old: BaselineEntry, new: BaselineEntry) -> list[MeasurementChange] | None:
    """The measurements of a claim, screened at the seeds of both entries; None if the entries have different ones."""
    if [sample.name for sample in new.samples] != [sample.name for sample in old.samples]:
        return None
    changes = []
    for index, (sample, role) in enumerate(zip(new.samples, claim.roles, strict=True)):
        if not (role.exact or role.clocked):
            better = None if sample.better is msgspec.UNSET else sample.better
            aspect = aspect_of(role, better, sample.unit)
            change = MeasurementChange(claim, index, sample, aspect, old.values(index), new.values(index))
            if not significance.identical(change.old, change.new):  # the first look
                change.last = significance.compare(change.old, change.new, change.aspect)
                change.state = "suspicious" if change.p < SCREEN else _cleared(change)
            changes.append(change)
    return changes


def _cleared(change: MeasurementChange) -> State:
    return "neutral" if change.neutral else "fine"


def merged(changes: Iterable[MeasurementChange]) -> list[MeasurementChange]:
    """Measurements that several claims share, once."""
    unique: dict[tuple[Any, ...], MeasurementChange] = {}
    for change in changes:
        first = unique.setdefault(change.identity, change)
        if first is not change and change.claim.id not in (first.claim.id, *first.alike):
            first.alike = (*first.alike, change.claim.id)
    return list(unique.values())


def confirm(family: Sequence[MeasurementChange], fresh: int, look: Look) -> None:
    """Look again at what is suspicious, at more and more fresh seeds, until each is settled or they are used up.

    `family` are all measurements that changed and can get worse. Without fresh seeds nothing is settled.
    """
    active = [change for change in family if change.state == "suspicious"]
    stages = significance.look_sizes(fresh)
    for stage, count in enumerate(stages):
        final = stage == len(stages) - 1
        p = [_look_again(change, count, look) if change in active else 1.0 for change in family]
        counting = [raw if change.large else 1.0 for change, raw in zip(family, p, strict=True)]
        for change, raw, corrected in zip(family, p, holm(counting), strict=True):
            if change not in active:
                continue
            change.corrected = min(1.0, corrected * len(stages))
            if change.corrected <= LEVEL:
                change.state = "worse"
            elif final and change.corrected <= UNSURE:
                change.state = "undecided"
            elif final or raw > CLEARED[min(stage, len(CLEARED) - 1)]:
                change.state = _cleared(change)
        active = [change for change in active if change.state == "suspicious"]
    for change in active:
        alone = LEVEL / len(family)
        change.state = "undecided" if change.large and change.p <= alone else "suspicious"


def _look_again(change: MeasurementChange, count: int, look: Look) -> float:
    values = look(change, count)
    if values is None:
        return 1.0
    change.old, change.new = values
    change.last = significance.compare(*values, change.aspect)
    change.confirmed = True
    return change.p


def sentence(change: MeasurementChange) -> str:
    """One line with the numbers: what changed, by how much, and how sure."""
    sample, last = change.sample, change.last
    assert last is not None
    name = f"{sample.measurement} of {sample.arm}"
    where = f"{last.n[0]} {'fresh seeds' if change.confirmed else 'seeds'}"
    if last.diverged and last.shift is None:
        return f"{name}: {last.diverged} of {where} diverged, none in the baseline"
    unit = "" if sample.unit == "1" else f" {sample.unit}"
    by = "" if last.spreads is None else f", {last.spreads:.1f} standard deviations"
    lost = f", {last.diverged} diverged" if last.diverged else ""
    p = f"p = {last.p:.2g}" if change.neutral else f"corrected p = {change.corrected:.2g}"
    return (
        f"{name}: {number(mean(change.old, change.aspect))} became {number(mean(change.new, change.aspect))}{unit}{by} "
        f"({WAYS[change.aspect.worse]}); {where}{lost}, {'paired' if last.paired else f'against {last.n[1]}'}, {p}"
    )


def mean(values: Values, aspect: Aspect) -> float | None:
    """The mean of the finite values, on a logarithmic scale the geometric one; None if there are none."""
    finite = [value for value in values.values if value is not None]
    if not finite:
        return None
    log = aspect.log and all(value > 0 for value in finite)
    average = math.fsum(transformed(finite, log=log)) / len(finite)
    return math.exp(average) if log else average


def row(change: MeasurementChange) -> QualityChange:
    """The figures of a change, as a decision keeps them."""
    sample, last = change.sample, change.last or Comparison(n=(0, 0))
    ends = [None if end is None or not math.isfinite(end) else end for end in (last.low, last.high)]
    p = None if change.last is None else change.corrected if change.confirmed else last.p
    return QualityChange(
        claim=change.claim.id,
        arm=sample.arm,
        measurement=sample.measurement,
        unit=sample.unit,
        worse=change.aspect.worse,
        log=change.aspect.log,
        old=mean(change.old, change.aspect),
        new=mean(change.new, change.aspect),
        shift=last.shift,
        low=ends[0],
        high=ends[1],
        spreads=last.spreads,
        p=p,
        seeds=(len(change.new.values), len(change.old.values)),
        state=change.state,
        alike=change.alike,
    )
