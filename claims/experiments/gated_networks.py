"""Gated networks: the contract of olah2015, and small ones, of weights that are drawn or that training gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from claims.experiments.long_lag_tasks import Array, Drawn, pairs
from claims.oracles import olah2015 as oracle
from repro import Setting, check_state
from repro.task import GraphRegressor, Stateful

Weights = dict[str, Array]

CELLS = ("rnn", "lstm", "peephole", "coupled", "gru", "blocks")


class GatedMemory(GraphRegressor, Stateful, Protocol):
    """A recurrent layer and an output layer, which is read after the last item of a sequence.

    A sequence is a graph without edges whose nodes are [1 + I]: the time of an item, and the item. Lengths in a batch
    differ. Weights, of n = `hidden` units, are W [n, n + I] on [h_{t-1}, x_t] and b [n], as the post has them:
        "rnn": W_h, b_h. "lstm": W_f, W_i, W_C, W_o and b_f, b_i, b_C, b_o. "coupled": without W_i, b_i: i = 1 - f.
        "peephole": as "lstm", with W_f and W_i [n, 2 n + I] on [C_{t-1}, h_{t-1}, x_t], W_o on [C_t, h_{t-1}, x_t].
        "gru": W_z, W_r, W_h, no biases; W_h is on [r h_{t-1}, x_t], and h_t = (1 - z) h_{t-1} + z h~.
        "blocks" (1997): `hidden` blocks of `size` cells. W_c, W_in and W_out read [y_{t-1}, x_t], where y are outputs
        of cells (block by block), input gates and output gates; g is within [-2, 2] and h within [-1, 1]. There are b_c
        with `biases` "hidden" or "all", b_in and b_out with "gates" too, and b_y with "all". With `feedforward` there
        are no output gates, hidden units read x_t, and outputs read [y, x_t]; such networks are only counted.
    The output layer is W_y [O, n] ("blocks": of cells alone) and b_y [O], `output` "linear" or "logistic".
    All start from zeros. Weights start uniformly within `init`; b_f at `forget_bias`, b_in and b_out at `in_biases` and
    `out_biases`, one for each block, where there are any. The loss is half the squared errors, summed over outputs, in
    the mean over a batch. Each pass takes the sequences in a new order that the seed draws, in batches of `batch`, and
    leaves out what fills none. Gradients are clipped by their norm together where it is above `clip`, 0 for never;
    updates are `optimizer` "sgd" or "adam" (its authors' constants) at `lr`. With `truncated`, "blocks" have gradients
    in which y_{t-1} is constant. With the `precision` "float64" arithmetic and predictions are of that kind.
    """

    def shapes(self, config: Any) -> dict[str, tuple[int, ...]]:
        """The shape of every weight, by name."""
        ...

    def module(self, config: Any, weights: Mapping[str, Array], x: Array, h: Array, c: Array) -> dict[str, Array]:
        """One step in float64, of x [N, I], h [N, n] and C [N, n] ("rnn", "gru": [N, 0]; "blocks": y and states).

        Returns:
            "h" and "C" after it, and the gates "f", "i", "new" (the candidate) and "o"; "z", "r" and "new" of a GRU;
            "in" and "out" of blocks.
        """
        ...

    def tally(self, outputs: Array, targets: Array, tolerance: float) -> tuple[int, float]:
        """Sequences with an output that errs by more than `tolerance`, and the mean squared error (Tables 7 to 9)."""
        ...


def sizes(cell: str, n: int, inputs: int, outputs: int, cells: int = 1) -> dict[str, tuple[int, ...]]:
    """The weights of a network by the contract, of blocks with all biases."""
    if cell == "blocks":
        rows, read, of_y = {"c": n * cells, "in": n, "out": n}, n * (cells + 2) + inputs, n * cells
        found: dict[str, tuple[int, ...]] = {f"W_{k}": (count, read) for k, count in rows.items()}
        found |= {f"b_{k}": (count,) for k, count in rows.items()}
    else:
        names = {"rnn": "h", "gru": "zrh", "coupled": "fCo"}.get(cell, "fiCo")
        found, of_y = {f"W_{k}": (n, n + inputs + n * (cell == "peephole" and k != "C")) for k in names}, n
        found |= {f"b_{k}": (n,) for k in names if cell != "gru"}
    return found | {"W_y": (outputs, of_y), "b_y": (outputs,)}


def small(
    setting: Setting, cell: str, n: int = 2, inputs: int = 2, outputs: int = 2, cells: int = 2, **how: Any
) -> Any:
    """A config of a small network in float64; only blocks have more than one cell."""
    own = {"cell": cell, "hidden": n, "inputs": inputs, "outputs": outputs, "size": cells if cell == "blocks" else 1}
    own |= {"biases": "all", "in_biases": (), "out_biases": (), "feedforward": False, "truncated": False}
    return replace(setting.config, **(own | {"precision": "float64"} | how))


def weights_of(rng: np.random.Generator, config: Any, scale: float = 1.0) -> Weights:
    """Normal weights."""
    shapes = sizes(config.cell, config.hidden, config.inputs, config.outputs, config.size)
    return {name: scale * rng.normal(size=shape) for name, shape in shapes.items()}


def some(rng: np.random.Generator, config: Any, lengths: Sequence[int]) -> Drawn:
    """Sequences of these lengths with items that float32 holds, in a frame of junk, and targets."""
    items = rng.integers(-64, 65, (len(lengths), max(lengths), config.inputs)) / 32
    return items, np.array(lengths), rng.integers(0, 65, (len(lengths), config.outputs)) / 64


def nothing(cell: str, weights: Weights, count: int = 1) -> tuple[Array, Array]:
    """What a first step finds as h and C."""
    of_h, of_c = oracle.widths(cell, weights)
    return np.zeros((count, of_h)), np.zeros((count, of_c))


def course(network: GatedMemory, setting: Setting, drawn: Drawn, steps: Sequence[int] | None = None) -> list[Weights]:
    """Weights at these updates; by default before the first and after each."""
    updates = range(setting.config.updates) if steps is None else steps
    how = {"seed": setting.seed, "device": setting.device, "eval_steps": tuple(updates)}
    found = list[Weights]()
    for step, model in network.train(setting.config, pairs(drawn), **how):
        if step not in (*updates, setting.config.updates):
            raise ValueError(f"training gives a model after {step} updates, which nobody asked for")
        found.append({name: np.array(array, np.float64) for name, array in network.state(model).items()})
    if len(found) != len({*updates, setting.config.updates}):
        raise ValueError(f"training gives {len(found)} models")
    return found


def carried(network: GatedMemory, setting: Setting, data: Any) -> dict[str, NDArray[Any]]:
    """The weights after training; they must be the contract's."""
    *_, (_, model) = network.train(setting.config, data, seed=setting.seed, device=setting.device)
    arrays = {name: np.array(array) for name, array in network.state(model).items()}
    check_state(arrays, network.shapes(setting.config))
    return arrays
