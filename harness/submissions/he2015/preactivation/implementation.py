"""Residual networks with full pre-activation, for He, Zhang, Ren and Sun 2015, arXiv:1512.03385v1.

The blocks are those of the authors' next paper, "Identity Mappings in Deep Residual Networks" (2016, arXiv:1603.05027):
normalization and ReLU stand before each convolution, and nothing follows the addition. Everything else is as in 2015.

Shapes: N images, B a batch, C channels, H height, W width, S side of a square image, K classes.
Units: losses are nats, learning rates are per update, images are bytes 0..255.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from repro.task import Device, Images, Layer, Signal

TABLE_1 = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
CHUNK = 1024  # images that are predicted, or averaged over, at a time
KINDS: dict[type, Literal["conv", "linear", "norm"]] = {nn.Conv2d: "conv", nn.Linear: "linear", nn.BatchNorm2d: "norm"}


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

    @property
    def counts(self) -> tuple[int, ...]:
        """Blocks of each stage.

        Raises:
            ValueError: for a depth that the paper has no network of.
        """
        if self.stem == "imagenet" and self.depth in TABLE_1:
            return TABLE_1[self.depth]
        stages = len(self.widths)
        if self.stem == "imagenet" or self.depth < 2 + 2 * stages or (self.depth - 2) % (2 * stages):
            raise ValueError(f"there is no {self.stem} network of {self.depth} layers in {stages} stages")
        return ((self.depth - 2) // (2 * stages),) * stages


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


# The network


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


def _active(channels: int) -> list[nn.Module]:
    """Normalization and ReLU. The stored statistics are plain means over what was seen in training mode."""
    return [nn.BatchNorm2d(channels, momentum=None), nn.ReLU(inplace=True)]


class Block(nn.Module):
    """F(relu(norm(x))) + shortcut; a projection reads the activated input, an identity the input itself.

    The first block of a network gets an input that the stem has activated.
    """

    def __init__(self, config: Config, inputs: int, width: int, stride: int, *, first: bool) -> None:
        super().__init__()
        self.config, self.stride = config, stride
        self.enter = nn.Sequential(*([] if first else _active(inputs)))
        if config.bottleneck:
            self.outputs, shapes = 4 * width, [(inputs, width, 1), (width, width, 3), (width, 4 * width, 1)]
        else:
            self.outputs, shapes = width, [(inputs, width, 3), (width, width, 3)]
        body: list[nn.Module] = [_conv(*shapes[0], stride)]
        for shape in shapes[1:]:
            body += [*_active(shape[0]), _conv(*shape)]
        self.body = nn.Sequential(*body)
        projected = config.shortcut == "C" or (config.shortcut == "B" and (stride > 1 or inputs != self.outputs))
        self.projection: nn.Module | None = None
        if config.residual and projected:
            self.projection = _conv(inputs, self.outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        active = self.enter(x)
        y = self.body(active)
        if not self.config.residual:
            return y
        if self.projection is not None:
            x = self.projection(active)
        elif x.shape != y.shape:  # option A: every second pixel, zeros for new channels
            x = x[:, :, :: self.stride, :: self.stride]
            x = functional.pad(x, (0, 0, 0, 0, 0, y.shape[1] - x.shape[1]))
        return y.add_(x, alpha=self.config.scale)


class Net(nn.Module):
    """Stem, stages of blocks, the last activation, global average pooling, and a linear classifier."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        inputs, large = config.widths[0], config.stem == "imagenet"
        stem = [_conv(config.channels, inputs, *((7, 2) if large else (3,))), *_active(inputs)]
        self.stem = nn.Sequential(*stem, *([nn.MaxPool2d(3, 2, 1)] if large else []))
        self.blocks = nn.ModuleDict()
        for stage, (width, count) in enumerate(zip(config.widths, config.counts, strict=True)):
            for index in range(count):
                stride = 2 if stage and not index else 1
                block = Block(config, inputs, width, stride, first=not self.blocks)
                self.blocks[f"stage{stage + 1}-block{index + 1}"] = block
                inputs = block.outputs
        self.last = nn.Sequential(*_active(inputs))
        self.classify = nn.Linear(inputs, config.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [B, K] of inputs [B, C, H, W]."""
        h = self.stem(x)
        for block in self.blocks.values():
            h = block(h)
        return self.classify(self.last(h).mean((2, 3)))


def _fresh(config: Config, seed: int) -> Net:
    """Kernels from N(0, 2 / fan-in), as in the paper's [13]; scales 1, shifts and biases 0."""
    net, generator = Net(config), torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, generator=generator)
    nn.init.zeros_(net.classify.bias)
    return net


