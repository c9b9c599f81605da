"""Sabotaged noisy weights: each differs from the reference in one thing that people get wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from repro import reconfigure, sabotage

Control = Callable[[Any], Any]


def _edited(says: str, *changes: tuple[str, str]) -> Control:
    """A control that is a module of its own with the reference's text, in which some pieces are others.

    Building it raises ValueError if a piece does not stand there exactly once.
    """

    def build(reference: Any) -> ModuleType:
        text = Path(reference.__file__).read_text()
        for old, new in changes:
            if text.count(old) != 1:
                raise ValueError(f"{old!r} stands {text.count(old)} times in the reference")
            text = text.replace(old, new)
        module = ModuleType(f"{reference.__name__}, sabotaged")
        sys.modules[module.__name__] = module  # dataclasses look themselves up there
        exec(compile(text, reference.__file__, "exec"), vars(module))
        return module

    build.__doc__ = says
    return build


def without_biases(reference: Any) -> Any:
    """Hidden units and the output have no biases."""
    biases = [f"{kind} {layer}" for kind in ("mu", "log V") for layer in ("h", "j")]
    return sabotage(reference, shapes=lambda c: {n: s for n, s in reference.shapes(c).items() if n not in biases})


deviation_not_squared = _edited(
    "Code lengths divide squares by twice the standard deviation instead of twice the variance.",
    ("2 / (2 * deviation**2)", "2 / (2 * deviation)"),
)
width_forgotten = _edited(
    "Code lengths leave out the width of quantization.", ("-np.log(t) + np.log(np.sqrt", "np.log(np.sqrt")
)
decay_gradient_doubled = _edited(
    "The gradient of weight decay is that of a sum of squares without its half.",
    ("coefficient * config.decay * net[n]", "2 * coefficient * config.decay * net[n]"),
)
regression_ratio_squared = _edited(
    "Linear regression is penalized by the square of the ratio.",
    ("inputs.T + ratio * np", "inputs.T + ratio**2 * np"),
)
swapped_divergence = _edited(
    "The divergence is taken with the coding-prior in the posterior's place.",
    ("gap = np.exp(log_V_W)[:, None] + (net", "gap = np.exp(log_V) + (net"),
    ("log_V - log_V_W[:, None] + gap / np.exp(log_V)", "log_V_W[:, None] - log_V + gap / np.exp(log_V_W)[:, None]"),
)
variance_term_dropped = _edited(
    "Eq. 9 lacks its last variance, so that a weight whose posterior is the coding-prior costs half a nat.",
    ("gap / np.exp(log_V) - 1) / 2", "gap / np.exp(log_V)) / 2"),
)
choice_not_refunded = _edited(
    "The random bits that choose a Gaussian are not given back.",
    (
        "-(most + np.log(total))[:, 0], joint / total, pi",
        "-(joint * log_joint).sum(1) / total[:, 0], joint / total, pi",
    ),
)
nearest_gaussian = _edited(
    "Every weight is sent by the one Gaussian that is the cheapest for it.",
    ("-(most + np.log(total))[:, 0], joint / total, pi", "-most[:, 0], (joint == 1).astype(float), pi"),
)
picked_by_proportions = _edited(
    "Gaussians are picked with their mixing proportions, whatever the weight.",
    ("joint / total, pi", "np.tile(pi, (len(mu_W), 1)), pi"),
)
products_of_variances_dropped = _edited(
    "The output's variance lacks the products of variances of hidden units and of weights.",
    (" + V_y @ V_w + V", " + V"),
)
output_noise_forgotten = _edited(
    "The noise of the output's bias does not count as variance.", (' + V["j"], y, V', ", y, V")
)
linearised_units = _edited(
    "Hidden units are linearised at the mean of their input, as is right where noise is small.",
    ("np.stack([m, m2 - m * m,", "np.stack([expit(mean), (expit(mean) * expit(-mean)) ** 2 * variance,"),
)
noise_detached = _edited(
    "No derivative passes through the variance of a hidden unit's input.",
    ("by_V_x = by_mu_y * slopes[1] + by_V_y * slopes[3]", "by_V_x = 0 * by_mu_y"),
)
slopes_by_variances = _edited(
    "Slopes by the logarithms of outgoing variances are those by the variances.",
    ('"log V hj": V_w * (', '"log V hj": ('),
)
fixed_prior = _edited(
    "The coding-prior's means have no gradient, so that they never adapt.",
    ('slopes["mu P"] = (picked', 'slopes["mu P"] = 0 * (picked'),
)
small_tables = _edited(
    "A table has ten entries along each side, however many are asked for.",
    ("_table(config.table, config.unit)", "_table(10, config.unit)"),
)
nearest_entries = _edited(
    "The nearest entry of a table is taken, without interpolation.",
    ('method="linear"', 'method="nearest"'),
)
thresholds_by_variance = _edited(
    "The variance of a threshold unit's input stands where its standard deviation should.",
    ("z = mean / deviation", "z = mean / deviation**2"),
)
noiseless_thresholds = _edited(
    "Threshold units pass no derivatives on, as if there were no noise.",
    ("density / deviation, 0.0)", "0.0, 0.0)"),
    ("-density * z / (2 * deviation**2), 0.0)", "0.0, 0.0)"),
)
noise_as_variance = _edited(
    "The noise at the start is taken for a variance.", ("2 * np.log(config.noise)", "np.log(config.noise)")
)
wide_gaussians = _edited(
    "Gaussians of the coding-prior start one standard deviation apart.",
    ("config.reach / max(K - 1, 1)", "2 * config.reach / max(K - 1, 1)"),
)
one_start = _edited(
    "Every run sets out from the same weights.", ("np.random.default_rng(seed)", "np.random.default_rng(0)")
)
stages_end_late = _edited(
    "Every stage has one update more.",
    ("begun + config.updates]:", "begun + config.updates + 1]:"),
    ("coefficient, config.updates, 0.0)", "coefficient, config.updates + 1, 0.0)"),
    ("path[-1], begun + config.updates", "path[-1], begun + config.updates + 1"),
)
tolerance_by_share = _edited(
    "The last stage ends when an update changes the cost by less than a share of it.",
    ("found[-2] - found[-1] < tolerance", "found[-2] - found[-1] < tolerance * abs(found[-1])"),
)
endless = _edited("The bound on updates of the last stage is ignored.", ("last, config.longest,", "last, 1000,"))


def full_penalty_throughout(reference: Any) -> Any:
    """Every stage has the coefficient 1."""
    return reconfigure(reference, lambda config: replace(config, schedule=(1.0,) * len(config.schedule)))


SCHEDULE = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def always_annealed(reference: Any) -> Any:
    """The penalty of noisy weights rises by the paper's schedule even where it is to be full at once."""
    return reconfigure(reference, lambda config: replace(config, schedule=SCHEDULE))


