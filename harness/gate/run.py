"""One run of the gate, from its options to its decision; and baselines, from records or from judging claims."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from harness.gate import baseline, gate, thresholds
from harness.gate import checkout as checkouts
from harness.gate import costs as paired_costs
from harness.gate.baseline import Baseline, BaselineEntry
from harness.gate.gate import Gate, SeedBudget
from harness.gate.protocol import ClaimInfo, OpenProject
from harness.gate.result import Decision, Remark, exit_code
from harness.gate.revision_process import RevisionProcess, TrialCrashed
from harness.submission import manifest
from repro.claim.catalogue import select
from repro.errors import ReproError, Unavailable
from repro.record.store import Store
from repro.trial.recording import save

COSTS = "time<1.05, memory<1.10, energy<1.10"
OnProgress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class GateTarget:
    """What is judged, and how it is run, with the tiers of the claims, such as ("cpu",)."""

    project: OpenProject
    tiers: tuple[str, ...]

    @property
    def root(self) -> Path:
        """The project with the claims."""
        return Path(self.project.root).resolve()

    @property
    def implementation(self) -> Path | None:
        """The submission's folder; None for the references of the project."""
        return Path(self.project.implementation).resolve() if self.project.implementation else None

    @property
    def name(self) -> str:
        """As in a baseline: "reference" or "submission:NAME"."""
        if self.implementation is None:
            return "reference"
        path = self.implementation / "submission.toml"
        if not path.is_file():
            raise ReproError(
                f"{self.project.implementation} has no submission.toml", "Give the folder of a submission."
            )
        return f"submission:{manifest.read(path).name}"

    def working_tree(self) -> RevisionProcess:
        """The change: what is in the working tree."""
        return self._process("the change", self.root, self.implementation)

    @contextlib.contextmanager
    def at_revision(self, name: str) -> Iterator[RevisionProcess]:
        """The same at another revision of the repository that holds what is judged.

        A submission that lies outside the project is checked out alone, and judged by the project as it is.

        Raises:
            ReproError: for an unknown revision, or one without the folder.
        """
        root, own = self.root, self.implementation
        apart = own is not None and not own.is_relative_to(root)
        with checkouts.checkout(name, own if own is not None and apart else root) as tree:
            inside = None if own is None or apart else tree / own.relative_to(root)
            with self._process(name, root, tree) if apart else self._process(name, tree, inside) as process:
                yield process

    def _process(self, label: str, root: Path, own: Path | None) -> RevisionProcess:
        places = {"root": str(root), "implementation": str(own) if own else None}
        return RevisionProcess(label, msgspec.structs.replace(self.project, **places))


@dataclass(frozen=True, kw_only=True)
class GateOptions:
    """What the target is compared with, and how; what each is for stands in `repro gate --help`.

    Attributes:
        names: papers or claims; empty for all.
        costs: thresholds; "" for none.
        timed: claims whose first arms are timed; empty for one of each paper.
    """

    baseline: str
    against: str = ""
    names: tuple[str, ...] = ()
    changed_since: str = ""
    costs: str = ""
    timed: tuple[str, ...] = ()
    pairs: int = paired_costs.PAIRS
    budget: SeedBudget = field(default_factory=SeedBudget)


def run(target: GateTarget, options: GateOptions, on_progress: OnProgress, store: Store) -> Decision:
    """Compare the target with its baseline, and keep the records of what was judged.

    Raises:
        ReproError: if the options make no sense or the gate cannot run: the caller's exit code is 3.
    """
    limits = thresholds.parse(options.costs)
    place = Path(options.baseline)
    base = None if place.exists() else options.baseline  # a revision, if it is no path
    against = options.against or base or ""
    if limits and not against:
        raise ReproError("Costs are compared side by side only", "Name a revision to run beside: --against REV.")
    if options.timed and not limits:
        raise ReproError("Claims to be timed, but no thresholds", f'Give some, such as --costs "{COSTS}".')
    if base is not None:
        _check_revision(base, target)
    with contextlib.ExitStack() as stack:
        revisions: dict[str, RevisionProcess] = {}

        def at(name: str) -> RevisionProcess:
            if name not in revisions:
                revisions[name] = stack.enter_context(target.at_revision(name))
            return revisions[name]

        new = stack.enter_context(target.working_tree())
        old = at(against) if against else None
        claims = new.claims(keys=bool(options.changed_since))
        if base is not None:
            before = judge_baseline(at(base), options.names, target, on_progress)
        else:
            before = load_baseline(place, target)
        selected = _selected(before, claims, options.names, target)
        if options.changed_since:
            touched = set(gate.touched(claims, at(options.changed_since).claims(keys=True)))
            selected = [name for name in selected if name in touched]
        comparison = Gate(before, new, old, options.budget, on_progress)
        decision = comparison.decide(selected, claims)
        for record in new.records:
            save(store, record)
        decision = msgspec.structs.replace(decision, baseline=options.baseline, against=against)
        if not limits or old is None:
            return decision
        wanted = _claims_to_time(selected, claims, options.timed)
        timed = [claim for claim in wanted if claim.id in comparison.on_both]
        costs = paired_costs.measure(timed, new, old, limits, options.pairs, on_progress)
        says = f"was not timed: {against} does not have it, or not as it is now"
        apart = (
            Remark(weight="note", topic="cost", about=claim.id, says=says, file=claim.file, line=claim.line)
            for claim in wanted
            if claim.id not in comparison.on_both
        )
        found = (*decision.remarks, *paired_costs.remarks(costs, claims), *apart)
        return msgspec.structs.replace(decision, remarks=found, costs=tuple(costs), exit=exit_code(found))


