"""LSTM networks: Olah 2015 (a blog post), and Hochreiter & Schmidhuber 1997 where the post has no numbers.

No arXiv: "Understanding LSTM Networks", colah.github.io, 27 August 2015; "Long Short-Term Memory", Neural Computation
9(8), 1997, below HS97. Implemented: the repeating modules that the post draws (a tanh layer; LSTM; with peepholes; with
coupled gates; GRU), the memory cell blocks of HS97 (Appendix A.1) with truncated gradients (A.2), and the networks of
its Table 10.

Shapes: N sequences, B of a batch, T steps, I inputs, n hidden units, b blocks of s cells, U units of all blocks,
O outputs. A module reads [h_{t-1}, x_t] in this order; with peepholes [C, h_{t-1}, x_t].

Units: losses are half of the squared errors, summed over outputs and averaged over sequences (HS97, A.1). A step of
training is one update.

Deviations:
  1. Every connection of HS97 has a delay of one step, from inputs and to outputs too. Here a step reads its own input
     and outputs read its own cells, which gives the same numbers two steps earlier.
  2. The post names no optimizer: Adam on batches, as most do. The networks of Table 10 learn as HS97 says, by gradient
     descent after each sequence, with errors at its end only.
  3. Networks of tasks 2a and 2b, whose hidden units have no output gate and read inputs alone, are counted and not run.
  4. The fused kernels of torch run LSTM and tanh layers over whole sequences, an order faster than `module` can.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Weights = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Config:
    """One network and how it learns.

    Attributes:
        cell: the repeating module; "blocks" are those of HS97.
        hidden: n; for "blocks", b memory blocks of `size` cells each.
        output: what output units do to their input.
        forget_bias: where b_f starts, of modules that have one.
        biases: of "blocks": whether "gates" have biases, all "hidden" units, "all" with outputs, or "none".
        in_biases, out_biases: where those of each block's gates start; if empty, at random.
        feedforward: whether hidden units have no output gates and read inputs alone, which outputs then read too.
        truncated: whether what units gave at the step before is a constant to gradients (HS97, A.2).
        init: all other weights start uniformly between minus this and this.
        clip: bound on the norm of all gradients together; 0 for none.
        precision: of all arithmetic.
    """

    cell: Literal["rnn", "lstm", "peephole", "coupled", "gru", "blocks"] = "lstm"
    inputs: int = 2
    hidden: int = 16
    size: int = 1
    outputs: int = 1
    output: Literal["linear", "logistic"] = "linear"
    forget_bias: float = 0.0
    biases: Literal["none", "gates", "hidden", "all"] = "all"
    in_biases: tuple[float, ...] = ()
    out_biases: tuple[float, ...] = ()
    feedforward: bool = False
    truncated: bool = False
    init: float = 0.25
    optimizer: Literal["adam", "sgd"] = "adam"
    lr: float = 0.02
    batch: int = 32
    updates: int = 240
    clip: float = 1.0
    precision: Literal["float32", "float64"] = "float32"


EARLY = ("gates", "none")  # biases of tasks 1 and 2


def _row(
    b: int, s: int, inputs: int, outputs: int, biases: Any, ogb: Any, igb: Any, lr: float, updates: int = 100_000
) -> Config:
    """A row of Tables 10 and 11 of HS97; tasks 2a and 2b are the only ones without output gates."""
    sizes = {"inputs": inputs, "hidden": b, "size": s, "outputs": outputs, "init": 0.2 if biases in EARLY else 0.1}
    learning = {"optimizer": "sgd", "lr": lr, "batch": 1, "updates": updates, "clip": 0.0, "truncated": True}
    gates = {"biases": biases, "out_biases": ogb or (), "in_biases": igb or (), "feedforward": ogb is None}
    return Config(cell="blocks", output="logistic", **sizes, **gates, **learning)


THREE, FOUR = (-1.0, -2.0, -3.0), (-1.0, -2.0, -3.0, -4.0)
REBER = {"1-1": (4, 1, FOUR, 0.1), "1-2": (3, 2, THREE, 0.1), "1-3": (3, 2, THREE, 0.2)}
REBER |= {"1-4": (4, 1, FOUR, 0.5), "1-5": (3, 2, THREE, 0.5)}
LAGS = {"2c-1": 54, "2c-2": 104, "2c-3": 204, "2c-4": 504, "2c-5": 1004}
LAGS |= {"2c-6": 504, "2c-7": 204, "2c-8": 104, "2c-9": 54}

CONFIGS = {name: Config(cell=name) for name in ("lstm", "rnn", "peephole", "coupled", "gru")}
CONFIGS |= {name: _row(b, s, 7, 7, "gates", ogb, (), lr) for name, (b, s, ogb, lr) in REBER.items()}
CONFIGS |= {name: _row(1, 1, 101, 101, "none", None, (), 1.0) for name in ("2a", "2b")}
CONFIGS |= {name: _row(2, 1, inputs, 2, "none", (), (), 0.01) for name, inputs in LAGS.items()}
CONFIGS |= {
    name: _row(3, 1, 1, 1, "hidden", (-2.0, -4.0, -6.0), (-1.0, -3.0, -5.0), lr)
    for name, lr in (("3a", 1.0), ("3b", 1.0), ("3c", 0.1))
}
CONFIGS |= {
    name: _row(2, 2, 2, 1, "all", (), (-3.0, -6.0), 0.5, updates)
    for name, updates in (("4-1", 74_000), ("4-2", 209_000), ("4-3", 853_000))
}
CONFIGS |= {"5": _row(2, 2, 2, 1, "all", (), (), 0.1)}
CONFIGS |= {"6a": _row(2, 2, 8, 4, "all", (), (-2.0, -4.0), 0.5, 31_390)}
CONFIGS |= {"6b": _row(3, 2, 8, 8, "all", (), (-2.0, -4.0, -6.0), 0.1, 571_100)}


def shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """The shape of every weight, by name."""
    if config.cell == "blocks":
        return _block_shapes(config)
    n, both = config.hidden, config.hidden + config.inputs
    names = {"rnn": "h", "gru": "zrh", "coupled": "fCo"}.get(config.cell, "fiCo")
    peeps = dict.fromkeys("fio", n) if config.cell == "peephole" else {}
    found: dict[str, tuple[int, ...]] = {f"W_{name}": (n, both + peeps.get(name, 0)) for name in names}
    found |= {f"b_{name}": (n,) for name in names if config.cell != "gru"}
    return found | {"W_y": (config.outputs, n), "b_y": (config.outputs,)}


def _block_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    cells, b = config.hidden * config.size, config.hidden
    rows = {"c": cells, "in": b} if config.feedforward else {"c": cells, "in": b, "out": b}
    read = config.inputs if config.feedforward else config.inputs + sum(rows.values())
    found: dict[str, tuple[int, ...]] = {f"W_{name}": (count, read) for name, count in rows.items()}
    biased = {"none": (), "gates": ("in", "out")}.get(config.biases, ("c", "in", "out"))
    found |= {f"b_{name}": (rows[name],) for name in biased}
    found |= {"W_y": (config.outputs, cells + config.inputs if config.feedforward else cells)}
    return found | ({"b_y": (config.outputs,)} if config.biases == "all" else {})


def start(config: Config, generator: torch.Generator) -> dict[str, Tensor]:
    """Weights before the first update."""
    dtype = getattr(torch, config.precision)
    fixed = {"b_in": config.in_biases, "b_out": config.out_biases}
    if "b_f" in (sizes := shapes(config)):
        fixed["b_f"] = (config.forget_bias,) * config.hidden
    found = dict[str, Tensor]()
    for name, shape in sizes.items():
        drawn = (2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1) * config.init
        found[name] = (torch.tensor(fixed[name]) if fixed.get(name) else drawn).to(dtype)
    return found


def _layer(w: Weights, name: str, *parts: Tensor) -> Tensor:
    """W [parts] + b."""
    return torch.nn.functional.linear(torch.cat(parts, 1), w[f"W_{name}"], w.get(f"b_{name}"))


def _step(config: Config, w: Weights, x: Tensor, h: Tensor, C: Tensor) -> dict[str, Tensor]:
    """The repeating module: h and C after it, and its gates."""
    given = h.detach() if config.truncated else h  # what gates and candidates read
    if config.cell == "rnn":
        return {"h": torch.tanh(_layer(w, "h", given, x)), "C": C}
    if config.cell == "gru":
        z, r = torch.sigmoid(_layer(w, "z", given, x)), torch.sigmoid(_layer(w, "r", given, x))
        new = torch.tanh(_layer(w, "h", r * given, x))
        return {"h": (1 - z) * h + z * new, "C": C, "z": z, "r": r, "new": new}
    if config.cell == "blocks":
        return _blocks(config, w, x, given, C)
    peeps = config.cell == "peephole"
    sees = (C, given, x) if peeps else (given, x)
    f, new = torch.sigmoid(_layer(w, "f", *sees)), torch.tanh(_layer(w, "C", given, x))
    i = 1 - f if config.cell == "coupled" else torch.sigmoid(_layer(w, "i", *sees))
    C = f * C + i * new
    o = torch.sigmoid(_layer(w, "o", C, given, x) if peeps else _layer(w, "o", given, x))
    return {"h": o * torch.tanh(C), "C": C, "f": f, "i": i, "new": new, "o": o}


def _blocks(config: Config, w: Weights, x: Tensor, y: Tensor, s: Tensor) -> dict[str, Tensor]:
    """HS97, A.1: states s [B, b s] that nothing forgets, and outputs y [B, U] of cells and of both kinds of gates."""
    y_in, y_out = torch.sigmoid(_layer(w, "in", y, x)), torch.sigmoid(_layer(w, "out", y, x))
    g = 4 * torch.sigmoid(_layer(w, "c", y, x)) - 2
    s = s + y_in.repeat_interleave(config.size, 1) * g
    y_c = y_out.repeat_interleave(config.size, 1) * (2 * torch.sigmoid(s) - 1)
    return {"h": torch.cat([y_c, y_in, y_out], 1), "C": s, "in": y_in, "out": y_out}


def _widths(config: Config) -> tuple[int, int]:
    """Of h and of C."""
    if config.cell == "blocks":
        return config.hidden * (config.size + 2), config.hidden * config.size
    return config.hidden, 0 if config.cell in ("rnn", "gru") else config.hidden


def module(config: Config, weights: Mapping[str, Any], x: Any, h: Any, c: Any) -> dict[str, NDArray[np.float64]]:
    """One step in float64, of inputs [N, I] and what came from the step before."""
    with torch.no_grad():
        w = {name: torch.as_tensor(np.asarray(array, np.float64)) for name, array in weights.items()}
        found = _step(config, w, *(torch.as_tensor(np.asarray(part, np.float64)) for part in (x, h, c)))
    return {name: part.numpy() for name, part in found.items()}


def _last(config: Config, w: Weights, x_TBI: Tensor, lengths: Tensor) -> Tensor:
    """What units give, [B, n], after the last item of each sequence."""
    T, B, _ = x_TBI.shape
    h, C = (x_TBI.new_zeros(B, width) for width in _widths(config))
    if config.cell in ("rnn", "lstm") and not config.truncated:
        found = _fused(config, w, x_TBI, h, C)
    else:
        steps = list[Tensor]()
        for t in range(T):
            step = _step(config, w, x_TBI[t], h, C)
            h, C = step["h"], step["C"]
            steps.append(h)
        found = torch.stack(steps)
    return found[lengths - 1, torch.arange(B)]


def _fused(config: Config, w: Weights, x_TBI: Tensor, h: Tensor, C: Tensor) -> Tensor:
    """`_step` over all steps by torch's kernels: h [T, B, n]. Theirs are the gates in the order i, f, C, o."""
    names = "h" if config.cell == "rnn" else "ifCo"
    W, b = torch.cat([w[f"W_{name}"] for name in names]), torch.cat([w[f"b_{name}"] for name in names])
    n = config.hidden
    parts = [W[:, n:].contiguous(), W[:, :n].contiguous(), b, torch.zeros_like(b)]
    if config.cell == "rnn":
        return torch.rnn_tanh(x_TBI, h[None], parts, True, 1, 0.0, True, False, False)[0]
    return torch.lstm(x_TBI, [h[None], C[None]], parts, True, 1, 0.0, True, False, False)[0]


