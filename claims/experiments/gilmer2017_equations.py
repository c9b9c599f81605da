"""Message passing networks of drawn weights on drawn graphs, against the oracle of gilmer2017."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import msgspec
import numpy as np

from claims.experiments import molecular_graphs as made
from claims.experiments.gilmer2017 import MessagePassing
from claims.experiments.molecular_graphs import Array, MolecularPairs, OneGraph, drawn_graph, graph_at, graphs_of
from claims.oracles import gilmer2017 as oracle
from repro import Measurements, Setting, Weights, cases
from repro.task import Graphs, Regressor

KINDS = (("matrix", "bonds"), ("matrix", "bins"), ("edge network", "bonds"), ("edge network", "bins"))
KINDS += (("edge network", "distances"), ("pair", "bonds"), ("pair", "bins"), ("pair", "distances"))
F, D = 3, 2  # features and targets


def variants(setting: Setting) -> Iterator[Any]:
    """Configs of all kinds of messages and inputs, with and without virtual elements; the rest is drawn."""
    rng = np.random.default_rng(setting.seed)
    for (kind, inputs), virtual, master in product(KINDS, (False, True), (0, 3)):
        towers, readout = int(rng.integers(1, 4)), str(rng.choice(["gated", "set2set"]))
        sizes = {"hidden": towers * int(rng.choice([3, 4])), "width": int(rng.integers(3, 6))}
        sizes |= {"steps": int(rng.integers(1, 4)), "set2set_steps": int(rng.integers(1, 4)), "towers": towers}
        chosen = {"message": kind, "inputs": inputs, "virtual": virtual, "master": master, "readout": readout}
        yield replace(setting.config, **chosen, **sizes)


def drawn_network(
    network: MessagePassing, setting: Setting, config: Any, rng: np.random.Generator
) -> tuple[Regressor, dict[str, Array]]:
    """A network with the implementation's own names and shapes of weights, and drawn values of these."""
    data = MolecularPairs(inputs=made.paths(1, np.ones((2, F))), outputs=rng.normal(size=(4, D)))
    *_, (_, model) = network.train(replace(config, updates=0), data, seed=setting.seed, device=setting.device)
    weights = {name: rng.normal(size=np.shape(value)) * 0.7 for name, value in network.state(model).items()}
    weights["std"] = np.exp(weights["std"])
    given = {name: value.copy() for name, value in weights.items()}
    return network.restore(config, given, device=setting.device), weights


def read_off(weights: Weights, config: Any, graphs: Graphs) -> Array:
    """What the equations predict [N, D]."""
    found = [oracle.output(weights, config, graph_at(graphs, row)) for row in range(len(graphs.nodes_of))]
    return np.array(found) * weights["std"] + weights["mean"]


def forward(network: MessagePassing, setting: Setting) -> Measurements:
    """Predictions of all variants on graphs of 1 to 8 nodes, and of 30, over what the equations give them of size."""
    rng, gaps = np.random.default_rng((setting.seed, 1)), []
    for config in variants(setting):
        model, weights = drawn_network(network, setting, config, rng)
        sizes = [1, 2, *rng.integers(2, 9, 3), *([] if config.virtual or config.master else [30])]
        graphs = graphs_of([drawn_graph(rng, F, int(n), rng.choice([0, 0.6, 1])) for n in rng.permutation(sizes)])
        for asked in (graphs, msgspec.structs.replace(graphs, nodes=-graphs.nodes)):  # others of these sizes
            wanted = read_off(weights, config, asked)
            gaps.append(np.abs(model.predict(asked) - wanted).max() / np.abs(wanted).max())
    return {"apart": cases(gaps, 0, "1")}


def invariances(network: MessagePassing, setting: Setting) -> Measurements:
    """Predictions for graphs that are renumbered, beside larger ones, and for a node alone, for all variants."""
    rng, moved, company = np.random.default_rng((setting.seed, 2)), [], []
    for config in variants(setting):
        model, weights = drawn_network(network, setting, config, rng)
        graphs = [drawn_graph(rng, F, int(n)) for n in (1, *rng.integers(1, 9, 11))]
        known = model.predict(graphs_of(graphs))
        moved += [known - model.predict(graphs_of([made.turned(rng, graph) for graph in graphs])) for _ in range(3)]
        apart = [model.predict(graphs_of(part)) for part in (graphs[:1], graphs[1:])]
        company.append((known - np.concatenate(apart)) / weights["std"])
    return {"moved": cases(np.ravel(moved), 0, "1"), "company": cases(np.ravel(company), 0, "1")}