def layers(config: Config) -> tuple[Layer, ...]:
    """Every layer with weights, in the order of execution; a block's projection stands last in it."""
    found: list[Layer] = []

    def note(name: str, module: nn.Module, output: Tensor) -> None:
        weights = tuple(tuple(weight.shape) for weight in module.parameters())
        shortcut = name.endswith(".projection")
        size = tuple(output.shape[1:])
        found.append(Layer(name=name, kind=KINDS[type(module)], weights=weights, output=size, shortcut=shortcut))

    with torch.device("meta"):  # shapes without memory
        net = Net(config)
        for name, module in net.named_modules():
            if type(module) in KINDS:
                module.register_forward_hook(lambda module, _, output, name=name: note(name, module, output))
        net.eval()(torch.empty(1, config.channels, config.image, config.image))
    return tuple(found)


# Training and what comes of it


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.tensor(np.ascontiguousarray(array))  # a copy: what comes from outside may be read-only


def _sized(config: Config, images: Any) -> Tensor:
    """The images as a tensor, if they are an array and of the config's size."""
    due = (config.image, config.image, config.channels)
    if not isinstance(images, np.ndarray) or images.shape[1:] != due:
        raise ValueError(f"images must be an array in memory of shape [N, {', '.join(map(str, due))}]")
    return _tensor(images)


def _inputs(images: Tensor, mean: Tensor) -> Tensor:
    """Inputs [B, C, H, W] from bytes [B, H, W, C]: the mean of each pixel subtracted."""
    return ((images.float() - mean) / 255).permute(0, 3, 1, 2)


class Network:
    """A trained network with the mean of its training images, [H, W, C]."""

    def __init__(self, net: Net, config: Config, mean: Tensor) -> None:
        self.net, self.config, self.mean = net.eval(), config, mean

    @torch.no_grad()
    def predict(self, images: NDArray[np.uint8], *, crops: int = 1) -> NDArray[np.float32]:
        """Logits [N, K].

        Raises:
            ValueError: for more than one crop, and for images that are not an array of the config's size.
        """
        if crops != 1:
            raise ValueError(f"{crops} crops of an image: this predicts from one")
        parts = _sized(self.config, images).split(CHUNK) if len(images) else ()
        logits = [self.net(_inputs(part.to(self.mean.device), self.mean)).cpu() for part in parts]
        return torch.cat([torch.empty(0, self.config.classes), *logits]).numpy()


