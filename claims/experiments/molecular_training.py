"""Training of message passing networks, followed from its start by their weights, against the oracle of gilmer2017."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations, pairwise
from math import prod
from typing import Any

import numpy as np

from claims.experiments import molecular_graphs as made
from claims.experiments.gilmer2017 import MessagePassing
from claims.experiments.gilmer2017_equations import D, F, read_off
from claims.experiments.molecular_graphs import Array, MolecularPairs, OneGraph, drawn_graph, graphs_of
from claims.oracles import gilmer2017 as oracle
from repro import Adam, Measurements, Setting, Weights, cases, distance, from_normal, numerical_gradients
from repro.task import Regressor


def course(
    network: MessagePassing, setting: Setting, config: Any, data: MolecularPairs
) -> tuple[list[dict[str, Array]], Regressor]:
    """Weights before the first update and after each, and what is there at the end."""
    found, model, steps = [], None, tuple(range(config.updates))
    for _, model in network.train(config, data, seed=setting.seed, device=setting.device, eval_steps=steps):
        found.append({name: np.array(value, np.float64) for name, value in network.state(model).items()})
    return found, model  # pyright: ignore[reportReturnType] -- training yields at its end


def loss(config: Any, graphs: Sequence[OneGraph], y: Array, weights: Weights, places: Any, some: Weights) -> float:
    """Mean squared error of standardized targets, by weights of which some stand at some places."""
    changed = {name: np.array(weights[name]) for name in places}
    for name, at in places.items():
        changed[name].flat[at] = some[name]
    return float(np.mean((np.array([oracle.output(changed, config, graph) for graph in graphs]) - y) ** 2))


def updates(network: MessagePassing, setting: Setting) -> Measurements:
    """Two updates of three networks against Adam on numerical gradients at a few weights; one target does not vary."""
    rng, far, given, scale = np.random.default_rng((setting.seed, 5)), [], [], []
    small = {"hidden": 4, "width": 3, "steps": 2, "set2set_steps": 2, "updates": 2, "batch": 3, "decay_from": 1.0}
    for chosen in (
        {"message": "edge network", "inputs": "distances", "readout": "set2set"},
        {"message": "matrix", "inputs": "bonds", "readout": "gated", "towers": 2, "master": 2},
        {"message": "pair", "inputs": "bonds", "readout": "gated", "virtual": True},
    ):
        config, graphs = replace(setting.config, **small, **chosen), [drawn_graph(rng, F, n, 1.0) for n in (3, 2, 3)]
        y = np.column_stack([rng.normal(3, 5, 3), np.full(3, 2.0)])
        weights, model = course(network, setting, config, MolecularPairs(inputs=graphs_of(graphs), outputs=y))
        mean, std = y.mean(0), np.array([y[:, 0].std(), 1])
        scale += [*(weights[-1].pop("mean") - mean), *(weights[-1].pop("std") - std)]
        places = {name: rng.permutation(value.size)[:6] for name, value in weights[-1].items()}
        rule = Adam([config.lr])
        for before, after in pairwise(weights):
            error = partial(loss, config, graphs, (y - mean) / std, before, places)
            own, found = ({name: w[name].flat[at] for name, at in places.items()} for w in (before, after))
            far.append(distance(found, rule.step(own, numerical_gradients(error, own)), own))
        known = read_off(weights[-1] | {"mean": mean, "std": std}, config, graphs_of(graphs))
        given.append(np.abs(model.predict(graphs_of(graphs)) - known).max())
    return {"distance": cases(far, 0, "1"), "scale": cases(scale, 0, "1"), "given": cases(given, 0, "1")}


def starts(network: MessagePassing, setting: Setting) -> Measurements:
    """How likely three runs' weights are before the first update, apart and as differences of two, and their biases."""
    likely, biases = [], []
    data = MolecularPairs(inputs=made.paths(1, np.ones((2, F))), outputs=np.arange(8.0).reshape(4, D))
    small = {"hidden": 12, "width": 10, "towers": 2, "master": 4, "updates": 0}
    for kind, readout in (("matrix", "gated"), ("edge network", "set2set"), ("pair", "set2set")):
        config = replace(setting.config, message=kind, inputs="bonds", readout=readout, **small)
        drawn = [course(network, replace(setting, seed=seed), config, data)[0][0] for seed in range(3)]
        for name in sorted(drawn[0].keys() - {"mean", "std"}):
            found = np.stack([weights[name] for weights in drawn])
            if name.rpartition(".")[2][0] in "bc":
                biases.append(found.ravel())
                continue
            scale = prod(found.shape[-2 if name == "message.W1" else -1 :]) ** -0.5
            likely += [from_normal(found, scale), from_normal((found[0] - found[1]) / 2**0.5, scale)]
            if name.startswith("message."):  # the way in and the way out are drawn apart
                likely.append(from_normal((found[:, 0] - found[:, 1]) / 2**0.5, scale))
    return {"likely": cases(likely, 1e-7, "1"), "biases": cases(np.concatenate(biases), 0, "1")}


