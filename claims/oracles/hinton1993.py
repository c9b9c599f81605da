"""The equations of hinton1993 in float64: forward passes only, typed from the paper.

Networks by name: means of weights "mu ih" [H, D], "mu h" [H], "mu hj" [H] and "mu j" [1]; logarithms of their
variances, "log V ih" and so on; and of the coding-prior "mu P", "log V P" and "x" [K]. Weights are counted in the
order ih, h, hj, j, row by row. Shapes: N cases, D inputs, H hidden units, W weights, K Gaussians.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Net = Mapping[str, Array]

LAYERS = ("ih", "h", "hj", "j")
Z = np.linspace(-9.0, 9.0, 1201)  # standard deviations from the mean at which a Gaussian is integrated over
GAUSS = np.exp(-(Z**2) / 2) / np.exp(-(Z**2) / 2).sum()


def weights(net: Net, what: str) -> Array:
    """The means ("mu") or logarithms of variances ("log V") of all weights, [W]."""
    return np.concatenate([net[f"{what} {layer}"].ravel() for layer in LAYERS])


def gaussian(w: Array, mean: Array, variance: Array) -> Array:
    """The density of Eq. 1."""
    return np.exp(-((w - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)


def divergence(mu_p: Array, v_p: Array, mu_q: Array, v_q: Array) -> Array:
    """Eq. 9."""
    return np.log(np.sqrt(v_p) / np.sqrt(v_q)) + (v_q - v_p + (mu_p - mu_q) ** 2) / (2 * v_p)


def proportions(net: Net) -> Array:
    """Eq. 26: pi [K]."""
    return np.exp(net["x"]) / np.exp(net["x"]).sum()


def divergences(net: Net) -> Array:
    """G_i of every weight and Gaussian, [W, K]."""
    posterior = weights(net, "mu")[:, None], np.exp(weights(net, "log V"))[:, None]
    return divergence(net["mu P"], np.exp(net["log V P"]), *posterior)


def weight_costs(net: Net) -> Array:
    """Eq. 17 for every weight, [W]."""
    return -np.log((proportions(net) * np.exp(-divergences(net))).sum(1))


def integral(net: Net) -> Array:
    """Eq. 16 for every weight by numerical integration, [W]; Eq. 5 where there is one Gaussian."""
    mu, v = weights(net, "mu")[:, None], np.exp(weights(net, "log V"))[:, None]
    w = mu + np.sqrt(v) * Z  # [W, points]
    prior = (proportions(net) * gaussian(w[..., None], net["mu P"], np.exp(net["log V P"]))).sum(2)
    return np.log(gaussian(w, mu, v) / prior) @ GAUSS


def moments(unit: str, mean: Array, variance: Array) -> tuple[Array, Array]:
    """Mean and variance of a hidden unit's output (Section 5.3), by integration; of a threshold unit (Section 10)."""
    if unit == "threshold":
        from scipy.special import ndtr

        with np.errstate(divide="ignore"):  # without noise it is on or off
            on = ndtr(mean / np.sqrt(variance))
        return on, on * (1 - on)
    y = 1 / (1 + np.exp(-mean[..., None] - np.sqrt(variance)[..., None] * Z))
    first = y @ GAUSS
    return first, (y - first[..., None]) ** 2 @ GAUSS


def outputs(net: Net, unit: str, x: Array) -> tuple[Array, Array]:
    """Eqs. 10 and 11: mean and variance of the output, [N], with the noise of the output bias."""
    v = {layer: np.exp(net[f"log V {layer}"]) if "log V j" in net else 0 * net[f"mu {layer}"] for layer in LAYERS}
    mu_y, v_y = moments(unit, x @ net["mu ih"].T + net["mu h"], x**2 @ v["ih"].T + v["h"])
    mu_w, v_w = net["mu hj"], v["hj"]
    each = mu_w**2 * v_y + mu_y**2 * v_w + v_y * v_w
    return (mu_y * mu_w).sum(1) + net["mu j"], each.sum(1) + v["j"]


def expected_errors(net: Net, unit: str, x: Array, d: Array) -> Array:
    """Eq. 12, [N]."""
    mean, variance = outputs(net, unit, x)
    return (d - mean) ** 2 + variance


def misfit_cost(errors: Array) -> Array:
    """Eq. 3 for t = 1, the constant k written out: nats for N misfits of these squared errors, [..., N]."""
    return errors.shape[-1] * (np.log(np.sqrt(2 * np.pi)) + 0.5 + np.log(errors.mean(-1)) / 2)


def costs(net: Net, unit: str, decay: float, x: Array, d: Array) -> tuple[float, float]:
    """What misfits and weights cost: Eqs. 3 and 17, of weights without noise the two terms of Eq. 4 at sigma_j = 1."""
    errors = expected_errors(net, unit, x, d)
    if "log V j" in net:
        return float(misfit_cost(errors)), float(weight_costs(net).sum())
    return float(errors.sum() / 2), float(decay * (weights(net, "mu") ** 2).sum() / 2)
