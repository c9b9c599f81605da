"""Pointer Networks -- Vinyals, Fortunato & Jaitly, 2015.

Paper       arXiv:1506.03134v2
Implements  Section 2.1 (the sequence-to-sequence baseline), Section 2.2 (the same with content-based attention),
            Section 2.3 (Ptr-Net, eq. 3), and the training and decoding of Section 4.1.
Shapes      B batch, K beams, n points of an input, M steps of the decoder, H hidden units, D = 2 coordinates,
            P = n + 1 slots of the memory (the points, then the stop slot), V outputs of a fixed softmax, the stop last.
            Inside networks the batch, or its beams, comes after points, steps and slots: [M, P, B].
Units       losses are nats; learning rates are per update; coordinates are as given.

A step that points at place p is followed by one that reads the coordinates of p. The decoder begins at a learnt
vector, from the encoder's last state, and ends by pointing at the stop slot, whose number is n.

Deviations
  1. How the decoder begins and ends is only drawn (Figure 1). Here a learnt input of D numbers begins it, and a learnt
     vector of H numbers stands in the memory as the slot that ends it.
  2. Hulls are not closed: the paper's end with their first place again, here the stop slot follows at once.
  3. The number of updates is not given: ten passes over a million examples. There is no word of a schedule either.
  4. The width of the beam is not given: 3. Scores are sums of logarithms, whatever the length.
  5. All inputs of a batch are of one length, so nothing of an input is ever padded; batches come in random order, and
     examples that do not fill one are left out, others in each pass.
  6. The decoders of the two baselines read the coordinates of the place before as well, since the paper does not say
     what they read, and their softmax has as many places as the longest training input.
  7. The attention of Section 2.2 has the form of eq. 3, so v, W1 and W2 are the same in both.
  8. "adam" and "cosine" (lr falls to 0 as half a cosine) are there for runs of reduced size; the paper has neither.
  9. Cells have one bias vector, drawn as the weights are; the paper prints no equations for them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from repro.task import Device, Pairs, Sequences

D = 2
WORK = 1 << 24  # numbers of the largest tensor that decoding makes
KEPT = 31 << 20  # bytes of a block that, once freed, has glibc keep what is freed; it heeds none above 32 MB

State = tuple[Tensor, Tensor]
"""h [B, H] and c [B, H]."""
Memory = tuple[Tensor, Tensor]
"""Slots e [P, B, H] and keys W1 e [P, B, H]."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """One network, its training and its decoding. Defaults are the Ptr-Net of Section 4.1."""

    model: Literal["pointer", "attention", "lstm"] = "pointer"  # Sections 2.3, 2.2 and 2.1
    hidden: int = 512  # 256 or 512; which task used which is not said
    init: float = 0.08  # parameters are uniform in [-init, init]
    optimizer: Literal["sgd", "adam"] = "sgd"
    lr: float = 1.0
    schedule: Literal["constant", "cosine"] = "constant"
    clip: float = 2.0  # largest L2 norm of the gradient
    batch: int = 128
    updates: int = 78_125
    targets: Literal["canonical", "any order"] = "canonical"  # "any order": cycles start anywhere, either way round
    beam: int = 3
    valid: Literal["any", "tour"] = "any"  # "tour": each place is pointed at once, and only then the stop slot


CONFIGS = {
    **{f"pointer-{hidden}": Config(hidden=hidden) for hidden in (256, 512)},
    **{f"tour-{hidden}": Config(hidden=hidden, valid="tour") for hidden in (256, 512)},
    **{
        f"{model}-{hidden}": Config(model=model, hidden=hidden)
        for model in ("attention", "lstm")
        for hidden in (256, 512)
    },
}


class Attention(Function):
    """u_j = v . tanh(k_j + q_i), eq. 3, of keys k, queries q and v: [M, P, B] for every step and slot.

    As tanh z = 2 sigmoid(2 z) - 1, since torch's sigmoid takes a seventh of the time of its tanh on a CPU. Its gradient
    is written out because few of its parts need all M P B H numbers.
    """

    @staticmethod
    def forward(ctx: Any, keys_PBH: Tensor, queries_MBH: Tensor, v_H: Tensor) -> Tensor:
        """Scores [M, P, B]."""
        half_MPBH = torch.add(2 * queries_MBH[:, None], keys_PBH, alpha=2).sigmoid_()
        ctx.save_for_backward(half_MPBH, v_H)
        return half_MPBH @ (2 * v_H) - v_H.sum()

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] -- the decorator hides the parameters' names
        ctx: Any, *errors: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of keys [P, B, H], queries [M, B, H] and v [H]."""
        (half_MPBH, v_H), (errors_MPB,) = ctx.saved_tensors, errors
        slope_MPBH = torch.ops.aten.sigmoid_backward(errors_MPB[..., None], half_MPBH)
        scale_H = 4 * v_H  # the derivative of tanh z is 4 sigmoid'(2 z)
        v_grad_H = 2 * (errors_MPB.flatten() @ half_MPBH.flatten(0, 2)) - errors_MPB.sum()
        return slope_MPBH.sum(0) * scale_H, slope_MPBH.sum(1) * scale_H, v_grad_H


