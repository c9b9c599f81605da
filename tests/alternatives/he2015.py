"""Residual networks written anew: functions on a table of tensors, moving statistics, an update rule by hand.

What differs from the reference and is as good: inputs are not divided by 255; padding stands before the mean image is
subtracted; kept variances are moving averages that divide by N; names are its own.

Shapes: N images, B batch, C channels, H height, W width, K classes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from repro.task import Device, Images, Layer, Signal

Table = dict[str, Tensor]
STATISTICS = ("moving_mean", "moving_variance")
SIZES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


@dataclass(frozen=True, kw_only=True)
class Config:
    """A network and its training."""

    depth: int = 20
    residual: bool = True
    shortcut: Literal["A", "B", "C"] = "A"
    scale: float = 1.0
    bottleneck: bool = False
    stem: Literal["cifar", "imagenet"] = "cifar"
    widths: tuple[int, ...] = (16, 32, 64)
    image: int = 32
    channels: int = 3
    classes: int = 10
    augment: Literal["none", "shift-flip", "scale-colour"] = "shift-flip"
    batch: int = 128
    iterations: int = 64_000
    lr: float = 0.1
    milestones: tuple[int, ...] = (32_000, 48_000)
    warmup: bool = False
    momentum: float = 0.9
    weight_decay: float = 1e-4
    precision: Literal["float32", "bfloat16"] = "float32"


LARGE: dict[str, Any] = {
    "stem": "imagenet",
    "widths": (64, 128, 256, 512),
    "image": 224,
    "classes": 1000,
    "batch": 256,
    "iterations": 600_000,
    "milestones": (150_000, 300_000, 450_000),
    "augment": "scale-colour",
}
CONFIGS = {
    **{f"resnet-{n}": Config(depth=n, warmup=n > 100) for n in (20, 32, 44, 56, 110, 1202)},
    **{f"plain-{n}": Config(depth=n, residual=False) for n in (20, 32, 44, 56)},
    **{
        f"imagenet-resnet-{n}": Config(depth=n, bottleneck=n > 40, shortcut="B" if n > 40 else "A", **LARGE)
        for n in SIZES
    },
    **{f"imagenet-plain-{n}": Config(depth=n, residual=False, **LARGE) for n in (18, 34)},
}


class Ops:
    """Layers by name: from a table, or, without one, on the meta device and noted down."""

    def __init__(self, table: Table | None = None, *, training: bool = False) -> None:
        self.table, self.training = table, training
        self.listed: list[Layer] = []
        self.shapes: dict[str, tuple[int, ...]] = {}

    def tensor(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """A tensor of the table."""
        self.shapes[name] = shape
        return torch.empty(shape, device="meta") if self.table is None else self.table[name]

    def conv(self, name: str, x: Tensor, outputs: int, side: int, stride: int = 1, *, bias: bool = False) -> Tensor:
        """A convolution that keeps the size but for its stride."""
        kernel = self.tensor(f"{name}.kernel", (outputs, x.shape[1], side, side))
        offset = self.tensor(f"{name}.offset", (outputs,)) if bias else None
        y = functional.conv2d(x, kernel, offset, stride, side // 2)
        self.note(name, "conv", y)
        return y

    def norm(self, name: str, x: Tensor) -> Tensor:
        """Batch normalization; in training the moving statistics follow."""
        gamma, beta, mean, variance = (
            self.tensor(f"{name}.{part}", (x.shape[1],)) for part in ("gamma", "beta", *STATISTICS)
        )
        if self.training:
            now = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
            with torch.no_grad():
                for kept, value in zip((mean, variance), now, strict=True):
                    kept += 0.1 * (value - kept)
            mean, variance = now
        self.note(name, "norm", x)
        factor = gamma * (variance + 1e-5).rsqrt()
        return x * factor[:, None, None] + (beta - mean * factor)[:, None, None]

    def linear(self, name: str, x: Tensor, outputs: int) -> Tensor:
        """The classifier."""
        y = functional.linear(
            x, self.tensor(f"{name}.matrix", (outputs, x.shape[1])), self.tensor(f"{name}.offset", (outputs,))
        )
        self.note(name, "linear", y)
        return y

    def note(self, name: str, kind: Any, y: Tensor) -> None:
        """List a layer."""
        shapes = [s for own, s in self.shapes.items() if own.rpartition(".")[0] == name]
        learnt = tuple(shapes[:2] if kind == "norm" else shapes)
        side = name.rpartition("/")[2].startswith(("project", "gate"))
        self.listed.append(Layer(name=name, kind=kind, weights=learnt, output=tuple(y.shape[1:]), shortcut=side))


Forward = Callable[[Ops, Any, Tensor], Tensor]


def stem_of(ops: Ops, config: Any, x: Tensor) -> Tensor:
    """What stands before the blocks."""
    if config.stem == "cifar":
        return ops.norm("stem/norm", ops.conv("stem/conv", x, config.widths[0], 3)).relu()
    h = ops.norm("stem/norm", ops.conv("stem/conv", x, config.widths[0], 7, 2)).relu()
    return functional.max_pool2d(
        functional.pad(h, (1, 1, 1, 1)), 3, 2
    )  # zeros are as good as minus infinity behind a ReLU


def option_a(x: Tensor, outputs: int, stride: int) -> Tensor:
    """Pixels left out, zeros for new channels."""
    x = x[..., ::stride, ::stride]
    return torch.cat((x, x.new_zeros(x.shape[0], outputs - x.shape[1], *x.shape[2:])), 1)


def counts(config: Any) -> tuple[int, ...]:
    """Blocks in each stage."""
    return (
        SIZES[config.depth]
        if config.stem == "imagenet"
        else ((config.depth - 2) // (2 * len(config.widths)),) * len(config.widths)
    )


def forward(ops: Ops, config: Any, x: Tensor, seen: dict[str, Tensor] | None = None) -> Tensor:
    """Logits [N, K]."""
    x = stem_of(ops, config, x)
    for stage, (width, blocks) in enumerate(zip(config.widths, counts(config), strict=True)):
        for index in range(blocks):
            name, stride = f"{stage}/{index}", 2 if stage and not index else 1
            sizes = [(width, 1), (width, 3), (4 * width, 1)] if config.bottleneck else [(width, 3), (width, 3)]
            h = x
            for place, (outputs, side) in enumerate(sizes):
                h = h.relu() if place else h
                h = ops.norm(
                    f"{name}/norm{place}", ops.conv(f"{name}/conv{place}", h, outputs, side, 1 if place else stride)
                )
            if config.residual:
                outputs = h.shape[1]
                if config.shortcut == "C" or (config.shortcut == "B" and x.shape[1:] != h.shape[1:]):
                    kept = ops.norm(f"{name}/project-norm", ops.conv(f"{name}/project", x, outputs, 1, stride))
                else:
                    kept = option_a(x, outputs, stride)
                h = h + config.scale * kept
            x = h.relu()
            if seen is not None:
                seen[name] = x
    return ops.linear("classify", x.mean((2, 3)), config.classes)


class Model:
    """A network that predicts."""

    def __init__(self, run: Forward, config: Any, table: Table, mean: NDArray[np.float64]) -> None:
        self.run, self.config, self.table, self.mean = run, config, table, mean

    def predict(self, images: Any, *, crops: int = 1) -> NDArray[np.float32]:
        """Logits [N, K], or the logarithm of ten crops' mean softmax."""
        if crops == 10:
            views = [self.predict(view) for view in ten_views(images, self.config.image)]
            odds = [np.exp(view - view.max(1, keepdims=True)) for view in views]
            return np.log(np.mean([one / one.sum(1, keepdims=True) for one in odds], 0).clip(1e-30))
        if side := getattr(self.config, "test_image", 0):
            images = np.stack([central(scaled_to(one, side), side) for one in images])
        parts = [np.zeros((0, self.config.classes), np.float32)]
        with torch.no_grad():
            for start in range(0, len(images), 500):
                few = images[start : start + 500]
                x = tensor_of(few - (self.mean if few.shape[1:] == self.mean.shape else self.mean.mean((0, 1))))
                parts.append(self.run(Ops(self.table), self.config, x).numpy())
        return np.concatenate(parts)


