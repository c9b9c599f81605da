"""The baseline of a gate: verdicts and values per seed, in small files that people review like code.

It is one file, or a folder with a file for each paper, `<key>.json`, so that changes of two papers touch two files.

`python -m harness.gate.baseline` prints the JSON schema of the format.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from repro.criterion.measurement import Better
from repro.criterion.verdict import Evidence, Outcome, RecordedOutcome
from repro.errors import ReproError
from repro.paper import KEY
from repro.paths import atomic_write
from repro.record.format import SUBMISSION, print_schema
from repro.record.record import Count, Hash, Id, Record, SamplePart, Strict, check_schema

SCHEMA = 1
MAX_BYTES = 16 << 20  # bytes of a baseline file
REMEDY = "Write it again with `repro baseline write`, or restore it from version control."


@dataclass(frozen=True, kw_only=True)
class Values:
    """One measurement of one arm: a number for each seed, None where a run diverged."""

    seeds: tuple[int, ...]
    values: tuple[float | None, ...]

    @property
    def diverged(self) -> tuple[int, ...]:
        """The seeds whose runs diverged."""
        return tuple(seed for seed, value in zip(self.seeds, self.values, strict=True) if value is None)

    def at(self, seeds: Sequence[int]) -> Values:
        """The values at some of the seeds, in their order."""
        known = dict(zip(self.seeds, self.values, strict=True))
        return Values(seeds=tuple(seeds), values=tuple(known[seed] for seed in seeds))


class BaselineSample(Strict, frozen=True, kw_only=True):
    """One measurement of one arm.

    Attributes:
        values: a number for each seed of the entry: of a curve, its mean over the grid; None where a run diverged.
        better: which way the quantity improves; left out where it has no such way.
    """

    arm: str
    measurement: str
    unit: str
    values: tuple[float | None, ...]
    better: Better | msgspec.UnsetType = msgspec.UNSET

    @property
    def name(self) -> tuple[str, str, str]:
        """What tells it from the other samples of its claim, and its unit."""
        return self.arm, self.measurement, self.unit


class BaselineEntry(Strict, frozen=True, kw_only=True):
    """Verdict and values of one claim.

    Attributes:
        digest: of the claim as it was judged; only entries of equal digest are compared.
        word: the outcome at the claim's own seeds, as records write it.
        violations: of an exact claim, how many cases violate it, and of how many.
        samples: of a statistical claim, its values.
        records: hashes of the records that this comes from.
        source: sha256 of the implementation that was judged.
        device: what the trials ran on, such as "cpu x86_64 AVX512".
        versions: of what can change results.
    """

    digest: Hash
    tier: Literal["cpu", "long", "gpu", "cluster"]
    evidence: Evidence
    word: RecordedOutcome
    violations: tuple[Count, Count] | None = None
    seeds: tuple[int, ...]
    samples: tuple[BaselineSample, ...] = ()
    records: tuple[Id, ...]
    source: Hash
    device: str
    versions: str

    def __post_init__(self) -> None:
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("a seed appears twice")
        for sample in self.samples:
            if len(sample.values) != len(self.seeds):
                raise ValueError(f"{sample.measurement!r} has {len(sample.values)} values for {len(self.seeds)} seeds")

    @property
    def outcome(self) -> Outcome:
        """What people read of it."""
        return Outcome(self.word)

    def values(self, index: int) -> Values:
        """The values of one of the samples with their seeds."""
        return Values(seeds=self.seeds, values=self.samples[index].values)


class Baseline(Strict, frozen=True, kw_only=True):
    """What a gate compares with.

    Attributes:
        implementation: "reference", or "submission:NAME".
        claims: entries by claim id.
    """

    schema: Literal[1] = SCHEMA
    implementation: Annotated[str, msgspec.Meta(pattern=rf"^(reference|submission:{SUBMISSION})\Z")] = "reference"
    claims: dict[str, BaselineEntry]


def entry_of(record: Record) -> BaselineEntry:
    """The entry of a record."""
    statistical = record.claim.criterion.statistical
    return BaselineEntry(
        digest=record.claim.digest,
        tier=record.claim.tier,
        evidence=record.claim.evidence,
        word=record.word,
        violations=None if statistical else violations(record),
        seeds=record.samples[0].seeds if statistical else (),
        samples=tuple(map(baseline_sample, record.samples)) if statistical else (),
        records=(record.id,),
        source=record.implementation.source,
        device=device_of(record),
        versions=_versions(record),
    )


def violations(record: Record) -> tuple[int, int]:
    """How many cases of an exact claim violate it, and of how many."""
    parts = record.verdict.parts or (record.verdict,)
    bad = [int(part.estimate or 0) if part.unit == "violations" else part.status == "refuted" for part in parts]
    return sum(bad), sum(part.n for part in parts)


def baseline_sample(part: SamplePart) -> BaselineSample:
    """What a baseline keeps of a record's sample."""
    values = tuple(_scalar(value) for value in part.values)
    names = {"arm": part.arm, "measurement": part.measurement, "unit": part.unit}
    return BaselineSample(**names, values=values, better=part.better)