class Net(nn.Module):
    """Encoder, decoder, and what turns the decoder's states into scores of outputs.

    Args:
        config: what it is.
        places: outputs of the baselines' softmax beside the stop; a Ptr-Net has no such number.
    """

    def __init__(self, config: Config, places: int) -> None:
        super().__init__()
        H = config.hidden
        self.model, self.places, feeds = config.model, places, config.model == "attention"
        self.encoder = nn.LSTM(D, H)
        self.decoder = nn.LSTM(D + H if feeds else D, H)
        self.start_D = nn.Parameter(torch.empty(D))
        if config.model != "lstm":
            self.w1, self.w2 = nn.Linear(H, H, bias=False), nn.Linear(H, H, bias=False)
            self.v_H = nn.Parameter(torch.empty(H))
        if config.model == "pointer":
            self.stop_H = nn.Parameter(torch.empty(H))
        else:
            self.head = nn.Linear(2 * H if feeds else H, places + 1)
        for name, parameter in self.named_parameters():
            if name.endswith("bias_hh_l0"):  # cells have one bias; torch adds a second
                nn.init.zeros_(parameter.requires_grad_(False))

    def encode(self, x_nBD: Tensor) -> tuple[Tensor, State]:
        """What the encoder says of each point, e [n, B, H], and its last state."""
        e_nBH, (h_1BH, c_1BH) = self.encoder(x_nBD)
        return e_nBH, (h_1BH.squeeze(0), c_1BH.squeeze(0))

    def memory(self, e_nBH: Tensor) -> Memory:
        """What can be attended to: the points, and for a Ptr-Net the stop slot after them."""
        slots_PBH = e_nBH
        if self.model == "pointer":
            slots_PBH = torch.cat((e_nBH, self.stop_H.expand(1, e_nBH.shape[1], -1)))
        return slots_PBH, slots_PBH if self.model == "lstm" else self.w1(slots_PBH)

    def attend(self, keys_PBH: Tensor, d_MBH: Tensor) -> Tensor:
        """u_j = v . tanh(W1 e_j + W2 d_i), eq. 3, for every step and slot, [M, P, B]."""
        return cast("Tensor", Attention.apply(keys_PBH, self.w2(d_MBH), self.v_H))

    def steps(self, inputs_MBD: Tensor, memory: Memory, state: State) -> tuple[Tensor, State]:
        """Scores [M, outputs, B] of steps that read the given inputs, and the last state.

        For the attention model the state's h is [d; d'], the decoder's and what was attended to.
        """
        if self.model == "attention":
            return self._attentive(inputs_MBD, memory, state)
        if len(inputs_MBD) == 1:  # decoding
            state = self._step(inputs_MBD[0], state)
            d_MBH = state[0][None]
        else:
            d_MBH, (h_1BH, c_1BH) = self.decoder(inputs_MBD, (state[0][None], state[1][None]))
            state = h_1BH.squeeze(0), c_1BH.squeeze(0)
        return self.attend(memory[1], d_MBH) if self.model == "pointer" else self.head(d_MBH).mT, state

    def _step(self, x_BD: Tensor, state: State) -> State:
        """One step of the decoder."""
        weights = self.decoder
        return torch.lstm_cell(
            x_BD,
            state,
            weights.weight_ih_l0,  # pyright: ignore[reportArgumentType] -- torch's types call it a module
            weights.weight_hh_l0,  # pyright: ignore[reportArgumentType]
            weights.bias_ih_l0,  # pyright: ignore[reportArgumentType]
            weights.bias_hh_l0,  # pyright: ignore[reportArgumentType]
        )

    def _attentive(self, inputs_MBD: Tensor, memory: Memory, state: State) -> tuple[Tensor, State]:
        """Section 2.2: the state d_i and the blend d'_i of the memory predict, and d' is fed to the next step."""
        (slots_PBH, keys_PBH), (both_B2H, c_BH), found = memory, state, []
        h_BH, context_BH = both_B2H.chunk(2, 1)
        for x_BD in inputs_MBD:
            h_BH, c_BH = self._step(torch.cat((x_BD, context_BH), 1), (h_BH, c_BH))
            weights_PB = self.attend(keys_PBH, h_BH[None])[0].softmax(0)
            context_BH = (weights_PB[..., None] * slots_PBH).sum(0)
            found.append(torch.cat((h_BH, context_BH), 1))
        hidden_MB2H = torch.stack(found)
        return self.head(hidden_MB2H).mT, (hidden_MB2H[-1], c_BH)

    def begin(self, state: State) -> State:
        """The decoder's first state from the encoder's last."""
        if self.model != "attention":
            return state
        return torch.cat((state[0], torch.zeros_like(state[0])), 1), state[1]

    def forward(self, x_nBD: Tensor, places_MB: Tensor) -> Tensor:
        """Scores [M + 1, outputs, B] of every step while the given places are read."""
        e_nBH, state = self.encode(x_nBD)
        read_MBD = x_nBD.gather(0, places_MB[..., None].expand(-1, -1, D))
        inputs_MBD = torch.cat((self.start_D.expand(1, x_nBD.shape[1], D), read_MBD))
        return self.steps(inputs_MBD, self.memory(e_nBH), self.begin(state))[0]


