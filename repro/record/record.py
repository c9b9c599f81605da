"""Records: a verdict with its raw samples and its provenance, as strictly checked JSON named by its own hash.

A record is never edited, only superseded. `python -m repro.record.record` prints the JSON schema of the format.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from repro.claim.claim import Claim
from repro.claim.finding import Explanation
from repro.criterion.comparisons import Criterion
from repro.criterion.exhibit import ExhibitPart
from repro.criterion.measurement import Better, Sample
from repro.criterion.verdict import Evidence, Outcome, RecordedOutcome, Verdict
from repro.errors import ReproError
from repro.machine.environment import Machine, Software, Source
from repro.machine.telemetry import Usage
from repro.paper import KEY, Paper, Reported
from repro.record.bounds import check_depth, check_usages
from repro.record.format import print_schema

SCHEMA = 1
LARGEST = 32 << 20  # bytes of a record file
EXHIBITS = 8  # of one record
UNSEALED = "sha256:" + "0" * 64

Key = Annotated[str, msgspec.Meta(pattern=rf"^{KEY}\Z")]
Hash = Annotated[str, msgspec.Meta(pattern=r"^(sha256:)?[0-9a-f]{64}\Z")]
Id = Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}\Z")]
Time = Annotated[
    str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)\Z", description="UTC, ISO 8601")
]
Count = Annotated[int, msgspec.Meta(ge=0)]
Numbers = tuple[float | tuple[float | None, ...] | None, ...]
"""Numbers, or rows of numbers; None where a value is not finite."""
ARRAYS = {"values", "x", "expected"}  # fields of a sample


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a record: unknown keys are refused."""


class ClaimPart(Strict, frozen=True, kw_only=True):
    """What was claimed, as it stood when the record was made.

    Attributes:
        id: "key/name@version", with "[row]" for a row of a table.
        digest: hash of everything that defines the claim.
        says: the statement, in our words.
        place: where the paper says it.
        expected_refuted: the source that shows the claim not to hold, for a finding.
        explanation: of a finding, the paper's words, the settings and the calculation; left out for all others.
    """

    id: str
    name: str
    row: str | None = None
    version: int
    digest: Hash
    says: str
    place: str
    criterion: Criterion
    reported: tuple[Reported, ...] = ()
    tier: Literal["cpu", "long", "gpu", "cluster"]
    evidence: Evidence
    expected_refuted: str | None = None
    explanation: Explanation | msgspec.UnsetType = msgspec.UNSET


class Ratio(Strict, frozen=True, kw_only=True):
    """What a submission costs beside the reference, both run in the same isolation on one machine, interleaved.

    Attributes:
        what: "time to train", "time to predict", "peak memory" or "energy"; for other functions "time to <name>".
        ratio: geometric mean over pairs of runs of submission over reference.
        low: lower end of the 95 % t interval of the ratio; None with a single pair.
        high: its upper end.
        pairs: how many.
        reference: the reference's own geometric mean, in `unit`.
    """

    what: str
    ratio: float
    low: float | None = None
    high: float | None = None
    pairs: Annotated[int, msgspec.Meta(ge=1)]
    unit: str
    reference: float


class SubmissionPart(Strict, frozen=True, kw_only=True):
    """What a submission says of itself, and how it was run.

    Attributes:
        deviations: its differences from the paper, each as "where: here what; why".
        isolation: what it ran in, such as "bubblewrap 0.8.0 of the system, sha256 1f2e…, seccomp", or "none (trusted)".
        salt: what the seeds that it was given were derived from, beside its source and each trial's seed.
        audits: what was checked before scoring, one line each.
        shared: functions that are the reference's own, of all that it defines, as "3 of 20".
        costs: what it costs beside the reference; empty where that was not measured.
    """

    summary: str
    authors: tuple[str, ...]
    licence: str
    deviations: tuple[str, ...] = ()
    isolation: str
    salt: str = ""
    audits: tuple[str, ...]
    shared: str
    costs: tuple[Ratio, ...] = ()


class ImplementationPart(Strict, frozen=True, kw_only=True):
    """What answered the claim.

    Attributes:
        source: sha256 of its source and of the project code it is built on.
        division: of a submission: "closed" (the paper's protocol) or "open"; None for all others.
        deviations: how many numbered deviations from the paper it declares.
        submission: of a submission, the rest; left out for all others.
    """

    kind: Literal["reference", "control", "submission"]
    name: str
    key: Key
    source: Hash
    division: Literal["closed", "open"] | None = None
    deviations: Count = 0
    submission: SubmissionPart | msgspec.UnsetType = msgspec.UNSET


