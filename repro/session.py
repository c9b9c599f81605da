"""One pytest session's claims: which are asked for, and what is done with each."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness import dossier, folder
from repro import implementation
from repro.cache import Cache
from repro.catalogue import matches
from repro.claim import TIERS, Claim
from repro.distributed import join, rank
from repro.errors import ReproError, unknown
from repro.implementation import Implementation, Kind
from repro.paths import cache_dir, index_url, store_dir
from repro.progress import Heartbeat
from repro.publish import record_of, save
from repro.store import Store
from repro.suite import Judged, Suite, resolve_device
from repro.text import measured, published

Row = dict[str, Any]
"""One line of the final table, as JSON data: it travels with pytest's reports."""


@dataclass(frozen=True)
class Case:
    """A claim to be judged on one implementation."""

    claim: Claim
    kind: Kind
    name: str = "reference"
    trusted: bool = False
    salt: str = ""

    @property
    def id(self) -> str:
        """The pytest id: `reference`, `control:NAME` or `submission:NAME`, after the row if there is one."""
        label = self.kind if self.kind == "reference" else f"{self.kind}:{Path(self.name).name}"
        return f"{self.claim.row}-{label}" if self.claim.row is not None else label

    @property
    def marks(self) -> list[str]:
        """Markers: the claim's group, and its tier where that is not the default."""
        return [self.claim.group, *([self.claim.tier] if self.claim.tier != "cpu" else [])]

    def load(self, root: Path, say: Callable[[str], None] = lambda audit: None) -> Implementation:
        """The implementation to judge; a submission is audited first, if it has not been.

        Raises:
            ReproError: if it cannot be loaded, or does not pass.
        """
        if self.kind == "control":
            return implementation.control(self.claim.paper.key, self.name, root)
        if self.kind == "submission":
            return dossier.load(Path(self.name), root, trusted=self.trusted, salt=self.salt, say=say)
        return implementation.reference(self.claim.paper.key, root)


def cases(claims: Collection[Claim], options: Namespace) -> list[Case]:
    """A claim (or its rows) on the reference or the given implementation, then on its controls if asked for."""
    path: Path | None = options.implementation
    found = []
    for claim in claims:
        if path:
            found.append(Case(claim, "submission", str(path.resolve()), options.trusted, options.salt))
        else:
            found.append(Case(claim, "reference"))
        if options.controls:
            found += [Case(claim, "control", name) for name in claim.controls]
    return found


def selected(found: Collection[Case], options: Namespace, root: Path) -> set[Case]:
    """The cases of the tiers and claims that were asked for, and that a submission answers.

    Raises:
        ReproError: for a tier that does not exist, a claim that is not among those collected, or an unsound submission.
    """
    tiers = TIERS if options.tier == "all" else tuple(options.tier.split(","))
    for tier in tiers:
        if tier not in TIERS:
            raise unknown("tier", tier, [*TIERS, "all"])
    for name in options.claim:
        if not any(matches(case.claim, name) for case in found):
            names = {case.claim.id for case in found} | {case.claim.paper.key for case in found}
            raise unknown("claim" if "/" in name else "paper", name, names)
    wanted = {case for case in found if not options.claim or any(matches(case.claim, n) for n in options.claim)}
    wanted = {case for case in wanted if case.claim.tier in tiers}
    if options.implementation is None:
        return wanted
    answers = {claim.id for claim in folder.read(options.implementation, root).claims}
    if wanted and not any(case.claim.id in answers for case in wanted):
        raise ReproError("The submission answers none of these claims", "See `claims` in its submission.toml.")
    return {case for case in wanted if case.claim.id in answers}


