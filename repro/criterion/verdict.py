"""Verdicts: what the statistics say about one claim and one implementation."""

from __future__ import annotations

from typing import Literal

import msgspec

Status = Literal["holds", "refuted", "inconclusive"]
Evidence = Literal["exact", "reduced", "original"]
Word = Literal["reproduced", "supported", "refuted", "inconclusive", "finding", "unexpected"]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a criterion.

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


def word(status: Status, evidence: Evidence, *, finding: bool) -> Word:
    """What people read: reproduced or supported, refuted, inconclusive; finding where refutation was foreseen."""
    if status == "inconclusive":
        return "inconclusive"
    if finding:
        return "finding" if status == "refuted" else "unexpected"
    if status == "refuted":
        return "refuted"
    return "supported" if evidence == "reduced" else "reproduced"
