"""Another network for sets (Vinyals et al., 2016): sets of one size at a time, torch's own cells with two biases.

Differs where the contract leaves a choice: Write reads zeros first, the LSTM of Process has its recurrence in two
parts, and batches are drawn anew from all examples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from repro.task import Sequences


@dataclass(frozen=True, kw_only=True)
class Config:
    """A column of Table 1."""

    model: str = "process"
    steps: int = 0
    glimpses: int = 0
    hidden: int = 256
    init: float = 0.08
    optimizer: str = "adam"
    lr: float = 1e-3
    clip: float = 2.0
    batch: int = 128
    updates: int = 10_000


CONFIGS = {f"ptr-{g}": Config(model="pointer", glimpses=g) for g in (0, 1)}
CONFIGS |= {f"p{steps}-{g}": Config(steps=steps, glimpses=g) for steps in (0, 1, 5, 10) for g in (0, 1)}


class Network(nn.Module):
    """Sets of one size, [B, n, D]."""

    def __init__(self, config: Config, features: int) -> None:
        super().__init__()
        h, self.config = config.hidden, config
        self.read = nn.Sequential(nn.Linear(features, h), nn.Tanh(), nn.Linear(h, h))
        if config.model == "process":
            self.process = nn.LSTMCell(2 * h, h)
            self.A = nn.Linear(2 * h, h, False)
        else:
            self.encoder = nn.LSTMCell(h, h)
        self.write = nn.LSTMCell(h, h)
        self.W1, self.W2, self.v = nn.Linear(h, h, False), nn.Linear(h, h, False), nn.Linear(h, 1, False)
        if config.glimpses:
            self.G1, self.G2, self.G3 = (nn.Linear(h, h, False) for _ in range(3))
            self.gv = nn.Linear(h, 1, False)
        for weight in self.parameters():
            nn.init.uniform_(weight, -config.init, config.init)

    def end(self, m: torch.Tensor) -> torch.Tensor:
        """q* after all steps."""
        h = c = m.new_zeros(len(m), self.config.hidden)
        r = h
        for _ in range(self.config.steps):
            h, c = self.process(torch.cat([h, r], 1), (h, c))
            r = torch.einsum("bn,bnh->bh", torch.einsum("bnh,bh->bn", m, h).softmax(1), m)
        return torch.cat([h, r], 1)

    def begin(self, x: torch.Tensor):
        """What is read, what is pointed at, and the first state."""
        z = self.read(x)
        if self.config.model == "process":
            h = self.A(self.end(z))
            return z, z, (h, torch.zeros_like(h))
        state, found = (z.new_zeros(len(z), self.config.hidden),) * 2, []
        for j in range(z.shape[1]):
            state = self.encoder(z[:, j], state)
            found.append(state[0])
        return z, torch.stack(found, 1), state

    def points(self, m: torch.Tensor, d: torch.Tensor) -> torch.Tensor:
        """Scores of the memory."""
        query = self.W2(d)
        if self.config.glimpses:
            a = self.gv(torch.tanh(self.G1(m) + self.G2(d)[:, None])).softmax(1)
            query = query + self.G3((a * m).sum(1))
        return self.v(torch.tanh(self.W1(m) + query[:, None]))[..., 0]

    def run(self, x: torch.Tensor, places: torch.Tensor | None, m_most: int):
        """Scores of each step while places are read, or the best ones."""
        z, m, state = self.begin(x)
        read, found, rows = torch.zeros_like(z[:, 0]), [], torch.arange(len(x))
        for step in range(m_most):
            state = self.write(read, state)
            u = self.points(m, state[0])
            found.append(u)
            read = z[rows, u.argmax(1) if places is None else places[:, step]]
        return torch.stack(found, 1)


@dataclass
class Pointer:
    """A trained network."""

    net: Network

    @torch.no_grad()
    def point(self, inputs: Sequences, longest: int) -> Sequences:
        """Sets of one size at a time."""
        items, lengths = np.zeros((len(inputs.lengths), longest), np.int64), np.minimum(inputs.lengths, longest)
        for rows, x in alike(inputs):
            items[rows, : x.shape[1]] = self.net.run(x, None, min(x.shape[1], longest)).argmax(2).numpy()
        return Sequences(items=items, lengths=lengths)


def alike(inputs: Sequences, rows=None):
    """Rows of one size at a time, and their elements."""
    rows = np.arange(len(inputs.lengths)) if rows is None else rows
    for n in np.unique(inputs.lengths[rows]):
        own = rows[inputs.lengths[rows] == n]
        yield own, torch.from_numpy(np.array(inputs.items[own, :n], np.float32))


def train(config, data, *, seed, device, eval_steps=()):
    """-log p of places, summed over steps."""
    torch.manual_seed(seed)
    rng, net, outputs = np.random.default_rng(seed), Network(config, data.inputs.items.shape[2]), data.outputs
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.SGD
    optimizer, count = kind(net.parameters(), lr=config.lr), len(data.inputs.lengths)
    for update in range(config.updates):
        if update in eval_steps:
            yield update, Pointer(net)
        drawn = rng.choice(count, min(config.batch, count), replace=False)
        total = torch.zeros(())
        for rows, x in alike(data.inputs, drawn):
            m = x.shape[1]  # as many places as there are elements
            places = torch.from_numpy(np.array(outputs.items[rows, :m], np.int64))
            total = total - net.run(x, places, m).log_softmax(2).gather(2, places[..., None]).sum()
        optimizer.zero_grad(set_to_none=False)
        (total / len(drawn)).backward()
        nn.utils.clip_grad_norm_(net.parameters(), config.clip)
        optimizer.param_groups[0]["lr"] = config.lr * (1 + np.cos(np.pi * update / config.updates)) / 2
        optimizer.step()
    yield config.updates, Pointer(net)


CELLS = {"W": "weight_ih", "U": "weight_hh", "b": "bias_ih", "c": "bias_hh"}
NAMES = {f"{part}.{short}": f"{part}.{name}" for part in ("encoder", "write") for short, name in CELLS.items()} | {
    "read.W1": "read.0.weight", "read.b1": "read.0.bias", "read.W2": "read.2.weight", "read.b2": "read.2.bias",
    "process.U": "process.weight_ih", "process.V": "process.weight_hh", "process.b": "process.bias_ih",
    "process.c": "process.bias_hh", "write.A": "A.weight", "point.W1": "W1.weight", "point.W2": "W2.weight",
    "point.v": "v.weight", "glimpse.W1": "G1.weight", "glimpse.W2": "G2.weight", "glimpse.W3": "G3.weight",
    "glimpse.v": "gv.weight",
}  # fmt: skip


def state(pointer):
    """Everything that is learnt, by the names of the contract."""
    own = pointer.net.state_dict()
    found = {name: own[theirs].numpy().copy() for name, theirs in NAMES.items() if theirs in own}
    return {name: value[0] if name.endswith(".v") else value for name, value in found.items()}


def restore(config, state, *, device):
    """A pointer of these weights."""
    net = Network(config, state["read.W1"].shape[1])
    net.load_state_dict({NAMES[n]: torch.from_numpy(v[None] if n.endswith(".v") else v) for n, v in state.items()})
    return Pointer(net)


@torch.no_grad()
def scores(pointer, inputs, outputs):
    """Scores of every step; zeros beyond a set."""
    found = np.zeros((*outputs.items.shape, inputs.items.shape[1]), np.float32)
    for rows, x in alike(inputs):
        n = x.shape[1]
        found[rows, :n, :n] = pointer.net.run(x, torch.from_numpy(np.array(outputs.items[rows, :n], np.int64)), n)
    return found


@torch.no_grad()
def processed(pointer, inputs):
    """q* of each set."""
    net, found = pointer.net, {}
    for rows, x in alike(inputs):
        found |= dict(zip(rows, net.end(net.read(x)).numpy(), strict=True))
    return np.stack([found[row] for row in range(len(found))])


def margins(better, worse):
    """Differences."""
    return np.array(better, float) - np.array(worse, float)
