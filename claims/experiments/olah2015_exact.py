"""Gated networks of drawn weights, and small ones in training, against the oracle of olah2015."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise
from math import prod
from typing import Any

import numpy as np

from claims.experiments.gated_networks import (
    CELLS,
    GatedMemory,
    Weights,
    course,
    nothing,
    sizes,
    small,
    some,
    weights_of,
)
from claims.experiments.gradient_survival import advanced
from claims.experiments.long_lag_tasks import Array, Drawn, graphs, shuffled
from claims.oracles import olah2015 as oracle
from repro import (
    SGD,
    Adam,
    Measurements,
    Setting,
    cases,
    distance,
    from_uniform,
    numerical_gradients,
    scalar,
)

WAYS = (("sgd", 0.3, 0.0, "linear", 1), ("adam", 0.02, 0.01, "logistic", 2))
MORE = {"lstm": (("sgd", 0.5, 0.02, "logistic", 2), ("adam", 0.02, 0.0, "linear", 3), ("sgd", 0.3, 50.0, "linear", 1))}
MORE |= {"blocks": (("sgd", 0.5, 0.0, "logistic", 1),)}  # truncated
"""Optimizer, rate, clip, output and updates that are followed; of all modules, and more of some.

No gradient is as long as 50, and each is longer than the other clips.
"""
SEEDS = (1, 4, 10, 256, 1_000, 65_536)
"""What is added to a seed to have another; a part of its bits or digits alone would be the same."""
LARGEST = 5.0
"""Standard errors that a correlation may be off."""
SQUARES = {"rnn": 1, "lstm": 4, "gru": 3, "coupled": 3}
"""Layers that interact in each module."""


def counted(network: GatedMemory, setting: Setting) -> Measurements:
    """How many weights the config's network has."""
    return {"weights": scalar(sum(prod(shape) for shape in network.shapes(setting.config).values()), "weights")}


def layers(network: GatedMemory, setting: Setting) -> Measurements:
    """Weights of each module as multiples of a tanh layer's; all shapes, and those that a network has learnt."""
    found, right, multiples = list[float](), list[bool](), list[int]()
    for n, inputs in ((1, 1), (3, 5), (64, 2), (512, 300)):
        for cell in CELLS:
            config = small(setting, cell, n, inputs)
            own = {name: tuple(shape) for name, shape in network.shapes(config).items()}
            right.append(own == sizes(cell, n, inputs, 2, config.size))
            if cell in SQUARES:
                inside = sum(prod(shape) for name, shape in own.items() if name.startswith("W_") and name != "W_y")
                found.append(inside / (n * (n + inputs)))
                multiples.append(SQUARES[cell])
            if n < 5:
                data = some(np.random.default_rng(n), config, (2, 1))
                *_, weights = course(network, replace(setting, config=replace(config, batch=2, updates=1)), data)
                right.append({name: w.shape for name, w in weights.items()} == sizes(cell, n, inputs, 2, config.size))
    return {"multiples": cases(found, multiples, "1"), "shapes": cases(right, 1, "1")}


def stepped(network: GatedMemory, setting: Setting) -> Measurements:
    """All that a step gives against the equations, from drawn states, with weights from small to very large."""
    rng, gaps = np.random.default_rng([setting.seed, 1]), list[Array]()
    shapes = (1, 1, 1, 1, 1.0), (3, 2, 2, 5, 0.5), (2, 4, 3, 3, 2.0), (4, 1, 1, 2, 300.0)
    for cell in CELLS:
        for n, inputs, cells, count, scale in shapes:
            config = small(setting, cell, n, inputs, cells=cells)
            weights = weights_of(rng, config, scale)
            widths = oracle.widths(cell, weights)
            state = rng.normal(size=(count, inputs)), *(rng.normal(size=(count, width)) for width in widths)
            found = network.module(config, {k: array.copy() for k, array in weights.items()}, *state)
            wanted = oracle.module(cell, weights, *state)
            names = wanted.keys() - ({"i"} if cell == "coupled" else set())
            gaps += [np.ravel(np.asarray(found[name], np.float64) - wanted[name]) for name in sorted(names)]
    return {"gaps": cases(np.concatenate(gaps), 0, "1")}


