"""Order Matters: Sequence to Sequence for Sets -- Vinyals, Bengio & Kudlur, 2016.

Paper       arXiv:1511.06391v4 (ICLR 2016)
Implements  Sections 4.2 and 4.3 (Read, Process and Write, eqs. 3 to 7), and the Ptr-Net of Section 4.4.
Shapes      B batch, L elements of the largest set, M steps of Write, D features of an element, H hidden units.
Units       losses are nats; learning rates are per update.

Read embeds each element by a small network, m_i. Process is an LSTM without inputs whose state is [q r], a query and
what it reads of the memory. Write is an LSTM that points at one element a step and reads its embedding next.

Deviations
  1. Optimizer, rate, batch and width are not published: Adam with its authors' constants, whose rate falls to 0 as half
     a cosine, after the norm of the gradient is clipped; or plain descent, by which exact claims see what moves.
     Weights start uniform in +-0.08, as those of Ptr-Net.
  2. The small network of Read is m = W2 tanh(W1 x + b1) + b2.
  3. How Write begins is not said: its first hidden state is A q*_P without a bias, its cell is zeros, and what it reads
     first is learnt. With P = 0 it begins at zeros, so it knows nothing of the set but by pointing.
  4. A glimpse is additive attention with weights of its own; what it reads enters the pointing query, not the LSTM.
  5. Elements that were pointed at are not masked, and decoding is greedy: the paper has no word of either.
  6. The Ptr-Net has the embedding of Read before its encoder, and reads embeddings, so that both are alike elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from reference.common.clipped_updates import batches, fit
from repro.task import Device, Pairs, Sequences


@dataclass(frozen=True, kw_only=True)
class Config:
    """A network that sorts, and its training (Section 4.4)."""

    model: Literal["process", "pointer"] = "process"
    steps: int = 5  # P
    glimpses: Literal[0, 1] = 0
    hidden: int = 256
    init: float = 0.08  # weights are uniform in +-init
    optimizer: Literal["adam", "sgd"] = "adam"
    lr: float = 1e-3
    clip: float = 2.0  # largest L2 norm of the gradient
    batch: int = 128
    updates: int = 10_000


CONFIGS = {
    f"{name}-{glimpses}": replace(config, glimpses=glimpses)
    for name, config in {
        "ptr": Config(model="pointer", steps=0),
        **{f"p{steps}": Config(steps=steps) for steps in (0, 1, 5, 10)},
    }.items()
    for glimpses in (0, 1)
}  # Table 1


class Lstm(nn.LSTM):
    """An LSTM of one bias: torch's second one stays zero."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__(inputs, hidden, batch_first=True)
        nn.init.zeros_(cast("Tensor", self.bias_hh_l0).requires_grad_(False))


