"""Another Ptr-Net (Vinyals et al., 2015): torch's own cells with their two bias vectors, masks, and autograd.

Differs where the paper leaves a choice: the decoder first reads zeros, a beam keeps what has ended apart, and tours are
sought among the probabilities of the places that are left.

Deviations
  1. The number of updates and the width of the beam are not given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from repro.task import Sequences


@dataclass(frozen=True, kw_only=True)
class Config:
    """Section 4.1."""

    kind: str = "pointer"
    hidden: int = 256
    init: float = 0.08
    optimizer: str = "sgd"
    schedule: str = "constant"
    lr: float = 1.0
    clip: float = 2.0
    batch: int = 128
    updates: int = 78_125
    targets: str = "canonical"
    beam: int = 3
    valid: str = "any"


CONFIGS = {
    f"{name}-{hidden}": Config(
        kind="pointer" if name == "tour" else name, hidden=hidden, valid="tour" if name == "tour" else "any"
    )
    for name in ("pointer", "tour", "attention", "lstm")
    for hidden in (256, 512)
}


class Network(nn.Module):
    """Inputs of one length, batch first."""

    def __init__(self, config: Config, places: int) -> None:
        super().__init__()
        h, self.config = config.hidden, config
        self.fed = config.kind == "attention"
        self.encoder = nn.LSTMCell(2, h)
        self.decoder = nn.LSTMCell(2 + h if self.fed else 2, h)
        if config.kind != "lstm":
            self.W1, self.W2, self.v = nn.Linear(h, h, False), nn.Linear(h, h, False), nn.Linear(h, 1, False)
        if config.kind == "pointer":
            self.stop = nn.Parameter(torch.zeros(h))
        else:
            self.head = nn.Linear(2 * h if self.fed else h, places + 1)
        for weight in self.parameters():
            nn.init.uniform_(weight, -config.init, config.init)

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        """States [B, n, H], and the last."""
        state = (x.new_zeros(len(x), self.config.hidden),) * 2
        found = []
        for j in range(x.shape[1]):
            state = self.encoder(x[:, j], state)
            found.append(state[0])
        return torch.stack(found, 1), state

    def attend(self, e: torch.Tensor, d: torch.Tensor) -> torch.Tensor:
        """Eq. 3."""
        return self.v(torch.tanh(self.W1(e) + self.W2(d)[:, None])).squeeze(2)

    def begin(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Memory, the decoder's state, and what was attended to."""
        e, state = self.encode(x)
        if self.config.kind == "pointer":
            e = torch.cat([e, self.stop.expand(len(x), 1, -1)], 1)
        return e, *state, torch.zeros_like(state[0])

    def step(self, now: tuple[torch.Tensor, ...], read: torch.Tensor) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
        """One step that reads points [B, 2]; scores of outputs."""
        e, h, c, context = now
        h, c = self.decoder(torch.cat([read, context], 1) if self.fed else read, (h, c))
        if self.config.kind == "lstm":
            return (e, h, c, context), self.head(h)
        u = self.attend(e, h)
        if not self.fed:
            return (e, h, c, context), u
        context = torch.einsum("bn,bnh->bh", u.softmax(1), e)
        return (e, h, c, context), self.head(torch.cat([h, context], 1))

    def run(self, x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Scores [B, m + 1, outputs] while places [B, m] are read."""
        now, found = self.begin(x), []
        read = x.new_zeros(len(x), 2)
        for step in range(places.shape[1] + 1):
            now, scores = self.step(now, read)
            found.append(scores)
            if step < places.shape[1]:
                read = x[torch.arange(len(x)), places[:, step]]
        return torch.stack(found, 1)


@dataclass
class Pointer:
    """A trained network."""

    network: Network
    config: Config

    @torch.no_grad()
    def point(self, inputs: Sequences, longest: int) -> Sequences:
        """One input at a time."""
        found = [
            self.search(torch.from_numpy(np.array(x[:n], np.float32))[None], longest)
            for x, n in zip(inputs.items, inputs.lengths, strict=True)
        ]
        items = np.zeros((len(found), longest), np.int64)
        for row, places in enumerate(found):
            items[row, : len(places)] = places
        return Sequences(items=items, lengths=np.array([len(places) for places in found]))

    def search(self, x: torch.Tensor, longest: int) -> list[int]:
        """The best output of a beam search."""
        n, beam = x.shape[1], self.config.beam
        live = [(0.0, [], self.network.begin(x), x.new_zeros(1, 2))]
        ended: list[tuple[float, list[int]]] = []
        for step in range(longest + 1):
            longer = []
            for total, places, now, read in live:
                now, scores = self.network.step(now, read)
                known = torch.cat([scores[0, : min(n, scores.shape[1] - 1)], scores[0, -1:]])
                if self.config.valid == "tour":
                    known[places] = -torch.inf
                    known[-1] = 0.0 if step == n else -torch.inf
                for slot, gain in enumerate(known.log_softmax(0).tolist()):
                    if gain > -np.inf:
                        longer.append((total + gain, places, now, slot if slot < len(known) - 1 else None))
            best = sorted(longer, key=lambda each: -each[0])[: beam - len(ended)]
            ended += [(total, places) for total, places, _, slot in best if slot is None]
            live = [(t, [*p, s], now, x[:, s]) for t, p, now, s in best if s is not None]
            if not live or (ended and max(ended)[0] >= live[0][0]):
                break
        ended += [(total, places) for total, places, *_ in live]
        return max(ended, key=lambda each: each[0])[1][:longest]


def train(config, data, *, seed, device, eval_steps=()):
    """Descend on cross entropy, summed over steps."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = Network(config, int(data.inputs.lengths.max()))
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.SGD
    optimizer = kind(network.parameters(), lr=config.lr)
    feed = batches(config, data, rng)
    for update in range(config.updates):
        if update in eval_steps:
            yield update, Pointer(network, config)
        rows = next(feed)
        n, most = data.inputs.lengths[rows[0]], data.outputs.lengths[rows].max()
        x = torch.from_numpy(np.array(data.inputs.items[rows, :n], np.float32))
        answers = [ordered(config, data.outputs.items[row, : data.outputs.lengths[row]], rng) for row in rows]
        read = torch.tensor([[*a, *[0] * (most - len(a))] for a in answers])
        scores = network.run(x, read)
        wanted = torch.tensor([[*a, scores.shape[2] - 1, *[-100] * (most - len(a))] for a in answers])
        loss = nn.functional.cross_entropy(scores.flatten(0, 1), wanted.flatten(), reduction="sum") / len(rows)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), config.clip)
        if config.schedule == "cosine":
            optimizer.param_groups[0]["lr"] = config.lr * (1 + np.cos(np.pi * update / config.updates)) / 2
        optimizer.step()
    yield config.updates, Pointer(network, config)


