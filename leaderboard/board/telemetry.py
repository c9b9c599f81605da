"""What trials used: time, memory and energy of claims by arm, and the series that were sampled. No Streamlit here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from leaderboard.queries import label
from leaderboard.vouched import reference_rows
from repro.errors import ReproError
from repro.record import Record, TrialPart
from repro.store import Row, Union
from repro.telemetry import Series, unpack

OPENED = 400  # records that the overview of a paper goes through
DRAWN = 24  # trials that a chart begins with


@dataclass(frozen=True, kw_only=True)
class Arm:
    """The trials of one arm of a claim, each counted once.

    Attributes:
        cached: how many came from the cache, so that their usage was measured earlier.
    """

    name: str
    trials: int
    cached: int
    wall_s: float
    cpu_s: float
    peak_bytes: int
    gpu_peak_bytes: int | None


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What the trials of one record used.

    Attributes:
        record: its id.
        claim: "key/name".
        machine: what ran it: the GPU, or the processor.
        energy_j: joules of all trials; None unless every one was measured.
        energy_says: how they were measured, or why not.
        sampled: how many trials keep a series.
    """

    record: str
    claim: str
    name: str
    row: str | None
    version: int
    tier: str
    implementation: str
    created: str
    machine: str
    arms: tuple[Arm, ...]
    energy_j: float | None
    energy_says: str
    sampled: int

    @property
    def case(self) -> str:
        """The claim and its row, as the chooser names them."""
        return f"{self.claim}[{self.row}]" if self.row is not None else self.claim

    @property
    def short(self) -> str:
        """The same without the paper."""
        return f"{self.name}[{self.row}]" if self.row is not None else self.name

    @property
    def trials(self) -> int:
        """How many different trials."""
        return sum(arm.trials for arm in self.arms)

    @property
    def wall_s(self) -> float:
        """Seconds of all trials together."""
        return sum(arm.wall_s for arm in self.arms)

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all trials together."""
        return sum(arm.cpu_s for arm in self.arms)

    @property
    def peak_bytes(self) -> int:
        """The most memory that the process of any trial held."""
        return max((arm.peak_bytes for arm in self.arms), default=0)

    @property
    def gpu_peak_bytes(self) -> int | None:
        """The most GPU memory of any trial; None where none used a GPU."""
        return max((arm.gpu_peak_bytes for arm in self.arms if arm.gpu_peak_bytes is not None), default=None)


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


def machine(record: Record) -> str:
    """What ran a record's trials, in a few words; that of the index's rows."""
    return _machine(record.machine.cpu, record.machine.gpu, record.claim.tier)


def _machine(cpu: str, gpu: str | None, tier: str) -> str:
    return gpu if gpu and tier != "cpu" else cpu


def cost(record: Record) -> Cost:
    """What the trials of a record used; trials that stand in it twice count once."""
    trials = _once(record)
    energies = [trial.usage.energy_j for trial in trials if trial.usage.energy_j is not None]
    whole = bool(trials) and len(energies) == len(trials)
    return Cost(
        record=record.id,
        claim=f"{record.paper.key}/{record.claim.name}",
        name=record.claim.name,
        row=record.claim.row,
        version=record.claim.version,
        tier=record.claim.tier,
        implementation=label(record),
        created=record.created,
        machine=machine(record),
        arms=tuple(_arm(name, [t for t in trials if t.arm == name]) for name in dict.fromkeys(t.arm for t in trials)),
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


def _arm(name: str, trials: Sequence[TrialPart]) -> Arm:
    peaks = [trial.usage.gpu_peak_bytes for trial in trials if trial.usage.gpu_peak_bytes is not None]
    return Arm(
        name=name,
        trials=len(trials),
        cached=sum(trial.cached for trial in trials),
        wall_s=sum(trial.usage.wall_s for trial in trials),
        cpu_s=sum(trial.usage.cpu_s for trial in trials),
        peak_bytes=max(trial.usage.peak_rss_bytes for trial in trials),
        gpu_peak_bytes=max(peaks, default=None),
    )


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


def costs(stores: Union, paper: str) -> tuple[Cost, ...]:
    """The newest record of each claim of a paper on each machine, of the reference, the longest-running claim first."""
    best: dict[tuple[str, str | None, str], Row] = {}
    for row in sorted(reference_rows(stores, paper), key=lambda row: (row.version, row.created, row.id)):
        best[row.name, row.row, _machine(row.machine, row.gpu, row.tier)] = row
    rows = sorted(best.values(), key=lambda row: -row.wall_s)[:OPENED]
    return tuple(cost(stores.get(row.id)) for row in rows)


def shown(found: Iterable[Cost], on: str = "") -> list[Cost]:
    """One for each claim: the newest of its highest version, on one machine or on whichever it was."""
    best: dict[str, Cost] = {}
    for one in found:
        seen = best.get(one.case)
        newer = seen is None or (one.version, one.created) > (seen.version, seen.created)
        if newer and on in ("", one.machine):
            best[one.case] = one
    return sorted(best.values(), key=lambda one: (-one.wall_s, one.case))


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
        read: the column.
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
