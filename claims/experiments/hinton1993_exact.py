"""Networks of drawn weights against the oracle of hinton1993: codes, expected errors, gradients and updates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from itertools import combinations
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.hinton1993 import DescriptionLength, Net, arrays_of, followed, pairs
from claims.oracles import hinton1993 as oracle
from repro import Measurements, Setting, cases, check_state, from_normal, numerical_gradients, scalar

Array = NDArray[np.float64]

SIZES = ((5, 3, 4, 9), (2, 1, 1, 1), (7, 2, 2, 4), (1, 4, 6, 130))  # inputs, hidden units, Gaussians, cases
LARGEST = 6.0  # standard errors that a mean over drawn networks may be off


def drawn(setting: Setting) -> Iterator[tuple[Any, Net, Array, Array]]:
    """Configs, networks, inputs and targets of each size; noise is large, and some weights have next to none."""
    rng = np.random.default_rng([setting.seed, 1993])
    for inputs, hidden, gaussians, count in SIZES:
        config = replace(setting.config, inputs=inputs, hidden=hidden, gaussians=gaussians)
        net = {name: rng.normal(size=shape) for name, shape in arrays_of(config).items()}
        for name in [name for name in net if name.startswith("log V")]:
            net[name] = rng.normal(-2.0, 0.7, net[name].shape) - 8 * (rng.random(net[name].shape) < 0.1)
        yield config, net, rng.integers(-128, 129, (count, inputs)) / 64, rng.normal(size=count) + 1


def counts(implementation: DescriptionLength, setting: Setting) -> Measurements:
    """How many weights the config's network has, the shapes of others, and those of a network that was trained."""
    found, right = implementation.shapes(setting.config), list[bool]()
    weights = sum(prod(shape) for name, shape in found.items() if name.startswith("mu ") and name != "mu P")
    for config, _, x, y in drawn(setting):
        list(followed(implementation, setting, replace(config, schedule=(1.0,), longest=1), x, y))
        right.append({name: tuple(shape) for name, shape in implementation.shapes(config).items()} == arrays_of(config))
    prior = sum(prod(found.get(name, ())) for name in ("mu P", "log V P", "x"))
    sizes = cases([prior, *right], [3 * setting.config.gaussians, *[1] * len(right)], "1")
    return {"weights": scalar(weights, "weights"), "sizes": sizes}


def codes(implementation: DescriptionLength, setting: Setting) -> Measurements:
    """What misfits cost, against their codes by Gaussians of the root mean squared error and of other deviations."""
    same, above = [], []
    for config, net, x, d in drawn(setting):
        stated, *_ = implementation.evaluated(config, deepcopy(net), x, d, 1.0)
        squares = oracle.expected_errors(net, config.unit, x, d)
        for factor in (1.0, 0.8, 1.25):
            sigma = factor * np.sqrt(squares.mean())
            length = (np.log(np.sqrt(2 * np.pi) * sigma) + squares / (2 * sigma**2)).sum()  # Eq. 2
            (same if factor == 1.0 else above).append(length - stated)
    return {"same": cases(same, 0, "nats"), "above": cases(above, 0.001, "nats")}


def bits_back(implementation: DescriptionLength, setting: Setting) -> Measurements:
    """What weights cost under one Gaussian against C(w) - R(w), averaged over Q, for coarse and fine widths t."""
    gaps, costs = [], []
    for config, net, *_ in drawn(setting):
        one = {name: array[:1] if name in ("mu P", "log V P", "x") else array for name, array in net.items()}
        found, _ = implementation.coded(replace(config, gaussians=1), deepcopy(one))
        mu, deviation = oracle.weights(one, "mu")[:, None], np.exp(oracle.weights(one, "log V") / 2)[:, None]
        w, prior = mu + deviation * oracle.Z, (one["mu P"], np.exp(one["log V P"]))
        for t in (1e-2, 1e-6):
            sent, back = (-np.log(t * oracle.gaussian(w, *by)) for by in (prior, (mu, deviation**2)))  # Eqs. 6 and 7
            gaps += [*(found - (sent - back) @ oracle.GAUSS)]
        gaps += [*(found - oracle.integral(one)), *(found - oracle.divergences(one)[:, 0])]
        costs += [*found]
    return {"gaps": cases(gaps, 0, "nats"), "costs": cases(costs, 0, "nats")}


