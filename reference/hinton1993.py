"""Noisy weights: Hinton and van Camp 1993, COLT (not on arXiv: the proceedings' text was read).

"Keeping Neural Networks Simple by Minimizing the Description Length of the Weights". Implemented: codes of misfits and
of precise weights (Sections 3 and 4), of noisy ones under a mixture of Gaussians (Sections 5 to 7), exact expected
squared errors (Section 5.3), tables (Section 8), training and linear regression (Section 9), thresholds (Section 10).

Shapes: N cases, D inputs, H hidden units, W = H (D + 2) + 1 weights, K Gaussians in the coding-prior. One output.
A network is a dict of arrays: means "mu ih" [H, D] (incoming), "mu h" [H] (hidden biases), "mu hj" [H] (outgoing) and
"mu j" [1] (output bias); if its weights are noisy, also "log V ih" and so on, the logarithms of their variances, and
of the coding-prior "mu P", "log V P" and "x" [K], where pi = softmax(x).

Units: code lengths are in nats, with a quantization width of 1 for misfits. A step is an update of the optimizer.

Deviations:
  1. L-BFGS instead of conjugate gradients (SciPy's, 20 corrections). It needs fewer; `longest` bounds them.
  2. Moments of logistic units are integrals by 32 points (Gauss-Hermite), unless `table` asks for the paper's table,
     whose range is not printed: means from -12 to 12 and variances from 0 to 36; beyond, its edge counts.
  3. Weight decay minimises Eq. 4 from the same random means, and decays biases like other weights.
  4. Arithmetic is NumPy's in float64, on whatever device.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator
from scipy.optimize import minimize
from scipy.special import expit, ndtr

Array = NDArray[np.float64]
Net = dict[str, Array]

LAYERS = ("ih", "h", "hj", "j")
NODES, CHANCES = np.polynomial.hermite_e.hermegauss(32)
CHANCES = CHANCES / CHANCES.sum()


@dataclass(frozen=True, kw_only=True)
class Config:
    """One network and how it is trained; the defaults are Section 9's.

    Attributes:
        unit: what hidden units compute of their total input; a threshold unit is 1 above 0, else 0.
        noisy: whether weights have noise and are coded; if not, Eq. 4 is minimised with `decay` for its ratio.
        reach: the Gaussians' means start evenly from minus this to this, two standard deviations apart.
        spread, noise: standard deviations at the start, of the means of weights and of every weight.
        schedule: coefficients of the weights' cost, for `updates` updates each.
        tolerance: the last stage ends when an update lowers the cost by less, in nats, or after `longest` updates.
        table: entries along each side of the table of moments; 0 for integrals instead.
    """

    inputs: int = 128
    hidden: int = 4
    unit: Literal["logistic", "threshold"] = "logistic"
    noisy: bool = True
    decay: float = 0.0
    gaussians: int = 5
    reach: float = 0.24
    spread: float = 0.15
    noise: float = 0.1
    schedule: tuple[float, ...] = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    updates: int = 100
    tolerance: float = 1e-6
    longest: int = 2000
    table: int = 0


CONFIGS = {"peptides": Config(), "noise-free": Config(noisy=False, schedule=(1.0,))}


def shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """The shape of every array of a network."""
    H, K = config.hidden, config.gaussians
    weights = dict(zip(LAYERS, ((H, config.inputs), (H,), (H,), (1,)), strict=True))
    found = {f"mu {layer}": shape for layer, shape in weights.items()}
    if config.noisy:
        found |= {f"log V {layer}": shape for layer, shape in weights.items()}
        found |= {"mu P": (K,), "log V P": (K,), "x": (K,)}
    return found


def _divergences(net: Net, mu_W: Array, log_V_W: Array) -> Array:
    """Eq. 9: G_i [W, K] between the posterior of each weight and each Gaussian of the coding-prior."""
    log_V = net["log V P"]
    gap = np.exp(log_V_W)[:, None] + (net["mu P"] - mu_W[:, None]) ** 2
    return (log_V - log_V_W[:, None] + gap / np.exp(log_V) - 1) / 2


def _weights(net: Net, what: str) -> Array:
    return np.concatenate([net[f"{what} {layer}"].ravel() for layer in LAYERS])


def _coded(net: Net, mu_W: Array, log_V_W: Array) -> tuple[Array, Array, Array]:
    """Eqs. 17, 18 and 26: what weights cost [W], the r_i of their Gaussians [W, K], and the pi_i [K]."""
    pi = np.exp(net["x"] - net["x"].max())
    pi /= pi.sum()
    log_joint = np.log(pi) - _divergences(net, mu_W, log_V_W)
    most = log_joint.max(1, keepdims=True)
    joint = np.exp(log_joint - most)
    total = joint.sum(1, keepdims=True)
    return -(most + np.log(total))[:, 0], joint / total, pi


def coded(config: Config, net: Net) -> tuple[Array, Array]:
    """Eqs. 17 and 18: nats that each noisy weight costs, [W], and its r_i, [W, K]; weights as LAYERS stand, by rows."""
    return _coded(net, _weights(net, "mu"), _weights(net, "log V"))[:2]


def moments(config: Config, mean: Array, variance: Array) -> Array:
    """Mean and variance of a hidden unit's output, and the derivatives of each by those of its input: [6, ...]."""
    if config.table:
        inside = np.clip(mean, -12, 12), np.clip(variance, 0, 36)
        return np.moveaxis(_table(config.table, config.unit)(inside), -1, 0)
    return _threshold(mean, variance) if config.unit == "threshold" else _logistic(mean, variance)


