"""Exact checks of how dilated networks are trained: every update of every weight, and which maps each one takes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import combinations, pairwise
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
from repro import SGD, Measurements, Setting, Weights, cases, distance, numerical_gradients, updated

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
    return {"distance": cases(far, 0, "1")}


def late(network: DensePredictor, setting: Setting) -> Measurements:
    """The first and the last of eighty updates of deep modules, at a few weights of each array."""
    rng, far = np.random.default_rng((setting.seed, 10)), list[float]()
    for dilations, multiples in (((1, 1, 2, 4, 8, 1), (1,) * 6), ((1, 1, 2, 4, 8, 16, 1), (2, 2, 4, 1, 3, 2, 1))):
        config = smaller(
            setting.config, dilations=dilations, multiples=multiples, padding=sum(dilations), size=(6, 7), mode="zero",
            updates=80, batch=2, rate=0.01, momentum=0.8,
        )  # fmt: skip
        x, y = drawn_inputs(config, rng), labelled(config, rng, 2)
        start = {
            name: value.astype(np.float32).astype(np.float64) for name, value in drawn_weights(config, rng).items()
        }
        found, _ = course(network, replace(setting, config=config), pairs(x, y), (0, 1, 78, 79, 80), start)
        nothing = {name: np.zeros_like(value) for name, value in start.items()}
        before = {0: nothing, 79: {name: found[79][name] - found[78][name] for name in start}}
        for step, velocity in before.items():
            for name, value in found[step].items():
                at = rng.permutation(value.size)[:3]
                slope = numerical_gradients(partial(_moved, config, x, y, found[step], name, at), {"w": value.flat[at]})
                wanted = 0.8 * velocity[name].flat[at] - 0.01 * slope["w"]
                move = found[step + 1][name].flat[at] - value.flat[at]
                far.append(float(np.abs(move - wanted).max() / (np.abs(wanted).max() + 1e-5)))
    return {"late": cases(far, 0, "1")}


def _moved(config: Any, x: Array, y: Array, weights: Weights, name: str, at: Any, some: Weights) -> float:
    """The loss with some weights of one array set."""
    changed = np.array(weights[name])
    changed.flat[at] = some["w"]
    return oracle.loss({**weights, name: changed}, config, x, y)


def passes(network: DensePredictor, setting: Setting) -> Measurements:
    """Which two of seven maps each of thirty updates takes: those whose errors explain how the last bias moves."""
    rng, chosen, far = np.random.default_rng((setting.seed, 9)), [], list[float]()
    config = smaller(
        setting.config, classes=3, dilations=(1, 2), multiples=(1, 1), padding=3, size=(5, 4), mode="zero",
        start="xavier", updates=30, batch=2, rate=0.05, momentum=0.5,
    )  # fmt: skip
    x, y = drawn_inputs(config, rng, 7), labelled(config, rng, 7)
    last = f"b{len(config.dilations) + 1}"
    two = list(combinations(range(7), 2))
    for seed in (setting.seed, setting.seed + 1):
        found, _ = course(network, replace(setting, config=config, seed=seed), pairs(x, y), range(31))
        velocity, batches = np.zeros(3), []
        for before, after in pairwise(found[step] for step in range(31)):
            scores = oracle.forward(before, config, x)[-1]
            p = np.exp(scores - scores.max(1, keepdims=True))
            error = p / p.sum(1, keepdims=True) * y.sum(1, keepdims=True) - y
            sums, labels = error.sum((2, 3)), y.sum((1, 2, 3))
            moves = np.array(
                [0.5 * velocity - 0.05 * sums[list(pair)].sum(0) / labels[list(pair)].sum() for pair in two]
            )
            gaps = np.abs(moves - (after[last] - before[last])).max(1)
            best = int(gaps.argmin())
            far.append(float(gaps[best] / 0.05))
            velocity = moves[best]
            batches.append(two[best])
        chosen.append(batches)
    most = [np.bincount(np.ravel(one[at : at + 3]), minlength=7).max() for one in chosen for at in range(0, 30, 3)]
    orders = [len(set(one[first::3])) for one in chosen for first in range(3)]
    return {
        "apart": cases(far, 0, "1"),
        "repeated": cases(most, 1, "times"),
        "orders": cases([sum(orders[:3]), sum(orders[3:])], 18, "batches"),
        "seeds": cases([float(chosen[0] == chosen[1])], 0, "1"),
    }