def multisets(network: MessagePassing, setting: Setting) -> Measurements:
    """Atoms without bonds: two kinds once and twice, and all atoms copied, for both readouts of Section 5.3."""
    rng, found = np.random.default_rng((setting.seed, 3)), {"different": [], "gated": [], "set2set": []}
    for readout in ("gated", "set2set") * 4:
        config = replace(setting.config, readout=readout, hidden=4, width=12, towers=1)
        model, weights = drawn_network(network, setting, config, rng)
        a, b = rng.normal(size=(2, F)).astype(np.float32)
        sets = ([a, a, b], [a, b, b], [a, b], [a, b, a, b])
        none = np.zeros((0, 2), int), np.zeros((0, 5))
        graphs = graphs_of([OneGraph(np.array(nodes), *none) for nodes in sets])
        outputs = (model.predict(graphs) - weights["mean"]) / weights["std"]
        found["different"].append(np.abs(outputs[0] - outputs[1]).max())
        found[readout].append(outputs[3] - outputs[2] * (2 if readout == "gated" else 1))
    return {name: cases(np.ravel(gap), 1e-6 if name == "different" else 0, "1") for name, gap in found.items()}


def far_apart(network: MessagePassing, setting: Setting) -> Measurements:
    """f(a, b) - f(a, B) - f(A, b) + f(A, B) for ends of paths of 2 T + 1 edges, or 2 T; the largest of 4 networks."""
    rng, found, plain = np.random.default_rng((setting.seed, 4)), {}, {"readout": "gated", "hidden": 4, "width": 5}
    changes = {"beyond": {}, "within": {}, "virtual": {"virtual": True}, "master": {"master": 3}}
    for name, steps in product(changes, (1, 2, 3)):
        mixed, config = [], replace(setting.config, **plain, steps=steps, **changes[name])
        for towers in (1, 2, 1, 2):
            model, weights = drawn_network(network, setting, replace(config, towers=towers), rng)
            graphs = made.paths(2 * steps + (name != "within"), rng.normal(size=(2, F)))
            outputs = model.predict(graphs) / weights["std"]
            mixed.append(np.abs(outputs[0] - outputs[1] - outputs[2] + outputs[3]).max() / np.ptp(outputs, 0).max())
        if name != "master" or steps > 1:  # in the first step the master reads, and only then do nodes read it
            found.setdefault(name, []).append(max(mixed))
    return {name: cases(gaps, 0 if name == "beyond" else 1e-9, "1") for name, gaps in found.items()}


def tower_costs(network: MessagePassing, setting: Setting) -> Measurements:
    """Weights of the message functions of one tower of d units over those of k: how many times fewer products."""
    rng, ratios, wanted = np.random.default_rng(setting.seed), [], [2, 4, 5, 8]
    for towers in (1, *wanted):
        config = replace(setting.config, hidden=40, towers=towers)
        weights = drawn_network(network, setting, config, rng)[1]
        ratios.append(sum(value.size for name, value in weights.items() if name.startswith("message.")))
    return {"ratio": cases(ratios[0] / np.array(ratios[1:]), wanted, "1")}


def convolutions(network: MessagePassing, setting: Setting) -> Measurements:
    """Both layers of Appendix 10.1 on weighted graphs, against their matrix forms."""
    rng, found = np.random.default_rng(setting.seed), {"first order": [], "spectral": []}
    for n in (1, 2, 5, 9):
        upper = np.triu(rng.uniform(0.1, 2, (n, n)) * (rng.random((n, n)) < 0.6), 1)
        sparse = upper + upper.T
        x, weights, filters = rng.normal(size=(n, 3)), rng.normal(size=(3, 4)), rng.normal(size=(3, 4, n))
        first = network.graph_convolution(sparse, x, weights) - oracle.kipf_welling(sparse, x, weights)
        found["first order"].append(np.abs(first).max())
        dense = sparse + (half := rng.uniform(0.1, 1, (n, n))) + half.T
        spectral = network.spectral_convolution(dense, x, filters) - oracle.spectral(dense, x, filters)
        found["spectral"].append(np.abs(spectral).max())
    return {name: cases(gaps, 0, "1") for name, gaps in found.items()}
