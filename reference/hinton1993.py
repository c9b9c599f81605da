"""Noisy weights: Hinton and van Camp 1993 (COLT '93, no arXiv: number; the text of the proceedings was read).

"Keeping Neural Networks Simple by Minimizing the Description Length of the Weights". Implemented: codes of misfits and
of precise weights (Sections 3 and 4), weight decay (Eq. 4), the cost of noisy weights under one Gaussian (Section 5)
and under a mixture (Sections 6 and 7), exact expected squared errors with their derivatives (Section 5.3), tables
(Section 8), threshold units (Section 10), and the optimization of Section 9 with linear regression beside it.

Shapes: N cases, D inputs, H hidden units, W = H (D + 2) + 1 weights, K Gaussians in the coding-prior. One output.
A network is a dict of arrays: means "mu ih" [H, D] (incoming), "mu h" [H] (hidden biases), "mu hj" [H] (outgoing) and
"mu j" [1] (output bias); if its weights are noisy, also "log V ih" and so on, the logarithms of their variances, and
of the coding-prior "mu P", "log V P" and "x" [K], where pi = softmax(x).

Units: code lengths are in nats, with a quantization width of 1 for misfits. A step is an update of the optimizer.

Deviations:
  1. L-BFGS instead of conjugate gradients (SciPy's, 20 corrections). Both search along lines; it needs fewer updates.
  2. Moments of logistic units are integrals by 32 points (Gauss-Hermite), unless `table` asks for the paper's table.
  3. The range of that table is not printed: means from -12 to 12 and variances from 0 to 36; beyond, its edge counts.
  4. Weight decay sets out from the same random means, minimises Eq. 4 and decays biases like other weights.
  5. The last stage also ends after `longest` updates.
  6. Arithmetic is NumPy's in float64, on whatever device.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, ndtr

Array = NDArray[np.float64]
Arrays = dict[str, Array]

LAYERS = ("ih", "h", "hj", "j")
NODES, CHANCES = np.polynomial.hermite_e.hermegauss(32)
CHANCES = CHANCES / CHANCES.sum()


@dataclass(frozen=True, kw_only=True)
class Config:
    """One network and how it is trained; the defaults are Section 9's.

    Attributes:
        unit: what hidden units compute of their total input; a threshold unit is 1 above 0, else 0.
        noisy: whether weights have noise and are coded; if not, Eq. 4 is minimised.
        decay: the ratio of variances in Eq. 4, for weights without noise.
        gaussians: how many there are in the coding-prior.
        reach: the first and last of their means lie this far from 0 at the start, two standard deviations apart.
        spread: standard deviation of the means of weights at the start.
        noise: standard deviation of every weight at the start.
        schedule: coefficients of the weights' cost, one stage each.
        updates: of each stage but the last.
        tolerance: the last stage ends when an update changes the cost by less, in nats.
        longest: updates after which the last stage ends anyway.
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


# Sections 3 to 5.2: codes


def code_length(value: Array, mean: Array | float, deviation: Array | float, t: float) -> Array:
    """Eqs. 2, 6 and 7: nats for values quantized to width t, by a Gaussian."""
    return -np.log(t) + np.log(np.sqrt(2 * np.pi) * deviation) + (value - mean) ** 2 / (2 * deviation**2)


def _divergences(net: Arrays, mu_W: Array, log_V_W: Array) -> Array:
    """Eq. 9: G_i [W, K] between the posterior of each weight and each Gaussian of the coding-prior."""
    log_V = net["log V P"]
    gap = np.exp(log_V_W)[:, None] + (net["mu P"] - mu_W[:, None]) ** 2
    return (log_V - log_V_W[:, None] + gap / np.exp(log_V) - 1) / 2


def _weights(net: Arrays, what: str) -> Array:
    return np.concatenate([net[f"{what} {layer}"].ravel() for layer in LAYERS])


