"""Recurrent Neural Network Regularization -- Zaremba, Sutskever & Vinyals, 2014.

Paper       arXiv:1409.2329v5
Implements  Section 3.1 (LSTM cells), Section 3.2 (dropout on non-recurrent connections alone), Section 4.1 (the small,
            medium and large language models, their training, and averaging of models).
Shapes      T steps of a segment, B streams, H hidden units, G = 4 H gates, V vocabulary, N = T B words, U distinct ones
            in a segment.
Units       losses are nats; learning rates are per update; positions are words.

Gates stand in the order of torch.nn.LSTM: i, f, g, o. Dropout D scales what it keeps by 1 / (1 - dropout), so nothing
is scaled where it is off. Training needs the gradient of the loss and not its value, which is never computed.

Deviations
  1. "The norm of the gradients (normalized by minibatch size)" is read as the authors' released code has it: losses are
     summed over the steps of a segment and averaged over its streams, and the norm is that of all parameters together.
  2. The paper gives no clipping for the small network; the released code has 5.
  3. Cells have two bias vectors, all drawn as the weights are, as in the released code; the paper prints none.
  4. An epoch ends with the last whole segment and the next one starts from zero states. Words beyond the last whole
     segment are left out. The released code copies its states before it zeroes them, so there an epoch goes on from
     the states that the one before ended with.
  5. The rate is divided after `constant_epochs` epochs, as the paper says ("after 6 epochs"); the released code divides
     it an epoch later.
  6. With "bfloat16", matrices are multiplied and activations kept in that format, and softmax, norm and weights in
     float32. The paper does not say what it used.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from repro.task import Corpus, Device, Reader

Operator = Callable[[Tensor], Tensor]
Cell = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
States = list[tuple[Tensor, Tensor]]
"""h [B, H] and c [B, H] of each layer."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """One network and its training. Defaults are the small, non-regularized network of Section 4.1."""

    layers: int = 2
    hidden: int = 200
    vocabulary: int = 10_000
    init: float = 0.1  # parameters are uniform in [-init, init]
    dropout: float = 0.0  # probability of a zero
    where: Literal["non-recurrent", "recurrent", "both"] = "non-recurrent"  # connections that D acts on
    batch: int = 20  # streams that the text is cut into
    unroll: int = 20  # steps of a segment
    epochs: int = 13
    lr: float = 1.0
    constant_epochs: int = 4  # at lr; each later epoch divides it by decay
    decay: float = 2.0
    clip: float = 5.0  # largest norm of the gradient
    reduction: Literal["sum", "mean"] = "sum"  # of losses over the steps of a segment; over streams always the mean
    precision: Literal["float32", "bfloat16", "float64"] = "float32"


CONFIGS = {
    "small": Config(),
    "medium": Config(
        hidden=650, init=0.05, dropout=0.5, unroll=35, epochs=39, constant_epochs=6, decay=1.2
    ),
    "large": Config(
        hidden=1500, init=0.04, dropout=0.65, unroll=35, epochs=55, constant_epochs=14, decay=1.15, clip=10.0
    ),
}  # fmt: skip


def lstm(gates_BG: Tensor, c_BH: Tensor) -> tuple[Tensor, Tensor]:
    """Section 3.1: h and c [B, H] from what the gates receive and the cells before."""
    i_BH, f_BH, g_BH, o_BH = gates_BG.chunk(4, 1)
    c_BH = f_BH.sigmoid() * c_BH + i_BH.sigmoid() * g_BH.tanh()
    return o_BH.sigmoid() * c_BH.tanh(), c_BH


def linearised(gates_BG: Tensor, c_BH: Tensor) -> tuple[Tensor, Tensor]:
    """The same with i, f and o at 1/2, their value for zero input, and the identity for tanh."""
    c_BH = (c_BH + gates_BG.chunk(4, 1)[2]) / 2
    return c_BH / 2, c_BH


class Net(nn.Module):
    """Layers of LSTM cells between an embedding and the linear map below a softmax."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.hidden)
        self.recurrent = nn.ModuleList(nn.LSTM(config.hidden, config.hidden) for _ in range(config.layers))
        self.softmax = nn.Linear(config.hidden, config.vocabulary)

    def forward(
        self, x_TBH: Tensor, states: States, drop: Operator | None = None, cell: Cell | None = None
    ) -> tuple[Tensor, States]:
        """What the softmax reads [T, B, H], from embedded words, and the states after the last step.

        Section 3.2: D acts on every connection from a layer to the one above, the embedding and the softmax
        included, which makes layers + 1, and on none from one step to the next.

        Args:
            x_TBH: embedded words.
            states: of each layer before the first step.
            drop: D; None for no dropout.
            cell: another cell than the LSTM's.
        """
        across = drop if drop and self.config.where != "recurrent" else _same
        along = drop if drop and self.config.where != "non-recurrent" else _same
        ends: States = []
        for layer, (h_BH, c_BH) in zip(self.recurrent, states, strict=True):
            if along is _same and cell is None:
                x_TBH, (h_1BH, c_1BH) = layer(across(x_TBH), (h_BH[None], c_BH[None]))
                h_BH, c_BH = h_1BH[0], c_1BH[0]
            else:
                x_TBH, h_BH, c_BH = _unrolled(layer, across(x_TBH), h_BH, c_BH, along, cell or lstm)
            ends.append((h_BH, c_BH))
        return across(x_TBH), ends

    def zeros(self, streams: int) -> States:
        """The states [B, H] before anything was read."""
        weight = self.softmax.weight
        zero_BH = torch.zeros(streams, self.config.hidden, dtype=weight.dtype, device=weight.device)
        return [(zero_BH, zero_BH)] * self.config.layers


