"""Networks of drawn weights against the oracle of hinton1993: codes, expected errors, gradients and updates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.hinton1993 import DescriptionLength, Net, arrays_of, pairs
from claims.oracles import hinton1993 as oracle
from repro import Measurements, Setting, Weights, cases, check_state, from_normal, numerical_gradients, scalar

Array = NDArray[np.float64]

SIZES = ((5, 3, 4, 9), (2, 1, 1, 1), (7, 2, 2, 4), (1, 4, 6, 30))
"""Inputs, hidden units, Gaussians and cases of the networks that are drawn."""
LARGEST = 6.0
"""Standard errors that a mean of drawn networks may be off."""


def drawn(setting: Setting, **fields: Any) -> Iterator[tuple[Any, Net, Array, Array]]:
    """Configs, networks, inputs and targets of each size; noise is large, and some weights have next to none."""
    rng = np.random.default_rng([setting.seed, 1993])
    for inputs, hidden, gaussians, count in SIZES:
        config = replace(setting.config, inputs=inputs, hidden=hidden, gaussians=gaussians, **fields)
        net = {name: rng.normal(size=shape) for name, shape in arrays_of(config).items()}
        for name in [name for name in net if name.startswith("log V")]:
            net[name] = rng.normal(-2.0, 0.7, net[name].shape) - 8 * (rng.random(net[name].shape) < 0.1)
        x = rng.normal(size=(count, inputs)).astype(np.float32).astype(np.float64)
        yield config, net, x, rng.normal(size=count) + 1


def copied(net: Weights) -> Net:
    """The same arrays in memory of their own."""
    return {name: array.copy() for name, array in net.items()}


def counts(implementation: DescriptionLength, setting: Setting) -> Measurements:
    """How many weights the config's network has, the shapes of others, and those of a network that was trained."""
    found = implementation.shapes(setting.config)
    weights = sum(prod(shape) for name, shape in found.items() if name.startswith("mu ") and name != "mu P")
    right = list[bool]()
    for config, _, x, y in drawn(setting, schedule=(1.0,), longest=1):
        *_, (_, model) = implementation.train(config, pairs(x, y), seed=0, device=setting.device)
        check_state(implementation.state(model), arrays_of(config))
        right.append({name: tuple(shape) for name, shape in implementation.shapes(config).items()} == arrays_of(config))
    prior = sum(prod(found.get(name, ())) for name in ("mu P", "log V P", "x"))
    return {
        "weights": scalar(weights, "weights"),
        "prior": cases([prior], 3 * setting.config.gaussians, "numbers"),
        "shapes": cases(right, 1, "1"),
    }


def codes(implementation: DescriptionLength, setting: Setting) -> Measurements:
    """Code lengths of drawn values, and sums over misfits at, above and below their root mean square."""
    rng, lengths, above = np.random.default_rng(setting.seed), [], []
    for _ in range(20):
        mean, deviation, t = rng.normal(), np.exp(rng.normal()), np.exp(rng.normal() - 4)
        value = mean + 3 * deviation * rng.normal(size=6)
        exact = -np.log(t * oracle.gaussian(value, np.array(mean), np.square(deviation)))
        lengths += list(implementation.code_length(value, mean, deviation, t) - exact)
        root = np.sqrt((value**2).mean())
        sums = [implementation.code_length(value, 0.0 * value, k * root, 1.0).sum() for k in (1.0, 0.9, 1.1)]
        lengths.append(sums[0] - oracle.misfit_cost(value**2))
        above += [sums[1] - sums[0], sums[2] - sums[0]]
    return {"lengths": cases(lengths, 0, "nats"), "above": cases(above, 0.001, "nats")}


def bits_back(implementation: DescriptionLength, setting: Setting) -> Measurements:
    """What weights cost under one Gaussian against C(w) - R(w), averaged over Q, for coarse and fine widths t."""
    gaps, least = [], []
    for config, net, *_ in drawn(setting):
        one = {name: array[:1] if name in ("mu P", "log V P", "x") else array for name, array in net.items()}
        found, _ = implementation.coded(replace(config, gaussians=1), copied(one))
        mu, deviation = oracle.weights(one, "mu")[:, None], np.exp(oracle.weights(one, "log V") / 2)[:, None]
        w, prior = mu + deviation * oracle.Z, (one["mu P"], np.exp(one["log V P"] / 2))
        for t in (1e-2, 1e-6):
            sent, back = (implementation.code_length(w, *by, t) for by in (prior, (mu, deviation)))
            gaps.append(found - (sent - back) @ oracle.GAUSS)
        gaps += [found - oracle.integral(one), found - oracle.divergences(one)[:, 0]]
        least.append(found)
    return {
        "gaps": cases(np.concatenate(gaps), 0, "nats"),
        "costs": cases(np.concatenate(least), 0, "nats"),
    }


