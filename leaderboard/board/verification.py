"""What can be checked of a record without running anything: its bytes, its hash, and its verdict from its samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from repro.criterion import AllOf, Criterion, Entry
from repro.errors import ReproError
from repro.measurement import Sample
from repro.record import Record, as_sample, decode, file_name
from repro.store import Union
from repro.text import number
from repro.verdict import Verdict, word

CLOSE = 1e-6  # of a number: other versions of the libraries round differently
COMPARED = ("estimate", "bound", "level", "p", "detectable")


@dataclass(frozen=True)
class Check:
    """One thing that was checked.

    Attributes:
        name: what.
        agreed: whether it is as the record says; None where the record does not hold enough to tell.
        says: what was found.
    """

    name: str
    agreed: bool | None
    says: str


def stored(stores: Union, record: Record) -> bytes | None:
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


def verify(data: bytes, shown: str) -> list[Check]:
    """Read a record's bytes again, hash them, and judge its samples by its criterion.

    Args:
        data: of its file.
        shown: the id of the record that they should be.
    """
    try:
        record = decode(data)
    except ReproError as error:
        return [Check("the file", False, error.problem)]
    same = record.id == shown
    return [
        Check("the file", True, f"{len(data):,} bytes: of the format, in canonical form, named by {file_name(record)}"),
        Check("the hash", same, f"{record.id} is what the content hashes to" if same else f"it is {record.id}"),
        *_judged(record),
        *_controls(record),
    ]


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


def _judged(record: Record) -> list[Check]:
    kept = record.verdict
    try:
        found = judged_again(record)
        wrong = differences(kept, found)
    except (ReproError, ValueError, LookupError, TypeError, ArithmeticError) as error:
        # A sound record may still hold rows of unequal length, or numbers that overflow.
        return [Check("the verdict", None, f"the samples cannot be judged again: {error}")]
    verdict = Check("the verdict", found.status == kept.status, f"judged again: {found.status}; {found.reason}")
    numbers = Check("the numbers", not wrong, "; ".join(wrong) or _numbers(found))
    return [verdict, numbers, _word(record, found)]


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


def _numbers(found: Verdict) -> str:
    parts = f", and those of {len(found.parts)} parts" if found.parts else ""
    return f"estimate, interval, bound, p and n{parts} are the record's, to one part in a million"


def _word(record: Record, found: Verdict) -> Check:
    """What people read must follow from the verdict; too few seeds leave it open, and the record does not say those."""
    own = word(found.status, record.claim.evidence, finding=record.claim.expected_refuted is not None)
    if record.powerless:
        says = "a control was not rejected, so it must read inconclusive"
        return Check("the word", record.word == "inconclusive", f"{record.word}: {says}")
    if record.word == "inconclusive" != own:
        says = "the numbers alone would read {}; with fewer seeds than the claim asks for, a record reads inconclusive"
        return Check("the word", None, says.format(own))
    says = f"{record.word} follows from {found.status} on {record.claim.evidence} evidence"
    return Check("the word", record.word == own, says if record.word == own else f"{own}, not {record.word}")


def _controls(record: Record) -> list[Check]:
    """The controls' verdicts against what is said of them; their samples are not kept."""
    if not record.controls:
        return []
    wanted = "refuted" if record.claim.expected_refuted is None else "holds"
    wrong = [x.name for x in record.controls if x.rejected != (x.verdict.status == wanted)]
    powerless = any(not control.rejected for control in record.controls)
    if wrong:
        return [Check("the controls", False, f"rejected or not, against their own verdict: {', '.join(wrong)}")]
    if powerless != record.powerless:
        return [Check("the controls", False, "whether the claim is powerless does not follow from its controls")]
    says = f"{len(record.controls)} agree with their own verdicts; their samples are not kept, only their verdicts"
    return [Check("the controls", True, says)]