def _same(x: Tensor) -> Tensor:
    return x


def _unrolled(
    layer: nn.Module, x_TBH: Tensor, h_BH: Tensor, c_BH: Tensor, along: Operator, cell: Cell
) -> tuple[Tensor, Tensor, Tensor]:
    """One layer step by step, with `along` on the connection from the step before."""
    inputs, recurrence, *biases = layer.parameters()
    hidden: list[Tensor] = []
    for gates_BG in F.linear(x_TBH, inputs, biases[0] + biases[1]).unbind(0):
        h_BH, c_BH = cell(gates_BG + along(h_BH) @ recurrence.T, c_BH)
        hidden.append(h_BH)
    return torch.stack(hidden), h_BH, c_BH


def initialise(net: Net, seed: int) -> Net:
    """Allocate a net that may live on the meta device, and draw every parameter uniformly (Section 4.1)."""
    generator, reach = torch.Generator().manual_seed(seed), net.config.init
    net.to_empty(device="cpu").to(torch.float64 if net.config.precision == "float64" else torch.float32)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.uniform_(-reach, reach, generator=generator)
    return net


def build(config: Config, kind: type[Net] = Net) -> Net:
    """A net without memory of its own."""
    with torch.device("meta"):
        return kind(config)


PARTS = ("W_x", "W_h", "b_x", "b_h")
"""A layer's parameters in torch's order: T_{2n,4n} of Section 3.1 in four parts."""


def named(net: Net) -> dict[str, Tensor]:
    """Everything that is learnt, by the paper's symbols."""
    found = {"embedding": net.embedding.weight}
    for number, layer in enumerate(net.recurrent, start=1):
        found |= {f"{part} {number}": weight for part, weight in zip(PARTS, layer.parameters(), strict=True)}
    return found | {"W_y": net.softmax.weight, "b_y": net.softmax.bias}


def shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """The shape of everything that is learnt, without allocating it."""
    return {name: tuple(parameter.shape) for name, parameter in named(build(config)).items()}


class Dropout:
    """D of Section 3.2: each entry is zero with the config's probability, independently at every use."""

    def __init__(self, rate: float, generator: torch.Generator) -> None:
        self.keep, self.generator = 1 - rate, generator

    def __call__(self, x: Tensor) -> Tensor:
        """`x` under a fresh mask."""
        mask = torch.rand(x.shape, generator=self.generator, device=x.device) < self.keep
        return x * mask.to(x.dtype).div_(self.keep)


