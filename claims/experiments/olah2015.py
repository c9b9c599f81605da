"""What gated recurrent networks have learnt of tasks of 1997, measured from their weights alone."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from claims.experiments.gated_networks import GatedMemory, carried
from claims.experiments.long_lag_tasks import Array, Drawn, adding, graphs, pairs, temporal_order
from claims.oracles import olah2015 as oracle
from repro import Experiment, Measurements, Setting, scalar

CLOSE = 1e-3  # that predictions may be from the equations, with the weights that were learnt


def some_strings(seed: int) -> Any:
    """Sequences for audits."""
    return pairs(temporal_order(np.random.default_rng([1997, seed]), 48, 10))


def read(network: GatedMemory, setting: Setting, arrays: Mapping[str, Any], drawn: Drawn) -> Array:
    """Outputs [N, O] of a network made anew of its weights; NaN where the first few are not those of the equations."""
    with setting.untrained() if setting.untrained else nullcontext(network) as names:
        model = names.restore(setting.config, dict(arrays), device=setting.device)
        found = np.asarray(model.predict(graphs(*drawn[:2])), np.float64)
    weights = {name: np.asarray(array, np.float64) for name, array in arrays.items()}
    wanted = oracle.outputs(setting.config, weights, drawn[0][:8], drawn[1][:8])
    return found if (np.abs(found[:8] - wanted) <= CLOSE).all() else np.full_like(found, np.nan)


@dataclass(frozen=True)
class Recalled(Experiment):
    """Train on sequences of a task; measure on others.

    Attributes:
        task: which one.
        length: of sequences; the gap grows with it.
        given, tests: how many sequences are trained on and tested.
        tolerance: by which an output may err (Tables 7 and 9).

    Measures:
        misread: tests whose largest output is not that of the target, in %; for classes.
        error: mean squared error, of the variance of targets; 1 for what always predicts their mean.
        wrong: tests with an output that errs by more than the tolerance.
    """

    task: Literal["adding", "order"]
    length: int
    given: int = 2560
    tests: int = 256
    tolerance: float = 0.3
    passes_config_on: ClassVar[bool] = True

    def __call__(self, implementation: GatedMemory, setting: Setting) -> Measurements:
        """Measure a network that was made anew of what was learnt."""
        rng = np.random.default_rng([1997, self.length, setting.seed])
        task = adding if self.task == "adding" else temporal_order
        drawn = task(rng, self.given, self.length), task(rng, self.tests, self.length)
        targets = drawn[1][2]
        outputs = read(implementation, setting, carried(implementation, setting, pairs(drawn[0])), drawn[1])
        finite = np.isfinite(outputs).all()
        misread = 100 * (outputs.argmax(1) != targets.argmax(1)).mean() if finite else np.nan
        over = (np.abs(outputs - targets) > self.tolerance).any(1).sum() if finite else np.nan
        error = ((outputs - targets) ** 2).mean() / ((targets - targets.mean(0)) ** 2).mean()
        return {
            "misread": scalar(float(misread), "%", better="lower"),
            "error": scalar(float(error), "1", better="lower"),
            "wrong": scalar(float(over), "sequences", better="lower"),
        }
