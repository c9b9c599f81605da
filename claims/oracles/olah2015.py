"""The equations of olah2015 and of Hochreiter & Schmidhuber (1997) in float64: forward passes only.

Weights by name as `claims/experiments/olah2015.py` lists them. Shapes: N sequences, T steps, I inputs, n hidden units,
b memory blocks of s cells, U units of all blocks, O outputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Weights = Mapping[str, Array]


def sigma(x: Array) -> Array:
    """The logistic function, without overflow."""
    return 0.5 * (1 + np.tanh(x / 2))


def gate(weights: Weights, name: str, *parts: Array) -> Array:
    """W [parts] + b, before squashing; b is 0 where there is none."""
    return np.concatenate(parts, 1) @ weights[f"W_{name}"].T + weights.get(f"b_{name}", 0.0)


def module(cell: str, weights: Weights, x: Array, h: Array, c: Array) -> dict[str, Array]:
    """One step of the repeating module, of inputs [N, I] and what came from the step before.

    Returns:
        h and C after the step, and each gate.
    """
    if cell == "rnn":
        return {"h": np.tanh(gate(weights, "h", h, x)), "C": c}
    if cell == "gru":
        z, r = sigma(gate(weights, "z", h, x)), sigma(gate(weights, "r", h, x))
        new = np.tanh(gate(weights, "h", r * h, x))
        return {"h": (1 - z) * h + z * new, "C": c, "z": z, "r": r, "new": new}
    if cell == "blocks":
        return blocks(weights, x, h, c)
    sees = (c, h, x) if cell == "peephole" else (h, x)
    f, new = sigma(gate(weights, "f", *sees)), np.tanh(gate(weights, "C", h, x))
    i = 1 - f if cell == "coupled" else sigma(gate(weights, "i", *sees))
    after = f * c + i * new
    o = sigma(gate(weights, "o", *((after, h, x) if cell == "peephole" else (h, x))))
    return {"h": o * np.tanh(after), "C": after, "f": f, "i": i, "new": new, "o": o}


def blocks(weights: Weights, x: Array, y: Array, s: Array) -> dict[str, Array]:
    """Memory cell blocks (1997, Appendix A.1): y [N, U] of cells, input gates and output gates; states s [N, b s]."""
    opened, shown = sigma(gate(weights, "in", y, x)), sigma(gate(weights, "out", y, x))
    g = 4 * sigma(gate(weights, "c", y, x)) - 2  # in [-2, 2]
    cells = s.shape[1] // opened.shape[1]
    s = s + np.repeat(opened, cells, 1) * g
    h = 2 * sigma(s) - 1  # in [-1, 1]
    return {"h": np.concatenate([np.repeat(shown, cells, 1) * h, opened, shown], 1), "C": s, "in": opened, "out": shown}


def widths(cell: str, weights: Weights) -> tuple[int, int]:
    """Of h and of C."""
    if cell == "blocks":
        return weights["W_c"].shape[0] + 2 * weights["W_in"].shape[0], weights["W_c"].shape[0]
    n = weights["W_h" if cell in ("rnn", "gru") else "W_f"].shape[0]
    return n, 0 if cell in ("rnn", "gru") else n


def path(cell: str, weights: Weights, x: Array, kept: Sequence[Array] | None = None) -> list[dict[str, Array]]:
    """All steps over inputs [N, T, I], from zeros on.

    With `kept`, what the units of the step before gave at each step; as constants, they truncate gradients (A.2).
    """
    of_h, of_c = widths(cell, weights)
    h, c, found = np.zeros((len(x), of_h)), np.zeros((len(x), of_c)), list[dict[str, Array]]()
    for t in range(x.shape[1]):
        found.append(module(cell, weights, x[:, t], h if kept is None else kept[t], c))
        h, c = found[-1]["h"], found[-1]["C"]
    return found


def outputs(config: Any, weights: Weights, x: Array, lengths: NDArray[np.int64], kept: Any = None) -> Array:
    """Outputs [N, O] after the last item of each sequence; what lies beyond its length is not looked at."""
    steps = path(config.cell, weights, x, kept)
    h = np.stack([steps[last]["h"][row] for row, last in enumerate(lengths - 1)])
    y = gate(weights, "y", h[:, : weights["W_y"].shape[1]])
    return sigma(y) if config.output == "logistic" else y


def before(config: Any, weights: Weights, x: Array) -> list[Array]:
    """What the units give before each step."""
    given = [step["h"] for step in path(config.cell, weights, x)]
    return [np.zeros_like(given[0]), *given[:-1]]


def loss(found: Array, targets: Array) -> float:
    """Half of the squared errors, summed over outputs (1997, A.1), in the mean over sequences."""
    return float(((found - targets) ** 2).sum(1).mean() / 2)