def failure(error: BaseException, baseline: str, against: str) -> Decision:
    """The decision where the gate could not run."""
    if isinstance(error, KeyboardInterrupt):
        says = "It was interrupted. Trials that had ended are kept: the same command goes on from there"
    else:
        says = str(error) if isinstance(error, ReproError) else f"{type(error).__name__}: {error}"
    remark = Remark(weight="error", topic="harness", about="", says=says)
    return Decision(exit=3, baseline=baseline, against=against, remarks=(remark,))


def judge_baseline(
    revision: RevisionProcess,
    names: Sequence[str],
    target: GateTarget,
    on_progress: OnProgress,
    seeds: int | None = None,
) -> Baseline:
    """A baseline made by judging a revision's claims here; those that this machine cannot run are left out.

    With `seeds`, values are taken at more seeds than the claims' own, so that a gate can compare as many.

    Raises:
        ReproError: if a trial crashes or nothing can be judged.
    """
    entries: dict[str, BaselineEntry] = {}
    claims = revision.claims()
    for name in _select({name: claim.tier for name, claim in claims.items()}, names, target):
        on_progress(f"{revision.label}: {name}")
        try:
            entry = revision.judge(name)
            if seeds is not None and claims[name].statistical and seeds > claims[name].seeds:
                more = revision.judge(name, range(seeds))
                records = tuple(dict.fromkeys((*entry.records, *more.records)))
                entry = msgspec.structs.replace(entry, seeds=more.seeds, samples=more.samples, records=records)
            entries[name] = entry
        except Unavailable as error:
            on_progress(f"{name} is left out: {error}")
        except TrialCrashed as error:
            raise ReproError(f"{revision.label} cannot be a baseline: {error.problem}", error.remedy) from error
    if not entries:
        raise ReproError(f"{revision.label} has no claims that can be judged here", "Name others, or another --tier.")
    return Baseline(implementation=target.name, claims=entries)


def load_baseline(place: Path, target: GateTarget) -> Baseline:
    """The baseline in a file or a folder of files, or of the newest records in a folder.

    Raises:
        ReproError: if it is broken, empty, or of another implementation.
    """
    if place.is_dir() and not baseline.is_folder(place):
        return _from_records(place, target)
    loaded = baseline.read(place)
    if loaded.implementation not in ("reference", target.name):
        raise ReproError(
            f"The baseline {place} is of {loaded.implementation}, not of {target.name}",
            "Give its --implementation, or another baseline.",
        )
    return loaded


def _from_records(place: Path, target: GateTarget) -> Baseline:
    folder = place.parent if place.name == "records" else place
    kind, _, name = target.name.partition(":")
    records = Store(folder, read_only=True).newest(kind=kind, implementation=name or None)
    in_order = sorted(records, key=lambda record: record.claim.version)
    newest = {gate.unversioned(record.claim.id): record for record in in_order}  # the last of each claim's versions
    if not newest:
        raise ReproError(f"{place} has no records of {target.name}", "Give a store, or the folder of a board.")
    entries = {record.claim.id: baseline.entry_of(record) for record in newest.values()}
    return Baseline(implementation=target.name, claims=entries)


def _check_revision(name: str, target: GateTarget) -> None:
    """A baseline that is no path must be a revision."""
    folder = target.implementation or target.root
    if name.endswith(".json") or not checkouts.is_revision(name, folder):
        raise ReproError(
            f"The baseline {name!r} is neither a file, nor a folder of them or of records, nor a revision",
            "Write one with `repro baseline write FILE`; a shallow clone in CI needs its history (fetch-depth: 0).",
        )


def _selected(before: Baseline, claims: dict[str, ClaimInfo], names: Sequence[str], target: GateTarget) -> list[str]:
    """Ids of the selected claims on either side; of a submission those that it answers or answered."""
    tiers = {name: entry.tier for name, entry in before.claims.items()}
    if before.implementation != target.name:  # a submission is compared with the reference where it answers
        tiers = {name: tier for name, tier in tiers.items() if name in claims}
    return _select(tiers | {name: claim.tier for name, claim in claims.items()}, names, target)


def _select(tiers: Mapping[str, str], names: Sequence[str], target: GateTarget) -> list[str]:
    """The claims of the target's tiers that are named, or all, given the tier of each.

    Raises:
        ReproError: for a name that selects nothing.
    """
    return sorted(claim for claim in select(tiers, names) if tiers[claim] in target.tiers)


def _claims_to_time(selected: Sequence[str], claims: dict[str, ClaimInfo], names: Sequence[str]) -> list[ClaimInfo]:
    """Claims whose first arm is timed: the named ones, or else one of each selected paper."""
    if names:
        return [claims[name] for name in select(claims, names)]
    papers = {claim.partition("/")[0] for claim in selected}
    return [claim for claim in claims.values() if claim.timed and claim.id.partition("/")[0] in papers]


def narrowed(whole: Baseline, names: Sequence[str], target: GateTarget) -> Baseline:
    """The named claims of a baseline, of the target's tiers.

    Raises:
        ReproError: for a name that selects nothing.
    """
    selected = _select({name: entry.tier for name, entry in whole.claims.items()}, names, target)
    return msgspec.structs.replace(whole, claims={name: whole.claims[name] for name in selected})