class Segments:
    """A text cut into streams that are read side by side, a segment of steps at a time.

    Raises:
        ValueError: if the text has another vocabulary than the config, or does not fill one segment.
    """

    def __init__(self, config: Config, data: Corpus, device: Device) -> None:
        if data.vocabulary != config.vocabulary:
            raise ValueError(f"the text has {data.vocabulary} kinds of words, but the config says {config.vocabulary}")
        length = len(data.tokens) // config.batch
        self.config, self.count = config, (length - 1) // config.unroll
        if self.count < 1:
            raise ValueError(f"{len(data.tokens)} words do not fill {config.batch} streams of {config.unroll + 1}")
        streams_BT = torch.tensor(np.asarray(data.tokens)[: config.batch * length]).view(config.batch, length)
        self.streams_TB = streams_BT.T.contiguous().to(device)
        self._rows: dict[int, tuple[Tensor, Tensor]] = {}

    def inputs(self, number: int) -> tuple[Tensor, Tensor]:
        """The kinds of words [U] that a segment has, and the place of each word [N] among them."""
        if number not in self._rows:
            words_TB = self.streams_TB[number * self.config.unroll :][: self.config.unroll]
            self._rows[number] = torch.unique(words_TB.flatten(), return_inverse=True)
        return self._rows[number]

    def targets(self, number: int) -> Tensor:
        """The word [N] that follows each word of a segment."""
        return self.streams_TB[number * self.config.unroll + 1 :][: self.config.unroll].flatten()


