"""Another LSTM language model by the equations of Zaremba et al. (2014): one T_{2n,4n} a layer, autograd, one bias.

Deviations
  1. Epochs start from the states that the one before ended with, as in the released code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

GATES = "ifog"


@dataclass(frozen=True, kw_only=True)
class Config:
    """The small network of Section 4.1."""

    layers: int = 2
    hidden: int = 200
    vocabulary: int = 10_000
    init: float = 0.1
    dropout: float = 0.0
    where: str = "non-recurrent"
    batch: int = 20
    unroll: int = 20
    epochs: int = 13
    lr: float = 1.0
    constant_epochs: int = 4
    decay: float = 2.0
    clip: float = 5.0
    reduction: str = "sum"
    precision: str = "float32"


CONFIGS = {
    "small": Config(),
    "medium": Config(hidden=650, init=0.05, dropout=0.5, unroll=35, epochs=39, constant_epochs=6, decay=1.2),
    "large": Config(
        hidden=1500, init=0.04, dropout=0.65, unroll=35, epochs=55, constant_epochs=14, decay=1.15, clip=10.0
    ),
}


def shapes(config):
    """By name: gates stand apart, and each has one bias."""
    n, found = config.hidden, {"embedding": (config.vocabulary, config.hidden)}
    for layer in range(1, config.layers + 1):
        for gate in GATES:
            found |= {f"W_x{gate} {layer}": (n, n), f"W_h{gate} {layer}": (n, n), f"b_{gate} {layer}": (n,)}
    return found | {"W_y": (config.vocabulary, n), "b_y": (config.vocabulary,)}


class Model:
    """Weights: an embedding, an affine map (T, b) for each layer, and the softmax's."""

    def __init__(self, config, arrays):
        self.config = config
        dtype = torch.float64 if config.precision == "float64" else torch.float32
        given = {name: torch.as_tensor(np.asarray(arrays[name]), dtype=dtype) for name in shapes(config)}
        self.embedding, self.out, self.bias = given["embedding"], given["W_y"], given["b_y"]
        self.affine = []
        for layer in range(1, config.layers + 1):
            rows = [torch.cat([given[f"W_x{g} {layer}"], given[f"W_h{g} {layer}"]], 1) for g in GATES]
            self.affine.append((torch.cat(rows), torch.cat([given[f"b_{g} {layer}"] for g in GATES])))

    def weights(self):
        """All tensors that are learnt."""
        return [self.embedding, *(part for pair in self.affine for part in pair), self.out, self.bias]

    def start(self, streams):
        """Streams that have read nothing."""
        return Stream(self, self.zeros(streams))

    def zeros(self, streams):
        """States before anything was read."""
        zero = self.out.new_zeros(streams, self.config.hidden)
        return [(zero, zero) for _ in self.affine]

    def step(self, x, states, drop=None, cell=None):
        """One step from embedded words [B, n]: what the softmax reads, and states."""
        up = drop if drop and self.config.where != "recurrent" else lambda y: y
        along = drop if drop and self.config.where != "non-recurrent" else lambda y: y
        after = []
        for (matrix, bias), (h, c) in zip(self.affine, states, strict=True):
            received = torch.cat([up(x), along(h)], 1) @ matrix.T + bias
            h, c = (cell or lstm)(received, c)
            after.append((h, c))
            x = h
        return up(x), after

    def scores(self, y):
        """Logits."""
        return y @ self.out.T + self.bias


def lstm(received, c):
    """States after a step."""
    i, f, o, g = received.chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


class Stream:
    """Texts read word by word."""

    def __init__(self, model, states):
        self.model, self.states = model, states

    def step(self, tokens):
        """Logits of the next words."""
        with torch.no_grad():
            y, self.states = self.model.step(self.model.embedding[torch.as_tensor(tokens)], self.states)
            return self.model.scores(y).numpy().astype(np.float32)


def state(model):
    """Arrays by name."""
    n, found = model.config.hidden, {"embedding": model.embedding, "W_y": model.out, "b_y": model.bias}
    for layer, (matrix, bias) in enumerate(model.affine, start=1):
        for place, gate in enumerate(GATES):
            rows = slice(place * n, (place + 1) * n)
            found |= {f"W_x{gate} {layer}": matrix[rows, :n], f"W_h{gate} {layer}": matrix[rows, n:]}
            found[f"b_{gate} {layer}"] = bias[rows]
    return {name: tensor.detach().numpy().copy() for name, tensor in found.items()}