def batches(config, data, rng):
    """Batches of inputs of one length, each example once a pass."""
    while True:
        found = []
        for n in np.unique(data.inputs.lengths):
            rows = rng.permutation(np.flatnonzero(data.inputs.lengths == n))
            size = min(config.batch, len(rows))
            found += [rows[i * size : (i + 1) * size] for i in range(len(rows) // size)]
        for chosen in rng.permutation(len(found)):
            yield found[chosen]


def ordered(config, places, rng):
    """A target as it is, or from anywhere and either way round."""
    if config.targets == "any order":
        places = np.roll(places, rng.integers(len(places)))[:: rng.choice([-1, 1])]
    return places.tolist()


NAMES = {
    f"{part}.{short}": f"{part}.{name}"
    for part in ("encoder", "decoder")
    for short, name in {"W": "weight_ih", "U": "weight_hh", "b": "bias_ih", "c": "bias_hh"}.items()
} | {
    "W1": "W1.weight", "W2": "W2.weight", "v": "v.weight", "stop": "stop",
    "head.W": "head.weight", "head.b": "head.bias",
}  # fmt: skip


def state(pointer):
    """Everything that is learnt, by the names of the contract."""
    own = pointer.network.state_dict()
    found = {name: own[theirs].numpy().copy() for name, theirs in NAMES.items() if theirs in own}
    return {name: value[0] if name == "v" else value for name, value in found.items()}


def restore(config, state, *, device):
    """A pointer of these weights."""
    network = Network(config, len(state["head.b"]) - 1 if "head.b" in state else 0)
    network.load_state_dict({NAMES[n]: torch.from_numpy(v[None] if n == "v" else v) for n, v in state.items()})
    return Pointer(network, config)


@torch.no_grad()
def scores(pointer, inputs, outputs):
    """Scores of every step but the last."""
    x, places = torch.from_numpy(np.array(inputs.items)), torch.from_numpy(np.array(outputs.items, np.int64))
    return pointer.network.run(x, places[:, :-1]).numpy()


@torch.no_grad()
def encode(pointer, inputs):
    """The encoder's states."""
    return pointer.network.encode(torch.from_numpy(np.array(inputs.items)))[0].numpy()


@torch.no_grad()
def attend(pointer, memory, states):
    """Eq. 3."""
    return pointer.network.attend(torch.from_numpy(np.array(memory)), torch.from_numpy(np.array(states))).numpy()
