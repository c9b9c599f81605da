"""One run of the gate, from its options to its decision; and baselines, from records or from judging claims."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from harness import baseline, gate, manifest, revision, sidebyside, thresholds
from harness.baseline import Baseline, Entry
from harness.decision import Decision, Remark
from harness.gate import Gate, Plan
from harness.side import Crashed, Facts, Side
from harness.sidebyside import Timed
from repro.catalogue import matches_id
from repro.errors import ReproError, Unavailable, unknown
from repro.publish import save
from repro.record import Record
from repro.store import Store

COSTS = "time<1.05, memory<1.10, energy<1.10"
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is judged.

    Attributes:
        root: the project with the claims.
        implementation: a submission's folder; None for the references of the project.
        tiers: of the claims, such as ("cpu",).
    """

    root: Path
    implementation: Path | None = None
    device: str = "auto"
    trusted: bool = False
    salt: str = ""
    tiers: tuple[str, ...] = ("cpu",)

    @property
    def name(self) -> str:
        """As a baseline says it: "reference" or "submission:NAME"."""
        if self.implementation is None:
            return "reference"
        path = self.implementation / "submission.toml"
        if not path.is_file():
            raise ReproError(f"{self.implementation} has no submission.toml", "Give the folder of a submission.")
        return f"submission:{manifest.read(path).name}"

    def side(self) -> Side:
        """The working tree."""
        return self._side("the change", self.root, self.implementation)

    @contextlib.contextmanager
    def at(self, name: str) -> Iterator[Side]:
        """The same at another revision of the repository that holds what is judged.

        Raises:
            ReproError: for an unknown revision, or one without the folder.
        """
        root, own = self.root.resolve(), self.implementation.resolve() if self.implementation else None
        if own is None:
            with revision.checkout(name, root) as there, self._side(name, there, None) as side:
                yield side
        elif own.is_relative_to(root):
            with revision.checkout(name, root) as there, self._side(name, there, there / own.relative_to(root)) as side:
                yield side
        else:
            with revision.checkout(name, own) as there, self._side(name, root, there) as side:
                yield side

    def _side(self, label: str, root: Path, implementation: Path | None) -> Side:
        own = implementation.resolve() if implementation else None
        return Side(label, root.resolve(), own, device=self.device, trusted=self.trusted, salt=self.salt)


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a gate is asked.

    Attributes:
        baseline: a file, a folder with records, or a revision, which is then run here.
        against: a revision that runs beside the change: on fresh seeds, and for costs.
        names: papers or claims; empty for all.
        changed_since: a revision: only claims that the change since then touches.
        costs: thresholds; "" for none.
        timed: claims whose arms are timed; empty for one of each paper.
        pairs: of timed runs, at most.
    """

    baseline: str
    against: str = ""
    names: tuple[str, ...] = ()
    changed_since: str = ""
    costs: str = ""
    timed: tuple[str, ...] = ()
    pairs: int = sidebyside.PAIRS
    plan: Plan = field(default_factory=Plan)


def run(subject: Subject, question: Question, say: Say = lambda line: None, store: Store | None = None) -> Decision:
    """Compare what is judged with its baseline.

    Args:
        subject: what is judged.
        question: what it is compared with, and how.
        say: told of progress.
        store: takes the records of the claims that were judged.

    Raises:
        ReproError: if the question makes no sense or cannot be answered: the caller's exit code is 3.
    """
    limits = thresholds.parse(question.costs)
    place = Path(question.baseline)
    kept = None if place.exists() else question.baseline
    against = question.against or kept or ""
    if limits and not against:
        raise ReproError("Costs are compared side by side only", "Name a revision to run beside: --against REV.")
    if question.timed and not limits:
        raise ReproError("Claims to be timed, but no thresholds", f'Give some, such as --costs "{COSTS}".')
    if kept is not None:
        _check_revision(kept, subject)
    with contextlib.ExitStack() as stack:
        sides: dict[str, Side] = {}

        def at(name: str) -> Side:
            if name not in sides:
                sides[name] = stack.enter_context(subject.at(name))
            return sides[name]

        new = stack.enter_context(subject.side())
        old = at(against) if against else None
        facts = new.facts(keys=bool(question.changed_since))
        before = judged(at(kept), question.names, subject, say) if kept is not None else stored(place, subject)
        claims = _selected(before, facts, question.names, subject)
        if question.changed_since:
            moved = set(gate.touched(facts, at(question.changed_since).facts(keys=True)))
            claims = [claim for claim in claims if claim in moved]
        judge = Gate(before, new, old, question.plan, say)
        decision = judge.decide(claims, facts)
        if store is not None:
            for record in new.records:
                save(store, record)
        decision = msgspec.structs.replace(decision, baseline=question.baseline, against=against)
        if not limits or old is None:
            return decision
        wanted = _timed(claims, facts, question.timed)
        arms = [Timed(found) for found in wanted if found.id in judge.beside]
        costs = sidebyside.measure(arms, new, old, limits, question.pairs, say)
        untimed = [_untimed(found, against) for found in wanted if found.id not in judge.beside]
        return gate.with_costs(decision, costs, [*sidebyside.remarks(costs, facts), *untimed])


def failed(error: BaseException, question: Question) -> Decision:
    """The decision where the gate could not run."""
    if isinstance(error, KeyboardInterrupt):
        says = "It was interrupted. Trials that had ended are kept: the same command goes on from there"
    else:
        says = str(error) if isinstance(error, ReproError) else f"{type(error).__name__}: {error}"
    remark = Remark(weight="error", topic="harness", about="", says=says)
    return Decision(exit=3, baseline=question.baseline, against=question.against, remarks=(remark,))


def judged(side: Side, names: Sequence[str], subject: Subject, say: Say, seeds: int | None = None) -> Baseline:
    """A baseline of a side, by judging its claims here; those that this machine cannot run are left out, and said.

    Args:
        side: what is judged.
        names: papers or claims; empty for all.
        subject: says which tiers, and what the baseline is called.
        say: told of progress, and of what was left out.
        seeds: values at more seeds than the claims' own, so that a gate can take as many.

    Raises:
        ReproError: if a trial crashes or nothing can be judged.
    """
    found: dict[str, Entry] = {}
    facts = side.facts()
    for claim in _chosen(facts, names, {claim: f.tier for claim, f in facts.items()}, subject.tiers):
        say(f"{side.label}: {claim}")
        try:
            entry = side.judge(claim)
            if seeds is not None and facts[claim].criterion.statistical and seeds > facts[claim].seeds:
                more = side.judge(claim, range(seeds))
                records = tuple(dict.fromkeys((*entry.records, *more.records)))
                entry = msgspec.structs.replace(entry, seeds=more.seeds, samples=more.samples, records=records)
            found[claim] = entry
        except Unavailable as error:
            say(f"{claim} is left out: {error}")
        except Crashed as error:
            raise ReproError(f"{side.label} cannot be a baseline: {error.problem}", error.remedy) from error
    if not found:
        raise ReproError(f"{side.label} has no claims that can be judged here", "Name others, or another --tier.")
    return Baseline(implementation=subject.name, claims=found)


def stored(place: Path, subject: Subject) -> Baseline:
    """The baseline in a file, or of the newest records in a folder.

    Raises:
        ReproError: if it is broken, empty, or of something else.
    """
    if place.is_dir():
        return _of_store(place, subject)
    found = baseline.read(place)
    if found.implementation not in ("reference", subject.name):
        raise ReproError(
            f"The baseline {place} is of {found.implementation}, not of {subject.name}",
            "Give its --implementation, or another baseline.",
        )
    return found


def _of_store(place: Path, subject: Subject) -> Baseline:
    folder = place.parent if place.name == "records" else place
    kind, _, name = subject.name.partition(":")
    records = Store(folder, read_only=True).newest(kind=kind, implementation=name or None)
    found = baseline.of_records(_current(records), subject.name)
    if not found.claims:
        raise ReproError(f"{place} has no records of {subject.name}", "Give a store, or the folder of a board.")
    return found


def _current(records: Iterable[Record]) -> Iterator[Record]:
    """Of each claim the newest version."""
    last: dict[str, Record] = {}
    for record in records:
        name = re.sub(r"@\d+", "", record.claim.id)
        if name not in last or last[name].claim.version <= record.claim.version:
            last[name] = record
    yield from sorted(last.values(), key=lambda record: record.claim.id)


def _check_revision(name: str, subject: Subject) -> None:
    """A baseline that is no path must be a revision."""
    folder = subject.implementation or subject.root
    if name.endswith(".json") or not revision.is_revision(name, folder):
        raise ReproError(
            f"The baseline {name!r} is neither a file, nor a folder with records, nor a revision",
            "Write one with `repro baseline write FILE`; a shallow clone in CI needs its history (fetch-depth: 0).",
        )


def _selected(before: Baseline, facts: dict[str, Facts], names: Sequence[str], subject: Subject) -> list[str]:
    """Ids of the claims on either side that were asked for; of a submission those that it answers or answered."""
    tiers = {claim: entry.tier for claim, entry in before.claims.items()}
    if before.implementation != subject.name:  # a submission beside the reference answers what it answers
        tiers = {claim: tier for claim, tier in tiers.items() if claim in facts}
    tiers |= {claim: found.tier for claim, found in facts.items()}
    return _chosen(tiers, names, tiers, subject.tiers)


def _chosen(claims: Iterable[str], names: Sequence[str], tiers: dict[str, str], wanted: Sequence[str]) -> list[str]:
    known = list(claims)
    for name in names:
        if not any(matches_id(claim, name) for claim in known):
            papers = {claim.partition("/")[0] for claim in known}
            raise unknown("claim" if "/" in name else "paper", name, {*known} if "/" in name else papers)
    return sorted(
        claim
        for claim in known
        if tiers[claim] in wanted and (not names or any(matches_id(claim, name) for name in names))
    )


def _timed(claims: Sequence[str], facts: dict[str, Facts], names: Sequence[str]) -> list[Facts]:
    """Claims whose first arm is timed: those that were named, or else one of each paper."""
    for name in names:
        if not any(matches_id(claim, name) for claim in facts):
            raise unknown("claim", name, facts)
    papers = {claim.partition("/")[0] for claim in claims}
    if names:
        return [found for found in facts.values() if any(matches_id(found.id, name) for name in names)]
    return [found for found in facts.values() if found.timed and found.id.partition("/")[0] in papers]


def _untimed(found: Facts, against: str) -> Remark:
    """What is said of a claim that would be timed, were it the same on both sides."""
    says = f"was not timed: {against} does not have it, or not as it is now"
    return Remark(weight="note", topic="cost", about=found.id, says=says, file=found.file, line=found.line)


def narrowed(found: Baseline, names: Sequence[str], subject: Subject) -> Baseline:
    """The claims of a baseline that were asked for, of the subject's tiers.

    Raises:
        ReproError: for a name that selects nothing.
    """
    tiers = {claim: entry.tier for claim, entry in found.claims.items()}
    chosen = _chosen(tiers, names, dict(tiers), subject.tiers)
    return msgspec.structs.replace(found, claims={claim: found.claims[claim] for claim in chosen})
