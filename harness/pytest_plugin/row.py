"""A line of the verdict table: it travels with pytest's reports from the process that judges to the terminal's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
import pytest

from repro.claim.claim import Claim
from repro.criterion.measurement import Sample
from repro.criterion.verdict import Evidence, Outcome, Verdict
from repro.errors import ReproError
from repro.numbers import interval, number
from repro.paper import Reported
from repro.record.record import SamplePart
from repro.trial.judge import Judged


class VerdictRow(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one claim on one implementation.

    Attributes:
        claim: id of the claim.
        implementation: what was judged, such as "reference" or "control:no_drift".
        published: what the paper states, with its place.
        outcome: of a claim, its `Outcome` as records write it; of a control, "rejected" or "accepted"; else "skipped"
            or "error".
        letter: what stands for an outcome that does not pass.
        reason: one line for people.
        measured: the estimate with interval and unit; "" where nothing was measured.
        controls: how many controls were rejected, of how many; "" where none were run.
        record: id of the record that was written; "" for a control.
        file: where it was written.
    """

    claim: str
    implementation: str
    published: str
    evidence: Evidence
    outcome: str
    letter: str
    passed: bool = False
    reason: str
    measured: str = ""
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    wall_s: float = 0.0
    trials: int | None = None
    cached: int | None = None
    controls: str = ""
    record: str = ""
    file: str = ""

    @property
    def properties(self) -> list[tuple[str, object]]:
        """What JUnit XML says of it: every field that says something, by name."""
        fields = ((name, getattr(self, name)) for name in self.__struct_fields__ if name != "letter")
        return [(f"repro.{name}", value) for name, value in fields if value not in (None, "")]


def send(row: VerdictRow, report: pytest.TestReport) -> None:
    """Put a row on a report, as text: under xdist reports go from process to process as plain data."""
    report.repro = msgspec.json.encode(row).decode()  # type: ignore[attr-defined] -- reports take what plugins add


def received(report: pytest.TestReport) -> VerdictRow | None:
    """The row on a report; None for one that is not of a claim."""
    text = getattr(report, "repro", None)
    return None if text is None else msgspec.json.decode(text, type=VerdictRow)


def claim_row(judged: Judged, controls: Sequence[Judged]) -> VerdictRow:
    """The row of a claim that was judged beside its controls, if they were run."""
    outcome = judged.outcome(controls)
    accepted = [control.implementation.name for control in controls if not control.rejected]
    reason = judged.verdict.reason
    if judged.short:
        reason = f"fewer seeds than the {judged.claim.seeds} that the claim asks for; {reason}"
    if outcome is Outcome.POWERLESS:
        reason = f"powerless: {', '.join(accepted)} was not rejected; {reason}"
    return _row(
        judged,
        outcome=outcome.recorded,
        letter=outcome.letter,
        passed=outcome.passes,
        reason=reason,
        controls=f"{len(controls) - len(accepted)}/{len(controls)}" if controls else "",
    )


def control_row(judged: Judged) -> VerdictRow:
    """The row of a control, which must be rejected."""
    outcome = "rejected" if judged.rejected else "accepted"
    return _row(judged, outcome=outcome, letter="A", passed=judged.rejected, reason=judged.verdict.reason)


def unjudged_row(claim: Claim, label: str, outcome: Literal["skipped", "error"], why: ReproError) -> VerdictRow:
    """The row of a claim that this machine cannot run, or whose trials failed."""
    return VerdictRow(
        claim=claim.id,
        implementation=label,
        published=published(claim),
        evidence=claim.evidence,
        outcome=outcome,
        letter=outcome[0].upper(),
        reason=str(why),
    )


def _row(judged: Judged, **fields: Any) -> VerdictRow:
    claim, verdict = judged.claim, judged.verdict
    low, high = verdict.interval or (None, None)
    return VerdictRow(
        claim=claim.id,
        implementation=judged.implementation.label,
        published=published(claim),
        evidence=claim.evidence,
        measured=measured(verdict, judged.samples, claim.reported),
        estimate=verdict.estimate,
        low=low,
        high=high,
        n=verdict.n,
        wall_s=round(judged.wall_s, 3),
        trials=len(judged.trials),
        cached=sum(result.cached for _, result in judged.trials),
        **fields,
    )


def published(claim: Claim) -> str:
    """What the paper states, with its place; only the place where it states no number that can be read."""
    if not claim.reported:
        return claim.place
    more = len(claim.reported) - 1
    return reported(claim.reported[0]) + (f"; {more} more" if more else "")


def measured(verdict: Verdict, samples: Iterable[Sample | SamplePart], facts: Iterable[Reported]) -> str:
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
