"""Gated networks written a second time: one vector of weights, gates fused, sequences that have ended held still."""

# ruff: noqa: D103, N806 -- functions of the contract, which says what they do; names are the paper's
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import make_dataclass
from math import prod
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

DEFAULTS = {"cell": "lstm", "inputs": 2, "hidden": 16, "size": 1, "outputs": 1, "output": "linear", "forget_bias": 0.0}
DEFAULTS |= {"biases": "all", "in_biases": (), "out_biases": (), "feedforward": False, "truncated": False, "init": 0.25}
DEFAULTS |= {"optimizer": "adam", "lr": 0.02, "batch": 32, "updates": 240, "clip": 1.0, "precision": "float32"}
Config: Any = make_dataclass("Config", [(k, type(v), v) for k, v in DEFAULTS.items()], frozen=True, kw_only=True)
NAMES = {"rnn": "h", "lstm": "oCif", "peephole": "oCif", "coupled": "oCf", "gru": "hrz"}
TABLE = """1-1 4 1 7 7 gates .1|1-2 3 2 7 7 gates .1|1-3 3 2 7 7 gates .2|1-4 4 1 7 7 gates .5|1-5 3 2 7 7 gates .5
2a 1 1 101 101 none 1|2b 1 1 101 101 none 1|2c-1 2 1 54 2 none .01|2c-2 2 1 104 2 none .01|2c-3 2 1 204 2 none .01
2c-4 2 1 504 2 none .01|2c-5 2 1 1004 2 none .01|2c-6 2 1 504 2 none .01|2c-7 2 1 204 2 none .01|2c-8 2 1 104 2 none .01
2c-9 2 1 54 2 none .01|3a 3 1 1 1 hidden 1|3b 3 1 1 1 hidden 1|3c 3 1 1 1 hidden .1|4-1 2 2 2 1 all .5
4-2 2 2 2 1 all .5|4-3 2 2 2 1 all .5|5 2 2 2 1 all .1|6a 2 2 8 4 all .5|6b 3 2 8 8 all .1"""
STEPS = {"1": (0, -1), "2": (0, 0), "3": (-2, -2), "4": (-3, 0), "5": (-3, 0), "6": (-2, 0)}  # of in and out biases
CONFIGS = {cell: Config(cell=cell) for cell in NAMES}
for row in TABLE.replace("\n", "|").split("|"):
    task, b, s, reads, gives, biased, rate = row.split()
    sizes = {"hidden": int(b), "size": int(s), "inputs": int(reads), "outputs": int(gives), "biases": biased}
    learns = {"output": "logistic", "optimizer": "sgd", "batch": 1, "clip": 0.0, "truncated": True, "lr": float(rate)}
    into, out = (tuple(float(step * k) for k in range(1, int(b) + 1) if step) for step in STEPS[task[0]])
    into = tuple(bias + 1 for bias in into) if task[0] == "3" else into
    learns |= {"in_biases": into, "out_biases": out, "init": 0.2 if task[0] in "12" else 0.1}
    CONFIGS[task] = Config(cell="blocks", feedforward=task in ("2a", "2b"), **sizes, **learns)


def _rows(config: Any) -> dict[str, int]:
    if config.cell != "blocks":
        return dict.fromkeys(NAMES[config.cell], int(config.hidden))
    gates = {} if config.feedforward else {"out": config.hidden}
    return {"c": config.hidden * config.size, "in": config.hidden} | gates


def _state_sizes(config: Any) -> tuple[int, int]:
    if config.cell == "blocks":
        return sum(_rows(config).values()), config.hidden * config.size
    return config.hidden, config.hidden if "C" in NAMES[config.cell] else 0