def _coded(net: Arrays, mu_W: Array, log_V_W: Array) -> tuple[Array, Array, Array]:
    """Eqs. 17, 18 and 26: what weights cost [W], the r_i of their Gaussians [W, K], and the pi_i [K]."""
    pi = np.exp(net["x"] - net["x"].max())
    pi /= pi.sum()
    log_joint = np.log(pi) - _divergences(net, mu_W, log_V_W)
    most = log_joint.max(1, keepdims=True)
    joint = np.exp(log_joint - most)
    total = joint.sum(1, keepdims=True)
    return -(most + np.log(total))[:, 0], joint / total, pi


def coded(config: Config, net: Arrays) -> tuple[Array, Array]:
    """Eq. 17: nats that each noisy weight costs, bits back subtracted, [W]; Eq. 18: its Gaussians' r_i, [W, K].

    Weights stand in the order of LAYERS, row by row.
    """
    nats, r, _ = _coded(net, _weights(net, "mu"), _weights(net, "log V"))
    return nats, r


# Section 5.3: expected squared errors


def moments(config: Config, mean: Array, variance: Array) -> tuple[Array, Array]:
    """Mean and variance of a hidden unit's output whose total input is Gaussian; variance 0 is no noise."""
    first, second, *_ = _moments(config, mean, variance)
    return first, second


def _moments(config: Config, mean: Array, variance: Array) -> Array:
    """Mean and variance, and their derivatives by the mean and by the variance of the input: [6, ...]."""
    if config.table:
        return _interpolated(_table(config.table, config.unit), mean, variance)
    return _threshold(mean, variance) if config.unit == "threshold" else _logistic(mean, variance)


def _logistic(mean: Array, variance: Array) -> Array:
    """For Gaussian x, d<f>/d mean is <f'> and d<f>/d variance is <f''> / 2."""
    f = expit(mean[..., None] + np.sqrt(variance)[..., None] * NODES)
    slope = f * (1 - f)
    m, m_by_mean, square, m_by_variance = f @ CHANCES, slope @ CHANCES, (f * f) @ CHANCES, (slope * (0.5 - f)) @ CHANCES
    square_by_mean, square_by_variance = 2 * (f * slope) @ CHANCES, (slope * f * (2 - 3 * f)) @ CHANCES
    by_mean, by_variance = square_by_mean - 2 * m * m_by_mean, square_by_variance - 2 * m * m_by_variance
    return np.stack([m, square - m * m, m_by_mean, m_by_variance, by_mean, by_variance])


def _threshold(mean: Array, variance: Array) -> Array:
    """Section 10: how likely the unit is on, which is smooth as long as there is noise."""
    deviation = np.sqrt(np.maximum(variance, 1e-300))
    z = mean / deviation
    p, density = ndtr(z), np.exp(-np.minimum(z * z, 1400) / 2) / np.sqrt(2 * np.pi)
    by_mean = np.where(variance > 0, density / deviation, 0.0)
    by_variance = np.where(variance > 0, -density * z / (2 * deviation**2), 0.0)
    return np.stack([p, p * (1 - p), by_mean, by_variance, (1 - 2 * p) * by_mean, (1 - 2 * p) * by_variance])


@lru_cache(maxsize=8)
def _table(size: int, unit: str) -> tuple[Array, Array, Array]:
    """Means [size] and variances [size] of inputs, and what `_moments` gives for each pair [6, size, size]."""
    means, variances = np.linspace(-12, 12, size), np.linspace(0, 36, size)
    grid = np.meshgrid(means, variances, indexing="ij")
    return means, variances, _moments(Config(unit=unit), *grid)  # pyright: ignore[reportArgumentType]


