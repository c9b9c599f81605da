"""Identity mappings written anew, on the functions of the other paper's alternative.

A normalization is named for the unit that reads what it gives, so that full pre-activation and asymmetric activation
have the same table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from repro.task import Device, Images, Layer
from tests.alternatives import he2015
from tests.alternatives.he2015 import Model, Ops, fitted, fresh, option_a, restored, state, stem_of, tensor_of, traced

__all__ = ["CONFIGS", "layers", "repartition", "restore", "state", "train", "unroll"]

SIZES = {**he2015.SIZES, 200: (3, 24, 36, 3)}
ORDERS = ("original", "bn-after-addition", "relu-before-addition", "relu-preactivation", "preactivation")


@dataclass(frozen=True, kw_only=True)
class Config(he2015.Config):
    """A network and its training."""

    depth: int = 110
    unit: str = "original"
    gate: Literal["none", "exclusive", "shortcut"] = "none"
    gate_bias: float = 0.0
    branch_scale: float = 1.0
    dropout: float = 0.0
    slow_updates: int = 400
    test_image: int = 0


BASE = Config()
DEEP = {"bottleneck": True, "shortcut": "B"}
PASSES = {"milestones": (150_120, 300_240), "iterations": 450_360, "slow_updates": 0, "test_image": 320}
CONFIGS = {
    **{f"resnet-110-{unit}": replace(BASE, unit=unit) for unit in (*ORDERS, "asymmetric")},
    **{f"resnet-{n}-{u}": replace(BASE, depth=n, unit=u, **DEEP) for n in (164, 1001) for u in ORDERS},
    **{
        f"resnet-110-constant-scaling-{a:g}-{b:g}": replace(BASE, scale=a, branch_scale=b)
        for a, b in ((0.0, 1.0), (0.5, 1.0), (0.5, 0.5))
    },
    **{f"resnet-110-exclusive-gating-{b}": replace(BASE, gate="exclusive", gate_bias=-float(b)) for b in (0, 5, 6, 7)},
    **{f"resnet-110-shortcut-gating-{b}": replace(BASE, gate="shortcut", gate_bias=-float(b)) for b in (0, 6)},
    "resnet-110-convolutional-shortcut": replace(BASE, shortcut="C"),
    "resnet-110-dropout-shortcut": replace(BASE, dropout=0.5),
    **{
        f"imagenet-resnet-{n}-{u}": Config(depth=n, unit=u, **DEEP, **he2015.LARGE | PASSES)
        for n in (101, 152, 200)
        for u in ORDERS
    },
}


@dataclass
class Seen:
    """What passes between units."""

    x: list[Tensor]
    residual: list[Tensor]


def counts(config: Config) -> tuple[int, ...]:
    """Units in each stage."""
    stages = len(config.widths)
    each = (config.depth - 2) // ((3 if config.bottleneck else 2) * stages)
    return SIZES[config.depth] if config.stem == "imagenet" else (each,) * stages


def forward(ops: Ops, config: Config, x: Tensor, seen: Seen | None = None) -> Tensor:
    """Logits [N, K]."""
    x = read = stem_of(ops, config, x)
    names = [(s, i) for s, units in enumerate(counts(config)) for i in range(units)]
    for number, (stage, index) in enumerate(names):
        name = f"{stage}/{index}"
        following = "last" if number + 1 == len(names) else "{}/{}".format(*names[number + 1])
        if config.unit in ("preactivation", "relu-preactivation"):
            read = x if not number else activate(ops, config, name, x)
        elif config.unit != "asymmetric":
            read = x
        width, stride = config.widths[stage], 2 if stage and not index else 1
        if seen:
            seen.x.append(x)
        f = branch(ops, config, name, read, width, stride)
        if seen:
            seen.residual.append(f)
        x = summed(ops, config, name, x, read, f, stride)
        if config.unit == "original":
            x = x.relu()
        elif config.unit == "bn-after-addition":
            x = ops.norm(f"{name}/norm-sum", x).relu()
        elif config.unit == "asymmetric":
            read = ops.norm(f"{following}/norm-in", x).relu()
    if seen:
        seen.x.append(x)
    if config.unit in ("preactivation", "relu-preactivation"):
        read = activate(ops, config, "last", x)
    elif config.unit != "asymmetric":
        read = x
    return ops.linear("classify", read.mean((2, 3)), config.classes)


def activate(ops: Ops, config: Config, name: str, x: Tensor) -> Tensor:
    """What stands before a branch, or after the last unit."""
    return (ops.norm(f"{name}/norm-in", x) if config.unit == "preactivation" else x).relu()


def branch(ops: Ops, config: Config, name: str, h: Tensor, width: int, stride: int) -> Tensor:
    """F."""
    sizes = [(width, 1), (width, 3), (4 * width, 1)] if config.bottleneck else [(width, 3), (width, 3)]
    for place, (outputs, side) in enumerate(sizes):
        h = ops.conv(f"{name}/conv{place}", h, outputs, side, 1 if place else stride)
        if place + 1 < len(sizes):
            h = ops.norm(f"{name}/norm{place}", h).relu()
    if config.unit in ("original", "relu-before-addition", "relu-preactivation"):
        h = ops.norm(f"{name}/norm-out", h)
    return h.relu() if config.unit == "relu-before-addition" else h


def summed(ops: Ops, config: Config, name: str, x: Tensor, read: Tensor, f: Tensor, stride: int) -> Tensor:
    """Branch and shortcut."""
    if not config.residual:
        return config.branch_scale * f
    if config.shortcut == "C" or (config.shortcut == "B" and x.shape[1:] != f.shape[1:]):
        h = ops.conv(f"{name}/project", read, f.shape[1], 1, stride)
        if config.unit not in ("preactivation", "asymmetric"):
            h = ops.norm(f"{name}/project-norm", h)
    else:
        h = option_a(x, f.shape[1], stride)
    if config.dropout:
        h = h * (torch.rand_like(h) >= config.dropout) if ops.training else h * (1 - config.dropout)
    if config.gate != "none":
        g = ops.conv(f"{name}/gate", x, f.shape[1], 1, stride, bias=True).sigmoid()
        return h - g * h + (g * f if config.gate == "exclusive" else f)
    return config.scale * h + config.branch_scale * f


def layers(config: Config) -> tuple[Layer, ...]:
    """Every layer with weights."""
    return tuple(traced(forward, config).listed)


def rate(config: Config, step: int) -> float:
    """A tenth at first, and divided by 10 at milestones."""
    return config.lr / 10 if step < config.slow_updates else he2015.rate(config, step)


def train(
    config: Config, data: Images, *, seed: int, device: Device, eval_steps: Sequence[int] = ()
) -> Iterator[tuple[int, Model]]:
    """As `repro.task.Classifier` has it."""
    return fitted(forward, rate, config, data, seed, eval_steps)


def restore(config: Config, state: Mapping[str, NDArray[Any]], *, device: Device) -> Model:
    """The network with that table."""
    return restored(forward, config, state)


def repartition(predictor: Model, config: Config) -> Model:
    """The same table, read by asymmetric units."""
    return Model(forward, config, predictor.table, predictor.mean)


def unroll(
    config: Config, images: NDArray[np.uint8], labels: NDArray[np.int64], *, seed: int, branch: float = 1.0
) -> dict[str, tuple[NDArray[np.float64], ...]]:
    """Signals of an untrained network in double precision."""
    table = {name: value.double() for name, value in fresh(forward, config, np.random.default_rng([seed, 1])).items()}
    normed = config.unit in ("original", "relu-before-addition", "relu-preactivation")
    last = "norm-out.gamma" if normed else f"conv{2 if config.bottleneck else 1}.kernel"
    for name in table:
        table[name] = table[name] * branch if name.endswith(f"/{last}") else table[name]
    table["stem/conv.kernel"].requires_grad_(True)
    seen = Seen([], [])
    x = tensor_of(images).double()
    logits = forward(Ops(table, training=True), config, x - x.mean(0), seen)
    gradient = torch.autograd.grad(functional.cross_entropy(logits, torch.tensor(labels)), seen.x)
    return {
        "x": tuple(value.detach().numpy() for value in seen.x),
        "residual": tuple(value.detach().numpy() for value in seen.residual),
        "gradient": tuple(value.numpy() for value in gradient),
    }
