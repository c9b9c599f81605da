"""The gate: whether a change made a claim or a measurement worse, and how sure that is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.gate import confirmation, significance
from harness.gate.baseline import Baseline, BaselineEntry, Values
from harness.gate.confirmation import MeasurementChange
from harness.gate.protocol import ClaimInfo
from harness.gate.result import Decision, Remark, Topic, Weight, exit_code
from harness.gate.revision_process import RevisionProcess, TrialCrashed
from harness.gate.significance import LEVEL, LOOKS
from repro.criterion.verdict import Outcome
from repro.errors import ReproError, Unavailable

FIRST_FRESH = 20_000_000  # above every calibration's seeds
BLOCK, BLOCKS = 200, 10_000  # seeds that a measurement may take, and how many such blocks there are
DRAWS = 4  # sets of fresh seeds at which a verdict must fail again: a claim that fails one time in four must not alarm
SEVERITY: dict[Topic, float] = {"vanished": 1e6, "crashed": 1e5, "diverged": 1e4, "verdict": 1e3}


@dataclass(frozen=True, kw_only=True)
class SeedBudget:
    """How many seeds a gate may run.

    Attributes:
        seeds: of the first look at values; None for each claim's own number.
        fresh: fresh seeds for each suspicion; 0 for none.
    """

    seeds: int | None = None
    fresh: int = LOOKS[1]

    def __post_init__(self) -> None:
        if self.seeds is not None and self.seeds < 2:
            raise ReproError(f"--seeds {self.seeds} is too few to compare values", "Give 2 or more.")
        if not 0 <= self.fresh <= BLOCK or self.fresh == 1:
            raise ReproError(f"--fresh {self.fresh} is not a number of fresh seeds", f"Give 0, or 2 to {BLOCK}.")


@dataclass(eq=False)
class Gate:
    """Compares a change with a baseline, claim by claim. To be used once.

    Attributes:
        baseline: verdicts and values before the change.
        new: the change.
        old: the revision that the baseline is of, where it can be run: then fresh seeds are run on both.
        budget: of seeds.
        on_progress: called with one line before each claim.
    """

    baseline: Baseline
    new: RevisionProcess
    old: RevisionProcess | None = None
    budget: SeedBudget = field(default_factory=SeedBudget)
    on_progress: Callable[[str], None] = lambda line: None

    def __post_init__(self) -> None:
        self._remarks: list[Remark] = []
        self._entries: dict[str, BaselineEntry] = {}
        self._changes: list[MeasurementChange] = []
        self._claims: Mapping[str, ClaimInfo] = {}
        self.on_both: set[str] = set()  # claims that the old revision has unchanged: only they can be run on both
        self.looked: dict[tuple[str, range, bool], BaselineEntry | None] = {}  # by claim, fresh seeds, and whether old

    def decide(self, selected: Sequence[str], claims: Mapping[str, ClaimInfo]) -> Decision:
        """Judge the selected ones of both sides' claims and compare them; `claims` are those of the change.

        Raises:
            ReproError: if the implementation is refused before any trial, or the old revision does not run.
        """
        self._claims = claims
        if self.old is not None:
            old = self.old.claims()
            self.on_both = {name for name, claim in claims.items() if name in old and old[name].digest == claim.digest}
        for name in selected:
            self._compare(name)
        self._note_other_machine()
        self._changes = confirmation.merged(self._changes)
        changed = [change for change in self._changes if change.last is not None]
        family = [change for change in changed if change.state != "neutral"]
        confirmation.confirm(family, self.budget.fresh, self._look)
        for change in changed:
            self._conclude(change)
        self._note_nothing_compared()
        return Decision(
            exit=exit_code(tuple(self._remarks)),
            claims=len(self._entries),
            same=len(self._entries.keys() - {name for c in changed for name in (c.claim.id, *c.alike)}),
            machine=next((entry.device for entry in self._entries.values()), ""),
            power=self._power(family),
            remarks=tuple(self._remarks),
            quality=tuple(map(confirmation.row, self._changes)),
        )

    def _compare(self, name: str) -> None:
        """Compare one claim: its statement, its verdict, and its values at the first look's seeds."""
        old, claim = self.baseline.claims.get(name), self._claims.get(name)
        if old is None or claim is None:
            self._missing(name, old)
            return
        if old.digest != claim.digest:
            says = "changed but its version did not, so it was not compared: raise the version, update the baseline"
            self._remark("undecided", "changed", name, says)
            return
        self.on_progress(name)
        try:
            new = self.new.judge(name)
            seeds = self.budget.seeds or 0
            more = self.new.judge(name, range(seeds)) if claim.statistical and seeds > claim.seeds else new
        except Unavailable as error:
            self._remark("undecided", "unavailable", name, f"was not run: {error}")
            return
        except TrialCrashed as error:
            self._remark("regression", "crashed", name, f"crashed: {error.problem}")
            return
        self._entries[name] = new
        self._compare_verdicts(claim, old, new)
        if claim.statistical:
            changes = confirmation.measurement_changes(claim, old, more)
            self._changes += changes or []
            if changes is None:
                self._remark("undecided", "changed", name, "has other measurements than the baseline")

    def _missing(self, name: str, old: BaselineEntry | None) -> None:
        """A claim that only one side has: new, gone, or in another version."""
        others = self._claims if old else self.baseline.claims
        other = next((o for o in sorted(others) if unversioned(o) == unversioned(name)), None)
        if other is not None and old:
            says = f"is {other} now, which may state something else, so it was not compared: update the baseline"
            self._remark("note", "version", name, says)
        elif other is None and old:
            self._remark("regression", "vanished", name, "is in the baseline and is gone")
        elif other is None:
            self._remark("note", "new", name, "is not in the baseline: update it")

    def _compare_verdicts(self, claim: ClaimInfo, old: BaselineEntry, new: BaselineEntry) -> None:
        """Remark on a changed verdict; a worse one of a statistical claim is confirmed on fresh seeds first."""
        change = f"{old.outcome} became {new.outcome}"
        if new.outcome is old.outcome:
            self._compare_violations(claim, old, new)
        elif new.outcome.rank < old.outcome.rank:
            self._remark("note", "better", claim.id, change)
        elif not old.outcome.passes:
            self._remark("note", "verdict", claim.id, f"{change}, and did not pass before either")
        elif not claim.statistical:
            count = "" if new.violations is None else ": {} of {} cases violate".format(*new.violations)
            self._remark("regression", "verdict", claim.id, change + count, new.outcome.rank)
        else:
            self._confirm_verdict(claim, change)

    def _compare_violations(self, claim: ClaimInfo, old: BaselineEntry, new: BaselineEntry) -> None:
        """An exact claim whose verdict is as before: more violations are a regression, except of a known refutation."""
        if new.violations is None or old.violations is None or new.violations == old.violations:
            return
        (bad, of), (before, of_before) = new.violations, old.violations
        worse = bad > before and not claim.known_refutation
        says = f"{bad} of {of} cases violate, were {before} of {of_before}"
        self._remark("regression" if worse else "note", "verdict", claim.id, says, bad)

    def _confirm_verdict(self, claim: ClaimInfo, change: str) -> None:
        if not self.budget.fresh:
            self._remark("undecided", "unconfirmed", claim.id, f"{change}, and no fresh seeds were allowed")
            return
        outcomes: list[Outcome] = []
        for draw in range(DRAWS):
            again = self._at_fresh(claim.id, range(draw * claim.seeds, (draw + 1) * claim.seeds), old=False)
            if again is None:
                return
            if again.outcome.passes:
                says = f"{change}, but is {again.outcome} at {claim.seeds} fresh seeds: not confirmed"
                self._remark("note", "unconfirmed", claim.id, says)
                return
            outcomes.append(again.outcome)
        says = f"{change}, and at {claim.seeds} fresh seeds, {DRAWS} times, it is {', '.join(outcomes)}"
        self._remark("regression", "verdict", claim.id, says, sum(outcome.rank for outcome in outcomes))

    def _look(self, change: MeasurementChange, count: int) -> tuple[Values, Values] | None:
        """Old and new values at fresh seeds; the old ones are the baseline's where the old revision cannot be run."""
        name = change.claim.id
        new = self._at_fresh(name, range(count), old=False)
        if new is None:
            return None
        old = self._at_fresh(name, range(count), old=True) if name in self.on_both else self.baseline.claims[name]
        assert old is not None
        return old.values(change.index), new.values(change.index)

    def _at_fresh(self, name: str, which: range, *, old: bool) -> BaselineEntry | None:
        """A claim at some of its fresh seeds, judged once; None if the change crashes there, which is remarked on."""
        key = (name, which, old)
        if key not in self.looked:
            self.on_progress(f"{name}: looking again, {len(which)} fresh seeds{' of the baseline' if old else ''}")
            revision = self.old if old and self.old is not None else self.new
            try:
                self.looked[key] = revision.judge(name, self._fresh(name)[which.start : which.stop])
            except (TrialCrashed, Unavailable) as error:
                if old:
                    raise ReproError(f"The baseline's own code does not run: {error.problem}", error.remedy) from error
                self._remark("regression", "crashed", name, f"crashed at fresh seeds: {error.problem}")
                self.looked[key] = None
        return self.looked[key]

    def _fresh(self, name: str) -> range:
        """Seeds that no baseline, first look or calibration used; they depend on the two sources compared."""
        sources = f"{self.baseline.claims[name].source} {self._entries[name].source}"
        first = FIRST_FRESH + int(hashlib.sha256(sources.encode()).hexdigest()[:8], 16) % BLOCKS * BLOCK
        return range(first, first + max(BLOCK, DRAWS * self._claims[name].seeds))

    def _conclude(self, change: MeasurementChange) -> None:
        """Remark on a measurement that got worse, may have, or has no worse and clearly changed."""
        last = change.last
        assert last is not None
        clear = last.large and last.p <= LEVEL
        weights: dict[str, Weight] = {"worse": "regression", "undecided": "undecided", "neutral": "note"}
        if change.state in weights and (change.state != "neutral" or clear):
            topic: Topic = "diverged" if last.diverged else "quality"
            severity = last.spreads or 0.0
            self._remark(weights[change.state], topic, change.claim.id, confirmation.sentence(change), severity)

    def _note_other_machine(self) -> None:
        """Remark where the baseline comes from another kind of machine, or other versions."""
        pairs = [(self.baseline.claims[name], entry) for name, entry in self._entries.items()]
        devices = {(old.device, new.device, "on") for old, new in pairs if old.device != new.device}
        versions = {(old.versions, new.versions, "with") for old, new in pairs if old.versions != new.versions}
        for before, now, how in sorted(devices | versions):
            says = f"the baseline was measured {how} {before}, this run {how} {now}: values may differ by chance"
            self._remark("note", "machine", "", f"{says}, and are compared by statistics only")

    def _note_nothing_compared(self) -> None:
        if not self._entries and all(remark.weight == "note" for remark in self._remarks):
            weight: Weight = "undecided" if self._remarks else "note"
            says = "no claim could be compared: update the baseline" if self._remarks else "no claim to compare"
            self._remark(weight, "untouched", "", says)

    def _power(self, family: Sequence[MeasurementChange]) -> str:
        """What the confirmation can find, given the fewest old seeds in the family."""
        stages = significance.look_sizes(self.budget.fresh)
        if not family or not stages:
            return ""
        seeds = min(
            stages[-1] if c.claim.id in self.on_both else len(self.baseline.claims[c.claim.id].seeds) for c in family
        )
        least = significance.detectable(len(family), max(2, seeds), stages[-1], len(stages))
        changed = f"{len(family)} measurements" if len(family) > 1 else "1 measurement"
        return (
            f"{changed} changed; once suspicious, a drop of {least:.1f} standard deviations is confirmed 95 times in "
            f"100 ({stages[-1]} fresh seeds against {seeds})"
        )

    def _remark(self, weight: Weight, topic: Topic, about: str, says: str, severity: float = 0.0) -> None:
        claim = self._claims.get(about)
        self._remarks.append(
            Remark(
                weight=weight,
                topic=topic,
                about=about,
                says=says,
                severity=SEVERITY.get(topic, 0.0) + severity,
                file=claim.file if claim else "",
                line=claim.line if claim else 0,
            )
        )


def touched(new: Mapping[str, ClaimInfo], old: Mapping[str, ClaimInfo]) -> list[str]:
    """Claims whose trials rest on something that differs: the claim, an experiment, the implementation, the data.

    A claim whose trial keys are not known, because its data are not here, counts as touched.
    """
    return [
        claim
        for claim in sorted({*new, *old})
        if claim not in new
        or claim not in old
        or new[claim].digest != old[claim].digest
        or new[claim].keys != old[claim].keys
        or not new[claim].keys
    ]


def unversioned(claim: str) -> str:
    """A claim's id without its version, which is the same in all of them."""
    return re.sub(r"@\d+", "", claim)
