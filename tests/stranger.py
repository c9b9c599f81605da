"""A made-up paper, as a stranger would fill in the skeleton of it: a walk that forgets where it began."""

from __future__ import annotations

KEY = "stranger2026"

REFERENCE = '''"""S. Stranger, "Walks that forget", 2026.

arXiv:2601.00001v1, the version that was read. Implemented: Section 2.

Shapes
  T  times at which the walk is observed

Units
  steps

Deviations from the paper
  1. Section 2 leaves the noise open; here it is normal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Config:
    """Section 2: what is kept in each step, where the walk begins, and how much noise is added."""

    keeps: float = 0.9
    start: float = 8.0
    noise: float = 0.1


CONFIGS = {"slow": Config(), "fast": Config(keeps=0.5)}


def simulate(config: Config, times: Sequence[int], *, seed: int) -> NDArray[np.float64]:
    """States [T] at the given times, Eq. 1."""
    noise = config.noise * np.random.default_rng(seed).standard_normal(max(times) + 1)
    states = [config.start]
    for step in range(max(times)):
        states.append(config.keeps * states[-1] + noise[step])
    return np.array(states)[list(times)]
'''

ORACLE = '''"""The equations of the paper, typed from it in NumPy float64; nothing is read from the reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def states(config: Any, times: Sequence[int]) -> NDArray[np.float64]:
    """Eq. 2: without noise the state after t steps is keeps^t start, [T]."""
    return config.start * np.float64(config.keeps) ** np.array(times)
'''

EXPERIMENTS = '''"""What is measured of an implementation."""

from __future__ import annotations

from claims.oracles.stranger2026 import states
from repro import Measurements, Setting, cases, scalar
from repro.task import Simulator


def beside_the_equations(simulator: Simulator, setting: Setting) -> Measurements:
    """States at a few times without noise, beside those of the paper's equations."""
    times = (0, 1, 2, 5)
    found = simulator.simulate(setting.config, times, seed=setting.seed)
    return {"states": cases(found, states(setting.config, times), "1")}


def where_it_is(simulator: Simulator, setting: Setting) -> Measurements:
    """The state after ten steps."""
    return {"state": scalar(float(simulator.simulate(setting.config, (0, 10), seed=setting.seed)[1]), "1")}
'''

CONTROLS = '''"""Sabotaged walks: each differs from the reference in the one thing that its docstring states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from repro import sabotage


def counts_times_from_one(reference: Any) -> SimpleNamespace:
    """Times are counted from one, so that every state is a step late."""

    def simulate(config: Any, times: Sequence[int], *, seed: int) -> Any:
        return reference.simulate(config, [time + 1 for time in times], seed=seed)

    return sabotage(reference, simulate=simulate)


def keeps_everything(reference: Any) -> SimpleNamespace:
    """What is kept in a step is not multiplied, and the walk forgets nothing."""

    def simulate(config: Any, times: Sequence[int], *, seed: int) -> Any:
        return reference.simulate(replace(config, keeps=1.0), times, seed=seed)

    return sabotage(reference, simulate=simulate)


PLANTED = {  # noise is kept and the state is not
    "follows-the-equations": ("config.keeps * states[-1] + noise[step]", "states[-1] + config.keeps * noise[step]"),
}
'''

CLAIMS = '''"""S. Stranger, "Walks that forget": what the paper claims."""

from __future__ import annotations

from claims.experiments.stranger2026 import beside_the_equations, where_it_is
from repro import Contract, Paper, Run, claim, higher, holds
from repro.task import Simulator

PAPER = Paper(
    key="stranger2026",
    title="Walks that forget",
    authors=("S. Stranger",),
    year=2026,
    arxiv="2601.00001v1",
    story="A walk that keeps less of its state forgets sooner where it began.",
)

CONTRACT = Contract(protocol=Simulator, preset="slow")


# Mechanism: exact, with no or almost no training.


@claim("follows-the-equations", holds(tolerance=1e-9), controls=["counts_times_from_one"])
def test_follows_the_equations(run: Run):
    """Section 2: without noise the states are those of Eq. 2."""
    return run(beside_the_equations, "slow", noise=0.0)["states"]


# Direction: an ordering, a shape or a slope at reduced size, on several seeds.


@claim("forgets-sooner", higher(by=1.0), seeds=4, controls=["keeps_everything"])
def test_forgets_sooner(run: Run):
    """Figure 1: after ten steps a walk that keeps more is further away."""
    return run(where_it_is, "slow")["state"], run(where_it_is, "fast")["state"]
'''

TESTS = '''"""Tests of reference/stranger2026.py: what can be worked out by hand."""

from __future__ import annotations

from reference import stranger2026


def test_three_steps_worked_out_by_hand():
    """Half of 8 is 4, of 4 is 2, of 2 is 1."""
    config = stranger2026.Config(keeps=0.5, noise=0.0)
    assert stranger2026.simulate(config, (0, 1, 2, 3), seed=0).tolist() == [8.0, 4.0, 2.0, 1.0]
'''

ALTERNATIVE = '''"""The same walk from its sum, Eq. 3: each noise is kept for as many steps as follow it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Config:
    """As the reference's."""

    keeps: float = 0.9
    start: float = 8.0
    noise: float = 0.1


CONFIGS = {"slow": Config(), "fast": Config(keeps=0.5)}


def simulate(config: Config, times: Sequence[int], *, seed: int) -> NDArray[np.float64]:
    """States [T] at the given times."""
    noise = config.noise * np.random.default_rng([seed, 1]).standard_normal(max(times) + 1)
    return np.array([config.keeps**t * config.start + config.keeps ** np.arange(t)[::-1] @ noise[:t] for t in times])
'''

FILES = {
    f"reference/{KEY}.py": REFERENCE,
    f"claims/oracles/{KEY}.py": ORACLE,
    f"claims/experiments/{KEY}.py": EXPERIMENTS,
    f"claims/controls/{KEY}.py": CONTROLS,
    f"claims/test_{KEY}.py": CLAIMS,
    f"tests/test_{KEY}.py": TESTS,
    f"tests/alternatives/{KEY}.py": ALTERNATIVE,
}
"""By path from the project, what stands in place of the skeleton."""