def restore(config, state, *, device):
    """The model of some arrays."""
    return Model(config, state)


def fresh(config, rng):
    """A model of uniform weights."""
    return Model(
        config, {name: rng.uniform(-config.init, config.init, shape) for name, shape in shapes(config).items()}
    )


def train(config, data, *, seed, device, eval_steps=()):
    """Stochastic gradient descent on segments of streams, with states carried on."""
    model = fresh(config, np.random.default_rng([seed, 0]))
    generator = torch.Generator().manual_seed(seed)
    length = len(data.tokens) // config.batch
    streams = torch.as_tensor(np.array(data.tokens[: length * config.batch])).view(config.batch, length)
    segments, weights, states = (length - 1) // config.unroll, model.weights(), model.zeros(config.batch)

    def drop(x):
        return x * (torch.rand(x.shape, generator=generator) >= config.dropout) / (1 - config.dropout)

    last, rate = config.epochs * segments, config.lr
    wanted = sorted({min(step, last) for step in (*eval_steps, last)})
    for number in range(last + 1):
        if number in wanted:
            yield number, model
        if number == last:
            return
        epoch, segment = divmod(number, segments)
        if segment == 0 and epoch >= config.constant_epochs:
            rate /= config.decay
        for weight in weights:
            weight.requires_grad_()
        loss = 0.0
        for t in range(segment * config.unroll, (segment + 1) * config.unroll):
            x = torch.nn.functional.embedding(streams[:, t], model.embedding)
            y, states = model.step(x, states, drop if config.dropout else None)
            loss = loss + torch.nn.functional.cross_entropy(model.scores(y), streams[:, t + 1])
        slopes = torch.autograd.grad(loss / (config.unroll if config.reduction == "mean" else 1), weights)
        norm = math.sqrt(sum(float((slope**2).sum()) for slope in slopes))
        with torch.no_grad():
            for weight, slope in zip(weights, slopes, strict=True):
                weight -= rate * min(1.0, config.clip / norm) * slope
                weight.requires_grad_(False)
        states = [(h.detach(), c.detach()) for h, c in states]


class Mixture:
    """A reader, or a stream, that means probabilities."""

    def __init__(self, parts):
        self.parts = parts

    def start(self, streams):
        """Streams that have read nothing."""
        return Mixture([part.start(streams) for part in self.parts])

    def step(self, tokens):
        """Logarithms of means."""
        total = 0.0
        for part in self.parts:
            scores = part.step(tokens).astype(np.float64)
            shares = np.exp(scores - scores.max(1, keepdims=True))
            total = total + shares / shares.sum(1, keepdims=True)
        return np.log(total / len(self.parts)).astype(np.float32)


ensemble = Mixture


def influence(config, factor, lag):
    """By autograd through the unrolled network of positive weights and linear cells."""
    model = fresh(replace(config, precision="float64"), np.random.default_rng(7))
    model.affine = [(matrix.abs(), bias.abs()) for matrix, bias in model.affine]

    def linear(received, c):
        c = (c + received.chunk(4, 1)[3]) / 2
        return c / 2, c

    first = torch.ones(1, config.hidden, dtype=torch.float64, requires_grad=True)
    x, states, y = first, model.zeros(1), first
    for _ in range(lag + 1):
        y, states = model.step(x, states, lambda z: factor * z, linear)
        x = torch.ones_like(first)
    (slope,) = torch.autograd.grad((y @ model.out.abs().T).sum(), first)
    return float(slope.abs().sum())


def cell_jacobian(config, *, seed):
    """Of the first layer."""
    generator = torch.Generator().manual_seed(seed)
    model = fresh(replace(config, precision="float64"), np.random.default_rng(seed))
    x, h, c = torch.randn(3, 1, config.hidden, generator=generator, dtype=torch.float64)
    forget = []

    def watched(received, c):
        forget.append(torch.sigmoid(received.chunk(4, 1)[1]))
        return lstm(received, c)

    def drop(x):
        return x * (torch.rand(x.shape, generator=generator) >= config.dropout) / (1 - config.dropout)

    c.requires_grad_()
    states = [(h, c), *model.zeros(1)[1:]]
    _, after = model.step(x, states, drop, watched)
    rows = [torch.autograd.grad(entry, c, retain_graph=True)[0][0] for entry in after[0][1][0]]
    return torch.stack(rows).numpy(), forget[0][0].detach().numpy()