def initialise(net: Net, config: Config, seed: int) -> None:
    """All that is learnt is uniform in [-init, init] (Section 4.1)."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in net.parameters():
        if parameter.requires_grad:
            nn.init.uniform_(parameter, -config.init, config.init, generator=generator)


class Examples:
    """Training pairs on the device. Targets end with the stop n and are padded by -1, which no loss counts."""

    def __init__(self, config: Config, data: Pairs, device: Device) -> None:
        inputs, outputs = data.inputs, data.outputs
        self.config = config
        self.device: Device = device
        self.x_NLD = torch.from_numpy(np.array(inputs.items, np.float32)).to(device)
        self.n_N, self.m_N = (np.array(part.lengths, np.int64) for part in (inputs, outputs))
        targets_NM = torch.from_numpy(np.array(outputs.items, np.int64)).to(device)
        step_1M, m_N1 = torch.arange(targets_NM.shape[1] + 1, device=device)[None], self._column(self.m_N)
        targets_NM = F.pad(targets_NM, (0, 1)).masked_fill(step_1M > m_N1, -1)
        self.targets_NM = torch.where(step_1M == m_N1, self._column(self.n_N), targets_NM)
        self.longest = int(self.n_N.max()) if len(self.n_N) else 0

    def _column(self, values_N: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(values_N).to(self.device)[:, None]

    def batches(self, generator: torch.Generator) -> Iterator[Tensor]:
        """For ever: which examples are in a batch, [B], all of one length."""
        groups = [torch.from_numpy(np.flatnonzero(self.n_N == n)) for n in np.unique(self.n_N)]
        while True:
            parts: list[Tensor] = []
            for group in groups:
                order = group[torch.randperm(len(group), generator=generator)]
                size = min(self.config.batch, len(group))
                parts += order[: len(order) // size * size].split(size)
            for chosen in torch.randperm(len(parts), generator=generator).tolist():
                yield parts[chosen]

    def take(self, chosen_B: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Points [B, n, D], places to read [B, M], and places to point at with the stop and padding [B, M + 1]."""
        n, m = int(self.n_N[chosen_B[0]]), int(self.m_N[chosen_B].max())
        chosen_B = chosen_B.to(self.device)
        targets_BM = self.targets_NM[chosen_B, : m + 1]
        if self.config.targets == "any order":
            m_B1, step_1M = (targets_BM >= 0).sum(1, keepdim=True) - 1, torch.arange(m + 1, device=self.device)
            draws_2B1 = torch.rand(2, len(chosen_B), 1, generator=generator).to(self.device)
            along_BM = torch.where(draws_2B1[0] < 0.5, step_1M, -step_1M) + (draws_2B1[1] * m_B1).long()
            targets_BM = torch.where(step_1M < m_B1, targets_BM.gather(1, along_BM % m_B1), targets_BM)
        places_BM = targets_BM[:, :m].clamp(0, n - 1)  # what is read after the end plays no part
        return self.x_NLD[chosen_B, :n], places_BM, targets_BM


