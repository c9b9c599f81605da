"""Calibration: how often a claim's criterion says what it should, on seeds that the claim does not use."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import msgspec

from repro.claim.catalogue import Catalogue
from repro.claim.claim import Claim, arms_of, leaves
from repro.code_digest import digest, object_closure
from repro.criterion.statistics import clopper_pearson, prediction_interval
from repro.criterion.verdict import Status, expected_status
from repro.errors import ReproError
from repro.machine.environment import Machine, Software, machine, software
from repro.numbers import now
from repro.paths import cache_dir
from repro.task import Device
from repro.trial import implementation
from repro.trial.cache import Cache
from repro.trial.judge import Suite, resolve_device

FIRST_SEED = 1_000_000  # claims use seeds from 0; calibration's lie far above and are never used twice
CONFIDENCE = 0.95


class Rate(msgspec.Struct, frozen=True):
    """How often something happened, with its Clopper-Pearson interval at 95 %."""

    hits: int
    of: int
    low: float
    high: float

    def share(self) -> str:
        """The rate as people read it."""
        return f"{self.hits} of {self.of} [{self.low:.1%}, {self.high:.1%}]"


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The calibration of one claim.

    Attributes:
        claim: the claim's id; `digest` is that of the claim as it was calibrated.
        source: digest of the reference, the controls and the experiments as they were.
        passed: how often the reference got the expected verdict.
        rejected: for each control, how often the criterion rejected it.
        estimates: the reference's estimates, one for each repeat.
        statuses: the reference's verdicts, one for each repeat.
        confirmed: digest of later code that gave the first repeat again, number by number; "" for none.
    """

    claim: str
    digest: str
    source: str
    created: str
    first_seed: int
    seeds: int
    passed: Rate
    rejected: dict[str, Rate]
    estimates: tuple[float | None, ...]
    statuses: tuple[Status, ...]
    machine: Machine
    software: Software
    confirmed: str = ""
    current: bool = True

    @property
    def passes(self) -> bool:
        """At least 99 % for the reference and for every control."""
        return all(rate.hits >= 0.99 * rate.of for rate in (self.passed, *self.rejected.values()))

    def band(self) -> tuple[float, float] | None:
        """The 99 % prediction interval of one further estimate of the reference; None below 20 repeats."""
        values = [estimate for estimate in self.estimates if estimate is not None]
        return prediction_interval(values, 0.99) if len(values) >= 20 else None


class _Once(msgspec.Struct, frozen=True):
    claim: str
    repeat: int
    status: Status
    estimate: float | None
    rejected: dict[str, bool]


def run(
    claims: Sequence[Claim],
    repeats: int,
    jobs: int,
    device: str,
    root: Path,
    first_seed: int = FIRST_SEED,
    on_progress: Callable[[str], None] = lambda line: None,
) -> Iterator[Calibration]:
    """Calibrate claims; every finished trial is kept, so an interrupted calibration resumes.

    Args:
        claims: statistical claims of the default tier.
        repeats: independent verdicts of each, on seeds of their own from `first_seed` on.
        jobs: processes.
        device: "auto", "cpu", "cuda" or "mps".
        root: the project.
        first_seed: higher than the default where those seeds were looked at while the claim was designed.
        on_progress: gets a line after each verdict.

    Raises:
        ReproError: if nothing is to be calibrated, the seeds are the claims' own, or a trial fails.
    """
    if first_seed < FIRST_SEED:
        raise ReproError(f"Seeds below {FIRST_SEED:,} may be the claims' own", "Give a higher --first-seed.")
    if not claims:
        raise ReproError("None of these claims is statistical and of the default tier", "Exact claims need none.")
    runs: dict[str, list[_Once]] = {claim.id: [] for claim in claims}
    by_id = {claim.id: claim for claim in claims}
    todo = [(claim.id, repeat, first_seed) for repeat in range(repeats) for claim in claims]
    for done, once in enumerate(_in_processes(todo, jobs, device, root), start=1):
        own = runs[once.claim]
        own.append(once)
        on_progress(f"{done} of {len(todo)} verdicts")
        if len(own) == repeats:
            yield _summary(by_id[once.claim], sorted(own, key=lambda run: run.repeat), first_seed, root)


def confirm(
    claims: Sequence[Claim], jobs: int, device: str, root: Path, on_progress: Callable[[str], None] = lambda line: None
) -> Iterator[tuple[Calibration, bool]]:
    """Compute the first repeat of kept calibrations again, where only the code under the claim has changed since.

    Code that was moved or renamed gives the same numbers, so one repeat shows what twenty would. Yields each
    calibration, and whether today's code gave its first verdict, its estimate and its rejections again: then it is
    confirmed. An estimate that depends on the machine's speed must lie in the calibration's prediction band instead.

    Claims without a calibration, or with one of another form of the claim, are left out. The arguments are those of
    `run`.
    """
    kept = {claim.id: found for claim in claims if (found := calibration_of(claim, root)) is not None}
    stale = [claim for claim in claims if claim.id in kept and not kept[claim.id].current]
    todo = {claim.id: claim for claim in stale if kept[claim.id].digest == claim.digest()}
    repeats = [(name, 0, kept[name].first_seed) for name in todo]
    for done, once in enumerate(_in_processes(repeats, jobs, device, root), start=1):
        on_progress(f"{done} of {len(repeats)} claims")
        before, claim = kept[once.claim], todo[once.claim]
        same = once.status == before.statuses[0] and all(once.rejected.values())
        if _clocked(claim, root):
            band, found = before.band(), once.estimate
            same = same and band is not None and found is not None and band[0] <= found <= band[1]
        else:
            same = same and _close(once.estimate, before.estimates[0])
        yield msgspec.structs.replace(before, confirmed=_source(claim, root) if same else "", current=same), same