class Additive(nn.Module):
    """Attention u_j = v . tanh(W1 m_j + W2 d), for every step."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.w1, self.w2 = nn.Linear(hidden, hidden, bias=False), nn.Linear(hidden, hidden, bias=False)
        self.v_H = nn.Parameter(torch.empty(hidden))

    def forward(self, m_BLH: Tensor, d_BMH: Tensor, more_BMH: Tensor | float = 0.0) -> Tensor:
        """Scores [B, M, L]; `more` is added to W2 d."""
        query_BMH = self.w2(d_BMH) + more_BMH
        return torch.tanh(self.w1(m_BLH)[:, None] + query_BMH[:, :, None]) @ self.v_H


class Net(nn.Module):
    """Read, Process or an encoder, and Write."""

    def __init__(self, config: Config, features: int) -> None:
        super().__init__()
        H = config.hidden
        self.config = config
        self.read1, self.read2 = nn.Linear(features, H), nn.Linear(H, H)
        if config.model == "process":
            self.evolve = nn.Linear(2 * H, 4 * H)
            self.begin = nn.Linear(2 * H, H, bias=False)
        else:
            self.encoder = Lstm(H, H)
        self.write, self.first_H = Lstm(H, H), nn.Parameter(torch.empty(H))
        self.point = Additive(H)
        if config.glimpses:
            self.glimpse, self.seen = Additive(H), nn.Linear(H, H, bias=False)

    def read(self, x_BLD: Tensor) -> Tensor:
        """Section 4.2, Read: m [B, L, H]."""
        return self.read2(torch.tanh(self.read1(x_BLD)))

    def process(self, m_BLH: Tensor, hidden_B1L: Tensor) -> Tensor:
        """Eqs. 3 to 7: q*_P [B, 2 H] after P steps."""
        state_B2H = m_BLH.new_zeros(len(m_BLH), 2 * self.config.hidden)
        c_BH = m_BLH.new_zeros(len(m_BLH), self.config.hidden)
        for _ in range(self.config.steps):
            i, f, g, o = self.evolve(state_B2H).chunk(4, 1)
            c_BH = f.sigmoid() * c_BH + i.sigmoid() * g.tanh()
            q_BH = o.sigmoid() * c_BH.tanh()  # eq. 3
            e_BL1 = m_BLH @ q_BH[:, :, None]  # eq. 4, the dot product
            a_B1L = e_BL1.mT.masked_fill(hidden_B1L, -torch.inf).softmax(2)  # eq. 5
            r_BH = (a_B1L @ m_BLH)[:, 0]  # eq. 6
            state_B2H = torch.cat((q_BH, r_BH), 1)  # eq. 7
        return state_B2H

    def remember(self, z_BLH: Tensor, n_B: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor]:
        """The memory [B, L, H], the first state of Write, [1, B, H] each, and which slots are padding [B, 1, L]."""
        hidden_B1L = (torch.arange(z_BLH.shape[1], device=z_BLH.device) >= n_B[:, None].to(z_BLH.device))[:, None]
        if self.config.model == "process":
            h_1BH = self.begin(self.process(z_BLH, hidden_B1L))[None]
            return z_BLH, (h_1BH, torch.zeros_like(h_1BH)), hidden_B1L
        packed = nn.utils.rnn.pack_padded_sequence(z_BLH, n_B.cpu(), batch_first=True, enforce_sorted=False)
        states, last = self.encoder(packed)
        m_BLH, _ = nn.utils.rnn.pad_packed_sequence(states, batch_first=True, total_length=z_BLH.shape[1])
        return m_BLH, last, hidden_B1L

    def scores(self, m_BLH: Tensor, d_BMH: Tensor, hidden_B1L: Tensor) -> Tensor:
        """What Write says of each slot [B, M, L] in states d, after a glimpse or none."""
        more: Tensor | float = 0.0
        if self.config.glimpses:
            a_BML = self.glimpse(m_BLH, d_BMH).masked_fill(hidden_B1L, -torch.inf).softmax(2)
            more = self.seen(a_BML @ m_BLH)
        return self.point(m_BLH, d_BMH, more).masked_fill(hidden_B1L, -torch.inf)

    def forward(self, x_BLD: Tensor, n_B: Tensor, places_BM: Tensor) -> Tensor:
        """Scores [B, M, L] of every step while the places but the last are read."""
        z_BLH = self.read(x_BLD)
        m_BLH, state, hidden_B1L = self.remember(z_BLH, n_B)
        read_BMH = z_BLH.gather(1, places_BM[:, :-1, None].expand(-1, -1, z_BLH.shape[2]))
        d_BMH, _ = self.write(torch.cat((self.first_H.expand(len(z_BLH), 1, -1), read_BMH), 1), state)
        return self.scores(m_BLH, d_BMH, hidden_B1L)


def initialise(net: nn.Module, init: float, seed: int) -> None:
    """All that is learnt is uniform in +-init."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in net.parameters():
        if parameter.requires_grad:
            nn.init.uniform_(parameter, -init, init, generator=generator)


class Pointer:
    """A trained network that decodes greedily."""

    def __init__(self, net: Net, device: Device) -> None:
        self.device: Device = device
        self.net = net.to(device)

    @torch.no_grad()
    def point(self, inputs: Sequences, longest: int) -> Sequences:
        """Places [N, longest]: as many of each set as it has elements, at most `longest`."""
        x_BLD, n_B = tensors(inputs, self.device)
        z_BLH = self.net.read(x_BLD)
        m_BLH, state, hidden_B1L = self.net.remember(z_BLH, n_B)
        read_B1H, found_BM = self.net.first_H.expand(len(z_BLH), 1, -1), torch.zeros(len(z_BLH), longest).long()
        for step in range(min(longest, z_BLH.shape[1])):
            d_B1H, state = self.net.write(read_B1H, state)
            best_B1 = self.net.scores(m_BLH, d_B1H, hidden_B1L)[:, 0].argmax(1, keepdim=True)
            found_BM[:, step] = best_B1[:, 0].cpu()
            read_B1H = z_BLH.gather(1, best_B1[..., None].expand(-1, -1, z_BLH.shape[2]))
        m_B = n_B.clamp(max=longest)
        found_BM[torch.arange(longest) >= m_B[:, None]] = 0
        return Sequences(items=found_BM.numpy(), lengths=m_B.numpy())


