"""Small gated networks: their weights by the contract of olah2015, drawn ones, and those that training gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from claims.experiments.long_lag_tasks import Array, Drawn, pairs
from claims.experiments.olah2015 import GatedMemory
from claims.oracles import olah2015 as oracle
from repro import Setting

Weights = dict[str, Array]

CELLS = ("rnn", "lstm", "peephole", "coupled", "gru", "blocks")


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
