"""Graphs and molecules that the suite makes: paths, and molecules of atoms at places in space, with their targets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from repro.task import Graphs

Array = NDArray[np.float64]
LENGTHS = np.array([1.54, 1.34, 1.21, 1.39])  # of single, double, triple and aromatic bonds, Angstrom
CHARGES = np.array([-1.0, -0.5, 0.5, 1.0])  # of the four types of generated atoms


class OneGraph(NamedTuple):
    """One graph: nodes [n, F], pairs [m, 2], and links [m, 5], a distance and a one-hot bond type of four."""

    nodes: Array
    pairs: NDArray[np.int64]
    links: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class MolecularPairs:
    """Molecules as graphs, and their targets [N, D]."""

    inputs: Graphs
    outputs: Array

    def only(self, targets: Iterable[int]) -> MolecularPairs:
        """The same molecules with some of their targets."""
        return replace(self, outputs=self.outputs[:, list(targets)])


def graphs_of(molecules: Sequence[OneGraph]) -> Graphs:
    """Graphs one after another."""
    nodes, pairs, links = (np.concatenate(part) for part in zip(*molecules, strict=True))
    nodes_of, edges_of = (np.array([len(one[part]) for one in molecules]) for part in (0, 1))
    features, carried = nodes.astype(np.float32), links.astype(np.float32)
    return Graphs(nodes=features, edges=pairs, links=carried, nodes_of=nodes_of, edges_of=edges_of)


def graph_at(graphs: Graphs, row: int) -> OneGraph:
    """One graph, in float64."""
    nodes, edges = (slice(of[:row].sum(), of[: row + 1].sum()) for of in (graphs.nodes_of, graphs.edges_of))
    return OneGraph(graphs.nodes[nodes].astype(float), graphs.edges[edges], graphs.links[edges].astype(float))


def paths(length: int, ends: Array) -> Graphs:
    """Four paths of so many edges, whose ends have two sorts of features [2, F]: both alike, or not."""
    steps = np.arange(length)
    links = np.column_stack([np.full(length, 1.5), np.ones(length), np.zeros((length, 3))])
    graphs = []
    for first, last in product(ends, ends):
        nodes = np.zeros((length + 1, ends.shape[1]))
        nodes[0], nodes[-1] = first, last
        graphs.append(OneGraph(nodes, np.stack([steps, steps + 1], 1), links))
    return graphs_of(graphs)


def drawn_graph(rng: np.random.Generator, features: int, n: int, joined: float = 0.8) -> OneGraph:
    """A graph whose pairs are bonded or not, some of them as far apart as bins end, give or take a thousandth."""
    pairs = np.array([rng.permutation(p) for p in combinations(range(n), 2) if rng.random() < joined], int)
    m = len(pairs)
    bounds = rng.integers(4, 13, m) / 2 + rng.choice([-1e-3, 1e-3], m)
    lengths = np.where(rng.random(m) < 0.5, bounds, rng.uniform(0, 9, m))
    bonds = np.eye(4)[rng.integers(0, 4, m)] * (rng.random(m) < 0.5)[:, None]
    nodes = rng.normal(size=(n, features)).astype(np.float32).astype(float)
    links = np.column_stack([lengths, bonds]).astype(np.float32).astype(float)
    return OneGraph(nodes, pairs[rng.permutation(m)].reshape(-1, 2), links)


def turned(rng: np.random.Generator, graph: OneGraph) -> OneGraph:
    """The same graph: nodes renumbered, pairs in another order and the other way round."""
    order, pairs = rng.permutation(len(graph.nodes)), rng.permutation(len(graph.pairs))
    return OneGraph(graph.nodes[order], np.argsort(order)[graph.pairs[pairs]][:, ::-1], graph.links[pairs])


@cache
def generated(count: int, seed: tuple[int, ...]) -> MolecularPairs:
    """Molecules of 5 to 9 atoms of four types: trees of bonds of four types, of their lengths, in random directions.

    Targets: the energy of charges, sum of q q' / r; the square of the total charge; the extent, sum of r^2 / n.
    """
    rng = np.random.default_rng(seed)
    molecules, outputs = [], []
    for n in rng.integers(5, 10, count):
        kinds, order, places = rng.integers(0, 4, n), rng.integers(0, 4, n), np.zeros((n, 3))
        parents = np.array([0, *(rng.integers(0, v) for v in range(1, n))])
        for v in range(1, n):  # of four directions the one farthest from all other atoms
            ways = rng.normal(size=(4, 3))
            tried = places[parents[v]] + LENGTHS[order[v]] * ways / np.linalg.norm(ways, axis=1, keepdims=True)
            places[v] = tried[np.linalg.norm(tried[:, None] - places[None, :v], axis=2).min(1).argmax()]
        pairs = np.stack(np.triu_indices(n, 1), 1)
        r = np.linalg.norm(places[pairs[:, 0]] - places[pairs[:, 1]], axis=1)
        bonds = np.eye(4)[order[pairs[:, 1]]] * (parents[pairs[:, 1]] == pairs[:, 0])[:, None]
        molecules.append(OneGraph(np.eye(4)[kinds], pairs, np.column_stack([r, bonds])))
        q = CHARGES[kinds]
        outputs.append([(q[pairs].prod(1) / r).sum(), q.sum() ** 2, (r**2).sum() / n])
    return MolecularPairs(inputs=graphs_of(molecules), outputs=np.array(outputs))
