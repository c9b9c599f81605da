"""Another GPipe (Huang et al., 2019): one thread for each partition, queues between them, and strided micro-batches.

Differs where the paper leaves a choice: a micro-batch is every M-th example, moving variances are biased, and
partitions are cut by the cumulative costs, as the authors' library does.

Deviations
  1. Partitions are threads, so what computes does not go faster; what waits does.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from itertools import pairwise
from time import sleep

import numpy as np
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


@dataclass(frozen=True, kw_only=True)
class Config:
    """A network and how it is spread."""

    kind: str = "residual"
    layers: int = 8
    width: int = 16
    hidden: int = 32
    vocabulary: int = 0
    batch_norm: bool = False
    costs: tuple[float, ...] = ()
    partitions: int = 1
    micro_batches: int = 1
    rematerialize: str = "partition"
    lr: float = 0.05
    momentum: float = 0.1
    memory: int = 0


CONFIGS = {
    "residual": Config(),
    "batch-norm": Config(layers=4, batch_norm=True),
    "waiting": Config(kind="waiting", layers=4, width=1, costs=(0.03,) * 4, lr=0.01, rematerialize="none"),
    "transformer-naive-1": Config(kind="transformer", layers=3, width=2048, hidden=8192, vocabulary=32_000),
}


class Norm(nn.Module):
    """Batch normalization of micro-batches, whose moving averages follow mini-batches."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.mean, self.variance = torch.zeros(width).double(), torch.ones(width).double()
        self.sums: list[torch.Tensor] = []
        self.again = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalize."""
        if self.training:
            mean, variance = x.mean(0), ((x - x.mean(0)) ** 2).mean(0)
            if not self.again:
                self.sums.append(torch.stack([x.detach().sum(0), (x.detach() ** 2).sum(0)]) / len(x))
        else:
            mean, variance = self.mean, self.variance
        return self.gamma * (x - mean) * (variance + 1e-5) ** -0.5 + self.beta

    def follow(self, weight: float) -> None:
        """Move once, by all micro-batches since."""
        first, second = torch.stack(self.sums).mean(0)
        self.mean = (1 - weight) * self.mean + weight * first
        self.variance = (1 - weight) * self.variance + weight * (second - first**2)
        self.sums = []


class Layer(nn.Module):
    """x + V relu(U z + b) + c."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.norm = Norm(config.width) if config.batch_norm else nn.Identity()
        self.inner, self.outer = nn.Linear(config.width, config.hidden), nn.Linear(config.hidden, config.width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The next layer's input."""
        return x + self.outer(self.inner(self.norm(x)).relu())


class Slow(torch.autograd.Function):
    """A weight, later."""

    @staticmethod
    def forward(ctx, x, weight, seconds):
        """The product."""
        ctx.save_for_backward(x, weight)
        ctx.seconds = seconds
        sleep(seconds)
        return x * weight

    @staticmethod
    def backward(ctx, gradient):
        """Twice as slow."""
        x, weight = ctx.saved_tensors
        sleep(2 * ctx.seconds)
        return gradient * weight, (gradient * x).sum().reshape(1), None


class Waiting(nn.Module):
    """A layer that takes time."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.weight, self.seconds = nn.Parameter(torch.ones(1)), seconds

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The input times a weight."""
        return Slow.apply(x, self.weight, self.seconds)


def network(config: Config, seed: int) -> nn.ModuleList:
    """All layers."""
    torch.manual_seed(seed)
    if config.kind == "waiting":
        return nn.ModuleList([Waiting(cost) for cost in config.costs]).double()
    return nn.ModuleList([Layer(config).double() for _ in range(config.layers)])


def norms(net: nn.Module) -> list[Norm]:
    """Its normalizations."""
    return [module for module in net.modules() if isinstance(module, Norm)]


class Stage(threading.Thread):
    """A partition: all micro-batches forward, then all backward."""

    def __init__(self, config, layers, before, after, results):
        super().__init__(daemon=True)
        self.config, self.layers, self.before, self.after, self.results = config, layers, before, after, results

    def run(self):
        """One mini-batch."""
        held = []
        for _ in range(self.config.micro_batches):
            x, y = self.before[0].get()
            x = x.detach().requires_grad_()
            out = self.forward(x)
            if self.after is None:
                loss = ((out - y) ** 2).mean() / self.config.micro_batches
                held.append((x, loss))
                self.results.put(loss.item())
            else:
                held.append((x, out))
                self.after[0].put((out.detach(), y))
        while held:
            x, out = held.pop(0)
            for norm in norms(self.layers):
                norm.again = True
            out.backward(None if self.after is None else self.after[1].get())
            for norm in norms(self.layers):
                norm.again = False
            self.before[1].put(x.grad)

    def forward(self, x):
        """All layers of the partition."""
        whole = nn.Sequential(*self.layers)
        return checkpoint(whole, x, use_reentrant=False) if self.config.rematerialize == "partition" else whole(x)


class Trainer:
    """Updates on one mini-batch."""

    def __init__(self, config, inputs, targets, seed):
        if len(inputs) % config.micro_batches:
            raise ValueError("micro-batches would differ in size")
        self.config, self.net = config, network(config, seed)
        self.x, self.y = (torch.from_numpy(np.asarray(part)).double() for part in (inputs, targets))

    def run(self):
        """Gradients of the mini-batch, and its loss."""
        config, m = self.config, self.config.micro_batches
        ends = np.cumsum([0, *partition(np.array(config.costs or (1.0,) * config.layers), config.partitions)])
        pipes = [(queue.Queue(), queue.Queue()) for _ in range(config.partitions)]
        results = queue.Queue()
        self.net.zero_grad()
        stages = [
            Stage(config, self.net[first:last], pipes[i], pipes[i + 1] if i + 1 < config.partitions else None, results)
            for i, (first, last) in enumerate(pairwise(ends))
        ]
        for stage in stages:
            stage.start()
        for part in range(m):
            pipes[0][0].put((self.x[part::m], self.y[part::m]))
        for stage in stages:
            stage.join()
        for norm in norms(self.net):
            norm.follow(config.momentum)
        return sum(results.get() for _ in range(m))

    def step(self):
        """Update once; the loss before."""
        loss = self.run()
        with torch.no_grad():
            for weight in self.net.parameters():
                weight -= self.config.lr * weight.grad
        return loss


def gradients(config, inputs, targets, *, seed):
    """By canonical name."""
    trainer = Trainer(config, inputs, targets, seed)
    trainer.run()
    return {canonical(name): weight.grad.numpy() for name, weight in trainer.net.named_parameters()}


def steps(config, inputs, targets, *, seed, device):
    """Losses before updates."""
    trainer = Trainer(config, inputs, targets, seed)
    while True:
        yield trainer.step()


def networks(config, inputs, targets, *, seed):
    """The network before the first update and after each."""
    trainer = Trainer(config, inputs, targets, seed)
    while True:
        yield trainer.net
        trainer.step()


SYMBOLS = {"inner.weight": "U", "inner.bias": "b", "outer.weight": "V", "outer.bias": "c"}


def canonical(name):
    """The contract's name."""
    layer, _, own = name.partition(".")
    return f"{layer}.{SYMBOLS.get(own, own.removeprefix('norm.'))}"


def state(net):
    """All that is learnt."""
    found = {canonical(name): weight.detach().numpy().copy() for name, weight in net.named_parameters()}
    for index, norm in enumerate(norms(net)):
        found |= {f"{index}.mean": norm.mean.numpy().copy(), f"{index}.variance": norm.variance.numpy().copy()}
    return found


def restore(config, state, *, device):
    """A network of this state."""
    net = network(config, 0).eval()
    with torch.no_grad():
        for name, weight in net.named_parameters():
            weight.copy_(torch.from_numpy(state[canonical(name)]))
    for index, norm in enumerate(norms(net)):
        norm.mean, norm.variance = (torch.from_numpy(state[f"{index}.{name}"]) for name in ("mean", "variance"))
    return net


@torch.no_grad()
def outputs(net, inputs):
    """In evaluation."""
    return nn.Sequential(*net)(torch.from_numpy(inputs)).numpy()


def parameters(config):
    """Of a Transformer: four matrices of attention, two more, biases, norms; embedding, output layer."""
    d, h, v = config.width, config.hidden, config.vocabulary
    return config.layers * (4 * d * d + 4 * d + 2 * d * h + h + d + 4 * d) + 2 * v * d + v


def footprint(config, examples, length=0):
    """Bytes of activations: of a Transformer counted by hand, else of float64 vectors."""
    if length:
        each = 4 * examples * length * (16 * config.width + 3 * config.hidden) + 12 * examples * 32 * length**2
        return np.array([config.layers * each + 12 * examples * length * config.vocabulary])
    m, micro = config.micro_batches, 8 * (examples // config.micro_batches)
    layers = partition(np.array(config.costs or (1.0,) * config.layers), config.partitions)
    hidden = config.hidden if config.kind == "residual" else 0
    own = layers * micro * (config.width + hidden)  # of one micro-batch
    ends = 2 * micro * (config.width + hidden)  # gradients of a layer's two products
    return (m * own if config.rematerialize == "none" else m * micro * config.width + own) + ends


def partition(costs, partitions):
    """Each layer goes where the middle of its costs lies; none is left empty."""
    middles = (np.cumsum(costs) - np.asarray(costs) / 2) / np.sum(costs) * partitions
    ends = [0]
    for k in range(1, partitions):  # at least one layer each
        ends.append(min(max(int(np.searchsorted(middles, k)), ends[-1] + 1), len(costs) - partitions + k))
    return np.diff([*ends, len(costs)])


def timetable(forward, backward, micro_batches, *, recompute=None, latency=0.0):
    """By relaxation: every pass starts when all that it waits for has ended."""
    k, again = len(forward), recompute or [0.0] * len(forward)
    found = np.zeros((k, micro_batches, 3, 2))
    for _ in range(k * micro_batches * 2):
        before = found.copy()
        for i in range(k):
            now = 0.0
            for m in range(micro_batches):
                start = max(now, found[i - 1, m, 0, 1] + latency if i else 0.0)
                now = start + forward[i]
                found[i, m, 0] = start, now
            for m in range(micro_batches):
                found[i, m, 1] = now, now + again[i]
                start = max(now + again[i], found[i + 1, m, 2, 1] + latency if i + 1 < k else 0.0)
                now = start + backward[i]
                found[i, m, 2] = start, now
        if np.array_equal(before, found):
            break
    return found