def predicted(network: GatedMemory, setting: Setting) -> Measurements:
    """Outputs after sequences of different lengths, together and each alone, against the equations.

    Items stand in any order, at times of any kind; in the longest sequences forget gates keep what came first.
    """
    rng, gaps = np.random.default_rng([setting.seed, 2]), list[Array]()
    for cell in CELLS:
        for n, inputs, outputs, lengths in (
            (3, 2, 2, (5, 1, 9, 3)),
            (1, 1, 1, (1,)),
            (4, 3, 5, (7, 7)),
            (2, 2, 1, (110, 3)),
        ):
            for output, precision in (("linear", "float64"), ("logistic", "float32")):
                config = small(setting, cell, n, inputs, outputs, output=output, precision=precision)
                drawn = weights_of(rng, config)
                weights = remembering(drawn) if max(lengths) > 100 else drawn
                weights = {k: w.astype(np.float32).astype(np.float64) for k, w in weights.items()}
                model = network.restore(config, {k: w.copy() for k, w in weights.items()}, device=setting.device)
                items, ends, _ = some(rng, config, lengths)
                wanted, alone = oracle.outputs(config, weights, items, ends), graphs(items[-1:], ends[-1:])
                found = model.predict(shuffled(rng, graphs(items, ends)))
                gaps.append(np.ravel(np.asarray(found, np.float64) - wanted))
                gaps.append(np.ravel(np.asarray(model.predict(alone), np.float64) - wanted[-1:]))
                again = network.state(model)
                gaps += [np.ravel(np.asarray(again[k], np.float64) - w) for k, w in weights.items()]
    return {"gaps": cases(np.concatenate(gaps), 0, "1")}


def started(network: GatedMemory, setting: Setting) -> Measurements:
    """Weights before the first update: how likely, how far related, and gates' biases."""
    likely, related, fixed = list[float](), list[float](), list[Array]()
    for cell in CELLS:
        for init, bias, n in ((0.25, 1.5, 12), (0.1, -3.0, 12), (0.125, 2.0, 64)):
            gates: dict[str, Any] = {"in_biases": (-1.0, bias) * 6, "out_biases": (bias, -2.0) * 6} if bias < 0 else {}
            config = small(setting, cell, n, 4, 3, init=init, forget_bias=bias, updates=0, batch=2, **gates)
            data = some(np.random.default_rng(0), config, (2, 1))
            (first,), (again,), (other,), *rest = (
                course(network, replace(setting, config=config, seed=setting.seed + more), data, ())
                for more in (0, 0, *SEEDS)
            )
            known = {"b_f": np.full(n, bias), **{f"b_{k[:-7]}": np.array(v) for k, v in gates.items()}}
            known = {name: value for name, value in known.items() if name in first}
            fixed += [found[name] - value for name, value in known.items() for found in (first, other)]
            fixed += [first[name] - again[name] for name in first]
            drawn = [{name: w.ravel() for name, w in found.items() if name not in known} for found in (first, other)]
            whole = [np.concatenate([*found.values()]) for found in drawn]
            likely += [from_uniform(values, -init, init) for values in whole]
            fixed += [
                np.maximum(values.size - np.unique(values).size - 2, 0) for values in whole
            ]  # none repeats another
            arrays = [array for found in drawn for array in found.values() if array.size > 30]
            likely += [from_uniform(array, -init, init) for array in arrays]
            arrays += [np.concatenate([w.ravel() for name, w in one.items() if name not in known]) for (one,) in rest]
            related += [
                float(abs(np.corrcoef(a, b)[0, 1]) * len(a) ** 0.5)
                for a, b in combinations(arrays + whole, 2)
                if len(a) == len(b)
            ]
    return {
        "likely": cases(likely, 1e-7, "probability"),
        "related": cases(related, LARGEST, "standard errors"),
        "fixed": cases(np.concatenate([np.ravel(each) for each in fixed]), 0, "1"),
    }


