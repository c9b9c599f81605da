"""The equations of Order Matters (arXiv:1511.06391v4, Sections 4.2 and 4.3), typed from the paper.

Shapes: n elements of a set, D features, H hidden units, m places; one set at a time. Names are the contract's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from repro import Weights

Array = NDArray[np.float64]
Set = tuple[Array, Sequence[int]]
"""Elements [n, D], and the places that are to be pointed at."""


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), which is this."""
    return (1 + np.tanh(x / 2)) / 2


def log_softmax(u: Array) -> Array:
    """Logarithms of a softmax over the last axis."""
    return u - np.logaddexp.reduce(u, axis=-1, keepdims=True)


def cell(z: Array, c: Array) -> tuple[Array, Array]:
    """State h and c of an LSTM after gates i, f, g and o of what was read."""
    i, f, g, o = np.split(z, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def lstm(w: Weights, part: str, x: Array, h: Array, c: Array) -> tuple[Array, Array]:
    """One step of an ordinary LSTM."""
    return cell(w[f"{part}.W"] @ x + w[f"{part}.U"] @ h + w[f"{part}.b"] + w.get(f"{part}.c", 0.0), c)


def embeddings(w: Weights, x: Array) -> Array:
    """Read: the same small network for every element, [n, H]."""
    return np.tanh(x @ w["read.W1"].T + w["read.b1"]) @ w["read.W2"].T + w["read.b2"]


def process(w: Weights, m: Array, steps: int) -> Array:
    """Eqs. 3 to 7: q* [2 H] after so many steps, from zeros."""
    h = m.shape[1]
    state, c = np.zeros(2 * h), np.zeros(h)
    for _ in range(steps):
        again = w["process.V"] @ state[:h] if "process.V" in w else 0.0  # the same, in parts
        q, c = cell(w["process.U"] @ state + w["process.b"] + w.get("process.c", 0.0) + again, c)  # eq. 3
        e = m @ q  # eq. 4, a dot product
        a = np.exp(e - e.max())
        r = (a / a.sum()) @ m  # eqs. 5 and 6
        state = np.concatenate([q, r])  # eq. 7
    return state


def additive(w: Weights, part: str, m: Array, query: Array) -> Array:
    """Attention as in Ptr-Net: v . tanh(W1 m_j + query), [n]."""
    return np.tanh(m @ w[f"{part}.W1"].T + query) @ w[f"{part}.v"]


class _Writer:
    """Write on a set: `scores` [n] of what may be pointed at next."""

    def __init__(self, w: Weights, x: Array, steps: int) -> None:
        self.w, self.m = w, embeddings(w, x)
        self.read_next = self.m
        if "encoder.W" in w:  # the Ptr-Net of Section 4.4
            h = c = np.zeros(self.m.shape[1])
            states = []
            for each in self.m:
                h, c = lstm(w, "encoder", each, h, c)
                states.append(h)
            self.m, self.state = np.array(states), (h, c)
        else:
            self.state = w["write.A"] @ process(w, self.m, steps), np.zeros(self.m.shape[1])
        self._read(w.get("write.start", np.zeros(self.m.shape[1])))

    def point(self, place: int) -> None:
        """Go on from a place: its embedding is what is read next."""
        self._read(self.read_next[place])

    def _read(self, z: Array) -> None:
        w = self.w
        self.state = lstm(w, "write", z, *self.state)
        d = self.state[0]
        query = w["point.W2"] @ d
        if "glimpse.v" in w:  # "an extra attention step before the pointer"
            a = np.exp(log_softmax(additive(w, "glimpse", self.m, w["glimpse.W2"] @ d)))
            query = query + w["glimpse.W3"] @ (a @ self.m)
        self.scores = additive(w, "point", self.m, query)


def scores(w: Weights, x: Array, places: Sequence[int], steps: int) -> Array:
    """Scores [m, n] of every step while the places but the last are read."""
    writer = _Writer(w, x, steps)
    found = [writer.scores]
    for place in places[:-1]:
        writer.point(place)
        found.append(writer.scores)
    return np.array(found)


def best(w: Weights, x: Array, places: Sequence[int], steps: int) -> bool:
    """Whether each place is the best at its step, but for rounding, after those before."""
    u = scores(w, x, places, steps)
    return bool((u[range(len(places)), list(places)] >= u.max(1) - 1e-3).all())


def loss(w: Weights, sets: Sequence[Set], steps: int) -> float:
    """-log p(places | set), summed over steps and averaged over sets."""
    terms = [log_softmax(scores(w, x, o, steps))[range(len(o)), list(o)].sum() for x, o in sets]
    return -float(np.mean(terms))
