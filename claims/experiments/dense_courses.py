"""Exact checks of dilated networks' training as a whole: which maps updates take, late updates, and those of arms."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from claims.experiments.dense_training import labelled
from claims.experiments.label_maps import drawn_maps, one_hot
from claims.experiments.yu2016 import AUDIT, Array, DensePredictor, course, drawn_weights, pairs, smaller
from claims.experiments.yu2016_exact import FAR, drawn_inputs
from claims.oracles import yu2016 as oracle
from repro import Measurements, Setting, Weights, cases, numerical_gradients

MANY, PASSES = 30, 4  # maps, and passes over them, whose order is compared with that in which they are given
LATE = 1000  # updates of a network of one layer


def passes(network: DensePredictor, setting: Setting) -> Measurements:
    """Which two of seven, and of thirty, maps each update takes: those whose errors explain how the last bias moves.

    Measures:
        apart: how far the nearest two maps are from explaining a move, by the rate.
        repeated: how often one of seven maps is taken in a pass, at most.
        orders: batches that differ, over ten passes, by seed.
        seeds: whether batches are those of another seed.
        never: which of seven maps are taken in none of ten passes.
        kept: how the order of thirty maps correlates with that in which they are given.
        watched: how far weights are moved by looking at them during training.
    """
    rng, chosen, far = np.random.default_rng((setting.seed, 9)), list[list[tuple[int, int]]](), list[float]()
    config = smaller(
        setting.config, classes=3, dilations=(1, 2), multiples=(1, 1), padding=3, size=(5, 4), mode="zero",
        start="xavier", updates=30, batch=2, rate=0.05, momentum=0.5,
    )  # fmt: skip
    x, y = drawn_inputs(config, rng, 7), labelled(config, rng, 7)
    seeds = [replace(setting, config=config, seed=setting.seed + more) for more in (0, 1, FAR)]
    for one in seeds:
        chosen.append(_taken(network, one, x, y, far))
    alone, _ = course(network, seeds[0], pairs(x, y))
    watched, _ = course(network, seeds[0], pairs(x, y), (0, 3, 11, 30))
    apart = [float(np.abs(value - watched[30][name]).max()) for name, value in alone[30].items()]
    most = [np.bincount(np.ravel(one[at : at + 3]), minlength=7).max() for one in chosen for at in range(0, 30, 3)]
    orders = [sum(len(set(one[first::3])) for first in range(3)) for one in chosen]
    rounds = MANY // config.batch
    more = replace(setting, config=replace(config, updates=PASSES * rounds))
    order = _taken(network, more, drawn_inputs(config, rng, MANY), labelled(config, rng, MANY), far)
    alike = [
        np.corrcoef(np.ravel(order[at : at + rounds]), np.repeat(np.arange(rounds), config.batch))[0, 1]
        for at in range(0, len(order), rounds)
    ]
    return {
        "apart": cases(far, 0, "1"),
        "repeated": cases(most, 1, "times"),
        "orders": cases(orders[:2], 18, "batches"),
        "seeds": cases([float(a == b) for a, b in combinations(chosen, 2)], 0, "1"),
        "never": cases([7 - np.unique(one).size for one in chosen], 0, "maps"),
        "kept": cases([np.sum(alike) * np.sqrt((MANY - 1) / PASSES)], 0, "standard errors"),
        "watched": cases(apart, 0, "1"),
    }


def _taken(network: DensePredictor, setting: Setting, x: Array, y: Array, far: list[float]) -> list[tuple[int, int]]:
    """The two maps of each update of a module of three classes; how well they explain it is added to `far`."""
    config, two, taken = setting.config, np.array(list(combinations(range(len(x)), 2))), list[tuple[int, int]]()
    last, labels = f"b{len(config.dilations) + 1}", y.sum((1, 2, 3))
    found, _ = course(network, setting, pairs(x, y), range(config.updates + 1))
    velocity = np.zeros(config.classes)
    for before, after in pairwise(found[step] for step in range(config.updates + 1)):
        scores = oracle.forward(before, config, x)[-1]
        p = np.exp(scores - scores.max(1, keepdims=True))
        error = p / p.sum(1, keepdims=True) * y.sum(1, keepdims=True) - y
        sums = error.sum((2, 3))[two].sum(1) / labels[two].sum(1)[:, None]
        moves = config.momentum * velocity - config.rate * sums
        gaps = np.abs(moves - (after[last] - before[last])).max(1)
        best = int(gaps.argmin())
        far.append(float(gaps[best] / config.rate))
        velocity = moves[best]
        taken.append((int(two[best][0]), int(two[best][1])))
    return taken


def late(network: DensePredictor, setting: Setting) -> Measurements:
    """Late updates: of eighty of deep modules, at a few weights of each array, and of a thousand of one layer."""
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
    return {"late": cases([*far, _last_of_many(network, setting, rng)], 0, "1")}


def _moved(config: Any, x: Array, y: Array, weights: Weights, name: str, at: Any, some: Weights) -> float:
    """The loss with some weights of one array set."""
    changed = np.array(weights[name])
    changed.flat[at] = some["w"]
    return oracle.loss({**weights, name: changed}, config, x, y)


def _last_of_many(network: DensePredictor, setting: Setting, rng: np.random.Generator) -> float:
    """How far the last update of one layer is from the nearer of those by its two maps, whose labels disagree."""
    config = smaller(
        setting.config, dilations=(), multiples=(), padding=0, size=(2, 3), mode="zero", start="gaussian", noise=0.3,
        updates=LATE, rate=0.1, momentum=0.5,
    )  # fmt: skip
    x, labels = np.repeat(drawn_inputs(config, rng, 1), 2, 0), rng.integers(0, 2, (1, 2, 3))
    y = one_hot(np.concatenate([labels, 1 - labels]), 2)
    at = (LATE - 2, LATE - 1, LATE)
    found, _ = course(network, replace(setting, config=config), pairs(x, y), at)
    before, now, after = ({name: value.copy() for name, value in found[step].items()} for step in at)
    gaps = []
    for n in (0, 1):
        slopes = numerical_gradients(partial(oracle.loss, config=config, maps=x[n : n + 1], targets=y[n : n + 1]), now)
        wanted = {name: 0.5 * (now[name] - before[name]) - 0.1 * slope for name, slope in slopes.items()}
        gaps.append(
            [np.abs(after[name] - now[name] - move).max() / np.abs(move).max() for name, move in wanted.items()]
        )
    return float(np.min(np.max(gaps, 1)))


def compared(network: DensePredictor, setting: Setting) -> Measurements:
    """The first and the last update of the arms that claims compare, at the very settings, along drawn directions.

    The slope of max(., 0) at 0 is 0: of what the identity makes of zeros around a map, it is that from below.
    """
    base, rng, far = setting.config, np.random.default_rng((setting.seed, 11)), list[float]()
    layers, updates = len(base.dilations), base.updates
    x, labels = drawn_maps(base.batch, (setting.seed, AUDIT), base.size[0])
    y = one_hot(labels, base.classes)
    undilated = {"dilations": (1,) * layers, "padding": layers}
    for fields in ({}, {"start": "xavier"}, undilated):  # of Gaussian starts no kernel learns anything
        config = replace(base, **fields)
        found, _ = course(
            network, replace(setting, config=config), pairs(x, y), (0, 1, updates - 2, updates - 1, updates)
        )
        loss = partial(oracle.loss, config=config, maps=x, targets=y)
        for step in (0, updates - 1):
            below = {n: v - 1e-6 * (n[0] == "b" and n != f"b{layers + 1}") for n, v in found[step].items()}
            for name, value in found[step].items():
                along = rng.choice([-1.0, 1.0], value.shape)
                up, down = (loss({**below, name: below[name] + way * along}) for way in (2e-9, -2e-9))
                velocity = value - found[step - 1][name] if step else 0 * value
                wanted = config.momentum * (velocity * along).sum() - config.rate * (up - down) / 4e-9
                move = found[step + 1][name] - value
                share = max(float(np.sqrt((move**2).sum())), abs(float(wanted))) + 1e-3  # less moves no output
                far.append(float(np.abs((move * along).sum() - wanted) / share))
    return {"far": cases(far, 0, "1")}