@lru_cache(maxsize=8)
def _table(size: int, unit: Literal["logistic", "threshold"]) -> RegularGridInterpolator:
    """Section 8: what `moments` gives for pairs of a mean and a variance, with linear interpolation."""
    axes = np.linspace(-12, 12, size), np.linspace(0, 36, size)
    cells = moments(Config(unit=unit), *np.meshgrid(*axes, indexing="ij"))
    return RegularGridInterpolator(axes, np.moveaxis(cells, 0, -1), method="linear")


def _logistic(mean: Array, variance: Array) -> Array:
    """For Gaussian x, d<f>/d mean is <f'> and d<f>/d variance is <f''> / 2; of a logistic f, f' is f - f**2."""
    f = expit(mean[..., None] + np.sqrt(variance)[..., None] * NODES)
    squares = f * f
    m, m2, m3, m4 = (power @ CHANCES for power in (f, squares, squares * f, squares * squares))
    by_mean, by_variance = m - m2, m / 2 - 1.5 * m2 + m3
    spread = 2 * (m2 - m3) - 2 * m * by_mean, 2 * m2 - 5 * m3 + 3 * m4 - 2 * m * by_variance
    return np.stack([m, m2 - m * m, by_mean, by_variance, *spread])


def _threshold(mean: Array, variance: Array) -> Array:
    """Section 10: how likely the unit is on, which is smooth as long as there is noise."""
    deviation = np.sqrt(np.maximum(variance, 1e-300))
    z = mean / deviation
    p, density = ndtr(z), np.exp(-np.minimum(z * z, 1400) / 2) / np.sqrt(2 * np.pi)
    by_mean = np.where(variance > 0, density / deviation, 0.0)
    by_variance = np.where(variance > 0, -density * z / (2 * deviation**2), 0.0)
    return np.stack([p, p * (1 - p), by_mean, by_variance, (1 - 2 * p) * by_mean, (1 - 2 * p) * by_variance])


def _forward(config: Config, net: Net, x_ND: Array) -> tuple[Array, Array, Array, Net]:
    """Eqs. 10 and 11: mean and variance of the output [N]; moments of hidden units [6, N, H]; variances of weights."""
    V = {k: np.exp(net[f"log V {k}"]) if config.noisy else np.zeros_like(net[f"mu {k}"]) for k in LAYERS}
    y = moments(config, x_ND @ net["mu ih"].T + net["mu h"], x_ND**2 @ V["ih"].T + V["h"])
    mu_y, V_y, mu_w, V_w = y[0], y[1], net["mu hj"], V["hj"]
    return mu_y @ mu_w + net["mu j"], V_y @ mu_w**2 + mu_y**2 @ V_w + V_y @ V_w + V["j"], y, V


