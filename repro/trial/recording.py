"""From a judged claim to its record, and from the local store to the published ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from repro import data
from repro.calibration import calibration_of
from repro.catalogue import matches_id
from repro.determinism import THREADS
from repro.errors import ReproError
from repro.machine import machine, software, source
from repro.paths import write_whole
from repro.record import (
    UNSEALED,
    ControlPart,
    ImplementationPart,
    Record,
    TrialPart,
    claim_part,
    decode,
    encode,
    file_name,
    sample_part,
    seal,
)
from repro.store import Store
from repro.suite import Judged
from repro.task import Device
from repro.verdict import Word


def record_of(judged: Judged, controls: Sequence[Judged], device: Device, root: Path) -> Record:
    """The sealed record of a claim judged on one implementation, with its controls."""
    claim, verdict = judged.claim, judged.verdict
    powerless = any(not control.rejected for control in controls)
    names = sorted({trial.arm.data for trial, _ in judged.trials if trial.arm.data})
    record = Record(
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        paper=claim.paper,
        claim=claim_part(claim),
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
    yield from _copies(store, publishable(store, names), folder)


def publishable(store: Store, names: Sequence[str], implementation: str = "reference") -> list[Record]:
    """The newest record of each claim on the reference, or on the submission of that name, that may be published.

    Args:
        store: where they are looked for.
        names: papers or claims; none for all.
        implementation: "reference", or a submission's name.

    Raises:
        ReproError: if there is none: one of the reference needs its controls, and each needs all its seeds.
    """
    own = implementation == "reference"
    kind, name = ("reference", None) if own else ("submission", implementation)
    every = store.newest(kind=kind, implementation=name)
    named = [r for r in every if not names or any(matches_id(r.claim.id, n) for n in names)]
    found = [record for record in named if (record.controls or not own) and _whole(record)]
    if not found:
        raise ReproError(
            "The store has no records to publish: a record needs its controls and all its seeds"
            if own
            else f"The store has no records of {implementation!r} to publish: a record needs all its seeds",
            "Run `make claims`, or `repro run CLAIM --controls`, first."
            if own
            else "Run `repro submission run FOLDER` first.",
        )
    return found


def verified_records(published: Store, names: Sequence[str]) -> list[Record]:
    """The newest published record of each claim and implementation that a rerun has verified.

    Raises:
        ReproError: if there is none of what was named.
    """
    every = published.newest(runner="verified")
    found = [record for record in every if not names or any(matches_id(record.claim.id, name) for name in names)]
    if not found:
        raise ReproError("No published record is verified", "Run `repro submission verify FOLDER` first.")
    return found


class Known(NamedTuple):
    """A submission as records name it."""

    paper: str
    name: str
    source: str


def publish_submission(store: Store, folder: Path, own: Known) -> Iterator[Path]:
    """Copy the newest record of each claim that this submission was judged by, byte for byte; yields the new files.

    Raises:
        ReproError: if the store has no record of the submission as it stands, with all its seeds.
    """
    rows = store.newest(paper=own.paper, kind="submission", implementation=own.name)
    found = [record for record in rows if record.implementation.source == own.source and _whole(record)]
    if not found:
        raise ReproError(
            f"The store has no records of {own.name} as it stands", "Run `repro submission run FOLDER` first."
        )
    yield from _copies(store, found, folder)


def _copies(store: Store, found: Sequence[Record], folder: Path) -> Iterator[Path]:
    """Copy records byte for byte, each checked once more; yields the files that were not there."""
    for record in found:
        data = store.path(record).read_bytes()
        target = folder / record.paper.key / file_name(record)
        if not target.exists():
            decode(data)
            write_whole(target, data)
            yield target


class Rerun(NamedTuple):
    """A published verdict of a submission beside a new one: `path` is the verified record if they are the same."""

    claim: str
    before: Word
    after: Word | None
    path: Path | None


def verify_submission(store: Store, folder: Path, own: Known, salt: str) -> Iterator[Rerun]:
    """Compare what was published of a submission with a rerun under a new salt, and write verified records.

    Raises:
        ReproError: if nothing was published of the submission as it stands.
    """
    published = Store(folder.parent, read_only=True)
    claimed = [
        record
        for record in published.newest(paper=own.paper, kind="submission", implementation=own.name)
        if record.implementation.source == own.source
    ]
    if not claimed:
        raise ReproError(f"No record of {own.name} as it stands is published", "See `repro submission publish`.")
    for before in claimed:
        after = store.latest(claim=before.claim.id, kind="submission", implementation=own.name)
        if after is None or (part := after.implementation.submission) is msgspec.UNSET or part.salt != salt:
            yield Rerun(before.claim.id, before.word, None, None)
        elif after.word != before.word or after.implementation.source != own.source:
            yield Rerun(before.claim.id, before.word, after.word, None)
        else:
            verified = seal(msgspec.structs.replace(after, id=UNSEALED, runner="verified", supersedes=before.id))
            target = folder / verified.paper.key / file_name(verified)
            write_whole(target, encode(verified))
            yield Rerun(before.claim.id, before.word, after.word, target)


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


def _implementation_part(judged: Judged) -> ImplementationPart:
    found = judged.implementation
    return ImplementationPart(
        kind=found.kind,
        name=found.name,
        key=found.paper,
        source=found.source,
        division=found.division,
        deviations=found.deviations,
        submission=found.submission or msgspec.UNSET,
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
            machine=msgspec.UNSET if outcome.machine in (None, machine()) else outcome.machine,
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
    own = judged.implementation
    if own.submission is not None:
        words += ["--implementation", f"harness/submissions/{own.paper}/{own.name}"]
        words += ["--trusted"] if own.submission.isolation.startswith("none") else []
        words += ["--salt", own.submission.salt] if own.submission.salt else []
    return " ".join(words)