def _in_processes(repeats: Sequence[tuple[str, int, int]], jobs: int, device: str, root: Path) -> Iterator[_Once]:
    """Judge claims in some processes, each as (id, number of the repeat, first seed); yields what is done first."""
    settled = resolve_device(device)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(_once, name, repeat, first, settled, root) for name, repeat, first in repeats]
        yield from (future.result() for future in as_completed(waiting))


def _clocked(claim: Claim, root: Path) -> bool:
    """Whether the claim's measurements depend on the speed of the machine, so that no run gives them again."""
    contract = getattr(Catalogue(root).modules[claim.paper.key], "CONTRACT", None)
    names = [ref.measurement for ref in leaves(claim.measurements())]
    return contract is not None and any(name.partition(" ")[0] in contract.clocked for name in names)


def _close(one: float | None, other: float | None) -> bool:
    return one == other or (one is not None and other is not None and math.isclose(one, other, rel_tol=1e-6))


def _once(name: str, repeat: int, first_seed: int, device: Device, root: Path) -> _Once:
    claim = next(c for c in Catalogue(root).claims if c.id == name)
    suite = Suite(Cache(cache_dir() / "trials"), device)
    first = first_seed + repeat * claim.seeds
    seeds = range(first, first + claim.seeds)
    judged = suite.judge(claim, implementation.reference(claim.paper.key, root), seeds)
    rejected = {control.implementation.name: control.rejected for control in suite.controls(claim, seeds)}
    return _Once(name, repeat, judged.verdict.status, judged.verdict.estimate, rejected)


def _summary(claim: Claim, runs: list[_Once], first_seed: int, root: Path) -> Calibration:
    wanted = expected_status(known_refutation=claim.known_refutation)
    return Calibration(
        claim=claim.id,
        digest=claim.digest(),
        source=_source(claim, root),
        created=now(),
        first_seed=first_seed,
        seeds=claim.seeds,
        passed=_rate([once.status == wanted for once in runs]),
        rejected={name: _rate([once.rejected[name] for once in runs]) for name in claim.controls},
        estimates=tuple(once.estimate for once in runs),
        statuses=tuple(once.status for once in runs),
        machine=machine(),
        software=software(threads=1),
    )


def _source(claim: Claim, root: Path) -> str:
    """Digest of all the code that a calibration rests on."""
    key = claim.paper.key
    found = [implementation.reference(key, root).source]
    found += [implementation.control(key, name, root).source for name in claim.controls]
    found += sorted({object_closure(arm.experiment.code) for arm in arms_of(claim.measurements())})
    return digest("".join(found))


def _rate(hits: list[bool]) -> Rate:
    low, high = clopper_pearson(sum(hits), len(hits), CONFIDENCE)
    return Rate(sum(hits), len(hits), low, high)


def path(paper: str, root: Path) -> Path:
    """Where the calibrations of a paper's claims are kept."""
    return root / "claims" / "calibration" / f"{paper}.json"


def keep(calibration: Calibration, root: Path) -> None:
    """Write a calibration beside the others of its paper, in place of the claim's earlier one."""
    paper = calibration.claim.partition("/")[0]
    kept = {**_read(paper, root), calibration.claim: calibration}
    text = msgspec.json.format(msgspec.json.encode(dict(sorted(kept.items()))), indent=1)
    path(paper, root).parent.mkdir(parents=True, exist_ok=True)
    path(paper, root).write_bytes(text + b"\n")


def calibration_of(claim: Claim, root: Path) -> Calibration | None:
    """The kept calibration of a claim, marked as not current if the claim or the code under it has changed since.

    Digests of code are comparable within one minor version of Python only; under another, the claim's decides.
    """
    found = _read(claim.paper.key, root).get(claim.id)
    if found is None:
        return None
    here = ".".join(platform.python_version_tuple()[:2])
    same_python = found.software.python.startswith(here + ".")
    same_code = not same_python or _source(claim, root) in (found.source, found.confirmed)
    return msgspec.structs.replace(found, current=found.digest == claim.digest() and same_code)


def _read(paper: str, root: Path) -> dict[str, Calibration]:
    try:
        return msgspec.json.decode(path(paper, root).read_bytes(), type=dict[str, Calibration])
    except FileNotFoundError:
        return {}
    except msgspec.MsgspecError as error:
        raise ReproError(
            f"{path(paper, root).name} is not a calibration file: {error}", "Restore it from git."
        ) from error