class Training:
    """Updates by stochastic gradient descent. Weights are kept in `net`; `working` has them in the precision asked."""

    def __init__(self, net: Net, data: Corpus, device: Device, generator: torch.Generator) -> None:
        self.net, self.config, self.working = net, net.config, net
        if self.config.precision == "bfloat16":
            self.working = copy.deepcopy(net).bfloat16()
        self.segments = Segments(self.config, data, device)
        self.drop = Dropout(self.config.dropout, generator) if self.config.dropout else None
        steps = 1 if self.config.reduction == "sum" else self.config.unroll
        self.share = 1 / (self.config.batch * steps)  # of one word in the loss
        size = self.config.batch * self.config.unroll, self.config.vocabulary
        self.error_NV = torch.empty(size, dtype=self.net.softmax.weight.dtype, device=device)
        self.low_NV = self.error_NV  # in the working precision; both are kept, as fresh pages cost more than sums
        if self.working is not self.net:
            self.low_NV = torch.empty(size, dtype=torch.bfloat16, device=device)
        self.states = self.working.zeros(self.config.batch)

    @property
    def updates(self) -> int:
        """How many there are in all epochs."""
        return self.config.epochs * self.segments.count

    def rate(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 0 (Section 4.1)."""
        return self.config.lr / self.config.decay ** max(0, epoch + 1 - self.config.constant_epochs)

    def update(self, number: int) -> None:
        """Make the update of that number, counted from 0."""
        epoch, segment = divmod(number, self.segments.count)
        if segment == 0:
            self.states = self.working.zeros(self.config.batch)
        kinds_U, place_N = self.segments.inputs(segment)
        with torch.no_grad():
            gradients, rows_UH = self._gradients(kinds_U, place_N, self.segments.targets(segment))
            norm = nn.utils.get_total_norm([*gradients, rows_UH])
            step = (self.config.clip / norm).clamp(max=self.share) * self.rate(epoch)  # gradients are summed over words
            self.net.embedding.weight.index_add_(0, kinds_U, rows_UH.mul_(-step))
            weights = [*self.net.recurrent.parameters(), *self.net.softmax.parameters()]
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.sub_(gradient * step)  # not in place: both biases of a layer may have the same
            if self.working is not self.net:
                lows = [*self.working.recurrent.parameters(), *self.working.softmax.parameters()]
                for low, weight in zip(lows, weights, strict=True):
                    low.copy_(weight)

    def _gradients(self, kinds_U: Tensor, place_N: Tensor, target_N: Tensor) -> tuple[list[Tensor], Tensor]:
        """Of the loss summed over words: by all weights above the embedding, and by the embedded kinds of words."""
        config, weight_VH = self.config, self.working.softmax.weight
        rows_UH = self.net.embedding.weight[kinds_U]
        x_TBH = rows_UH[place_N].to(weight_VH.dtype).view(config.unroll, config.batch, config.hidden).requires_grad_()
        with torch.enable_grad():
            y_TBH, ends = self.working(x_TBH, self.states, self.drop)
        self.states = [(h_BH.detach(), c_BH.detach()) for h_BH, c_BH in ends]
        y_NH = y_TBH.detach().flatten(0, 1)
        bias_V = self._errors(y_NH, target_N).sum(0)
        leaves = [x_TBH, *self.working.recurrent.parameters()]
        x_grad_TBH, *found = torch.autograd.grad(y_TBH, leaves, (self.low_NV @ weight_VH).view_as(y_TBH))
        found += [self.low_NV.T @ y_NH, bias_V]
        words_NH = x_grad_TBH.flatten(0, 1).to(rows_UH.dtype)
        return [g.to(rows_UH.dtype) for g in found], torch.zeros_like(rows_UH).index_add_(0, place_N, words_NH)

    def _errors(self, y_NH: Tensor, target_N: Tensor) -> Tensor:
        """The derivative of each word's loss by its logits [N, V]: softmax less one where the word is the next."""
        softmax = self.working.softmax
        torch.addmm(softmax.bias, y_NH, softmax.weight.T, out=self.low_NV)
        if self.low_NV is not self.error_NV:
            self.error_NV.copy_(self.low_NV)
        torch.softmax(self.error_NV, 1, out=self.error_NV)
        self.error_NV[torch.arange(len(target_N), device=target_N.device), target_N] -= 1
        if self.low_NV is not self.error_NV:
            self.low_NV.copy_(self.error_NV)
        return self.error_NV


class Trained:
    """A trained network."""

    def __init__(self, net: Net) -> None:
        self.net = net

    def start(self, streams: int) -> Stream:
        """A stream of texts of which nothing has been read."""
        return Stream(self.net, streams)


def state(model: Trained) -> dict[str, NDArray[Any]]:
    """All that a network has learnt, gates in the paper's order."""
    found = {name: weight.detach().cpu().clone() for name, weight in named(model.net).items()}
    return {name: (_swapped(weight) if name.split()[0] in PARTS else weight).numpy() for name, weight in found.items()}


def restore(config: Config, state: dict[str, NDArray[Any]], *, device: Device) -> Trained:
    """The network that has learnt that."""
    net = initialise(build(config), 0)
    with torch.no_grad():
        for name, weight in named(net).items():
            given = torch.tensor(np.asarray(state[name]))
            weight.copy_(_swapped(given) if name.split()[0] in PARTS else given)
    return Trained(net.to(device))


def _swapped(weight_GX: Tensor) -> Tensor:
    """Gates i, f, g, o in the order i, f, o, g, or the other way round."""
    i, f, g, o = weight_GX.chunk(4)
    return torch.cat([i, f, o, g])


class Stream:
    """Texts read one word at a time, without dropout."""

    def __init__(self, net: Net, streams: int) -> None:
        self.net, self.states = net, net.zeros(streams)
        with torch.no_grad():
            self.layers = [
                (torch.cat([inputs_GH, recurrence_GH], 1), input_bias_G + bias_G)
                for inputs_GH, recurrence_GH, input_bias_G, bias_G in (layer.parameters() for layer in net.recurrent)
            ]

    @torch.no_grad()
    def step(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read one more word of each stream [B]; logits [B, V] of the next."""
        weight_VH = self.net.embedding.weight
        x_BH = weight_VH[torch.tensor(tokens, device=weight_VH.device)]
        for number, (weight_GX, bias_G) in enumerate(self.layers):
            h_BH, c_BH = self.states[number]
            self.states[number] = h_BH, c_BH = lstm(F.linear(torch.cat([x_BH, h_BH], 1), weight_GX, bias_G), c_BH)
            x_BH = h_BH
        return self.net.softmax(x_BH).float().cpu().numpy()


class Average:
    """A reader, and a stream, whose probabilities are the means of its members' (Section 4.1, model averaging)."""

    def __init__(self, members: Sequence[Any]) -> None:
        self.members = members

    def start(self, streams: int) -> Average:
        """A stream of texts of which nothing has been read."""
        return Average([member.start(streams) for member in self.members])

    def step(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read one more word of each stream [B]; logarithms of mean probabilities [B, V], up to a constant."""
        logits_KBV = torch.stack([torch.tensor(member.step(tokens)) for member in self.members])
        return logits_KBV.log_softmax(2).logsumexp(0).numpy()


def ensemble(readers: Sequence[Reader]) -> Reader:
    """The reader that averages the probabilities of some."""
    return Average(readers)


def train(
    config: Config, data: Corpus, *, seed: int, device: Device, eval_steps: Sequence[int] = ()
) -> Iterator[tuple[int, Trained]]:
    """Train as the paper does; see `repro.task.LanguageModel`. The validation text plays no part.

    Raises:
        ValueError: if the text has another vocabulary than the config, or does not fill one segment.
    """
    yield from fit(begin(config, data, seed, device), eval_steps)


def begin(config: Config, data: Corpus, seed: int, device: Device, kind: type[Training] = Training) -> Training:
    """Training before its first update."""
    weights_seed, masks_seed = (int(word) for word in np.random.SeedSequence(seed).generate_state(2))
    net = initialise(build(config), weights_seed).to(device)
    return kind(net, data, device, torch.Generator(device).manual_seed(masks_seed))


def fit(training: Training, eval_steps: Sequence[int]) -> Iterator[tuple[int, Trained]]:
    """Make all updates; yield the network at every step asked for and at the end."""
    number = 0
    for stop in sorted({min(stop, training.updates) for stop in (*eval_steps, training.updates)}):
        while number < stop:
            training.update(number)
            number += 1
        yield number, Trained(training.net)


def influence(config: Config, factor: float, lag: int) -> float:
    """The sum of all |d y_t / d x_(t - lag)|, where D multiplies by `factor` and cells are linearised.

    x are embedded words and y what the softmax's linear map gives. Weights are made positive, so that no two paths
    cancel and the derivative of the sum of y is the sum of absolute derivatives. float64.
    """
    net = initialise(build(replace(config, precision="float64")), 0)
    for parameter in net.parameters():
        parameter.data.abs_()
    x_TBH = torch.ones(lag + 1, 1, config.hidden, dtype=torch.float64, requires_grad=True)
    y_TBH, _ = net(x_TBH, net.zeros(1), lambda x: factor * x, linearised)
    (slope_TBH,) = torch.autograd.grad(net.softmax(y_TBH[-1]).sum(), x_TBH)
    return float(slope_TBH[0].abs().sum())


def cell_jacobian(config: Config, *, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For one draw of masks: d c_t / d c_(t-1) of the last layer at fixed h_(t-1), [H, H], and its forget gate [H]."""
    return jacobian(build(config), seed)


def jacobian(net: Net, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`cell_jacobian` of a net, at random weights, input and states, in float64."""
    config = net.config = replace(net.config, precision="float64")
    initialise(net, seed)
    generator = torch.Generator().manual_seed(seed)
    forgets: list[Tensor] = []

    def watched(gates_BG: Tensor, c_BH: Tensor) -> tuple[Tensor, Tensor]:
        forgets.append(gates_BG.chunk(4, 1)[1].sigmoid())
        return lstm(gates_BG, c_BH)

    x_11H, *given = torch.randn(1 + 2 * config.layers, 1, config.hidden, generator=generator, dtype=torch.float64)
    states = [(h_1H, c_1H.requires_grad_()) for h_1H, c_1H in zip(given[::2], given[1::2], strict=True)]
    _, ends = net(x_11H[None], states, Dropout(config.dropout, generator), watched)
    c_H = ends[-1][1][0]
    (slope_HH,) = torch.autograd.grad(c_H, states[-1][1], torch.eye(len(c_H), dtype=c_H.dtype), is_grads_batched=True)
    return slope_HH.flatten(1).numpy(), forgets[-1][0].detach().numpy()
