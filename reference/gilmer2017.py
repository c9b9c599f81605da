"""Neural Message Passing for Quantum Chemistry -- Gilmer, Schoenholz, Riley, Vinyals & Dahl, 2017.

Paper       arXiv:1704.01212v2 (ICML 2017)
Implements  Section 2 (eqs. 1 to 4), Section 5 (message functions, virtual edges and master node, set2set, towers),
            Section 6 (representations of edges), Section 7 (training), Appendix 10.1, and the last row of the tables.
Shapes      B graphs of a batch, n or m nodes of the largest, F features of a node, D targets, d hidden units in k
            towers of q (or p) = d / k, w ways (in, out), C channels of an edge, H units inside networks, g of the
            master node, E pairs. A pair's links are [5]: a distance, then a one-hot bond type.
Units       distances as the bins have them (taken for Angstrom), targets as given, the loss of standardized targets.

Deviations
  1. All neural networks have one hidden layer of rectifiers; the paper gives no shapes.
  2. The master node starts from zeros, reads the sum of a matrix times the states, and takes no part in the readout;
     nodes add a matrix times its state to their messages. The paper has no equations for it.
  3. Set2set's LSTM reads its whole last output q* and keeps its state, as later code does.
  4. Weights start normal, with variance 1 / inputs, and biases at zero; the paper does not say how.
  5. What the random search found is not printed: presets have values within its ranges, and the last weights count.
  6. A virtual edge beside raw distances is marked by one more channel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from reference.common.graph_convolutions import graph_convolution as graph_convolution
from reference.common.graph_convolutions import spectral_convolution as spectral_convolution
from reference.common.padded_graphs import PaddedGraphs, padded
from repro.task import Device, Graphs, Pairs

LABELS = {"bonds": 4, "bins": 14, "distances": 5}  # Section 6
CHUNK = 256  # graphs that are predicted at once

Weights = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Config:
    """One network and its training. Defaults are enn-s2s of Table 2."""

    message: Literal["matrix", "edge network", "pair"] = "edge network"
    inputs: Literal["bonds", "bins", "distances"] = "distances"
    virtual: bool = False  # an edge type for pairs that are not connected
    master: int = 0  # units of the master node; 0: there is none
    towers: int = 1
    readout: Literal["gated", "set2set"] = "set2set"
    hidden: int = 73
    width: int = 64  # of hidden layers inside networks
    steps: int = 6  # T, 3 to 8
    set2set_steps: int = 6  # M, 1 to 12
    batch: int = 20
    updates: int = 3_000_000
    lr: float = 2e-4  # 1e-5 to 5e-4
    decay_from: float = 0.1  # share of the training after which the rate falls, 0.1 to 0.9
    decay_to: float = 0.01  # F, 0.01 to 1
    precision: Literal["float32", "float64"] = "float32"


_SPARSE = Config(message="matrix", inputs="bonds", readout="gated")
CONFIGS = {"enn-s2s": Config(), "pair-s2s": Config(message="pair")}  # Tables 2 and 9
CONFIGS |= {"gg-nn": replace(_SPARSE, inputs="bins"), "gg-nn-s2s": Config(message="matrix", inputs="bins", hidden=200)}
CONFIGS |= {"towers8": replace(CONFIGS["gg-nn-s2s"], towers=8)}  # Table 8
CONFIGS |= {"sparse": _SPARSE, "sparse-virtual": replace(_SPARSE, virtual=True)}  # Table 7
CONFIGS |= {"sparse-master": replace(_SPARSE, master=20), "sparse-s2s": replace(_SPARSE, readout="set2set")}


def weight_shapes(config: Config, features: int, targets: int) -> dict[str, tuple[int, ...]]:
    """All weights by name.

    Raises:
        ValueError: if features do not fit, towers do not divide, or matrices are asked for edges without types.
    """
    d, k, H, g = config.hidden, config.towers, config.width, config.master
    q, C = d // k, LABELS[config.inputs] + config.virtual
    if features > d or d % k or (config.message == "matrix" and config.inputs == "distances"):
        raise ValueError(f"no network has {features} features, {d} units, {k} towers, {config.message} messages")

    def network(name: str, into: int, out: int, *lead: int, inner: int = H) -> dict[str, tuple[int, ...]]:
        parts = {"W0": (inner, into), "b0": (inner,), "W1": (out, inner), "b1": (out,)}
        return {f"{name}.{part}": (*lead, *shape) for part, shape in parts.items()}

    found = {"update.W": (k, 3, q, 2 * q), "update.U": (k, 3, q, q), "update.b": (k, 3, q)}
    if config.message == "matrix":
        found |= {"message.A": (2, k, C, q, q)}
    else:
        found |= network("message", *((C, q * q) if config.message == "edge network" else (2 * q + C, q)), 2, k)
    if k > 1:
        found |= network("mix", d, d, inner=d)
    if g:
        found |= {"master.read": (k, 2, q, g), "master.write": (g, d)}
        found |= {"master.W": (3, g, g), "master.U": (3, g, g), "master.b": (3, g)}
    if config.readout == "gated":
        return found | network("i", 2 * d, targets) | network("j", d, targets)
    found |= {"project.W": (d, d + features), "lstm.W": (4, d, 2 * d), "lstm.U": (4, d, d), "lstm.b": (4, d)}
    return found | network("out", 2 * d, targets)


def edge_vectors(config: Config, links_E5: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """What edges carry [E, C without virtual], and which pairs are edges [E] (Section 6)."""
    bonds_E4, every_E = links_E5[:, 1:], np.ones(len(links_E5), bool)
    bonded_E = np.any(bonds_E4 != 0, axis=1)
    if config.inputs != "bins":
        return (bonds_E4, bonded_E) if config.inputs == "bonds" else (links_E5, every_E)
    bin_E = np.searchsorted(np.linspace(2, 6, 9), links_E5[:, 0], side="right")
    return np.concatenate([bonds_E4, np.eye(10)[bin_E] * ~bonded_E[:, None]], 1), every_E


def pack(config: Config, graphs: Graphs, device: Device) -> PaddedGraphs:
    """Graphs of pairs as tensors, with virtual edges (Section 5.2) where they are asked for."""
    vectors_EC, edge_E = edge_vectors(config, graphs.links.astype(np.float64))
    kind = getattr(torch, config.precision)
    return padded(graphs, vectors_EC, edge_E, virtual=config.virtual, kind=kind, device=device)


def network(weights: Weights, name: str, x: Tensor) -> Tensor:
    """A neural network: W1 relu(W0 x + b0) + b1."""
    W0, b0, W1, b1 = (weights[f"{name}.{part}"] for part in ("W0", "b0", "W1", "b1"))
    return F.linear(F.linear(x, W0, b0).relu(), W1, b1)


def messages(weights: Weights, config: Config, batch: PaddedGraphs) -> Callable[[Tensor], Tensor]:
    """What maps states h [B, n, k, q] to messages [B, n, k, w, q], summed over neighbours (eq. 1, Section 5.1)."""
    if config.message == "matrix":
        return by_matrices(batch.e_BnmC[:, :, :, None, None], weights["message.A"])
    joined_Bnm111 = batch.joined_Bnm[..., None, None, None].to(batch.e_BnmC.dtype)
    W0, b0, W1, b1 = (weights[f"message.{part}"] for part in ("W0", "b0", "W1", "b1"))
    of_e_BnmwkH = torch.einsum("bnmc,wkhc->bnmwkh", batch.e_BnmC, W0[..., -batch.e_BnmC.shape[-1] :]) + b0
    if config.message == "edge network":  # A(e) is a sum over hidden units, so these weigh matrices as types do
        s_BnmwkC = F.pad(of_e_BnmwkH.relu(), (0, 1), value=1.0) * joined_Bnm111
        A_wkCqp = torch.cat((W1, b1[..., None]), -1).unflatten(2, (config.hidden // config.towers, -1)).movedim(4, 2)
        return by_matrices(s_BnmwkC, A_wkCqp)
    from_wkHq, to_wkHq, _ = W0.tensor_split((W1.shape[2], 2 * W1.shape[2]), -1)

    def send(h_Bnkq: Tensor) -> Tensor:  # the first layer is taken apart
        of_w_BmwkH = torch.einsum("bmkq,wkhq->bmwkh", h_Bnkq, from_wkHq)
        of_v_BnwkH = torch.einsum("bnkq,wkhq->bnwkh", h_Bnkq, to_wkHq)
        inner_BnmwkH = (of_e_BnmwkH + of_w_BmwkH[:, None] + of_v_BnwkH[:, :, None]).relu()
        sent_BnmkwQ = torch.einsum("bnmwkh,wkqh->bnmkwq", inner_BnmwkH, W1) + b1.transpose(0, 1)
        return (sent_BnmkwQ * joined_Bnm111).sum(2)

    return send


def by_matrices(s_BnmwkC: Tensor, A_wkCqp: Tensor) -> Callable[[Tensor], Tensor]:
    """Messages that are sums over C, with weights s, of a matrix times the neighbour's state."""

    def send(h_Bnkq: Tensor) -> Tensor:
        summed_BnwkCp = torch.einsum("bnmwkc,bmkp->bnwkcp", s_BnmwkC, h_Bnkq)
        return torch.einsum("bnwkcp,wkcqp->bnkwq", summed_BnwkCp.expand(-1, -1, 2, -1, -1, -1), A_wkCqp)

    return send


