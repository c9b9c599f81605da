"""Scaling Laws for Neural Language Models -- Kaplan et al., 2020.

Paper       arXiv:2001.08361v1
Implements  Section 2.1 and Table 1 (decoder-only Transformers, their parameters and operations), Section 2.2 and
            Appendix D.1 (training), Equations 1.5, 4.3 and 4.4 (loss by size and data), 5.1 to 5.4 (critical batch
            size), and Appendix B (the compute-efficient frontier); and the loss of Hoffmann et al. (2022) as Pearce &
            Song (2024) minimise it, which explains the paper's exponent, and as Besiroglu et al. (2024) fit it.
Shapes      R replicas, B contexts of a batch, T positions of a context, N = B T, D width, F = 4 D, H heads, K = D / H,
            V vocabulary, S positions that are attended to.
Units       losses are nats a token; learning rates are per update; batches and data are tokens, but `Config.batch` is
            contexts; compute is floating-point operations.

Replicas are networks of one shape that differ in their seeds. They are trained side by side in one pass of batched
products, each on contexts of its own; none has any influence on another. A single network is one replica.

Deviations
  1. Details that the paper leaves to GPT-2 are GPT-2's: layer normalization before each sublayer and after the last,
     the tanh form of GELU, learned positions, the embedding shared with the softmax, weights normal with a deviation of
     0.02, divided by sqrt(2 layers) where a sublayer ends.
  2. Adam has PyTorch's other settings; neither weight decay nor clipping. The largest models' Adafactor is left out.
  3. Contexts begin anywhere in the text, each drawn evenly and with replacement, rather than in a shuffled order.
  4. Dropout acts on embeddings and on what each sublayer adds, and not on attention's weights.
  5. A stream that has read a whole context begins a new one and knows nothing of what came before. So a text that is
     read in contexts has the mean loss over positions that the paper reports.
  6. With "bfloat16", products are of that format and all else is float32.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize, special
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from repro.task import Corpus, Device

Weights = dict[str, Tensor]
"""Everything that replicas learn: each tensor has one entry for each replica, [R, ...]."""
Operator = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Config:
    """One network and its training. Defaults are those of Section 2.2 and the model of 708 million parameters."""

    layers: int = 36
    width: int = 1280
    heads: int = 20
    context: int = 1024
    vocabulary: int = 50_257
    dropout: float = 0.0  # 0.1 for L(N, D)
    init: float = 0.02
    batch: int = 512  # contexts
    updates: int = 250_000
    warmup: int = 3000  # updates of a linear rise to the rate, from which it falls to zero as a cosine
    lr: float = 0.0  # 0 for the rule of Appendix D.1
    precision: Literal["float32", "bfloat16", "float64"] = "float32"


@dataclass(frozen=True, kw_only=True)
class Law:
    """Constants of the power laws in parameters, tokens, updates and batches."""

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
    """Hoffmann et al.: L = e + a / n**alpha + b / D**beta, n all parameters: N and `embedding` N**(1/3) more."""

    e: float
    a: float
    b: float
    alpha: float
    beta: float
    embedding: float = 47_491.0


CONFIGS: dict[str, Config | Law | Parametric] = {
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


def shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """The shape of everything that one network learns, by name; the embedding is the softmax's matrix too."""
    wide, inner = config.width, 4 * config.width
    block = {
        "attention norm": (wide,),
        "attention norm bias": (wide,),
        "attention in": (wide, 3 * wide),  # queries, keys, values
        "attention in bias": (3 * wide,),
        "attention out": (wide, wide),
        "attention out bias": (wide,),
        "inner norm": (wide,),
        "inner norm bias": (wide,),
        "inner in": (wide, inner),
        "inner in bias": (inner,),
        "inner out": (inner, wide),
        "inner out bias": (wide,),
    }
    ends = {"embedding": (config.vocabulary, wide), "positions": (config.context, wide)}
    ends |= {"norm": (wide,), "norm bias": (wide,)}
    return ends | {f"{i} {name}": shape for i in range(config.layers) for name, shape in block.items()}


def parameters(config: Config) -> int:
    """N of Eq. 2.1: the products' weights, without embeddings, biases and norms."""
    found = shapes(config)
    return sum(math.prod(found[f"{i} {name}"]) for i in range(config.layers) for name in PRODUCTS)


