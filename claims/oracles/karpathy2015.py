"""The equations of karpathy2015 in float64: forward passes only, typed from the post, the companion paper and its code.

Weights by name, for layers l = 1 to L of n units over V characters: "W_x l" [gates n, V or n] acts on the character as
one-hot vector, or on the layer below; "W_h l" [gates n, n] on the step before; "b l" [gates n], or "b_x l" and "b_h l",
which add up; "W_y" [V, n] and "b_y" [V] give the scores. Rows are those of i, f, o, g (LSTM), of r, z and the candidate
(GRU), of h (RNN). Shapes: T steps, B streams.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Weights = Mapping[str, Array]
States = list[tuple[Array, Array]]
"""h and c [B, n] of each layer; only LSTMs have a c."""


def depth(weights: Weights) -> int:
    """L."""
    return sum(name.startswith("W_h ") for name in weights)


def zeros(weights: Weights, streams: int) -> States:
    """The states before anything was read."""
    n = weights["W_y"].shape[1]
    return [(np.zeros((streams, n)), np.zeros((streams, n))) for _ in range(depth(weights))]


def sigm(x: Array) -> Array:
    """The logistic function, also of numbers whose exponential is too large."""
    return np.exp(-np.logaddexp(0.0, -x))


def lstm(received: Array, recurrent: Array, h: Array, c: Array) -> tuple[Array, Array]:
    """Companion paper, Section 3.1: gates by sigm, what is written by tanh."""
    i, f, o, g = np.split(received + h @ recurrent.T, 4, axis=1)
    c = sigm(f) * c + sigm(i) * np.tanh(g)
    return sigm(o) * np.tanh(c), c


def gru(received: Array, recurrent: Array, h: Array, c: Array) -> tuple[Array, Array]:
    """Companion paper, Section 3.1: the reset gate acts on h before the matrix does; z is the share of what is new."""
    n = h.shape[1]
    r, z = np.split(sigm(received[:, : 2 * n] + h @ recurrent[: 2 * n].T), 2, axis=1)
    new = np.tanh(received[:, 2 * n :] + (r * h) @ recurrent[2 * n :].T)
    return (1 - z) * h + z * new, c


def rnn(received: Array, recurrent: Array, h: Array, c: Array) -> tuple[Array, Array]:
    """The post's step function: h = tanh(W_hh h + W_xh x)."""
    return np.tanh(received + h @ recurrent.T), c


CELLS = {"lstm": lstm, "gru": gru, "rnn": rnn}
GATES = {"lstm": 4, "gru": 3, "rnn": 1}


def forward(
    cell: str, weights: Weights, tokens: NDArray[np.int64], states: States, drop: Array | None = None
) -> tuple[Array, States, Array]:
    """Read texts [B, T].

    From states of each layer before the first step. `drop` is what dropout multiplies the output of each layer by on
    its way up, [T, L, B, n].

    Returns:
        Log-probabilities [T, B, V] of the character after each, the states after the last, and at every step what each
        layer remembers, c of LSTMs and h of others, [T, L, B, n].
    """
    found: list[Array] = []
    seen: list[list[Array]] = []
    for t, letters in enumerate(tokens.T):
        states, seen, below = list(states), [*seen, []], np.empty(0)
        for place in range(depth(weights)):
            number = place + 1
            inputs = weights[f"W_x {number}"]
            received = inputs.T[letters] if place == 0 else below @ inputs.T
            for bias in (f"b {number}", f"b_x {number}", f"b_h {number}"):
                received = received + weights.get(bias, 0.0)
            states[place] = h, c = CELLS[cell](received, weights[f"W_h {number}"], *states[place])
            seen[-1].append(c if cell == "lstm" else h)
            below = h if drop is None else drop[t][place] * h
        found.append(log_softmax(below @ weights["W_y"].T + weights["b_y"]))
    return np.stack(found), states, np.array(seen)


def log_softmax(scores: Array) -> Array:
    """Log-probabilities along the last axis."""
    shifted = scores - scores.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def at_temperature(scores: Array, temperature: float) -> Array:
    """Probabilities of scores, or log-probabilities, that are divided by the temperature before the softmax."""
    return np.exp(log_softmax(scores / temperature))


def loss(log_probabilities: Array, targets: NDArray[np.int64]) -> float:
    """The loss of a chunk [B, T]: summed over its steps, the mean over its streams, as the released code has it."""
    rows = np.arange(len(targets))
    return float(-sum(row[rows, follows].mean() for row, follows in zip(log_probabilities, targets.T, strict=True)))


def chunks(tokens: NDArray[np.int64], batch: int, unroll: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Inputs and targets [B, T] of an epoch, in order: stretches of a text side by side, each character once.

    The text is cut to whole chunks; after its last character stands the first one.
    """
    whole = len(tokens) // (batch * unroll) * batch * unroll
    inputs = tokens[:whole].reshape(batch, -1)
    targets = np.roll(tokens[:whole], -1).reshape(batch, -1)
    return [(inputs[:, at : at + unroll], targets[:, at : at + unroll]) for at in range(0, inputs.shape[1], unroll)]


def rate(lr: float, decay: float, constant_epochs: int, epoch: int) -> float:
    """The learning rate of an epoch, counted from 1: after `constant_epochs` it falls by a factor with each."""
    return lr * decay ** max(0, epoch - constant_epochs)