def mixtures(implementation: DescriptionLength, setting: Setting) -> Measurements:
    """What weights cost under mixtures: Eq. 17, the coding scheme with the stated r_i (Eqs. 20 to 22), and Eq. 16."""
    gaps, picked, above = [], [], []
    for config, net, *_ in drawn(setting):
        found, r = implementation.coded(config, deepcopy(net))
        shifted, _ = implementation.coded(config, deepcopy(net | {"x": net["x"] + 3}))
        g, pi = oracle.divergences(net), oracle.proportions(net)
        back = -np.where(r > 0, r * np.log(np.maximum(r, 1e-300)), 0.0).sum(1)
        sent = (r * g).sum(1) + (r * np.log(1 / pi)).sum(1) - back
        joint = pi * np.exp(-g)
        gaps += [*(found - oracle.weight_costs(net)), *(found - sent), *(found - shifted)]
        picked += [*(r - joint / joint.sum(1, keepdims=True)).ravel()]
        above += [*(found - oracle.integral(net))]
    return {"gaps": cases(gaps, 0, "nats"), "picked": cases(picked, 0, "1"), "above": cases(above, 0, "nats")}


def expected_errors(implementation: DescriptionLength, setting: Setting) -> Measurements:
    """Predictions and expected squared errors, read off the cost of single cases, against the equations.

    Of one network they are compared with many precise networks that are drawn, too.
    """
    unit, gaps, nats, off = setting.config.unit, [], [], np.empty(0)
    for number, (config, net, x, d) in enumerate(drawn(setting)):
        model = implementation.restore(config, deepcopy(net), device=setting.device)
        singly = zip(x[:, None], d[:, None], strict=True)
        alone = np.array([implementation.evaluated(config, deepcopy(net), *case, 1.0)[0] for case in singly])
        stated = np.exp(2 * alone - 1) / (2 * np.pi)  # Eq. 3 for one case
        gaps += [model.predict(pairs(x, d).inputs)[:, 0] - oracle.outputs(net, unit, x)[0]]
        gaps += [(array - net[name]).ravel() for name, array in implementation.state(model).items()]
        nats += [*(alone - oracle.misfit_cost(oracle.expected_errors(net, unit, x, d)[:, None]))]
        costs = implementation.evaluated(config, deepcopy(net), x, d, 1.0)[:2]
        nats += [*np.subtract(costs, oracle.costs(net, unit, 0.0, x, d))]
        if number == 0:
            squares = (d - _precise(net, unit, x, np.random.default_rng(setting.seed))) ** 2
            off = (squares.mean(0) - stated) / (squares.std(0) / np.sqrt(len(squares)))
    gaps = np.concatenate(gaps)
    return {"outputs": cases(gaps, 0, "1"), "costs": cases(nats, 0, "nats"), "drawn": cases(off, 0, "standard errors")}


def _precise(net: Net, unit: str, x: Array, rng: np.random.Generator, count: int = 20_000) -> Array:
    """Outputs [count, N] of networks whose weights are drawn from their posterior."""
    noise = {k: np.exp(net[f"log V {k}"] / 2) * rng.normal(size=(count, *net[f"mu {k}"].shape)) for k in oracle.LAYERS}
    ih, h, hj, j = (net[f"mu {k}"] + noise[k] for k in oracle.LAYERS)
    total = np.einsum("nd,chd->cnh", x, ih) + h[:, None]
    y = (total > 0).astype(float) if unit == "threshold" else 1 / (1 + np.exp(-total))
    return np.einsum("cnh,ch->cn", y, hj) + j


def slopes(implementation: DescriptionLength, setting: Setting) -> Measurements:
    """Gradients against differences of the oracle's costs, which the stated costs must equal (Section 8)."""
    unit, gaps, nats = setting.config.unit, [], []
    for coefficient, (config, net, x, d) in zip((0.05, 1.0, 0.4, 0.0), drawn(setting), strict=True):
        *costs, given = implementation.evaluated(config, deepcopy(net), x, d, coefficient)
        check_state({name: np.asarray(array) for name, array in given.items()}, arrays_of(config))
        wanted = numerical_gradients(total(coefficient, unit, config.decay, x, d), net)
        gaps += [np.abs(given[n] - array).max() / max(np.abs(array).max(), 0.05) for n, array in wanted.items()]
        nats += [*np.subtract(costs, oracle.costs(net, unit, config.decay, x, d))]
    return {"slopes": cases(gaps, 0, "1"), "costs": cases(nats, 0, "nats")}


