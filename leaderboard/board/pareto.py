"""Implementations of a paper by quality and cost: what each is measured by, and which of them no other one beats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from leaderboard.board.lines import Line, Section, Standing, counts, main_costs
from repro.criterion.comparisons import AtLeast, AtMost, Criterion, Equivalent, Higher, Lower, Matches
from repro.criterion.verdict import Outcome
from repro.record.record import Ratio

LARGEST = 1e9  # times the reference's: no run costs that, but what a record states is anybody's
Way = Literal["low", "high", "near"]


@dataclass(frozen=True)
class Aim:
    """What makes an estimate better: being low, being high, or being near a number."""

    way: Way
    to: float = 0.0

    def says(self) -> str:
        """In a word."""
        return {"low": "lower is better", "high": "higher is better", "near": "nearer to 0 is better"}[self.way]


def aim(rule: Criterion) -> Aim | None:
    """What makes the estimate of a criterion better; None where neither end of its scale is."""
    if isinstance(rule, Lower | AtMost):
        return Aim("low")
    if isinstance(rule, Higher | AtLeast):
        return Aim("high")
    if isinstance(rule, Matches):
        return Aim("near", 0.0 if rule.log else rule.value)
    return Aim("near") if isinstance(rule, Equivalent) else None


@dataclass(frozen=True, kw_only=True)
class QualityAxis:
    """What implementations of a paper are compared by.

    Attributes:
        name: as people choose it, and as it stands in an address: a share of claims, or a claim with its row.
        better: whether a larger value is.
    """

    name: str
    title: str
    says: str
    better: bool = True


ALL = QualityAxis(
    name="share of all claims",
    title="claims judged as expected (% of all)",
    says="the share of the paper's claims that hold on it (or do not, where they are known not to); a claim that it "
    "does not answer counts as one that does not hold",
)
ANSWERED = QualityAxis(
    name="share of the claims it answers",
    title="claims judged as expected (% of those answered)",
    says="the share of the claims that it answers that hold on it (or do not, where they are known not to); an "
    "implementation that leaves out hard claims looks better than it is",
)


@dataclass(frozen=True, kw_only=True)
class Contender:
    """An implementation with its quality and its cost; either is None where it was not measured.

    Attributes:
        cost: of the reference's, with its interval; the reference's own is 1 by definition.
        of: what the quality was made from, such as "5 of 7 claims".
    """

    standing: Standing
    quality: float | None
    cost: Ratio | None
    of: str

    @property
    def measured(self) -> bool:
        """Whether it can be placed."""
        return self.quality is not None and self.cost is not None


def of_claim(line: Line, wanted: Aim) -> QualityAxis:
    """The estimate of a claim as a quality."""
    name = line.short
    what = f"distance of the {line.what} from {wanted.to:g}" if wanted.way == "near" and wanted.to else line.what
    unit = "" if line.unit in ("1", "") else f" ({line.unit})"
    return QualityAxis(
        name=name,
        title=f"{name}: {what}{unit}",
        says=f"the {what} that {name} is judged by, {wanted.says()}",
        better=wanted.way == "high",
    )


def costs_of(section: Section) -> list[str]:
    """What costs were measured of any implementation, time, memory and energy first, then by name."""
    found = {cost.what: cost for one in section.standings for cost in _costs(one)}
    first = [cost.what for cost in main_costs(list(found.values()))]
    return [*first, *sorted(set(found) - set(first))]


def cost(standing: Standing, what: str) -> Ratio | None:
    """What an implementation costs of the reference's; None where that was not measured, or cannot have been."""
    if standing.newest.is_reference:
        return Ratio(what=what, ratio=1.0, low=1.0, high=1.0, pairs=1, unit="", reference=0.0)
    return next((found for found in _costs(standing) if found.what == what and 0 < found.ratio < LARGEST), None)


def _costs(standing: Standing) -> tuple[Ratio, ...]:
    return standing.newest.submission.costs if standing.newest.submission else ()


def contenders(
    section: Section,
    standings: Iterable[Standing],
    what: str,
    quality: QualityAxis,
    aims: Mapping[tuple[str, str], Aim],
) -> list[Contender]:
    """Implementations with the quality and the cost that are asked for; `aims` says what makes estimates better."""
    made = []
    for one in standings:
        value, of = _share(one, section, quality) if quality in (ALL, ANSWERED) else _estimate(one, quality, aims)
        made.append(Contender(standing=one, quality=value, cost=cost(one, what) if what else None, of=of))
    return made


def _share(one: Standing, section: Section, quality: QualityAxis) -> tuple[float | None, str]:
    """The share of claims judged as expected; claims whose check proves nothing count neither way."""
    useless = {case for case, line in section.reference.items() if line.outcome is Outcome.POWERLESS}
    tally = counts(line for line in one.lines if line.case not in useless)
    good, answered = sum(tally[outcome] for outcome in tally if outcome.passes), sum(tally.values())
    total = len(section.reference) - len(useless) if quality is ALL and section.reference else answered
    return (100 * good / total if total else None), f"{good} of {total} claims"


def _estimate(one: Standing, quality: QualityAxis, aims: Mapping[tuple[str, str], Aim]) -> tuple[float | None, str]:
    line = next((line for line in one.lines if line.short == quality.name), None)
    if line is None or line.estimate is None or line.case not in aims:
        return None, "not answered" if line is None else "no finite number"
    wanted = aims[line.case]
    value = abs(line.estimate - wanted.to) if wanted.way == "near" else line.estimate
    return value, f"{line.outcome}, n = {line.n}"


def front(found: Sequence[Contender], quality: QualityAxis) -> list[Contender]:
    """Those that no other one beats in quality or cost without losing in the other; the cheapest first."""
    sign = 1 if quality.better else -1
    placed = [
        (one, sign * one.quality, one.cost.ratio) for one in found if one.quality is not None and one.cost is not None
    ]
    kept = [
        (spent, -gained, one)
        for one, gained, spent in placed
        if not any(g >= gained and s <= spent and (g, s) != (gained, spent) for _, g, s in placed)
    ]
    kept.sort(key=lambda each: (*each[:2], each[2].standing.newest.implementation))
    return [one for _, _, one in kept]
