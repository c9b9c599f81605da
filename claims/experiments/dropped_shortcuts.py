"""Which values of shortcuts are dropped, inferred from what each update does to the classifier (he2016, Figure 2f).

The network has one unit, in the order that rectifies before its convolutions: what is pooled is the rectified sum of
the shortcut, where it is kept, and of F, which no mask changes. Each image has a class of its own.

Shapes: N images, C channels, P places, T updates.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.residual_networks import SCALES, classifier_gradient, inputs, random_images, watched
from claims.oracles import he2016 as paper
from claims.oracles.he2015 import Array, Layers
from repro import Measurements, Setting, Weights, cases
from repro.task import Counted

SMALL: dict[str, Any] = {"unit": "relu-preactivation", "depth": 4, "widths": (4,), "image": 2, "channels": 3}
SMALL |= {"dropout": 0.5, "classes": 5, "batch": 4, "iterations": 60, "lr": 1e-3, "momentum": 0.0, "weight_decay": 0.0}
SMALL |= {"milestones": (), "slow_updates": 0, "augment": "none"}
KEPT = np.array(list(product((0, 1), repeat=4)))  # every way to keep four places, [16, P]


def dropped(implementation: Counted, setting: Setting) -> Measurements:
    """Masks of 60 updates.

    Measures:
        off: pooled values that no mask explains, ten each; then in standard errors how often a value is kept, by
            channel and place, and how often two are treated alike: of two images, channels, places and updates.
    """
    config = replace(setting.config, **SMALL)
    split = random_images(config, config.batch, setting.seed)
    states = watched(implementation, config, split, setting, tuple(range(config.iterations + 1)))
    masks, wrong = list[Array](), 0
    for before, after in pairwise(states):
        layers = Layers(before)
        paper.logits(layers, replace(config, dropout=0.0), SCALES[0] * inputs(split.images, split.images))
        h, f = (x.reshape(*x.shape[:2], 4) for x in (layers.signals[0], layers.residuals[0]))
        ways = np.maximum(h[:, :, None] * KEPT + f[:, :, None], 0)
        pooled = _pooled(before, after, config.lr, ways.mean((2, 3)))
        distance = np.abs(ways.mean(3) - pooled[:, :, None])
        wrong += int((distance.min(2) > 0.02 * ways.mean(3).std()).sum())
        shown = np.maximum(h + f, 0) - np.maximum(f, 0) > 0.02  # others are the same, kept or dropped
        masks.append(np.where(shown, KEPT[distance.argmin(2)], np.nan))
    kept = np.stack(masks)  # [T, N, C, P]
    rates = [_errors(kept[:, :, c, p]) for c in range(4) for p in range(4)]
    return {"off": cases([10.0 * wrong, *rates, *(_alike(kept, axis) for axis in range(4))], 0.0, "standard errors")}


def _pooled(before: Weights, after: Weights, rate: float, guess: Array) -> Array:
    """The features [N, C] whose gradient by the classifier moved it so."""
    from scipy import optimize

    push = np.c_[before["W"] - after["W"], before["b"] - after["b"]] / rate

    def off(flat: NDArray[np.float64]) -> Array:
        return (classifier_gradient(flat.reshape(guess.shape), before) - push).ravel()

    return optimize.least_squares(off, guess.ravel(), method="lm").x.reshape(guess.shape)


def _alike(kept: Array, axis: int) -> float:
    """How often neighbours along an axis are treated alike, in standard errors from a half."""
    one, other = np.delete(kept, -1, axis), np.delete(kept, 0, axis)
    return _errors(np.where(np.isnan(one + other), np.nan, one == other))


def _errors(happened: Array) -> float:
    """How often something happened of the times that it showed, in standard errors from a half."""
    shown = happened[~np.isnan(happened)]
    return float((shown.mean() - 0.5) * 2 * len(shown) ** 0.5) if len(shown) else 0.0