PRODUCTS = ("attention in", "attention out", "inner in", "inner out")


def initialise(config: Config, seeds: Sequence[int], device: Device | Literal["meta"] = "cpu") -> Weights:
    """The weights of one replica for each seed; on the meta device, their shapes alone."""
    dtype = torch.float64 if config.precision == "float64" else torch.float32
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    found: Weights = {}
    for name, shape in shapes(config).items():
        if device == "meta":
            found[name] = torch.empty(len(seeds), *shape, dtype=dtype, device=device)
        elif name.endswith("norm"):
            found[name] = torch.ones(len(seeds), *shape, dtype=dtype)
        elif name.endswith("bias"):
            found[name] = torch.zeros(len(seeds), *shape, dtype=dtype)
        else:
            scale = config.init / math.sqrt(2 * config.layers) if name.endswith("out") else config.init
            found[name] = torch.stack([scale * torch.randn(shape, generator=g, dtype=dtype) for g in generators])
    return {name: weight.to(device) for name, weight in found.items()}


class Cache:
    """Keys and values [R B, H, S, K] of what streams have read of their contexts."""

    def __init__(self) -> None:
        self.length = 0
        self.kept: dict[int, tuple[Tensor, Tensor]] = {}

    def extended(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Those of a layer, with new ones after them."""
        if layer in self.kept:
            k, v = (torch.cat([old, new], 2) for old, new in zip(self.kept[layer], (k, v), strict=True))
        self.kept[layer] = k, v
        return k, v


def logits(
    config: Config, weights: Weights, tokens_RBT: Tensor, drop: Operator | None = None, cache: Cache | None = None
) -> Tensor:
    """What each replica expects after each position, [R, N, V] (Section 2.1).

    Args:
        config: the networks' shape.
        weights: theirs.
        tokens_RBT: contexts, or with a cache the tokens [R, B, 1] that come next.
        drop: dropout; None for none.
        cache: of what was read before, which is extended.
    """
    replicas, batch, length = tokens_RBT.shape
    start = cache.length if cache else 0
    drop = drop or (lambda x: x)
    first_R11 = torch.arange(replicas, device=tokens_RBT.device).view(-1, 1, 1) * config.vocabulary
    x_RBTD = F.embedding(tokens_RBT + first_R11, weights["embedding"].flatten(0, 1))
    x_RND = drop(x_RBTD + weights["positions"][:, None, start : start + length]).flatten(1, 2)
    for i in range(config.layers):
        x_RND = x_RND + drop(_attention(config, weights, i, x_RND, batch, cache))
        h_RNF = F.gelu(_linear(weights, f"{i} inner in", _norm(weights, f"{i} inner norm", x_RND)), approximate="tanh")
        x_RND = x_RND + drop(_linear(weights, f"{i} inner out", h_RNF))
    if cache:
        cache.length += length
    return torch.bmm(_norm(weights, "norm", x_RND), weights["embedding"].transpose(1, 2))


def _attention(config: Config, weights: Weights, i: int, x_RND: Tensor, batch: int, cache: Cache | None) -> Tensor:
    """What the attention of one layer adds [R, N, D]; each position sees itself and those before it."""
    replicas = len(x_RND)
    qkv_RNX = _linear(weights, f"{i} attention in", _norm(weights, f"{i} attention norm", x_RND))
    heads = qkv_RNX.view(replicas * batch, -1, 3, config.heads, config.width // config.heads)
    q, k, v = heads.permute(2, 0, 3, 1, 4)  # each [R B, H, T, K]
    if cache:
        y = F.scaled_dot_product_attention(q, *cache.extended(i, k, v))
    else:
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    return _linear(weights, f"{i} attention out", y.transpose(1, 2).reshape(x_RND.shape))


def _linear(weights: Weights, name: str, x_RNX: Tensor) -> Tensor:
    return torch.baddbmm(weights[f"{name} bias"].unsqueeze(1), x_RNX, weights[name])


def _norm(weights: Weights, name: str, x_RND: Tensor) -> Tensor:
    bias_R1D, gain_R1D = weights[f"{name} bias"].unsqueeze(1), weights[name].unsqueeze(1)
    return torch.addcmul(bias_R1D, F.layer_norm(x_RND, x_RND.shape[-1:]), gain_R1D)


class Dropout:
    """Each entry is zero with the config's probability; what is kept is scaled up."""

    def __init__(self, rate: float, generator: torch.Generator) -> None:
        self.keep, self.generator = 1 - rate, generator

    def __call__(self, x: Tensor) -> Tensor:
        """`x` under a fresh mask."""
        mask = torch.rand(x.shape, generator=self.generator, device=x.device) < self.keep
        return x * mask.to(x.dtype).div_(self.keep)


class Training:
    """Updates of replicas by Adam, each on contexts that its own seed draws (Section 2.2).

    Raises:
        ValueError: if the text has another vocabulary than the config, or does not fill one context.
    """

    def __init__(self, config: Config, data: Corpus, seeds: Sequence[int], device: Device) -> None:
        if data.vocabulary != config.vocabulary:
            raise ValueError(f"the text has {data.vocabulary} kinds of tokens, but the config says {config.vocabulary}")
        self.config, self.device = config, device
        self.room = len(data.tokens) - config.context  # places where a context can begin
        if self.room < 1:
            raise ValueError(f"{len(data.tokens)} tokens do not fill a context of {config.context + 1}")
        self.text = torch.tensor(np.asarray(data.tokens), device=device)
        streams = [np.random.SeedSequence(seed).generate_state(2) for seed in seeds]
        self.orders = [torch.Generator().manual_seed(int(order)) for _, order in streams]
        self.weights = initialise(config, [int(first) for first, _ in streams], device)
        masks = torch.Generator(device).manual_seed(int(streams[0][1]))
        self.drop = Dropout(config.dropout, masks) if config.dropout else None
        self.span = torch.arange(config.context + 1, device=device)
        trained = self.trained()
        for weight in trained:
            weight.requires_grad_()
        self.adam = torch.optim.Adam(trained, lr=rate(config, 0), fused=True)

    def trained(self) -> list[Tensor]:
        """What the updates change."""
        return list(self.weights.values())

    def contexts(self) -> Tensor:
        """The next batch, each context with the token that follows it, [R, B, T + 1]."""
        size = (self.config.batch,)
        starts = torch.stack([torch.randint(self.room, size, generator=order) for order in self.orders])
        return self.text[starts.to(self.device).unsqueeze(2) + self.span]

    def update(self, number: int) -> None:
        """Make the update of that number, counted from 0."""
        self.adam.param_groups[0]["lr"] = rate(self.config, number)
        tokens_RBT = self.contexts()
        low = self.config.precision == "bfloat16"
        with torch.autocast(self.device, torch.bfloat16, enabled=low):
            scores_RNV = logits(self.config, self.weights, tokens_RBT[:, :, :-1], self.drop)
        scores_XV = scores_RNV.flatten(0, 1)
        loss = F.cross_entropy(scores_XV.float() if low else scores_XV, tokens_RBT[:, :, 1:].flatten())
        (loss * len(tokens_RBT)).backward()  # the sum of the replicas' losses
        self.adam.step()
        self.adam.zero_grad()


def rate(config: Config, number: int) -> float:
    """The learning rate of an update, counted from 0: a linear warm-up, then a cosine to zero."""
    peak = config.lr or 0.003239 - 0.0001395 * math.log(parameters(config))  # Eq. D.1
    if number < config.warmup:
        return peak * (number + 1) / config.warmup
    return peak * (1 + math.cos(math.pi * (number - config.warmup) / (config.updates - config.warmup))) / 2


class Trained:
    """One trained network."""

    def __init__(self, config: Config, weights: Weights) -> None:
        self.config, self.weights = config, weights

    def start(self, streams: int) -> Stream:
        """A stream of texts of which nothing has been read."""
        return Stream(self.config, self.weights, streams)


def state(model: Trained) -> dict[str, NDArray[Any]]:
    """All that a network has learnt."""
    return {name: weight[0].detach().cpu().numpy().copy() for name, weight in model.weights.items()}


def restore(config: Config, state: dict[str, NDArray[Any]], *, device: Device) -> Trained:
    """The network that has learnt that."""
    dtype = torch.float64 if config.precision == "float64" else torch.float32
    given = {name: torch.tensor(np.asarray(state[name]), dtype=dtype, device=device) for name in shapes(config)}
    return Trained(config, {name: weight.unsqueeze(0) for name, weight in given.items()})


class Stream:
    """Texts read one token at a time, in contexts that are forgotten where they end."""

    def __init__(self, config: Config, weights: Weights, streams: int) -> None:
        self.config, self.weights, self.streams, self.cache = config, weights, streams, Cache()

    @torch.no_grad()
    def step(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read one more token of each stream [B]; logits [B, V] of the next."""
        if self.cache.length == self.config.context:
            self.cache = Cache()
        read_1B1 = torch.tensor(tokens, device=self.weights["embedding"].device).view(1, -1, 1)
        return logits(self.config, self.weights, read_1B1, cache=self.cache)[0].float().cpu().numpy()


def train(
    config: Config, data: Corpus, *, seed: int, device: Device, eval_steps: Sequence[int] = ()
) -> Iterator[tuple[int, Trained]]:
    """Train one network; see `repro.task.LanguageModel`. The validation text plays no part.

    Raises:
        ValueError: if the text has another vocabulary than the config, or does not fill one context.
    """
    for number, (reader,) in train_replicas(config, data, seeds=[seed], device=device, eval_steps=eval_steps):
        yield number, reader


def train_replicas(
    config: Config, data: Corpus, *, seeds: Sequence[int], device: Device, eval_steps: Sequence[int] = ()
) -> Iterator[tuple[int, list[Trained]]]:
    """As `train`, one network for each seed in one pass; up to rounding, each is what `train` gives for its seed.

    With dropout they share a stream of masks, and what `train` gives is another network of the same kind.

    Raises:
        ValueError: if the text has another vocabulary than the config, or does not fill one context.
    """
    yield from fit(Training(config, data, seeds, device), eval_steps)


def fit(training: Training, eval_steps: Sequence[int]) -> Iterator[tuple[int, list[Trained]]]:
    """Make all updates; yield the networks at every checkpoint and at the end."""
    config, number = training.config, 0
    for stop in sorted({min(stop, config.updates) for stop in (*eval_steps, config.updates)}):
        while number < stop:
            training.update(number)
            number += 1
        yield (
            number,
            [
                Trained(config, {name: weight.detach()[r : r + 1] for name, weight in training.weights.items()})
                for r in range(len(training.orders))
            ],
        )


def flops(config: Config) -> tuple[float, float]:
    """Operations for each token of a context, forward and backward, counted in the products of one pass."""
    weights = initialise(config, [0], "meta")
    for weight in weights.values():
        weight.requires_grad_()
    tokens_11T = torch.empty(1, 1, config.context, dtype=torch.int64, device="meta")
    with FlopCounterMode(display=False) as forward:
        total = logits(config, weights, tokens_11T).sum()
    with FlopCounterMode(display=False) as backward:
        total.backward()
    return forward.get_total_flops() / config.context, backward.get_total_flops() / config.context


def loss(config: Law, n: float, d: float) -> float:
    """Eq. 1.5: nats a token with N parameters and D tokens, either of which may be infinite."""
    return ((config.n_c / n) ** (config.alpha_n / config.alpha_d) + config.d_c / d) ** config.alpha_d


def rescaled(config: Law, factor: float) -> Law:
    """The constants of a loss that is a factor larger everywhere, as of another vocabulary (Section 4.1)."""
    n_c, d_c = config.n_c * factor ** (1 / config.alpha_n), config.d_c * factor ** (1 / config.alpha_d)
    return replace(config, n_c=n_c, d_c=d_c)


def data_needed(config: Law, n: float, overfit: float) -> float:
    """Eq. 4.3, solved for D: tokens at which N parameters lose a share more than on endless data."""
    room = (1 + overfit) ** (1 / config.alpha_d) - 1
    return config.d_c / room * (n / config.n_c) ** (config.alpha_n / config.alpha_d)


def critical_batch(config: Law, nats: float) -> float:
    """Eq. 5.3: tokens of a batch at which a loss takes twice the least updates, and twice the least data."""
    return config.b_star / nats ** (1 / config.alpha_b)


def steps_at(config: Law, least: float, nats: float, batch: float) -> float:
    """Eq. 5.4: updates to a loss with a batch of so many tokens, where at least `least` are needed with any."""
    return least * (1 + critical_batch(config, nats) / batch)


def reach(config: Law, nats: float, excess: float) -> dict[str, float]:
    """Eq. 1.6 (B.1): how a loss is reached by the model that it exceeds the converged loss of by a share.

    Returns:
        "parameters"; "steps", the least updates; "batch", the critical one in tokens; "compute" in operations, of as
        many updates with batches so far below the critical one that no example is wasted (Eq. B.3).
    """
    parameters_ = config.n_c * (nats / (1 + excess)) ** (-1 / config.alpha_n)
    steps = config.s_c * (nats * excess / (1 + excess)) ** (-1 / config.alpha_s)
    batch = critical_batch(config, nats)
    return {"parameters": parameters_, "steps": steps, "batch": batch, "compute": 6 * parameters_ * batch * steps}


def best_excess(config: Law) -> float:
    """Eq. B.5: by what share a loss exceeds the converged one of the model that reaches it with the least compute."""
    return config.alpha_n / config.alpha_s


def frontier(config: Law, compute: float) -> dict[str, float]:
    """Eqs. B.7 to B.10: "loss", and how `reach` reaches it, with the least operations."""
    f, a_n, a_s = best_excess(config), config.alpha_n, config.alpha_s
    a_c = 1 / (1 / a_s + 1 / config.alpha_b + 1 / a_n)
    scale = 6 * config.n_c * config.b_star * config.s_c
    c_c = scale * (1 + f) ** (1 / a_s + 1 / a_n) * (1 / f) ** (1 / a_s)
    nats = (c_c / compute) ** a_c
    return {
        "loss": nats,
        "parameters": config.n_c * (compute / c_c) ** (a_c / a_n) * (1 + f) ** (1 / a_n),
        "steps": c_c / (6 * config.n_c * config.b_star) * (1 + f) ** (-1 / a_n) * (compute / c_c) ** (a_c / a_s),
        "batch": critical_batch(config, nats),
        "compute": compute,
    }


def parametric_optimum(config: Parametric, compute: float) -> float:
    """The N without embeddings whose parametric loss is lowest where 6 N D is the compute (Pearce & Song)."""

    def slope(log_n: float) -> float:
        """The loss's derivative by log N."""
        n = math.exp(log_n)
        whole = n + config.embedding * n ** (1 / 3)
        grows = (n + config.embedding * n ** (1 / 3) / 3) / whole  # of log `whole`
        fewer = config.beta * config.b * (6 * n / compute) ** config.beta
        return fewer - config.alpha * config.a * whole**-config.alpha * grows

    return math.exp(optimize.brentq(slope, 0.0, 50.0, xtol=1e-12))  # pyright: ignore[reportArgumentType] -- a number


def fitted(
    config: Parametric,
    sizes: NDArray[np.float64],
    amounts: NDArray[np.float64],
    losses: NDArray[np.float64],
    weight: float = 1.0,
) -> Parametric:
    """The parametric loss that fits losses of runs best, by L-BFGS from several starts (Besiroglu et al.).

    Args:
        config: what all but the constants is taken from.
        sizes: all parameters of each run.
        amounts: its tokens.
        losses: in nats.
        weight: of each run's Huber error of log loss. The search ends where the sum falls by less than about 2e-9, so
            a mean over runs ends early.
    """
    log_n, log_d, log_l = np.log(sizes), np.log(amounts), np.log(losses)

    def objective(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """The sum of errors, and its derivatives by log e, log a, log b, alpha and beta."""
        e, a, b, alpha, beta = point
        terms = np.stack([np.full_like(log_l, e), a - alpha * log_n, b - beta * log_d])
        total = special.logsumexp(terms, 0)
        gaps, shares = total - log_l, np.exp(terms - total)
        slopes = np.clip(gaps, -HUBER, HUBER)
        errors = slopes * (gaps - slopes / 2)
        by_term = shares @ np.diag(slopes)
        moved = [-(by_term[1] @ log_n), -(by_term[2] @ log_d)]
        return weight * errors.sum(), weight * np.array([*by_term.sum(1), *moved])

    starts = itertools.product((-0.5, 0.0, 0.5, 1.0), (5.0, 10.0), (5.0, 10.0), (0.5,), (0.5,))
    found = [optimize.minimize(objective, start, jac=True, method="L-BFGS-B") for start in starts]
    e, a, b, alpha, beta = min(found, key=lambda end: end.fun).x
    return replace(config, e=math.exp(e), a=math.exp(a), b=math.exp(b), alpha=float(alpha), beta=float(beta))


HUBER = 1e-3
"""Errors of log losses beyond it count linearly."""
