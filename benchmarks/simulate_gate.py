"""How often the gate fails without a cause, and how often it finds a planted drop or slowdown.

    python benchmarks/simulate_gate.py [--gates 300]

The claims and criteria are this project's own; nothing is trained. Each statistical claim of the default tier draws its
values, seed by seed, from a normal distribution with the mean and the covariance of its published record: arms at the
same seed keep their correlation, and so do the points of a curve; what a criterion compares by ratios is drawn in
logarithms. Every value of the baseline and of the change is drawn anew for each gate, as if a change had touched every
bit of every result and improved or harmed nothing: the hardest case, since a gate on equal values has nothing to
decide. Then one measurement, another one in each gate, is made worse by some standard deviations.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.gate import costs as paired_costs
from harness.gate import significance
from harness.gate.baseline import Baseline, BaselineEntry, BaselineSample
from harness.gate.gate import Gate, SeedBudget
from harness.gate.metric_direction import aspect_of, sample_roles
from harness.gate.protocol import ClaimInfo, RunCost, SampleRole
from harness.gate.thresholds import parse
from repro.claim.catalogue import Catalogue
from repro.claim.claim import Claim, leaves
from repro.claim.contract import Contract
from repro.criterion.measurement import Sample
from repro.criterion.statistics import clopper_pearson
from repro.criterion.verdict import Outcome, Status
from repro.record.record import Record, as_sample
from repro.record.store import Store
from repro.trial.judge import Samples, judge

ROOT = Path(__file__).resolve().parent.parent
ZERO = "0" * 64
SETTINGS = {
    "a baseline file, own seeds, 24 fresh": (False, SeedBudget()),
    "--against, own seeds, 24 fresh": (True, SeedBudget()),
    "--against --seeds 24 --fresh 100": (True, SeedBudget(seeds=significance.SEEDS, fresh=significance.FRESH)),
}

KNOWN: dict[tuple[Any, ...], BaselineEntry] = {}  # entries drawn with nothing planted


class World:
    """Where a claim's values come from: mean and covariance of its published record."""

    def __init__(self, claim: Claim, record: Record, contract: Contract | None) -> None:
        self.claim = claim
        self.samples = [as_sample(part) for part in record.samples]
        self.roles = sample_roles(claim, contract)
        self.aspects = [aspect_of(r, s.better, s.unit) for r, s in zip(self.roles, self.samples, strict=True)]
        rows, self.slots = [], []
        for sample, aspect in zip(self.samples, self.aspects, strict=True):
            values = sample.values.reshape(len(sample.seeds), -1)
            log = aspect.log and bool((values > 0).all())
            start = sum(row.shape[1] for row in rows)
            self.slots.append((start, start + values.shape[1], log))
            rows.append(np.log(values) if log else values)
        every = np.concatenate(rows, axis=1)
        self.mean, self.parts = every.mean(axis=0), (every - every.mean(axis=0)) / math.sqrt(max(1, len(every) - 1))
        means = [every[:, a:b].mean(axis=1) for a, b, _ in self.slots]
        self.spread = [float(mean.std(ddof=1)) if len(mean) > 1 else 0.0 for mean in means]
        self.size = [1.0 if log else abs(float(m.mean())) for m, (_, _, log) in zip(means, self.slots, strict=True)]

    def draw(self, rng: np.random.Generator, seeds: Sequence[int], shift: dict[int, float]) -> list[Sample]:
        """Samples at these seeds; `shift` moves samples by their index."""
        drawn = self.mean + rng.standard_normal((len(seeds), len(self.parts))) @ self.parts
        found = []
        for index, (sample, (a, b, log)) in enumerate(zip(self.samples, self.slots, strict=True)):
            values = drawn[:, a:b] + shift.get(index, 0.0)
            values = (np.exp(values) if log else values).reshape(len(seeds), *sample.values.shape[1:])
            found.append(
                Sample(
                    arm=sample.arm,
                    measurement=sample.measurement,
                    unit=sample.unit,
                    seeds=tuple(seeds),
                    values=values,
                    x=sample.x,
                    x_unit=sample.x_unit,
                    expected=sample.expected,
                )
            )
        return found