class SamplePart(Strict, frozen=True, kw_only=True):
    """Raw values per seed of one measurement of one arm.

    Attributes:
        values: a number for each seed, or a row of numbers for each; None where a run diverged.
        x: the grid that the rows run over.
        expected: what exact reasoning demands.
        better: which way the quantity improves; left out where it has no such way.
    """

    arm: str
    measurement: str
    unit: str
    seeds: tuple[int, ...]
    values: Numbers
    x: tuple[float | None, ...] | None = None
    x_unit: str = ""
    expected: float | tuple[float | None, ...] | None = None
    better: Better | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        if len(self.seeds) != len(self.values):
            raise ValueError(f"{len(self.seeds)} seeds but {len(self.values)} values")


class ControlPart(Strict, frozen=True, kw_only=True):
    """A sabotaged implementation under the same claim.

    Attributes:
        says: the one stated difference from the reference.
        rejected: whether the criterion rejected it.
    """

    name: str
    says: str
    rejected: bool
    verdict: Verdict


class TrialPart(Strict, frozen=True, kw_only=True):
    """One arm at one seed.

    Attributes:
        key: sha256 of everything that can change its result.
        config: the implementation's resolved config, as JSON.
        data: the dataset's name.
        cached: whether the result came from the cache, so that `usage` was measured earlier.
        machine: what computed it, where that is not the record's own machine; left out otherwise.
    """

    key: Hash
    arm: str
    seed: int
    preset: str
    config: dict[str, Any]
    data: str | None = None
    usage: Usage
    cached: bool
    machine: Machine | msgspec.UnsetType = msgspec.UNSET


class Record(Strict, frozen=True, kw_only=True):
    """A verdict, what it rests on and where it came from.

    Attributes:
        id: hash of all the rest; zeros before `seal`.
        created: when, in UTC.
        paper: the publication with its facts and story, so that a record can be read without the project.
        word: the outcome as it is recorded, such as "supported"; see `outcome`.
        powerless: a control was not rejected, so the verdict counts as inconclusive.
        flag: what a reviewer should look at, such as "better than the reference band"; "" for nothing.
        exhibits: arrays for pictures, of the first seed of each arm; left out where there are none.
        data: sha256 by name, of every dataset used.
        runner: who vouches: "self-reported", or "verified" by a rerun of the project.
        supersedes: id of the record that this one replaces.
        command: what reruns it.
    """

    schema: Literal[1] = SCHEMA
    id: Id = UNSEALED
    created: Time
    paper: Paper
    claim: ClaimPart
    implementation: ImplementationPart
    samples: tuple[SamplePart, ...]
    verdict: Verdict
    word: RecordedOutcome
    controls: tuple[ControlPart, ...] = ()
    powerless: bool = False
    flag: str = ""
    trials: tuple[TrialPart, ...] = ()
    exhibits: Annotated[tuple[ExhibitPart, ...], msgspec.Meta(max_length=EXHIBITS)] | msgspec.UnsetType = msgspec.UNSET
    data: dict[str, Hash] = {}
    machine: Machine
    software: Software
    source: Source
    runner: Literal["self-reported", "verified"] = "self-reported"
    supersedes: Id | None = None
    command: str

    @property
    def outcome(self) -> Outcome:
        """What people read of it."""
        return Outcome.read(self.word, powerless=self.powerless)


DECODER = msgspec.json.Decoder(Record)  # made once: types made by many threads at once ended the process, in msgspec


class _Head(msgspec.Struct):
    schema: int


def seal(record: Record) -> Record:
    """The record with its id: the sha256 of its canonical JSON without the id.

    Raises:
        ReproError: if the record holds what its format does not admit, such as NaN, with the place.
    """
    try:
        plain = msgspec.to_builtins(record) | {"id": UNSEALED}
        loose = DECODER.decode(_canonical(plain))  # in memory 8 may stand for 8.0, in a file not
    except (ValueError, RecursionError) as error:
        raise ReproError(f"The record cannot be written: {error}") from error
    return msgspec.structs.replace(loose, id=_identity(loose))


def encode(record: Record) -> bytes:
    """Canonical JSON in UTF-8: sorted keys, no spaces, one line.

    Raises:
        ReproError: if the record holds NaN or infinities, or nests too deep for any JSON.
    """
    try:
        return _canonical(msgspec.to_builtins(record)) + b"\n"
    except (ValueError, RecursionError) as error:
        raise ReproError(f"The record cannot be written: {error}") from error


