"""Curves that criteria for curves are tried on, and how often a criterion decides what on drawn samples."""

from __future__ import annotations

import math

import numpy as np

from tests.strategies import make_sample

SEED = 20240607
GRID = np.geomspace(1, 1000, 21)
RAMP = np.linspace(0.5, 2, 21)
HILL = 2.5 - np.linspace(-1, 1, 21) ** 2


def share(rule, status, draw, runs):
    """How often `rule` gives `status` on samples that `draw(rng)` makes."""
    rng = np.random.default_rng(SEED)
    return np.mean([rule.judge(draw(rng)).status == status for _ in range(runs)])


def allowance(rate, runs):
    """Four Monte Carlo standard errors."""
    return 4 * math.sqrt(rate * (1 - rate) / runs)


def noisy(shape, sd, n=5):
    """Draws n curves of a shape with independent noise."""
    return lambda rng: [make_sample(shape + rng.normal(0, sd, (n, len(shape))), x=GRID[: len(shape)])]


def power_curve(shape, sd):
    """Draws two seeds of a curve, the mean of their logarithms with noise of spread `sd`."""
    spread = sd * math.sqrt(2)
    return lambda rng: [make_sample(shape * np.exp(rng.normal(0, spread, (2, len(shape)))), x=GRID)]
