"""Understanding LSTM Networks (Olah, 2015), and Long Short-Term Memory (Hochreiter & Schmidhuber, 1997)."""

from __future__ import annotations

from typing import Any

from claims.experiments import olah2015_exact as exact
from claims.experiments.olah2015 import GatedMemory, GradientSurvival, Recalled, some_strings
from repro import Contract, Paper, Reported, Run, all_of, at_least, at_most, claim, equals, higher, holds, lower

PAPER = Paper(
    key="olah2015",
    title="Understanding LSTM Networks",
    authors=("Christopher Olah",),
    year=2015,
    venue="colah.github.io, 27 August 2015",
    story="X",
)

CONTRACT = Contract(
    protocol=GatedMemory,
    preset="lstm",
    generate=some_strings,
    overrides={"inputs": 8, "outputs": 4, "updates": 30},
)

EQUATIONS = holds(1e-9)

@claim("repeating-modules", EQUATIONS, controls=["two_gates_only"])
def test_repeating_modules(run: Run):
    """The post's equations."""
    return run(exact.stepped, "lstm")["gaps"]