def never_annealed(reference: Any) -> Any:
    """The penalty of noisy weights is full at once even where it is to rise."""
    return reconfigure(reference, lambda config: replace(config, schedule=(1.0,)))


def nothing_penalized(reference: Any) -> Any:
    """Neither noisy weights nor the squares of precise ones cost anything."""
    return reconfigure(reference, lambda config: replace(config, schedule=(0.0,), decay=0.0))


def untrained_without_penalty(reference: Any) -> Any:
    """Precise weights that nothing penalizes get one update only, so that any other network is better."""
    return reconfigure(reference, lambda config: config if config.noisy or config.decay else replace(config, longest=1))


def regression_always_penalized(reference: Any) -> Any:
    """Linear regression has a penalty even where none is asked for."""
    return sabotage(reference, linear_regression=lambda x, y, r: reference.linear_regression(x, y, max(r, 50.0)))


def nothing_fitted(inputs: Any, targets: Any, ratio: float) -> Any:
    """Coefficients of a regression that has not looked at its cases."""
    return np.ones(np.shape(inputs)[1])


NULLS = {"linear_regression": nothing_fitted}

PLANTED = {  # hidden units' noise does not reach the output
    "expected-squared-errors": ("V_y @ mu_w**2 + mu_y**2 @ V_w", "mu_y**2 @ V_w"),
}