def mixtures(implementation: DescriptionLength, setting: Setting) -> Measurements:
    """What weights cost under mixtures: Eq. 17, the coding scheme with the stated r_i (Eqs. 20 to 22), and Eq. 16."""
    gaps, picked, bound = [], [], []
    for config, net, *_ in drawn(setting):
        found, r = implementation.coded(config, copied(net))
        shifted, _ = implementation.coded(config, copied(net | {"x": net["x"] + 3}))
        g, pi = oracle.divergences(net), oracle.proportions(net)
        with np.errstate(all="ignore"):
            entropy = -np.where(r > 0, r * np.log(r), 0.0).sum(1)
        sent = (r * g).sum(1) + (r * np.log(1 / pi)).sum(1) - entropy
        gaps += [found - oracle.weight_costs(net), found - sent, found - shifted]
        joint = pi * np.exp(-g)
        picked.append((r - joint / joint.sum(1, keepdims=True)).ravel())
        bound.append(found - oracle.integral(net))
    return {
        "gaps": cases(np.concatenate(gaps), 0, "nats"),
        "picked": cases(np.concatenate(picked), 0, "1"),
        "above": cases(np.concatenate(bound), 0, "nats"),
    }


def expected_errors(implementation: DescriptionLength, setting: Setting) -> Measurements:
    """Outputs and their squared errors against the equations and, of one network, against many drawn precise ones."""
    unit, rng = setting.config.unit, np.random.default_rng(setting.seed)
    gaps, nats, off = [], [], []
    for number, (config, net, x, d) in enumerate(drawn(setting)):
        mean, variance = implementation.outputs(config, copied(net), x)
        wanted = oracle.outputs(net, unit, x)
        model = implementation.restore(config, copied(net), device=setting.device)
        gaps += [mean - wanted[0], variance - wanted[1], model.predict(pairs(x, d).inputs)[:, 0] - wanted[0]]
        gaps += [a - net[name] for name, array in implementation.state(model).items() for a in [np.asarray(array)]]
        nats += list(np.subtract(implementation.costs(config, copied(net), x, d), oracle.costs(net, unit, 0.0, x, d)))
        if number == 0:
            squares = np.stack([(d - y) ** 2 for y in _precise(net, unit, x, rng)])
            errors = (d - mean) ** 2 + variance
            off = (squares.mean(0) - errors) / (squares.std(0) / np.sqrt(len(squares)))
    return {
        "outputs": cases(np.concatenate([gap.ravel() for gap in gaps]), 0, "1"),
        "costs": cases(nats, 0, "nats"),
        "drawn": cases(off, 0, "standard errors"),
    }


def _precise(net: Net, unit: str, x: Array, rng: np.random.Generator, count: int = 20_000) -> Iterator[Array]:
    """Outputs [N] of networks whose weights are drawn from their posterior."""
    draws = {k: net[f"mu {k}"] + np.exp(net[f"log V {k}"] / 2) * rng.normal(size=(count, *net[f"mu {k}"].shape))
             for k in oracle.LAYERS}  # fmt: skip
    for number in range(count):
        total = x @ draws["ih"][number].T + draws["h"][number]
        y = (total > 0).astype(float) if unit == "threshold" else oracle.logistic(total)
        yield y @ draws["hj"][number] + draws["j"][number]


def slopes(implementation: DescriptionLength, setting: Setting) -> Measurements:
    """Gradients against differences of the oracle's costs and of the implementation's own (Section 8)."""
    unit, exact, own, found = setting.config.unit, [], [], []
    for coefficient, (config, net, x, d) in zip((0.05, 1.0, 0.4, 0.0), drawn(setting), strict=True):
        given = implementation.gradients(config, copied(net), x, d, coefficient)
        check_state({name: np.asarray(array) for name, array in given.items()}, arrays_of(config))
        by_oracle = numerical_gradients(_sum(oracle.costs, coefficient, unit, config.decay, x, d), net)
        by_itself = numerical_gradients(lambda w, c=config, x=x, d=d, k=coefficient:
                                        float(np.dot(implementation.costs(c, copied(w), x, d), (1, k))), net,
                                        epsilon=1e-4)  # fmt: skip
        found += list(np.subtract(implementation.costs(config, copied(net), x, d),
                                  oracle.costs(net, unit, config.decay, x, d)))  # fmt: skip
        for into, wanted in ((exact, by_oracle), (own, by_itself)):
            for name, array in wanted.items():
                into.append(np.abs(given[name] - array).max() / max(np.abs(array).max(), 0.05))
    return {"exact": cases(exact, 0, "1"), "own": cases(own, 0, "1"), "costs": cases(found, 0, "nats")}


