"""How message passing networks are measured: the contract, generated molecules, and errors of trained networks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from claims.oracles import gilmer2017 as oracle
from repro import Experiment, Measurements, Setting, Weights, curve, scalar
from repro.task import GraphRegressor, Graphs, Stateful

Array = NDArray[np.float64]
LENGTHS = np.array([1.54, 1.34, 1.21, 1.39])  # of single, double, triple and aromatic bonds, Angstrom
CHARGES = np.array([-1.0, -0.5, 0.5, 1.0])  # of the four types of generated atoms
TRAIN, TEST, AUDIT = 0, 1, 2  # streams of random numbers
FEW = 8  # graphs whose predictions are checked against the equations
ACCURACY = {  # chemical accuracy, Table 5, in the units of Section 4
    "mu": 0.1, "alpha": 0.1, "HOMO": 0.043, "LUMO": 0.043, "gap": 0.043, "R2": 1.2, "ZPVE": 0.0012, "U0": 0.043,
    "U": 0.043, "H": 0.043, "G": 0.043, "Cv": 0.050, "Omega": 10.0,
}  # fmt: skip


class MessagePassing(GraphRegressor, Stateful, Protocol):
    """The contract: beside training and predicting, the convolutions of Appendix 10.1 and the tables' last row.

    A graph's nodes are atoms with features x_v [F]. Its pairs (v, w) stand once each, in either order, and are edges
    both ways; links are [5]: the distance, then a one-hot bond type (single, double, triple, aromatic), zeros where
    there is no bond. What an edge carries follows `inputs`: "bonds", bonded pairs with their type [4]; "bins", all
    pairs with one-hot labels [14], the bond type or for others the bin of the distance, [0, 2), eight of [2, 6), and
    from 6 on; "distances", all pairs with their links [5]. `virtual` adds one channel, which is 1, all others being 0,
    for the pairs of different atoms that are no edge by then. C channels in all.

    Weights, of d = `hidden` units in k = `towers` of q = d / k, w = 2 ways (in, out), H = `width`, g = `master` and D
    targets; a network X is X.W1 relu(X.W0 x + X.b0) + X.b1, with X.W0 [H, in], X.b0 [H], X.W1 [out, H], X.b1 [out]:
        message.A [w, k, C, q, q] ("matrix"); or a network "message" with w and k before its axes, of e_vw to the q x q
        matrix row by row ("edge network"), or of (h_w, h_v, e_vw) to q ("pair"). Both ways sum over all neighbours.
        update.W [k, 3, q, 2 q], update.U [k, 3, q, q], update.b [k, 3, q]: of a GRU z, r and the candidate h~, of the
        messages (in, out): h <- z h + (1 - z) h~, h~ = tanh(W m + U (r h) + b); where there is update.c [k, q],
        h~ = tanh(W m + b + r (U h + c)). The state starts as x_v and zeros; towers are its consecutive parts.
        mix: for k > 1, the network g of eq. 5, of d units inside.
        master.read [k, w, q, g], which times the master's state adds to messages; master.write [g, d], which times the
        sum of all h is its message; master.W, master.U [3, g, g], master.b [3, g], its GRU, from zeros on.
        Networks i (of h^T and h^0) and j (of h^T), for the readout "gated", eq. 4; or for "set2set" project.W
        [d, d + F] of (h^T, x), maybe project.b [d], lstm.W [4, d, 2 d] of q*, lstm.U [4, d, d] of q, lstm.b [4, d]
        (input, forget, candidate, output), `set2set_steps` steps from zeros with attention by dot products, and out.
        mean [D], std [D]: of the training targets (1 where none deviates), from which predictions are made.
    Training is by Adam with its authors' constants on the mean, over batch and targets, of squared standardized errors,
    at `lr`, which after the share `decay_from` of the `updates` falls in a line to `lr` times `decay_to` after the last
    one. A pass takes each example at most once and leaves out what fills no `batch`. With the `precision` "float64"
    all arithmetic is of that kind, and so are predictions.
    """

    def graph_convolution(self, adjacency: Array, states: Array, weights: Array) -> Array:
        """Kipf & Welling's layer [n, out], by message passing, of states [n, in] and weights [in, out]."""
        ...

    def spectral_convolution(self, adjacency: Array, states: Array, filters: Array) -> Array:
        """The layer of eq. 6 [n, out], by message passing, of states [n, in] and filters [in, out, n]."""
        ...

    def summary(self, ratios: Array) -> tuple[float, int]:
        """Of a model's error ratios by target: the row "Average", and how many are within chemical accuracy."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class MolecularPairs:
    """Molecules as graphs, and their targets [N, D]."""

    inputs: Graphs
    outputs: Array

    def only(self, targets: Iterable[int]) -> MolecularPairs:
        """The same molecules with some of their targets."""
        return replace(self, outputs=self.outputs[:, list(targets)])


def graphs_of(molecules: Sequence[oracle.Graph]) -> Graphs:
    """Graphs one after another."""
    nodes, pairs, links = (np.concatenate(part) for part in zip(*molecules, strict=True))
    nodes_of, edges_of = (np.array([len(one[part]) for one in molecules]) for part in (0, 1))
    features, carried = nodes.astype(np.float32), links.astype(np.float32)
    return Graphs(nodes=features, edges=pairs, links=carried, nodes_of=nodes_of, edges_of=edges_of)


def graph_at(graphs: Graphs, row: int) -> oracle.Graph:
    """One graph, in float64."""
    nodes, edges = (slice(of[:row].sum(), of[: row + 1].sum()) for of in (graphs.nodes_of, graphs.edges_of))
    return oracle.Graph(graphs.nodes[nodes].astype(float), graphs.edges[edges], graphs.links[edges].astype(float))


def paths(length: int, ends: Array) -> Graphs:
    """Four paths of so many edges, whose ends have two sorts of features [2, F]: both alike, or not."""
    steps = np.arange(length)
    links = np.column_stack([np.full(length, 1.5), np.ones(length), np.zeros((length, 3))])
    graphs = []
    for first, last in product(ends, ends):
        nodes = np.zeros((length + 1, ends.shape[1]))
        nodes[0], nodes[-1] = first, last
        graphs.append(oracle.Graph(nodes, np.stack([steps, steps + 1], 1), links))
    return graphs_of(graphs)


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
        molecules.append(oracle.Graph(np.eye(4)[kinds], pairs, np.column_stack([r, bonds])))
        q = CHARGES[kinds]
        outputs.append([(q[pairs].prod(1) / r).sum(), q.sum() ** 2, (r**2).sum() / n])
    return MolecularPairs(inputs=graphs_of(molecules), outputs=np.array(outputs))


def some_molecules(seed: int) -> MolecularPairs:
    """A few training pairs for audits."""
    return generated(64, (seed, AUDIT)).only((0, 1))


def predicted(network: MessagePassing, setting: Setting, data: MolecularPairs, tests: Graphs) -> Array:
    """What a network that was trained on data predicts [N, D]: one that is made anew of its weights.

    It is NaN where a few of the predictions are not those that the paper's equations give of the same weights.
    """
    *_, (_, model) = network.train(setting.config, data, seed=setting.seed, device=setting.device)
    arrays = {name: np.array(value) for name, value in network.state(model).items()}
    weights: Weights = {name: value.astype(np.float64) for name, value in arrays.items()}
    with setting.untrained() if setting.untrained else nullcontext(network) as names:
        found = np.asarray(names.restore(setting.config, arrays, device=setting.device).predict(tests), np.float64)
    for row in np.random.default_rng((setting.seed, AUDIT)).permutation(len(found))[:FEW]:
        wanted = oracle.output(weights, setting.config, graph_at(tests, row)) * weights["std"] + weights["mean"]
        if not (np.abs(found[row] - wanted) <= 1e-3 * weights["std"]).all():
            return np.full_like(found, np.nan)
    return found


@dataclass(frozen=True)
class Generated(Experiment):
    """Errors on new molecules after training on generated ones, over those of the training targets' mean.

    Measures:
        errors: the mean over targets, as a curve over how many molecules there were to learn from.
        error: the last of them.

    Attributes:
        examples: molecules to learn from, ascending.
        targets: of those of `generated`, which are learnt.
        alone: whether each target has a network of its own.
    """

    passes_config_on: ClassVar[bool] = True
    examples: tuple[int, ...]
    targets: tuple[int, ...]
    alone: bool = True

    def __call__(self, network: MessagePassing, setting: Setting) -> Measurements:
        """Train and test."""
        tests, errors = generated(300, (setting.seed, TEST)), []
        for data in (generated(examples, (setting.seed, TRAIN)) for examples in self.examples):
            ratios = []
            for chosen in [(target,) for target in self.targets] if self.alone else [self.targets]:
                own, other = data.only(chosen), tests.only(chosen)
                missed = np.abs(predicted(network, setting, own, other.inputs) - other.outputs).mean(0)
                ratios += [*(missed / np.abs(own.outputs.mean(0) - other.outputs).mean(0))]
            errors.append(np.mean(ratios))
        all_sizes = curve(self.examples, errors, unit="1", x_unit="molecules", better="lower")
        return {"errors": all_sizes, "error": scalar(errors[-1], "1", better="lower")}


def distant_product(network: MessagePassing, setting: Setting) -> Measurements:
    """The mean squared error of what is learnt on all four paths of eight bonds: 1 for ends of one sort, else -1."""
    data = MolecularPairs(inputs=paths(8, np.eye(2)), outputs=np.array([[1.0], [-1.0], [-1.0], [1.0]]))
    errors = predicted(network, setting, data, data.inputs) - data.outputs
    return {"error": scalar((errors**2).mean(), "1", better="lower")}


@dataclass(frozen=True)
class Molecular(Experiment):
    """Errors on the test molecules of a dataset, in units of chemical accuracy; all its molecules are learnt from.

    Measures:
        by its name the error of each target, their mean as `error`, and how many are below 1 as `accurate`.

    Attributes:
        targets: as the dataset names them, without units; all by default.
        alone: whether each target has a network of its own.
        hydrogens: whether they are nodes.
    """

    passes_config_on: ClassVar[bool] = True
    targets: tuple[str, ...] = ()
    alone: bool = True
    hydrogens: bool = True

    def __call__(self, network: MessagePassing, setting: Setting) -> Measurements:
        """Train and test; a dataset that has no molecules measures NaN."""
        parts: Any = (setting.dataset.train, setting.dataset.test)
        names = [name.split()[0] for name in getattr(parts[0], "targets", ())]
        asked = [name for name in self.targets or ACCURACY if name in names]
        found = dict.fromkeys(self.targets, np.nan)
        if asked:
            data, tests = (
                MolecularPairs(inputs=part.graphs(hydrogens=self.hydrogens), outputs=part.outputs) for part in parts
            )
            for chosen in [(name,) for name in asked] if self.alone else [asked]:
                own, other = (part.only(map(names.index, chosen)) for part in (data, tests))
                missed = np.abs(predicted(network, setting, own, other.inputs) - other.outputs).mean(0)
                found |= {name: error / ACCURACY[name] for name, error in zip(chosen, missed, strict=True)}
        mean, ratios = np.mean(list(found.values()) or np.nan), np.array(list(found.values()) or [np.nan])
        measured = {
            name: scalar(error, "error ratio", better="lower") for name, error in (found | {"error": mean}).items()
        }
        count = np.nan if np.isnan(ratios).any() else (ratios < 1).sum()
        return measured | {"accurate": scalar(count, "targets", better="higher")}
