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


def _edited(says: str, *changes: tuple[str, str]) -> Callable[[Any], ModuleType]:
    """A module of its own with the reference's text, in which pieces that stand there once are others."""

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


# fmt: off
squares_of_fixed_scale = _edited("Misfits cost half their squares: sigma is 1 and not the best one.",
                                 ("float(N / 2 * (1 + np.log(2 * np.pi * errors.mean())))", "float(errors.sum() / 2)"))
logarithms_averaged = _edited("Misfits cost the mean logarithm of their squares, not that of their mean square.",
                              ("np.log(2 * np.pi * errors.mean())", "np.log(2 * np.pi * errors).mean()"))
decay_gradient_doubled = _edited("Weight decay has the gradient of a sum of squares without its half.",
                                 ("coefficient * config.decay * net[n]", "2 * coefficient * config.decay * net[n]"))
regression_ratio_squared = _edited("Linear regression is penalized by the square of the ratio.",
                                   ("inputs.T + ratio * np", "inputs.T + ratio**2 * np"))
swapped_divergence = _edited("The divergence is taken with the coding-prior in the posterior's place.",
                             ("gap = np.exp(log_V_W)[:, None] + (net", "gap = np.exp(log_V) + (net"),
                             ("log_V - log_V_W[:, None] + gap / np.exp(log_V)",
                              "log_V_W[:, None] - log_V + gap / np.exp(log_V_W)[:, None]"))
variance_term_dropped = _edited("Eq. 9 lacks its last variance, so that a weight like its prior costs half a nat.",
                                ("gap / np.exp(log_V) - 1) / 2", "gap / np.exp(log_V)) / 2"))
COST = "-(most + np.log(total))[:, 0], joint / total, pi"
choice_not_refunded = _edited("The random bits that choose a Gaussian are not given back.",
                              (COST, "-(joint * log_joint).sum(1) / total[:, 0], joint / total, pi"))
nearest_gaussian = _edited("Every weight is sent by the one Gaussian that is the cheapest for it.",
                           (COST, "-most[:, 0], (joint == 1).astype(float), pi"))
picked_by_proportions = _edited("Gaussians are picked with their mixing proportions, whatever the weight.",
                                (COST, "-(most + np.log(total))[:, 0], np.tile(pi, (len(mu_W), 1)), pi"))
products_of_variances_dropped = _edited("Products of variances of hidden units and of weights are left out.",
                                        (" + V_y @ V_w + V", " + V"))
output_noise_forgotten = _edited("The noise of the output's bias is no variance.", (' + V["j"], y, V', ", y, V"))
linearised_units = _edited("Hidden units are linearised at the mean of their input.",
                           ("[m, m2 - m * m,", "[expit(mean), (expit(mean) * expit(-mean)) ** 2 * variance,"))
noise_detached = _edited("No derivative passes through the variance of a hidden unit's input.",
                         ("by_V_x = by_mu_y * slopes[1] + by_V_y * slopes[3]", "by_V_x = 0 * by_mu_y"))
slopes_by_variances = _edited("Slopes by the logarithms of outgoing variances are those by the variances.",
                              ('"log V hj": V_w * (', '"log V hj": ('))
fixed_prior = _edited("The coding-prior's means never adapt.", ('["mu P"] = (picked', '["mu P"] = 0 * (picked'))
small_tables = _edited("A table has ten entries along each side, however many are asked for.",
                       ("_table(config.table, config.unit)", "_table(10, config.unit)"))
nearest_entries = _edited("A table's nearest entry is taken.", ('method="linear"', 'method="nearest"'))
thresholds_by_variance = _edited("A threshold unit's input is divided by its variance, not its standard deviation.",
                                 ("z = mean / deviation", "z = mean / deviation**2"))
noiseless_thresholds = _edited("Threshold units pass no derivatives on, as if there were no noise.",
                               ("density / deviation, 0.0)", "0.0, 0.0)"),
                               ("-density * z / (2 * deviation**2), 0.0)", "0.0, 0.0)"))
noise_as_variance = _edited("The noise at the start is a variance.", ("2 * np.log(config.n", "np.log(config.n"))
wide_gaussians = _edited("Gaussians start one standard deviation apart.", ("(config.reach / ", "(2 * config.reach / "))
one_start = _edited("Every run sets out from the same weights.", ("default_rng(seed)", "default_rng(0)"))
stages_end_late = _edited("Every stage has one update more.",
                          ("begun + config.updates]:", "begun + config.updates + 1]:"),
                          ("coefficient, config.updates, 0.0)", "coefficient, config.updates + 1, 0.0)"),
                          ("path[-1], begun + config.updates", "path[-1], begun + config.updates + 1"))
tolerance_by_share = _edited("The last stage ends at a change below a share of the cost.",
                             ("found[-2] - found[-1] < tolerance", "found[-2] - found[-1] < tolerance * found[-1]"))
endless = _edited("The bound on updates of the last stage is ignored.", ("last, config.longest,", "last, 1000,"))
# fmt: on


def full_penalty_throughout(reference: Any) -> Any:
    """Every stage has the coefficient 1."""
    return reconfigure(reference, lambda config: replace(config, schedule=(1.0,) * len(config.schedule)))


def always_annealed(reference: Any) -> Any:
    """The penalty of noisy weights rises by twelve stages even where it is to be full at once."""
    rising = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    return reconfigure(reference, lambda config: replace(config, schedule=rising))


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


NULLS = {"linear_regression": lambda inputs, targets, ratio: np.ones(np.shape(inputs)[1])}
PLANTED = {  # hidden units' noise does not reach the output
    "expected-squared-errors": ("V_y @ mu_w**2 + mu_y**2 @ V_w", "mu_y**2 @ V_w"),
}
