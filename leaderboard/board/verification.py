"""What can be checked of a record without running anything: its bytes, its hash, and its verdict from its samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from repro.criterion.comparisons import AllOf, Criterion, Entry
from repro.criterion.measurement import Sample
from repro.criterion.verdict import Outcome, Verdict, powerless, rejects
from repro.errors import ReproError
from repro.numbers import number
from repro.record.record import Record, as_sample, decode, file_name
from repro.record.store import MergedStore

CLOSE = 1e-6  # of a number: other versions of the libraries round differently
COMPARED = ("estimate", "bound", "level", "p", "detectable")


@dataclass(frozen=True)
class VerificationCheck:
    """One thing that was checked.

    Attributes:
        agreed: whether it is as the record says; None where the record does not hold enough to tell.
    """

    name: str
    agreed: bool | None
    says: str


def stored(stores: MergedStore, record: Record) -> bytes | None:
    """The bytes of a record's file as they lie on the disk now; None if none of the stores has such a file.

    Raises:
        ReproError: if the file cannot be read.
    """
    for store in stores.stores:
        try:
            return store.path(record).read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ReproError(f"{file_name(record)} cannot be read: {error.strerror}") from error
    return None


def verify(data: bytes, shown: str) -> list[VerificationCheck]:
    """Read a record's bytes again, hash them, and judge its samples by its criterion.

    Args:
        data: of its file.
        shown: the id of the record that they should be.
    """
    try:
        record = decode(data)
    except ReproError as error:
        return [VerificationCheck("the file", False, error.problem)]
    same = record.id == shown
    read = f"{len(data):,} bytes: of the format, in canonical form, named by {file_name(record)}"
    hashed = f"{record.id} is what the content hashes to" if same else f"it is {record.id}"
    checks = [VerificationCheck("the file", True, read), VerificationCheck("the hash", same, hashed)]
    return [*checks, *_judged(record), *_controls(record)]


def judged_again(record: Record) -> Verdict:
    """The verdict of a record's criterion on the samples that it keeps.

    Raises:
        ReproError: if the samples are not what the criterion takes.
    """
    samples = [as_sample(part) for part in record.samples]
    return record.claim.criterion.judge(regrouped(record.claim.criterion, samples))  # type: ignore[arg-type] -- entries


def regrouped(rule: Criterion, samples: Sequence[Sample]) -> tuple[Entry, ...]:
    """Samples as a criterion judges them: a record keeps those of all parts of a compound criterion in one row.

    Raises:
        ReproError: if there is more than one way to share them out, or none.
    """
    if not isinstance(rule, AllOf):
        return tuple(samples)
    sizes = [_size(part) for part in rule.parts]
    spare = len(samples) - sum(size for size in sizes if size is not None)
    if sizes.count(None) > 1 or spare < 0 or (spare and None not in sizes):
        raise ReproError(f"The {len(samples)} samples cannot be shared out among {len(sizes)} parts")
    entries: list[Entry] = []
    start = 0
    for part, size in zip(rule.parts, sizes, strict=True):
        end = start + (spare if size is None else size)
        entries.append(regrouped(part, samples[start:end]))
        start = end
    return tuple(entries)


def _size(rule: Criterion) -> int | None:
    """How many samples a criterion takes; None where that is not fixed."""
    if not isinstance(rule, AllOf):
        return rule.arity
    sizes = [_size(part) for part in rule.parts]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def _judged(record: Record) -> list[VerificationCheck]:
    kept = record.verdict
    try:
        found = judged_again(record)
        wrong = differences(kept, found)
    except (ReproError, ValueError, LookupError, TypeError, ArithmeticError) as error:
        # A valid record may still hold rows of unequal length, or numbers that overflow.
        return [VerificationCheck("the verdict", None, f"the samples cannot be judged again: {error}")]
    says = f"judged again: {found.status}; {found.reason}"
    verdict = VerificationCheck("the verdict", found.status == kept.status, says)
    parts = f", and those of {len(found.parts)} parts" if found.parts else ""
    same = f"estimate, interval, bound, p and n{parts} are the record's, to one part in a million"
    numbers = VerificationCheck("the numbers", not wrong, "; ".join(wrong) or same)
    return [verdict, numbers, _outcome(record, found)]


def differences(kept: Verdict, found: Verdict) -> list[str]:
    """The numbers in which two verdicts differ, parts included; rounding aside."""
    wrong = [] if kept.n == found.n else [f"n is {kept.n} in the record and {found.n} now"]
    pairs = [(name, getattr(kept, name), getattr(found, name)) for name in COMPARED]
    ends = zip(("lower end", "upper end"), kept.interval or (None, None), found.interval or (None, None), strict=True)
    wrong += [
        f"{name} is {number(old)} in the record and {number(new)} now"
        for name, old, new in (*pairs, *ends)
        if not _close(old, new)
    ]
    if len(kept.parts) != len(found.parts):
        return [*wrong, f"the record has {len(kept.parts)} parts, not {len(found.parts)}"]
    for i, (old, new) in enumerate(zip(kept.parts, found.parts, strict=True), start=1):
        if old.status != new.status:
            wrong.append(f"part {i} is {old.status} in the record and {new.status} now")
        wrong += [f"part {i}: {difference}" for difference in differences(old, new)]
    return wrong


def _close(old: float | None, new: float | None) -> bool:
    if old is None or new is None:
        return old is new
    return math.isclose(old, new, rel_tol=CLOSE, abs_tol=1e-12)


def _outcome(record: Record, found: Verdict) -> VerificationCheck:
    """What people read must follow from the verdict; too few seeds leave it open, and the record does not say those."""
    known = record.claim.expected_refuted is not None
    own = Outcome.of(found.status, record.claim.evidence, known_refutation=known, rejected=[not record.powerless])
    if own is Outcome.POWERLESS:
        says = "a control was not rejected, so it must read inconclusive"
        return VerificationCheck("the outcome", record.word == own.recorded, f"{record.word}: {says}")
    if record.outcome is Outcome.INCONCLUSIVE is not own:
        says = "the numbers alone would read {}; with fewer seeds than the claim asks for, a record reads inconclusive"
        return VerificationCheck("the outcome", None, says.format(own))
    if record.outcome is not own:
        return VerificationCheck("the outcome", False, f"{own}, not {record.word}")
    says = f"{record.word} follows from {found.status} on {record.claim.evidence} evidence"
    return VerificationCheck("the outcome", True, says)


def _controls(record: Record) -> list[VerificationCheck]:
    """Whether each control is marked rejected as its own verdict demands; their samples are not kept."""
    if not record.controls:
        return []
    known = record.claim.expected_refuted is not None
    wrong = [x.name for x in record.controls if x.rejected != rejects(x.verdict.status, known_refutation=known)]
    agreed, says = False, "whether the claim is powerless does not follow from its controls"
    if wrong:
        says = f"rejected or not, against their own verdict: {', '.join(wrong)}"
    elif powerless(control.rejected for control in record.controls) == record.powerless:
        says = f"{len(record.controls)} agree with their own verdicts; their samples are not kept, only their verdicts"
        agreed = True
    return [VerificationCheck("the controls", agreed, says)]