def evaluated(config: Config, net: Net, inputs: Array, targets: Array, coefficient: float) -> tuple[float, float, Net]:
    """What misfits and weights cost, and derivatives of the first plus `coefficient` times the second.

    Of noisy weights, nats by Eqs. 3 and 12 and by Eq. 17; else the terms of Eq. 4 at sigma_j = 1, with `decay`.
    """
    mean, variance, y, V = _forward(config, net, inputs)
    errors, N = (targets - mean) ** 2 + variance, len(targets)
    by_error = np.full(N, N / (2 * errors.sum()) if config.noisy else 0.5)
    slopes = _backward(net, inputs, -2 * (targets - mean) * by_error, by_error, y, V)
    if config.noisy:
        weights = _add_code(net, slopes, coefficient)
        return float(N / 2 * (1 + np.log(2 * np.pi * errors.mean()))), weights, slopes
    means = [f"mu {layer}" for layer in LAYERS]
    decay = config.decay * sum(float((net[name] ** 2).sum()) for name in means) / 2
    return float(errors.sum() / 2), decay, {n: slopes[n] + coefficient * config.decay * net[n] for n in means}


def _backward(net: Net, x_ND: Array, by_mean: Array, by_variance: Array, y: Array, V: Net) -> Net:
    """Eqs. 13 and 14 and those of the linear output, from derivatives by its mean and variance [N]."""
    mu_y, V_y, *slopes = y
    mu_w, V_w = net["mu hj"], V["hj"]
    by_mu_y = by_mean[:, None] * mu_w + 2 * by_variance[:, None] * mu_y * V_w
    by_V_y = by_variance[:, None] * (mu_w**2 + V_w)
    by_mu_x = by_mu_y * slopes[0] + by_V_y * slopes[2]
    by_V_x = by_mu_y * slopes[1] + by_V_y * slopes[3]
    return {
        "mu ih": by_mu_x.T @ x_ND,
        "mu h": by_mu_x.sum(0),
        "mu hj": by_mean @ mu_y + 2 * mu_w * (by_variance @ V_y),
        "mu j": by_mean.sum(keepdims=True),
        "log V ih": V["ih"] * (by_V_x.T @ x_ND**2),
        "log V h": V["h"] * by_V_x.sum(0),
        "log V hj": V_w * (by_variance @ (mu_y**2 + V_y)),
        "log V j": V["j"] * by_variance.sum(),
    }


def _add_code(net: Net, slopes: Net, coefficient: float) -> float:
    """Eq. 17 summed; `coefficient` times its derivatives are added to the slopes. By G_i its derivative is r_i."""
    mu, log_V = _weights(net, "mu"), _weights(net, "log V")
    nats, r, pi = _coded(net, mu, log_V)
    r, V, mu_P, V_P = coefficient * r, np.exp(log_V), net["mu P"], np.exp(net["log V P"])
    picked, pull = r.sum(0), mu @ r
    by_weight = {"mu": mu * (r @ (1 / V_P)) - r @ (mu_P / V_P), "log V": (V * (r @ (1 / V_P)) - coefficient) / 2}
    for what, flat in by_weight.items():
        parts = np.split(flat, np.cumsum([net[f"mu {layer}"].size for layer in LAYERS])[:-1])
        for layer, part in zip(LAYERS, parts, strict=True):
            slopes[f"{what} {layer}"] = slopes[f"{what} {layer}"] + part.reshape(net[f"mu {layer}"].shape)
    slopes["mu P"] = (picked * mu_P - pull) / V_P
    slopes["log V P"] = (picked - ((V + mu**2) @ r - 2 * mu_P * pull + mu_P**2 * picked) / V_P) / 2
    slopes["x"] = coefficient * len(mu) * pi - picked
    return float(nats.sum())


