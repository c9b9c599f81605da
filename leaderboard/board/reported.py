"""Published and measured numbers, on scales that they share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import exp, isfinite
from typing import Literal

from leaderboard.board.lines import Line
from repro.criterion.comparisons import AllOf, AtLeast, AtMost, Criterion, Matches
from repro.criterion.curves import PowerLaw
from repro.criterion.verdict import Verdict
from repro.paper import Reported
from repro.record.record import Record

Scale = Literal["published", "margin"]
AXES: dict[Scale, str] = {
    "published": "difference from the published value (% of it)",
    "margin": "difference from the published value (margins of the criterion)",
}
MOST = 40  # pairs that one chart shows


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A published number and what was measured of the same quantity, both in the unit of the published one.

    Attributes:
        value: ours; `low` and `high` are the ends of its interval, None for exact values and single seeds.
        bound: the number that the criterion compares ours with; None where it compares case by case.
    """

    line: Line
    fact: Reported
    value: float
    low: float | None
    high: float | None
    bound: float | None


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A pair on a scale that all pairs share: differences from the published number, which lies at 0."""

    pair: Pair
    value: float
    low: float | None
    high: float | None
    bound: float | None


def pairs(line: Line, record: Record | None) -> list[Pair]:
    """What a claim states and what was measured of it, where both are the same quantity.

    Of an exact claim these are its values in the unit of the published numbers; of others, each mean that the criterion
    tests against a published number, or against the only one of its unit. Differences between arms are no such number.
    """
    if line.exact:
        if len(line.values) != len(line.reported) or len({fact.unit for fact in line.reported}) > 1:
            return []
        both = zip(line.reported, line.values, strict=True)
        return [Pair(line=line, fact=f, value=v, low=None, high=None, bound=None) for f, v in both]
    if record is None:
        return []
    found = (_pair(line, rule, verdict) for rule, verdict in _leaves(record.claim.criterion, record.verdict))
    return [pair for pair in found if pair is not None]


def _leaves(rule: Criterion, verdict: Verdict) -> Iterator[tuple[Criterion, Verdict]]:
    """Each simple criterion with its own verdict."""
    if not isinstance(rule, AllOf):
        yield rule, verdict
    elif len(rule.parts) == len(verdict.parts):
        for part, its in zip(rule.parts, verdict.parts, strict=True):
            yield from _leaves(part, its)


def _pair(line: Line, rule: Criterion, verdict: Verdict) -> Pair | None:
    fact = _fact(line.reported, rule, verdict.unit)
    if fact is None or verdict.estimate is None:
        return None
    ends = verdict.interval or (None, None)
    numbers = (verdict.estimate, *ends, verdict.bound)
    if isinstance(rule, Matches):
        numbers = (*numbers[:3], rule.within if rule.log else rule.value + rule.within)
        if rule.log:
            numbers = tuple(None if x is None else _grown(rule.value, x) for x in numbers)
    if any(x is not None and not isfinite(x) for x in numbers):
        return None
    value, low, high, bound = numbers
    return None if value is None else Pair(line=line, fact=fact, value=value, low=low, high=high, bound=bound)


def _fact(reported: Sequence[Reported], rule: Criterion, unit: str) -> Reported | None:
    """The published number of the quantity that a criterion estimates."""
    if isinstance(rule, PowerLaw):
        unit = "exponent"
    elif not isinstance(rule, AtMost | AtLeast | Matches):
        return None
    elif rule.reported is not None:
        return rule.reported
    elif isinstance(rule, Matches) and rule.log:
        return None
    same = [fact for fact in reported if fact.unit == unit]
    return same[0] if len(same) == 1 else None


def _grown(value: float, by: float) -> float:
    """A value times e to the power `by`; infinite where that is too large for a number."""
    try:
        return value * exp(by)
    except OverflowError:
        return float("inf")


def mark(pair: Pair, scale: Scale) -> Mark | None:
    """A pair on a scale; None where the scale has no length for it.

    Args:
        pair: any.
        scale: "published" counts in per cent of the published number, which must not be 0; "margin" in margins of the
            criterion, the distance from the published number to the bound, which must not be 0 either.
    """
    zero = pair.fact.value
    margin = 0.0 if pair.bound is None else abs(pair.bound - zero)
    length = abs(zero) / 100 if scale == "published" else margin
    if not length > 1e-12 * abs(zero):  # rounding may leave a little of an empty margin
        return None
    value, low, high, bound = (
        None if x is None else (x - zero) / length for x in (pair.value, pair.low, pair.high, pair.bound)
    )
    return None if value is None else Mark(pair=pair, value=value, low=low, high=high, bound=bound)


def marks(found: Iterable[Pair], scale: Scale) -> list[Mark]:
    """All pairs that a scale has a length for."""
    return [one for pair in found if (one := mark(pair, scale)) is not None]


def named(pair: Pair) -> str:
    """The claim of a pair, with its row, and with the published number's place where the claim states several."""
    one = pair.line
    return f"{one.short}, {pair.fact.place}" if len(one.reported) > 1 else one.short
