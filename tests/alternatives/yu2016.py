"""Dilated networks written a second time: torch's own modules and optimiser, and labels in place of one-hots."""

# ruff: noqa: D103 -- functions of the contract, which says what they do
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import make_dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.signal import convolve2d
from torch import nn

DEFAULTS: dict[str, Any] = {
    "network": "context", "classes": 21, "dilations": (1, 1, 2, 4, 8, 16, 1), "multiples": (1,) * 7,
    "widths": (64, 128, 256, 512, 512), "convolutions": (2, 2, 3, 3, 3), "ablated": (4, 5), "fully": 4096, "window": 7,
    "size": (64, 64), "padding": 33, "mode": "zero", "start": "identity", "noise": 0.0, "rate": 1e-3, "momentum": 0.9,
    "batch": 14, "updates": 60_000,
}  # fmt: skip
Config: Any = make_dataclass("Config", [(n, type(v), v) for n, v in DEFAULTS.items()], frozen=True, kw_only=True)
BASIC = Config()
FRONT = Config(network="front-end", size=(512, 512), padding=186, mode="reflection", start="gaussian", noise=0.01)
CAMVID = {"size": (480, 640), "classes": 11, "rate": 1e-4, "momentum": 0.99, "batch": 8, "updates": 20_000}
JOINT = {"classes": 11, "rate": 1e-5, "batch": 1, "updates": 20_000}
SEVEN = {"dilations": (1, 1, 2, 4, 8, 1), "multiples": (1,) * 6, "padding": 17, "momentum": 0.99}
TEN = {"dilations": (1, 1, 2, 4, 8, 16, 32, 64, 1), "multiples": (1,) * 9, "padding": 129, "size": (128, 256)}
CONFIGS = {
    "basic": BASIC,
    "large": replace(BASIC, multiples=(2, 2, 4, 8, 16, 32, 32), noise=1e-3),
    "front-end": FRONT,
    "front-end-camvid": replace(FRONT, **CAMVID),
    "dilation7": replace(BASIC, **JOINT | SEVEN),
    "dilation8": replace(BASIC, **JOINT, size=(60, 80)),
    "dilation10": replace(BASIC, **TEN, classes=19, rate=1e-4, momentum=0.99, batch=100, updates=24_000),
}


def dilated(maps: Any, kernel: Any, dilation: int) -> Any:
    """By a filter with zeros between its entries."""
    spread = np.zeros(((len(kernel) - 1) * dilation + 1,) * 2)
    spread[::dilation, ::dilation] = kernel
    r = len(spread) // 2
    return convolve2d(maps, spread, mode="full")[r : r + maps.shape[0], r : r + maps.shape[1]]


class Net(nn.Module):
    """A list of library layers; `stops` are those whose outputs count."""

    def __init__(self, config: Any, device: str = "cpu") -> None:
        super().__init__()
        self.config, parts, c = config, [], config.classes
        self.colours = before = c if config.network == "context" else 3
        rows = [(m * c, 3, d, False) for m, d in zip(config.multiples, config.dilations, strict=True)]
        if config.network != "context":
            rows, gone = [], 0
            for block, (width, count) in enumerate(zip(config.widths, config.convolutions, strict=True), 1):
                rows += [(width, 3, 2**gone, n == count - 1 and block not in config.ablated) for n in range(count)]
                gone += block in config.ablated
            rows += [(config.fully, config.window, 2**gone, False), (config.fully, 1, 1, False)]
        pad = nn.ZeroPad2d if config.mode == "zero" else nn.ReflectionPad2d
        parts.append(pad(config.padding))
        for width, window, dilation, pooled in rows:
            parts += [nn.Conv2d(before, width, window, dilation=dilation, device=device), nn.ReLU()]
            parts += [nn.MaxPool2d(2, 2)] if pooled else []
            before = width
        self.parts = nn.Sequential(*parts, nn.Conv2d(before, c, 1, device=device))

    @property
    def layers(self) -> list[Any]:
        return [part for part in self.parts if isinstance(part, nn.Conv2d)]

    def outputs(self, x: Any) -> list[Any]:
        found = []
        for part in self.parts:
            x = part(x)
            if isinstance(part, nn.ReLU):
                found.append(x)
        return [*found, x]

    def load(self, weights: Any) -> Net:
        with torch.no_grad():
            for n, layer in enumerate(self.layers, 1):
                layer.weight.copy_(torch.as_tensor(np.array(weights[f"k{n}"])))
                layer.bias.copy_(torch.as_tensor(np.array(weights[f"b{n}"])))
        return self

    def predict(self, graphs: Any) -> Any:
        x = torch.as_tensor(graphs.nodes).reshape(-1, self.colours, *self.config.size)
        with torch.no_grad():
            return self.outputs(x.to(self.layers[0].weight.device))[-1].flatten(1).cpu().numpy()


def shapes(config: Any) -> Any:
    found = {}
    for n, layer in enumerate(Net(config, "meta").layers, 1):
        found |= {f"b{n}": tuple(layer.bias.shape), f"k{n}": tuple(layer.weight.shape)}
    return found


def forward(config: Any, weights: Any, maps: Any) -> Any:
    net = Net(config).double().load(weights)
    with torch.no_grad():
        return [x.numpy() for x in net.outputs(torch.as_tensor(np.array(maps, np.float64)))]


def _begin(net: Net, c: int, start: str, noise: float) -> Net:
    for layer in net.layers:
        nn.init.zeros_(layer.bias)
        if start == "xavier":
            nn.init.xavier_uniform_(layer.weight)
            continue
        nn.init.normal_(layer.weight, std=noise)
        out, into, side, _ = layer.weight.shape
        if start == "identity":
            for b in range(out):
                for a in range(into):
                    if (a * c) // into == (b * c) // out:
                        layer.weight.data[b, a, side // 2, side // 2] = c / out
    return net


def train(config: Any, data: Any, *, seed: int, device: str, eval_steps: Any = (), start: Any = None) -> Iterator[Any]:
    torch.manual_seed(seed)
    net = _begin(Net(config), config.classes, config.start, config.noise).to(device)
    net = net if start is None else net.load(start)
    x = torch.as_tensor(data.inputs.nodes).reshape(-1, net.colours, *config.size).to(device)
    y = torch.as_tensor(np.asarray(data.outputs)).reshape(len(x), config.classes, -1).to(device)
    labels = torch.where(y.sum(1) > 0, y.argmax(1), -100)
    rule = torch.optim.SGD(net.parameters(), lr=config.rate, momentum=config.momentum)
    cross_entropy, waiting = nn.CrossEntropyLoss(ignore_index=-100), []
    for step in range(config.updates + 1):
        if step in eval_steps or step == config.updates:
            yield step, net
        if not waiting:
            waiting = [part for part in torch.randperm(len(x)).split(config.batch) if len(part) == config.batch]
        if step < config.updates:
            some = waiting.pop()
            rule.zero_grad()
            cross_entropy(net.outputs(x[some])[-1].flatten(2), labels[some]).backward()
            rule.step()


def state(net: Net) -> Any:
    arrays = {}
    for n, layer in enumerate(net.layers, 1):
        pair = {f"k{n}": layer.weight, f"b{n}": layer.bias}
        arrays |= {name: value.detach().cpu().numpy().copy() for name, value in pair.items()}
    return arrays


def restore(config: Any, state: Any, *, device: str) -> Net:
    return Net(config).load(state).to(device)