def _sum(costs: Callable[..., tuple[float, float]], coefficient: float, *given: Any) -> Callable[[Any], float]:
    return lambda net: float(np.dot(costs(net, *given), (1, coefficient)))


def tables(implementation: DescriptionLength, setting: Setting) -> Measurements:
    """Errors of moments and of gradients with tables of two sizes, over those with exact moments."""
    rng = np.random.default_rng(setting.seed)
    mean, variance = rng.uniform(-6, 6, 2000), rng.uniform(0, 9, 2000)
    wanted, moments, by = oracle.moments("logistic", mean, variance), {}, {}
    for size in (20, 300):
        found = implementation.moments(replace(setting.config, table=size), mean, variance)
        moments[size] = float(np.abs(np.subtract(found, wanted)).max())
        by[size] = max(np.abs(slopes(implementation, replace(setting, config=replace(setting.config, table=size)))[
            "exact"].value))  # fmt: skip
    return {
        "moments": cases([moments[300]], 1e-3, "1"),
        "slopes": cases([by[300]], 1e-2, "1"),
        "coarser": cases([moments[20] / moments[300], by[20] / by[300]], 10, "1"),
    }


def thresholds(implementation: DescriptionLength, setting: Setting) -> Measurements:
    """Moments of units with and without noise, and gradients by the means and noise of weights into hidden units."""
    rng, config = np.random.default_rng(setting.seed), replace(setting.config, unit="threshold")
    mean, variance = rng.normal(size=300), rng.uniform(0, 4, 300) * (rng.random(300) < 0.8)
    gaps, moved = [], []
    for unit in ("threshold", "logistic"):
        found = implementation.moments(replace(config, unit=unit), mean, variance)
        gaps += [found[0] - oracle.moments(unit, mean, variance)[0], found[1] - oracle.moments(unit, mean, variance)[1]]
    _, net, x, d = next(drawn(setting))
    given = {name: array for name, array in net.items() if name.startswith("mu ") and name != "mu P"}
    own = replace(config, inputs=x.shape[1], hidden=len(net["mu h"]), gaussians=len(net["x"]))
    noisy = implementation.gradients(own, copied(net), x, d, 0.0)
    still = implementation.gradients(replace(own, noisy=False), copied(given), x, d, 0.0)
    moved = [np.abs(noisy[name]).min() for name in ("mu ih", "mu h", "log V ih", "log V h")]
    return {
        "moments": cases(np.concatenate(gaps), 0, "1"),
        "noisy": cases(moved, 1e-12, "1"),
        "still": cases(np.concatenate([still[name].ravel() for name in ("mu ih", "mu h")]), 0, "1"),
    }


def starts(implementation: DescriptionLength, setting: Setting) -> Measurements:
    """Networks before the first update: how likely the means of their weights are, and all else exactly."""
    likely, gaps = [], []
    for number, (spread, noise, reach, gaussians) in enumerate(((0.15, 0.1, 0.24, 5), (0.4, 0.3, 1.0, 3))):
        config = replace(setting.config, inputs=60, spread=spread, noise=noise, reach=reach, gaussians=gaussians)
        means = []
        for seed in range(3):
            seen = implementation.train(
                config, pairs(np.ones((4, 60)), np.arange(4.0)), seed=10 * number + seed, device=setting.device,
                eval_steps=(0,),
            )  # fmt: skip
            net = {name: np.asarray(a, np.float64) for name, a in implementation.state(next(iter(seen))[1]).items()}
            means.append(oracle.weights(net, "mu"))
            gaps += [oracle.weights(net, "log V") - 2 * np.log(noise), oracle.proportions(net) - 1 / gaussians]
            gaps += [net["mu P"] - np.linspace(-reach, reach, gaussians)]
            gaps += [np.exp(net["log V P"] / 2) - reach / (gaussians - 1)]
        likely += [from_normal(np.stack(means), spread), from_normal((means[0] - means[1]) / 2**0.5, spread)]
    return {"likely": cases(likely, 1e-6, "1"), "fixed": cases(np.concatenate(gaps), 0, "1")}


def annealed(implementation: DescriptionLength, setting: Setting) -> Measurements:
    """Which coefficient each update had: by its direction, within what gradients and steps so far span."""
    rng = np.random.default_rng(setting.seed)
    x, read, wanted = rng.normal(size=(30, 4)).astype(np.float32).astype(float), [], []
    y, late = np.tanh(x[:, 0] - x[:, 1]) + 0.1 * rng.normal(size=30), tuple(rng.uniform(0.1, 2.0, 3))
    for schedule, updates in ((setting.config.schedule, 1), (late, 3)):
        config = replace(
            setting.config, inputs=4, hidden=2, schedule=schedule, updates=updates, longest=updates, tolerance=0.0
        )
        steps = tuple(range(len(schedule) * updates + 1))
        nets = list[Net]()
        for _, model in implementation.train(config, pairs(x, y), seed=0, device=setting.device, eval_steps=steps):
            nets.append({name: np.array(a, np.float64) for name, a in implementation.state(model).items()})
        wanted += [coefficient for coefficient in schedule for _ in range(updates)]
        read += _coefficients(config, nets, x, y)
    return {"coefficients": cases([*read, len(read)], [*wanted, len(wanted)], "1")}