class SimulatedRevision:
    """A revision whose values are drawn."""

    def __init__(self, worlds: dict[str, World], key: list[int], plant: tuple[str, int, float] | None = None) -> None:
        self.worlds, self.key, self.plant = worlds, key, plant

    def claims(self, *, keys: bool = False) -> dict[str, ClaimInfo]:
        """As a revision describes them."""
        return {name: claim_info(world) for name, world in self.worlds.items()}

    def judge(self, claim: str, seeds: Sequence[int] | None = None) -> BaselineEntry:
        """Draw and judge; equal seeds give equal values, and a claim with nothing planted is drawn once."""
        world = self.worlds[claim]
        chosen = range(world.claim.seeds) if seeds is None else seeds
        planted = self.plant is not None and self.plant[0] == claim
        if planted:
            return self._drawn(claim, world, chosen)
        place = (*self.key, claim, min(chosen), len(chosen))
        if place not in KNOWN:
            KNOWN[place] = self._drawn(claim, world, chosen)
        return KNOWN[place]

    def _drawn(self, claim: str, world: World, chosen: Sequence[int]) -> BaselineEntry:
        shift = {self.plant[1]: self.plant[2]} if self.plant is not None and self.plant[0] == claim else {}
        place = sorted(self.worlds).index(claim)
        samples = world.draw(np.random.default_rng([*self.key, place, min(chosen)]), chosen, shift)
        status: Status = "refuted" if world.claim.known_refutation else "holds"
        if len(chosen) == world.claim.seeds:  # a gate asks for no verdict at other numbers of seeds
            status = judge(world.claim.criterion, nested(world.claim.measurements(), iter(samples))).status
        return BaselineEntry(
            digest="sha256:" + ZERO,
            tier="cpu",
            evidence=world.claim.evidence,
            word=Outcome.of(status, world.claim.evidence, known_refutation=world.claim.known_refutation).recorded,
            seeds=tuple(chosen),
            samples=tuple(map(baseline_sample, samples)),
            records=("sha256:" + ZERO,),
            source=ZERO,
            device="cpu",
            versions="",
        )

    def run_cost(self, claim: str, arm: int, seed: int) -> RunCost:
        """Costs are drawn elsewhere."""
        raise NotImplementedError


def judged_by_values(role: SampleRole) -> bool:
    return not (role.exact or role.clocked)


def baseline_sample(sample: Sample) -> BaselineSample:
    """As in a baseline: of a curve the mean."""
    values = sample.values.reshape(len(sample.seeds), -1).mean(axis=1)
    return BaselineSample(
        arm=sample.arm, measurement=sample.measurement, unit=sample.unit, values=tuple(values.tolist())
    )


def claim_info(world: World) -> ClaimInfo:
    claim = world.claim
    return ClaimInfo(
        id=claim.id,
        digest="sha256:" + ZERO,
        tier=claim.tier,
        evidence=claim.evidence,
        seeds=claim.seeds,
        statistical=claim.statistical,
        roles=world.roles,
        known_refutation=claim.known_refutation,
        file="",
        line=0,
    )


def nested(draws: Any, samples: Iterator[Sample]) -> Samples:
    """Samples in the places of the draws that they stand for."""
    return tuple(nested(part, samples) for part in draws) if isinstance(draws, tuple) else next(samples)


def worlds(root: Path = ROOT) -> dict[str, World]:
    """The statistical claims of the default tier that have a published record."""
    records = {r.claim.id: r for r in Store(root / "leaderboard", read_only=True).newest(kind="reference")}
    found = {}
    catalogue = Catalogue(root)
    for claim in catalogue.claims:
        if claim.statistical and claim.tier == "cpu" and claim.id in records:
            assert len(leaves(claim.measurements())) == len(records[claim.id].samples)
            contract = getattr(catalogue.modules[claim.paper.key], "CONTRACT", None)
            found[claim.id] = World(claim, records[claim.id], contract)
    return found


def gates(found: dict[str, World], against: bool, budget: SeedBudget, count: int, spreads: float = 0.0) -> Counter[str]:
    """Outcomes of simulated gates, and what they were due to; `spreads` standard deviations are planted in each."""
    places = [
        (name, index, aspect.worse, world.spread[index])
        for name, world in found.items()
        for index, aspect in enumerate(world.aspects)
        if judged_by_values(world.roles[index])
        and aspect.worse != "neither"
        and world.spread[index] > significance.CONSTANT * world.size[index]
    ]
    counted: Counter[str] = Counter()
    for number in range(count):
        rng = np.random.default_rng([number, 99])
        name, index, worse, spread = places[int(rng.integers(len(places)))]
        sign = {"up": 1.0, "down": -1.0, "either": float(rng.choice([-1.0, 1.0]))}[worse]
        plant = (name, index, sign * spreads * spread) if spreads else None
        old = SimulatedRevision(found, [number, 1])
        baseline_seeds = {claim: max(world.claim.seeds, budget.seeds or 0) for claim, world in found.items()}
        known = {claim: old.judge(claim) for claim in found}
        if budget.seeds:
            known = {claim: old.judge(claim, range(seeds)) for claim, seeds in baseline_seeds.items()}
        before = Baseline(claims=known)
        new = SimulatedRevision(found, [number, 2], plant)
        gate = Gate(before, new, old if against else None, budget)
        decision = gate.decide(sorted(found), new.claims())
        counted[decision.outcome] += 1
        causes = {remark.topic for remark in decision.remarks if remark.weight == "regression"}
        counted.update(f"  by {cause}" for cause in causes)
        counted["fresh seeds"] += sum(len(which) for _, which, _ in gate.looked)
    return counted