def gru(m: Tensor, h: Tensor, W: Tensor, U: Tensor, b: Tensor) -> Tensor:
    """Cho et al. (2014), for m [..., k, p], h [..., k, q], W [k, 3, q, p], U [k, 3, q, q] and b [k, 3, q]."""
    from_m = torch.einsum("...kp,kiqp->...kiq", m, W) + b
    from_h = torch.einsum("...kp,kiqp->...kiq", h, U[:, :2])
    z, r = (from_m[..., :2, :] + from_h).sigmoid().unbind(-2)
    candidate = (from_m[..., 2, :] + torch.einsum("...kp,kqp->...kq", r * h, U[:, 2])).tanh()
    return z * h + (1 - z) * candidate


def propagate(weights: Weights, config: Config, batch: PaddedGraphs) -> tuple[Tensor, Tensor]:
    """h^0 and h^T [B, n, d] (eqs. 1, 2 and 5); weights are the same at each step."""
    B, n, features = batch.x_BnF.shape
    real_Bn1, send = batch.real_Bn[..., None], messages(weights, config, batch)
    first_Bnd = h_Bnd = F.pad(batch.x_BnF, (0, config.hidden - features))
    own = [weights[f"update.{part}"] for part in "WUb"]
    g_B1g = h_Bnd.new_zeros(B, 1, config.master)
    for _ in range(config.steps):
        h_Bnkq = h_Bnd.view(B, n, config.towers, -1)
        m_Bnkwq = send(h_Bnkq)
        if config.master:
            m_Bnkwq = m_Bnkwq + torch.einsum("bog,kwqg->bokwq", g_B1g, weights["master.read"])
            sum_B1d = (h_Bnd * real_Bn1).sum(1, keepdim=True)
            master = [weights[f"master.{part}"][None] for part in "WUb"]
            g_B1g = gru(sum_B1d @ weights["master.write"].T, g_B1g, *master)
        h_Bnd = gru(m_Bnkwq.flatten(-2), h_Bnkq, *own).flatten(-2)
        if config.towers > 1:
            h_Bnd = network(weights, "mix", h_Bnd)
    return first_Bnd, h_Bnd