def _interpolated(table: tuple[Array, Array, Array], mean: Array, variance: Array) -> Array:
    """Section 8: linear interpolation, along both axes."""
    *axes, cells = table
    places, shares = [], []
    for axis, value in zip(axes, (mean, variance), strict=True):
        at = np.clip((value - axis[0]) / (axis[1] - axis[0]), 0, len(axis) - 1)
        low = np.minimum(at.astype(int), len(axis) - 2)
        places.append(low)
        shares.append(at - low)
    (i, j), (u, v) = places, shares
    first = (1 - v) * cells[:, i, j] + v * cells[:, i, j + 1]
    return (1 - u) * first + u * ((1 - v) * cells[:, i + 1, j] + v * cells[:, i + 1, j + 1])


def outputs(config: Config, net: Arrays, inputs: Array) -> tuple[Array, Array]:
    """Eqs. 10 and 11: mean and variance of the network's output on each case, [N]."""
    mean, variance, *_ = _forward(config, net, inputs)
    return mean, variance


def _forward(config: Config, net: Arrays, x_ND: Array) -> tuple[Array, Array, Array, Arrays]:
    """Mean and variance of the output [N], moments of hidden units [6, N, H], and the variances of weights."""
    V = {k: np.exp(net[f"log V {k}"]) if config.noisy else np.zeros_like(net[f"mu {k}"]) for k in LAYERS}
    mu_x = x_ND @ net["mu ih"].T + net["mu h"]
    V_x = x_ND**2 @ V["ih"].T + V["h"]
    y = _moments(config, mu_x, V_x)
    mu_y, V_y = y[0], y[1]
    mu_w, V_w = net["mu hj"], V["hj"]
    mean = mu_y @ mu_w + net["mu j"]
    return mean, V_y @ mu_w**2 + mu_y**2 @ V_w + V_y @ V_w + V["j"], y, V


# Costs and gradients


def costs(config: Config, net: Arrays, inputs: Array, targets: Array) -> tuple[float, float]:
    """Nats for the misfits and for the weights, which are minimised together.

    Of noisy weights: Eq. 3 with the expected squared error of Eq. 12, and Eq. 17 summed. Else the terms of Eq. 4 where
    sigma_j is 1 and 1 / sigma_w**2 is `decay`.
    """
    return _evaluated(config, net, inputs, targets, 1.0)[:2]


def gradients(config: Config, net: Arrays, inputs: Array, targets: Array, coefficient: float) -> Arrays:
    """Derivatives of the misfits' cost plus `coefficient` times the weights', by every array of the network."""
    return _evaluated(config, net, inputs, targets, coefficient)[2]


def _evaluated(config: Config, net: Arrays, x_ND: Array, d_N: Array, coefficient: float) -> tuple[float, float, Arrays]:
    """Both costs, and gradients of the first plus `coefficient` times the second."""
    mean, variance, y, V = _forward(config, net, x_ND)
    errors, N = (d_N - mean) ** 2 + variance, len(d_N)
    by_error = np.full(N, N / (2 * errors.sum()) if config.noisy else 0.5)
    slopes = _backward(net, x_ND, -2 * (d_N - mean) * by_error, by_error, y, V)
    if config.noisy:
        weights = _add_code(net, slopes, coefficient)
        return float(N / 2 * (1 + np.log(2 * np.pi * errors.mean()))), weights, slopes
    means = [f"mu {layer}" for layer in LAYERS]
    decay = config.decay * sum(float((net[name] ** 2).sum()) for name in means) / 2
    return float(errors.sum() / 2), decay, {n: slopes[n] + coefficient * config.decay * net[n] for n in means}


def _backward(net: Arrays, x_ND: Array, by_mean: Array, by_variance: Array, y: Array, V: Arrays) -> Arrays:
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


