"""Message passing written a second time: graph by graph, edge lists, tower by tower, a GRU of the other form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import make_dataclass
from typing import Any

import numpy as np
import torch

_FIELDS = {"message": "matrix", "inputs": "bonds", "readout": "gated", "virtual": False, "master": 0, "towers": 1}
_FIELDS |= {"hidden": 50, "width": 50, "steps": 3, "set2set_steps": 9, "batch": 20, "updates": 3_000_000, "lr": 1e-4}
_FIELDS |= {"decay_from": 0.5, "decay_to": 0.1, "precision": "float32"}
Config: Any = make_dataclass("Config", [(n, type(v), v) for n, v in _FIELDS.items()], frozen=True, kw_only=True)
_EDGES, _SET = {"message": "edge network", "inputs": "distances"}, {"readout": "set2set"}
CONFIGS = {"enn-s2s": Config(**_EDGES, **_SET), "pair-s2s": Config(message="pair", inputs="distances", **_SET)}
CONFIGS |= {"gg-nn": Config(inputs="bins"), "gg-nn-s2s": Config(inputs="bins", **_SET), "sparse": Config()}
CONFIGS |= {"sparse-virtual": Config(virtual=True), "sparse-master": Config(master=20), "sparse-s2s": Config(**_SET)}
CHANNELS = {"bonds": 4, "distances": 5, "bins": 14}


class Model:
    """Weights by canonical name."""

    def __init__(self, config: Any, weights: dict[str, torch.Tensor]) -> None:
        self.config, self.w, self.kind = config, weights, getattr(torch, config.precision)

    def predict(self, graphs: Any) -> np.ndarray:
        """Numbers [N, D]."""
        with torch.no_grad():
            return (torch.stack([self(g) for g in split(graphs)]) * self.w["std"] + self.w["mean"]).numpy()

    def net(self, name: str, x: torch.Tensor, *at: int) -> torch.Tensor:
        """A network of one hidden layer."""
        w0, b0, w1, b1 = (self.w[f"{name}.{part}"][at] for part in ("W0", "b0", "W1", "b1"))
        return torch.relu(x @ w0.mT + b0) @ w1.mT + b1

    def gru(self, name: str, m: torch.Tensor, h: torch.Tensor, *at: int) -> torch.Tensor:
        """As cuDNN has it: the reset gate applies to what a matrix has made of the state."""
        w, u, b, c = (self.w[f"{name}.{part}"][at] for part in "WUbc")
        z, r = (torch.sigmoid(m @ w[i].mT + h @ u[i].mT + b[i]) for i in (0, 1))
        return z * h + (1 - z) * torch.tanh(m @ w[2].mT + b[2] + r * (h @ u[2].mT + c))

    def sent(self, ends: torch.Tensor, e: torch.Tensor, h: torch.Tensor, *at: int) -> torch.Tensor:
        """Messages along all edges of one way and tower, summed where they arrive."""
        kind, (w, v) = self.config.message, (h[end] for end in ends)
        if kind == "pair":
            m = self.net("message", torch.cat([w, v, e], 1), *at)
        else:
            a = self.w["message.A"][at][e.argmax(1)] if kind == "matrix" else self.net("message", e, *at)
            m = (a.view(len(e), *2 * h.shape[1:]) @ w[..., None])[..., 0]
        return torch.zeros_like(h).index_add(0, ends[1], m)

    def __call__(self, graph: Any) -> torch.Tensor:
        """Standardized targets [D]."""
        c, w, (ends, e) = self.config, self.w, edges(self.config, *graph)
        x = torch.tensor(graph[0], dtype=self.kind)
        first = h = torch.cat([x, x.new_zeros(len(x), c.hidden - x.shape[1])], 1)
        ends, e, hub = torch.tensor(ends), torch.tensor(e, dtype=self.kind), h.new_zeros(c.master)
        for _ in range(c.steps):
            parts = []
            for k, own in enumerate(h.chunk(c.towers, 1)):
                read = w["master.read"][k] @ hub if c.master else torch.zeros(2, 1)
                m = [self.sent(ends, e, own, way, k) + read[way] for way in (0, 1)]
                parts.append(self.gru("update", torch.cat(m, 1), own, k))
            hub = self.gru("master", w["master.write"] @ h.sum(0), hub) if c.master else hub
            h = self.net("mix", torch.cat(parts, 1)) if c.towers > 1 else parts[0]
        if c.readout == "gated":
            return (torch.sigmoid(self.net("i", torch.cat([h, first], 1))) * self.net("j", h)).sum(0)
        items, (q, cell, read) = torch.cat([h, x], 1) @ w["project.W"].mT + w["project.b"], h.new_zeros(3, c.hidden)
        for _ in range(c.set2set_steps):
            gates = w["lstm.W"] @ torch.cat([q, read]) + w["lstm.U"] @ q + w["lstm.b"]
            cell = torch.sigmoid(gates[1]) * cell + torch.sigmoid(gates[0]) * torch.tanh(gates[2])
            q = torch.sigmoid(gates[3]) * torch.tanh(cell)
            read = torch.softmax(items @ q, 0) @ items
        return self.net("out", torch.cat([q, read]))


def split(graphs: Any) -> list[tuple[np.ndarray, ...]]:
    """Nodes, pairs and links of each graph."""
    n, m = np.cumsum(graphs.nodes_of)[:-1], np.cumsum(graphs.edges_of)[:-1]
    return [*zip(np.split(graphs.nodes, n), np.split(graphs.edges, m), np.split(graphs.links, m), strict=True)]


def edges(c: Any, nodes: np.ndarray, pairs: np.ndarray, links: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Directed edges [2, M], from and to, and their vectors [M, C]."""
    found = {}
    for (v, w), link in zip(pairs, links, strict=True):
        bins = np.zeros(10)
        bins[0 if link[0] < 2 else min(9, int(2 * link[0]) - 3)] = not link[1:].any()
        if c.inputs != "bonds" or link[1:].any():
            vector = {"bonds": link[1:], "distances": link, "bins": [*link[1:], *bins]}[c.inputs]
            found[v, w] = found[w, v] = [*vector, *[0] * c.virtual]
    for v, w in np.ndindex(len(nodes), len(nodes)) if c.virtual else ():
        found.setdefault((v, w), [0] * CHANNELS[c.inputs] + [1]) if v != w else None
    vectors = np.array([*found.values()], float).reshape(-1, CHANNELS[c.inputs] + c.virtual)
    return np.array([*found], np.int64).reshape(-1, 2).T, vectors


