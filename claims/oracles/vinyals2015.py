"""The equations of Pointer Networks (arXiv:1506.03134v2, Section 2), typed from the paper.

Shapes: n points of D = 2 coordinates, H hidden units, m places of an output; any number of inputs of one length, or a
single one, come before (...). Weights have the contract's names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from repro import Weights

Array = NDArray[np.float64]
State = tuple[Array, Array]
Going = TypeVar("Going", "Decoder", "Decoder | None")


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


def log_softmax(u: Array) -> Array:
    """Logarithms of a softmax over the last axis."""
    return u - np.logaddexp.reduce(u, axis=-1, keepdims=True)


def lstm(w: Weights, part: str, x: Array, state: State) -> State:
    """One step of an LSTM: gates i, f, g and o of what is read and of the state before."""
    h, c = state
    z = x @ w[f"{part}.W"].T + h @ w[f"{part}.U"].T + w[f"{part}.b"] + w.get(f"{part}.c", 0.0)
    i, f, g, o = np.split(z, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def encode(w: Weights, points: Array) -> tuple[Array, State]:
    """The encoder's states e_1 ... e_n [..., n, H] of points [..., n, D], and its last state."""
    zeros = np.zeros((*points.shape[:-2], w["encoder.U"].shape[1]))
    state, e = (zeros, zeros), []
    for j in range(points.shape[-2]):
        state = lstm(w, "encoder", points[..., j, :], state)
        e.append(state[0])
    return np.stack(e, axis=-2), state


def attention(w: Weights, keys: Array, d: Array) -> Array:
    """Eq. 3: u_j = v . tanh(W1 e_j + W2 d), [..., slots], of keys W1 e [..., slots, H]."""
    return np.tanh(keys + (d @ w["W2"].T)[..., None, :]) @ w["v"]


class Decoder:
    """The decoder on inputs: `scores` [..., outputs] of places and of the end, after what it has read."""

    def __init__(self, w: Weights, points: Array) -> None:
        self.w, self.points = w, points
        self.e, self.state = encode(w, points)
        self.context = np.zeros_like(self.state[0])
        if "head.b" not in w:  # Ptr-Net, Section 2.3: the end is one more slot
            stop = self.context + w.get("stop", 0.0)
            self.e = np.concatenate([self.e, stop[..., None, :]], axis=-2)
        self.keys = self.e @ w["W1"].T if "v" in w else self.e
        self.scores = self._read(np.zeros_like(points[..., 0, :]) + w.get("start", 0.0))

    def read(self, place: int | NDArray[np.int64]) -> None:
        """Go on from a place: its point is what is read next."""
        chosen = np.broadcast_to(np.asarray(place)[..., None, None], (*self.points.shape[:-2], 1, 2))
        self.scores = self._read(np.take_along_axis(self.points, chosen, axis=-2)[..., 0, :])

    def copy(self) -> Decoder:
        """Another that has read the same."""
        other = object.__new__(Decoder)
        other.__dict__.update(self.__dict__)
        return other

    def _read(self, point: Array) -> Array:
        w = self.w
        fed = "head.b" in w and "v" in w
        read = np.concatenate([point, self.context], axis=-1) if fed else point
        self.state = lstm(w, "decoder", read, self.state)
        d = self.state[0]
        if "v" not in w:  # Section 2.1
            return d @ w["head.W"].T + w["head.b"]
        u = attention(w, self.keys, d)
        if not fed:  # Section 2.3: the attention is the output
            return u
        a = np.exp(log_softmax(u))
        self.context = (a[..., None] * self.e).sum(-2)  # Section 2.2: d' = sum of a_j e_j predicts, and is read next
        return np.concatenate([d, self.context], axis=-1) @ w["head.W"].T + w["head.b"]


def scores(w: Weights, points: Array, places: NDArray[np.int64]) -> Array:
    """Scores of every step [..., m + 1, outputs] while places [..., m] are read."""
    decoder = Decoder(w, points)
    found = [decoder.scores]
    for step in range(places.shape[-1]):
        decoder.read(places[..., step])
        found.append(decoder.scores)
    return np.stack(found, axis=-2)


def losses(w: Weights, points: Array, outputs: Sequence[Sequence[int]]) -> Array:
    """Eqs. 1 and 2: -log p of outputs that end, summed over steps, of each example."""
    longest = max(map(len, outputs))
    read = np.array([[*places, *[0] * (longest - len(places))] for places in outputs])
    logp = log_softmax(scores(w, points, read))
    return -np.array([logp[i, range(len(o) + 1), [*o, -1]].sum() for i, o in enumerate(outputs)])


def loss(w: Weights, points: Array, outputs: Sequence[Sequence[int]]) -> float:
    """Their average over the examples."""
    return float(losses(w, points, outputs).mean())


def output(w: Weights, points: Array, beam: int, longest: int) -> list[int]:
    """The likeliest places that a beam search finds, until the end; a beam of one takes the best at each step.

    An output that has ended keeps its place in the beam while fewer than `beam` others are likelier.
    """
    beams: list[tuple[float, list[int], Decoder | None]] = [(0.0, [], Decoder(w, points))]
    for _ in range(longest + 1):
        longer = [found for found in beams if found[2] is None]
        for total, places, decoder in beams:
            if decoder is not None:
                *each, end = log_softmax(np.append(decoder.scores[:-1][: len(points)], decoder.scores[-1]))
                longer += [(total + gain, [*places, j], decoder) for j, gain in enumerate(each)]
                longer.append((total + end, places, None))
        beams = [_gone_on(*found) for found in sorted(longer, key=lambda found: -found[0])[:beam]]
    return beams[0][1][:longest]


def _gone_on(total: float, places: list[int], decoder: Going) -> tuple[float, list[int], Going]:
    """What a beam search follows, its decoder gone on by the last place; None where it has ended."""
    after = None if decoder is None else decoder.copy()
    if after is not None:
        after.read(places[-1])
    return total, places, after  # pyright: ignore[reportReturnType] -- None for None


Gains = Callable[[Array, list[int]], Array]
"""What each place adds to the total of a tour, of scores [n + 1] and the places visited."""


def gains_of_all(u: Array, visited: list[int]) -> Array:
    """Probabilities as they are."""
    return log_softmax(u)[:-1]


def gains_of_valid(u: Array, visited: list[int]) -> Array:
    """Probabilities among the places that are left."""
    left = np.setdiff1d(np.arange(len(u) - 1), visited)
    found = np.full(len(u) - 1, -np.inf)
    found[left] = log_softmax(u[left])
    return found


def tour(w: Weights, points: Array, beam: int, gains: Gains) -> list[int]:
    """Section 4.4: a beam search over tours that visit each place once."""
    beams = [(0.0, list[int](), Decoder(w, points))]
    for _ in points:
        longer = []
        for total, places, decoder in beams:
            each = gains(decoder.scores, places)
            longer += [(total + each[j], [*places, j], decoder) for j in range(len(points)) if j not in places]
        beams = [_gone_on(*found) for found in sorted(longer, key=lambda found: -found[0])[:beam]]
    return beams[0][1]
