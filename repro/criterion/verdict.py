"""Verdicts: what the statistics say about one claim and one implementation, and what people read of it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal, cast

import msgspec

Status = Literal["holds", "refuted", "inconclusive"]
Evidence = Literal["exact", "reduced", "original"]
RecordedOutcome = Literal["reproduced", "supported", "refuted", "inconclusive", "finding", "unexpected"]
"""How records and baselines write an `Outcome`."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a criterion says of samples.

    Attributes:
        status: "holds", "refuted" or "inconclusive".
        estimate: the effect the criterion looks at, in `unit`; None where nothing finite was measured.
        interval: two-sided confidence interval of the estimate, at confidence 1 - 2 * level for one-sided
            criteria, so that it excludes the bound exactly when the test rejects; None for exact criteria.
        bound: what the estimate is compared with, in `unit`.
        level: significance level of each one-sided test, fixed beforehand.
        p: p-value of the test that supports `status` "holds".
        n: seeds per arm, or cases of an exact criterion.
        detectable: smallest effect that would have been found to hold with 90 % power at this n and spread.
        unit: unit of the estimate.
        reason: one line for people, with the numbers and the margin.
        parts: verdicts of the parts of a compound criterion.
    """

    status: Status
    estimate: float | None
    interval: tuple[float, float] | None = None
    bound: float | None = None
    level: float | None = None
    p: float | None = None
    n: int
    detectable: float | None = None
    unit: str
    reason: str
    parts: tuple[Verdict, ...] = ()


class Outcome(StrEnum):
    """What people read of a claim on one implementation, from the best news to the worst.

    A member is the word that people read. Members compare and sort as that word; `rank` orders them.

    Attributes:
        letter: the same on the terminal, in README and on the board, where colour cannot say it.
        rank: 0 if it passes, 1 if nothing is settled, 2 if the claim fails.
        meaning: in a few words.
    """

    letter: str
    rank: Literal[0, 1, 2]
    meaning: str

    REPRODUCED = "reproduced", "R", 0, "holds, exactly or at the paper's own scale"
    SUPPORTED = "supported", "S", 0, "holds at reduced scale"
    FINDING = "finding", "F", 0, "known not to hold, and refuted here"
    INCONCLUSIVE = "inconclusive", "I", 1, "too few seeds to tell"
    POWERLESS = "powerless", "P", 1, "a sabotage got through, so the check proves nothing"
    REFUTED = "refuted", "X", 2, "does not hold here"
    UNEXPECTED = "unexpected", "U", 2, "known not to hold, yet it held here"

    def __new__(cls, label: str, letter: str, rank: Literal[0, 1, 2], meaning: str) -> Outcome:
        """A member whose value is its word."""
        made = str.__new__(cls, label)
        made._value_ = label
        made.letter, made.rank, made.meaning = letter, rank, meaning
        return made

    @classmethod
    def of(
        cls,
        status: Status,
        evidence: Evidence,
        *,
        known_refutation: bool,
        enough_seeds: bool = True,
        rejected: Iterable[bool] = (),
    ) -> Outcome:
        """The outcome of a claim on one implementation.

        Args:
            status: of the verdict on that implementation.
            evidence: of the claim.
            known_refutation: whether the claim is known not to hold.
            enough_seeds: whether as many seeds were drawn as the claim asks for.
            rejected: for each control that was run, whether the criterion rejected it; see `powerless`.
        """
        if powerless(rejected):
            return cls.POWERLESS
        if not enough_seeds or status == "inconclusive":
            return cls.INCONCLUSIVE
        if known_refutation:
            return cls.FINDING if status == "refuted" else cls.UNEXPECTED
        if status == "refuted":
            return cls.REFUTED
        return cls.SUPPORTED if evidence == "reduced" else cls.REPRODUCED

    @classmethod
    def read(cls, recorded: RecordedOutcome, *, powerless: bool) -> Outcome:
        """The outcome that a record states; the inverse of `recorded`."""
        return cls.POWERLESS if powerless else cls(recorded)

    @property
    def recorded(self) -> RecordedOutcome:
        """How records write it: a powerless claim reads inconclusive, and a field of its own says why."""
        return cast("RecordedOutcome", (Outcome.INCONCLUSIVE if self is Outcome.POWERLESS else self).value)

    @property
    def passes(self) -> bool:
        """Whether the claim came out as the literature has it: it holds, or is known not to hold and was refuted."""
        return self.rank == 0


def expected_status(*, known_refutation: bool) -> Status:
    """The status that a correct implementation should get."""
    return "refuted" if known_refutation else "holds"


def powerless(rejected: Iterable[bool]) -> bool:
    """Whether a claim proves nothing, whatever its numbers say: one of the controls that were run was not rejected."""
    return not all(rejected)


def rejects(status: Status, *, known_refutation: bool) -> bool:
    """Whether a control with this status was rejected.

    A control of a claim that should hold must be refuted; the control of a known refutation must hold. Inconclusive is
    neither: a criterion that cannot tell the sabotage has no power.
    """
    return status != "inconclusive" and status != expected_status(known_refutation=known_refutation)
