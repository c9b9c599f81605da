"""The Unreasonable Effectiveness of Recurrent Neural Networks -- Karpathy, 2015.

Paper       the blog post of 21 May 2015, with its code (char-rnn) and the companion paper (arXiv:1506.02078v2)
Implements  character-level language models of LSTM, GRU and plain recurrent cells (companion, Section 3.1; the post's
            "RNN computation"), their training (char-rnn, train.lua), and sampling at a temperature ("Fun with RNNs").
Shapes      T steps of a chunk, B streams, H hidden units, G gates times H, V characters, L layers, N prompts.
Units       losses are nats; learning rates are per update; positions are characters.

Gates stand in the order i, f, o, g (LSTM) and r, z, candidate (GRU).

Deviations
  1. Cells have one bias vector; the first versions of the code have two, which add up.
  2. An epoch starts from zero states. The code carries on those that the epoch before ended with.
  3. The code's own settings are those of "char-rnn"; of the others the post gives sizes, batches and dropout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from repro.task import Corpus, Device, Sequences

States = list[tuple[Tensor, Tensor]]
"""h and c [B, H] of each layer; only LSTMs have a c."""
Cell = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


@dataclass(frozen=True, kw_only=True)
class Config:
    """One network and its training. Defaults are those of the released code."""

    cell: Literal["lstm", "gru", "rnn"] = "lstm"
    layers: int = 2
    hidden: int = 128
    vocabulary: int = 65
    init: float = 0.08  # parameters are uniform in [-init, init]
    forget_bias: float = 1.0  # but for the biases of forget gates
    dropout: float = 0.0  # probability of a zero, after each layer
    batch: int = 50  # streams that the text is cut into
    unroll: int = 50  # steps of a chunk, through which gradients flow
    epochs: int = 50
    lr: float = 2e-3
    constant_epochs: int = 10  # at lr; each later epoch multiplies it by decay
    decay: float = 0.97
    smoothing: float = 0.95  # of the mean of squared gradients
    epsilon: float = 1e-8  # added to its root
    clip: float = 5.0  # largest size of an entry of the gradient
    precision: Literal["float32", "float64"] = "float32"


CONFIGS = {
    "char-rnn": Config(),
    "paul-graham": Config(hidden=512, vocabulary=96, dropout=0.5, batch=100, unroll=100),
    "shakespeare": Config(layers=3, hidden=512),
    "linux": Config(layers=3, hidden=700, vocabulary=96),
    "war-and-peace": Config(
        cell="gru", layers=3, hidden=512, vocabulary=87, batch=100, unroll=100, decay=0.95
    ),
}  # fmt: skip


def lstm(
    below_TBX: Tensor, inputs_GX: Tensor, recurrent_GH: Tensor, bias_G: Tensor, h_BH: Tensor, c_BH: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Companion, Section 3.1: c = f c + i g and h = o tanh(c); torch has the rows of g before those of o."""
    given = [_exchanged(weight) for weight in (inputs_GX, recurrent_GH, bias_G)]
    found = torch.lstm(
        below_TBX, (h_BH[None], c_BH[None]), [*given, torch.zeros_like(bias_G)], True, 1, 0.0, False, False, False
    )
    return found[0], found[1][0], found[2][0]


def _exchanged(weight_GX: Tensor) -> Tensor:
    i, f, o, g = weight_GX.chunk(4)
    return torch.cat([i, f, g, o])


