"""Lines of the board: a verdict as people read it, by paper and by implementation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import msgspec
import numpy as np

from leaderboard.board.catalogue import ListedClaim, StatedClaim, stated
from repro.claim.finding import Explanation
from repro.criterion.comparisons import Criterion, Equivalent, Higher, Lower, Matches, Ordered
from repro.criterion.verdict import Outcome, Verdict
from repro.numbers import number
from repro.paper import Paper
from repro.record.record import Ratio, Record, SubmissionPart, hardware

REFERENCE = "reference"
TIERS = ("cpu", "long", "gpu", "cluster")
EVIDENCE = ("exact", "reduced", "original")
COSTS = 3  # of a submission that the board shows
DIGITS = 16  # of a record's id in an address
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
LineKey = tuple[str, str, str, str]


@dataclass(frozen=True, kw_only=True)
class Line(StatedClaim):
    """One line of the board: the newest record of a claim and an implementation, without its samples.

    Attributes:
        outcome: the record's, or powerless where the reference's is; see `weighed`.
        estimate: what the criterion looks at, in `unit`; `low` and `high` are its interval.
        what: what the estimate is, such as "difference".
        n: seeds per arm, or cases of an exact claim.
        values: of an exact claim, what was measured in the unit of the published numbers, in their order.
        rejected: how many of the `controls` sabotaged implementations the criterion rejected.
        why: of a finding, the paper's words, both settings and the calculation, where the record has them.
        source: hash of the implementation's source.
        division: of a submission: "closed" or "open"; None where the record does not say.
        deviations: how many deviations from the paper the implementation declares.
        submission: what a submission states about itself; None for the reference and where the record does not have it.
        past: why it does not count for today's claim, such as "retired"; "" where it does. See `marked`.
    """

    record: str
    outcome: Outcome
    estimate: float | None
    low: float | None
    high: float | None
    bound: float | None
    unit: str
    what: str
    n: int
    values: tuple[float, ...]
    exact: bool
    reason: str
    rejected: int
    controls: int
    why: Explanation | None
    implementation: str
    source: str
    division: str | None
    deviations: int
    submission: SubmissionPart | None
    created: str
    machine: str
    commit: str
    runner: str
    past: str = ""

    @property
    def key(self) -> LineKey:
        """What makes two records answers to the same question, whatever the claim's version."""
        return (self.paper.key, self.name, self.row or "", self.implementation)

    @property
    def is_reference(self) -> bool:
        """Whether the paper's reference is what answers."""
        return self.implementation == REFERENCE

    def comparable(self, other: Line | None) -> bool:
        """Whether both answer the same version of a claim; true where there is no other."""
        return other is None or (self.version, self.digest) == (other.version, other.digest)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """An implementation of a paper over all of its claims, whatever the filters leave of them.

    Attributes:
        newest: its newest line, which says what it is.
        lines: its lines of the claims as they stand for the reference; these are counted.
        outdated: its lines of another version of a claim than the reference's; these are not.
        unanswered: the reference's lines of which it has none.
        shown: its lines of either kind that the filters leave.
    """

    newest: Line
    lines: tuple[Line, ...]
    outdated: tuple[Line, ...]
    unanswered: tuple[Line, ...]
    shown: tuple[Line, ...]

    @property
    def runner(self) -> str:
        """Who ran it: "verified" if all its lines are, "partly verified" if some are, else "self-reported"."""
        found = {one.runner for one in (*self.lines, *self.outdated)}
        return found.pop() if len(found) == 1 else "partly verified"

    @property
    def trusted(self) -> bool:
        """Whether any of its lines comes from a run without a jail."""
        return any(unjailed(one.submission) for one in (*self.lines, *self.outdated))

    @property
    def sources(self) -> int:
        """How many versions of its source its lines come from."""
        return len({one.source for one in self.lines})