def train(
    config: Config, data: Pairs, *, seed: int, device: Device, eval_steps: Sequence[int] = ()
) -> Iterator[tuple[int, Pointer]]:
    """Minimise -log p(places | points), summed over steps and averaged over the batch; yield pointers.

    Raises:
        ValueError: if there is nothing to learn from.
    """
    if not len(data.inputs.lengths):
        raise ValueError("there are no examples to train on")
    weights_seed, order_seed = (int(word) for word in np.random.SeedSequence(seed).generate_state(2))
    examples = Examples(config, data, device)
    net = Net(config, examples.longest)
    initialise(net, config, weights_seed)
    net.to(device)
    yield from fit(net, config, examples, torch.Generator().manual_seed(order_seed), eval_steps)


def fit(
    net: Net, config: Config, examples: Examples, generator: torch.Generator, eval_steps: Sequence[int]
) -> Iterator[tuple[int, Pointer]]:
    """Update `net` and yield it at the eval_steps and at the end."""
    # What an update frees would go back to the system, and the next would take it again by a page fault for each 4 kB.
    # glibc keeps what is freed once it has seen a large block freed: its thresholds follow the largest.
    torch.empty(KEPT, dtype=torch.uint8)
    learnt = [parameter for parameter in net.parameters() if parameter.requires_grad]
    optimizer = Optimizer(config, learnt)
    batches = examples.batches(generator)
    for update in range(config.updates):
        if update in eval_steps:
            yield update, Pointer(net, config, examples.device)
        x_BnD, places_BM, targets_BM = examples.take(next(batches), generator)
        scores_MVB = net(x_BnD.transpose(0, 1).contiguous(), places_BM.T)
        gradients = torch.autograd.grad(scores_MVB, learnt, errors(scores_MVB, targets_BM.T, x_BnD.shape[1]))
        lr = config.lr
        if config.schedule == "cosine":
            lr *= (1 + math.cos(math.pi * update / config.updates)) / 2
        optimizer.step(gradients, lr)
    yield config.updates, Pointer(net, config, examples.device)


@torch.no_grad()
def errors(scores_MVB: Tensor, targets_MB: Tensor, n: int) -> Tensor:
    """The derivative of the loss by the scores: softmax less one at the target, over the batch; zero after the end."""
    _, V, B = scores_MVB.shape
    slots_M1B = targets_MB.masked_fill(targets_MB == n, V - 1)[:, None]  # the stop is the last
    missed_MVB = scores_MVB.softmax(1)
    missed_MVB.scatter_add_(1, slots_M1B.clamp(min=0), missed_MVB.new_full((), -1).expand_as(slots_M1B))
    return missed_MVB.mul_((slots_M1B >= 0) / B)


class Optimizer:
    """Updates of all parameters together, which become parts of one array."""

    def __init__(self, config: Config, learnt: list[nn.Parameter]) -> None:
        self.config, self.updates = config, 0
        self.weights_W = torch.cat([p.detach().flatten() for p in learnt])
        for p, part in zip(learnt, self.weights_W.split([p.numel() for p in learnt]), strict=True):
            p.data = part.view_as(p)
        self.mean_W, self.square_W = torch.zeros_like(self.weights_W), torch.zeros_like(self.weights_W)

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], lr: float) -> None:
        """Clip the norm of the gradient, and update."""
        self.updates += 1
        g_W = torch.cat([g.flatten() for g in gradients])
        g_W *= (self.config.clip / g_W.norm()).clamp(max=1.0)
        if self.config.optimizer == "sgd":
            self.weights_W.sub_(g_W, alpha=lr)
            return
        self.mean_W.lerp_(g_W, 0.1)
        self.square_W.lerp_(g_W.square_(), 0.001)
        size = lr / (1 - 0.9**self.updates)
        deviation_W = (self.square_W / (1 - 0.999**self.updates)).sqrt_().add_(1e-8)
        self.weights_W.addcdiv_(self.mean_W, deviation_W, value=-size)


