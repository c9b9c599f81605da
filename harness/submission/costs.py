"""What a submission costs next to the reference: both in the same jail, interleaved on one machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.sandbox.host import SandboxHost
from harness.submission.paired_runs import PairedRuns
from repro import data
from repro.claim.claim import Arm, Claim, arms_of
from repro.experiment.setting import Setting
from repro.machine.telemetry import Meter
from repro.record.record import Ratio
from repro.task import Device
from repro.trial.implementation import LoadedImplementation

PAIRS = 5
LEVEL = 0.025  # of each end of an interval
SHORTEST_S = 0.05  # of a function in all; shorter sums measure the pipe
LABELS = {"train": "time to train", "predict": "time to predict"}


@dataclass(frozen=True)
class TrialCost:
    """Cost of one trial: seconds by function, peak memory in bytes, energy in joules where it can be measured."""

    seconds: dict[str, float]
    peak_bytes: float
    energy_j: float | None


def timed_claim(claims: Iterable[Claim], first: str) -> Claim | None:
    """Whose first arm is timed: a statistical claim of the default tier whose data are here, `first` if it is one."""
    able = [
        claim
        for claim in claims
        if claim.statistical and claim.tier == "cpu"
        if all(arm.data is None or data.available(arm.data) for arm in arms_of(claim.measurements()))
    ]
    return min(able, key=lambda claim: claim.name != first, default=None)


def measure(
    submission: LoadedImplementation, reference: LoadedImplementation, arm: Arm, device: Device, pairs: int = PAIRS
) -> Iterator[PairedRuns[TrialCost]]:
    """Run an arm on both, interleaved; yields all runs so far after each pair.

    What compilers made of either before (see `compilation`) is given to it; what they make during a run is timed.
    """
    runs: PairedRuns[TrialCost] = PairedRuns()
    for _ in range(pairs):
        runs.add_pair(lambda seed: once(submission, arm, seed, device), lambda seed: once(reference, arm, seed, device))
        yield runs


def once(implementation: LoadedImplementation, arm: Arm, seed: int, device: Device) -> TrialCost:
    """One trial of an implementation in its jail, never cached.

    Raises:
        ReproError: if it fails.
    """
    host = host_of(implementation)
    given = host.seed(seed)
    dataset = data.load(arm.data) if arm.data else None
    config = implementation.config(arm.preset, arm.overrides)
    setting = Setting(config=config, seed=given, device=device, data=dataset)
    with host.jailed(device, arm.data) as (broker, pid):
        names = broker.names(broker.load(given, device))
        with Meter(device, pid=pid) as meter:
            arm.experiment(names, setting)
        return TrialCost(dict(broker.seconds), float(meter.usage.peak_rss_bytes), meter.usage.energy_j)


def host_of(implementation: LoadedImplementation) -> SandboxHost:
    """What runs an implementation that is jailed, or trusted."""
    assert isinstance(implementation.host, SandboxHost)
    return implementation.host


def ratios(runs: PairedRuns[TrialCost]) -> tuple[Ratio, ...]:
    """Submission over reference for time by function, peak memory and energy; left out where a run lacks it."""
    names = {name for run in runs.candidate for name in run.seconds}
    estimates = {
        (LABELS.get(name, f"time to {name}"), "s"): runs.ratio(
            lambda r, name=name: r.seconds.get(name), LEVEL, SHORTEST_S
        )
        for name in sorted(names, key=lambda name: (name not in LABELS, name))
    }
    estimates["peak memory", "B"] = runs.ratio(lambda run: run.peak_bytes, LEVEL)
    estimates["energy", "J"] = runs.ratio(lambda run: run.energy_j, LEVEL)
    pairs = len(runs.candidate)
    return tuple(
        Ratio(what=what, ratio=e.ratio, low=e.low, high=e.high, pairs=pairs, unit=unit, reference=e.baseline)
        for (what, unit), e in estimates.items()
        if e is not None
    )
