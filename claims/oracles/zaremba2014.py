"""The equations of zaremba2014 in float64: forward passes only, typed from the paper.

Weights by name, for layers l = 1 to L of n units and V words: embedding [V, n]; the parts of T_{2n,4n} that act on the
layer below, "W_x l" [4n, n], and on the step before, "W_h l" [4n, n], whose rows are those of i, f, o and g; its bias
"b l" [4n], or two that add up, "b_x l" and "b_h l"; and the softmax's W_y [V, n] and b_y [V].
Shapes: T steps, B streams.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Weights = Mapping[str, Array]
States = list[tuple[Array, Array]]
"""h and c [B, n] of each layer."""


def depth(weights: Weights) -> int:
    """L."""
    return sum(name.startswith("W_h ") for name in weights)


def zeros(weights: Weights, streams: int) -> States:
    """The states before anything was read (Section 4.1)."""
    n = weights["embedding"].shape[1]
    return [(np.zeros((streams, n)), np.zeros((streams, n))) for _ in range(depth(weights))]


def sigm(x: Array) -> Array:
    """The logistic function."""
    return 1 / (1 + np.exp(-x))


def forward(
    weights: Weights,
    tokens: NDArray[np.int64],
    states: States,
    drop: Array | None = None,
    along: Array | None = None,
) -> tuple[Array, States]:
    """Log-probabilities [T, B, V] of the word after each of texts [B, T], and the states after the last.

    Args:
        weights: see above.
        tokens: texts.
        states: of each layer before the first step.
        drop: what D multiplies by at step t on the way up to layer 1, 2, ..., and to the softmax, [T, L + 1, B, n];
            None for no dropout (Section 3.2).
        along: what D multiplies h_{t-1} by where it stands on recurrent connections instead, [T, L, B, n].
    """
    found: list[Array] = []
    for t, words in enumerate(tokens.T):
        below, states = weights["embedding"][words], list(states)  # h^0
        for place in range(depth(weights)):
            number = place + 1
            h, c = states[place]
            x = below if drop is None else drop[t][place] * below
            before = h if along is None else along[t][place] * h
            received = x @ weights[f"W_x {number}"].T + before @ weights[f"W_h {number}"].T
            for bias in (f"b {number}", f"b_x {number}", f"b_h {number}"):
                received = received + weights.get(bias, 0.0)
            i, f, o, g = np.split(received, 4, axis=1)
            c = sigm(f) * c + sigm(i) * np.tanh(g)
            h = sigm(o) * np.tanh(c)
            states[place], below = (h, c), h
        y = below if drop is None else drop[t][-1] * below
        scores = y @ weights["W_y"].T + weights["b_y"]
        scores = scores - scores.max(axis=1, keepdims=True)
        found.append(scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)))
    return np.stack(found), states


def losses(log_probabilities: Array, targets: NDArray[np.int64]) -> Array:
    """The loss of each stream [B], summed over the steps of texts [B, T]."""
    streams = np.arange(len(targets))
    return -np.sum([row[streams, follows] for row, follows in zip(log_probabilities, targets.T, strict=True)], axis=0)
