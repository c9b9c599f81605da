"""How gated recurrent networks are measured: the contract, the tasks of 1997, and what is learnt of them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from claims.experiments.long_lag_tasks import Array, Drawn, adding, graphs, pairs, temporal_order
from claims.oracles import olah2015 as oracle
from repro import Experiment, Measurements, Setting, check_state, curve, scalar
from repro.task import GraphRegressor, Stateful

CLOSE = 1e-3  # that predictions may be from the equations, with the weights that were learnt


class GatedMemory(GraphRegressor, Stateful, Protocol):
    """A recurrent layer and an output layer, which is read after the last item of a sequence.

    A sequence is a graph without edges whose nodes are [1 + I]: the time of an item, and the item. Lengths in a batch
    differ. Weights, of n = `hidden` units, are W [n, n + I] on [h_{t-1}, x_t] and b [n], as the post has them:
        "rnn": W_h, b_h. "lstm": W_f, W_i, W_C, W_o and b_f, b_i, b_C, b_o. "coupled": without W_i, b_i: i = 1 - f.
        "peephole": as "lstm", with W_f and W_i [n, 2 n + I] on [C_{t-1}, h_{t-1}, x_t], W_o on [C_t, h_{t-1}, x_t].
        "gru": W_z, W_r, W_h, no biases; W_h is on [r h_{t-1}, x_t], and h_t = (1 - z) h_{t-1} + z h~.
        "blocks" (1997): `hidden` blocks of `size` cells. W_c, W_in and W_out read [y_{t-1}, x_t], where y are outputs
        of cells (block by block), input gates and output gates; g is within [-2, 2] and h within [-1, 1]. There are b_c
        with `biases` "hidden" or "all", b_in and b_out with "gates" too, and b_y with "all". With `feedforward` there
        are no output gates, hidden units read x_t, and outputs read [y, x_t]; such networks are only counted.
    The output layer is W_y [O, n] ("blocks": of cells alone) and b_y [O], `output` "linear" or "logistic".
    All start from zeros. Weights start uniformly within `init`; b_f at `forget_bias`, b_in and b_out at `in_biases` and
    `out_biases`, one for each block, where there are any. The loss is half the squared errors, summed over outputs, in
    the mean over a batch. Each pass takes the sequences in a new order that the seed draws, in batches of `batch`, and
    leaves out what fills none. Gradients are clipped by their norm together where it is above `clip`, 0 for never;
    updates are `optimizer` "sgd" or "adam" (its authors' constants) at `lr`. With `truncated`, "blocks" have gradients
    in which y_{t-1} is constant. With the `precision` "float64" arithmetic and predictions are of that kind.
    """

    def shapes(self, config: Any) -> dict[str, tuple[int, ...]]:
        """The shape of every weight, by name."""
        ...

    def module(self, config: Any, weights: Mapping[str, Array], x: Array, h: Array, c: Array) -> dict[str, Array]:
        """One step in float64, of x [N, I], h [N, n] and C [N, n] ("rnn", "gru": [N, 0]; "blocks": y and states).

        Returns:
            "h" and "C" after it, and the gates "f", "i", "new" (the candidate) and "o"; "z", "r" and "new" of a GRU;
            "in" and "out" of blocks.
        """
        ...

    def tally(self, outputs: Array, targets: Array, tolerance: float) -> tuple[int, float]:
        """Sequences with an output that errs by more than `tolerance`, and the mean squared error (Tables 7 to 9)."""
        ...


def some_strings(seed: int) -> Any:
    """Sequences for audits."""
    return pairs(temporal_order(np.random.default_rng([1997, seed]), 48, 10))


def carried(network: GatedMemory, setting: Setting, data: Any) -> dict[str, NDArray[Any]]:
    """The weights after training; they must be the contract's."""
    *_, (_, model) = network.train(setting.config, data, seed=setting.seed, device=setting.device)
    arrays = {name: np.array(array) for name, array in network.state(model).items()}
    check_state(arrays, network.shapes(setting.config))
    return arrays


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