def shapes(config: Any) -> dict[str, tuple[int, ...]]:
    rows, recurrent = _rows(config), 0 if config.feedforward else _state_sizes(config)[0]
    found: dict[str, tuple[int, ...]] = {}
    for name, count in rows.items():
        peeps = config.hidden if config.cell == "peephole" and name != "C" else 0
        found[f"W_{name}"] = (count, peeps + recurrent + config.inputs)
        all_blocks = ("all", "hidden") if name == "c" else ("all", "hidden", "gates")
        if config.cell != "gru" and (config.cell != "blocks" or config.biases in all_blocks):
            found[f"b_{name}"] = (count,)
    cells = _state_sizes(config)[1] if config.cell == "blocks" else config.hidden
    found["W_y"] = (config.outputs, cells + config.inputs * config.feedforward)
    return found | ({"b_y": (config.outputs,)} if config.cell != "blocks" or config.biases == "all" else {})


def _parts(config: Any, theta: Tensor) -> dict[str, Tensor]:
    own = shapes(config)
    return {k: v.view(own[k]) for k, v in zip(own, theta.split([prod(shape) for shape in own.values()]), strict=True)}


def _fused(config: Any, w: Mapping[str, Tensor]) -> Any:
    """For each gate and all of them: what multiplies c, h and x, and the bias."""
    n, read = _state_sizes(config)[0], config.inputs
    rows = _rows(config)
    H, X = (torch.cat([w[f"W_{k}"][:, at] for k in rows]).T for at in (slice(-n - read, -read), slice(-read, None)))
    zero = torch.zeros((), dtype=X.dtype)
    B = torch.cat([w.get(f"b_{k}", zero.expand(rows[k])) for k in rows])
    peeps = {k: w[f"W_{k}"][:, : config.hidden if config.cell == "peephole" else 0] for k in rows}
    peeps = {k: P.T if P.shape[1] else X.new_zeros(n, n) for k, P in peeps.items()}
    return SimpleNamespace(rows=rows, peeps=peeps, H=H, X=X, B=B)


def _cell(config: Any, m: Any, from_x: Tensor, h: Tensor, c: Tensor) -> dict[str, Tensor]:
    """One step, given what inputs and biases add to each gate."""
    seen = h.detach() if config.truncated else h
    if config.cell == "gru":
        n = config.hidden
        r, z = torch.sigmoid(from_x[:, n:] + seen @ m.H[:, n:]).chunk(2, 1)
        new = torch.tanh(from_x[:, :n] + (r * seen) @ m.H[:, :n])
        return {"h": h + z * (new - h), "C": c, "z": z, "r": r, "new": new}
    a = dict(zip(m.rows, (from_x + seen @ m.H).split(list(m.rows.values()), 1), strict=True))
    if config.cell == "rnn":
        return {"h": a["h"].tanh(), "C": c}
    if config.cell == "blocks":
        y_in, y_out = a["in"].sigmoid(), a["out"].sigmoid()
        many = (len(h), config.hidden, config.size)
        s = c.reshape(many) + y_in[:, :, None] * 2 * torch.tanh(a["c"].reshape(many) / 2)
        y = y_out[:, :, None] * torch.tanh(s / 2)
        return {"h": torch.cat([y.flatten(1), y_in, y_out], 1), "C": s.flatten(1), "in": y_in, "out": y_out}
    f, new = torch.sigmoid(a["f"] + c @ m.peeps["f"]), a["C"].tanh()
    i = torch.sigmoid(a["i"] + c @ m.peeps["i"]) if "i" in a else 1 - f
    after = torch.addcmul(i * new, f, c)
    o = torch.sigmoid(a["o"] + after @ m.peeps["o"])
    return {"h": o * after.tanh(), "C": after, "f": f, "i": i, "new": new, "o": o}


def module(config: Any, weights: Any, x: Any, h: Any, c: Any) -> Any:
    w = {k: torch.tensor(np.array(v, np.float64)) for k, v in weights.items()}
    m = _fused(config, w)
    x, h, c = (torch.tensor(np.array(part, np.float64)) for part in (x, h, c))
    return {k: v.numpy() for k, v in _cell(config, m, x @ m.X + m.B, h, c).items()}