def total(coefficient: float, *given: Any) -> Callable[[Any], float]:
    """The oracle's first cost plus a coefficient times the second, as a function of a network."""
    return lambda net: float(np.dot(oracle.costs(net, *given), (1, coefficient)))


def tables(implementation: DescriptionLength, setting: Setting) -> Measurements:
    """Errors of moments and of gradients with tables of two sizes, and of other moments with the finer."""
    rng, off = np.random.default_rng(setting.seed), []
    mean, variance = rng.uniform(-6, 6, 2000), rng.uniform(0, 9, 2000)
    wanted = oracle.moments("logistic", mean, variance)
    for size in (300, 20):
        own = replace(setting, config=replace(setting.config, table=size))
        moments = np.abs(np.subtract(implementation.moments(own.config, mean, variance)[:2], wanted)).max()
        off.append((moments, np.max(slopes(implementation, own)["slopes"].value)))
    noisy = rng.uniform(-6, 6, 500), rng.uniform(4, 9, 500)
    beyond = rng.choice([-1, 1], 90) * rng.uniform(12, 60, 90), rng.uniform(0, 1, 90)
    rest = []  # threshold units have a table of their own, and far out a table's edge counts
    for unit, (mean, variance) in (("threshold", noisy), ("logistic", beyond)):
        found = implementation.moments(replace(setting.config, table=300, unit=unit), mean, variance)[:2]
        rest.append(np.abs(np.subtract(found, oracle.moments(unit, mean, variance))).max())
    fine = cases([*off[0], *rest], (1e-3, 1e-2, 1e-3, 1e-3), "1")
    return {"fine": fine, "coarse": cases(np.divide(off[1], off[0]), 10, "1")}


def thresholds(implementation: DescriptionLength, setting: Setting) -> Measurements:
    """Moments of units with and without noise, and gradients by what threshold units receive."""
    rng, gaps = np.random.default_rng(setting.seed), []
    mean, variance = rng.normal(size=300), rng.uniform(0, 4, 300) * (rng.random(300) < 0.8)
    with np.errstate(all="ignore"):  # where there is no noise
        for unit in ("threshold", "logistic"):
            found = implementation.moments(replace(setting.config, unit=unit), mean, variance)
            gaps += [*np.subtract(found[:2], oracle.moments(unit, mean, variance)).ravel()]
        config, net, x, d = next(drawn(replace(setting, config=replace(setting.config, unit="threshold"))))
        means = {name: array.copy() for name, array in net.items() if name.startswith("mu ") and name != "mu P"}
        noisy = implementation.evaluated(config, deepcopy(net), x, d, 0.0)[2]
        still = implementation.evaluated(replace(config, noisy=False), means, x, d, 0.0)[2]
    least = [np.abs(noisy[name]).min() for name in ("mu ih", "mu h", "log V ih", "log V h")]
    none = np.concatenate([still["mu ih"].ravel(), still["mu h"]])
    return {"moments": cases(gaps, 0, "1"), "noisy": cases(least, 1e-6, "1"), "still": cases(none, 0, "1")}


def starts(implementation: DescriptionLength, setting: Setting) -> Measurements:
    """Networks before the first update: how likely means of weights are, by layers, and all else exactly."""
    likely, gaps, x = [], [], np.ones((4, 60))
    for spread, noise, reach, gaussians in ((0.15, 0.1, 0.24, 5), (0.4, 0.3, 1.0, 3)):
        shape = {"inputs": 60, "hidden": 40, "spread": spread, "noise": noise, "reach": reach, "gaussians": gaussians}
        config, nets = replace(setting.config, **shape, updates=1), list[Net]()
        for seed in range(3):
            net = next(followed(implementation, replace(setting, seed=seed), config, x, np.arange(4.0), (0,)))
            nets.append(net)
            gaps += [oracle.weights(net, "log V") - 2 * np.log(noise), oracle.proportions(net) - 1 / gaussians]
            gaps += [net["mu P"] - np.linspace(-reach, reach, gaussians)]
            gaps += [np.exp(net["log V P"] / 2) - reach / (gaussians - 1)]
        for layer in oracle.LAYERS:
            means = np.stack([net[f"mu {layer}"] for net in nets])
            likely += [from_normal(means, spread), from_normal((means[0] - means[1]) / 2**0.5, spread)]
        several = nets[0]["mu h"], nets[0]["mu hj"], nets[0]["mu ih"].ravel()[:40]  # which no layer shares with another
        likely += [from_normal((one - other) / 2**0.5, spread) for one, other in combinations(several, 2)]
    return {"likely": cases(likely, 1e-6, "1"), "fixed": cases(np.concatenate(gaps), 0, "1")}


