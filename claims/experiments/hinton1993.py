"""How networks with noisy weights are measured: the contract, stand-ins for the peptides, and what is learnt from them.

All is measured from the arrays that `state` gives, by the equations of the oracle; test cases are never passed on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from claims.oracles import hinton1993 as oracle
from repro import Experiment, Measurement, Measurements, Setting, check_state, curve, scalar
from repro.task import GraphRegressor, Graphs, Stateful

Array = NDArray[np.float64]
Net = dict[str, Array]

CASES, GIVEN = 525, 105  # that a stand-in has, and that are trained on (Section 9)


class DescriptionLength(GraphRegressor, Stateful, Protocol):
    """A network with one layer of hidden units, one linear output and noisy weights.

    A case is a graph of one node: `inputs.nodes` [N, D], `outputs` [N, 1]; predictions are expected outputs. Steps are
    updates: `updates` for each coefficient of `schedule` but the last, whose stage ends with the first update that
    lowers the cost by less than `tolerance` nats, or after `longest`. The first runs down the gradient by the arrays
    below, later ones within what gradients and steps so far span, as conjugate gradients and L-BFGS do.

    `state` gives, and a network `net` is: the means of weights "mu ih" [H, D] into hidden units, of their biases "mu h"
    [H], of weights "mu hj" [H] from them and of the output's bias "mu j" [1]; the logarithms of their variances, "log V
    ih" to "log V j"; and of the coding-prior "mu P", "log V P" and "x" [K] (Eq. 26, up to a constant). Where
    `config.noisy` is false there are means alone, and Eq. 4 is minimised with sigma_j = 1 and 1 / sigma_w**2 =
    `config.decay`, for biases too. Weights are listed as ih, h, hj, j, by rows. Misfits have codes for t = 1. Nothing
    need be more exact than a table of 300 x 300 entries.
    """

    def shapes(self, config: Any) -> dict[str, tuple[int, ...]]:
        """The shape of every array of a network, by name."""
        ...

    def coded(self, config: Any, net: Net) -> tuple[Array, Array]:
        """What each weight costs by Eq. 17, [W], and with which r_i its Gaussians are picked by Eq. 18, [W, K]."""
        ...

    def moments(self, config: Any, mean: Array, variance: Array) -> Sequence[Array]:
        """First mean and variance of a hidden unit's output, for inputs of these means and variances; 0 is no noise."""
        ...

    def evaluated(self, config: Any, net: Net, inputs: Array, targets: Array, coefficient: float) -> Any:
        """What misfits of targets [N] cost (Eqs. 3 and 12), and weights (Eq. 17); or the two terms of Eq. 4.

        Third, derivatives of the first plus `coefficient` times the second, by every array.
        """
        ...

    def linear_regression(self, inputs: Array, targets: Array, ratio: float) -> Array:
        """Coefficients [D] of least squares plus `ratio` times their sum of squares; at 0 the smallest solution."""
        ...


def pairs(x: Array, y: Array) -> Any:
    """Inputs [N, D] and targets [N] as what an implementation is trained on."""
    ones, none = np.ones(len(x), np.int64), np.zeros((0, 2))
    edges, links = none.astype(np.int64), none.astype(np.float32)
    inputs = Graphs(nodes=x.astype(np.float32), edges=edges, links=links, nodes_of=ones, edges_of=0 * ones)
    return SimpleNamespace(inputs=inputs, outputs=np.asarray(y, np.float64)[:, None])


def stand_in(seed: int, factors: int = 0, cases: int = CASES) -> tuple[Array, Array]:
    """Standardised inputs [N, 128] and targets [N] of a made-up task: two saturating features of sparse directions.

    Inputs are independent and each direction has eight of them, half with either sign; or they come from some factors,
    and each direction follows the signs of the 40 largest loadings of one. A tenth of the variance is noise.
    """
    rng = np.random.default_rng([1993, factors, seed])
    x, directions = rng.normal(size=(cases, 128)), np.zeros((2, 128))
    loadings = 0.4 * rng.normal(size=(factors, 128))
    if factors:
        x = rng.normal(size=(cases, factors)) @ loadings + 0.6 * x
    for number, direction in enumerate(directions):
        chosen = np.argsort(-np.abs(loadings[2 * number]))[:40] if factors else rng.permutation(128)[:8]
        direction[chosen] = np.sign(loadings[2 * number][chosen]) if factors else np.tile([1.0, -1.0], 4)
    a, b = (x @ directions.T / (x @ directions.T).std(0)).T
    y = np.tanh(1.5 * a) + np.tanh(1.5 * b - 0.5) * (1 if factors else -1)
    y = y / y.std() + 0.3 * rng.normal(size=cases)
    x = ((x - x.mean(0)) / x.std(0)).astype(np.float32).astype(np.float64)
    return x, (y - y.mean()) / y.std()


def some_cases(seed: int) -> Any:
    """Cases for audits."""
    return pairs(*stand_in(seed, cases=60))


def followed(
    implementation: DescriptionLength, setting: Setting, config: Any, x: Array, y: Array, steps: Sequence[int] = ()
) -> Iterator[Net]:
    """Networks after some updates, and last at the end; their arrays must be the contract's."""
    how = {"seed": setting.seed, "device": setting.device, "eval_steps": steps}
    for _, model in implementation.train(config, pairs(x, y), **how):
        net = {name: np.array(array, np.float64) for name, array in implementation.state(model).items()}
        check_state(net, arrays_of(config))
        yield net


