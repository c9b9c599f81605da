"""Numbers and claims as people read them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np

from repro.claim.claim import Claim
from repro.criterion.verdict import Verdict
from repro.numbers import interval, number
from repro.paper import Reported


class SampleLike(Protocol):
    """A sample, in memory or in a record."""

    @property
    def unit(self) -> str:
        """Its unit."""
        ...

    @property
    def values(self) -> Any:
        """Its values per seed."""
        ...


def published(claim: Claim) -> str:
    """What the paper states, with its place; only the place where it states no number that can be read."""
    if not claim.reported:
        return claim.place
    more = len(claim.reported) - 1
    return reported(claim.reported[0]) + (f"; {more} more" if more else "")


def measured(verdict: Verdict, samples: Iterable[SampleLike], facts: Iterable[Reported]) -> str:
    """The estimate with interval and unit; of an exact claim, the one value in the unit of the published one."""
    if verdict.unit != "violations":
        parts = (number(verdict.estimate), interval(verdict.interval), verdict.unit)
        return " ".join(part for part in parts if part and part != "1")
    unit = next((fact.unit for fact in facts), None)
    values = [np.ravel(np.asarray(s.values, dtype=float)) for s in samples if s.unit == unit]
    if values and values[0].size == 1:
        return _amount(float(values[0][0]), unit)
    cases = sum(part.n for part in verdict.parts) if verdict.parts else verdict.n
    return f"{number(verdict.estimate)} violations in {cases:,} cases"


def reported(fact: Reported) -> str:
    """A published number with its unit and place."""
    mark = "" if fact.verified else " (unverified)"
    return f"{_amount(fact.value, fact.unit)}, {fact.place}{mark}"


def _amount(value: float, unit: str | None) -> str:
    return number(value) if unit in (None, "1") else f"{number(value)} {unit}"