def set2set(weights: Weights, items_Bnd: Tensor, real_Bn: Tensor, steps: int) -> Tensor:
    """q* [B, 2 d] after some steps of attention to a set (Vinyals et al., 2015)."""
    W_zp, U_zp, b_z = (weights[f"lstm.{part}"].flatten(0, 1) for part in "WUb")
    q_Bd = c_Bd = read_Bd = torch.zeros_like(items_Bnd[:, 0])
    for _ in range(steps):
        gates_Bz = torch.cat((q_Bd, read_Bd), 1) @ W_zp.T + q_Bd @ U_zp.T + b_z
        i, f, candidate, o = gates_Bz.chunk(4, 1)
        c_Bd = f.sigmoid() * c_Bd + i.sigmoid() * candidate.tanh()
        q_Bd = o.sigmoid() * c_Bd.tanh()
        scores_Bn = (items_Bnd * q_Bd[:, None]).sum(-1).masked_fill(~real_Bn, -torch.inf)
        read_Bd = (scores_Bn.softmax(1)[..., None] * items_Bnd).sum(1)
    return torch.cat((q_Bd, read_Bd), 1)


def forward(weights: Weights, config: Config, batch: PaddedGraphs) -> Tensor:
    """Standardized targets [B, D] (eq. 3)."""
    first_Bnd, last_Bnd = propagate(weights, config, batch)
    if config.readout == "set2set":
        items_Bnd = torch.cat((last_Bnd, batch.x_BnF), -1) @ weights["project.W"].T
        return network(weights, "out", set2set(weights, items_Bnd, batch.real_Bn, config.set2set_steps))
    gates_BnD = network(weights, "i", torch.cat((last_Bnd, first_Bnd), -1)).sigmoid()
    return (gates_BnD * network(weights, "j", last_Bnd) * batch.real_Bn[..., None]).sum(1)  # eq. 4