def tensors(sequences: Sequences, device: Device) -> tuple[Tensor, Tensor]:
    """Items on the device, as many as the longest has and zeros beyond lengths, and lengths on the CPU."""
    lengths = np.array(sequences.lengths, np.int64)
    items = np.array(sequences.items[:, : lengths.max(initial=1)])
    items[np.arange(items.shape[1]) >= lengths[:, None]] = 0
    items = items.astype(np.int64 if items.dtype.kind in "iu" else np.float32)
    return torch.from_numpy(items).to(device), torch.from_numpy(lengths)


def train(
    config: Config, data: Pairs, *, seed: int, device: Device, eval_steps: Sequence[int] = ()
) -> Iterator[tuple[int, Pointer]]:
    """Minimise -log p(places | set), summed over steps and averaged over the batch; yield pointers.

    Raises:
        ValueError: if there is nothing to learn from.
    """
    if not len(data.inputs.lengths):
        raise ValueError("there are no examples to train on")
    (x_NLD, n_N), (places_NM, m_N) = tensors(data.inputs, device), tensors(data.outputs, device)
    weights_seed, order_seed = (int(word) for word in np.random.SeedSequence(seed).generate_state(2))
    net = Net(config, x_NLD.shape[2])
    initialise(net, config.init, weights_seed)
    feed = batches(len(n_N), config.batch, torch.Generator().manual_seed(order_seed))

    def loss(update: int) -> Tensor:
        own = next(feed)
        n_B, m_B = n_N[own], m_N[own]
        own = own.to(device)
        x_BLD, places_BM = x_NLD[own, : int(n_B.max())], places_NM[own, : int(m_B.max())]
        over_BM = torch.arange(places_BM.shape[1], device=device) >= m_B[:, None].to(device)
        scores_BML = net(x_BLD, n_B, places_BM)
        targets_BM = places_BM.masked_fill(over_BM, -100)
        return F.cross_entropy(scores_BML.flatten(0, 1), targets_BM.flatten(), reduction="sum") / len(own)

    pointer = Pointer(net, device)
    for step in fit(net, loss, config, eval_steps):
        yield step, pointer


# What the suite asks for

NAMES = {
    "read.W1": "read1.weight", "read.b1": "read1.bias", "read.W2": "read2.weight", "read.b2": "read2.bias",
    "process.U": "evolve.weight", "process.b": "evolve.bias", "write.A": "begin.weight", "write.start": "first_H",
    **{
        f"{part}.{short}": f"{part}.{name}_l0"
        for part in ("encoder", "write")
        for short, name in (("W", "weight_ih"), ("U", "weight_hh"), ("b", "bias_ih"))
    },
    **{f"{part}.{short}": f"{part}.{name}" for part in ("point", "glimpse")
       for short, name in (("W1", "w1.weight"), ("W2", "w2.weight"), ("v", "v_H"))},
    "glimpse.W3": "seen.weight",
}  # fmt: skip


def _arrays(net: nn.Module) -> dict[str, NDArray[np.float32]]:
    own = dict(net.named_parameters())
    return {name: own[ours].detach().cpu().numpy().copy() for name, ours in NAMES.items() if ours in own}


def _filled(net: Any, state: dict[str, NDArray[np.float32]]) -> Any:
    own = dict(net.named_parameters())
    with torch.no_grad():
        for name, value in state.items():
            own[NAMES[name]].copy_(torch.from_numpy(np.array(value)))
    return net


def state(pointer: Pointer) -> dict[str, NDArray[np.float32]]:
    """All that a pointer has learnt, by canonical name."""
    return _arrays(pointer.net)


def restore(config: Config, state: dict[str, NDArray[np.float32]], *, device: Device) -> Pointer:
    """The pointer whose state that is."""
    return Pointer(_filled(Net(config, state["read.W1"].shape[1]), state), device)


@torch.no_grad()
def scores(pointer: Pointer, inputs: Sequences, outputs: Sequences) -> NDArray[np.float32]:
    """Scores [N, M, L] of each step while `outputs` are read; -inf for what is no element."""
    (x_BLD, n_B), (places_BM, _) = tensors(inputs, pointer.device), tensors(outputs, pointer.device)
    return pointer.net(x_BLD, n_B, places_BM).cpu().numpy()


@torch.no_grad()
def processed(pointer: Pointer, inputs: Sequences) -> NDArray[np.float32]:
    """q*_P [N, 2 H] of sets."""
    x_BLD, n_B = tensors(inputs, pointer.device)
    hidden_B1L = (torch.arange(x_BLD.shape[1]) >= n_B[:, None])[:, None].to(pointer.device)
    return pointer.net.process(pointer.net.read(x_BLD), hidden_B1L).cpu().numpy()


def margins(better: Sequence[float], worse: Sequence[float]) -> NDArray[np.float64]:
    """By how much each number of one row of Table 1 exceeds that of another."""
    return np.subtract(better, worse)
