"""The baseline of a gate: verdicts and values per seed, in a small file that people review like code.

`python -m harness.baseline` prints the JSON schema of the format.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from harness.quality import Values
from repro.errors import ReproError
from repro.paths import write_whole
from repro.record import Count, Hash, Id, Record, SamplePart, Strict
from repro.verdict import Evidence, Word

SCHEMA = 1
LARGEST = 16 << 20  # bytes of a baseline file
WRITE = "Write it anew with `repro baseline write`, or restore it from version control."
RANK: dict[Word, int] = {
    "reproduced": 0,
    "supported": 0,
    "finding": 0,
    "inconclusive": 1,
    "refuted": 2,
    "unexpected": 2,
}
"""Verdicts from good to bad; 0 passes."""


class Held(Strict, frozen=True, kw_only=True):
    """One measurement of one arm.

    Attributes:
        values: a number for each seed of the entry: of a curve, its mean over the grid; None where a run diverged.
    """

    arm: str
    measurement: str
    unit: str
    values: tuple[float | None, ...]


class Entry(Strict, frozen=True, kw_only=True):
    """What is known of one claim.

    Attributes:
        digest: of the claim as it was judged; only equal ones are compared.
        word: the verdict at the claim's own seeds.
        violations: of an exact claim, how many cases violate it, and of how many.
        samples: of a statistical claim, its values.
        records: hashes of the records that this comes from.
        source: sha256 of the implementation that was judged.
        device: what the trials ran on, such as "cpu x86_64 AVX512".
        versions: of what can change results.
    """

    digest: Hash
    tier: Literal["cpu", "gpu", "cluster"]
    evidence: Evidence
    word: Word
    violations: tuple[Count, Count] | None = None
    seeds: tuple[int, ...]
    samples: tuple[Held, ...] = ()
    records: tuple[Id, ...]
    source: Hash
    device: str
    versions: str

    def __post_init__(self) -> None:
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("a seed stands twice")
        for held in self.samples:
            if len(held.values) != len(self.seeds):
                raise ValueError(f"{held.measurement!r} has {len(held.values)} values for {len(self.seeds)} seeds")

    @property
    def passes(self) -> bool:
        """Whether the verdict is the wanted one."""
        return RANK[self.word] == 0

    def values(self, held: Held) -> Values:
        """The values of one measurement with their seeds."""
        return Values(seeds=self.seeds, values=held.values)


class Baseline(Strict, frozen=True, kw_only=True):
    """What a gate compares with.

    Attributes:
        implementation: "reference", or "submission:NAME".
        claims: entries by claim id.
    """

    schema: Literal[1] = SCHEMA
    implementation: Annotated[str, msgspec.Meta(pattern="^(reference|submission:[a-z0-9][a-z0-9-]*)$")] = "reference"
    claims: dict[str, Entry]


class _Head(msgspec.Struct):
    schema: int


def entry_of(record: Record, more: Record | None = None) -> Entry:
    """The entry of a record; with `more`, its verdict and the values of a second record at more seeds."""
    values = more or record
    statistical = record.claim.criterion.statistical
    return Entry(
        digest=record.claim.digest,
        tier=record.claim.tier,
        evidence=record.claim.evidence,
        word=record.word,
        violations=None if statistical else violations(record),
        seeds=values.samples[0].seeds if statistical else (),
        samples=tuple(map(held_of, values.samples)) if statistical else (),
        records=tuple(dict.fromkeys((record.id, values.id))),
        source=record.implementation.source,
        device=device_of(record),
        versions=_versions(record),
    )


def violations(record: Record) -> tuple[int, int]:
    """How many cases of an exact claim violate it, and of how many."""
    parts = record.verdict.parts or (record.verdict,)
    return sum(int(part.estimate or 0) for part in parts), sum(part.n for part in parts)


def held_of(part: SamplePart) -> Held:
    """What is kept of a sample."""
    values = tuple(_one(value) for value in part.values)
    return Held(arm=part.arm, measurement=part.measurement, unit=part.unit, values=values)


def _one(value: float | tuple[float | None, ...] | None) -> float | None:
    """A number for one seed: of a curve its mean; None if any point is not finite."""
    if not isinstance(value, tuple):
        return value
    finite = [point for point in value if point is not None]
    return math.fsum(finite) / len(finite) if value and len(finite) == len(value) else None


def device_of(record: Record) -> str:
    """What the trials of a record ran on, in the words of trial keys."""
    made = record.machine
    if "--device cuda" in record.command:
        return made.gpu or "cuda"
    return f"cpu {made.arch} {made.isa}".rstrip()


def _versions(record: Record) -> str:
    made = record.software
    known = {"python": made.python, "torch": made.torch, "numpy": made.numpy, "scipy": made.scipy, "numba": made.numba}
    return ", ".join(f"{name} {version}" for name, version in known.items() if version is not None)


def of_records(records: Iterable[Record], implementation: str = "reference") -> Baseline:
    """A baseline of records; the last one of each claim counts."""
    return Baseline(implementation=implementation, claims={r.claim.id: entry_of(r) for r in records})


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


def read(path: Path) -> Baseline:
    """The baseline in a file.

    Raises:
        ReproError: if it is missing, too large, no JSON, of another schema, or not what the format admits.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise ReproError(f"The baseline {path} has more than {LARGEST:,} bytes", WRITE)
        data = path.read_bytes()
    except OSError as error:
        raise ReproError(f"The baseline {path} cannot be read ({error.strerror})", WRITE) from error
    try:
        version = msgspec.json.decode(data, type=_Head).schema
        if version != SCHEMA:
            raise ReproError(
                f"The baseline {path} has schema {version}, this is software for {SCHEMA}", "Update repro."
            )
        return msgspec.json.decode(data, type=Baseline)
    except (ValueError, RecursionError) as error:  # msgspec names the place, as in "... at `$.claims[...]`"
        raise ReproError(f"The baseline {path} is broken: {error}", WRITE) from error


def write(baseline: Baseline, path: Path) -> None:
    """Write a baseline whole or not at all.

    Raises:
        ReproError: if the disk refuses.
    """
    try:
        write_whole(path, encode(baseline))
    except OSError as error:
        raise ReproError(f"The baseline {path} cannot be written ({error.strerror})", "Give another path.") from error


if __name__ == "__main__":
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(Baseline)}
    sys.stdout.write(json.dumps(schema, indent=2, sort_keys=True) + "\n")
