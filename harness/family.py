"""The measurements that a change moved: screened where the baseline was measured, confirmed together on fresh seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness import quality
from harness.baseline import Entry, Held
from harness.decision import Quality
from harness.direction import Aspect, aspects, transformed
from harness.quality import CLEARED, LEVEL, SCREEN, UNSURE, Comparison, Values
from harness.side import Facts
from repro.statistics import holm
from repro.text import number

WAYS = {"up": "more is worse", "down": "less is worse", "either": "any change counts"}
State = Literal["same", "fine", "suspicious", "worse", "undecided"]
Look = Callable[["Member", int], tuple[Values, Values] | None]
"""Old and new values of a member at this many fresh seeds; None if there are none, and why has been said."""


@dataclass(eq=False)
class Member:
    """One measurement of one claim, old and new.

    Attributes:
        index: among the claim's samples.
        old: values of the last look; `new` likewise.
        last: what that look said; None where the values are the same to the last bit.
        confirmed: whether that look was at fresh seeds.
        corrected: p-value of the confirmation, corrected for family and looks.
        alike: other claims that draw the same measurement at the same seeds.
    """

    facts: Facts
    index: int
    held: Held
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
        names = (self.held.arm, self.held.measurement, self.held.unit, self.aspect)
        return (self.facts.id.partition("/")[0], *names, self.old, self.new)


def members_of(facts: Facts, old: Entry, new: Entry) -> list[Member] | None:
    """The measurements of a claim, screened at the seeds of both entries; None if they are not the same ones."""
    names = [(held.measurement, held.unit) for held in new.samples]
    if [(h.arm, h.measurement, h.unit) for h in new.samples] != [(h.arm, h.measurement, h.unit) for h in old.samples]:
        return None
    found = []
    for index, aspect in enumerate(aspects(facts.criterion, names)):
        if not (aspect.exact or aspect.clocked):
            before, after = old.values(old.samples[index]), new.values(new.samples[index])
            found.append(screened(Member(facts, index, new.samples[index], aspect, before, after)))
    return found


def screened(member: Member) -> Member:
    """The member after the first look: the same to the last bit, fine, or suspicious."""
    if not quality.same(member.old, member.new):
        member.last = quality.compare(member.old, member.new, member.aspect)
        member.state = "suspicious" if member.last.p < SCREEN else "fine"
    return member


def merged(members: Iterable[Member]) -> list[Member]:
    """Measurements that several claims draw alike, once."""
    found: dict[tuple[Any, ...], Member] = {}
    for member in members:
        kept = found.setdefault(member.identity, member)
        if kept is not member and member.facts.id not in (kept.facts.id, *kept.alike):
            kept.alike = (*kept.alike, member.facts.id)
    return list(found.values())


def confirm(members: Sequence[Member], fresh: int, look: Look) -> None:
    """Look again at what is suspicious, at more and more fresh seeds, until each is settled or they are spent.

    Args:
        members: the family: all measurements that changed.
        fresh: how many fresh seeds a suspicion may take; without any, nothing is settled.
        look: runs them.
    """
    active = [member for member in members if member.state == "suspicious"]
    stages = quality.looks(fresh)
    for stage, count in enumerate(stages):
        final = stage == len(stages) - 1
        p = [_looked(member, count, look) if member in active else 1.0 for member in members]
        counting = [raw if _large(member) else 1.0 for member, raw in zip(members, p, strict=True)]
        for member, raw, corrected in zip(members, p, holm(counting), strict=True):
            if member not in active:
                continue
            member.corrected = min(1.0, corrected * len(stages))
            if member.corrected <= LEVEL:
                member.state = "worse"
            elif final and member.corrected <= UNSURE:
                member.state = "undecided"
            elif final or raw > CLEARED[min(stage, len(CLEARED) - 1)]:
                member.state = "fine"
        active = [member for member in active if member.state == "suspicious"]
    for member in active:
        alone = LEVEL / len(members)
        member.state = "undecided" if _large(member) and _raw(member) <= alone else "suspicious"


def _large(member: Member) -> bool:
    return member.last is not None and member.last.large


def _raw(member: Member) -> float:
    return 1.0 if member.last is None else member.last.p


def _looked(member: Member, count: int, look: Look) -> float:
    found = look(member, count)
    if found is None:
        return 1.0
    member.old, member.new = found
    member.last = quality.compare(*found, member.aspect)
    member.confirmed = True
    return member.last.p


def sentence(member: Member) -> str:
    """One line with the numbers: what changed, by how much, and how sure."""
    held, last = member.held, member.last
    assert last is not None
    name = f"{held.measurement} of {held.arm}"
    where = f"{last.n[0]} {'fresh seeds' if member.confirmed else 'seeds'}"
    if last.diverged and last.shift is None:
        return f"{name}: {last.diverged} of {where} diverged, none in the baseline"
    unit = "" if held.unit == "1" else f" {held.unit}"
    by = "" if last.spreads is None else f", {last.spreads:.1f} standard deviations"
    lost = f", {last.diverged} diverged" if last.diverged else ""
    return (
        f"{name}: {number(mean(member.old, member.aspect))} became {number(mean(member.new, member.aspect))}{unit}{by} "
        f"({WAYS[member.aspect.worse]}); {where}{lost}, {'in pairs' if last.paired else f'against {last.n[1]}'}, "
        f"corrected p = {member.corrected:.2g}"
    )


def mean(values: Values, aspect: Aspect) -> float | None:
    """The mean of the finite values, on a logarithmic scale the geometric one; None if there are none."""
    finite = [value for value in values.values if value is not None]
    if not finite:
        return None
    log = aspect.log and all(value > 0 for value in finite)
    found = math.fsum(transformed(finite, log=log)) / len(finite)
    return math.exp(found) if log else found


def row(member: Member) -> Quality:
    """The member's figures, as a decision keeps them."""
    last, held = member.last, member.held
    return Quality(
        claim=member.facts.id,
        arm=held.arm,
        measurement=held.measurement,
        unit=held.unit,
        worse=member.aspect.worse,
        log=member.aspect.log,
        old=mean(member.old, member.aspect),
        new=mean(member.new, member.aspect),
        shift=None if last is None else last.shift,
        low=None if last is None or last.low is None or not math.isfinite(last.low) else last.low,
        high=None if last is None or last.high is None or not math.isfinite(last.high) else last.high,
        spreads=None if last is None else last.spreads,
        p=None if last is None else member.corrected if member.confirmed else last.p,
        seeds=(len(member.new.values), len(member.old.values)),
        state=member.state,
        alike=member.alike,
    )