def arrays_of(config: Any) -> dict[str, tuple[int, ...]]:
    """The arrays of a network by the contract."""
    hidden, gaussians = config.hidden, config.gaussians
    sizes = {"ih": (hidden, config.inputs), "h": (hidden,), "hj": (hidden,), "j": (1,)}
    kinds = ("mu", "log V") if config.noisy else ("mu",)
    prior = dict.fromkeys(("mu P", "log V P", "x"), (gaussians,)) if config.noisy else {}
    return {f"{kind} {layer}": shape for kind in kinds for layer, shape in sizes.items()} | prior


def relative_error(predicted: Array, targets: Array) -> float:
    """Eq. 27."""
    return float(((targets - predicted) ** 2).sum() / ((targets - targets.mean()) ** 2).sum())


def errors(predicted: Array, y: Array, name: str = "") -> dict[str, Measurement]:
    """Relative errors of test cases and of training cases."""
    parts = {"relative_error": slice(GIVEN, None), "train_error": slice(GIVEN)}
    return {name + kind: scalar(relative_error(predicted[at], y[at]), "1") for kind, at in parts.items()}


def clustered(weights: Array) -> float:
    """The share of weights within a quarter of all weights' deviation of the best three centres; of normal ones 0.4."""
    w = np.sort(weights)
    sums, squares = (np.concatenate([[0.0], np.cumsum(w**power)]) for power in (1, 2))

    def left(low: Any, high: Any) -> Any:
        return squares[high] - squares[low] - (sums[high] - sums[low]) ** 2 / np.maximum(high - low, 1)

    i, j = np.meshgrid(np.arange(1, len(w) - 1), np.arange(2, len(w)), indexing="ij")
    rest = np.where(i < j, left(0 * i, i) + left(i, j) + left(j, 0 * j + len(w)), np.inf)
    first, second = np.unravel_index(np.argmin(rest), rest.shape)
    centres = np.array([part.mean() for part in np.split(w, [first + 1, second + 2])])
    return float((np.abs(w[:, None] - centres).min(1) < 0.25 * w.std()).mean())


@dataclass(frozen=True)
class Described(Experiment):
    """Train one network with noisy weights.

    Measures:
        relative_error, train_error: of test cases and of training cases (Eq. 27).
        cost, weight_cost: of misfits and weights together, and of weights alone (Eqs. 3 and 17).
        spread, clustered: of all means of weights but the output bias's, their standard deviation and see there.
        gaussians: how many Gaussians the coding-prior uses, as the exponential of the entropy of pi.
        density: of the coding-prior, over weights (Figure 3).
        means, noise: means of weights in ascending order, and standard deviations in the same order (Figure 2).
    """

    factors: int = 0
    passes_config_on: ClassVar[bool] = True

    def __call__(self, implementation: DescriptionLength, setting: Setting) -> Measurements:
        """Measure on cases that were not given."""
        x, y = stand_in(setting.seed, self.factors)
        *_, net = followed(implementation, setting, setting.config, x[:GIVEN], y[:GIVEN])
        with np.errstate(all="ignore"):  # of what has diverged
            misfits, weights = oracle.costs(net, setting.config.unit, 0.0, x[:GIVEN], y[:GIVEN])
            costs = {"cost": scalar(misfits + weights, "nats"), "weight_cost": scalar(weights, "nats")}
            return self._measured(net) | errors(oracle.outputs(net, setting.config.unit, x)[0], y) | costs

    def _measured(self, net: Net) -> dict[str, Any]:
        pi, mu, log_v = oracle.proportions(net), oracle.weights(net, "mu"), oracle.weights(net, "log V")
        grid, rank = np.linspace(-2, 2, 401), np.argsort(mu)
        density = pi @ oracle.gaussian(grid, net["mu P"][:, None], np.exp(net["log V P"])[:, None])
        return {
            "spread": scalar(mu[:-1].std(), "1"),
            "clustered": scalar(clustered(mu[:-1]), "1"),
            "gaussians": scalar(np.exp(-(pi * np.log(np.maximum(pi, 1e-300))).sum()), "1"),
            "density": curve(grid, density, unit="1", x_unit="weight"),
            "means": curve(np.arange(len(mu)), mu[rank], unit="1", x_unit="rank"),
            "noise": curve(np.arange(len(mu)), np.exp(log_v[rank] / 2), unit="1", x_unit="rank"),
        }


@dataclass(frozen=True)
class Penalized(Experiment):
    """Networks without noise and linear regression, each with the penalty of some that suits the test cases best.

    Measures:
        relative_error, train_error: of the network; regression_relative_error, regression_train_error: of regression.
    """

    decays: Sequence[float] = (0.0,)
    ratios: Sequence[float] = (0.0,)
    factors: int = 0

    def __call__(self, implementation: DescriptionLength, setting: Setting) -> Measurements:
        """Both on the same cases."""
        x, y = stand_in(setting.seed, self.factors)
        found = list[Array]()
        for decay in self.decays:
            config = replace(setting.config, decay=decay)
            *_, net = followed(implementation, setting, config, x[:GIVEN], y[:GIVEN])
            with np.errstate(all="ignore"):
                found.append(oracle.outputs(net, config.unit, x)[0])
        lines = [x @ implementation.linear_regression(x[:GIVEN], y[:GIVEN], ratio) for ratio in self.ratios]
        measured = dict[str, Measurement]()
        for name, several in (("", found), ("regression_", lines)):
            best = min(several, key=lambda each: np.nan_to_num(relative_error(each[GIVEN:], y[GIVEN:]), nan=np.inf))
            measured |= errors(best, y, name)
        return measured
