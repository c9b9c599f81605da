"""The equations of message passing networks (arXiv:1704.01212v2, Sections 2, 5, 6 and 10.1), typed from the paper.

One graph at a time: n nodes of F features, pairs [m, 2] of nodes with links [m, 5] (a distance, then a bond type of
four), d hidden units in k towers of q = d / k, C channels of an edge, D targets. Weights have the contract's names.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.molecular_graphs import OneGraph
from repro import Weights

Array = NDArray[np.float64]
LABELS = {"bonds": 4, "bins": 14, "distances": 5}


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), as no exponential overflows."""
    return (1 + np.tanh(x / 2)) / 2


def network(w: Weights, name: str, x: Array) -> Array:
    """A neural network with one hidden layer, W1 relu(W0 x + b0) + b1."""
    return np.maximum(x @ w[f"{name}.W0"].T + w[f"{name}.b0"], 0) @ w[f"{name}.W1"].T + w[f"{name}.b1"]


def edges(config: Any, graph: OneGraph) -> tuple[Array, NDArray[np.bool_]]:
    """Section 6: vectors e_vw [n, n, C] and which pairs are neighbours [n, n]."""
    n, size = len(graph.nodes), LABELS[config.inputs]
    e, joined = np.zeros((n, n, size + config.virtual)), np.zeros((n, n), bool)
    for (v, w), link in zip(graph.pairs, graph.links, strict=True):
        bonded, apart = link[1:].any(), link[0]
        if bonded or config.inputs != "bonds":
            place = 0 if apart < 2 else 9 if apart >= 6 else 1 + int((apart - 2) / 0.5)
            bins = np.zeros(10) if bonded else np.eye(10)[place]
            vector = {"bonds": link[1:], "bins": np.concatenate([link[1:], bins]), "distances": link}[config.inputs]
            joined[v, w] = joined[w, v] = True
            e[v, w, :size] = e[w, v, :size] = vector
    if config.virtual:  # Section 5.2: one more edge type for pairs that are not connected
        e[..., -1] = ~joined & ~np.eye(n, dtype=bool)
        joined |= ~np.eye(n, dtype=bool)
    return e, joined


def message(w: Weights, kind: str, way: int, tower: int, h_w: Array, h_v: Array, e: Array) -> Array:
    """Section 5.1: messages along edges e [m, C] from h_w [m, q] to h_v [m, q], as [m, q]."""
    own = {name: value[way, tower] for name, value in w.items() if name.startswith("message.")}
    if kind == "matrix":  # e is one-hot, and chooses one of C matrices
        return np.einsum("cij,mj->mci", own["message.A"], h_w)[np.arange(len(e)), e.argmax(1)]
    if kind == "pair":
        return network(own, "message", np.concatenate([h_w, h_v, e], 1))
    matrices = network(own, "message", e).reshape(len(e), h_w.shape[1], h_w.shape[1])
    return np.einsum("mij,mj->mi", matrices, h_w)


def gru(w: Weights, name: str, m: Array, h: Array, tower: int | tuple[()] = ()) -> Array:
    """Cho et al. (2014): gates z and r, the candidate, and the state after; with `c`, r applies to U h + c."""
    W, U, b = (w[f"{name}.{part}"][tower] for part in "WUb")  # noqa: N806 -- as printed
    z, r = (sigmoid(m @ W[i].T + h @ U[i].T + b[i]) for i in (0, 1))
    within = r * (h @ U[2].T + w[f"{name}.c"][tower]) if f"{name}.c" in w else (r * h) @ U[2].T
    return z * h + (1 - z) * np.tanh(m @ W[2].T + within + b[2])


def states(w: Weights, config: Any, graph: OneGraph) -> tuple[Array, Array]:
    """h^0 and h^T [n, d] (Eqs. 1, 2 and 5), of a graph whose edges carry messages both ways."""
    (n, features), k = graph.nodes.shape, config.towers
    e, joined = edges(config, graph)
    to, come = np.nonzero(joined)
    first = h = np.pad(graph.nodes, ((0, 0), (0, config.hidden - features)))
    master = np.zeros(config.master)
    for _ in range(config.steps):
        split, after = h.reshape(n, k, -1), np.zeros((n, k, config.hidden // k))
        for tower in range(k):
            own, m = split[:, tower], np.zeros((2, n, config.hidden // k))
            for way in (0, 1):
                sent = message(w, config.message, way, tower, own[come], own[to], e[to, come])
                np.add.at(m[way], to, sent)
                m[way] += w["master.read"][tower, way] @ master if config.master else 0
            after[:, tower] = gru(w, "update", np.concatenate([*m], 1), own, tower)
        if config.master:
            master = gru(w, "master", w["master.write"] @ h.sum(0), master)
        h = network(w, "mix", after.reshape(n, -1)) if k > 1 else after.reshape(n, -1)
    return first, h


def set2set(w: Weights, items: Array, steps: int) -> Array:
    """Vinyals et al. (2015): q* [2 d] of a set [n, d], after some steps of an LSTM that attends to it."""
    q, c, read = np.zeros((3, items.shape[1]))
    for _ in range(steps):
        gates = w["lstm.W"] @ np.concatenate([q, read]) + w["lstm.U"] @ q + w["lstm.b"]
        c = sigmoid(gates[1]) * c + sigmoid(gates[0]) * np.tanh(gates[2])
        q = sigmoid(gates[3]) * np.tanh(c)
        a = np.exp(items @ q - (items @ q).max())
        read = a / a.sum() @ items
    return np.concatenate([q, read])


def output(w: Weights, config: Any, graph: OneGraph) -> Array:
    """Eq. 3: targets [D] that are standardized."""
    first, last = states(w, config, graph)
    if config.readout == "gated":  # Eq. 4
        return (sigmoid(network(w, "i", np.concatenate([last, first], 1))) * network(w, "j", last)).sum(0)
    items = np.concatenate([last, graph.nodes], 1) @ w["project.W"].T + w.get("project.b", 0.0)
    return network(w, "out", set2set(w, items, config.set2set_steps))


def kipf_welling(adjacency: Array, x: Array, weights: Array) -> Array:
    """Eq. 7: relu(D~^-1/2 A~ D~^-1/2 H W)."""
    looped = adjacency + np.eye(len(adjacency))
    root = np.diag(looped.sum(1) ** -0.5)
    return np.maximum(root @ looped @ root @ x @ weights, 0)


def spectral(adjacency: Array, x: Array, filters: Array) -> Array:
    """Eq. 6: y_j = relu(sum over i of V F_ij V^T x_i), filters [d1, d2, n] being the diagonals F_ij."""
    root = np.diag(adjacency.sum(1) ** -0.5)
    v = np.linalg.eigh(np.eye(len(adjacency)) - root @ adjacency @ root)[1]
    columns = [sum(v @ np.diag(f) @ v.T @ x[:, i] for i, f in enumerate(own)) for own in filters.transpose(1, 0, 2)]
    return np.maximum(np.stack(columns, 1), 0)