def followed(network: GatedMemory, setting: Setting) -> Measurements:
    """Weights after each of some updates of every module, with both optimizers, gradients clipped and not.

    And the output's biases after each of 30 updates out of 32, by both: rates and Adam's memory stay as they were.
    """
    rng, gaps = np.random.default_rng([setting.seed, 3]), list[float]()
    for cell in CELLS:
        for optimizer, lr, clip, output, updates in (*WAYS, *MORE.get(cell, ())):
            own = {"optimizer": optimizer, "lr": lr, "clip": clip, "output": output, "init": 0.8, "batch": 3}
            truncated = cell == "blocks" and output == "logistic" and not clip
            own |= {"updates": updates, "truncated": truncated, "in_biases": (-1.0, 0.5) if cell == "blocks" else ()}
            config = small(setting, cell, **own)
            data = some(rng, config, (4, 2, 3) if updates < 3 else (5, 12, 3))
            rule = rule_of(optimizer, lr)
            for before, after in pairwise(course(network, replace(setting, config=config), data)):
                gradients = clipped(slopes(config, before, data, truncated), clip)
                gaps.append(distance(after, rule.step(before, gradients), before))
    late = list[Array]()
    for optimizer in ("sgd", "adam"):
        config = small(setting, "lstm", optimizer=optimizer, lr=0.03, clip=0.0, batch=3, updates=32)
        data, rule = some(rng, config, (4, 2, 3)), rule_of(optimizer, 0.03)
        for before, after in list(pairwise(course(network, replace(setting, config=config), data)))[:30]:
            wrong = oracle.outputs(config, before, *data[:2]) - data[2]
            late.append(rule.step({"b_y": before["b_y"]}, {"b_y": wrong.mean(0)})["b_y"] - after["b_y"])
    return {"distance": cases(gaps, 0, "1"), "late": cases(np.concatenate(late), 0, "1")}


def rule_of(optimizer: str, lr: float) -> SGD | Adam:
    """The rule by its name."""
    return SGD(rates=[lr]) if optimizer == "sgd" else Adam(rates=[lr])


def slopes(config: Any, weights: Weights, drawn: Drawn, truncated: bool) -> Weights:
    """Gradients of the loss; truncated ones hold what units gave at the step before (1997, A.2)."""
    items, lengths, targets = drawn
    kept = oracle.before(config, weights, items) if truncated else None
    outputs = oracle.outputs
    return numerical_gradients(lambda w: oracle.loss(outputs(config, w, items, lengths, kept), targets), weights)


def clipped(gradients: Weights, most: float) -> Weights:
    """Gradients, all made shorter alike where their norm together is more than that."""
    norm = np.sqrt(sum((gradient**2).sum() for gradient in gradients.values()))
    return {name: gradient * (min(1.0, most / norm) if most else 1.0) for name, gradient in gradients.items()}


LARGE = 1e4
"""By which a state differs, which all that follows is linear in."""


def remembering(weights: Weights) -> Weights:
    """The same with forget gates that are all but open, where there are any."""
    return weights | ({"b_f": weights["b_f"] + 4} if "b_f" in weights else {})