def decode(data: bytes) -> Record:
    """The record in a file's bytes, checked against the format and against its own hash.

    Raises:
        ReproError: for the first thing wrong: size, JSON, schema version, depth, keys, types, numbers, hash, usage.
    """
    if len(data) > LARGEST:
        raise ReproError(f"The record has {len(data):,} bytes, more than {LARGEST:,}")
    try:
        check_schema(data, "record", SCHEMA)
        check_depth(data)
        record = DECODER.decode(data)
        canonical = encode(record)
    except (ValueError, RecursionError) as error:  # msgspec names the place, as in "... at `$.claim.id`"
        raise _invalid(f"is not valid: {error}") from error
    if record.id != _identity(record):
        raise _invalid(f"states the hash {record.id[:23]}, which its content does not have")
    if canonical == data.replace(b"\r\n", b"\n") != data:
        raise ReproError("The record has line ends of another system", "Run git -c core.autocrlf=false checkout -- .")
    if canonical != data:
        raise _invalid("is not in canonical form")
    check_usages(trial.usage for trial in record.trials)
    return record


def brief(record: Record) -> Record:
    """A record with its id but without trials, exhibits and samples of more than a number: never written to a file."""
    short = [part for part in record.samples if len(part.values) == 1]
    single = tuple(part for part in short if not isinstance(row := part.values[0], tuple) or len(row) == 1)
    return msgspec.structs.replace(record, samples=single, trials=(), exhibits=msgspec.UNSET)


def hardware(record: Record) -> str:
    """The hardware in a few words: the GPU where a claim needs one, else cores and instruction set."""
    machine = record.machine
    if record.claim.tier in ("gpu", "cluster") and machine.gpu:
        return machine.gpu
    return f"{machine.cores} cores {machine.arch} {machine.isa}".strip()


def file_name(record: Record) -> str:
    """The name of its file: the first 16 digits of its hash."""
    return record.id.removeprefix("sha256:")[:16] + ".json"


def check_schema(data: bytes, what: str, known: int) -> None:
    """Refuse a file, which messages call `what`, of another version of its format than the known one.

    Raises:
        ReproError: for another version.
        ValueError: for what is no JSON, or states no version.
    """
    version = msgspec.json.decode(data, type=_Head).schema
    if version != known:
        raise ReproError(f"The {what} has schema {version}, this is software for {known}", "Update repro.")


def sample_part(sample: Sample) -> SamplePart:
    """A sample as records keep it."""
    known: dict[str, Any] = {name: value for name, value in vars(sample).items() if value is not None}
    return SamplePart(**known | {name: plain_numbers(known[name]) for name in ARRAYS & known.keys()})


def as_sample(part: SamplePart) -> Sample:
    """The sample that a record keeps, ready to be judged again."""
    fields = msgspec.structs.asdict(part)
    known: dict[str, Any] = {name: value for name, value in fields.items() if value not in (None, msgspec.UNSET)}
    known |= {name: np.asarray(known[name], dtype=float) for name in ARRAYS & known.keys()}  # None becomes NaN
    return Sample(**known)


def claim_part(claim: Claim) -> ClaimPart:
    """A claim as records state it."""
    same = ("id", "name", "row", "version", "place", "criterion", "reported", "tier", "evidence")
    return ClaimPart(
        **{name: getattr(claim, name) for name in same},
        digest=claim.digest(),
        says=claim.statement,
        expected_refuted=claim.expected.source if claim.expected else None,
        explanation=(claim.expected and claim.expected.explanation) or msgspec.UNSET,
    )


def terms(paper: Paper, claim: ClaimPart) -> str:
    """The hash of a paper's facts and a claim as a record states them: equal where they say the same."""
    written = msgspec.json.decode(msgspec.json.encode(claim), type=ClaimPart)  # in memory 8 may stand for 8.0
    return hashlib.sha256(msgspec.json.encode([paper, written], order="deterministic")).hexdigest()


def _invalid(why: str) -> ReproError:
    return ReproError(f"The record {why}", "A record is never edited; run the claim again.")


def _canonical(plain: Any) -> bytes:
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def _identity(record: Record) -> str:
    plain = {name: value for name, value in msgspec.to_builtins(record).items() if name != "id"}
    return "sha256:" + hashlib.sha256(_canonical(plain)).hexdigest()


def plain_numbers(values: Any) -> Any:
    """Nested tuples with None where a number is not finite, or one number."""
    array = np.asarray(values, dtype=float)
    if array.ndim == 0:
        return float(array) if np.isfinite(array) else None
    return tuple(plain_numbers(row) if array.ndim > 1 else (float(row) if np.isfinite(row) else None) for row in array)


if __name__ == "__main__":
    print_schema(Record)
