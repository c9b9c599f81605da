"""What a submission costs beside the reference: both in the same jail, on one machine, by turns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from harness.host import Host, keep_compiled
from repro import data
from repro.claim import Arm, Claim, arms_of
from repro.experiment import Setting
from repro.implementation import Implementation
from repro.record import Ratio
from repro.statistics import t_interval
from repro.task import Device
from repro.telemetry import Meter

PAIRS = 5
SHORTEST_S = 0.05  # of a function in all; shorter sums measure the pipe
LABELS = {"train": "time to train", "predict": "time to predict"}


@dataclass(frozen=True)
class Run:
    """One trial's cost: seconds by function, peak memory in bytes, energy in joules where it can be measured."""

    seconds: dict[str, float]
    peak_bytes: float
    energy_j: float | None


@dataclass
class Costs:
    """Runs of both, paired."""

    submission: list[Run] = field(default_factory=list)
    reference: list[Run] = field(default_factory=list)


def arm_of(claims: tuple[Claim, ...], first: str = "") -> Arm | None:
    """What is timed: the first arm of a statistical claim of the default tier whose data are here.

    Args:
        claims: those that the submission answers.
        first: the name of the claim to prefer.
    """
    for claim in sorted(claims, key=lambda claim: claim.name != first):
        if claim.statistical and claim.tier == "cpu":
            arm = arms_of(claim.draws())[0]
            if arm.data is None or data.available(arm.data):
                return arm
    return None


def measure(
    submission: Implementation, reference: Implementation, arm: Arm, device: Device, pairs: int = PAIRS
) -> Iterator[Costs]:
    """Run an arm on both by turns, the first one alternating; yields all runs so far after each pair.

    Neither compiles on the clock: where nothing compiled is kept yet, a run before the first pair leaves it.
    """
    found = Costs()
    for implementation in (submission, reference):
        if not _host(implementation).compiled.is_dir():
            once(implementation, arm, 0, device)
    for pair in range(pairs):
        order: list[tuple[Implementation, list[Run]]] = [
            (submission, found.submission),
            (reference, found.reference),
        ]
        for implementation, runs in order if pair % 2 else reversed(order):
            runs.append(once(implementation, arm, pair, device))
        yield found


def once(implementation: Implementation, arm: Arm, seed: int, device: Device) -> Run:
    """One trial of an implementation in its jail, never cached.

    Raises:
        ReproError: if it fails.
    """
    host = _host(implementation)
    given = host.seed(seed)
    dataset = data.load(arm.data) if arm.data else None
    config = implementation.config(arm.preset, arm.overrides)
    setting = Setting(config=config, seed=given, device=device, data=dataset)
    with host.jailed(device, arm.data) as (broker, pid):
        names = broker.names(broker.load(given, device))
        with Meter(device, pid=pid) as meter:
            arm.experiment(names, setting)
        if not host.compiled.is_dir():
            keep_compiled(host, broker.collect())
        return Run(dict(broker.seconds), float(meter.usage.peak_rss_bytes), meter.usage.energy_j)


def _host(implementation: Implementation) -> Host:
    assert isinstance(implementation.host, Host)
    return implementation.host


def ratios(costs: Costs) -> tuple[Ratio, ...]:
    """Submission over reference for time by function, peak memory and energy."""
    found: list[Ratio | None] = []
    names = sorted({name for run in costs.submission for name in run.seconds})
    for name in sorted(names, key=lambda name: (name not in LABELS, name)):
        seconds: Callable[[Run], float | None] = lambda run, name=name: run.seconds.get(name)  # noqa: E731
        found.append(_ratio(LABELS.get(name, f"time to {name}"), "s", seconds, costs, least=SHORTEST_S))
    found.append(_ratio("peak memory", "B", lambda run: run.peak_bytes, costs))
    found.append(_ratio("energy", "J", lambda run: run.energy_j, costs))
    return tuple(ratio for ratio in found if ratio is not None)


def _ratio(what: str, unit: str, read: Callable[[Run], float | None], costs: Costs, least: float = 0.0) -> Ratio | None:
    """Geometric mean of the pairs' ratios with its t interval; None where something was not measured."""
    pairs = [(read(a), read(b)) for a, b in zip(costs.submission, costs.reference, strict=True)]
    known = [(a, b) for a, b in pairs if a is not None and b is not None and a > least and b > least]
    if len(known) < len(pairs) or not known:
        return None
    logs = np.log([a / b for a, b in known])
    ends = t_interval(logs)
    return Ratio(
        what=what,
        ratio=math.exp(logs.mean()),
        low=None if ends is None else math.exp(ends[0]),
        high=None if ends is None else math.exp(ends[1]),
        pairs=len(logs),
        unit=unit,
        reference=float(np.exp(np.mean(np.log([b for _, b in known])))),
    )
