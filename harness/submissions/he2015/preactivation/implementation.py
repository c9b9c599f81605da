"""Residual networks with full pre-activation, for He, Zhang, Ren and Sun 2015, arXiv:1512.03385v1.

The blocks are those of the authors' next paper, "Identity Mappings in Deep Residual Networks" (2016, arXiv:1603.05027):
normalization and ReLU stand before each convolution, and nothing follows the addition. Everything else is as in 2015.

A network is a table of tensors and a plan of convolutions; there are no modules. Images must be in memory.

Shapes: N images, B a batch, C channels, H height, W width, K classes.
Units: losses are nats, learning rates are per update, images are bytes 0..255.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from repro.task import Device, Images, Layer, Signal

TABLE_1 = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
CHUNK = 1024  # images that are predicted, or averaged over, at a time
WARMUP_BATCHES = 50  # over which the training error is averaged while warming up
STATISTICS = (".mean", ".variance")


@dataclass(frozen=True, kw_only=True)
class Config:
    """A network and its training: by default 20 layers on CIFAR-10 (Section 4.2)."""

    depth: int = 20  # convolutions and linear maps on the main path
    residual: bool = True  # False: the same without shortcuts
    shortcut: Literal["A", "B", "C"] = "A"  # zeros for new channels; projections for changes; projections everywhere
    scale: float = 1.0  # of what the shortcut carries
    bottleneck: bool = False  # Figure 5, right
    stem: Literal["cifar", "imagenet"] = "cifar"
    widths: tuple[int, ...] = (16, 32, 64)
    image: int = 32  # pixels along a side
    channels: int = 3
    classes: int = 10
    augment: Literal["none", "shift-flip", "scale-colour"] = "shift-flip"
    batch: int = 128
    iterations: int = 64_000
    lr: float = 0.1
    milestones: tuple[int, ...] = (32_000, 48_000)  # updates after which lr is divided by 10
    warmup: bool = False  # lr / 10 until fewer than 80 % of training images are wrong
    momentum: float = 0.9
    weight_decay: float = 1e-4
    precision: Literal["float32", "bfloat16"] = "float32"  # of activations in training


def _imagenet(depth: int, residual: bool) -> Config:
    deep = depth >= 50
    return Config(
        depth=depth, residual=residual, shortcut="B" if deep else "A", bottleneck=deep, stem="imagenet", image=224,
        widths=(64, 128, 256, 512), classes=1000, augment="scale-colour", batch=256, iterations=600_000,
        milestones=(150_000, 300_000, 450_000),
    )  # fmt: skip


CONFIGS = {
    **{f"resnet-{depth}": Config(depth=depth, warmup=depth > 100) for depth in (20, 32, 44, 56, 110, 1202)},
    **{f"plain-{depth}": Config(depth=depth, residual=False) for depth in (20, 32, 44, 56)},
    **{f"imagenet-resnet-{depth}": _imagenet(depth, True) for depth in TABLE_1},
    **{f"imagenet-plain-{depth}": _imagenet(depth, False) for depth in (18, 34)},
}


# What a network is made of


class Conv(NamedTuple):
    """A convolution, and the normalization that its input goes through first, if any."""

    name: str
    norm: str | None
    inputs: int
    outputs: int
    kernel: int
    stride: int


class Block(NamedTuple):
    """Convolutions of the main path, and the one on the shortcut, if any."""

    name: str
    main: tuple[Conv, ...]
    projection: Conv | None


@lru_cache(maxsize=64)
def plan(config: Config) -> tuple[Conv, tuple[Block, ...]]:
    """The stem's convolution, and the blocks in their order.

    Raises:
        ValueError: for a depth that the paper has no network of.
    """
    kernel, stride = (7, 2) if config.stem == "imagenet" else (3, 1)
    stem = Conv("stem.conv", None, config.channels, config.widths[0], kernel, stride)
    blocks: list[Block] = []
    inputs = stem.outputs
    for stage, (width, count) in enumerate(zip(config.widths, _counts(config), strict=True)):
        for index in range(count):
            name, stride = f"stage{stage + 1}.block{index + 1}", 2 if stage and not index else 1
            blocks.append(_block(config, name, inputs, width, stride, first=not blocks))
            inputs = blocks[-1].main[-1].outputs
    return stem, tuple(blocks)


def _counts(config: Config) -> tuple[int, ...]:
    """Blocks of each stage."""
    if config.stem == "imagenet":
        if config.depth not in TABLE_1:
            raise ValueError(f"Table 1 has networks of {', '.join(map(str, TABLE_1))} layers, not {config.depth}")
        return TABLE_1[config.depth]
    stages = len(config.widths)
    if config.depth < 2 + 2 * stages or (config.depth - 2) % (2 * stages):
        raise ValueError(f"a network of {stages} stages has 2 + {2 * stages} n layers, not {config.depth}")
    return ((config.depth - 2) // (2 * stages),) * stages


def _block(config: Config, name: str, inputs: int, width: int, stride: int, *, first: bool) -> Block:
    """A block; the first one's input has been through the stem's normalization already."""
    shapes = [(1, width), (3, width), (1, 4 * width)] if config.bottleneck else [(3, width)] * 2
    main: list[Conv] = []
    before = inputs
    for number, (kernel, outputs) in enumerate(shapes, 1):
        norm = None if first and number == 1 else f"{name}.norm{number}"
        main.append(Conv(f"{name}.conv{number}", norm, before, outputs, kernel, stride if number == 1 else 1))
        before = outputs
    projected = config.shortcut == "C" or (config.shortcut == "B" and (stride > 1 or inputs != before))
    projection = Conv(f"{name}.projection", None, inputs, before, 1, stride)
    return Block(name, tuple(main), projection if config.residual and projected else None)


def layers(config: Config) -> tuple[Layer, ...]:
    """Every layer with weights, in the order of execution; a block's projection stands last in it."""
    stem, blocks = plan(config)
    found: list[Layer] = []

    def norm(name: str, channels: int, side: int) -> None:
        found.append(Layer(name=name, kind="norm", weights=((channels,),) * 2, output=(channels, side, side)))

    def conv(one: Conv, side: int, *, shortcut: bool = False) -> int:
        """Add a convolution, after its normalization; the side of its output."""
        if one.norm:
            norm(one.norm, one.inputs, side)
        side = (side - 1) // one.stride + 1
        kernel, output = (one.outputs, one.inputs, one.kernel, one.kernel), (one.outputs, side, side)
        found.append(Layer(name=one.name, kind="conv", weights=(kernel,), output=output, shortcut=shortcut))
        return side

    side = conv(stem, config.image)
    norm("stem.norm", stem.outputs, side)
    side = (side - 1) // 2 + 1 if config.stem == "imagenet" else side  # after pooling
    for block in blocks:
        before = side
        for member in block.main:
            side = conv(member, side)
        if block.projection:
            conv(block.projection, before, shortcut=True)
    width = blocks[-1].main[-1].outputs
    norm("last.norm", width, side)
    shapes = ((config.classes, width), (config.classes,))
    found.append(Layer(name="classify", kind="linear", weights=shapes, output=(config.classes,)))
    return tuple(found)


