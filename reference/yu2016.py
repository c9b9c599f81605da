"""Fisher Yu and Vladlen Koltun, "Multi-Scale Context Aggregation by Dilated Convolutions", ICLR 2016.

arXiv:       1511.07122v3 of 30 April 2016.
Implements   Section 2 (dilated convolutions), Section 3 (context modules of Table 1, Eqs. 4 and 5), Section 4 (front
             end without the last two pooling layers), Section 5 and Appendix A (settings), without CRFs.
Shapes       N or B maps, C classes and maps of the basic module, H height, W width, K filters, F side of a window.
Units        losses are nats per labelled place; dilations, paddings and sides are places of a map, or pixels.

Deviations
  1. Whole maps are trained on; there are no crops, no dropout, and no weight decay, of which the paper says nothing.
  2. Networks that are not given weights start at random or at the identity; the paper's front end starts from VGG-16.
  3. The rate is constant. Section 5 lowers it by stages, each of which is a training of its own here (`start`).
  4. Buffers are filled at the input alone, as the paper says of both networks; but Appendix A pads each layer of its
     context modules. Reflection does not repeat the edge.
  5. The mean in the loss is over labelled places of a batch, and biases start at zero, both of which are unstated.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from repro.task import Device, Graphs, Pairs

Array = NDArray[Any]
Weights = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Config:
    """A network for dense prediction and how it is trained."""

    network: Literal["context", "front-end"] = "context"
    classes: int = 21  # C
    dilations: tuple[int, ...] = (1, 1, 2, 4, 8, 16, 1)  # Table 1, of the 3x3 layers
    multiples: tuple[int, ...] = (1, 1, 1, 1, 1, 1, 1)  # of C, the maps of each
    widths: tuple[int, ...] = (64, 128, 256, 512, 512)  # VGG-16: maps of each block
    convolutions: tuple[int, ...] = (2, 2, 3, 3, 3)  # layers of each block
    ablated: tuple[int, ...] = (4, 5)  # blocks, from 1, whose pooling and striding is taken out
    fully: int = 4096  # maps of the two layers that were fully connected
    window: int = 7  # side of the first of them
    size: tuple[int, int] = (64, 64)  # of the maps or images that the network is given
    padding: int = 33  # width of the buffer around them
    mode: Literal["zero", "reflection"] = "zero"  # what fills it
    start: Literal["identity", "xavier", "gaussian"] = "identity"
    noise: float = 0.0  # sigma of Eq. 5, or of the Gaussian start
    rate: float = 1e-3
    momentum: float = 0.9
    batch: int = 14
    updates: int = 60_000


_FRONT = Config(network="front-end", size=(512, 512), padding=186, mode="reflection", start="gaussian", noise=0.01)
_LARGE = (2, 2, 4, 8, 16, 32, 32)
CONFIGS: Mapping[str, Config] = {
    "basic": Config(),
    "large": Config(multiples=_LARGE, noise=1e-3),
    "front-end": _FRONT,
    "front-end-camvid": replace(
        _FRONT, size=(480, 640), classes=11, rate=1e-4, momentum=0.99, batch=8, updates=20_000
    ),
    "dilation7": Config(
        classes=11, dilations=(1, 1, 2, 4, 8, 1), multiples=(1,) * 6, padding=17, rate=1e-5, momentum=0.99, batch=1,
        updates=20_000,
    ),
    "dilation8": Config(classes=11, size=(60, 80), rate=1e-5, batch=1, updates=20_000),
    "dilation10": Config(
        classes=19, dilations=(1, 1, 2, 4, 8, 16, 32, 64, 1), multiples=(1,) * 9, padding=129, size=(128, 256),
        rate=1e-4, momentum=0.99, batch=100, updates=24_000,
    ),
}  # fmt: skip


def dilated(maps: Array, kernel: Array, dilation: int) -> Array:
    """Eq. 2: the convolution of one map [H, W] by a filter [F, F], F odd, as far as the map reaches."""
    reach = dilation * (len(kernel) // 2)
    flipped = torch.tensor(kernel[::-1, ::-1].copy(), dtype=torch.float64)  # torch correlates
    x = torch.tensor(maps, dtype=torch.float64)
    return F.conv2d(x[None, None], flipped[None, None], padding=reach, dilation=dilation)[0, 0].numpy()


class Layer(NamedTuple):
    """Filters of one size, with what happens before and after."""

    maps: int
    window: int
    dilation: int = 1
    truncated: bool = True
    pooled: bool = False  # whether pooling follows


def _layers(config: Config) -> list[Layer]:
    if config.network == "context":
        sizes = zip(config.multiples, config.dilations, strict=True)
        body = [Layer(config.classes * multiple, 3, dilation) for multiple, dilation in sizes]
        return [*body, Layer(config.classes, 1, truncated=False)]
    found, dilation = list[Layer](), 1
    for block, (maps, count) in enumerate(zip(config.widths, config.convolutions, strict=True), 1):
        kept = block not in config.ablated
        found += [Layer(maps, 3, dilation)] * (count - 1) + [Layer(maps, 3, dilation, pooled=kept)]
        dilation *= 1 if kept else 2  # for each pooling layer that was ablated
    first = Layer(config.fully, config.window, dilation)
    return [*found, first, Layer(config.fully, 1), Layer(config.classes, 1, truncated=False)]


def _inputs(config: Config) -> int:
    return config.classes if config.network == "context" else 3


def shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Kernels "k1" [to, from, F, F] and biases "b1" [to], and so on."""
    found, before = dict[str, tuple[int, ...]](), _inputs(config)
    for n, layer in enumerate(_layers(config), 1):
        found |= {f"k{n}": (layer.maps, before, layer.window, layer.window), f"b{n}": (layer.maps,)}
        before = layer.maps
    return found