def slowdowns(
    ratio: float, noise: float, count: int, spikes: float = 0.0, pairs: int = paired_costs.PAIRS
) -> Counter[str]:
    """Outcomes of side-by-side timings with this true ratio and this noise (standard deviation of log seconds)."""
    counted: Counter[str] = Counter()
    thresholds = parse("time<1.05, memory<1.10")
    claim = ClaimInfo(
        id="a/b@1", digest="", tier="cpu", evidence="reduced", seeds=3, statistical=True, roles=(),
        known_refutation=False, file="", line=0,
    )  # fmt: skip

    class Clock:
        def __init__(self, key: list[int], factor: float) -> None:
            self.rng, self.factor = np.random.default_rng(key), factor

        def claims(self, *, keys: bool = False) -> dict[str, ClaimInfo]:
            return {}

        def judge(self, claim: str, seeds: Sequence[int] | None = None) -> BaselineEntry:
            raise NotImplementedError

        def run_cost(self, claim: str, arm: int, seed: int) -> RunCost:
            spike = 1.5 if self.rng.random() < spikes else 1.0
            seconds = self.factor * spike * math.exp(noise * self.rng.standard_normal())
            return RunCost(seconds=seconds, bytes=1e8, joules=None, method="", arm="arm")

    for number in range(count):
        costs = paired_costs.measure([claim], Clock([number, 1], ratio), Clock([number, 2], 1.0), thresholds, pairs)
        counted[costs[0].state] += 1
        counted["pairs"] += costs[0].pairs
    return counted


def share(hits: int, of: int) -> str:
    low, high = clopper_pearson(hits, of)
    return f"{hits} of {of} [{low:.1%}, {high:.1%}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gates", type=int, default=300)
    count = parser.parse_args().gates
    found = worlds()
    aspects = [
        aspect
        for world in found.values()
        for role, aspect in zip(world.roles, world.aspects, strict=True)
        if judged_by_values(role)
    ]
    directed = sum(aspect.worse != "neither" for aspect in aspects)
    print(f"{len(found)} claims, {len(aspects)} measurements, {directed} with a direction, {count} gates a line\n")
    print("nothing got worse")
    for name, (against, budget) in SETTINGS.items():
        show(name, gates(found, against, budget, count), count)
    print("\none measurement got worse")
    for name, (against, budget) in reversed(SETTINGS.items()):
        for spreads in (1.0,) if budget.seeds else (1.0, 2.0, 3.0) if against else (2.0, 3.0, 4.0):
            show(f"{name}, {spreads:g} sd", gates(found, against, budget, count, spreads), count)
    print("\ntime < 1.05")
    for noise, spikes, pairs in ((0.02, 0.0, 20), (0.05, 0.0, 20), (0.1, 0.0, 20), (0.1, 0.0, 40), (0.05, 0.05, 40)):
        for ratio in (1.0, 1.2):
            outcome = slowdowns(ratio, noise, count, spikes, pairs)
            text = f"noise {noise:.0%}, spikes {spikes:.0%}, {pairs} pairs, ratio {ratio:g}"
            rest = f"{outcome['fine']} fine, {outcome['undecided']} undecided, {outcome['pairs'] / count:.0f} pairs"
            print(f"  {text:<46} regression in {share(outcome['worse'], count)}; {rest}")


def show(name: str, outcome: Counter[str], count: int) -> None:
    causes = ", ".join(f"{k.strip()} {v}" for k, v in sorted(outcome.items()) if k.startswith("  by"))
    seeds = outcome["fresh seeds"] / count
    text = f"regression in {share(outcome['regression'], count)}; {outcome['undecided']} undecided"
    print(f"  {name:<44} {text}; {seeds:.0f} fresh seeds of a claim a gate; {causes}", flush=True)


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"\n{time.perf_counter() - started:.0f} s on Python {sys.version.split()[0]}")
