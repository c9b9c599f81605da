"""Other character-level networks: two biases a layer, gates apart, torch's RMSProp, and states that epochs carry on.

Deviations
  1. Epochs start from the states that the one before ended with, as in the released code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

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
    "shakespeare": Config(layers=3, hidden=512),
    "linux": Config(layers=3, hidden=700, vocabulary=96),
    "war-and-peace": Config(cell="gru", layers=3, hidden=512, vocabulary=87, batch=100, unroll=100, decay=0.95),
}


def shapes(config):
    """By name; each layer has a bias for what comes from below and one for the step before."""
    n, found = config.hidden, {"W_y": (config.vocabulary, config.hidden), "b_y": (config.vocabulary,)}
    for layer in range(config.layers, 0, -1):
        rows = len(ORDERS[config.cell]) * n
        found |= {f"b_h {layer}": (rows,), f"b_x {layer}": (rows,), f"W_h {layer}": (rows, n)}
        found[f"W_x {layer}"] = (rows, n if layer > 1 else config.vocabulary)
    return found


class Model(torch.nn.Module):
    """Gates are linear maps of their own: x and h to each."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        linear, n = torch.nn.Linear, config.hidden
        widths = [config.vocabulary] + [n] * (config.layers - 1)
        gates = ORDERS[config.cell]
        self.below = torch.nn.ModuleList(torch.nn.ModuleDict({g: linear(w, n) for g in gates}) for w in widths)
        self.before = torch.nn.ModuleList(torch.nn.ModuleDict({g: linear(n, n) for g in gates}) for _ in widths)
        self.decoder = linear(n, config.vocabulary)
        self.to(torch.float64 if config.precision == "float64" else torch.float32)

    def zeros(self, streams):
        """States before anything was read."""
        zero = self.decoder.weight.new_zeros(streams, self.config.hidden)
        return [(zero, zero) for _ in self.below]

    def step(self, letters, states, drop=lambda h: h):
        """Scores after one more character of each stream, and states."""
        x, after = torch.nn.functional.one_hot(letters, self.config.vocabulary).to(self.decoder.weight.dtype), []
        for below, before, (h, c) in zip(self.below, self.before, states, strict=True):
            got = {gate: below[gate](x) + before[gate](h) for gate in below if gate != "n"}
            if self.config.cell == "lstm":
                c = torch.sigmoid(got["f"]) * c + torch.sigmoid(got["i"]) * torch.tanh(got["g"])
                h = torch.sigmoid(got["o"]) * torch.tanh(c)
            elif self.config.cell == "gru":
                new = torch.tanh(below["n"](x) + before["n"](torch.sigmoid(got["r"]) * h))
                z = torch.sigmoid(got["z"])
                h = (1 - z) * h + z * new
            else:
                h = torch.tanh(got["h"])
            after.append((h, c))
            x = drop(h)
        return self.decoder(x), after

    def start(self, streams):
        """Streams that have read nothing."""
        return Stream(self, self.zeros(streams))

    def generate(self, prompts, length, *, temperature, seed):
        """Prompts one by one, by the Gumbel trick."""
        rng, rows = np.random.default_rng(seed), []
        for items, count in zip(prompts.items, prompts.lengths, strict=True):
            stream, row = self.start(1), []
            for letter in items[:count]:
                scores = stream.step(np.array([letter]))
            for _ in range(length):
                row.append(int(np.argmax(scores[0] + temperature * rng.gumbel(size=scores.shape[1]))))
                scores = stream.step(np.array(row[-1:]))
            rows.append(row)
        return np.array(rows, np.int64)


class Stream:
    """Texts read one character at a time."""

    def __init__(self, model, states):
        self.model, self.states = model, states

    def step(self, tokens):
        """Scores of what follows."""
        with torch.no_grad():
            scores, self.states = self.model.step(torch.as_tensor(tokens), self.states)
        return scores.numpy().astype(np.float32)


def distribution(scores, temperature):
    """The softmax of scores over the temperature, in float32."""
    return torch.softmax(torch.as_tensor(scores, dtype=torch.float32) / temperature, 1).numpy()


def _parts(model):
    order = ORDERS[model.config.cell]
    for layer, (below, before) in enumerate(zip(model.below, model.before, strict=True), start=1):
        yield f"W_x {layer}", [below[g].weight for g in order]
        yield f"b_x {layer}", [below[g].bias for g in order]
        yield f"W_h {layer}", [before[g].weight for g in order]
        yield f"b_h {layer}", [before[g].bias for g in order]
    yield "W_y", [model.decoder.weight]
    yield "b_y", [model.decoder.bias]


def state(model):
    """All that is learnt."""
    return {name: torch.cat([part.detach() for part in parts]).clone().numpy() for name, parts in _parts(model)}


def restore(config, state, *, device):
    """The network that has learnt that."""
    model = Model(config).to(device)
    with torch.no_grad():
        for name, parts in _parts(model):
            pieces = torch.as_tensor(np.array(state[name])).chunk(len(parts))
            for part, given in zip(parts, pieces, strict=True):
                part.copy_(given)
    return model


def train(config, data, *, seed, device, eval_steps=()):
    """Chunk after chunk, with the states that the one before left."""
    torch.manual_seed(seed)
    model = Model(config).to(device)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-config.init, config.init)
        for layer in model.below if config.cell == "lstm" else ():
            layer["f"].bias.fill_(config.forget_bias)
    rule = torch.optim.RMSprop(model.parameters(), lr=config.lr, alpha=config.smoothing, eps=config.epsilon)
    falls = torch.optim.lr_scheduler.LambdaLR(
        rule, lambda epoch: config.decay ** max(0, epoch + 1 - config.constant_epochs)
    )
    whole = len(data.tokens) // (config.batch * config.unroll) * config.batch * config.unroll
    text = torch.as_tensor(np.append(data.tokens, data.tokens[0])[: whole + 1])
    inputs, targets = text[:-1].reshape(config.batch, -1), text[1:].reshape(config.batch, -1)
    mask = torch.nn.Dropout(config.dropout)
    states, step = model.zeros(config.batch), 0
    if 0 in eval_steps:
        yield 0, model
    for _ in range(config.epochs):
        for at in range(0, inputs.shape[1], config.unroll):
            loss = torch.zeros((), dtype=model.decoder.weight.dtype)
            for t in range(at, at + config.unroll):
                scores, states = model.step(inputs[:, t], states, mask)
                loss = loss + torch.nn.functional.cross_entropy(scores, targets[:, t])
            rule.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_value_(model.parameters(), config.clip)
            rule.step()
            states, step = [(h.detach(), c.detach()) for h, c in states], step + 1
            if step in eval_steps and step < config.epochs * inputs.shape[1] // config.unroll:
                yield step, model
        falls.step()
    yield step, model
