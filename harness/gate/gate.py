"""The gate: whether a change made a claim or a measurement worse, and how sure that is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from harness import family, quality
from harness.baseline import RANK, Baseline, Entry
from harness.decision import Cost, Decision, Remark, Topic, Weight, exit_code
from harness.family import Member
from harness.quality import LOOKS, Values
from harness.side import Crashed, Facts, Judge
from repro.errors import ReproError, Unavailable
from repro.verdict import Word

FIRST_FRESH = 20_000_000  # above every calibration's seeds
BLOCK, BLOCKS = 200, 10_000  # seeds that a measurement may take, and how many such blocks there are
DRAWS = 4  # sets of fresh seeds at which a verdict must fail again: claims that fail one time in four stay quiet
SEVERITY: dict[Topic, float] = {"vanished": 1e6, "crashed": 1e5, "diverged": 1e4, "verdict": 1e3}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How hard a gate looks.

    Attributes:
        seeds: seeds of the first look at values; None for each claim's own number.
        fresh: how many fresh seeds a suspicion may take; 0 for none.
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
    """Compares a side with a baseline, claim by claim. One use each.

    Attributes:
        baseline: what was.
        new: the change.
        old: the baseline's own code, where it can be run: then fresh seeds are run on both.
        plan: how hard to look.
        say: told of progress.
    """

    baseline: Baseline
    new: Judge
    old: Judge | None = None
    plan: Plan = field(default_factory=Plan)
    say: Callable[[str], None] = lambda line: None

    def __post_init__(self) -> None:
        self._remarks: list[Remark] = []
        self._entries: dict[str, Entry] = {}
        self._members: list[Member] = []
        self._facts: Mapping[str, Facts] = {}
        self.beside: set[str] = set()  # claims that the old side has as they are: only they can be run on both
        self.looked: dict[tuple[str, range, bool], Entry | None] = {}  # by claim, fresh seeds, and whether the old side

    def decide(self, claims: Sequence[str], facts: Mapping[str, Facts]) -> Decision:
        """Judge these claims of the new side and compare them with the baseline.

        Args:
            claims: ids of what was selected on either side.
            facts: what the new side says of its claims.

        Raises:
            ReproError: if the implementation is refused before any trial, or the baseline's own code does not run.
        """
        self._facts = facts
        if self.old is not None:
            there = self.old.facts()
            self.beside = {name for name, own in facts.items() if name in there and there[name].digest == own.digest}
        for claim in claims:
            self._claim(claim)
        self._mismatch()
        self._members = family.merged(self._members)
        changed = [member for member in self._members if member.last is not None]
        family.confirm(changed, self.plan.fresh, self._look)
        for member in changed:
            self._conclude(member)
        self._nothing()
        return Decision(
            exit=exit_code(tuple(self._remarks)),
            claims=len(self._entries),
            same=len(self._entries.keys() - {claim for m in changed for claim in (m.facts.id, *m.alike)}),
            machine=next((entry.device for entry in self._entries.values()), ""),
            power=self._power(changed),
            remarks=tuple(self._remarks),
            quality=tuple(map(family.row, self._members)),
        )

    def _claim(self, claim: str) -> None:
        """Compare one claim: what it is, its verdict, and its values at the seeds that were asked for."""
        old, facts = self.baseline.claims.get(claim), self._facts.get(claim)
        if old is None or facts is None:
            self._missing(claim, old)
            return
        if old.digest != facts.digest:
            says = "changed but its version did not, so it was not compared: raise the version, update the baseline"
            self._remark("undecided", "changed", claim, says)
            return
        self.say(claim)
        try:
            new = self.new.judge(claim)
            more = self.new.judge(claim, range(self.plan.seeds or 0)) if self._wants_more(facts) else new
        except Unavailable as error:
            self._remark("undecided", "unavailable", claim, f"was not run: {error}")
            return
        except Crashed as error:
            self._remark("regression", "crashed", claim, f"crashed: {error.problem}")
            return
        self._entries[claim] = new
        self._verdict(facts, old, new)
        if facts.criterion.statistical:
            found = family.members_of(facts, old, more)
            self._members += found or []
            if found is None:
                self._remark("undecided", "changed", claim, "draws other measurements than the baseline holds")

    def _wants_more(self, facts: Facts) -> bool:
        return facts.criterion.statistical and self.plan.seeds is not None and self.plan.seeds > facts.seeds

    def _missing(self, claim: str, old: Entry | None) -> None:
        """A claim that only one side has: new, gone, or there in another version."""
        others = self._facts if old else self.baseline.claims
        other = next((name for name in sorted(others) if _unversioned(name) == _unversioned(claim)), None)
        if other is not None and old:
            says = f"is {other} now, which may ask for something else, so it was not compared: update the baseline"
            self._remark("note", "version", claim, says)
        elif other is None and old:
            self._remark("regression", "vanished", claim, "is in the baseline and is gone")
        elif other is None:
            self._remark("note", "new", claim, "is not in the baseline: update it")

    def _verdict(self, facts: Facts, old: Entry, new: Entry) -> None:
        """Say how a verdict changed; one that became worse over seeds is confirmed at fresh ones."""
        change = f"{old.word} became {new.word}"
        if new.word == old.word:
            self._violations(facts, old, new)
        elif RANK[new.word] < RANK[old.word]:
            self._remark("note", "better", facts.id, change)
        elif not old.passes:
            self._remark("note", "verdict", facts.id, f"{change}, and did not pass before either")
        elif not facts.criterion.statistical:
            count = "" if new.violations is None else ": {} of {} cases violate".format(*new.violations)
            self._remark("regression", "verdict", facts.id, change + count, RANK[new.word])
        else:
            self._confirm_verdict(facts, change)

    def _violations(self, facts: Facts, old: Entry, new: Entry) -> None:
        """An exact claim that was refuted and is: more violations are a regression, but for a finding."""
        if new.violations is None or old.violations is None or new.violations == old.violations:
            return
        (bad, of), (before, of_before) = new.violations, old.violations
        worse = bad > before and not facts.finding
        says = f"{bad} of {of} cases violate, were {before} of {of_before}"
        self._remark("regression" if worse else "note", "verdict", facts.id, says, bad)

    def _confirm_verdict(self, facts: Facts, change: str) -> None:
        if not self.plan.fresh:
            self._remark("undecided", "unconfirmed", facts.id, f"{change}, and no fresh seeds were allowed")
            return
        words: list[Word] = []
        for draw in range(DRAWS):
            again = self._at_fresh(facts.id, range(draw * facts.seeds, (draw + 1) * facts.seeds), old=False)
            if again is None:
                return
            if again.passes:
                says = f"{change}, but is {again.word} at {facts.seeds} fresh seeds: not confirmed"
                self._remark("note", "unconfirmed", facts.id, says)
                return
            words.append(again.word)
        says = f"{change}, and at {facts.seeds} fresh seeds, {DRAWS} times, it is {', '.join(words)}"
        self._remark("regression", "verdict", facts.id, says, sum(RANK[word] for word in words))

    def _look(self, member: Member, count: int) -> tuple[Values, Values] | None:
        """A measurement at fresh seeds, and what it was: at the same ones where the old side has the same claim."""
        new = self._at_fresh(member.facts.id, range(count), old=False)
        if new is None:
            return None
        held = new.values(new.samples[member.index])
        if member.facts.id not in self.beside:
            before = self.baseline.claims[member.facts.id]
        else:
            before = self._at_fresh(member.facts.id, range(count), old=True)
            assert before is not None
        return before.values(before.samples[member.index]), held

    def _at_fresh(self, claim: str, which: range, *, old: bool) -> Entry | None:
        """A claim at some of its fresh seeds, once; None if the change crashes there, which is said."""
        key = (claim, which, old)
        if key not in self.looked:
            self.say(f"{claim}: looking again, {len(which)} fresh seeds{' of the baseline' if old else ''}")
            side = self.old if old and self.old is not None else self.new
            try:
                self.looked[key] = side.judge(claim, self._fresh(claim)[which.start : which.stop])
            except (Crashed, Unavailable) as error:
                if old:
                    raise ReproError(f"The baseline's own code does not run: {error.problem}", error.remedy) from error
                self._remark("regression", "crashed", claim, f"crashed at fresh seeds: {error.problem}")
                self.looked[key] = None
        return self.looked[key]

    def _fresh(self, claim: str) -> range:
        """Seeds that neither the baseline nor the first look nor a calibration used, drawn by what is compared."""
        sources = f"{self.baseline.claims[claim].source} {self._entries[claim].source}"
        first = FIRST_FRESH + int(hashlib.sha256(sources.encode()).hexdigest()[:8], 16) % BLOCKS * BLOCK
        return range(first, first + max(BLOCK, DRAWS * self._facts[claim].seeds))

    def _conclude(self, member: Member) -> None:
        """The remark of a measurement that got worse, or may have."""
        if member.state not in ("worse", "undecided"):
            return
        assert member.last is not None
        weight: Weight = "regression" if member.state == "worse" else "undecided"
        topic: Topic = "diverged" if member.last.diverged else "quality"
        self._remark(weight, topic, member.facts.id, family.sentence(member), member.last.spreads or 0.0)

    def _mismatch(self) -> None:
        """Say where the baseline comes from another kind of machine, or other versions."""
        pairs = [(self.baseline.claims[claim], entry) for claim, entry in self._entries.items()]
        devices = {(old.device, new.device, "on") for old, new in pairs if old.device != new.device}
        versions = {(old.versions, new.versions, "with") for old, new in pairs if old.versions != new.versions}
        for before, now, told in sorted(devices | versions):
            says = f"the baseline was measured {told} {before}, this run {told} {now}: values may differ by chance"
            self._remark("note", "machine", "", f"{says}, and are compared by statistics only")

    def _nothing(self) -> None:
        if not self._entries and all(remark.weight == "note" for remark in self._remarks):
            topics = {remark.topic for remark in self._remarks}
            weight: Weight = "undecided" if topics else "note"
            says = "no claim could be compared: update the baseline" if topics else "no claim is to be compared"
            self._remark(weight, "untouched", "", says)

    def _power(self, changed: Sequence[Member]) -> str:
        """What the confirmation finds, given the fewest old seeds of what changed."""
        stages = quality.looks(self.plan.fresh)
        if not changed or not stages:
            return ""
        old = min(stages[-1] if m.facts.id in self.beside else len(self._old_seeds(m)) for m in changed)
        least = quality.detectable(len(changed), max(2, old), stages[-1], len(stages))
        return (
            f"{len(changed)} measurements changed; once suspicious, a drop of {least:.1f} standard deviations is "
            f"confirmed 95 times in 100 ({stages[-1]} fresh seeds against {old})"
        )

    def _old_seeds(self, member: Member) -> tuple[int, ...]:
        return self.baseline.claims[member.facts.id].seeds

    def _remark(self, weight: Weight, topic: Topic, claim: str, says: str, severity: float = 0.0) -> None:
        facts = self._facts.get(claim)
        self._remarks.append(
            Remark(
                weight=weight,
                topic=topic,
                about=claim,
                says=says,
                severity=SEVERITY.get(topic, 0.0) + severity,
                file=facts.file if facts else "",
                line=facts.line if facts else 0,
            )
        )


def touched(new: Mapping[str, Facts], old: Mapping[str, Facts]) -> list[str]:
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


def with_costs(decision: Decision, costs: Sequence[Cost], remarks: Sequence[Remark]) -> Decision:
    """The decision with costs and what they mean for it."""
    every = (*decision.remarks, *remarks)
    return msgspec.structs.replace(decision, remarks=every, costs=tuple(costs), exit=exit_code(every))


def _unversioned(claim: str) -> str:
    return re.sub(r"@\d+", "", claim)