def annealed(implementation: DescriptionLength, setting: Setting) -> Measurements:
    """Updates of small networks: the coefficient of each, and falls of the cost over the tolerance, the last apart."""
    rng = np.random.default_rng(setting.seed)
    x, read, wanted = rng.integers(-128, 129, (30, 4)) / 64, list[float](), list[float]()
    y, late = np.tanh(x[:, 0] - x[:, 1]) + 0.1 * rng.normal(size=30), tuple(rng.uniform(0.1, 2.0, 3))
    small = replace(setting.config, inputs=4, hidden=2)
    for schedule, updates in ((setting.config.schedule, 1), (late, 3)):
        config = replace(small, schedule=schedule, updates=updates, longest=updates, tolerance=0.0)
        steps = tuple(range(len(schedule) * updates + 1))
        found = _coefficients(config, list(followed(implementation, setting, config, x, y, steps)), x, y)
        wanted += [*np.repeat(schedule, updates), len(steps) - 1]
        read += [*([*found, *len(steps) * [np.nan]][: len(steps) - 1]), len(found)]
    falls = list[Array]()
    for tolerance in (1e-1, 1e-3):
        config = replace(small, schedule=(1.0,), tolerance=tolerance, longest=1000)
        nets = followed(implementation, setting, config, x, y, tuple(range(1001)))
        falls.append(-np.diff([sum(oracle.costs(net, config.unit, 0.0, x, y)) for net in nets]) / tolerance)
    last, earlier = [each[-1] for each in falls], np.concatenate([each[:-1] for each in falls])
    return {"coefficients": cases(read, wanted, "1"), "last": cases(last, 1, "1"), "earlier": cases(earlier, 1, "1")}


def _coefficients(config: Any, nets: list[Net], x: Array, y: Array) -> list[float]:
    """The ratio of both costs' gradients in each step between networks; NaN where the step is not within the span."""
    earlier, found = list[Array](), list[float]()
    flat = [np.concatenate([net[name].ravel() for name in nets[0]]) for net in nets]
    for place, net in enumerate(nets[:-1]):
        parts = [numerical_gradients(total(k, config.unit, 0.0, x, y), net) for k in (0.0, 1.0)]
        misfits, both = (np.concatenate([part[name].ravel() for name in nets[0]]) for part in parts)
        step, columns = flat[place + 1] - flat[place], np.stack([misfits, both - misfits, *earlier], 1)
        scales, longest = np.sqrt((columns**2).sum(0)), np.abs(step).max()
        if not (np.isfinite(columns).all() and scales.all() and longest > 0):
            return [np.nan]
        shares = np.linalg.lstsq(columns / scales, step, rcond=1e-9)[0] / scales
        within = np.abs(step - columns @ shares).max() < 1e-4 * longest and shares[0] < 0
        found.append(float(shares[1] / shares[0]) if within else np.nan)
        earlier += [misfits, both - misfits, step]
    return found


def decayed(implementation: DescriptionLength, setting: Setting) -> Measurements:
    """Weights without noise: gradients of Eq. 4, where training ends, and linear regression of drawn cases."""
    found = slopes(implementation, replace(setting, config=replace(setting.config, decay=0.7)))
    rng, left = np.random.default_rng(setting.seed), []
    y = np.tanh((x := rng.integers(-128, 129, (105, 3)) / 64)[:, 0]) + 0.2 * rng.normal(size=105)
    for decay in (0.3, 2.0):
        config = replace(setting.config, decay=decay, inputs=3, hidden=2, tolerance=1e-12)
        *_, net = followed(implementation, setting, config, x, y)
        end = numerical_gradients(total(1.0, config.unit, decay, x, y), net)
        left += [np.abs(array).max() for array in end.values()]
    for count, ratio in ((20, 0.5), (20, 0.0), (2, 0.0), (2, 3.0)):
        b, known = implementation.linear_regression(x[:count], y[:count], ratio), x[:count]
        left += [*(b - known.T @ (np.linalg.pinv(known @ known.T + ratio * np.eye(count), rcond=1e-9) @ y[:count]))]
    return {**found, "left": cases(left, 0, "1")}
