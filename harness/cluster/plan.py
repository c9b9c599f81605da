"""Plans: the trials that a selection of claims needs, each once, as data.

`python -m repro.plan` prints the JSON schema of a plan.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from repro.cache import Cache
from repro.claim import Tier, arms_of
from repro.errand import Errand
from repro.errors import ReproError
from repro.estimate import Estimate, Past
from repro.machine import device_class
from repro.session import Case
from repro.suite import require
from repro.task import Device
from repro.trial import Trial, lookup

SCHEMA = 1


class Use(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What needs a trial: an arm of a claim on an implementation, "reference" or "control:NAME"."""

    claim: str
    implementation: str
    arm: str


class Planned(Errand, frozen=True, kw_only=True, forbid_unknown_fields=True):
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


class Line(Use, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
    lines: tuple[Line, ...]
    left: tuple[Left, ...]
    total: Total

    @property
    def missing(self) -> list[Planned]:
        """The trials that are not in the cache."""
        return [trial for trial in self.trials if not trial.cached]


class _Named(NamedTuple):
    errand: Errand
    use: Use
    trial: Trial
    tier: Tier


def make(cases: Sequence[Case], seeds: int | None, device: Device, root: Path, cache: Cache, past: Past) -> Plan:
    """Plan the trials of cases.

    Args:
        cases: claims on implementations, in the order of the plan; no submissions.
        seeds: how many each arm of a statistical claim is drawn at; None for each claim's own number.
        device: what trials are to run on.
        root: the project.
        cache: where finished trials are.
        past: what trials have cost; finished ones of this plan are added to it.
    """
    named, left = _gathered(cases, seeds, device, root)
    uses: dict[str, list[_Named]] = {}
    for one in named:
        uses.setdefault(one.errand.key, []).append(one)
    cached = {key for key, group in uses.items() if _priced(group, cache, past)}
    trials = tuple(_planned(group, key in cached, past, device) for key, group in uses.items())
    return Plan(
        device=device,
        device_class=device_class(device),
        trials=trials,
        lines=tuple(_line(use, trials) for use in dict.fromkeys(one.use for one in named)),
        left=tuple(left),
        total=_total(trials),
    )


def _gathered(
    cases: Sequence[Case], seeds: int | None, device: Device, root: Path
) -> tuple[list[_Named], Iterable[Left]]:
    named: list[_Named] = []
    left: dict[tuple[str, str], Left] = {}
    for case in cases:
        try:
            named += _named(case, seeds, device, root)
        except ReproError as why:
            claim = case.claim
            left.setdefault((claim.id, str(why)), Left(claim=claim.id, tier=claim.tier, reason=str(why)))
    return named, left.values()


def _named(case: Case, seeds: int | None, device: Device, root: Path) -> list[_Named]:
    """The trials of one case, arm by arm.

    Raises:
        ReproError: if this machine cannot run the claim, or the implementation has no such preset or field.
    """
    claim = case.claim
    if case.kind == "submission":
        raise ReproError("A submission is judged in a jail on one machine", "Run it without an engine.")
    require(claim, device)
    found = case.load(root)
    drawn_at = range(seeds if seeds is not None and claim.statistical else claim.seeds)
    named = []
    for index, arm in enumerate(arms_of(claim.draws())):
        for seed in drawn_at:
            trial = Trial(arm, found, seed, device)
            errand = Errand(
                key=trial.key,
                claim=claim.id,
                kind=case.kind,
                implementation=found.name,
                arm=index,
                seed=seed,
                device=device,
            )
            named.append(
                _Named(errand, Use(claim=claim.id, implementation=found.label, arm=arm.label), trial, claim.tier)
            )
    return named


def _priced(group: list[_Named], cache: Cache, past: Past) -> bool:
    """Whether a trial is in the cache; what it cost then counts for those like it."""
    trial = group[0].trial
    outcome = lookup(trial, cache)
    if outcome is not None:
        for use in {one.use for one in group}:
            on = device_class(trial.device)
            past.add(use.claim, use.implementation, use.arm, on, trial.key, outcome.usage.wall_s)
    return outcome is not None


def _planned(group: list[_Named], cached: bool, past: Past, device: Device) -> Planned:
    uses = tuple(dict.fromkeys(one.use for one in group))
    found = (past.estimate(use.claim, use.implementation, use.arm, device) for use in uses)
    return Planned(
        **msgspec.structs.asdict(group[0].errand),
        tier=group[0].tier,
        needed_by=uses,
        cached=cached,
        estimate=next((estimate for estimate in found if estimate is not None), None),
    )


def _line(use: Use, trials: Sequence[Planned]) -> Line:
    own = [trial for trial in trials if trial.needed_by[0] == use]
    missing = [trial.estimate for trial in own if not trial.cached]
    return Line(
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


def json_schema() -> dict[str, Any]:
    """The JSON schema of a plan."""
    return msgspec.json.schema(Plan)


if __name__ == "__main__":
    import sys

    sys.stdout.write(json.dumps(json_schema(), indent=2, sort_keys=True) + "\n")