def passes(network: MessagePassing, setting: Setting) -> Measurements:
    """How often passes take an example, how many orders and examples two runs have, and what is left unexplained."""
    runs = [taken(network, replace(setting, seed=setting.seed + more)) for more in (0, 1)]
    chosen = [own for own, _ in runs]
    turns = [[tuple(own[at : at + 3]) for at in range(0, 18, 3)] for own in chosen]
    most = [np.bincount(np.ravel(turn), minlength=7).max() for own in turns for turn in own]
    orders = [len(set(half)) for own in turns for half in (own[:3], own[3:])]
    varied = [*orders, *(len(np.unique(own)) for own in chosen), len(set(map(tuple, chosen)))]
    least = cases(varied, [2, 2, 2, 2, 7, 7, 2], "1")  # orders of passes, examples in all, and runs
    far = np.concatenate([gaps for _, gaps in runs])
    return {"apart": cases(far, 0, "1"), "repeated": cases(most, 1, "times"), "orders": least}


def taken(network: MessagePassing, setting: Setting) -> tuple[list[tuple[int, int]], list[float]]:
    """The two examples of each update, whose errors explain how the last bias moves, and how far they do not."""
    rng = np.random.default_rng((setting.seed, 6))
    sizes = {"hidden": 4, "width": 2, "steps": 1, "set2set_steps": 1, "updates": 18, "batch": 2}
    config = replace(setting.config, **sizes, readout="set2set", decay_from=0.4, decay_to=0.1)
    rates = config.lr * (1 - 0.9 * np.maximum(0, np.arange(18) - 7.2) / 10.8)
    graphs = [drawn_graph(rng, F, 3, 1.0) for _ in range(7)]
    data = MolecularPairs(inputs=graphs_of(graphs), outputs=rng.normal(size=(7, 9)))
    weights, _ = course(network, setting, config, data)
    y = (data.outputs - data.outputs.mean(0)) / data.outputs.std(0)
    pairs, chosen, far = list(combinations(range(7), 2)), [], []
    first, second = np.zeros((2, 9))
    for step, (before, after) in enumerate(pairwise(weights)):
        errors = np.array([oracle.output(before, config, graph) for graph in graphs]) - y
        gradients = np.array([2 * errors[list(pair)].mean(0) / 9 for pair in pairs])
        m, v = 0.9 * first + 0.1 * gradients, 0.999 * second + 0.001 * gradients**2
        moves = -rates[step] * m / (1 - 0.9 ** (step + 1)) / (np.sqrt(v / (1 - 0.999 ** (step + 1))) + 1e-8)
        gaps = np.abs(moves - (after["out.b1"] - before["out.b1"])).max(1) / rates[step]
        best = int(gaps.argmin())
        first, second = m[best], v[best]
        far.append(gaps[best])
        chosen.append(pairs[best])
    return chosen, far
