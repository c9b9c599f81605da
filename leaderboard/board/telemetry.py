"""What trials used: time, memory and energy of claims by arm, and the series that were sampled. No Streamlit here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from leaderboard.board.catalogue import StatedClaim, stated, with_row
from leaderboard.board.lines import label
from leaderboard.board.queries import endorsed
from repro.errors import ReproError
from repro.machine.telemetry import Series, unpack
from repro.record.record import Record, TrialPart
from repro.record.store import MergedStore, Row

OPENED = 400  # records that the overview of a paper goes through
DRAWN = 24  # trials that a chart begins with


@dataclass(frozen=True, kw_only=True)
class TrialUsage:
    """What trials used together, each counted once.

    Attributes:
        cached: how many came from the cache, so that their usage was measured earlier.
        peak_bytes: the most memory that the process of any trial held.
        gpu_peak_bytes: the most GPU memory of any trial; None where none used a GPU.
    """

    trials: int
    cached: int
    wall_s: float
    cpu_s: float
    peak_bytes: int
    gpu_peak_bytes: int | None


@dataclass(frozen=True, kw_only=True)
class ArmUsage(TrialUsage):
    """What the trials of one arm of a claim used."""

    name: str


@dataclass(frozen=True, kw_only=True)
class RecordCost(StatedClaim, TrialUsage):
    """What the trials of one record used.

    Attributes:
        machine: what ran it: the GPU, or the processor.
        energy_j: joules of all trials; None unless every one was measured.
        energy_says: how they were measured, or why not.
        sampled: how many trials keep a series.
    """

    record: str
    implementation: str
    created: str
    machine: str
    arms: tuple[ArmUsage, ...]
    energy_j: float | None
    energy_says: str
    sampled: int

    @property
    def full(self) -> str:
        """The paper, the claim and its row, as the chooser names them."""
        return with_row(self.claim, self.row)


@dataclass(frozen=True, kw_only=True)
class Trace:
    """The series of one trial, under a name that no other trial of the record has."""

    name: str
    arm: str
    seed: int
    series: Series


@dataclass(frozen=True, kw_only=True)
class Traces:
    """The series of a record's trials.

    Attributes:
        without: how many trials keep none, since they took less than a second.
        unreadable: names of the trials whose series is damaged.
    """

    found: tuple[Trace, ...]
    without: int
    unreadable: tuple[str, ...]


def _machine(cpu: str, gpu: str | None, tier: str) -> str:
    return gpu if gpu and tier in ("gpu", "cluster") else cpu


def cost(record: Record) -> RecordCost:
    """What the trials of a record used; trials that stand in it twice count once."""
    trials = _once(record)
    energies = [trial.usage.energy_j for trial in trials if trial.usage.energy_j is not None]
    arms = dict.fromkeys(trial.arm for trial in trials)
    whole = bool(trials) and len(energies) == len(trials)
    return RecordCost(
        **stated(record.paper, record.claim),
        record=record.id,
        implementation=label(record),
        created=record.created,
        machine=_machine(record.machine.cpu, record.machine.gpu, record.claim.tier),
        **_usage(trials),
        arms=tuple(ArmUsage(name=name, **_usage([t for t in trials if t.arm == name])) for name in arms),
        energy_j=sum(energies) if whole else None,
        energy_says=_energy(trials, len(energies)),
        sampled=sum(trial.usage.series is not None for trial in trials),
    )


def _once(record: Record) -> list[TrialPart]:
    """The trials of a record without those that stand in it again under another arm."""
    found: dict[str, TrialPart] = {}
    for trial in record.trials:
        found.setdefault(trial.key, trial)
    return list(found.values())


def _usage(trials: Sequence[TrialPart]) -> dict[str, Any]:
    """The fields of `TrialUsage`."""
    used = [trial.usage for trial in trials]
    peaks = [one.gpu_peak_bytes for one in used if one.gpu_peak_bytes is not None]
    return {
        "trials": len(trials),
        "cached": sum(trial.cached for trial in trials),
        "wall_s": sum(one.wall_s for one in used),
        "cpu_s": sum(one.cpu_s for one in used),
        "peak_bytes": max((one.peak_rss_bytes for one in used), default=0),
        "gpu_peak_bytes": max(peaks, default=None),
    }


def _energy(trials: Sequence[TrialPart], measured: int) -> str:
    """How the energy of trials was measured; where that of some was not, how many and why."""
    if not trials:
        return "not measured: the record names no trials"
    had = list(dict.fromkeys(t.usage.energy_method for t in trials if t.usage.energy_j is not None))
    lacked = list(dict.fromkeys(t.usage.energy_method for t in trials if t.usage.energy_j is None))
    reasons = "; ".join(method.removeprefix("none: ") for method in lacked)
    if not lacked:
        return "; ".join(had)
    if not had:
        return f"not measured: {reasons}"
    return f"measured in {measured} of {len(trials)} trials only: {reasons}"


def costs(stores: MergedStore, paper: str) -> tuple[RecordCost, ...]:
    """The newest record of each claim of a paper on each machine, of the reference, the longest-running claim first."""
    best: dict[tuple[str, str | None, str], Row] = {}
    for row in sorted(endorsed(stores, paper), key=lambda row: (row.version, row.created, row.id)):
        best[row.name, row.row, _machine(row.machine, row.gpu, row.tier)] = row
    rows = sorted(best.values(), key=lambda row: -row.wall_s)[:OPENED]
    return tuple(cost(stores.get(row.id)) for row in rows)


def shown(found: Iterable[RecordCost], on: str = "") -> list[RecordCost]:
    """One for each claim: the newest of its highest version, on one machine or on whichever it was."""
    best: dict[str, RecordCost] = {}
    for one in found:
        seen = best.get(one.full)
        newer = seen is None or (one.version, one.created) > (seen.version, seen.created)
        if newer and on in ("", one.machine):
            best[one.full] = one
    return sorted(best.values(), key=lambda one: (-one.wall_s, one.full))


def traces(record: Record) -> Traces:
    """The sampled series of a record's trials, in the order of arms and seeds as they stand."""
    trials = _once(record)
    names = _names(trials)
    found, unreadable = [], []
    for name, trial in zip(names, trials, strict=True):
        if trial.usage.series is not None:
            try:
                found.append(Trace(name=name, arm=trial.arm, seed=trial.seed, series=unpack(trial.usage.series)))
            except ReproError:
                unreadable.append(name)
    without = len(trials) - len(found) - len(unreadable)
    return Traces(found=tuple(found), without=without, unreadable=tuple(unreadable))