def gru(
    below_TBX: Tensor, inputs_GX: Tensor, recurrent_GH: Tensor, bias_G: Tensor, h_BH: Tensor, c_BH: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Companion, Section 3.1: the reset gate acts on h before the candidate's matrix does, unlike in torch.nn.GRU."""
    n, given = h_BH.shape[1], list[Tensor]()
    gates_H2, new_HH = recurrent_GH[: 2 * n].T, recurrent_GH[2 * n :].T
    for received_BG in F.linear(below_TBX, inputs_GX, bias_G).unbind(0):
        r_BH, z_BH = torch.addmm(received_BG[:, : 2 * n], h_BH, gates_H2).sigmoid().chunk(2, 1)
        h_BH = torch.lerp(h_BH, torch.addmm(received_BG[:, 2 * n :], r_BH * h_BH, new_HH).tanh(), z_BH)
        given.append(h_BH)
    return torch.stack(given), h_BH, c_BH


def rnn(
    below_TBX: Tensor, inputs_HX: Tensor, recurrent_HH: Tensor, bias_H: Tensor, h_BH: Tensor, c_BH: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The post: self.h = np.tanh(np.dot(self.W_hh, self.h) + np.dot(self.W_xh, x)), with a bias."""
    given = [inputs_HX, recurrent_HH, bias_H, torch.zeros_like(bias_H)]
    found_TBH, last_1BH = torch.rnn_tanh(below_TBX, h_BH[None], given, True, 1, 0.0, False, False, False)
    return found_TBH, last_1BH[0], c_BH


CELLS: dict[str, tuple[int, Cell]] = {"lstm": (4, lstm), "gru": (3, gru), "rnn": (1, rnn)}
"""How many gates a cell has, and a layer of such cells: what it gives at every step, and its last h and c."""


def shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """The shape of everything that is learnt, without allocating it."""
    rows, found = CELLS[config.cell][0] * config.hidden, dict[str, tuple[int, ...]]()
    for layer in range(1, config.layers + 1):
        found[f"W_x {layer}"] = rows, config.vocabulary if layer == 1 else config.hidden
        found[f"W_h {layer}"] = rows, config.hidden
        found[f"b {layer}"] = (rows,)
    return found | {"W_y": (config.vocabulary, config.hidden), "b_y": (config.vocabulary,)}


class Net:
    """Layers of cells between characters as one-hot vectors and the scores of the next."""

    def __init__(self, config: Config, weights: dict[str, Tensor]) -> None:
        self.config, self.weights = config, weights
        self.cell = CELLS[config.cell][1]

    def zeros(self, streams: int) -> States:
        """The states before anything was read."""
        zero_BH = self.weights["W_y"].new_zeros(streams, self.config.hidden)
        return [(zero_BH, zero_BH)] * self.config.layers

    def read(
        self, tokens_TB: Tensor, states: States, drop: Callable[[Tensor], Tensor] = lambda h: h
    ) -> tuple[Tensor, States]:
        """Scores [T, B, V] of what follows, and the last states; `drop` acts on what a layer gives upwards alone."""
        ends: States = []
        below_TBX = F.one_hot(tokens_TB, self.config.vocabulary).to(self.weights["W_y"].dtype)
        for layer, (h_BH, c_BH) in enumerate(states, start=1):
            learnt = [self.weights[f"{part} {layer}"] for part in ("W_x", "W_h", "b")]
            given_TBH, h_BH, c_BH = self.cell(below_TBX, *learnt, h_BH, c_BH)  # pyright: ignore[reportCallIssue] -- 3
            below_TBX = drop(given_TBH)
            ends.append((h_BH, c_BH))
        return F.linear(below_TBX, self.weights["W_y"], self.weights["b_y"]), ends


def initialise(config: Config, seed: int, device: Device) -> Net:
    """A net whose parameters are uniform; biases of forget gates are `forget_bias` (train.lua)."""
    generator = torch.Generator().manual_seed(seed)
    dtype = torch.float64 if config.precision == "float64" else torch.float32
    weights = {
        name: torch.empty(shape, dtype=dtype).uniform_(-config.init, config.init, generator=generator)
        for name, shape in shapes(config).items()
    }
    if config.cell == "lstm":
        for layer in range(1, config.layers + 1):
            weights[f"b {layer}"][config.hidden : 2 * config.hidden] = config.forget_bias
    return Net(config, {name: weight.to(device) for name, weight in weights.items()})


class Chunks:
    """A text cut into stretches that are read side by side, a chunk of steps at a time (the code's loader).

    Raises ValueError if the text has another vocabulary than the config, or does not fill one chunk.
    """

    def __init__(self, config: Config, data: Corpus, device: Device) -> None:
        if data.vocabulary != config.vocabulary:
            raise ValueError(f"the text has {data.vocabulary} characters, but the config says {config.vocabulary}")
        size = config.batch * config.unroll
        self.count, self.unroll = len(data.tokens) // size, config.unroll
        if self.count < 1:
            raise ValueError(f"{len(data.tokens)} characters do not fill {config.batch} streams of {config.unroll}")
        text = torch.tensor(np.asarray(data.tokens)[: self.count * size], device=device)
        self.inputs_TB = text.view(config.batch, -1).T.contiguous()
        self.targets_TB = text.roll(-1).view(config.batch, -1).T.contiguous()

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        """The characters [T, B] of a chunk, and those that follow them."""
        part = slice(number * self.unroll, (number + 1) * self.unroll)
        return self.inputs_TB[part], self.targets_TB[part]


class Training:
    """Updates by RMSProp on truncated backpropagation through time."""

    def __init__(self, net: Net, chunks: Chunks, masks_seed: int, device: Device) -> None:
        self.net, self.config, self.chunks = net, net.config, chunks
        self.generator = torch.Generator(device).manual_seed(masks_seed)
        self.squares = {name: torch.zeros_like(weight) for name, weight in net.weights.items()}
        self.states = net.zeros(self.config.batch)

    @property
    def updates(self) -> int:
        """How many there are in all epochs."""
        return self.config.epochs * self.chunks.count

    def rate(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 0: after `constant_epochs` it falls with each."""
        return self.config.lr * self.config.decay ** max(0, epoch + 1 - self.config.constant_epochs)

    def update(self, number: int) -> None:
        """Make the update of that number, counted from 0."""
        epoch, chunk = divmod(number, self.chunks.count)
        if chunk == 0:
            self.states = self.net.zeros(self.config.batch)
        gradients = self.gradients(*self.chunks[chunk])
        for (name, weight), gradient in zip(self.net.weights.items(), gradients, strict=True):
            gradient = gradient.clamp(-self.config.clip, self.config.clip)
            square = self.squares[name]
            square.mul_(self.config.smoothing).addcmul_(gradient, gradient, value=1 - self.config.smoothing)
            weight.addcdiv_(gradient, square.sqrt().add_(self.config.epsilon), value=-self.rate(epoch))

    def gradients(self, inputs_TB: Tensor, targets_TB: Tensor) -> Sequence[Tensor]:
        """Of the loss summed over steps, the mean over streams; states are carried on, gradients are not."""
        weights = {name: weight.requires_grad_() for name, weight in self.net.weights.items()}
        with torch.enable_grad():
            scores_TBV, ends = self.net.read(inputs_TB, self.states, self.drop)
            loss = F.cross_entropy(scores_TBV.flatten(0, 1), targets_TB.flatten(), reduction="sum") / len(targets_TB[0])
        self.states = [(h_BH.detach(), c_BH.detach()) for h_BH, c_BH in ends]
        gradients = torch.autograd.grad(loss, list(weights.values()))
        for weight in weights.values():
            weight.requires_grad_(False)
        return gradients

    def drop(self, h: Tensor) -> Tensor:
        """Dropout: zeros at random, what is kept scaled up."""
        keep = 1 - self.config.dropout
        if keep == 1:
            return h
        mask = torch.rand(h.shape, generator=self.generator, device=h.device) < keep
        return h * mask.to(h.dtype).div_(keep)


class Trained:
    """A trained network, which reads and writes."""

    def __init__(self, net: Net) -> None:
        self.net = net

    def start(self, streams: int) -> Stream:
        """A stream of texts of which nothing has been read."""
        return Stream(self.net, streams)

    def generate(self, prompts: Sequences, length: int, *, temperature: float, seed: int) -> NDArray[np.int64]:
        """Continuations [N, length] of prompts of one character or more; see `repro.task.Writer`."""
        stream, lengths = self.start(len(prompts.lengths)), np.asarray(prompts.lengths)
        scores_NV = np.zeros((len(lengths), self.net.config.vocabulary), np.float32)
        for place in range(int(lengths.max())):
            going = torch.tensor(place < lengths)
            before, read_NV = stream.states, stream.step(np.where(place < lengths, prompts.items[:, place], 0))
            scores_NV = np.where((place < lengths)[:, None], read_NV, scores_NV)
            stream.states = [
                (torch.where(going[:, None], h, old_h), torch.where(going[:, None], c, old_c))
                for (h, c), (old_h, old_c) in zip(stream.states, before, strict=True)
            ]
        draws_TN = np.stack([np.random.default_rng([seed, row]).random(length) for row in range(len(lengths))], 1)
        written = np.empty((len(lengths), length), np.int64)
        for place in range(length):
            if temperature == 0:
                written[:, place] = scores_NV.argmax(1)
            else:
                upto_NV = distribution(scores_NV, temperature).cumsum(1)
                written[:, place] = (upto_NV[:, :-1] <= draws_TN[place][:, None]).sum(1)
            scores_NV = stream.step(written[:, place])
        return written


def distribution(scores: NDArray[Any], temperature: float) -> NDArray[np.float64]:
    """Probabilities [N, V] at a temperature, which divides the scores before the softmax ("Paul Graham")."""
    scores_NV = np.asarray(scores, np.float64)
    weights_NV = np.exp((scores_NV - scores_NV.max(1, keepdims=True)) / temperature)
    return weights_NV / weights_NV.sum(1, keepdims=True)


class Stream:
    """Texts read one character at a time, without dropout."""

    def __init__(self, net: Net, streams: int) -> None:
        self.net, self.states = net, net.zeros(streams)

    @torch.no_grad()
    def step(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read one more character of each stream [B]; scores [B, V] of the next."""
        device = self.net.weights["W_y"].device
        scores_1BV, self.states = self.net.read(torch.tensor(tokens, device=device)[None], self.states)
        return scores_1BV[0].float().cpu().numpy()


def state(model: Trained) -> dict[str, NDArray[Any]]:
    """All that a network has learnt."""
    return {name: weight.detach().cpu().clone().numpy() for name, weight in model.net.weights.items()}


def restore(config: Config, state: dict[str, NDArray[Any]], *, device: Device) -> Trained:
    """The network that has learnt that."""
    dtype = torch.float64 if config.precision == "float64" else torch.float32
    return Trained(
        Net(
            config, {name: torch.tensor(np.asarray(state[name]), dtype=dtype, device=device) for name in shapes(config)}
        )
    )


def train(
    config: Config, data: Corpus, *, seed: int, device: Device, eval_steps: Sequence[int] = ()
) -> Iterator[tuple[int, Trained]]:
    """Train as the released code does; see `repro.task.TextGenerator`. The validation text plays no part."""
    yield from fit(begin(config, data, seed, device), eval_steps)


def begin(config: Config, data: Corpus, seed: int, device: Device, kind: type[Training] = Training) -> Training:
    """Training before its first update."""
    weights_seed, masks_seed = (int(word) for word in np.random.SeedSequence(seed).generate_state(2))
    return kind(initialise(config, weights_seed, device), Chunks(config, data, device), masks_seed, device)


def fit(training: Training, eval_steps: Sequence[int]) -> Iterator[tuple[int, Trained]]:
    """Make all updates; yield the network at every step asked for and at the end."""
    number = 0
    for stop in sorted({min(stop, training.updates) for stop in (*eval_steps, training.updates)}):
        while number < stop:
            training.update(number)
            number += 1
        yield number, Trained(training.net)