@dataclass(frozen=True)
class Regressor:
    """A trained network: its weights, with the mean and the deviation of its training targets."""

    config: Config
    weights: Weights
    device: Device

    @torch.no_grad()
    def predict(self, graphs: Graphs) -> NDArray[Any]:
        """Numbers [N, D]."""
        packed = pack(self.config, graphs, self.device)
        rows = torch.arange(len(graphs.nodes_of), device=self.device).split(CHUNK)
        parts = [forward(self.weights, self.config, packed.of(chunk)) for chunk in rows]
        return (torch.cat(parts) * self.weights["std"] + self.weights["mean"]).cpu().numpy()


def scale(y_ND: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each target, [D]; 1 for one that does not vary."""
    return y_ND.mean(0), torch.where(y_ND.amax(0) > y_ND.amin(0), y_ND.std(0, correction=0), 1.0)


def loss(errors_BD: Tensor) -> Tensor:
    """The mean squared error of standardized targets."""
    return errors_BD.square().mean()


def rate(config: Config, update: int) -> float:
    """The learning rate of an update: it is constant, then falls in a line towards decay_to (Section 7)."""
    begin = config.decay_from * config.updates
    fallen = max(0.0, update - begin) / max(1.0, config.updates - begin)
    return config.lr * (1 - (1 - config.decay_to) * fallen)


def initial(config: Config, features: int, targets: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Weights before training."""
    found = {}
    for name, shape in weight_shapes(config, features, targets).items():
        inputs = math.prod(shape[-2:]) if name == "message.W1" else shape[-1]
        bias = name.rpartition(".")[2].startswith("b")
        found[name] = torch.zeros(shape) if bias else torch.randn(shape, generator=generator) / inputs**0.5
    return found


def train(
    config: Config, data: Pairs, *, seed: int, device: Device, eval_steps: Sequence[int] = ()
) -> Iterator[tuple[int, Regressor]]:
    """Minimise the mean squared error of standardized targets by Adam; yield regressors (Section 7)."""
    generator, kind = torch.Generator().manual_seed(seed), getattr(torch, config.precision)
    packed = pack(config, data.inputs, device)
    y_ND = torch.from_numpy(np.array(data.outputs, np.float64)).to(device, kind)
    mean_D, std_D = scale(y_ND)
    y_ND = (y_ND - mean_D) / std_D
    start = initial(config, packed.x_BnF.shape[-1], y_ND.shape[1], generator)
    weights = {name: value.to(device, kind).requires_grad_() for name, value in start.items()}
    regressor = Regressor(config, weights | {"mean": mean_D, "std": std_D}, device)
    optimizer = torch.optim.Adam(weights.values(), lr=config.lr)
    chosen = batches(len(y_ND), min(config.batch, len(y_ND)), generator)
    for update in range(config.updates):
        if update in eval_steps:
            yield update, regressor
        rows_B = next(chosen).to(device)
        optimizer.zero_grad()
        loss(forward(weights, config, packed.of(rows_B)) - y_ND[rows_B]).backward()
        optimizer.param_groups[0]["lr"] = rate(config, update)
        optimizer.step()
    yield config.updates, regressor


def batches(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """For ever: rows of a batch; in a pass over the examples none comes twice, and what fills no batch is left out."""
    while True:
        yield from torch.randperm(count, generator=generator)[: count // size * size].split(size)


def state(model: Regressor) -> dict[str, NDArray[Any]]:
    """All that is learnt, by the contract's names."""
    return {name: value.detach().cpu().numpy().copy() for name, value in model.weights.items()}


def restore(config: Config, state: Mapping[str, NDArray[Any]], *, device: Device) -> Regressor:
    """The regressor whose state that is."""
    kind = getattr(torch, config.precision)
    return Regressor(config, {name: torch.tensor(value).to(device, kind) for name, value in state.items()}, device)


def summary(ratios: NDArray[Any]) -> tuple[float, int]:
    """The row "Average" of a model's error ratios by target, and how many of them are within chemical accuracy."""
    return float(np.mean(ratios)), int(np.sum(np.asarray(ratios) < 1))