def _names(trials: Sequence[TrialPart]) -> list[str]:
    """Arm and seed; a number where several trials have both in common."""
    seen: dict[str, int] = {}
    names = []
    for trial in trials:
        name = f"{trial.arm}, seed {trial.seed}"
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names


@dataclass(frozen=True, kw_only=True)
class Gauge:
    """One column of the series as people read it.

    Attributes:
        scale: what its numbers are multiplied by to be in `unit`.
        zero: whether a chart of it begins at zero.
    """

    name: str
    unit: str
    read: Callable[[Series], Sequence[float | None]]
    scale: float = 1.0
    zero: bool = False


GAUGES = (
    Gauge(name="memory of the process", unit="MiB", read=lambda series: series.rss_bytes, scale=2**-20),
    Gauge(name="CPU", unit="% of one core", read=lambda series: series.cpu_percent, zero=True),
    Gauge(name="GPU utilisation", unit="%", read=lambda series: series.gpu_percent, zero=True),
    Gauge(name="GPU memory, all processes", unit="GiB", read=lambda series: series.gpu_memory_bytes, scale=2**-30),
    Gauge(name="power of the GPU", unit="W", read=lambda series: series.power_w, zero=True),
    Gauge(name="temperature of the GPU", unit="°C", read=lambda series: series.temperature_c),
    Gauge(name="clock of the GPU", unit="MHz", read=lambda series: series.clock_mhz),
)


def points(trace: Trace, gauge: Gauge, most: int) -> list[tuple[float, float]]:
    """What was sampled, as (seconds, value), thinned to at most that many; readings that failed are left out."""
    times, values = trace.series.t_s, gauge.read(trace.series)
    known = [(t, v * gauge.scale) for t, v in zip(times, values, strict=False) if t is not None and v is not None]
    step = -(-len(known) // max(1, most)) or 1
    return known[::step]