@dataclass(frozen=True, eq=False)
class Network:
    """A trained network."""

    config: Config
    arrays: Net

    def predict(self, graphs: Any) -> NDArray[np.float32]:
        """The expected output [N, 1] of cases, each the features of a graph's only node."""
        return _forward(self.config, self.arrays, np.asarray(graphs.nodes, float))[0][:, None].astype(np.float32)


def start(config: Config, seed: int) -> Net:
    """A network before its first update."""
    rng = np.random.default_rng(seed)
    net = {name: np.zeros(shape) for name, shape in shapes(config).items()}
    for layer in LAYERS:
        net[f"mu {layer}"] = rng.normal(0.0, config.spread, net[f"mu {layer}"].shape)
        if config.noisy:
            net[f"log V {layer}"] += 2 * np.log(config.noise)
    if config.noisy:
        net["mu P"] = np.linspace(-config.reach, config.reach, config.gaussians)
        net["log V P"] += 2 * np.log(config.reach / max(config.gaussians - 1, 1))
    return net


def train(
    config: Config, data: Any, *, seed: int, device: str, eval_steps: Sequence[int] = ()
) -> Iterator[tuple[int, Network]]:
    """Minimise the misfits' cost plus a rising share of the weights'; see `repro.task.Trainable`."""
    inputs, targets = np.asarray(data.inputs.nodes, float), np.asarray(data.outputs, float)[:, 0]
    asked, net, begun = sorted(set(eval_steps)), start(config, seed), 0
    *early, last = config.schedule
    for coefficient in early:
        path = _minimised(config, net, inputs, targets, coefficient, config.updates, 0.0)
        for step in [step for step in asked if begun <= step < begun + config.updates]:
            yield step, Network(config, path[min(step - begun, len(path) - 1)])
        net, begun = path[-1], begun + config.updates
    path = _minimised(config, net, inputs, targets, last, config.longest, config.tolerance)
    steps = {step for step in asked if begun <= step < begun + len(path)} | {begun + len(path) - 1}
    for step in sorted(steps):
        yield step, Network(config, path[step - begun])


def _minimised(
    config: Config, net: Net, inputs: Array, targets: Array, coefficient: float, updates: int, tolerance: float
) -> list[Net]:
    """Networks after 0, 1, 2, ... updates, until there are enough or the cost changes by less than the tolerance."""
    ends = np.cumsum([array.size for array in net.values()])[:-1]
    vector = np.concatenate([array.ravel() for array in net.values()])

    def network(flat: Array) -> Net:
        parts = zip(net.items(), np.split(flat, ends), strict=True)
        return {name: part.reshape(array.shape) for (name, array), part in parts}

    def objective(flat: Array) -> tuple[float, Array]:
        with np.errstate(all="ignore"):  # a line may be searched too far out
            misfits, weights, slopes = evaluated(config, network(flat), inputs, targets, coefficient)
        return misfits + coefficient * weights, np.concatenate([slopes[name].ravel() for name in net])

    path, found = [net], [objective(vector)[0]]

    def after_update(intermediate_result: Any) -> None:
        path.append(network(intermediate_result.x.copy()))
        found.append(intermediate_result.fun)
        if found[-2] - found[-1] < tolerance:
            raise StopIteration

    limits = {"maxcor": 20, "maxiter": updates, "maxfun": 20 * updates, "ftol": 0.0, "gtol": 1e-9}
    minimize(objective, vector, jac=True, method="L-BFGS-B", callback=after_update, options=limits)
    return path


def state(model: Network) -> Net:
    """All arrays of a network."""
    return {name: array.copy() for name, array in model.arrays.items()}


def restore(config: Config, state: Net, *, device: str) -> Network:
    """The network of these arrays."""
    return Network(config, {name: np.array(array, float) for name, array in state.items()})


def linear_regression(inputs: Array, targets: Array, ratio: float) -> Array:
    """Coefficients [D] that minimise the squared error plus `ratio` times their squares; for 0, the least such."""
    kernel = inputs @ inputs.T + ratio * np.eye(len(inputs))
    return inputs.T @ (np.linalg.pinv(kernel, rcond=1e-10, hermitian=True) @ targets)