def ten_views(images: NDArray[np.uint8], side: int) -> Iterator[NDArray[np.uint8]]:
    """Corners, centre and their mirror images of pictures that need no scaling."""
    if min(images.shape[1:3]) != 256 * side // 224:
        raise ValueError(f"pictures of {images.shape[1:3]} pixels: only those of {256 * side // 224} have crops here")
    low, end = (size - side for size in images.shape[1:3])
    for y, x in ((0, 0), (0, end), (low, 0), (low, end), (low // 2, end // 2)):
        crop = images[:, y : y + side, x : x + side]
        yield crop
        yield np.ascontiguousarray(crop[:, :, ::-1])


def tensor_of(images: NDArray[Any]) -> Tensor:
    """Inputs [N, C, H, W]."""
    return torch.tensor(np.ascontiguousarray(np.moveaxis(images, -1, 1)), dtype=torch.float32)


def traced(run: Forward, config: Any) -> Ops:
    """Layers and shapes of a network."""
    ops = Ops()
    run(ops, config, torch.empty(1, config.channels, config.image, config.image, device="meta"))
    return ops


def layers(config: Config) -> tuple[Layer, ...]:
    """Every layer with weights."""
    return tuple(traced(forward, config).listed)


def fresh(run: Forward, config: Any, generator: np.random.Generator) -> Table:
    """Initial weights."""
    table: Table = {}
    for name, shape in traced(run, config).shapes.items():
        part = name.rpartition(".")[2]
        if part in ("kernel", "matrix"):
            fan = shape[0] * np.prod(shape[2:]) if part == "kernel" else shape[1]  # of outputs: sufficient alone, [13]
            value = generator.normal(0.0, (2 / fan) ** 0.5, shape)
        elif name.rpartition(".")[0].endswith("gate"):
            value = np.full(shape, config.gate_bias)
        else:
            value = np.full(shape, float(part in ("gamma", "moving_variance")))
        table[name] = torch.tensor(value, dtype=torch.float32)
    return table


def batches(config: Any, data: Images, generator: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Augmented inputs and labels."""
    if config.augment == "scale-colour":
        yield from pictured(config, data, generator)
    images, labels, size = np.asarray(data.images), np.asarray(data.labels), config.image
    mean = mean_of(config, data)
    wide = np.pad(images, ((0, 0), (4, 4), (4, 4), (0, 0)))
    while True:
        order = generator.permutation(len(images))
        for start in range(0, len(images) - config.batch + 1, config.batch):
            chosen = order[start : start + config.batch]
            if config.augment == "none":
                picked = images[chosen].astype(np.float64)
            else:
                corners = generator.integers(0, 9, (len(chosen), 2))
                crops = [wide[n, y : y + size, x : x + size] for n, (y, x) in zip(chosen, corners, strict=True)]
                flips = generator.random(len(chosen)) < 0.5
                picked = np.stack([c[:, ::-1] if f else c for c, f in zip(crops, flips, strict=True)]).astype(
                    np.float64
                )
            yield tensor_of(picked - mean), torch.tensor(labels[chosen])


def scaled_to(picture: NDArray[np.uint8], shorter: float) -> NDArray[np.uint8]:
    """A picture with another shorter side."""
    factor = shorter / min(picture.shape[:2])
    height, width = (max(round(shorter), round(factor * n)) for n in picture.shape[:2])
    planes = [Image.fromarray(np.ascontiguousarray(plane)) for plane in np.moveaxis(picture, -1, 0)]
    return np.stack([plane.resize((width, height), Image.Resampling.BILINEAR) for plane in planes], -1)


def central(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The square in the middle."""
    top, left = ((n - side) // 2 for n in picture.shape[:2])
    return picture[top : top + side, left : left + side]


def mean_of(config: Any, data: Images) -> NDArray[np.float64]:
    """The mean image, of central crops where pictures have sizes of their own."""
    if isinstance(data.images, np.ndarray):
        return data.images.mean(0, dtype=np.float64)
    return np.mean([central(scaled_to(one, 256 * config.image / 224), config.image) for one in data.images], 0)


def pictured(config: Any, data: Images, generator: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs of pictures: scaled, cropped, mirrored, their colours shifted."""
    mean, size, labels = mean_of(config, data), config.image, np.asarray(data.labels)
    spread = np.cov(np.concatenate([one.reshape(-1, 3) for one in data.images]).T / 255)
    vectors, values, _ = np.linalg.svd(spread)
    while True:
        order = generator.permutation(len(labels))
        for start in range(0, len(labels) - config.batch + 1, config.batch):
            chosen, picked = order[start : start + config.batch], []
            for index in chosen:
                one = scaled_to(data.images[index], generator.integers(256, 481) * size / 224)
                y, x = (generator.integers(0, n - size + 1) for n in one.shape[:2])
                crop = one[y : y + size, x : x + size] - mean
                shift = 255 * vectors @ (values * generator.normal(0, 0.1, 3))
                picked.append((crop[:, ::-1] if generator.random() < 0.5 else crop) + shift)
            yield tensor_of(np.stack(picked)), torch.tensor(labels[chosen])


def fitted(
    run: Forward, rate: Callable[[Any, int], float], config: Any, data: Images, seed: int, eval_steps: Sequence[int]
) -> Iterator[tuple[int, Model]]:
    """Train by momentum: v <- m v + g + decay w; w <- w - rate v."""
    drawing, order = (np.random.default_rng([seed, word]) for word in (1, 2))
    table, feed = fresh(run, config, drawing), batches(config, data, order)
    learnt = [name for name in table if not name.endswith(STATISTICS)]
    velocity = {name: torch.zeros_like(table[name]) for name in learnt}
    mean, wanted = mean_of(config, data), {*eval_steps, config.iterations}
    warming = getattr(config, "warmup", False)
    for step in range(config.iterations + 1):
        if step in wanted:
            yield step, Model(run, config, copy.deepcopy(table), mean)
        if step == config.iterations:
            return
        x, labels = next(feed)
        for name in learnt:
            table[name].requires_grad_(True)
        logits = run(Ops(table, training=True), config, x)
        gradients = torch.autograd.grad(functional.cross_entropy(logits, labels), [table[name] for name in learnt])
        warming = warming and bool((logits.argmax(1) != labels).float().mean() >= 0.8)
        for name, gradient in zip(learnt, gradients, strict=True):
            table[name] = table[name].detach()
            velocity[name] = config.momentum * velocity[name] + gradient + config.weight_decay * table[name]
            table[name] = table[name] - rate(config, step) * (0.1 if warming else 1.0) * velocity[name]


def rate(config: Config, step: int) -> float:
    """Divided by 10 at milestones."""
    return config.lr / 10 ** len([m for m in config.milestones if m <= step])


def train(
    config: Config, data: Images, *, seed: int, device: Device, eval_steps: Sequence[int] = ()
) -> Iterator[tuple[int, Model]]:
    """As `repro.task.Classifier` has it."""
    return fitted(forward, rate, config, data, seed, eval_steps)


def state(predictor: Model) -> dict[str, NDArray[Any]]:
    """The table, and the mean image."""
    return {**{name: value.detach().numpy() for name, value in predictor.table.items()}, "grey": predictor.mean}


def restore(config: Config, state: Mapping[str, NDArray[Any]], *, device: Device) -> Model:
    """The network with that table."""
    return restored(forward, config, state)


def restored(run: Forward, config: Any, state: Mapping[str, NDArray[Any]]) -> Model:
    """The network with that table, computed by `run`."""
    table = {name: torch.tensor(value) for name, value in state.items() if name != "grey"}
    return Model(run, config, table, np.asarray(state["grey"]))


def deepen(predictor: Model, config: Config, *, seed: int) -> Model:
    """Trained blocks first in each stage; the last scale of the others is 0."""
    table = fresh(forward, config, np.random.default_rng(seed))
    last = f"norm{2 if config.bottleneck else 1}.gamma"
    for name, value in table.items():
        if name in predictor.table:
            table[name] = predictor.table[name].detach().clone()
        elif name.endswith(last):
            table[name] = torch.zeros_like(value)
    return Model(forward, config, table, predictor.mean)


def probe(config: Config, images: NDArray[np.uint8], labels: NDArray[np.int64], *, seed: int) -> tuple[Signal, ...]:
    """What each block shows before training."""
    table, seen = fresh(forward, config, np.random.default_rng([seed, 1])), {}
    x = tensor_of(images - images.mean(0, dtype=np.float64))
    firsts = [name for name in table if name.endswith("/conv0.kernel")]
    for name in firsts:
        table[name].requires_grad_(True)
    logits = forward(Ops(table, training=True), config, x, seen)
    gradients = torch.autograd.grad(
        functional.cross_entropy(logits, torch.tensor(labels)), [table[name] for name in firsts]
    )
    return tuple(
        Signal(name=name, response=response.detach().numpy(), gradient=gradient.numpy())
        for (name, response), gradient in zip(seen.items(), gradients, strict=True)
    )