def _forward(config: Config, weights: Weights, x_NCHW: Tensor) -> list[Tensor]:
    p, found = config.padding, list[Tensor]()
    mode = {"zero": "constant", "reflection": "reflect"}[config.mode]
    x = F.pad(x_NCHW, (p, p, p, p), mode=mode) if p else x_NCHW
    for n, layer in enumerate(_layers(config), 1):
        x = F.conv2d(x, weights[f"k{n}"], weights[f"b{n}"], dilation=layer.dilation)
        x = F.relu(x) if layer.truncated else x
        found.append(x)
        x = F.max_pool2d(x, 2) if layer.pooled else x
    return found


def forward(config: Config, weights: Mapping[str, Array], maps: Array) -> list[Array]:
    """What each layer gives of maps [N, C, H, W], before pooling; the last are the scores."""
    tensors = {name: torch.tensor(np.asarray(value, np.float32)) for name, value in weights.items()}
    with torch.no_grad():
        return [x.numpy() for x in _forward(config, tensors, torch.tensor(np.asarray(maps, np.float32)))]


def _start(config: Config, rng: np.random.Generator) -> dict[str, Array]:
    """Weights before the first update."""
    found, c = dict[str, Array](), config.classes
    for name, shape in shapes(config).items():
        if name[0] == "b":
            found[name] = np.zeros(shape)
        elif config.start == "xavier":  # Glorot & Bengio (2010), eq. 16
            fans = (shape[0] + shape[1]) * shape[2] * shape[3]
            found[name] = rng.uniform(-1, 1, shape) * math.sqrt(6 / fans)
        else:
            found[name] = config.noise * rng.standard_normal(shape)
        if name[0] == "k" and config.start == "identity":  # Eq. 5, which is Eq. 4 where all layers have C maps
            to, before, middle = shape[0], shape[1], shape[2] // 2
            common = np.arange(to)[:, None] * c // to == np.arange(before) * c // before
            found[name][:, :, middle, middle][common] = c / to
    return found


@dataclass(frozen=True, eq=False)
class Network:
    """A network with its weights, on a device."""

    config: Config
    weights: Weights

    def predict(self, graphs: Graphs) -> NDArray[np.float32]:
        """Scores [N, C H' W'] of maps, each of which is the only node of a graph, [C H W]."""
        x_NCHW = torch.tensor(graphs.nodes).reshape(len(graphs.nodes), _inputs(self.config), *self.config.size)
        device = self.weights["b1"].device
        with torch.no_grad():
            parts = [_forward(self.config, self.weights, x.to(device))[-1].flatten(1) for x in x_NCHW.split(1)]
        return torch.cat(parts).cpu().numpy()


def _batches(count: int, size: int, rng: np.random.Generator) -> Iterator[Array]:
    """For ever: which maps an update takes. A pass takes each once in an order of its own, but those that are left."""
    while True:
        order = rng.permutation(count)
        for at in range(0, count - size + 1, size):
            yield order[at : at + size]


def train(
    config: Config,
    data: Pairs,
    *,
    seed: int,
    device: Device,
    eval_steps: Sequence[int] = (),
    start: Mapping[str, Array] | None = None,
) -> Iterator[tuple[int, Network]]:
    """Train by stochastic gradient descent with momentum, from `start` if there is one."""
    rng, chosen = np.random.default_rng(seed), torch.device(device)
    first = _start(config, rng) if start is None else start
    weights = {name: torch.tensor(np.asarray(value, np.float32), device=chosen) for name, value in first.items()}
    x_NCHW = torch.tensor(data.inputs.nodes).reshape(len(data.outputs), _inputs(config), *config.size)
    y_ND = torch.tensor(np.asarray(data.outputs, np.float32))
    velocity = {name: torch.zeros_like(value) for name, value in weights.items()}
    chunks = _batches(len(data.outputs), config.batch, rng)
    for step in range(config.updates + 1):
        if step in eval_steps or step == config.updates:
            yield step, Network(config, {name: value.detach() for name, value in weights.items()})
        if step == config.updates:
            return
        which = torch.tensor(next(chunks))
        for value in weights.values():
            value.requires_grad_()
        f_BD = _forward(config, weights, x_NCHW[which].to(chosen))[-1].flatten(1)
        gradients = torch.autograd.grad(_loss(f_BD, y_ND[which].to(chosen), config.classes), list(weights.values()))
        for (name, value), gradient in zip(weights.items(), gradients, strict=True):
            velocity[name] = config.momentum * velocity[name] - config.rate * gradient
            weights[name] = value.detach() + velocity[name]


def _loss(f_BD: Tensor, y_BD: Tensor, classes: int) -> Tensor:
    """The mean cross-entropy over labelled places of scores and one-hot targets [B, C H' W'], nats."""
    f, y = (one.reshape(len(one), classes, -1) for one in (f_BD, y_BD))
    return -(y * f.log_softmax(1)).sum() / y.sum().clamp(min=1)


def state(network: Network) -> dict[str, Array]:
    """Kernels and biases by name."""
    return {name: value.detach().cpu().numpy().copy() for name, value in network.weights.items()}


def restore(config: Config, state: dict[str, Array], *, device: Device) -> Network:
    """The network with a state."""
    return Network(config, {name: torch.tensor(value, device=torch.device(device)) for name, value in state.items()})
