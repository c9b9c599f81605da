"""Costs of two implementations or revisions on one machine: interleaved runs, and the ratio of what they cost."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from repro.criterion.statistics import interval, mean_effect

Run = TypeVar("Run")


@dataclass(frozen=True)
class RatioEstimate:
    """A ratio of costs, candidate to baseline.

    Attributes:
        ratio: geometric mean of the pairs' ratios.
        low, high: ends of the Student t interval, on the logarithms; None with a single pair.
        baseline: geometric mean of the baseline's runs.
    """

    ratio: float
    low: float | None
    high: float | None
    baseline: float


@dataclass
class PairedRuns(Generic[Run]):
    """Runs of a candidate and of a baseline, in pairs; which of the two goes first alternates."""

    candidate: list[Run] = field(default_factory=list)
    baseline: list[Run] = field(default_factory=list)

    def add_pair(self, run_candidate: Callable[[int], Run], run_baseline: Callable[[int], Run]) -> None:
        """Run one more pair; both are given its index, from 0."""
        pair = len(self.candidate)
        order = [(run_baseline, self.baseline), (run_candidate, self.candidate)]
        for run, runs in reversed(order) if pair % 2 else order:
            runs.append(run(pair))

    def ratio(self, read: Callable[[Run], float | None], level: float, least: float = 0.0) -> RatioEstimate | None:
        """The ratio of a cost; None where any run lacks it or shows no more than `least`.

        Args:
            read: the cost of a run.
            level: of each end of the interval.
            least: what a run must exceed to count as measured.
        """
        pairs = [(read(a), read(b)) for a, b in zip(self.candidate, self.baseline, strict=True)]
        known = np.array([(a, b) for a, b in pairs if a is not None and b is not None and a > least and b > least])
        if not len(known) or len(known) < len(pairs):
            return None
        logs: NDArray[np.float64] = np.log(known)
        effect = mean_effect(logs[:, 0] - logs[:, 1])
        ends = interval(effect, level)
        return RatioEstimate(
            ratio=math.exp(effect.estimate),
            low=None if ends is None else math.exp(ends[0]),
            high=None if ends is None else math.exp(ends[1]),
            baseline=math.exp(logs[:, 1].mean()),
        )
