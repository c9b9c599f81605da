"""The suite: draws a claim's samples from trials and judges them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from repro import data
from repro.claim.claim import Claim, MeasurementRef, MeasurementRefs, arms_of, leaves
from repro.criterion.comparisons import Criterion
from repro.criterion.measurement import Sample
from repro.criterion.verdict import Outcome, Verdict, rejects
from repro.errors import ReproError, Unavailable
from repro.machine.environment import machine
from repro.task import Device
from repro.trial.cache import Cache
from repro.trial.early import Step, steps, whole
from repro.trial.implementation import LoadedImplementation, control
from repro.trial.trial import Trial, TrialResult, compute, lookup

Samples = Sample | tuple["Samples", ...]
Notify = Callable[[int, int, str], None]
"""Told (trials done, trials in all, what is being computed)."""


@dataclass(frozen=True, eq=False)
class Judged:
    """A claim judged on one implementation."""

    claim: Claim
    implementation: LoadedImplementation
    verdict: Verdict
    samples: tuple[Sample, ...]
    trials: tuple[tuple[Trial, TrialResult], ...]
    wall_s: float

    @property
    def short(self) -> bool:
        """Whether fewer seeds were drawn than the claim asks for: then nothing is settled."""
        return self.claim.statistical and len({trial.seed for trial, _ in self.trials}) < self.claim.seeds

    def outcome(self, controls: Sequence[Judged] = ()) -> Outcome:
        """What people read of it, given the controls that were run beside it."""
        return Outcome.of(
            self.verdict.status,
            self.claim.evidence,
            known_refutation=self.claim.known_refutation,
            enough_seeds=not self.short,
            rejected=(control.rejected for control in controls),
        )

    @property
    def rejected(self) -> bool:
        """For a control: whether the criterion rejected it."""
        return rejects(self.verdict.status, known_refutation=self.claim.known_refutation)


class Suite:
    """Judges claims, with one cache and one device.

    Args:
        cache: where trials are kept.
        device: what trials run on.
        notify: called with progress, trial by trial.
        without_gpu: whether claims of tier `gpu` are judged on a CPU too.
    """

    def __init__(
        self, cache: Cache, device: Device = "cpu", notify: Notify | None = None, *, without_gpu: bool = False
    ) -> None:
        self.cache = cache
        self.device: Device = device
        self.without_gpu = without_gpu
        self._notify = notify or (lambda done, total, what: None)
        self._judged: dict[tuple[str, str, tuple[int, ...]], Judged] = {}
        self._controls: dict[tuple[str, str, tuple[int, ...]], Judged] = {}

    def judge(self, claim: Claim, implementation: LoadedImplementation, seeds: Sequence[int] | None = None) -> Judged:
        """Run the trials that the claim's arms need, at its seeds or the given ones, and judge the samples.

        Raises:
            Unavailable: if this machine lacks what the claim needs.
            ReproError: if a trial fails or returns what the claim cannot use.
        """
        drawn_at = _seeds(claim, seeds)
        key = (claim.digest(), implementation.source, drawn_at)
        if key not in self._judged:
            require(claim, self.device, without_gpu=self.without_gpu)
            self._judged[key] = self._judge(claim, implementation, whole(claim, drawn_at))
        return self._judged[key]

    def judge_control(self, claim: Claim, control: LoadedImplementation, seeds: Sequence[int] | None = None) -> Judged:
        """Judge what the claim must reject, step by step until it does; see `early`.

        Raises:
            Unavailable: if this machine lacks what the claim needs.
            ReproError: if a trial fails or returns what the claim cannot use.
        """
        drawn_at = _seeds(claim, seeds)
        key = (claim.digest(), control.source, drawn_at)
        if key not in self._controls:
            require(claim, self.device, without_gpu=self.without_gpu)
            started = time.perf_counter()
            *first, last = steps(claim, drawn_at)
            judged = next((found for step in first if (found := self._judge(claim, control, step)).rejected), None)
            judged = judged or self._judge(claim, control, last)
            self._controls[key] = replace(judged, wall_s=time.perf_counter() - started)
        return self._controls[key]

    def controls(self, claim: Claim, seeds: Sequence[int] | None = None) -> list[Judged]:
        """The claim judged on each of its controls."""
        return [self.judge_control(claim, control(claim.paper.key, name), seeds) for name in claim.controls]

    def next_trials(
        self, claim: Claim, control: LoadedImplementation, seeds: Sequence[int] | None = None
    ) -> list[tuple[int, Trial]]:
        """The trials that a control is known to need, each with the number of its arm.

        They are those of the first step that is not all in the cache, or at which the control was rejected.
        """
        found: list[tuple[int, Trial]] = []
        for step in steps(claim, _seeds(claim, seeds)):
            arms = enumerate(arms_of(step.draws))
            found = [(n, Trial(arm, control, seed, self.device)) for n, arm in arms for seed in step.seeds]
            if any(lookup(trial, self.cache) is None for _, trial in found):
                break
            if self._judge(claim, control, step).rejected:
                break
        return found

    def _judge(self, claim: Claim, implementation: LoadedImplementation, step: Step) -> Judged:
        started = time.perf_counter()
        arms = arms_of(step.draws)
        trials = {(id(arm), seed): Trial(arm, implementation, seed, self.device) for arm in arms for seed in step.seeds}
        results = self._perform(trials)
        samples = _samples(step.draws, trials, results, step.seeds)
        return Judged(
            claim,
            implementation,
            judge(step.criterion, samples),
            tuple(leaves(samples)),
            tuple((trial, results[trial.key]) for trial in _unique(trials)),
            time.perf_counter() - started,
        )

    def _perform(self, trials: dict[tuple[int, int], Trial]) -> dict[str, TrialResult]:
        """Every trial (by arm and seed) once; those that another process is computing are left for last."""
        todo = _unique(trials)
        total, wait = len(todo), 0.0
        results: dict[str, TrialResult] = {}
        while todo:
            left: list[Trial] = []
            for trial in todo:
                self._notify(len(results), total, str(trial))
                result = compute(trial, self.cache, wait=wait)
                if result is None:
                    left.append(trial)
                else:
                    results[trial.key] = result
            wait = 1.0 if len(left) == len(todo) else 0.0
            todo = left
        self._notify(total, total, "judging")
        return results


def resolve_device(asked: str) -> Device:
    """The device trials run on; "auto" takes a GPU if there is one.

    Raises:
        ReproError: if the asked device is not there.
    """
    if asked == "auto":
        return "cuda" if machine().gpu is not None and _torch_sees(asked="cuda") else "cpu"
    if asked in ("cuda", "mps") and not _torch_sees(asked):
        found = machine().gpu or "no GPU"
        raise ReproError(f"--device {asked} was asked for, but torch sees none here ({found})", "Run `repro doctor`.")
    return asked  # type: ignore[return-value] -- argparse admits only devices


def _torch_sees(asked: str) -> bool:
    import torch

    return torch.cuda.is_available() if asked == "cuda" else torch.backends.mps.is_available()


def require(claim: Claim, device: Device, *, without_gpu: bool = False) -> None:
    """Check that this machine can run the claim; one of tier `gpu` runs `without_gpu` if a person asked for that.

    Raises:
        Unavailable: naming what is missing, how to get it, and what the claim would cost.
    """
    cost = f"It would cost {claim.cost}." if claim.cost else ""
    if claim.tier == "gpu" and device != "cuda" and not without_gpu:
        remedy = f"Use --device cuda on such a machine, or name both --tier gpu and --device cpu to wait for it. {cost}"
        raise Unavailable("needs a GPU and this run is on the CPU", remedy)
    arms = arms_of(claim.measurements())
    on_gpus = any(arm.experiment.needs_gpu for arm in arms)
    if claim.tier == "cluster" and on_gpus and (device != "cuda" or machine().gpu is None):
        raise Unavailable("needs one or more GPUs", f"Use --device cuda on such a machine. {cost}")
    for name in sorted({arm.data for arm in arms if arm.data}):
        if not data.available(name):
            raise Unavailable(f"needs the dataset {name}, which is not here", f"{data.how_to_get(name)} {cost}")
        if claim.evidence == "original" and not data.complete(name):
            raise Unavailable(f"needs all of {name}, and only a part of it is here", f"{data.how_to_get(name)} {cost}")


def _seeds(claim: Claim, given: Sequence[int] | None) -> tuple[int, ...]:
    return tuple(range(claim.seeds) if given is None else given)


def _unique(trials: dict[tuple[int, int], Trial]) -> list[Trial]:
    return list({trial.key: trial for trial in trials.values()}.values())


def _samples(
    draws: MeasurementRefs,
    trials: dict[tuple[int, int], Trial],
    results: dict[str, TrialResult],
    seeds: tuple[int, ...],
) -> Samples:
    if isinstance(draws, tuple):
        return tuple(_samples(part, trials, results, seeds) for part in draws)
    return _sample(draws, [results[trials[id(draws.arm), seed].key] for seed in seeds], seeds)


def _sample(drawn: MeasurementRef, results: list[TrialResult], seeds: tuple[int, ...]) -> Sample:
    name = drawn.measurement
    for result in results:
        if name not in result.measurements:
            if name in result.exhibits:
                raise ReproError(
                    f"{name!r} of {drawn.arm.label!r} is an exhibit, which no criterion judges",
                    "Judge a measurement; the record keeps the exhibit of its own accord.",
                )
            known = ", ".join(sorted(result.measurements))
            raise ReproError(f"Arm {drawn.arm.label!r} has no measurement {name!r}", f"It measures {known}.")
    found = [result.measurements[name] for result in results]
    first = found[0]
    shapes = {np.shape(m.value) for m in found}
    if len(shapes) > 1 or any(not _same(m.x, first.x) or m.unit != first.unit for m in found):
        raise ReproError(f"Measurement {name!r} of {drawn.arm.label!r} differs in shape, grid or unit between seeds")
    return Sample(
        arm=drawn.arm.label,
        measurement=name,
        unit=first.unit,
        seeds=seeds,
        values=np.asarray([m.value for m in found], dtype=float),
        x=first.x,
        x_unit=first.x_unit,
        expected=None if first.expected is None else np.asarray(first.expected, dtype=float),
        better=first.better,
    )


def judge(criterion: Criterion, samples: Samples) -> Verdict:
    """The criterion's verdict on what a claim's body drew: one sample, or as many as the criterion takes."""
    return criterion.judge(samples if isinstance(samples, tuple) else (samples,))  # type: ignore[arg-type]


def _same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    return one is other or (one is not None and other is not None and np.array_equal(one, other))