def train(
    config: Config, data: Images, *, seed: int, device: Device, eval_steps: Sequence[int] = ()
) -> Iterator[tuple[int, Network]]:
    """Train by SGD with momentum on images in memory; see `repro.task.Classifier`.

    Raises:
        ValueError: for image files, for augmentation by scale and colour, which needs them, and for images or classes
            that do not fit the config.
    """
    if config.augment == "scale-colour" or data.classes != config.classes:
        raise ValueError(f"this trains on images of {config.classes} classes, which it does not scale or recolour")
    images, labels = _sized(config, data.images).to(device), _tensor(data.labels).to(device)
    mean = images.sum(0, dtype=torch.int64) / len(images)
    net, generator = _fresh(config, seed).to(device), torch.Generator().manual_seed(seed + 1)
    rule = {"momentum": config.momentum, "weight_decay": config.weight_decay, "fused": True}
    optimizer = torch.optim.SGD(net.parameters(), config.lr, **rule)
    batches, warming, error = _batches(len(images), config.batch, generator), config.warmup, 1.0
    for step in range(config.iterations + 1):
        if step in (*eval_steps, config.iterations):
            _settle(net, images, mean)
            yield step, Network(net, config, mean)
        if step == config.iterations:
            return
        chosen = next(batches).to(device)
        x, due = _inputs(images[chosen], mean), labels[chosen]
        x = _moved(x, generator) if config.augment == "shift-flip" else x
        with torch.autocast(x.device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
            logits = net.train()(x).float()
        if warming:
            error += 0.05 * (float((logits.argmax(1) != due).float().mean()) - error)
            warming = error >= 0.8
        falls = warming + sum(step >= milestone for milestone in config.milestones)
        optimizer.param_groups[0]["lr"] = config.lr * 0.1**falls
        optimizer.zero_grad()
        functional.cross_entropy(logits, due).backward()
        optimizer.step()


def _batches(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """For ever: which images a batch has [B], from one shuffled pass after another."""
    left = torch.empty(0, dtype=torch.int64)
    while True:
        while len(left) < size:
            left = torch.cat([left, torch.randperm(count, generator=generator)])
        yield left[:size]
        left = left[size:]


def _moved(x: Tensor, generator: torch.Generator) -> Tensor:
    """Crops of inputs [B, C, S, S] with 4 zeros around, at random places; half of them mirrored."""
    count, side = len(x), x.shape[-1]
    down, across = torch.randint(9, (2, count), generator=generator).to(x.device)
    mirrored = torch.rand(count, generator=generator).to(x.device) < 0.5
    places = functional.pad(x, (4, 4, 4, 4)).unfold(2, side, 1).unfold(3, side, 1)  # views of all: [B, C, 9, 9, S, S]
    crops = places[torch.arange(count, device=x.device), :, down, across]
    return torch.where(mirrored[:, None, None, None], crops.flip(3), crops)


@torch.no_grad()
def _settle(net: Net, images: Tensor, mean: Tensor) -> None:
    """Store the statistics of all training images: the mean over chunks of nearly equal size."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
    for part in images.chunk(-(-len(images) // CHUNK)):
        net.train()(_inputs(part, mean))


# What the paper asks of a network beside predictions


def state(predictor: Network) -> dict[str, NDArray[Any]]:
    """Weights and statistics of every layer, and the mean image; the counters of batches are left out."""
    learnt = {name: value for name, value in predictor.net.state_dict().items() if value.is_floating_point()}
    return {name: value.detach().cpu().numpy().copy() for name, value in (learnt | {"mean": predictor.mean}).items()}


def restore(config: Config, state: dict[str, NDArray[Any]], *, device: Device) -> Network:
    """The network with that state."""
    tensors = {name: _tensor(value) for name, value in state.items()}
    mean, net = tensors.pop("mean"), Net(config)
    net.load_state_dict(tensors, strict=False)  # all but the counters
    return Network(net.to(device), config, mean.to(device))


def deepen(predictor: Network, config: Config, *, seed: int) -> Network:
    """A deeper network that computes the same: an added block whose last kernel is zero passes its input on.

    Nothing stands after the addition, so this needs no help from normalization or ReLU.

    Raises:
        ValueError: if the config's network does not contain the trained one, or its shortcuts change what they carry.
    """
    net = _fresh(config, seed)
    absent, strange = net.load_state_dict(predictor.net.state_dict(), strict=False)
    if strange or not config.residual or config.shortcut == "C" or config.scale != 1:
        raise ValueError("only a deeper network whose shortcuts are identities can compute the same")
    for name, block in net.blocks.items():
        if f"blocks.{name}.body.0.weight" in absent:
            nn.init.zeros_(block.body[-1].weight)  # pyright: ignore
    return Network(net.to(predictor.mean.device), config, predictor.mean)


def probe(config: Config, images: NDArray[np.uint8], labels: NDArray[np.int64], *, seed: int) -> tuple[Signal, ...]:
    """What each block of the untrained network shows on one batch of images [N, H, W, C] with labels [N]."""
    net, pixels = _fresh(config, seed), _sized(config, images)
    seen: dict[str, Tensor] = {}
    for name, block in net.blocks.items():
        block.register_forward_hook(lambda _, __, output, name=name: seen.update({name: output.detach()}))  # pyright: ignore
    logits = net(_inputs(pixels, pixels.float().mean(0)))
    firsts = [block.body[0].weight for block in net.blocks.values()]  # pyright: ignore
    gradients = torch.autograd.grad(functional.cross_entropy(logits, _tensor(labels)), firsts)
    return tuple(
        Signal(name=name, response=response.numpy(), gradient=gradient.numpy())
        for (name, response), gradient in zip(seen.items(), gradients, strict=True)
    )