def _coefficients(config: Any, nets: list[Net], x: Array, y: Array) -> list[float]:
    """The ratio of both costs' gradients in each step between networks; NaN where the step is not within the span."""
    flat = [np.concatenate([net[name].ravel() for name in nets[0]]) for net in nets]
    earlier, found = list[Array](), list[float]()
    for place, net in enumerate(nets[:-1]):
        parts = [numerical_gradients(_sum(oracle.costs, k, config.unit, 0.0, x, y), net) for k in (0.0, 1.0)]
        misfits, both = (np.concatenate([part[name].ravel() for name in nets[0]]) for part in parts)
        step = flat[place + 1] - flat[place]
        columns = np.stack([misfits, both - misfits, *earlier], 1)
        scales = np.sqrt((columns**2).sum(0))
        shares, *_ = np.linalg.lstsq(columns / scales, step, rcond=1e-9)
        left = np.abs(step - columns / scales @ shares).max() / np.abs(step).max()
        shares = shares / scales
        found.append(float(shares[1] / shares[0]) if left < 1e-4 and shares[0] < 0 else np.nan)
        earlier += [misfits, both - misfits, step]
    return found


def endings(implementation: DescriptionLength, setting: Setting) -> Measurements:
    """The last stage: changes of the cost at its updates, with two tolerances and with a bound on updates.

    Measures:
        last, earlier: by how much cost falls at the last update and at each before, over the tolerance.
        updates: how many there are where a bound ends them; and what the cost of weights without noise slopes by.
    """
    rng = np.random.default_rng(setting.seed)
    x = rng.normal(size=(30, 6)).astype(np.float32).astype(float)
    y, last, earlier = np.tanh(x[:, 0] - x[:, 1]) + 0.1 * rng.normal(size=30), [], []
    config = replace(setting.config, inputs=6, hidden=2, schedule=(1.0,), longest=1000)
    for tolerance, longest in ((1e-1, 1000), (1e-3, 1000), (0.0, 7)):
        own, falls = replace(config, tolerance=tolerance, longest=longest), list[float]()
        seen = implementation.train(own, pairs(x, y), seed=0, device=setting.device, eval_steps=tuple(range(1001)))
        for _, model in seen:
            net = {name: np.asarray(a, np.float64) for name, a in implementation.state(model).items()}
            falls.append(-sum(oracle.costs(net, config.unit, 0.0, x, y)))
        changes = np.diff(falls)
        if tolerance:
            last.append(changes[-1] / tolerance)
            earlier += list(changes[:-1] / tolerance)
    return {
        "last": cases(last, 1, "1"),
        "earlier": cases(earlier, 1, "1"),
        "updates": cases([len(changes)], 7, "updates"),  # pyright: ignore[reportPossiblyUnboundVariable]
    }


def decayed(implementation: DescriptionLength, setting: Setting) -> Measurements:
    """Weights without noise: gradients of Eq. 4, where training ends, and linear regression of drawn cases."""
    found = slopes(implementation, replace(setting, config=replace(setting.config, noisy=False, decay=0.7)))
    rng, left = np.random.default_rng(setting.seed), []
    x = rng.normal(size=(20, 3)).astype(np.float32).astype(float)
    y = np.tanh(x[:, 0]) + 0.2 * rng.normal(size=20)
    for decay in (0.3, 2.0):
        config = replace(setting.config, noisy=False, decay=decay, inputs=3, hidden=2, tolerance=1e-12, schedule=(1.0,))
        *_, (_, model) = implementation.train(config, pairs(x, y), seed=1, device=setting.device)
        net = {name: np.array(a, np.float64) for name, a in implementation.state(model).items()}
        slope = numerical_gradients(_sum(oracle.costs, 1.0, config.unit, decay, x, y), net)
        left += [np.abs(array).max() for array in slope.values()]
    for count, ratio in ((20, 0.5), (20, 0.0), (2, 0.0), (2, 3.0)):
        b = implementation.linear_regression(x[:count], y[:count], ratio)
        kernel = x[:count] @ x[:count].T + ratio * np.eye(count)
        left += list(b - x[:count].T @ (np.linalg.pinv(kernel, rcond=1e-9) @ y[:count]))
    return dict(found) | {"left": cases(left, 0, "1")}