def _scalar(value: float | tuple[float | None, ...] | None) -> float | None:
    """A number for one seed: of a curve its mean; None if any point is not finite."""
    if not isinstance(value, tuple):
        return value
    finite = [point for point in value if point is not None]
    return math.fsum(finite) / len(finite) if value and len(finite) == len(value) else None


def device_of(record: Record) -> str:
    """What the trials of a record ran on, written as in trial keys."""
    machine = record.machine
    if "--device cuda" in record.command:
        return machine.gpu or "cuda"
    return f"cpu {machine.arch} {machine.isa}".rstrip()


def _versions(record: Record) -> str:
    software = record.software
    versions = {name: getattr(software, name) for name in ("python", "torch", "numpy", "scipy", "numba")}
    return ", ".join(f"{name} {version}" for name, version in versions.items() if version is not None)


def encode(baseline: Baseline) -> bytes:
    """Canonical JSON: sorted keys, one line for each list of numbers, so that a change shows as few lines of a diff."""
    return (_text(msgspec.to_builtins(baseline, order="sorted"), "") + "\n").encode()


def _text(value: Any, indent: str) -> str:
    inner = indent + " "
    if isinstance(value, dict) and value:
        lines = [f"{inner}{json.dumps(key)}: {_text(value[key], inner)}" for key in sorted(value)]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list | tuple) and any(isinstance(member, dict) for member in value):
        return "[\n" + ",\n".join(inner + _text(member, inner) for member in value) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def is_folder(path: Path) -> bool:
    """Whether a path is a folder of baseline files; a folder with records keeps them in folders of its own."""
    return path.is_dir() and path.name != "records" and any(path.glob("*.json"))


def read(path: Path) -> Baseline:
    """The baseline in a file, or in the files of a folder.

    Raises:
        ReproError: if it is missing, too large, no JSON, of another schema, or not what the format admits; if files of
            a folder are of different implementations, or one has a claim of another paper than its name says.
    """
    return _whole(path) if path.is_dir() else _read(path)


def _whole(folder: Path) -> Baseline:
    parts = {path: _read(path) for path in sorted(folder.glob("*.json"))}
    if not parts:
        raise ReproError(f"The baseline {folder} is a folder without files", REMEDY)
    (name, *others) = {part.implementation for part in parts.values()}
    if others:
        raise ReproError(f"The baseline {folder} is of {name} and of {others[0]}", "Use a folder for each.")
    for path, part in parts.items():
        if stray := next((claim for claim in part.claims if _paper(claim) != path.stem), None):
            raise ReproError(f"The baseline {path} has a claim of another paper, {stray}", REMEDY)
    return Baseline(
        implementation=name, claims={claim: e for part in parts.values() for claim, e in part.claims.items()}
    )


def _paper(claim: str) -> str:
    return claim.partition("/")[0]


def _read(path: Path) -> Baseline:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ReproError(f"The baseline {path} has more than {MAX_BYTES:,} bytes", REMEDY)
        data = path.read_bytes()
    except OSError as error:
        raise ReproError(f"The baseline {path} cannot be read ({error.strerror})", REMEDY) from error
    try:
        check_schema(data, f"baseline {path}", SCHEMA)
        return msgspec.json.decode(data, type=Baseline)
    except (ValueError, RecursionError) as error:  # msgspec names the place, as in "... at `$.claims[...]`"
        raise ReproError(f"The baseline {path} is broken: {error}", REMEDY) from error


def write(baseline: Baseline, path: Path) -> None:
    """Write a baseline, each file atomically: one file, or in a folder (no `.json`) one for each paper.

    Raises:
        ReproError: if the disk refuses.
    """
    try:
        if path.suffix == ".json" and not path.is_dir():
            atomic_write(path, encode(baseline))
            return
        papers = {_paper(claim) for claim in baseline.claims}
        for key in papers:
            own = {claim: entry for claim, entry in baseline.claims.items() if _paper(claim) == key}
            atomic_write(path / f"{key}.json", encode(msgspec.structs.replace(baseline, claims=own)))
        for file in path.glob("*.json"):
            if re.fullmatch(KEY, file.stem) and file.stem not in papers:
                file.unlink()
    except OSError as error:
        raise ReproError(f"The baseline {path} cannot be written ({error.strerror})", "Give another path.") from error


if __name__ == "__main__":
    print_schema(Baseline)