class Hypotheses:
    """The outputs that a beam search follows, K = B beams of them: what each has pointed at and whether it ended."""

    def __init__(self, B: int, beam: int, n: int, device: torch.device) -> None:
        self.beam, self.n = beam, n
        self.places_KM = torch.zeros(B * beam, 0, dtype=torch.int64, device=device)
        self.m_K = torch.zeros(B * beam, dtype=torch.int64, device=device)
        self.ended_K = torch.zeros(B * beam, dtype=torch.bool, device=device)
        self.visited_Kn = torch.zeros(B * beam, n, dtype=torch.bool, device=device)

    def extend(self, best_BK: Tensor) -> tuple[Tensor, Tensor]:
        """Follow the best continuations, numbered by beam and slot: where each came from and the place it points at.

        Outputs that end, or have ended, point at the last place, which does not count.
        """
        first_B1 = torch.arange(len(best_BK), device=best_BK.device)[:, None] * self.beam
        came_K, slot_K = (first_B1 + best_BK // (self.n + 1)).flatten(), (best_BK % (self.n + 1)).flatten()
        self.ended_K = self.ended_K[came_K] | (slot_K == self.n)
        place_K = slot_K.clamp(max=self.n - 1)
        self.places_KM = torch.cat((self.places_KM[came_K], place_K[:, None]), 1)
        self.m_K = self.m_K[came_K] + ~self.ended_K
        self.visited_Kn = self.visited_Kn[came_K].scatter(1, place_K[:, None], True)
        return came_K, place_K


class Pointer:
    """A trained network that decodes by beam search."""

    hypotheses = Hypotheses

    def __init__(self, net: Net, config: Config, device: Device) -> None:
        self.net, self.config, self.device = net, config, device

    def point(self, inputs: Sequences, longest: int) -> Sequences:
        """Places [N, longest] in each input: the best of `beam` outputs, cut off after `longest` places.

        Raises:
            ValueError: for tours that are longer than that.
        """
        if self.config.valid == "tour" and len(inputs.lengths) and inputs.lengths.max() > longest:
            raise ValueError(f"a tour of {inputs.lengths.max()} points does not fit in {longest} places")
        items = np.zeros((len(inputs.lengths), longest), np.int64)
        lengths = np.zeros(len(inputs.lengths), np.int64)
        for rows, x_BnD in self.alike(inputs, self.config.beam):
            places_BM, m_B = self.search(x_BnD, longest)
            items[rows, : places_BM.shape[1]], lengths[rows] = places_BM.cpu().numpy(), m_B.cpu().numpy()
        return Sequences(items=items, lengths=lengths)

    def alike(self, inputs: Sequences, each: int) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
        """Inputs of one length at a time, [B, n, D], and their rows; `each` scales the memory that an input takes."""
        for n in np.unique(inputs.lengths):
            rows = np.flatnonzero(inputs.lengths == n)
            size = max(1, WORK // (each * (int(n) + 1) * self.config.hidden))
            for first in range(0, len(rows), size):
                own = rows[first : first + size]
                yield own, torch.from_numpy(np.array(inputs.items[own, :n], np.float32)).to(self.device)

    @torch.no_grad()
    def search(self, x_BnD: Tensor, longest: int) -> tuple[Tensor, Tensor]:
        """The likeliest outputs that a beam search finds: places [B, M] and how many of them count [B]."""
        net, (B, n, _), beam = self.net, x_BnD.shape, self.config.beam
        e_nBH, state = net.encode(x_BnD.transpose(0, 1).contiguous())
        slots_PKH, keys_PKH = (part.repeat_interleave(beam, 1) for part in net.memory(e_nBH))
        h_KH, c_KH, x_KnD = (part.repeat_interleave(beam, 0) for part in (*net.begin(state), x_BnD))
        memory, state, read_KD = (slots_PKH, keys_PKH), (h_KH, c_KH), net.start_D.expand(B * beam, D)
        total_BK = torch.full((B, beam), -torch.inf, device=x_BnD.device)
        total_BK[:, 0] = 0.0  # all beams begin alike, and one is enough
        first_B = best_B = torch.arange(B, device=x_BnD.device) * beam
        found = self.hypotheses(B, beam, n, x_BnD.device)
        for step in range(longest + 1):
            scores_1VK, state = net.steps(read_KD[None], memory, state)
            logp_KP = _outputs(scores_1VK[0].T, n)
            if self.config.valid == "tour":
                logp_KP[:, :n].masked_fill_(found.visited_Kn, -torch.inf)
                logp_KP[:, n] = 0.0 if step >= n else -torch.inf
            logp_KP.masked_fill_(found.ended_K[:, None], -torch.inf)[:, n].masked_fill_(found.ended_K, 0.0)
            total_BK, best_BK = (total_BK[..., None] + logp_KP.view(B, beam, -1)).flatten(1).topk(beam, 1)
            came_K, place_K = found.extend(best_BK)
            state = state[0][came_K], state[1][came_K]
            read_KD = x_KnD.gather(1, place_K[:, None, None].expand(-1, 1, D))[:, 0]
            best_B = first_B + total_BK.argmax(1)
            if bool(found.ended_K[best_B].all()):  # no other beam can overtake: totals only fall
                break
        places_BM, m_B = found.places_KM[best_B, :longest], found.m_K[best_B].clamp(max=longest)
        return places_BM * (torch.arange(places_BM.shape[1], device=x_BnD.device) < m_B[:, None]), m_B


def _outputs(scores_KV: Tensor, n: int) -> Tensor:
    """Logarithms of probabilities of n places and the stop, [K, n + 1], of scores whose last is the stop.

    A fixed softmax has none of the places beyond its own, and those beyond the input are left out.
    """
    known = scores_KV.shape[1] - 1
    logp_KV = torch.cat((scores_KV[:, : min(n, known)], scores_KV[:, -1:]), 1).log_softmax(1)
    return (
        logp_KV
        if known >= n
        else torch.cat((F.pad(logp_KV[:, :-1], (0, n - known), value=-torch.inf), logp_KV[:, -1:]), 1)
    )


# What the suite asks for

LSTM = {"W": "weight_ih_l0", "U": "weight_hh_l0", "b": "bias_ih_l0"}
NAMES = {
    **{f"{part}.{short}": f"{part}.{name}" for part in ("encoder", "decoder") for short, name in LSTM.items()},
    "W1": "w1.weight", "W2": "w2.weight", "v": "v_H", "start": "start_D", "stop": "stop_H",
    "head.W": "head.weight", "head.b": "head.bias",
}  # fmt: skip


def state(pointer: Pointer) -> dict[str, NDArray[np.float32]]:
    """All that is learnt, by canonical name."""
    own = dict(pointer.net.named_parameters())
    return {name: own[ours].detach().cpu().numpy().copy() for name, ours in NAMES.items() if ours in own}


def restore(config: Config, state: dict[str, NDArray[np.float32]], *, device: Device) -> Pointer:
    """The pointer whose state that is."""
    net = Net(config, len(state["head.b"]) - 1 if "head.b" in state else 0)
    own = dict(net.named_parameters())
    with torch.no_grad():
        for name, value in state.items():
            own[NAMES[name]].copy_(torch.from_numpy(value))
    return Pointer(net.to(device), config, device)


@torch.no_grad()
def scores(pointer: Pointer, inputs: Sequences, outputs: Sequences) -> NDArray[np.float32]:
    """Scores [N, M, outputs] of each step, the last for the stop, while `outputs` [N, M] of one length are read."""
    x_BnD = torch.from_numpy(np.array(inputs.items, np.float32)).to(pointer.device)
    places_BM = torch.from_numpy(np.array(outputs.items, np.int64)).to(pointer.device)
    scores_MVN = pointer.net(x_BnD.transpose(0, 1).contiguous(), places_BM.T)[:-1]
    return scores_MVN.permute(2, 0, 1).cpu().numpy()


@torch.no_grad()
def encode(pointer: Pointer, inputs: Sequences) -> NDArray[np.float32]:
    """What the encoder says of each point, e [N, n, H]; inputs of one length."""
    x_BnD = torch.from_numpy(np.array(inputs.items, np.float32)).to(pointer.device)
    return pointer.net.encode(x_BnD.transpose(0, 1).contiguous())[0].transpose(0, 1).cpu().numpy()


@torch.no_grad()
def attend(pointer: Pointer, memory: NDArray[np.float32], states: NDArray[np.float32]) -> NDArray[np.float32]:
    """Eq. 3: scores [N, n] of slots [N, n, H] at decoder states [N, H]."""
    e_BnH, d_BH = (torch.from_numpy(np.array(part)).to(pointer.device) for part in (memory, states))
    keys_nBH = pointer.net.w1(e_BnH.transpose(0, 1))
    return pointer.net.attend(keys_nBH, d_BH[None])[0].T.cpu().numpy()
