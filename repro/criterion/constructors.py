"""Criteria as claims files write them; where all arguments are given by name, it is the criterion's class."""

from __future__ import annotations

from repro.criterion.comparisons import AllOf, AtLeast, AtMost, Criterion, Equivalent, Higher, Lower, Matches, Ordered
from repro.criterion.curves import InteriorPeak, Monotone, PowerLaw
from repro.criterion.exact import Equals, Holds
from repro.paper import Reported

holds = Holds
lower, higher, ordered = Lower, Higher, Ordered
interior_peak, monotone = InteriorPeak, Monotone


def equals(reported: Reported, within: float) -> Equals:
    """A number that is not drawn, such as a count, equals the published one within the margin that its digits leave."""
    return Equals(reported=reported, within=float(within))


def matches(value: float | Reported, within: float, log: bool = False, level: float = 0.01) -> Matches:
    """The mean lies within a margin of a reported number (with `log`: within a log ratio of it)."""
    number, reported = _split(value)
    return Matches(value=number, within=within, log=log, reported=reported, level=level)


def at_most(bound: float | Reported, plus: float = 0.0, level: float = 0.01) -> AtMost:
    """The mean is at most bound + plus."""
    number, reported = _split(bound)
    return AtMost(bound=number, plus=plus, reported=reported, level=level)


def at_least(bound: float | Reported, minus: float = 0.0, level: float = 0.01) -> AtLeast:
    """The mean is at least bound - minus."""
    number, reported = _split(bound)
    return AtLeast(bound=number, minus=minus, reported=reported, level=level)


def equivalent(within: float, log: bool = False, level: float = 0.01) -> Equivalent:
    """The two differ by less than a margin."""
    return Equivalent(within=within, log=log, level=level)


def power_law(low: float, high: float, level: float = 0.01) -> PowerLaw:
    """The curve is a power law with an exponent between low and high."""
    return PowerLaw(low=low, high=high, level=level)


def all_of(*parts: Criterion) -> AllOf:
    """All parts hold; the body returns a tuple with one entry per part."""
    return AllOf(parts=parts)


def _split(bound: float | Reported) -> tuple[float, Reported | None]:
    return (float(bound.value), bound) if isinstance(bound, Reported) else (float(bound), None)
