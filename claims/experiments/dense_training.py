"""Exact checks of how dilated networks are trained: the first updates of every weight."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from claims.experiments.yu2016 import (
    Array,
    DensePredictor,
    course,
    drawn_weights,
    graphs_of,
    off,
    one_hot,
    pairs,
    smaller,
)
from claims.experiments.yu2016_exact import FRONT, drawn_inputs
from claims.oracles import yu2016 as oracle
from repro import SGD, Measurements, Setting, cases, distance, numerical_gradients, updated

TRAINED: tuple[dict[str, Any], ...] = (
    {"dilations": (1, 2), "multiples": (1, 1), "padding": 3, "size": (5, 4), "momentum": 0.9, "rate": 0.3},
    {"dilations": (1,), "multiples": (2,), "padding": 1, "size": (3, 5), "momentum": 0.0, "rate": 0.5},
    {"dilations": (2, 1), "multiples": (1, 2), "padding": 3, "size": (4, 5), "momentum": 0.99, "rate": 0.1,
     "updates": 2, "mode": "reflection"},
    {"dilations": (3,), "multiples": (1,), "padding": 0, "size": (8, 7), "momentum": 0.5, "rate": 0.3, "classes": 3},
    FRONT | {"widths": (1, 2), "convolutions": (1, 1), "fully": 2, "padding": 2, "size": (12, 14), "momentum": 0.9,
             "rate": 0.2, "mode": "reflection", "updates": 2},
)  # fmt: skip


def labelled(config: Any, rng: np.random.Generator, count: int) -> Array:
    """Drawn targets [N, C, H', W'], of which a share that differs from map to map has no label."""
    sides = [oracle.side(config, side) for side in config.size]
    labels = rng.integers(0, config.classes, (count, *sides))
    shares = np.linspace(0, 0.7, count)[:, None, None]
    unlabelled = rng.random(labels.shape) < shares
    unlabelled[:, 0, 0] = False
    return one_hot(np.where(unlabelled, -1, labels), config.classes)


def updates(network: DensePredictor, setting: Setting) -> Measurements:
    """Two or three updates of drawn weights and own starts, by all maps, against the rule on numerical gradients."""
    rng, far, predicted, given = np.random.default_rng((setting.seed, 7)), *(list[float]() for _ in range(3))
    for number, chosen in enumerate(TRAINED):
        config = smaller(setting.config, **{"mode": "zero", "updates": 3, "batch": 2} | chosen)
        config = replace(config, start=("xavier", "gaussian")[number % 2], noise=0.4)
        x, y = (0.5, 1.0, 2.0)[number % 3] * drawn_inputs(config, rng), labelled(config, rng, 2)
        start = {
            name: value.astype(np.float32).astype(np.float64)
            for name, value in drawn_weights(config, rng, bias=0.3).items()
        }
        for own in (False, True) if config.mode == "reflection" else (False,):  # zeros and no bias are at a kink
            found, model = course(
                network, replace(setting, config=config), pairs(x, y), range(config.updates + 1), None if own else start
            )
            given += [] if own else [off(found[0][name], value) for name, value in start.items()]
            rule = SGD([config.rate], momentum=config.momentum)
            wanted = updated(partial(oracle.loss, config=config, maps=x, targets=y), found[0], rule, config.updates)
            far += [distance(found[step], one, found[0]) for step, one in enumerate(wanted, 1)]
            scores = oracle.forward(found[config.updates], config, x)[-1].reshape(2, -1)
            predicted.append(off(model.predict(graphs_of(x)), scores))
    return {"distance": cases(far, 0, "1"), "predicted": cases(predicted, 0, "1"), "given": cases(given, 0, "1")}


def identities(network: DensePredictor, setting: Setting) -> Measurements:
    """Two updates of modules that start at the identity, of positive maps, whose labels are given in part.

    Some scores are large: their exponentials must not overflow.
    """
    rng, far = np.random.default_rng((setting.seed, 8)), list[float]()
    for multiples, noise, scale in (((1, 1), 0.0, 1.0), ((2, 1), 0.02, 1.0), ((1, 1), 0.0, 200.0)):
        config = smaller(
            setting.config, dilations=(1, 2), multiples=multiples, padding=3, size=(5, 4), mode="reflection",
            start="identity", noise=noise, updates=2, batch=3, rate=0.1 / scale, momentum=0.8,
        )  # fmt: skip
        x, y = scale * (0.5 + np.abs(drawn_inputs(config, rng, 3))), labelled(config, rng, 3)
        found, _ = course(network, replace(setting, config=config), pairs(x, y), (0, 1, 2))
        loss = partial(oracle.loss, config=config, maps=x, targets=y)
        wanted = updated(loss, found[0], SGD([config.rate], momentum=config.momentum), 2)
        far += [distance(found[step], one, found[0]) for step, one in enumerate(wanted, 1)]
        if scale == 1.0 and not noise:
            far.append(_at_the_kink(network, setting, replace(config, mode="zero", updates=1), x - 1.0, y))
    return {"distance": cases(far, 0, "1")}


def _at_the_kink(network: DensePredictor, setting: Setting, config: Any, x: Array, y: Array) -> float:
    """How far one update of the identity is off where negative numbers have become zeros: max(., 0) has no slope there.

    Slopes are those from below: biases of layers that are truncated are lowered by more than differences reach.
    """
    found, _ = course(network, replace(setting, config=config), pairs(x, y), (0, 1))
    last, reach = f"b{len(config.dilations) + 1}", 2e-6 * np.abs(x).max()
    below = {name: value - reach * (name[0] == "b" and name != last) for name, value in found[0].items()}
    slopes = numerical_gradients(partial(oracle.loss, config=config, maps=x, targets=y), below)
    wanted = {name: value - config.rate * slopes[name] for name, value in found[0].items()}
    return distance(found[1], wanted, found[0])
