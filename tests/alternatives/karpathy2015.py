"""Other character-level networks: two biases a layer, gates apart, torch's RMSProp, and states that epochs carry on.

Deviations
  1. Epochs start from the states that the one before ended with, as in the released code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import Dropout, Linear, ModuleDict, ModuleList
from torch.nn.functional import cross_entropy, one_hot

ORDERS = {"lstm": "ifog", "gru": "rzn", "rnn": "h"}


@dataclass(frozen=True, kw_only=True)
class Config:
    """The settings of train.lua."""

    cell: str = "lstm"
    layers: int = 2
    hidden: int = 128
    vocabulary: int = 65
    init: float = 0.08
    forget_bias: float = 1.0
    dropout: float = 0.0
    batch: int = 50
    unroll: int = 50
    epochs: int = 50
    lr: float = 2e-3
    constant_epochs: int = 10
    decay: float = 0.97
    smoothing: float = 0.95
    epsilon: float = 1e-8
    clip: float = 5.0
    precision: str = "float32"


CONFIGS = {
    "char-rnn": Config(),
    "paul-graham": Config(hidden=512, vocabulary=96, dropout=0.5, batch=100, unroll=100),
    "linux": Config(layers=3, hidden=700, vocabulary=96),
}


def shapes(config):
    """By name; each layer has a bias for what comes from below and one for the step before."""
    n, rows, found = config.hidden, len(ORDERS[config.cell]) * config.hidden, {"b_y": (config.vocabulary,)}
    for layer in range(config.layers, 0, -1):
        found |= {f"b_h {layer}": (rows,), f"b_x {layer}": (rows,), f"W_h {layer}": (rows, n)}
        found[f"W_x {layer}"] = (rows, n if layer > 1 else config.vocabulary)
    return found | {"W_y": (config.vocabulary, n)}


class Model(torch.nn.Module):
    """Gates are linear maps of their own: x and h to each."""

    def __init__(self, config):
        super().__init__()
        self.config, n, gates = config, config.hidden, ORDERS[config.cell]
        widths = [config.vocabulary] + [n] * (config.layers - 1)
        self.below = ModuleList(ModuleDict({gate: Linear(w, n) for gate in gates}) for w in widths)
        self.before = ModuleList(ModuleDict({gate: Linear(n, n) for gate in gates}) for _ in widths)
        self.decoder = Linear(n, config.vocabulary)
        self.to(torch.float64 if config.precision == "float64" else torch.float32)

    def step(self, letters, states, drop=lambda h: h):
        """Scores after one more character of each stream, and states."""
        x, after = one_hot(letters, self.config.vocabulary).to(self.decoder.weight.dtype), []
        for below, before, (h, c) in zip(self.below, self.before, states, strict=True):
            got = {gate: below[gate](x) + before[gate](h) for gate in below if gate != "n"}
            if self.config.cell == "lstm":
                c = torch.sigmoid(got["f"]) * c + torch.sigmoid(got["i"]) * torch.tanh(got["g"])
                h = torch.sigmoid(got["o"]) * torch.tanh(c)
            elif self.config.cell == "gru":
                new, z = torch.tanh(below["n"](x) + before["n"](torch.sigmoid(got["r"]) * h)), torch.sigmoid(got["z"])
                h = (1 - z) * h + z * new
            else:
                h = torch.tanh(got["h"])
            after.append((h, c))
            x = drop(h)
        return self.decoder(x), after

    def start(self, streams):
        """Streams that have read nothing."""
        return Stream(self, streams)

    def generate(self, prompts, length, *, temperature, seed):
        """Prompts one by one, by the Gumbel trick."""
        rng, rows = np.random.default_rng(seed), []
        for items, count in zip(prompts.items, prompts.lengths, strict=True):
            stream, row = self.start(1), []
            scores = [stream.step(np.array([letter])) for letter in items[:count]][-1]
            for _ in range(length):
                row.append(int(np.argmax(scores[0] + temperature * rng.gumbel(size=scores.shape[1]))))
                scores = stream.step(np.array(row[-1:]))
            rows.append(row)
        return np.array(rows, np.int64)


class Stream:
    """Texts read one character at a time."""

    def __init__(self, model, streams):
        zero = model.decoder.weight.new_zeros(streams, model.config.hidden)
        self.model, self.states = model, [(zero, zero) for _ in model.below]

    def step(self, tokens):
        """Scores of what follows."""
        with torch.no_grad():
            scores, self.states = self.model.step(torch.as_tensor(tokens), self.states)
        return scores.numpy().astype(np.float32)


def distribution(scores, temperature):
    """The softmax of scores over the temperature, in float32."""
    return torch.softmax(torch.as_tensor(scores, dtype=torch.float32) / temperature, 1).numpy()


def _parts(model):
    yield from (("W_y", [model.decoder.weight]), ("b_y", [model.decoder.bias]))
    for side, maps in (("x", model.below), ("h", model.before)):
        for layer, each in enumerate(maps, start=1):
            gates = [each[gate] for gate in ORDERS[model.config.cell]]
            yield f"W_{side} {layer}", [gate.weight for gate in gates]
            yield f"b_{side} {layer}", [gate.bias for gate in gates]


def state(model):
    """All that is learnt."""
    return {name: torch.cat([part.detach() for part in parts]).clone().numpy() for name, parts in _parts(model)}


def restore(config, state, *, device):
    """The network that has learnt that."""
    model = Model(config).to(device)
    with torch.no_grad():
        for name, parts in _parts(model):
            for part, given in zip(parts, torch.as_tensor(np.array(state[name])).chunk(len(parts)), strict=True):
                part.copy_(given)
    return model


def train(config, data, *, seed, device, eval_steps=()):
    """Chunk after chunk, with the states that the one before left."""
    torch.manual_seed(seed)
    model = Model(config).to(device)
    for parameter in model.parameters():
        torch.nn.init.uniform_(parameter, -config.init, config.init)
    for layer in model.below if config.cell == "lstm" else ():
        torch.nn.init.constant_(layer["f"].bias, config.forget_bias)
    rule = torch.optim.RMSprop(model.parameters(), lr=config.lr, alpha=config.smoothing, eps=config.epsilon)
    factor = lambda epoch: config.decay ** max(0, epoch + 1 - config.constant_epochs)  # noqa: E731 -- short
    falls = torch.optim.lr_scheduler.LambdaLR(rule, factor)
    whole = len(data.tokens) // (config.batch * config.unroll) * config.batch * config.unroll
    text = torch.as_tensor(np.append(data.tokens, data.tokens[0])[: whole + 1])
    inputs, targets = text[:-1].reshape(config.batch, -1), text[1:].reshape(config.batch, -1)
    mask, states, step = Dropout(config.dropout), model.start(config.batch).states, 0
    updates = config.epochs * inputs.shape[1] // config.unroll
    if 0 in eval_steps:
        yield 0, model
    for _ in range(config.epochs):
        for at in range(0, inputs.shape[1], config.unroll):
            loss = torch.zeros((), dtype=model.decoder.weight.dtype)
            for t in range(at, at + config.unroll):
                scores, states = model.step(inputs[:, t], states, mask)
                loss = loss + cross_entropy(scores, targets[:, t])
            rule.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_value_(model.parameters(), config.clip)
            rule.step()
            states, step = [(h.detach(), c.detach()) for h, c in states], step + 1
            if step in eval_steps or step == updates:
                yield step, model
        falls.step()
