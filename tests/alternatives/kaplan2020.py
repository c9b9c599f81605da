"""Other Transformers, and the same laws solved another way: by bisection, complex steps and least squares.

Deviations
  1. Contexts do not overlap and come in an order that is shuffled anew when all were seen.
  2. Queries, keys and values have no biases, as the paper's Table 1 leaves these out.
  3. Operations are those of the printed Eq. 2.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import optimize
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class Config:
    """A network and its training."""

    layers: int = 36
    width: int = 1280
    heads: int = 20
    context: int = 1024
    vocabulary: int = 50_257
    dropout: float = 0.0
    init: float = 0.02
    batch: int = 512
    updates: int = 250_000
    warmup: int = 3000
    lr: float = 0.0
    precision: str = "float32"


@dataclass(frozen=True, kw_only=True)
class Law:
    """Constants of power laws."""

    alpha_n: float = 0.076
    n_c: float = 8.8e13
    alpha_d: float = 0.095
    d_c: float = 5.4e13
    alpha_s: float = 0.76
    s_c: float = 2.1e3
    alpha_b: float = 0.21
    b_star: float = 2.1e8


@dataclass(frozen=True, kw_only=True)
class Parametric:
    """Constants of Hoffmann's loss."""

    e: float
    a: float
    b: float
    alpha: float
    beta: float
    embedding: float = 47_491.0


CONFIGS = {
    "model": Config(),
    "shallow": Config(layers=6, width=4288, heads=16),
    "deep": Config(layers=48, width=1600, heads=25),
    "deepest": Config(layers=207, width=768, heads=12),
    "table-5": Law(),
    "table-3": Law(alpha_n=0.077, n_c=6.5e13),
    "table-2": Law(n_c=6.4e13, alpha_d=0.103, d_c=1.8e13),
    "hoffmann": Parametric(e=1.6934, a=406.4, b=410.7, alpha=0.3392, beta=0.2849),
    "besiroglu": Parametric(e=1.8172, a=482.01, b=2085.43, alpha=0.3478, beta=0.3658),
}


def shapes(config):
    """By name."""
    d, found = config.width, {"embedding": (config.vocabulary, config.width)}
    found |= {"positions": (config.context, d), "norm": (d,), "norm bias": (d,)}
    for i in range(config.layers):
        found |= {f"{i} {part}": (d, d) for part in ("queries", "keys", "values", "attention out")}
        found |= {f"{i} inner in": (d, 4 * d), f"{i} inner in bias": (4 * d,)}
        found |= {f"{i} inner out": (4 * d, d), f"{i} inner out bias": (d,), f"{i} attention out bias": (d,)}
        found |= {f"{i} {part} norm{end}": (d,) for part in ("attention", "inner") for end in ("", " bias")}
    return found


def parameters(config):
    """Four matrices of attention and two four times as large."""
    return config.layers * (4 * config.width**2 + 2 * config.width * 4 * config.width)


def flops(config):
    """Eq. 2.2, and twice as many backward."""
    forward = 2 * parameters(config) + 2 * config.layers * config.context * config.width
    return forward, 2 * forward


class Model:
    """A network: its config and its tensors by name."""

    def __init__(self, config, arrays):
        self.config = config
        dtype = torch.float64 if config.precision == "float64" else torch.float32
        self.weights = {name: torch.as_tensor(np.asarray(arrays[name]), dtype=dtype) for name in shapes(config)}

    def start(self, streams):
        """Streams that have read nothing."""
        return Stream(self, streams)

    def scores(self, tokens, drop=lambda x: x):
        """Logits [B, T, V] after each position of contexts [B, T]."""
        config, w = self.config, self.weights
        batch, length = tokens.shape

        def norm(name, x):
            return functional.layer_norm(x, x.shape[-1:], w[name], w[f"{name} bias"])

        x = drop(w["embedding"][tokens] + w["positions"][:length])
        allowed = torch.ones(length, length, dtype=torch.bool).tril()
        for i in range(config.layers):
            y = norm(f"{i} attention norm", x)
            q, k, v = (
                (y @ w[f"{i} {part}"]).view(batch, length, config.heads, -1).transpose(1, 2)
                for part in ("queries", "keys", "values")
            )
            pairs = (q @ k.transpose(2, 3)) / math.sqrt(config.width / config.heads)
            seen = pairs.masked_fill(~allowed, -math.inf).softmax(3) @ v
            seen = seen.transpose(1, 2).reshape(batch, length, -1)
            x = x + drop(seen @ w[f"{i} attention out"] + w[f"{i} attention out bias"])
            h = norm(f"{i} inner norm", x) @ w[f"{i} inner in"] + w[f"{i} inner in bias"]
            h = functional.gelu(h, approximate="tanh")
            x = x + drop(h @ w[f"{i} inner out"] + w[f"{i} inner out bias"])
        return norm("norm", x) @ w["embedding"].T


class Stream:
    """Contexts read token by token, each from its beginning again."""

    def __init__(self, model, streams):
        self.model, self.read = model, np.empty((streams, 0), np.int64)

    def step(self, tokens):
        """Logits of what follows."""
        if self.read.shape[1] == self.model.config.context:
            self.read = self.read[:, :0]
        self.read = np.concatenate([self.read, np.asarray(tokens)[:, None]], 1)
        with torch.no_grad():
            return self.model.scores(torch.as_tensor(self.read))[:, -1].numpy().astype(np.float32)


def state(model):
    """Arrays by name."""
    return {name: weight.detach().numpy().copy() for name, weight in model.weights.items()}


def restore(config, state, *, device):
    """The model of some arrays."""
    return Model(config, state)


