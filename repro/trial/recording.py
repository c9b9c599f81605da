"""From a judged claim to its record in a store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import msgspec
import numpy as np

from repro import data
from repro.criterion.exhibit import ExhibitPart
from repro.criterion.statistics import prediction_interval
from repro.criterion.verdict import Outcome
from repro.errors import ReproError
from repro.machine.arithmetic import torch_capability
from repro.machine.determinism import THREADS
from repro.machine.environment import Source, machine, software, source
from repro.numbers import now
from repro.record.record import (
    EXHIBITS,
    UNSEALED,
    ControlPart,
    ImplementationPart,
    Record,
    TrialPart,
    as_sample,
    claim_part,
    sample_part,
    seal,
)
from repro.record.store import Store
from repro.task import Device
from repro.trial.calibration import calibration_of
from repro.trial.judge import Judged
from repro.trial.trial import Trial, TrialResult


def record_of(judged: Judged, controls: Sequence[Judged], device: Device, root: Path) -> Record:
    """The sealed record of a claim judged on one implementation, with its controls.

    Raises:
        ReproError: if its trials have more exhibits than a record keeps.
    """
    claim, verdict, made = judged.claim, judged.verdict, judged.implementation
    outcome = judged.outcome(controls)
    names = sorted({trial.arm.data for trial, _ in judged.trials if trial.arm.data})
    precision = {str(trial.settings().get("precision", "as coded")) for trial, _ in judged.trials}
    record = Record(
        created=now(),
        paper=claim.paper,
        claim=claim_part(claim),
        implementation=ImplementationPart(
            **{name: getattr(made, name) for name in ("kind", "name", "source", "division", "deviations")},
            key=made.paper,
            submission=made.submission or msgspec.UNSET,
        ),
        samples=tuple(sample_part(sample) for sample in judged.samples),
        verdict=verdict,
        word=outcome.recorded,
        controls=tuple(
            ControlPart(
                name=control.implementation.name,
                says=control.implementation.says,
                rejected=control.rejected,
                verdict=control.verdict,
            )
            for control in controls
        ),
        powerless=outcome is Outcome.POWERLESS,
        flag=_flag(judged, root),
        trials=tuple(
            TrialPart(
                key=trial.key,
                arm=trial.arm.label,
                seed=trial.seed,
                preset=trial.arm.preset,
                config=trial.settings(),
                data=trial.arm.data,
                usage=result.usage,
                cached=result.cached,
                machine=msgspec.UNSET if result.machine in (None, machine()) else result.machine,
            )
            for trial, result in judged.trials
        ),
        exhibits=_exhibits(judged) or msgspec.UNSET,
        data={name: data.digest(name) for name in names},
        machine=machine(),
        software=software(
            threads=THREADS,
            precision=", ".join(sorted(precision)),
            capability=torch_capability() or msgspec.UNSET,
        ),
        source=_imported_from(root),
        command=_command(judged, device, with_controls=bool(controls)),
    )
    return seal(record)


@cache
def _imported_from(root: Path) -> Source:
    """The commit that this process found; its code was imported once, so it is asked once."""
    return source(root)


def superseding(record: Record, before: Record) -> Record:
    """The record as one that replaces another: by its time too, should the clock have gone back since."""
    after = datetime.fromisoformat(before.created) + timedelta(seconds=1)
    created = max(record.created, after.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return seal(msgspec.structs.replace(record, id=UNSEALED, created=created, supersedes=before.id))


def save(store: Store, record: Record) -> tuple[Record, Path]:
    """Add a record, unless the store's newest one of this claim and implementation says the same.

    Returns:
        The record that is in the store now, and its file.

    Raises:
        ReproError: if the store cannot be written.
    """
    kind, name = record.implementation.kind, record.implementation.name
    before = store.newest_of(claim=record.claim.id, kind=kind, implementation=name)
    if before is not None and _evidence(before) == _evidence(record, like=before):
        return before, store.path(before)
    if before is not None:
        record = superseding(record, before)
    return record, store.add(record)


def _evidence(record: Record, like: Record | None = None) -> tuple[object, ...]:
    """What makes two records say the same: everything but when, from which commit and from which cache.

    A run without controls says nothing new beside one that had them.
    """
    if like is not None and not record.controls:
        record = msgspec.structs.replace(record, controls=like.controls, word=like.word)
    trials = tuple((trial.key, trial.arm, trial.seed) for trial in record.trials)
    parts = (record.claim, record.implementation, record.samples, record.verdict, record.word, record.controls)
    return (*parts, record.flag, record.exhibits, trials, record.machine, record.software)


def _exhibits(judged: Judged) -> tuple[ExhibitPart, ...]:
    """What the trials recorded for pictures, at the first seed of each arm."""
    first: dict[int, tuple[Trial, TrialResult]] = {}
    for trial, result in judged.trials:
        first.setdefault(id(trial.arm), (trial, result))
    found = [
        ExhibitPart(arm=trial.arm.label, measurement=name, seed=trial.seed, exhibit=shown)
        for trial, result in first.values()
        for name, shown in result.exhibits.items()
    ]
    if len(found) > EXHIBITS:
        raise ReproError(
            f"{judged.claim.id} has {len(found)} exhibits, and a record keeps at most {EXHIBITS}",
            "Let fewer of its arms record one.",
        )
    return tuple(found)


def _flag(judged: Judged, root: Path) -> str:
    """Both tails: an estimate outside the band of the reference's calibration runs is for a person to look at.

    A compound verdict shows the estimate of the part that decided, not always the same one: measurements are compared.
    """
    if judged.verdict.parts:
        return _measured_apart(judged, root)
    calibration = calibration_of(judged.claim, root)
    band = calibration.band() if calibration is not None and calibration.current else None
    estimate = judged.verdict.estimate
    if band is None or estimate is None or judged.implementation.kind != "submission":
        return ""
    if band[0] <= estimate <= band[1]:
        return ""
    return f"outside the reference's 99 % prediction band [{band[0]:.4g}, {band[1]:.4g}]"


def _measured_apart(judged: Judged, root: Path) -> str:
    """The first measurement whose mean leaves the band of one further seed of the reference's published record."""
    if judged.implementation.kind != "submission" or not (root / "leaderboard").is_dir():
        return ""
    published = _published(root).newest_of(claim=judged.claim.id)
    if published is None or published.claim.digest != judged.claim.digest():
        return ""
    known = {(part.arm, part.measurement): as_sample(part).values for part in published.samples}
    for sample in judged.samples:
        values, own = known.get((sample.arm, sample.measurement)), np.asarray(sample.values)
        if values is None or values.ndim != 1 or own.ndim != 1 or not np.isfinite([*values, *own]).all():
            continue
        band, mean = prediction_interval(values, 0.99) if len(values) > 1 else None, float(own.mean())
        if band is not None and band[0] < band[1] and not band[0] <= mean <= band[1]:
            where = f"outside the reference's 99 % prediction band [{band[0]:.4g}, {band[1]:.4g}]"
            return f"{sample.measurement} of {sample.arm}, {mean:.4g}, is {where}"
    return ""


@cache
def _published(root: Path) -> Store:
    """The published records; one index of them serves a process."""
    return Store(root / "leaderboard", read_only=True)


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
