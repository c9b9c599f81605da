"""How message passing networks are measured: the contract, generated molecules, and errors of trained networks."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Protocol

import numpy as np

from claims.experiments.molecular_errors import AUDIT, ErrorRatios, GeneratedErrors
from claims.experiments.molecular_graphs import Array, MolecularPairs, generated, graph_at
from claims.oracles import gilmer2017 as oracle
from repro import Setting, Weights
from repro.task import GraphRegressor, Graphs, Stateful

FEW = 8  # graphs whose predictions are checked against the equations


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
    Biases start at zero, all else normal with variance 1 / (last axis), for message.W1 1 / (last two axes).
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


def some_molecules(seed: int) -> MolecularPairs:
    """A few training pairs for audits."""
    return generated(64, (seed, AUDIT)).only((0, 1))


class CheckedPredictions:
    """Predictions of a network that is made anew of the weights of a trained one.

    They are NaN where a few of them are not those that the paper's equations give of the same weights.
    """

    def predicted(self, network: MessagePassing, setting: Setting, data: MolecularPairs, tests: Graphs) -> Array:
        """What a network that was trained on data predicts [N, D]."""
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


class Generated(CheckedPredictions, GeneratedErrors):
    """Errors on generated molecules."""


class Molecular(CheckedPredictions, ErrorRatios):
    """Errors on molecules of a dataset."""