def _outputs(config: Config, w: Weights, x_TBI: Tensor, lengths: Tensor) -> Tensor:
    """Outputs [B, O] at the ends of sequences; of blocks, cells alone are read."""
    h = _last(config, w, x_TBI, lengths)
    y = _layer(w, "y", h[:, : w["W_y"].shape[1]])
    return torch.sigmoid(y) if config.output == "logistic" else y


def _read(config: Config, graphs: Any, device: str) -> tuple[Tensor, Tensor]:
    """Items [T, N, I] in the order of their times, and lengths [N]; zeros beyond them."""
    counts, nodes = np.asarray(graphs.nodes_of), np.asarray(graphs.nodes)
    order = np.lexsort((nodes[:, 0], np.repeat(np.arange(len(counts)), counts)))
    places = np.arange(len(nodes)) - np.repeat(np.cumsum(counts) - counts, counts)
    x = np.zeros((counts.max(), len(counts), config.inputs))
    x[places, np.repeat(np.arange(len(counts)), counts)] = nodes[order, 1:]
    dtype = getattr(torch, config.precision)
    return torch.as_tensor(x, dtype=dtype, device=device), torch.as_tensor(counts, device=device)


@dataclass(frozen=True, eq=False)
class Network:
    """A trained network."""

    config: Config
    weights: Weights

    def predict(self, graphs: Any) -> NDArray[Any]:
        """Outputs [N, O] of sequences."""
        with torch.no_grad():
            device = self.weights["W_y"].device.type
            return _outputs(self.config, self.weights, *_read(self.config, graphs, device)).cpu().numpy()