def train(config, data, *, seed, device, eval_steps=()):
    """Adam, written out."""
    rng = np.random.default_rng(seed)
    generator, start = torch.Generator().manual_seed(seed), {}
    for name, shape in shapes(config).items():
        if len(shape) == 1:
            start[name] = np.full(shape, float(name.endswith("norm")))
        else:
            start[name] = config.init * rng.standard_normal(shape)
    model = Model(config, start)
    weights = list(model.weights.values())
    first, second = ([torch.zeros_like(weight) for weight in weights] for _ in range(2))
    text = np.asarray(data.tokens)
    begins, queue = np.arange(0, len(text) - config.context, config.context), []
    peak = config.lr or 0.003239 - 0.0001395 * math.log(parameters(config))
    wanted = sorted({min(step, config.updates) for step in (*eval_steps, config.updates)})

    def drop(x):
        return x * (torch.rand(x.shape, generator=generator) >= config.dropout) / (1 - config.dropout)

    for number in range(config.updates + 1):
        if number in wanted:
            yield number, model
        if number == config.updates:
            return
        while len(queue) < config.batch:
            queue += rng.permutation(begins).tolist()
        chosen, queue = queue[: config.batch], queue[config.batch :]
        contexts = torch.as_tensor(np.stack([text[at : at + config.context + 1] for at in chosen]))
        for weight in weights:
            weight.requires_grad_()
        scores = model.scores(contexts[:, :-1], drop if config.dropout else lambda x: x)
        loss = functional.cross_entropy(scores.transpose(1, 2), contexts[:, 1:])
        slopes = torch.autograd.grad(loss, weights)
        if number < config.warmup:
            rate = peak * (number + 1) / config.warmup
        else:
            rate = peak * (1 + math.cos(math.pi * (number - config.warmup) / (config.updates - config.warmup))) / 2
        with torch.no_grad():
            for weight, slope, mean, square in zip(weights, slopes, first, second, strict=True):
                mean.mul_(0.9).add_(0.1 * slope)
                square.mul_(0.999).add_(0.001 * slope**2)
                lead = (mean / (1 - 0.9 ** (number + 1))) / ((square / (1 - 0.999 ** (number + 1))).sqrt() + 1e-8)
                weight -= rate * lead
                weight.requires_grad_(False)


def loss(config, n, d):
    """Eq. 1.5."""
    return ((config.n_c / n) ** (config.alpha_n / config.alpha_d) + config.d_c / d) ** config.alpha_d


def rescaled(config, factor):
    """Constants of a loss so many times as large."""
    grown = {"n_c": config.n_c * factor ** (1 / config.alpha_n), "d_c": config.d_c * factor ** (1 / config.alpha_d)}
    return replace(config, **grown)


def data_needed(config, n, overfit):
    """By bisection of the logarithm."""
    goal = (1 + overfit) * loss(config, n, math.inf)
    return math.exp(optimize.brentq(lambda log_d: loss(config, n, math.exp(log_d)) - goal, 0.0, 60.0, xtol=1e-13))


def steps_at(config, least, nats, batch):
    """Eq. 5.1, solved for the updates: with E = B S, (S / S_min - 1) (B S / (B_crit S_min) - 1) = 1."""
    critical = config.b_star * nats ** (-1 / config.alpha_b)
    share = batch / critical
    return least * (1 + share) / share


def reach(config, nats, excess):
    """From the loss that the model converges to."""
    converged = nats / (1 + excess)
    n = config.n_c * converged ** (-1 / config.alpha_n)
    steps = config.s_c * (nats - converged) ** (-1 / config.alpha_s)
    batch = config.b_star * nats ** (-1 / config.alpha_b)
    return {"parameters": n, "steps": steps, "batch": batch, "compute": 6 * n * steps * batch}


def best_excess(config):
    """Where the derivative of the logarithm of compute by that of size is zero."""
    return config.alpha_n / config.alpha_s


def frontier(config, compute):
    """By bisection over losses."""

    def short(log_nats):
        return math.log(reach(config, math.exp(log_nats), best_excess(config))["compute"]) - math.log(compute)

    nats = math.exp(optimize.brentq(short, -12.0, 20.0, xtol=1e-14))
    return {"loss": nats, **reach(config, nats, best_excess(config)), "compute": compute}


def parametric_optimum(config, compute):
    """Where the loss has no slope, by complex steps."""

    def slope(log_n):
        n = np.exp(log_n + 1e-30j)
        whole = n + config.embedding * n ** (1 / 3)
        tokens = compute / (6 * n)
        return float((config.a * whole**-config.alpha + config.b * tokens**-config.beta).imag)

    return math.exp(optimize.brentq(slope, 0.0, 50.0, xtol=1e-13))


def fitted(config, sizes, amounts, losses):
    """By least squares with Huber's loss."""

    def gaps(point):
        e, a, b, alpha, beta = point
        terms = [np.full_like(losses, e), a - alpha * np.log(sizes), b - beta * np.log(amounts)]
        return np.logaddexp.reduce(terms) - np.log(losses)

    starts = [(0.5, a, b, 0.35, 0.35) for a in (5.0, 7.0) for b in (5.0, 8.0)]
    ends = [
        optimize.least_squares(gaps, at, loss="huber", f_scale=1e-3, xtol=1e-14, ftol=1e-14, gtol=1e-14)
        for at in starts
    ]
    e, a, b, alpha, beta = min(ends, key=lambda end: end.cost).x
    return replace(config, e=math.exp(e), a=math.exp(a), b=math.exp(b), alpha=float(alpha), beta=float(beta))
