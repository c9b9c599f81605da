"""The result of a gate: remarks that decide, and the figures they rest on, as JSON.

`python -m harness.gate.result` prints the JSON schema of the format.
"""

from __future__ import annotations

from typing import Literal

from harness.gate.protocol import Worse
from harness.gate.thresholds import CostName
from repro.record.format import print_schema
from repro.record.record import Strict

SCHEMA = 1
FINE, REGRESSION, UNDECIDED, ERROR = range(4)
"""Exit codes."""

State = Literal["same", "fine", "neutral", "suspicious", "worse", "undecided"]
Weight = Literal["error", "regression", "undecided", "note"]
Topic = Literal[
    "verdict", "quality", "diverged", "crashed", "vanished", "version", "changed", "unavailable", "machine", "cost",
    "new", "unconfirmed", "better", "untouched", "harness",
]  # fmt: skip


class Remark(Strict, frozen=True, kw_only=True):
    """One finding of a gate, in a sentence.

    Attributes:
        weight: whether the gate could not run, fails or stays undecided because of it, or it is a mere note.
        about: the claim's id, or "" for the whole gate.
        severity: larger is worse; orders remarks of one weight.
        file: where the claim is stated, relative to the repository; "" if nowhere.
    """

    weight: Weight
    topic: Topic
    about: str
    says: str
    severity: float = 0.0
    file: str = ""
    line: int = 0


class QualityChange(Strict, frozen=True, kw_only=True):
    """One measurement, old and new.

    Attributes:
        worse: which way it gets worse; "neither" where the claim and the measurement leave that open.
        old: mean of the baseline's values; of a logarithmic scale the geometric one; None if no value is finite.
        new: the same of the change, of the last look.
        shift: new minus old, or the log ratio.
        low: lower end of its 95 % interval.
        high: its upper end.
        spreads: the shift towards worse, in standard deviations of the baseline.
        p: p-value of the last look, corrected where it confirms.
        seeds: how many new values the last look had, and old.
        state: "same" to the last bit, "fine", "neutral" (changed, and neither way is worse), "suspicious" but not
            confirmed, "worse", or "undecided".
        alike: claims that draw the same measurement at the same seeds.
    """

    claim: str
    arm: str
    measurement: str
    unit: str
    worse: Worse
    log: bool
    old: float | None
    new: float | None
    shift: float | None = None
    low: float | None = None
    high: float | None = None
    spreads: float | None = None
    p: float | None = None
    seeds: tuple[int, int]
    state: State
    alike: tuple[str, ...] = ()


class CostChange(Strict, frozen=True, kw_only=True):
    """A cost of one arm, as the ratio of new to old, both run interleaved on this machine.

    Attributes:
        ratio: geometric mean of the pairs' ratios; None where it was not measured.
        low: lower end of the interval that decides.
        high: its upper end.
        below: the threshold.
        old: geometric mean of the old runs, in `unit`.
        method: how it was measured, or why not.
        says: all of it in one line.
    """

    claim: str
    arm: str
    cost: CostName
    unit: str
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    below: float
    pairs: int
    old: float | None = None
    method: str = ""
    state: Literal["fine", "worse", "undecided", "unmeasured"]
    says: str = ""


class Decision(Strict, frozen=True, kw_only=True):
    """The whole result of a gate.

    Attributes:
        exit: 0 fine, 1 regression, 2 undecided, 3 harness error.
        baseline: what the change was compared with.
        against: the revision that ran beside the change, or "".
        claims: how many were compared.
        same: how many of them gave the same values to the last bit.
        machine: what this ran on.
        power: what a gate of this size would have found.
    """

    schema: Literal[1] = SCHEMA
    exit: Literal[0, 1, 2, 3]
    baseline: str = ""
    against: str = ""
    claims: int = 0
    same: int = 0
    machine: str = ""
    power: str = ""
    remarks: tuple[Remark, ...] = ()
    quality: tuple[QualityChange, ...] = ()
    costs: tuple[CostChange, ...] = ()

    @property
    def outcome(self) -> str:
        """The exit code in words."""
        return ("no regression", "regression", "undecided", "the gate could not run")[self.exit]

    def of(self, weight: Weight) -> list[Remark]:
        """Remarks of one weight, the worst first."""
        return sorted((r for r in self.remarks if r.weight == weight), key=lambda r: (-r.severity, r.about, r.topic))


def exit_code(remarks: tuple[Remark, ...]) -> Literal[0, 1, 2]:
    """1 if any remark is a regression, else 2 if any is undecided, else 0."""
    weights = {remark.weight for remark in remarks}
    return 1 if "regression" in weights else 2 if "undecided" in weights else 0


if __name__ == "__main__":
    print_schema(Decision)