def _outputs(config: Any, theta: Tensor, x: Tensor, lengths: Tensor) -> Tensor:
    """Of x [B, T, I]; a sequence that has ended keeps its state."""
    w = _parts(config, theta)
    m = _fused(config, w)
    h, c = (x.new_zeros(len(x), size) for size in _state_sizes(config))
    inside = (x @ m.X + m.B).unbind(1)
    for t, from_x in enumerate(inside):
        after, going = _cell(config, m, from_x, h, c), (lengths > t)[:, None]
        h, c = torch.where(going, after["h"], h), torch.where(going, after["C"], c)
    y = h[:, : w["W_y"].shape[1]] @ w["W_y"].T + w.get("b_y", 0.0)
    return torch.sigmoid(y) if config.output == "logistic" else y


def _sequences(config: Any, graphs: Any) -> tuple[Tensor, Tensor]:
    ends = np.cumsum(graphs.nodes_of)
    x = np.zeros((len(ends), max(graphs.nodes_of), config.inputs))
    for row, (end, count) in enumerate(zip(ends, graphs.nodes_of, strict=True)):
        own = graphs.nodes[end - count : end]
        x[row, :count] = own[np.argsort(own[:, 0]), 1:]
    return torch.tensor(x, dtype=getattr(torch, config.precision)), torch.tensor(np.array(graphs.nodes_of))


def train(config: Any, data: Any, *, seed: int, device: str, eval_steps: Sequence[int] = ()) -> Iterator[Any]:
    rng, first = np.random.default_rng(seed), dict[str, Any]()
    for name, shape in reversed(shapes(config).items()):
        first[name] = rng.uniform(-config.init, config.init, shape)
    first |= {"b_f": np.full(config.hidden, config.forget_bias)} if "b_f" in first else {}
    for name, fixed in (("b_in", config.in_biases), ("b_out", config.out_biases)):
        first |= {name: np.array(fixed)} if fixed else {}
    flat = np.concatenate([first[name].ravel() for name in shapes(config)])
    theta = torch.tensor(flat, dtype=getattr(torch, config.precision), requires_grad=True)
    x, lengths = _sequences(config, data.inputs)
    targets = torch.tensor(np.array(data.outputs), dtype=x.dtype)
    mean, square, left = torch.zeros_like(theta), torch.zeros_like(theta), list[int]()
    for done in range(config.updates):
        if done in eval_steps:
            yield done, restore(config, _arrays(config, theta), device=device)
        if len(left) < config.batch:
            left = rng.permutation(len(x)).tolist()
        rows, left = left[: config.batch], left[config.batch :]
        longest = int(lengths[rows].max())
        gaps = targets[rows] - _outputs(config, theta, x[rows, :longest], lengths[rows])
        (g,) = torch.autograd.grad((gaps**2).sum() / (2 * len(rows)), theta)
        norm = float(g.norm())
        g = g * (config.clip / norm) if config.clip and norm > config.clip else g
        with torch.no_grad():
            if config.optimizer == "sgd":
                theta -= config.lr * g
                continue
            mean, square = 0.9 * mean + 0.1 * g, 0.999 * square + 0.001 * g**2
            spread = (square / (1 - 0.999 ** (done + 1))).sqrt() + 1e-8
            theta -= config.lr * mean / (1 - 0.9 ** (done + 1)) / spread
    yield config.updates, restore(config, _arrays(config, theta), device=device)


def _arrays(config: Any, theta: Tensor) -> dict[str, Any]:
    return {k: v.numpy().copy() for k, v in _parts(config, theta.detach()).items()}


def state(model: Any) -> dict[str, Any]:
    return _arrays(model.config, model.theta)


def restore(config: Any, state: Mapping[str, Any], *, device: str) -> Any:
    flat = np.concatenate([np.ravel(state[name]) for name in shapes(config)])
    theta = torch.tensor(flat, dtype=getattr(torch, config.precision))

    def predict(graphs: Any) -> Any:
        return _outputs(config, theta, *_sequences(config, graphs)).numpy()

    return SimpleNamespace(config=config, theta=theta, predict=predict)


def tally(outputs: Any, targets: Any, tolerance: float) -> tuple[int, float]:
    gaps = np.asarray(outputs, float) - np.asarray(targets, float)
    return int((np.abs(gaps).max(1) > tolerance).sum()), float(np.square(gaps).mean())
