"""What a change costs in the gate: thresholds, interleaved runs, and what cannot be measured."""

from __future__ import annotations

import numpy as np
import pytest

from harness.gate import costs
from harness.gate.protocol import RunCost
from harness.gate.thresholds import parse
from repro.errors import ReproError
from tests.gate_sides import Fake, facts


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("time", "'time' in the thresholds 'time' cannot be read"),
        ("time>1.05", "'time>1.05' in the thresholds 'time>1.05' cannot be read"),
        ("time<1.05,", "'' in the thresholds 'time<1.05,' cannot be read"),
        ("tme<1.05", "Unknown cost in the thresholds 'tme'"),
        ("time<0", "'0' in the thresholds 'time<0' is not a ratio"),
        ("time<1e999", "is not a ratio"),
        ("time<1..5", "is not a ratio"),
        ("time<1.1, time<1.2", "time appears twice"),
    ],
)
def test_mistaken_thresholds_are_said(text, says):
    """Each mistake in the expression has its message, with an example."""
    with pytest.raises(ReproError) as error:
        parse(text)
    assert says in error.value.problem
    assert error.value.remedy


def test_thresholds_are_read():
    """Names and ratios, with or without spaces; none is none."""
    assert [str(t) for t in parse("time<1.05,memory < 1.1")] == ["time < 1.05", "memory < 1.1"]
    assert parse("") == ()


class Clock(Fake):
    """A side whose runs take these seconds, over and over, with this much noise."""

    def __init__(self, seconds: float, noise: float = 0.0, joules: float | None = None) -> None:
        super().__init__()
        self.seconds, self.noise, self.joules, self.runs = seconds, noise, joules, 0
        self.order: list[str] = []

    def run_cost(self, claim: str, arm: int, seed: int) -> RunCost:
        """One run."""
        self.runs += 1
        noise = self.noise * float(np.random.default_rng([self.runs, int(1e3 * self.seconds)]).standard_normal())
        self.order.append(f"{self.seconds:g}")
        seconds = self.seconds * float(np.exp(noise))
        return RunCost(seconds=seconds, bytes=1e8, joules=self.joules, method="none: no counter", arm="walk")


@pytest.mark.parametrize(
    ("ratio", "noise", "state", "pairs"),
    [(1.2, 0.02, "worse", 5), (1.0, 0.01, "fine", 5), (1.05, 0.1, "undecided", 20), (0.5, 0.02, "fine", 5)],
)
def test_costs_are_decided_by_interleaved_runs_and_intervals(ratio, noise, state, pairs):
    """More pairs are run until the interval leaves the threshold, or their number is spent."""
    found = costs.measure([facts()], Clock(ratio, noise), Clock(1.0, noise), parse("time<1.05"))
    assert [(cost.state, cost.pairs) for cost in found] == [(state, pairs)]
    weights = [remark.weight for remark in costs.remarks(found, {"toy2020/a@1": facts()})]
    assert weights == {"worse": ["regression"], "undecided": ["undecided"], "fine": []}[state]


def test_the_first_of_a_pair_alternates():
    """What is warm or throttled by the run before it is so for both sides alike."""
    new, old = Clock(1.2), Clock(1.0)
    new.order = old.order = []
    costs.measure([facts()], new, old, parse("time<1.05"), pairs=4)
    assert new.order == ["1", "1.2", "1.2", "1", "1", "1.2", "1.2", "1"]


def test_energy_that_cannot_be_measured_is_said_and_not_invented():
    """No counter, no figure: a note with the reason, and no verdict."""
    found = costs.measure([facts()], Clock(1.0), Clock(1.0), parse("energy<1.1, memory<1.1"))
    assert [(cost.cost, cost.state, cost.ratio) for cost in found] == [
        ("energy", "unmeasured", None),
        ("memory", "fine", 1.0),
    ]
    (remark,) = costs.remarks(found, {"toy2020/a@1": facts()})
    assert (remark.weight, remark.says) == ("note", "energy of walk was not measured (none: no counter)")
    counted = costs.measure([facts()], Clock(1.0, joules=3.0), Clock(1.0, joules=2.0), parse("energy<1.1"))
    assert counted[0].state == "worse"
    assert counted[0].ratio == pytest.approx(1.5)
