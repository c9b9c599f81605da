"""How far gradients reach in gated networks that have learnt nothing, by Jacobians of single steps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from claims.experiments.gated_networks import GatedMemory, carried
from claims.experiments.long_lag_tasks import Array, pairs
from claims.oracles import olah2015 as oracle
from repro import Experiment, Measurements, Setting, curve, scalar


@dataclass(frozen=True)
class GradientSurvival(Experiment):
    """How much of a gradient is left after some steps back, in networks that have learnt nothing.

    Attributes:
        steps: that are read.
        lags: how far back.

    Measures:
        gradients: the Frobenius norm of d h_T / d x_(T - lag), over lags.
        left: that at the largest lag.
    """

    steps: int = 100
    lags: int = 50

    def __call__(self, implementation: GatedMemory, setting: Setting) -> Measurements:
        """Multiply Jacobians of single steps, which are central differences of the implementation's own module."""
        config, rng = replace(setting.config, updates=0, batch=2), np.random.default_rng([1997, setting.seed])
        x = rng.uniform(-1, 1, (self.steps, 1, config.inputs)).round(3)
        data = pairs((np.zeros((2, 3, config.inputs)), np.array([3, 3]), np.zeros((2, config.outputs))))
        weights = carried(implementation, replace(setting, config=config), data)
        given = {name: array.astype(np.float64) for name, array in weights.items()}
        of_h, of_c = oracle.widths(config.cell, given)
        state, jacobians = np.zeros((1, of_h + of_c)), list[Array]()
        for step, item in enumerate(x):
            if step >= self.steps - self.lags - 1:
                at = np.concatenate([item, state], 1)[0]
                jacobians.append(jacobian(implementation, config, given, at, of_h))
            state = advanced(implementation, config, given, item, state, of_h)
        back, found = np.eye(of_h + of_c)[:of_h], list[float]()
        for one in reversed(jacobians):
            found.append(float(np.linalg.norm(back @ one[:, : config.inputs])))
            back = back @ one[:, config.inputs :]
        return {
            "gradients": curve(np.arange(self.lags + 1), found, unit="1", x_unit="steps back"),
            "left": scalar(found[-1], "1"),
        }


def advanced(network: GatedMemory, config: Any, weights: Any, x: Array, state: Array, of_h: int) -> Array:
    """Both h and C, side by side, [N, ...], after one more step."""
    after = network.module(config, weights, x, state[:, :of_h], state[:, of_h:])
    return np.concatenate([after["h"], after["C"]], 1)


def jacobian(network: GatedMemory, config: Any, weights: Any, at: Array, of_h: int, epsilon: float = 1e-5) -> Array:
    """Of (h, C) after a step by (x, h, C) before it."""
    moved = at + epsilon * np.concatenate([np.eye(len(at)), -np.eye(len(at))])
    after = advanced(network, config, weights, moved[:, : config.inputs], moved[:, config.inputs :], of_h)
    above, below = np.split(after, 2)
    return ((above - below) / (2 * epsilon)).T