def conveyed(network: GatedMemory, setting: Setting) -> Measurements:
    """Derivatives of states by those 40 steps before, where no gate reads h, over the product of forget gates."""
    rng, ratios = np.random.default_rng([setting.seed, 5]), list[Array]()
    for cell in ("lstm", "coupled", "blocks"):
        config = small(setting, cell, 3, 2)
        weights = remembering(weights_of(rng, config))  # or nothing is left to compare
        h, c = nothing(cell, weights)
        for name in weights.keys() - {"W_y"}:
            weights[name][..., : h.shape[1] if name.startswith("W_") else 0] = 0
        x, kept = rng.normal(size=(40, 1, 2)), np.ones(c.shape[1])
        for item in x:
            kept = kept * oracle.module(cell, weights, item, h, c).get("f", 1.0)
        own = kept.size
        states = np.concatenate([np.zeros((own + 1, h.shape[1])), LARGE * np.eye(own + 1, own, -1)], 1)
        for item in x:
            states = advanced(network, config, weights, np.repeat(item, own + 1, 0), states, h.shape[1])
        ends = states[:, h.shape[1] :]
        ratios.append(((ends[1:] - ends[0]) / LARGE / kept - np.eye(own)).ravel())
    return {"ratios": cases(np.concatenate(ratios), 0, "1")}


def kept(network: GatedMemory, setting: Setting) -> Measurements:
    """What is left of drawn states after 1,000 steps with gates that keep, and after one with gates that erase.

    Inputs are drawn; of the blocks of 1997, which have nothing to erase with, only what is kept.
    """
    rng, stored, erased = np.random.default_rng([setting.seed, 6]), list[Array](), list[Array]()
    for cell in ("lstm", "coupled", "blocks"):
        config = small(setting, cell, 3, 2)
        weights = weights_of(rng, config)
        state = np.concatenate([*nothing(cell, weights)], 1)
        of_h = nothing(cell, weights)[0].shape[1]
        state[:, of_h:] = value = rng.normal(size=(1, state.shape[1] - of_h))
        gates = {"b_in": -1e3} if cell == "blocks" else {"b_f": 1e3, "b_i": -1e3}
        shut = weights | {name: np.full_like(weights[name], b) for name, b in gates.items() if name in weights}
        now = state
        for item in rng.normal(size=(1000, 1, 2)):
            now = advanced(network, config, shut, item, now, of_h)
        stored.append((now[:, of_h:] - value).ravel())
        if cell != "blocks":
            item = rng.normal(size=(1, 2))
            ends = [
                advanced(network, config, weights | {"b_f": np.full(3, -1e3)}, item, before, of_h)
                for before in (state, np.concatenate([state[:, :of_h], value + 5], 1))
            ]
            erased.append((ends[1] - ends[0])[:, of_h:].ravel())
    return {"stored": cases(np.concatenate(stored), 0, "1"), "erased": cases(np.concatenate(erased), 0, "1")}


def ranged(network: GatedMemory, setting: Setting) -> Measurements:
    """Gates, outputs and increments of states, which are bounded whatever is read, at moderate and extreme weights.

    Measures:
        low, high: gates, which lie between 0 and 1.
        bounded: by how much |h| exceeds 1 (of a GRU, the larger of 1 and the last one), and increments of blocks 2.
    """
    rng, gates, over = np.random.default_rng([setting.seed, 7]), list[Array](), list[Array]()
    for cell in CELLS:
        for scale in (1.0, 100.0):
            config = small(setting, cell, 3, 2)
            weights = weights_of(rng, config, scale)
            h, c = nothing(cell, weights, 30)
            for item in rng.normal(size=(8, 30, 2)):
                after = network.module(config, weights, item, h, c)
                gates += [np.ravel(after[name]) for name in ("f", "i", "o", "z", "r", "in", "out") if name in after]
                most = np.maximum(np.abs(h), 1) if cell == "gru" else 1.0
                over.append((np.abs(after["h"]) - most).ravel())
                over.append((np.abs(after["C"] - c) - 2).ravel() if cell == "blocks" else np.zeros(1))
                h, c = after["h"], after["C"]
                h = h * rng.uniform(0.5, 3, h.shape) if cell == "gru" else h  # larger than any that it gives
    found = np.concatenate(gates)
    bounds = {"low": cases(found, 0, "1"), "high": cases(found, 1, "1")}
    return bounds | {"bounded": cases(np.concatenate(over), 0, "1")}