class Session:
    """Judges cases and writes their records, in one process of a pytest session."""

    def __init__(self, suite: Suite, store: Store, root: Path, options: Namespace, heartbeat: Heartbeat) -> None:
        self.suite = suite
        self.store = store
        self.root = root
        self._seeds = range(options.seeds) if options.seeds is not None else None
        self._with_controls = bool(options.controls)
        self._heartbeat = heartbeat
        self._submissions: dict[str, Implementation] = {}

    @classmethod
    def start(cls, options: Namespace, root: Path, shared: Path, worker: str) -> Session:
        """Open cache and store, and settle the device.

        Args:
            options: pytest's options.
            root: the project.
            shared: a folder that all processes of this pytest session share.
            worker: this process's name among them.

        Raises:
            ReproError: for a device that is not there or fewer than one seed.
        """
        if options.seeds is not None and options.seeds < 1:
            raise ReproError(f"--seeds {options.seeds} is not a number of seeds", "Give 1 or more.")
        device = resolve_device(options.device)
        join(device)
        heartbeat = Heartbeat(shared / "progress", worker)
        where = (shared if options.no_cache else cache_dir()) / "trials"
        suite = Suite(Cache(where), device, notify=heartbeat.beat)
        return cls(suite, Store(options.store or store_dir(), index_url()), root, options, heartbeat)

    def judge(self, case: Case) -> Row:
        """Judge a case; write a record unless it is a control.

        Raises:
            Unavailable: if this machine cannot run the claim.
            ReproError: if a trial fails or the record cannot be written.
        """
        with self._heartbeat.on(f"{case.claim.id} {case.id}"):
            seeds = self._seeds if case.claim.statistical else None
            judged = self.suite.judge(case.claim, self._loaded(case), seeds)
            if case.kind == "control":
                return _control_row(judged)
            controls = self.suite.controls(case.claim, seeds) if self._with_controls else []
            record = record_of(judged, controls, self.suite.device, self.root)
            if rank() > 0:  # rank 0 writes it
                return _row(judged, controls)
            kept, path = save(self.store, record)
            return _row(judged, controls) | {"record": kept.id, "file": str(path)}

    def _loaded(self, case: Case) -> Implementation:
        """The implementation of a case; a submission is checked and audited once, not for each claim."""
        if case.kind != "submission":
            return case.load(self.root)
        if case.name not in self._submissions:
            self._submissions[case.name] = case.load(self.root, lambda audit: self._heartbeat.beat(0, 0, audit))
        found = self._submissions[case.name]
        if found.paper != case.claim.paper.key:
            raise ReproError(f"{case.id} answers {found.paper}, not {case.claim.paper.key}", "Name its paper's claims.")
        return found

    def unjudged(self, case: Case, outcome: Literal["skipped", "error"], why: ReproError) -> Row:
        """The row of a claim that this machine cannot run, or whose trials failed."""
        return _facts(case.claim, case.id) | {
            "outcome": outcome,
            "passed": False,
            "reason": str(why),
            "measured": "",
            "wall_s": 0.0,
        }


def _facts(claim: Claim, label: str) -> Row:
    return {
        "claim": claim.id,
        "implementation": label,
        "published": published(claim),
        "evidence": claim.evidence,
    }


def _row(judged: Judged, controls: list[Judged]) -> Row:
    claim, verdict = judged.claim, judged.verdict
    accepted = [c.implementation.name for c in controls if not c.rejected]
    outcome: str = judged.word
    reason = verdict.reason
    if judged.short:
        reason = f"fewer seeds than the {claim.seeds} that the claim asks for; {reason}"
    if accepted:
        outcome, reason = "inconclusive", f"powerless: {', '.join(accepted)} was not rejected; {reason}"
    return (
        _facts(claim, judged.implementation.label)
        | _numbers(judged)
        | {
            "outcome": outcome,
            "passed": outcome in ("reproduced", "supported", "finding"),
            "reason": reason,
            "controls": f"{len(controls) - len(accepted)}/{len(controls)}" if controls else "",
        }
    )


def _control_row(judged: Judged) -> Row:
    return (
        _facts(judged.claim, judged.implementation.label)
        | _numbers(judged)
        | {
            "outcome": "rejected" if judged.rejected else "accepted",
            "passed": judged.rejected,
            "reason": judged.verdict.reason,
        }
    )


def _numbers(judged: Judged) -> Row:
    verdict = judged.verdict
    return {
        "measured": measured(verdict, judged.samples, judged.claim.reported),
        "estimate": verdict.estimate,
        "low": verdict.interval[0] if verdict.interval else None,
        "high": verdict.interval[1] if verdict.interval else None,
        "n": verdict.n,
        "wall_s": round(judged.wall_s, 3),
        "trials": len(judged.trials),
        "cached": sum(outcome.cached for _, outcome in judged.trials),
    }
