"""The course notes written a second time, in PyTorch: gradients by autograd, layers by its convolutions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from reference.cs231n import CONFIGS as CONFIGS  # the notes' settings, and no code


def _tensor(array: Any) -> torch.Tensor:
    return torch.tensor(np.asarray(array), dtype=torch.float64)


def _network(config: Any, weights: Any, x: torch.Tensor) -> torch.Tensor:
    last = len(weights) // 2
    for n in range(1, last + 1):
        x = functional.linear(x, weights[f"W{n}"].T, weights[f"b{n}"])
        x = {"relu": functional.relu, "tanh": torch.tanh, "none": torch.clone}[config.activation](x) if n < last else x
    return x


def _loss(config: Any, weights: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    f, squares = _network(config, weights, x), [w.square().sum() for w in weights.values() if w.ndim == 2]
    violated = functional.relu(f - f.gather(1, y[:, None]) + config.margin)
    hinges = violated.masked_fill(functional.one_hot(y, f.shape[1]).bool(), 0).sum(1).mean()
    data = functional.cross_entropy(f, y) if config.loss == "softmax" else hinges
    return data + config.reg / 2 * torch.stack(squares).sum()


def objective(config: Any, weights: Any, inputs: Any, labels: Any) -> Any:
    """The loss and its gradient."""
    w = {name: _tensor(value).requires_grad_() for name, value in weights.items()}
    loss = _loss(config, w, _tensor(inputs), torch.tensor(labels))
    gradients = torch.autograd.grad(loss, list(w.values()))
    return loss.item(), {name: g.numpy() for name, g in zip(w, gradients, strict=True)}


def numerical_gradient(config: Any, weights: Any, inputs: Any, labels: Any) -> Any:
    """Differences of it."""
    found, sides = {}, (config.h, -config.h if config.formula == "centred" else 0.0)
    for name, value in weights.items():
        steps = np.eye(value.size).reshape(value.size, *value.shape)
        shifted = [[weights | {name: value + by * one} for by in sides] for one in steps]
        losses = np.array([[objective(config, w, inputs, labels)[0] for w in pair] for pair in shifted])
        found[name] = ((losses[:, 0] - losses[:, 1]) / (sides[0] - sides[1])).reshape(value.shape)
    return found


class Model:
    def __init__(self, config: Any, arrays: Any) -> None:
        self.config, self.arrays = config, {name: _tensor(value) for name, value in arrays.items()}

    def predict(self, images: Any, *, crops: int = 1) -> Any:
        weights = {name: value for name, value in self.arrays.items() if name != "mean"}
        x = (_tensor(images).flatten(1) - self.arrays["mean"]) * self.config.scale
        return _network(self.config, weights, x).float().numpy()


def state(model: Model) -> Any:
    """What was learnt."""
    return {name: value.numpy() for name, value in model.arrays.items()}


def restore(config: Any, state: Any, *, device: str) -> Model:
    """A model that has learnt it."""
    return Model(config, state)


def train(config: Any, data: Any, *, seed: int, device: str, eval_steps: Any = ()) -> Iterator[Any]:
    """Learn from all images at a time."""
    torch.manual_seed(seed)
    x, y, free = _tensor(data.images).flatten(1), torch.tensor(data.labels), config.method != "gradient"
    mean = x.mean(0) * config.mean
    x, widths = (x - mean) * config.scale, [x.shape[1], *config.hidden, data.classes]

    def draw(scale: float = 0.0) -> dict[str, torch.Tensor]:
        found = {}
        for n, fan_in in enumerate(widths[:-1], 1):
            std = scale or {"small": config.std, "fan-in": fan_in**-0.5, "he": (2 / fan_in) ** 0.5}[config.start]
            found[f"b{n}"] = std * free * torch.randn(widths[n], dtype=torch.float64)
            found[f"W{n}"] = std * torch.randn(fan_in, widths[n], dtype=torch.float64)
        return found

    stored, least, mu = draw(), float("inf"), 0.0 if config.rule == "vanilla" else config.momentum
    behind, v = stored, {name: torch.zeros_like(value) for name, value in stored.items()}
    for step in range(config.updates + 1):
        if step in eval_steps or step == config.updates:
            yield step, Model(config, {name: value.detach() for name, value in (stored | {"mean": mean}).items()})
        if free:
            tried = draw(config.step) if config.method == "local" else draw()
            tried = {name: tried[name] + stored[name] * (config.method == "local") for name in stored}
            loss = float(_loss(config, tried, x, y))
            stored, least = (tried, loss) if loss < least else (stored, least)
            continue
        at = {name: value.detach().requires_grad_() for name, value in stored.items()}
        gradients = dict(zip(at, torch.autograd.grad(_loss(config, at, x, y), list(at.values())), strict=True))
        v = {name: mu * v[name] - config.step * gradients[name] for name in v}
        behind = {name: behind[name] + v[name] for name in v}
        stored = {name: behind[name] + mu * v[name] * (config.rule == "nesterov") for name in v}


def nearest(config: Any, train: Any, images: Any) -> Any:
    """By all distances of one image at a time."""
    p, given = float(config.distance[1]), _tensor(train)
    return torch.cat([torch.cdist(_tensor(one[None]), given, p=p).argmin(1) for one in images]).numpy()


def volumes(config: Any) -> Any:
    """Sizes, weights and biases."""
    side, depth = config.side, config.depth
    rows = [[side, side, depth, 0, 0]]
    for kind, *sizes in config.stack:
        out = depth if kind == "pool" else sizes[0]
        field, stride, padding = {"conv": sizes[1:], "pool": [*sizes, 0], "fc": [side, 1, 0]}[kind]
        room = side + 2 * padding - field
        if room < 0 or room % stride:
            return np.zeros((0, 5), np.int64)
        side = room // stride + 1
        rows.append([side, side, out, (kind != "pool") * field * field * depth * out, (kind != "pool") * out])
        depth = out
    return np.array(rows)


def convolved(config: Any, weights: Any, images: Any) -> Any:
    """By the framework's own layers."""
    v, n = _tensor(images).permute(0, 3, 1, 2), 0
    for (kind, *sizes), side in zip(config.stack, volumes(config)[:, 0], strict=False):
        if kind == "pool":
            v = functional.max_pool2d(v, *sizes)
            continue
        n, (field, stride, padding) = n + 1, sizes[1:] if kind == "conv" else (int(side), 1, 0)
        w = _tensor(weights[f"W{n}"]).reshape(field, field, -1, sizes[0]).permute(3, 2, 0, 1)
        v = functional.conv2d(functional.relu(v) if n > 1 else v, w, _tensor(weights[f"b{n}"]), stride, padding)
    return v.permute(0, 2, 3, 1).numpy()