def train(
    config: Config, data: Any, *, seed: int, device: str, eval_steps: Sequence[int] = ()
) -> Iterator[tuple[int, Network]]:
    """Learn from pairs; see `repro.task.Trainable`."""
    generator = torch.Generator().manual_seed(seed)
    w = {name: weight.to(device).requires_grad_() for name, weight in start(config, generator).items()}
    x, lengths = _read(config, data.inputs, device)
    targets = torch.as_tensor(np.asarray(data.outputs), dtype=x.dtype, device=device)
    kind = torch.optim.SGD if config.optimizer == "sgd" else torch.optim.Adam
    optimizer, batches = kind(list(w.values()), lr=config.lr), _batches(len(lengths), config.batch, generator)
    for update in range(config.updates):
        if update in eval_steps:
            yield update, Network(config, w)
        rows = next(batches)
        longest = int(lengths[rows].max())
        errors = _outputs(config, w, x[:longest, rows], lengths[rows]) - targets[rows]
        optimizer.zero_grad()
        (errors.square().sum(1).mean() / 2).backward()
        if config.clip:
            torch.nn.utils.clip_grad_norm_(list(w.values()), config.clip)
        optimizer.step()
    yield config.updates, Network(config, w)


def _batches(count: int, batch: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Rows of each batch: every pass in another order, without what fills no batch."""
    while True:
        order = torch.randperm(count, generator=generator)
        yield from order[: count // batch * batch].split(batch)


def state(model: Network) -> dict[str, NDArray[Any]]:
    """All weights by name."""
    return {name: weight.detach().cpu().numpy().copy() for name, weight in model.weights.items()}


def restore(config: Config, state: Mapping[str, NDArray[Any]], *, device: str) -> Network:
    """The network of these weights."""
    dtype = getattr(torch, config.precision)
    return Network(config, {name: torch.tensor(array, dtype=dtype, device=device) for name, array in state.items()})


def tally(outputs: NDArray[Any], targets: NDArray[Any], tolerance: float) -> tuple[int, float]:
    """What Tables 7 to 9 count: sequences with an output that errs by more than this, and the mean squared error."""
    errors = np.abs(np.asarray(outputs, np.float64) - np.asarray(targets, np.float64))
    return int((errors > tolerance).any(1).sum()), float((errors**2).mean())
