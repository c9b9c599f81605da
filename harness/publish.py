"""From a judged claim to its record, and from the local store to the published ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from repro.claim.catalogue import is_named
from repro.criterion.verdict import Outcome
from repro.errors import ReproError
from repro.paths import atomic_write
from repro.record.record import Record, decode, encode, file_name
from repro.record.store import Store
from repro.trial.recording import superseding


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
    named = [record for record in every if is_named(record.claim.id, names)]
    found = [record for record in named if (record.controls or not own) and _whole(record)]
    if found:
        return found
    if own:
        problem = "The store has no records to publish: a record needs its controls and all its seeds"
        raise ReproError(problem, "Run `make claims`, or `repro run CLAIM --controls`, first.")
    problem = f"The store has no records of {implementation!r} to publish: a record needs all its seeds"
    raise ReproError(problem, "Run `repro submission run FOLDER` first.")


def verified_records(published: Store, names: Sequence[str]) -> list[Record]:
    """The newest published record of each claim and implementation that a rerun has verified.

    Raises:
        ReproError: if there is none of what was named.
    """
    every = published.newest(runner="verified")
    found = [record for record in every if is_named(record.claim.id, names)]
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
    found = [record for record in _of(store, own) if _whole(record)]
    if not found:
        raise ReproError(
            f"The store has no records of {own.name} as it stands", "Run `repro submission run FOLDER` first."
        )
    yield from _copies(store, found, folder)


def _of(store: Store, own: Known) -> list[Record]:
    """The newest record of each claim on a submission as it stands."""
    rows = store.newest(paper=own.paper, kind="submission", implementation=own.name)
    return [record for record in rows if record.implementation.source == own.source]


def _copies(store: Store, found: Sequence[Record], folder: Path) -> Iterator[Path]:
    """Copy records byte for byte, each checked once more; yields the files that were not there."""
    for record in found:
        data = store.path(record).read_bytes()
        target = folder / record.paper.key / file_name(record)
        if not target.exists():
            decode(data)
            atomic_write(target, data)
            yield target


class Rerun(NamedTuple):
    """A published verdict of a submission beside a new one: `path` is the verified record if they are the same."""

    claim: str
    before: Outcome
    after: Outcome | None
    path: Path | None


def verify_submission(store: Store, folder: Path, own: Known, salt: str) -> Iterator[Rerun]:
    """Compare what was published of a submission with a rerun under a new salt, and write verified records.

    Raises:
        ReproError: if nothing was published of the submission as it stands.
    """
    claimed = _of(Store(folder.parent, read_only=True), own)
    if not claimed:
        raise ReproError(f"No record of {own.name} as it stands is published", "See `repro submission publish`.")
    for before in claimed:
        after = store.newest_of(claim=before.claim.id, kind="submission", implementation=own.name)
        if after is None or (part := after.implementation.submission) is msgspec.UNSET or part.salt != salt:
            yield Rerun(before.claim.id, before.outcome, None, None)
        elif after.outcome != before.outcome or after.implementation.source != own.source:
            yield Rerun(before.claim.id, before.outcome, after.outcome, None)
        else:
            verified = superseding(msgspec.structs.replace(after, runner="verified"), before)
            target = folder / verified.paper.key / file_name(verified)
            atomic_write(target, encode(verified))
            yield Rerun(before.claim.id, before.outcome, after.outcome, target)


def _whole(record: Record) -> bool:
    """Whether no seeds were left out: a run with --seeds says so in its command."""
    return "--seeds" not in record.command