class Net:
    """A network: its config, and its tensors by name, "<layer>.weight" and so on."""

    def __init__(self, config: Config, tensors: dict[str, Tensor]) -> None:
        self.config, self.tensors = config, tensors

    @classmethod
    def fresh(cls, config: Config, generator: torch.Generator) -> Net:
        """Kernels from N(0, 2 / fan-in), as in the paper's [13]; scales 1, shifts and biases 0."""
        tensors: dict[str, Tensor] = {}
        for layer in layers(config):
            shape = layer.weights[0]
            if layer.kind == "norm":
                new = {"weight": torch.ones(shape), "bias": torch.zeros(shape)}
                new |= {"mean": torch.zeros(shape), "variance": torch.ones(shape)}
            else:
                new = {"weight": torch.randn(shape, generator=generator) * math.sqrt(2 / math.prod(shape[1:]))}
                new |= {"bias": torch.zeros(shape[0])} if layer.kind == "linear" else {}
            tensors |= {f"{layer.name}.{name}": value for name, value in new.items()}
        return cls(config, tensors)

    def to(self, device: str) -> Net:
        """The network on a device."""
        return Net(self.config, {name: value.to(device) for name, value in self.tensors.items()})

    def trainable(self) -> list[Tensor]:
        """All tensors but the statistics; from now on gradients are collected for them."""
        return [value.requires_grad_() for name, value in self.tensors.items() if not name.endswith(STATISTICS)]

    def __call__(self, x: Tensor, learn: float | None = None, seen: dict[str, Tensor] | None = None) -> Tensor:
        """Logits [B, K] of inputs [B, C, H, W].

        Args:
            x: the inputs.
            learn: None to normalize by the stored statistics; else the batch's are used, and this share of them enters
                the stored ones.
            seen: receives the output of each block, by its name.
        """
        stem, blocks = plan(self.config)
        h = self._active("stem.norm", self._conv(stem, x), learn)
        if self.config.stem == "imagenet":
            h = functional.max_pool2d(h, 3, stride=2, padding=1)
        for block in blocks:
            h = self._block(block, h, learn)
            if seen is not None:
                seen[block.name] = h.detach()
        h = self._active("last.norm", h, learn).mean((2, 3))
        return functional.linear(h, self.tensors["classify.weight"], self.tensors["classify.bias"])

    def _block(self, block: Block, h: Tensor, learn: float | None) -> Tensor:
        """The sum of main path and shortcut; a projection reads the activated input, an identity the input itself."""
        first, *others = block.main
        active = self._active(first.norm, h, learn)
        y = self._conv(first, active)
        for conv in others:
            y = self._conv(conv, self._active(conv.norm, y, learn))
        if not self.config.residual:
            return y
        if block.projection:
            h = self._conv(block.projection, active)
        elif h.shape != y.shape:
            h = h[:, :, :: first.stride, :: first.stride]
            h = functional.pad(h, (0, 0, 0, 0, 0, y.shape[1] - h.shape[1]))
        return y.add_(h, alpha=self.config.scale)

    def _conv(self, conv: Conv, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.tensors[f"{conv.name}.weight"], stride=conv.stride, padding=conv.kernel // 2)

    def _active(self, norm: str | None, x: Tensor, learn: float | None) -> Tensor:
        if norm is None:
            return x
        mean, variance, weight, bias = (self.tensors[f"{norm}.{n}"] for n in ("mean", "variance", "weight", "bias"))
        return functional.relu_(functional.batch_norm(x, mean, variance, weight, bias, learn is not None, learn or 0.0))


# Training and what comes of it


class Network:
    """A trained network with the mean of its training images, [H, W, C]."""

    def __init__(self, net: Net, mean: Tensor) -> None:
        self.net, self.mean = net, mean

    def predict(self, images: NDArray[np.uint8], *, views: int = 1) -> NDArray[np.float32]:
        """Logits [N, K].

        Raises:
            ValueError: for more than one crop, and for images that are not an array of the config's size.
        """
        if views != 1:
            raise ValueError(f"{views} crops of an image: this predicts from one")
        parts = _tensor(_sized(self.net.config, images)).split(CHUNK) if len(images) else ()
        with torch.no_grad():
            logits = [self.net(_inputs(part.to(self.mean.device), self.mean)).cpu() for part in parts]
        return torch.cat([torch.empty(0, self.net.config.classes), *logits]).numpy()


class Update:
    """Stochastic gradient descent with momentum, at the rates that the config asks for."""

    def __init__(self, net: Net) -> None:
        self.net, self.config = net, net.config
        momentum, decay = self.config.momentum, self.config.weight_decay
        self.optimizer = torch.optim.SGD(net.trainable(), momentum=momentum, weight_decay=decay, fused=True)
        self.warming, self.wrong = self.config.warmup, deque[float](maxlen=WARMUP_BATCHES)

    def __call__(self, step: int, x: Tensor, labels: Tensor) -> None:
        """Update once, on inputs [B, C, H, W] and labels [B]; `step` updates came before."""
        low = self.config.precision == "bfloat16"
        with torch.autocast(x.device.type, torch.bfloat16, enabled=low):
            logits = self.net(x, learn=0.0).float()
        if self.warming:
            self.wrong.append(float((logits.argmax(1) != labels).float().mean()))
            self.warming = len(self.wrong) < WARMUP_BATCHES or sum(self.wrong) >= 0.8 * WARMUP_BATCHES
        falls = self.warming + sum(step >= milestone for milestone in self.config.milestones)
        self.optimizer.param_groups[0]["lr"] = self.config.lr * 0.1**falls
        self.optimizer.zero_grad()
        functional.cross_entropy(logits, labels).backward()
        self.optimizer.step()


def train(
    config: Config, data: Images, *, seed: int, device: Device, checkpoints: Sequence[int] = ()
) -> Iterator[tuple[int, Network]]:
    """Train on images in memory; see `repro.task.Classifier`.

    Raises:
        ValueError: for image files, for augmentation by scale and colour, which needs them, and for images or classes
            that do not fit the config.
    """
    if config.augment == "scale-colour":
        raise ValueError("augmentation by scale and colour needs images larger than the input, and takes none here")
    if data.classes != config.classes:
        raise ValueError(f"there are {data.classes} classes, and the config says {config.classes}")
    images, labels = (_tensor(array).to(device) for array in (_sized(config, data.images), data.labels))
    generator = torch.Generator().manual_seed(seed)
    net = Net.fresh(config, generator).to(device)
    mean = images.sum(0, dtype=torch.int64) / len(images)
    update, batches = Update(net), _batches(config, len(images), generator)
    step = 0
    for stop in sorted({min(stop, config.iterations) for stop in (*checkpoints, config.iterations)}):
        while step < stop:
            chosen, *moves = (draw.to(device) for draw in next(batches))
            update(step, _moved(_inputs(images[chosen], mean), *moves), labels[chosen])
            step += 1
        _settle(net, images, mean)
        yield step, Network(net, mean)


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.tensor(np.ascontiguousarray(array))  # a copy: what comes from outside may be read-only


def _sized(config: Config, images: Any) -> NDArray[np.uint8]:
    """The images, if they are an array and of the config's size."""
    if not isinstance(images, np.ndarray):
        raise ValueError("images must be an array in memory: this neither decodes nor scales files")
    due = (config.image, config.image, config.channels)
    if images.shape[1:] != due:
        raise ValueError(f"images are {images.shape[1:]}, and the config says {due}")
    return images


def _inputs(images: Tensor, mean: Tensor) -> Tensor:
    """Inputs [B, C, H, W] from bytes [B, H, W, C]: the mean of each pixel subtracted."""
    return ((images.float() - mean) / 255).permute(0, 3, 1, 2)


def _batches(config: Config, count: int, generator: torch.Generator) -> Iterator[tuple[Tensor, ...]]:
    """For ever: which images [B], from one shuffled pass after another; if they are moved, how far, and which way."""
    left = torch.empty(0, dtype=torch.int64)
    while True:
        while len(left) < config.batch:
            left = torch.cat([left, torch.randperm(count, generator=generator)])
        chosen, left = left[: config.batch], left[config.batch :]
        if config.augment == "none":
            yield (chosen,)
        else:
            shift = torch.randint(9, (config.batch, 2), generator=generator)
            yield chosen, shift, torch.rand(config.batch, generator=generator) < 0.5


def _moved(x: Tensor, shift: Tensor | None = None, mirrored: Tensor | None = None) -> Tensor:
    """Crops of inputs [B, C, S, S] with 4 zeros around, from a place [B, 2] in 0..8, some [B] mirrored."""
    if shift is None or mirrored is None:
        return x
    side = torch.arange(x.shape[-1], device=x.device)
    down = shift[:, :1] + side
    across = shift[:, 1:] + torch.where(mirrored[:, None], side.flip(0), side)
    index = torch.arange(len(x), device=x.device)[:, None, None]
    padded = functional.pad(x, (4, 4, 4, 4)).permute(0, 2, 3, 1)
    return padded[index, down[:, :, None], across[:, None, :]].permute(0, 3, 1, 2)


@torch.no_grad()
def _settle(net: Net, images: Tensor, mean: Tensor) -> None:
    """Store the statistics of all training images: the mean over chunks of nearly equal size."""
    for index, part in enumerate(images.chunk(-(-len(images) // CHUNK))):
        net(_inputs(part, mean), learn=1 / (index + 1))


# What the paper asks of a network beside predictions


def state(predictor: Network) -> dict[str, NDArray[Any]]:
    """Weights and statistics of every layer, and the mean image."""
    found = {**predictor.net.tensors, "mean": predictor.mean}
    return {name: value.detach().cpu().numpy() for name, value in found.items()}


def restore(config: Config, state: dict[str, NDArray[Any]], *, device: Device) -> Network:
    """The network with that state."""
    tensors = {name: _tensor(value).to(device) for name, value in state.items()}
    mean = tensors.pop("mean")
    return Network(Net(config, tensors), mean)


def deepen(predictor: Network, config: Config, *, seed: int) -> Network:
    """A deeper network that computes the same: an added block whose last kernel is zero passes its input on.

    Nothing stands after the addition, so this needs no help from normalization or ReLU.

    Raises:
        ValueError: if the config's network does not contain the trained one, or its shortcuts change what they carry.
    """
    known = predictor.net.tensors
    net = Net.fresh(config, torch.Generator().manual_seed(seed)).to(predictor.mean.device.type)
    if any(name not in net.tensors or value.shape != net.tensors[name].shape for name, value in known.items()):
        raise ValueError(f"a network of {config.depth} layers with this config does not contain the trained one")
    if not config.residual or config.shortcut == "C" or config.scale != 1:
        raise ValueError("only shortcuts that are identities let added blocks be identities")
    net.tensors |= {name: value.detach().clone() for name, value in known.items()}
    for block in plan(config)[1]:
        last = f"{block.main[-1].name}.weight"
        if last not in known:
            net.tensors[last].zero_()
    return Network(net, predictor.mean)


def probe(config: Config, images: NDArray[np.uint8], labels: NDArray[np.int64], *, seed: int) -> tuple[Signal, ...]:
    """What each block of the untrained network shows on one batch of images [N, H, W, C] with labels [N]."""
    net = Net.fresh(config, torch.Generator().manual_seed(seed))
    firsts = [net.tensors[f"{block.main[0].name}.weight"].requires_grad_() for block in plan(config)[1]]
    pixels = _tensor(_sized(config, images))
    seen: dict[str, Tensor] = {}
    logits = net(_inputs(pixels, pixels.float().mean(0)), learn=0.0, seen=seen)
    gradients = torch.autograd.grad(functional.cross_entropy(logits, _tensor(labels)), firsts)
    return tuple(
        Signal(name=name, response=response.numpy(), gradient=gradient.numpy())
        for (name, response), gradient in zip(seen.items(), gradients, strict=True)
    )
