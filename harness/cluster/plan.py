"""Plans: the trials that a selection of claims needs, each once, as data.

`python -m harness.cluster.plan` prints the JSON schema of a plan.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from harness.pytest_plugin.cases import Case
from repro.claim.claim import Tier, arms_of
from repro.errors import ReproError
from repro.machine.environment import device_class
from repro.task import Device
from repro.trial.cache import Cache
from repro.trial.cost_estimate import Estimate, Past
from repro.trial.judge import Suite, require
from repro.trial.request import TrialRequest
from repro.trial.trial import Trial, lookup

SCHEMA = 1


class Use(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What needs a trial: an arm of a claim on an implementation, "reference" or "control:NAME"."""

    claim: str
    implementation: str
    arm: str


class Planned(TrialRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A trial that the selection needs.

    Attributes:
        tier: of the claim.
        needed_by: all that share it; the first is the one it is named after.
        cached: whether its result is in the cache.
        estimate: what it will cost; null where nothing is known.
    """

    tier: Tier
    needed_by: tuple[Use, ...]
    cached: bool
    estimate: Estimate | None


class PlanLine(Use, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An arm of a claim on an implementation, in numbers; a trial that several arms share is counted in the first.

    Attributes:
        trials: counted here, of which `cached` are in the cache.
        shared: counted in an arm above.
        unknown: of the missing ones, how many have no estimate.
        wall_s: estimated seconds of the missing ones, without the unknown ones.
    """

    trials: int
    cached: int
    shared: int
    unknown: int
    wall_s: float


class Left(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A claim that is not planned, since this machine cannot run it or it cannot be run at all, and why."""

    claim: str
    tier: Tier
    reason: str


class Total(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The plan in numbers.

    Attributes:
        trials: in all.
        cached: of these, how many are in the cache.
        missing: how many are not.
        unknown: of the missing ones, how many have no estimate.
        wall_s: estimated seconds of the missing ones, one after the other, by the device that the estimates come from;
            without the unknown ones, so at least this.
    """

    trials: int
    cached: int
    missing: int
    unknown: int
    wall_s: dict[str, float]


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The trials that a selection of claims needs, in the order of the claims.

    Attributes:
        device: what they are to run on.
        device_class: what results are comparable with; every machine that takes part must be of this class.
        trials: each once.
        lines: the same by arm.
        left: claims that are not planned.
    """

    schema: Literal[1] = SCHEMA
    device: Device
    device_class: str
    trials: tuple[Planned, ...]
    lines: tuple[PlanLine, ...]
    left: tuple[Left, ...]
    total: Total

    @property
    def missing(self) -> list[Planned]:
        """The trials that are not in the cache."""
        return [trial for trial in self.trials if not trial.cached]


class _Named(NamedTuple):
    key: str
    case: Case
    arm: int
    use: Use
    trial: Trial


def make(
    cases: Sequence[Case],
    seeds: int | None,
    device: Device,
    root: Path,
    cache: Cache,
    past: Past,
    *,
    without_gpu: bool = False,
) -> Plan:
    """Plan the trials of cases, of which none is a submission, in their order.

    Arms of statistical claims are drawn at so many `seeds`, or at each claim's own number. What finished trials of this
    plan have cost is added to `past`. Claims of tier `gpu` are planned on a CPU only if they run `without_gpu`.
    """
    named: list[_Named] = []
    left: dict[tuple[str, str], Left] = {}
    for case in cases:
        try:
            named += _named(case, seeds, Suite(cache, device, without_gpu=without_gpu), root)
        except ReproError as why:
            claim = case.claim
            left.setdefault((claim.id, str(why)), Left(claim=claim.id, tier=claim.tier, reason=str(why)))
    groups: dict[str, list[_Named]] = {}  # arms that share a trial, by its key
    for arm in named:
        groups.setdefault(arm.key, []).append(arm)
    cached = {key for key, group in groups.items() if _priced(group, cache, past)}
    trials = tuple(_planned(group, key in cached, past) for key, group in groups.items())
    return Plan(
        device=device,
        device_class=device_class(device),
        trials=trials,
        lines=tuple(_line(use, trials) for use in dict.fromkeys(arm.use for arm in named)),
        left=tuple(left.values()),
        total=_total(trials),
    )


def _named(case: Case, seeds: int | None, suite: Suite, root: Path) -> list[_Named]:
    """The trials of one case, arm by arm; of a control, those that are known to be needed so far.

    Raises:
        ReproError: if this machine cannot run the claim, or the implementation has no such preset or field.
    """
    claim = case.claim
    if case.kind == "submission":
        raise ReproError("A submission is judged in a jail on one machine", "Run it without an engine.")
    require(claim, suite.device, without_gpu=suite.without_gpu)
    loaded = case.load(root)
    drawn_at = range(seeds if seeds is not None and claim.statistical else claim.seeds)
    if case.kind == "control":
        trials = suite.next_trials(claim, loaded, drawn_at)
    else:
        arms = enumerate(arms_of(claim.measurements()))
        trials = [(n, Trial(arm, loaded, seed, suite.device)) for n, arm in arms for seed in drawn_at]
    named = []
    for index, trial in trials:
        use = Use(claim=claim.id, implementation=loaded.label, arm=trial.arm.label)
        named.append(_Named(trial.key, case, index, use, trial))
    return named


def _priced(group: list[_Named], cache: Cache, past: Past) -> bool:
    """Whether a trial is in the cache; what it cost then counts for those like it."""
    trial = group[0].trial
    result = lookup(trial, cache)
    if result is not None:
        for use in {arm.use for arm in group}:
            on = device_class(trial.device)
            past.add(use.claim, use.implementation, use.arm, on, trial.key, result.usage.wall_s)
    return result is not None


def _planned(group: list[_Named], cached: bool, past: Past) -> Planned:
    (key, case, index, _, trial), uses = group[0], tuple(dict.fromkeys(arm.use for arm in group))
    assert case.kind != "submission", "none is planned"
    estimates = (past.estimate(use.claim, use.implementation, use.arm, trial.device) for use in uses)
    return Planned(
        key=key,
        claim=case.claim.id,
        kind=case.kind,
        implementation=trial.implementation.name,
        arm=index,
        seed=trial.seed,
        device=trial.device,
        tier=case.claim.tier,
        needed_by=uses,
        cached=cached,
        estimate=next((estimate for estimate in estimates if estimate is not None), None),
    )


def _line(use: Use, trials: Sequence[Planned]) -> PlanLine:
    own = [trial for trial in trials if trial.needed_by[0] == use]
    missing = [trial.estimate for trial in own if not trial.cached]
    return PlanLine(
        **msgspec.structs.asdict(use),
        trials=len(own),
        cached=len(own) - len(missing),
        shared=sum(use in trial.needed_by[1:] for trial in trials),
        unknown=missing.count(None),
        wall_s=sum(estimate.wall_s for estimate in missing if estimate is not None),
    )


def _total(trials: Sequence[Planned]) -> Total:
    missing = [trial for trial in trials if not trial.cached]
    known = [trial.estimate for trial in missing if trial.estimate is not None]
    wall_s = dict.fromkeys(sorted({estimate.on for estimate in known}), 0.0)
    for estimate in known:
        wall_s[estimate.on] += estimate.wall_s
    return Total(
        trials=len(trials),
        cached=len(trials) - len(missing),
        missing=len(missing),
        unknown=len(missing) - len(known),
        wall_s=wall_s,
    )


if __name__ == "__main__":
    sys.stdout.write(json.dumps(msgspec.json.schema(Plan), indent=2, sort_keys=True) + "\n")