@dataclass(frozen=True, kw_only=True)
class Section:
    """A paper, the lines of it that are asked for, and its implementations, the reference first.

    Attributes:
        lines: of every implementation.
        standings: of the reference, and of each other implementation with a line among these.
        reference: the reference's line by claim and row, whatever the filters leave.
        absent: claims that are asked for and that the reference has no record of; see `complete`.
        known: how many claims the paper has today; 0 where that is not known.
    """

    paper: Paper
    lines: tuple[Line, ...]
    standings: tuple[Standing, ...]
    reference: dict[tuple[str, str], Line]
    absent: tuple[ListedClaim, ...] = ()
    known: int = 0

    @property
    def judged(self) -> int:
        """How many claims of today have a verdict on the reference, whatever the filters leave."""
        return sum(not one.past for one in self.reference.values())

    @property
    def claims(self) -> tuple[Line, ...]:
        """The reference's lines that are asked for: one for each claim and row."""
        return tuple(one for one in self.lines if one.is_reference)

    @property
    def findings(self) -> list[tuple[Line, tuple[Line, ...]]]:
        """Each claim and row that is known not to hold, once, and the same on other implementations.

        What is known is what the reference's record says; another's counts only where there is none of the reference.
        """
        every = grouped(self.lines, lambda one: one.case).values()
        ordered = (sorted(found, key=lambda one: not one.is_reference) for found in every)
        return [(first, tuple(others)) for first, *others in ordered if first.known]


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What of the board is asked for; "" and () admit everything."""

    paper: str = ""
    verdict: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    tier: tuple[str, ...] = ()
    q: str = ""

    def admits(self, line: Line | ListedClaim) -> bool:
        """Whether a line is asked for, or a claim without one; every word of the search text must occur in it."""
        own = line.implementation if isinstance(line, Line) and not line.is_reference else ""
        text = " ".join((line.claim, line.row or "", line.says, line.place, own, line.paper.title, *line.paper.authors))
        return (
            self.paper in ("", line.paper.key)
            and (not self.verdict or line.outcome in self.verdict)
            and (not self.evidence or line.evidence in self.evidence)
            and (not self.tier or line.tier in self.tier)
            and all(part in text.casefold() for part in self.q.casefold().split())
        )


def line(record: Record) -> Line:
    """A record as a line of the board."""
    claim, verdict, bounds = record.claim, record.verdict, record.verdict.interval
    own = record.implementation
    return Line(
        **stated(record.paper, claim),
        record=record.id,
        outcome=record.outcome,
        estimate=verdict.estimate,
        low=bounds[0] if bounds else None,
        high=bounds[1] if bounds else None,
        bound=verdict.bound,
        unit=verdict.unit,
        what=estimated(claim.criterion, verdict),
        n=verdict.n,
        values=_values(record),
        exact=not claim.criterion.statistical,
        reason=verdict.reason,
        rejected=sum(control.rejected for control in record.controls),
        controls=len(record.controls),
        why=claim.explanation or None,
        implementation=label(record),
        source=own.source,
        division=own.division,
        deviations=own.deviations,
        submission=submission_part(record),
        created=record.created,
        machine=hardware(record),
        commit=(record.source.commit or "")[:10],
        runner=record.runner,
    )


def label(record: Record) -> str:
    """What people read: "reference", or the kind and the name."""
    return _label(record.implementation.kind, record.implementation.name)


def _label(kind: str, name: str) -> str:
    return kind if kind == REFERENCE else f"{kind}:{name}"


def short_id(record_id: str) -> str:
    """The first digits of a record's id, as in addresses and in the name of its file."""
    return record_id.removeprefix("sha256:")[:DIGITS]


def submission_part(record: Record) -> SubmissionPart | None:
    """What a submission states about itself; None for other implementations and where the record does not have it."""
    found = record.implementation.submission
    return None if found is msgspec.UNSET else found


def unjailed(part: SubmissionPart | None) -> bool:
    """Whether a submission says that it was run without a jail."""
    return part is not None and part.isolation.startswith("none")


def weighed(one: Line, reference: Line | None) -> Line:
    """A line in the light of the reference's: where a sabotage gets through the check, no verdict of it counts."""
    if reference is None or reference.outcome is not Outcome.POWERLESS or not one.comparable(reference):
        return one
    return replace(one, outcome=reference.outcome)


def main_costs(costs: Sequence[Ratio]) -> list[Ratio]:
    """At most three of a submission's costs: a time, peak memory, energy, and another time where there is room.

    Training goes before prediction, and both before the function that takes the reference longest.
    """
    found = {cost.what: cost for cost in costs}
    usual = [found[name] for name in ("time to train", "time to predict") if name in found]
    times = [cost for cost in costs if cost.what.startswith("time to ")]
    times = usual or sorted(times, key=lambda cost: -cost.reference)[:1]
    rest = [found[name] for name in ("peak memory", "energy") if name in found]
    return (times[:1] + rest + times[1:])[:COSTS]


def estimated(rule: Criterion, verdict: Verdict) -> str:
    """What a verdict's estimate is, in a few words."""
    if verdict.parts:
        return f"deciding part of {len(verdict.parts)}"
    if isinstance(rule, Lower | Higher | Equivalent | Matches) and rule.log:
        return "log ratio"
    if isinstance(rule, Lower | Higher) and rule.times != 1:
        return f"first \N{MINUS SIGN} {number(rule.times)} \N{MULTIPLICATION SIGN} second"
    if isinstance(rule, Lower | Higher | Equivalent | Ordered):
        return "difference"
    return {"Holds": "violations", "PowerLaw": "exponent"}.get(type(rule).__name__, "mean")


def counts(lines: Iterable[Line]) -> Counter[Outcome]:
    """How many lines have each outcome."""
    return Counter(one.outcome for one in lines)


def grouped(found: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """What has the same key, in order."""
    every: dict[K, list[T]] = {}
    for one in found:
        every.setdefault(key(one), []).append(one)
    return every


def natural(text: str) -> tuple[object, ...]:
    """A key that sorts names by the numbers in them, as in the tables of papers."""
    digits = "".join(c if c.isdigit() else " " for c in text).split()
    return (tuple(int(d) for d in digits), text)


def _values(record: Record) -> tuple[float, ...]:
    if record.verdict.unit != "violations" or not record.claim.reported:
        return ()
    unit = record.claim.reported[0].unit
    found = [np.ravel(np.asarray(s.values, dtype=float)) for s in record.samples if s.unit == unit]
    return tuple(float(values[0]) for values in found if values.size == 1 and np.isfinite(values[0]))