def _add_code(net: Arrays, slopes: Arrays, coefficient: float) -> float:
    """Eq. 17 summed; `coefficient` times its derivatives are added to the slopes. By G_i its derivative is r_i."""
    mu, log_V, V_P = _weights(net, "mu"), _weights(net, "log V"), np.exp(net["log V P"])
    nats, r, pi = _coded(net, mu, log_V)
    r = coefficient * r
    pull = r * (mu[:, None] - net["mu P"]) / V_P
    gap = (np.exp(log_V)[:, None] + (mu[:, None] - net["mu P"]) ** 2) / V_P
    by_weight = {"mu": pull.sum(1), "log V": (r * (np.exp(log_V)[:, None] / V_P - 1)).sum(1) / 2}
    for what, flat in by_weight.items():
        parts = np.split(flat, np.cumsum([net[f"mu {layer}"].size for layer in LAYERS])[:-1])
        for layer, part in zip(LAYERS, parts, strict=True):
            slopes[f"{what} {layer}"] = slopes[f"{what} {layer}"] + part.reshape(net[f"mu {layer}"].shape)
    slopes["mu P"] = -pull.sum(0)
    slopes["log V P"] = (r * (1 - gap)).sum(0) / 2
    slopes["x"] = coefficient * len(mu) * pi - r.sum(0)
    return float(nats.sum())


# Section 9: optimization


@dataclass(frozen=True, eq=False)
class Network:
    """A trained network."""

    config: Config
    arrays: Arrays

    def predict(self, graphs: Any) -> NDArray[np.float32]:
        """The expected output [N, 1] of cases, each the features of a graph's only node."""
        return outputs(self.config, self.arrays, np.asarray(graphs.nodes, float))[0][:, None].astype(np.float32)


def start(config: Config, seed: int) -> Arrays:
    """A network before its first update."""
    rng = np.random.default_rng(seed)
    net = {name: np.zeros(shape) for name, shape in shapes(config).items()}
    for layer in LAYERS:
        net[f"mu {layer}"] = rng.normal(0.0, config.spread, net[f"mu {layer}"].shape)
        if config.noisy:
            net[f"log V {layer}"] += 2 * np.log(config.noise)
    if config.noisy:
        K = config.gaussians
        net["mu P"] = np.linspace(-config.reach, config.reach, K) if K > 1 else np.zeros(1)
        net["log V P"] += 2 * np.log(config.reach / max(K - 1, 1))
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
    config: Config, net: Arrays, inputs: Array, targets: Array, coefficient: float, updates: int, tolerance: float
) -> list[Arrays]:
    """Networks after 0, 1, 2, ... updates, until there are enough or the cost changes by less than the tolerance."""
    ends = np.cumsum([array.size for array in net.values()])[:-1]
    vector = np.concatenate([array.ravel() for array in net.values()])

    def network(flat: Array) -> Arrays:
        parts = zip(net.items(), np.split(flat, ends), strict=True)
        return {name: part.reshape(array.shape) for (name, array), part in parts}

    def objective(flat: Array) -> tuple[float, Array]:
        with np.errstate(all="ignore"):  # a line may be searched too far out
            misfits, weights, slopes = _evaluated(config, network(flat), inputs, targets, coefficient)
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


def state(model: Network) -> Arrays:
    """All arrays of a network."""
    return {name: array.copy() for name, array in model.arrays.items()}


def restore(config: Config, state: Arrays, *, device: str) -> Network:
    """The network of these arrays.

    Raises:
        ValueError: for arrays of other names or shapes.
    """
    found = {name: np.array(array, float) for name, array in state.items()}
    if {name: array.shape for name, array in found.items()} != shapes(config):
        raise ValueError(f"a network has the arrays {shapes(config)}")
    return Network(config, found)


# Section 9: linear regression


def linear_regression(inputs: Array, targets: Array, ratio: float) -> Array:
    """Coefficients [D] that minimise the squared error plus `ratio` times their squares; for 0, the least such."""
    u, s, v = np.linalg.svd(inputs, full_matrices=False)
    scale = s / (s**2 + ratio) if ratio else np.where(s > 1e-10 * s[0], 1 / np.maximum(s, 1e-300), 0.0)
    return v.T @ (scale * (u.T @ targets))
