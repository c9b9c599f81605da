"""From a judged claim to its record, and from the local store to the published ones."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from repro import data
from repro.calibration import calibration_of
from repro.catalogue import matches_id
from repro.determinism import THREADS
from repro.errors import ReproError
from repro.machine import machine, software, source
from repro.record import (
    ClaimPart,
    ControlPart,
    ImplementationPart,
    Record,
    TrialPart,
    decode,
    sample_part,
    seal,
)
from repro.store import Store
from repro.suite import Judged
from repro.task import Device


def record_of(judged: Judged, controls: Sequence[Judged], device: Device, root: Path) -> Record:
    """The sealed record of a claim judged on one implementation, with its controls."""
    claim, verdict = judged.claim, judged.verdict
    powerless = any(not control.rejected for control in controls)
    names = sorted({trial.arm.data for trial, _ in judged.trials if trial.arm.data})
    record = Record(
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        paper=claim.paper,
        claim=_claim_part(judged),
        implementation=_implementation_part(judged),
        samples=tuple(sample_part(sample) for sample in judged.samples),
        verdict=verdict,
        word="inconclusive" if powerless else judged.word,
        controls=tuple(
            ControlPart(
                name=control.implementation.name,
                says=control.implementation.says,
                rejected=control.rejected,
                verdict=control.verdict,
            )
            for control in controls
        ),
        powerless=powerless,
        flag=_flag(judged, root),
        trials=_trial_parts(judged),
        data={name: data.digest(name) for name in names},
        machine=machine(),
        software=software(threads=THREADS, precision=_precision(judged)),
        source=source(root),
        command=_command(judged, device, with_controls=bool(controls)),
    )
    return seal(record)


def save(store: Store, record: Record) -> tuple[Record, Path]:
    """Add a record, unless the store's newest one of this claim and implementation says the same.

    Returns:
        The record that is in the store now, and its file.

    Raises:
        ReproError: if the store cannot be written.
    """
    kind, name = record.implementation.kind, record.implementation.name
    before = store.latest(claim=record.claim.id, kind=kind, implementation=name)
    if before is not None and _evidence(before) == _evidence(record, like=before):
        return before, store.path(before)
    if before is not None:
        record = seal(msgspec.structs.replace(record, id="", supersedes=before.id))
    return record, store.add(record)


def publish(store: Store, folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """Copy the newest reference record of each claim, byte for byte; yields the new files.

    Raises:
        ReproError: if the store has no records of what was named.
    """
    named = [r for r in store.newest(kind="reference") if not names or any(matches_id(r.claim.id, n) for n in names)]
    found = [record for record in named if record.controls and _whole(record)]
    if not found:
        raise ReproError(
            "The store has no records to publish: a record needs its controls and all its seeds",
            "Run `make claims`, or `repro run CLAIM --controls`, first.",
        )
    for record in found:
        origin = store.path(record)
        target = folder / record.paper.key / origin.name
        if not target.exists():
            decode(origin.read_bytes())
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(origin, target)
            yield target


def _whole(record: Record) -> bool:
    """Whether no seeds were left out: a run with --seeds says so in its command."""
    return "--seeds" not in record.command


def _precision(judged: Judged) -> str:
    """The arithmetic that the trials' configs allowed; "as coded" where the config leaves no choice."""
    found = {str(trial.settings().get("precision", "as coded")) for trial, _ in judged.trials}
    return ", ".join(sorted(found))


def _evidence(record: Record, like: Record | None = None) -> tuple[object, ...]:
    """What makes two records say the same: everything but when, from which commit and from which cache.

    A run without controls says nothing new beside one that had them.
    """
    if like is not None and not record.controls:
        record = msgspec.structs.replace(record, controls=like.controls, word=like.word)
    trials = tuple((trial.key, trial.arm, trial.seed) for trial in record.trials)
    parts = (record.claim, record.implementation, record.samples, record.verdict, record.word, record.controls)
    return (*parts, record.flag, trials, record.machine, record.software)


def _claim_part(judged: Judged) -> ClaimPart:
    claim = judged.claim
    return ClaimPart(
        id=claim.id,
        name=claim.name,
        row=claim.row,
        version=claim.version,
        digest=claim.digest(),
        says=claim.says,
        place=claim.place,
        criterion=claim.criterion,
        reported=claim.reported,
        tier=claim.tier,
        evidence=claim.evidence,
        expected_refuted=claim.expected.source if claim.expected else None,
    )


def _implementation_part(judged: Judged) -> ImplementationPart:
    found = judged.implementation
    return ImplementationPart(
        kind=found.kind, name=found.name, key=found.paper, source=found.source, deviations=found.deviations
    )


def _trial_parts(judged: Judged) -> tuple[TrialPart, ...]:
    return tuple(
        TrialPart(
            key=trial.key,
            arm=trial.arm.label,
            seed=trial.seed,
            preset=trial.arm.preset,
            config=trial.settings(),
            data=trial.arm.data,
            usage=outcome.usage,
            cached=outcome.cached,
        )
        for trial, outcome in judged.trials
    )


def _flag(judged: Judged, root: Path) -> str:
    """Both tails: an estimate outside the band of the reference's calibration runs is for a person to look at."""
    calibration = calibration_of(judged.claim, root)
    band = calibration.band() if calibration is not None and calibration.current else None
    estimate = judged.verdict.estimate
    if band is None or estimate is None or judged.verdict.parts or judged.implementation.kind != "submission":
        return ""  # a compound verdict shows the estimate of the part that decided, not always the same one
    if band[0] <= estimate <= band[1]:
        return ""
    return f"outside the reference's 99 % prediction band [{band[0]:.4g}, {band[1]:.4g}]"


def _command(judged: Judged, device: Device, *, with_controls: bool) -> str:
    words = ["repro", "run", f"'{judged.claim.id}'", "--device", device]
    words += ["--controls"] if with_controls else []
    used = len({trial.seed for trial, _ in judged.trials})
    words += ["--seeds", str(used)] if used != judged.claim.seeds else []
    if judged.implementation.kind == "submission":
        words += ["--implementation", judged.implementation.name]
    return " ".join(words)