def sizes(c: Any, features: int, targets: int) -> dict[str, tuple[int, ...]]:
    """Shapes of all weights."""
    k, d, g, q, width = c.towers, c.hidden, c.master, c.hidden // c.towers, CHANNELS[c.inputs] + c.virtual
    found = {"update.W": (k, 3, q, 2 * q), "update.U": (k, 3, q, q), "update.b": (k, 3, q), "update.c": (k, q)}
    found |= {"message.A": (2, k, width, q, q)} if c.message == "matrix" else {}
    nets = {"edge network": [("message", width, q * q)], "pair": [("message", 2 * q + width, q)]}.get(c.message, [])
    nets += [("i", 2 * d, targets), ("j", d, targets)] if c.readout == "gated" else [("out", 2 * d, targets)]
    for name, into, out in [*nets, *[("mix", d, d)] * (k > 1)]:
        lead, inner = (2, k) if name == "message" else (), d if name == "mix" else c.width
        parts = {"W0": (inner, into), "b0": (inner,), "W1": (out, inner), "b1": (out,)}
        found |= {f"{name}.{part}": (*lead, *shape) for part, shape in parts.items()}
    hub = {"read": (k, 2, q, g), "write": (g, d), "W": (3, g, g), "U": (3, g, g), "b": (3, g), "c": (g,)}
    lstm = {"lstm.W": (4, d, 2 * d), "lstm.U": (4, d, d), "lstm.b": (4, d), "project.b": (d,)}
    found |= {f"master.{part}": shape for part, shape in hub.items() if g}
    return found | (lstm | {"project.W": (d, d + features)} if c.readout == "set2set" else {})


def train(config: Any, data: Any, *, seed: int, device: str, eval_steps: Any = ()) -> Iterator[tuple[int, Model]]:
    """Torch's Adam with a schedule, with shuffled passes."""
    rng, y, graphs = np.random.default_rng(seed), np.asarray(data.outputs, float), split(data.inputs)
    scale = {"mean": y.mean(0), "std": np.where(np.ptp(y, 0) > 0, y.std(0), 1.0)}
    shapes = sizes(config, data.inputs.nodes.shape[1], y.shape[1])
    start = {name: np.zeros(shape) for name, shape in shapes.items()}
    for name in (name for name in start if name[-2:] in ("W0", "W1", ".W", ".U", ".A", "ad", "te")):
        inputs = np.prod(shapes[name][-2:]) if name == "message.W1" else shapes[name][-1]
        start[name] = rng.normal(size=shapes[name]) / np.sqrt(inputs)
    model = restore(config, scale | start, device=device)
    learnt, aim, queue = [model.w[n].requires_grad_() for n in shapes], (y - scale["mean"]) / scale["std"], []
    adam, turn, end = torch.optim.Adam(learnt, config.lr), config.decay_from * config.updates, config.updates
    for step in range(end):
        if step in eval_steps:
            yield step, model
        size = min(config.batch, len(y))
        queue = queue if len(queue) >= size else rng.permutation(len(y)).tolist()
        rows, queue = queue[:size], queue[size:]
        adam.param_groups[0]["lr"] = config.lr * np.interp(step, [turn, max(end, turn + 1e-9)], [1, config.decay_to])
        adam.zero_grad()
        found = torch.stack([model(graphs[row]) for row in rows])
        ((found - torch.tensor(aim[rows], dtype=model.kind)) ** 2).mean().backward()
        adam.step()
    yield end, model


def state(model: Model) -> dict[str, np.ndarray]:
    """Weights as arrays."""
    return {name: value.detach().numpy().copy() for name, value in model.w.items()}


def restore(config: Any, state: dict[str, np.ndarray], *, device: str) -> Model:
    """A model of arrays."""
    return Model(config, {name: torch.tensor(v, dtype=getattr(torch, config.precision)) for name, v in state.items()})


def _scaled(adjacency: np.ndarray) -> np.ndarray:
    return adjacency / np.sqrt(adjacency.sum(0) * adjacency.sum(1)[:, None])


def graph_convolution(adjacency: np.ndarray, states: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """By matrices."""
    return np.maximum(_scaled(adjacency + np.eye(len(adjacency))) @ states @ weights, 0)


def spectral_convolution(adjacency: np.ndarray, states: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """In the spectral domain; the Laplacian has the eigenvectors of the scaled adjacency, in the other order."""
    v = np.linalg.eigh(_scaled(adjacency))[1][:, ::-1]
    return np.maximum(v @ np.einsum("ijk,ki->kj", filters, v.T @ states), 0)


def summary(ratios: np.ndarray) -> tuple[float, int]:
    """Mean and count."""
    return sum(ratios) / len(ratios), sum(1 for ratio in ratios if ratio < 1)
