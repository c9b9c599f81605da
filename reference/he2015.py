"""Deep Residual Learning for Image Recognition -- He, Zhang, Ren & Sun, 2015.

Paper       arXiv:1512.03385v1
Implements  Section 3 (residual blocks, shortcut options A, B and C, bottlenecks), Section 3.4 and Table 1 (the
            ImageNet networks and their recipe), Section 4.2 (the CIFAR-10 networks and their recipe), and the
            construction of Section 1 that deepens a trained network by identities.
Shapes      N examples, B batch, C channels, H height, W width, K classes, V crops.
Units       losses are nats; learning rates are per update; images are bytes 0..255.

Deviations
  1. The batch normalization statistics used for prediction are computed over the training images after training.
     The paper does not say; the authors' released models have averaged rather than moving statistics.
  2. Section 3.4 divides the ImageNet learning rate by 10 "when the error plateaus". Here that is at 150k, 300k
     and 450k updates.
  3. The rule of Section 4.2 that ends the warm-up of the 110-layer network (training error below 80 %) looks at
     an exponential average of the error on training batches, with weight 0.05 on the newest.
  4. A pass over the data leaves out the images that do not fill a batch; they are others in each pass.
  5. ImageNet's mean image and colour covariance come from 4,096 training images, and the statistics of
     deviation 1 from 50,000, rather than from all 1.28 million.
  6. Inputs are divided by 255 after the mean is subtracted; the first normalization cancels the factor.
  7. A batch is normalized as a whole (under torchrun, each process's share of it), where the authors trained on
     two GPUs, so on halves of 128 on CIFAR-10.
  8. The 1202-layer network is warmed up as the 110-layer one is; the paper says "trained as described above".
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from repro.task import Device, Images, Layer, Signal

TABLE_1 = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
MEAN_IMAGES, STATISTICS_IMAGES, CHUNK = 4096, 50_000, 1024


@dataclass(frozen=True, kw_only=True)
class Config:
    """One network and its training. Defaults are ResNet-20 on CIFAR-10 (Section 4.2)."""

    depth: int = 20  # layers with weights on the main path
    residual: bool = True  # False: the plain counterpart, without shortcuts
    shortcut: Literal["A", "B", "C"] = "A"  # zero padding; projections where sizes change; projections everywhere
    scale: float = 1.0  # of the shortcut; eq. (1) adds all of x
    bottleneck: bool = False  # Figure 5 (right)
    stem: Literal["cifar", "imagenet"] = "cifar"
    widths: tuple[int, ...] = (16, 32, 64)  # filters of each stage
    image: int = 32  # side of the input, pixels
    channels: int = 3
    classes: int = 10
    augment: Literal["none", "shift-flip", "scale-colour"] = "shift-flip"
    batch: int = 128
    iterations: int = 64_000
    lr: float = 0.1
    milestones: tuple[int, ...] = (32_000, 48_000)  # updates after which lr is divided by 10
    warmup: bool = False  # lr / 10 until the training error is below 80 %
    momentum: float = 0.9
    weight_decay: float = 1e-4  # on every parameter
    precision: Literal["float32", "bfloat16"] = "float32"  # of activations in training

    @property
    def blocks(self) -> tuple[int, ...]:
        """Blocks in each stage.

        Raises:
            ValueError: for a depth that the design does not have.
        """
        if self.stem == "imagenet":
            if self.depth not in TABLE_1:
                raise ValueError(f"Table 1 has no {self.depth}-layer network")
            return TABLE_1[self.depth]
        each, rest = divmod(self.depth - 2, 2 * len(self.widths))
        if rest or each < 1:
            raise ValueError(f"depth {self.depth} is not 2 + {2 * len(self.widths)} n")
        return (each,) * len(self.widths)


def _imagenet(depth: int, *, residual: bool = True) -> Config:
    return Config(
        depth=depth, residual=residual, shortcut="A" if depth < 50 else "B", bottleneck=depth >= 50, stem="imagenet",
        widths=(64, 128, 256, 512), image=224, classes=1000, augment="scale-colour", batch=256, iterations=600_000,
        milestones=(150_000, 300_000, 450_000),
    )  # fmt: skip


CONFIGS = {
    **{f"resnet-{depth}": Config(depth=depth, warmup=depth >= 110) for depth in (20, 32, 44, 56, 110, 1202)},
    **{f"plain-{depth}": Config(depth=depth, residual=False) for depth in (20, 32, 44, 56)},
    **{f"imagenet-resnet-{depth}": _imagenet(depth) for depth in TABLE_1},
    **{f"imagenet-plain-{depth}": _imagenet(depth, residual=False) for depth in (18, 34)},
}


class Pad(nn.Module):
    """Option A: every second pixel where the block strides, zeros for the channels the input lacks."""

    def __init__(self, stride: int, extra: int) -> None:
        super().__init__()
        self.stride, self.extra = stride, extra

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The shortcut's values, of the shape of the block's output."""
        return F.pad(x_BCHW[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.extra))


def conv_norm(inputs: int, outputs: int, kernel: int, stride: int) -> list[nn.Module]:
    """A convolution without bias and the batch normalization right after it (Section 3.4)."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


class Block(nn.Module):
    """Figure 5: relu(F(x) + shortcut(x)), eq. (1) and (2); relu(F(x)) in a plain network."""

    def __init__(self, config: Config, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.outputs, self.scale = 4 * width if config.bottleneck else width, config.scale
        units = [conv_norm(*unit) for unit in self.units(config, inputs, width, stride)]
        self.body = nn.Sequential(*units[0], *(m for unit in units[1:] for m in (nn.ReLU(inplace=True), *unit)))
        changes = stride > 1 or inputs != self.outputs
        self.shortcut: nn.Module | None = None
        if config.residual:
            self.shortcut = nn.Identity()
            if config.shortcut == "C" or (config.shortcut == "B" and changes):
                self.shortcut = nn.Sequential(*conv_norm(inputs, self.outputs, 1, stride))
            elif changes:
                self.shortcut = Pad(stride, self.outputs - inputs)

    @staticmethod
    def units(config: Config, inputs: int, width: int, stride: int) -> list[tuple[int, int, int, int]]:
        """Inputs, outputs, kernel and stride of each convolution of F; the first one strides."""
        if config.bottleneck:
            return [(inputs, width, 1, stride), (width, width, 3, 1), (width, 4 * width, 1, 1)]
        return [(inputs, width, 3, stride), (width, width, 3, 1)]

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The block's output."""
        y_BCHW = self.body(x_BCHW)
        if self.shortcut is not None:
            y_BCHW.add_(self.shortcut(x_BCHW), alpha=self.scale)
        return F.relu_(y_BCHW)


class Net(nn.Module):
    """A plain or residual network: a stem, stages of blocks, global average pooling, a linear classifier."""

    def __init__(self, config: Config, block: type[Block] = Block) -> None:
        super().__init__()
        inputs = config.widths[0]
        large = config.stem == "imagenet"
        stem = conv_norm(config.channels, inputs, 7 if large else 3, 2 if large else 1)
        self.stem = nn.Sequential(*stem, nn.ReLU(inplace=True), *([nn.MaxPool2d(3, 2, padding=1)] if large else []))
        self.stages = nn.ModuleList()
        for stage, (width, blocks) in enumerate(zip(config.widths, config.blocks, strict=True)):
            members: list[Block] = []
            for index in range(blocks):
                members.append(block(config, inputs, width, 2 if stage and not index else 1))
                inputs = members[-1].outputs
            self.stages.append(nn.Sequential(*members))
        self.classify = nn.Linear(inputs, config.classes)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Logits [B, K]."""
        h_BCHW = self.stem(x_BCHW)
        for stage in self.stages:
            h_BCHW = stage(h_BCHW)
        return self.classify(h_BCHW.mean((2, 3)))


def initialise(net: nn.Module, seed: int) -> None:
    """Weights from N(0, 2 / fan-in) (the paper's [13]); biases 0; normalization scales 1 and shifts 0."""
    generator = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def layers(config: Config) -> tuple[Layer, ...]:
    """Every layer with weights, in the order of execution, without allocating any."""
    with torch.device("meta"):
        return trace(Net(config), config)


def trace(net: nn.Module, config: Config) -> tuple[Layer, ...]:
    """The layers of a network that lives on the meta device."""
    kinds: dict[type, Any] = {nn.Conv2d: "conv", nn.BatchNorm2d: "norm", nn.Linear: "linear"}
    found: list[Layer] = []

    def note(name: str, module: nn.Module, output: Tensor) -> None:
        kind, shapes = kinds[type(module)], tuple(tuple(p.shape) for p in module.parameters())
        where = ".shortcut." in name
        found.append(Layer(name=name, kind=kind, weights=shapes, output=tuple(output.shape[1:]), shortcut=where))

    for name, module in net.named_modules():
        if type(module) in kinds:
            module.register_forward_hook(lambda module, _, output, name=name: note(name, module, output))
    net.eval()(torch.empty(1, config.channels, config.image, config.image, device="meta"))
    return tuple(found)


class Memory:
    """Training images that fit on the device: batches are gathered and augmented there."""

    def __init__(self, config: Config, data: Images, device: Device) -> None:
        self.config = config
        self.images_NHWC, self.labels_N = _tensor(data.images).to(device), _tensor(data.labels).to(device)
        self.mean_HWC = self.images_NHWC.sum(0, dtype=torch.int64) / len(self.images_NHWC)  # per pixel

    def batches(self, generator: torch.Generator, rank: int, world: int) -> Iterator[tuple[Tensor, ...]]:
        """For ever: index, shifts down and right and mirroring of each image of a batch, [B, 4]."""
        count, batch = len(self.labels_N), self.config.batch
        while True:
            order_N = torch.randperm(count, generator=generator)
            shift_N2 = torch.randint(-4, 5, (count, 2), generator=generator)
            flip_N = torch.randint(0, 2, (count,), generator=generator)
            draws_N4 = torch.stack((order_N, *shift_N2.unbind(1), flip_N), 1).to(self.labels_N.device)
            for start in range(0, count - batch + 1, batch):
                yield (draws_N4[start + rank : start + batch : world],)

    def prepare(self, draws_B4: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs [B, C, H, W] and labels [B]: mean subtracted, 4 pixels padded, cropped, mirrored."""
        index_B, down_B, right_B, flip_B = draws_B4.unbind(1)
        if self.config.augment == "none":
            x_BHWC = self.images_NHWC[index_B].float() - self.mean_HWC
        else:
            place = torch.arange(self.config.image, device=index_B.device)
            across_BW = torch.where(flip_B[:, None] > 0, place.flip(0), place) + right_B[:, None]
            row_BH1, column_B1W = (place + down_B[:, None])[:, :, None], across_BW[:, None, :]
            end = self.config.image - 1
            inside_BHW = (row_BH1 >= 0) & (row_BH1 <= end) & (column_B1W >= 0) & (column_B1W <= end)
            row_BH1, column_B1W = row_BH1.clamp(0, end), column_B1W.clamp(0, end)
            x_BHWC = self.images_NHWC[index_B[:, None, None], row_BH1, column_B1W].float()
            x_BHWC = (x_BHWC - self.mean_HWC[row_BH1, column_B1W]) * inside_BHW[..., None]
        return x_BHWC.permute(0, 3, 1, 2) / 255, self.labels_N[index_B]

    def sweep(self) -> Iterator[Tensor]:
        """Inputs of all training images without augmentation, in chunks of nearly equal size."""
        for images_BHWC in self.images_NHWC.chunk(-(-len(self.images_NHWC) // CHUNK)):
            yield standardise(images_BHWC, self.mean_HWC)


class Stream:
    """Training images that are decoded on access, by worker processes: an indexable sequence of [H, W, C] bytes."""

    def __init__(self, config: Config, data: Images, device: Device, seed: int) -> None:
        self.config, self.data = config, data
        self.device: Device = device
        self.some = torch.randperm(len(data.labels), generator=torch.Generator().manual_seed(seed)).tolist()
        total_HWC, products_CC, pixels = 0.0, 0.0, 0
        for crops_BHWC in self._middles(MEAN_IMAGES):
            x_BHWC = crops_BHWC.double()
            total_HWC = total_HWC + x_BHWC.sum(0)
            flat = x_BHWC.flatten(0, 2)
            products_CC, pixels = products_CC + flat.T @ flat, pixels + len(flat)
        self.mean_HWC = torch.as_tensor(total_HWC / min(MEAN_IMAGES, len(self.some))).float().to(device)
        mean_C = self.mean_HWC.double().mean((0, 1)).cpu()
        values_C, vectors_CC = torch.linalg.eigh(torch.as_tensor(products_CC) / pixels - torch.outer(mean_C, mean_C))
        self.colour_CC = (vectors_CC * values_C.clamp(min=0).sqrt()).float().to(device)  # columns: sqrt(l_i) p_i

    def batches(self, generator: torch.Generator, rank: int, world: int) -> Iterator[tuple[Tensor, ...]]:
        """For ever: crops [B, H, W, C] in bytes, labels [B], mirroring [B] and colour weights [B, C]."""
        count, batch = len(self.data.labels), self.config.batch
        labels_N = _tensor(self.data.labels)
        while True:
            order_N = torch.randperm(count, generator=generator)
            draws_N4 = torch.rand(count, 4, generator=generator)
            alpha_N3 = 0.1 * torch.randn(count, 3, generator=generator)
            rows = [slice(s + rank, s + batch, world) for s in range(0, count - batch + 1, batch)]
            tasks = [list(zip(order_N[r].tolist(), draws_N4[r, :3].tolist(), strict=True)) for r in rows]
            for row, crops_BHWC in zip(rows, _loader(self._scaled, tasks, self.device), strict=True):
                yield crops_BHWC, labels_N[order_N[row]], draws_N4[row, 3] < 0.5, alpha_N3[row]

    def prepare(self, crops_BHWC: Tensor, labels_B: Tensor, flip_B: Tensor, alpha_B3: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs [B, C, H, W] and labels [B]: mirrored, mean subtracted, colours shifted as in the paper's [21]."""
        x_BHWC = crops_BHWC.float() - self.mean_HWC
        x_BHWC = torch.where(flip_B[:, None, None, None], x_BHWC.flip(2), x_BHWC)
        x_BHWC = x_BHWC + (alpha_B3 @ self.colour_CC.T)[:, None, None, :]
        return x_BHWC.permute(0, 3, 1, 2) / 255, labels_B

    def sweep(self) -> Iterator[Tensor]:
        """Inputs of up to 50,000 training images, central crops without augmentation."""
        for crops_BHWC in self._middles(STATISTICS_IMAGES):
            yield standardise(crops_BHWC.to(self.device), self.mean_HWC)

    def _middles(self, count: int) -> Iterable[Tensor]:
        chosen = self.some[:count]
        tasks = [chosen[s : s + self.config.batch] for s in range(0, len(chosen), self.config.batch)]
        return _loader(lambda index: views_of(self.data.images[index], self.config.image, 1)[0], tasks, self.device)

    def _scaled(self, task: tuple[int, list[float]]) -> Tensor:
        """A random crop of the image scaled so that its shorter side is 256 to 480 (Section 3.4)."""
        index, (scale, down, right) = task
        picture_HWC = self.data.images[index]
        height, width = picture_HWC.shape[:2]
        side = round(224 * min(height, width) / (256 + int(225 * scale)))
        top, left = int(down * (height - side + 1)), int(right * (width - side + 1))
        return _resized(picture_HWC[top : top + side, left : left + side], self.config.image, self.config.image)


def standardise(images_BHWC: Tensor, mean_HWC: Tensor) -> Tensor:
    """Inputs [B, C, H, W] from bytes, channels last in memory."""
    return (images_BHWC.float() - mean_HWC).permute(0, 3, 1, 2) / 255


def views_of(picture_HWC: NDArray[np.uint8], size: int, views: int) -> Tensor:
    """The central crop, or the standard ten: corners, centre and their mirror images [V, size, size, C]."""
    height, width = picture_HWC.shape[:2]
    if views == 1 and height == width == size:
        return _tensor(picture_HWC)[None]
    short = round(256 * size / 224)
    height, width = (max(short, round(side * short / min(height, width))) for side in (height, width))
    scaled_HWC = _resized(picture_HWC, height, width)
    down, right = height - size, width - size
    corners = [(0, 0), (0, right), (down, 0), (down, right)] if views == 10 else []
    crops = [scaled_HWC[y : y + size, x : x + size] for y, x in [*corners, (down // 2, right // 2)]]
    return torch.stack([*crops, *(crop.flip(1) for crop in crops)] if views == 10 else crops)


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(array, order="C"))  # a copy: the original may be read-only


def _resized(picture_HWC: NDArray[np.uint8], height: int, width: int) -> Tensor:
    picture_1CHW = _tensor(picture_HWC).permute(2, 0, 1)[None]
    return F.interpolate(picture_1CHW, (height, width), mode="bilinear", antialias=True)[0].permute(1, 2, 0)


def _loader(decode: Callable[[Any], Tensor], tasks: Sequence[list[Any]], device: Device) -> Iterable[Tensor]:
    """One tensor of stacked images for each list of tasks, in order; beside a GPU, decoded by other processes."""
    workers = min(16, os.cpu_count() or 1) if device == "cuda" else 0
    return DataLoader(
        tasks,  # pyright: ignore[reportArgumentType] -- a list is all that the loader needs
        batch_size=None,
        collate_fn=lambda task: torch.stack([decode(item) for item in task]),
        num_workers=workers,
        pin_memory=device == "cuda",
        prefetch_factor=4 if workers else None,
        generator=torch.Generator(),
    )


class Network:
    """A trained network with what it needs to predict; `engine` says how its updates were run."""

    def __init__(self, net: Net, config: Config, mean_HWC: Tensor, engine: str) -> None:
        self.net, self.config, self.mean_HWC, self.engine = net, config, mean_HWC, engine

    def predict(self, images: Any, *, views: int = 1) -> NDArray[np.float32]:
        """Logits [N, K], or for ten crops the logarithm of their mean softmax.

        Raises:
            ValueError: for a number of crops other than 1, or 10 on ImageNet.
        """
        if views not in ((1, 10) if self.config.stem == "imagenet" else (1,)):
            raise ValueError(f"{views} crops of an image: {self.config.stem} networks do not predict from that many")
        with torch.no_grad():
            chunks = [self._scores(crops_BVHWC).cpu() for crops_BVHWC in self._crops(images, views)]
        return torch.cat([torch.empty(0, self.config.classes), *chunks]).numpy()

    def _crops(self, images: Any, views: int) -> Iterable[Tensor]:
        size = self.config.image
        if isinstance(images, np.ndarray) and images.shape[1:3] == (size, size) and views == 1:
            return (_tensor(images[s : s + CHUNK])[:, None] for s in range(0, len(images), CHUNK))
        tasks = [list(range(s, min(s + 64, len(images)))) for s in range(0, len(images), 64)]
        device: Device = "cuda" if self.mean_HWC.is_cuda else "cpu"
        return _loader(lambda index: views_of(images[index], size, views), tasks, device)

    def _scores(self, crops_BVHWC: Tensor) -> Tensor:
        crops_NHWC = crops_BVHWC.to(self.mean_HWC.device, non_blocking=True).flatten(0, 1)
        logits_BVK = self.net(standardise(crops_NHWC, self.mean_HWC)).unflatten(0, crops_BVHWC.shape[:2])
        return logits_BVK[:, 0] if logits_BVK.shape[1] == 1 else logits_BVK.softmax(2).mean(1).log()


class Update:
    """One update of all parameters by SGD; on a GPU, a replayed CUDA graph.

    Inputs, learning rate and the warm-up's state live at fixed places on the device, and nothing is read back. The
    first three updates on a GPU run kernel by kernel on a side stream; the fourth is captured and from then on
    replayed. Several processes are not captured; where capturing fails, `engine` says so.
    """

    def __init__(self, net: Net, config: Config, feed: Memory | Stream, device: Device, world: int) -> None:
        self.config, self.feed, self.device, self.world = config, feed, device, world
        self.model = DistributedDataParallel(net, broadcast_buffers=False) if world > 1 else net
        self.base, self.rate = torch.zeros((), device=device), torch.zeros((), device=device)
        self.warming = torch.full((), float(config.warmup), device=device)
        self.error = torch.ones((), device=device)
        rule = {"momentum": config.momentum, "weight_decay": config.weight_decay, "fused": device != "mps"}
        self.optimizer = torch.optim.SGD(net.parameters(), self.rate, **rule)
        self.inputs: tuple[Tensor, ...] = ()
        self.engine, self.left = "eager", 3
        self.run = self._beside if device == "cuda" and world == 1 else self._update

    def __call__(self, inputs: tuple[Tensor, ...], rate: float) -> None:
        """Update once, on the given batch."""
        if not self.inputs:
            self.inputs = tuple(torch.empty_like(value, device=self.device) for value in inputs)
        for place, value in zip(self.inputs, inputs, strict=True):
            place.copy_(value, non_blocking=True)
        self.base.fill_(rate)
        self.run()

    def _update(self) -> None:
        x_BCHW, labels_B = self.feed.prepare(*self.inputs)
        low = self.config.precision == "bfloat16"
        with torch.autocast(self.device, torch.bfloat16, cache_enabled=False) if low else nullcontext():
            logits_BK = self.model(x_BCHW)
        self.optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(logits_BK.float(), labels_B).backward()
        if self.config.warmup:
            self._watch(logits_BK.detach(), labels_B)
        self.rate.copy_(self.base * (1 - 0.9 * self.warming))
        self.optimizer.step()

    def _watch(self, logits_BK: Tensor, labels_B: Tensor) -> None:
        """Warm-up ends for good when the training error is below 80 % (Section 4.2)."""
        wrong = (logits_BK.argmax(1) != labels_B).float().mean()
        if self.world > 1:
            dist.all_reduce(wrong)
        self.error.lerp_(wrong / self.world, 0.05)
        self.warming *= self.error >= 0.8

    def _beside(self) -> None:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._update()
        torch.cuda.current_stream().wait_stream(stream)
        self.left -= 1
        if not self.left:
            self.run = self._capture

    def _capture(self) -> None:
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # a loader's thread may pin memory
                self._update()
        except RuntimeError as error:
            self.engine, self.run = f"eager; not captured: {error}", self._update
        else:
            self.engine, self.run = "CUDA graph", graph.replay
        self.run()


def settle(net: nn.Module, inputs: Iterable[Tensor]) -> None:
    """Set every normalization's statistics to their averages over chunks of inputs, and the net to evaluation."""
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over chunks
    net.train()
    with torch.no_grad():
        for x_BCHW in inputs:
            net(x_BCHW)
    for norm in norms:
        norm.momentum = 0.1
    net.eval()


def train(
    config: Config, data: Images, *, seed: int, device: Device, checkpoints: Sequence[int] = ()
) -> Iterator[tuple[int, Network]]:
    """Train as the paper does; see `repro.task.Classifier`."""
    return fit(Net(config), config, data, seed=seed, device=device, checkpoints=checkpoints)


def fit(
    net: Net, config: Config, data: Images, *, seed: int, device: Device, checkpoints: Sequence[int] = ()
) -> Iterator[tuple[int, Network]]:
    """Train a network in place, data-parallel where `torch.distributed` has been initialised.

    Raises:
        ValueError: if the data do not have the config's sizes.
    """
    _check(config, data)
    weights_seed, order_seed = (int(word) for word in np.random.SeedSequence(seed).generate_state(2))
    world, rank = (dist.get_world_size(), dist.get_rank()) if dist.is_initialized() else (1, 0)
    if config.batch % world:
        raise ValueError(f"a batch of {config.batch} cannot be shared by {world} processes")
    initialise(net, weights_seed)
    net.to(torch.device(device), memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    in_memory = isinstance(data.images, np.ndarray)
    feed = Memory(config, data, device) if in_memory else Stream(config, data, device, order_seed)
    update = Update(net, config, feed, device, world)
    batches = feed.batches(torch.Generator().manual_seed(order_seed), rank, world)
    step = 0
    for stop in sorted({min(stop, config.iterations) for stop in (*checkpoints, config.iterations)}):
        net.train()
        while step < stop:
            update(next(batches), config.lr * 0.1 ** sum(step >= milestone for milestone in config.milestones))
            step += 1
        settle(net, feed.sweep())
        yield step, Network(net, config, feed.mean_HWC, update.engine)


def _check(config: Config, data: Images) -> None:
    wanted = (config.image, config.image, config.channels)
    if isinstance(data.images, np.ndarray) and data.images.shape[1:] != wanted:
        raise ValueError(f"images are {data.images.shape[1:]}, but the config says {wanted}")
    if data.classes != config.classes:
        raise ValueError(f"there are {data.classes} classes, but the config says {config.classes}")
    if len(data.labels) < config.batch:
        raise ValueError(f"{len(data.labels)} images do not fill a batch of {config.batch}")


def state(predictor: Network) -> dict[str, NDArray[Any]]:
    """Weights, the normalizations' statistics and the mean image, by name."""
    learnt = {name: value for name, value in predictor.net.state_dict().items() if value.is_floating_point()}
    return {name: value.cpu().numpy() for name, value in {**learnt, "mean": predictor.mean_HWC}.items()}


def restore(config: Config, state: dict[str, NDArray[Any]], *, device: Device) -> Network:
    """The network with that state."""
    net = Net(config)
    tensors = {name: _tensor(value) for name, value in state.items()}
    mean_HWC = tensors.pop("mean").to(device)
    net.load_state_dict(tensors, strict=False)  # it counts batches as well, and prediction does not need the count
    net.to(torch.device(device), memory_format=torch.channels_last).eval()  # pyright: ignore[reportCallIssue]
    return Network(net, config, mean_HWC, "restored")


def deepen(predictor: Network, config: Config, *, seed: int) -> Network:
    """A deeper network that computes the same function (Section 1): trained layers and, after them, identities.

    Each stage keeps its trained blocks; an added block is the identity because the scale of its last normalization
    is zero, so F(x) = 0, and because its input is an output of a ReLU, which the ReLU after the addition keeps.
    """
    trained = predictor.net
    net = Net(config, type(trained.stages[0][0]))  # pyright: ignore[reportIndexIssue, reportArgumentType]
    initialise(net, seed)
    net.stem.load_state_dict(trained.stem.state_dict())
    net.classify.load_state_dict(trained.classify.state_dict())
    for blocks, known in zip(net.stages, trained.stages, strict=True):
        for index, block in enumerate(blocks):  # pyright: ignore[reportArgumentType] -- a stage is a Sequential
            if index < len(known):  # pyright: ignore[reportArgumentType]
                block.load_state_dict(known[index].state_dict())  # pyright: ignore[reportIndexIssue]
            else:
                nn.init.zeros_(block.body[-1].weight)
    net.to(predictor.mean_HWC.device, memory_format=torch.channels_last).eval()  # pyright: ignore[reportCallIssue]
    return Network(net, config, predictor.mean_HWC, predictor.engine)


def probe(config: Config, images: NDArray[np.uint8], labels: NDArray[np.int64], *, seed: int) -> tuple[Signal, ...]:
    """What each block of the untrained network shows on one batch of images [N, H, W, C] with labels [N]."""
    return observe(Net(config), images, labels, seed=seed)


def observe(net: Net, images: NDArray[np.uint8], labels: NDArray[np.int64], *, seed: int) -> tuple[Signal, ...]:
    """Outputs of the blocks, and the gradient of the loss by the first kernel of each, at initialisation."""
    initialise(net, seed)
    images_NHWC = _tensor(images)
    blocks = {name: module for name, module in net.named_modules() if isinstance(module, Block)}
    outputs: dict[str, Tensor] = {}
    for name, block in blocks.items():
        block.register_forward_hook(lambda _, __, y_NCHW, name=name: outputs.update({name: y_NCHW.detach().clone()}))  # pyright: ignore
    logits_NK = net.train()(standardise(images_NHWC, images_NHWC.float().mean(0)))
    F.cross_entropy(logits_NK, _tensor(labels)).backward()
    return tuple(
        Signal(name=name, response=outputs[name].numpy(), gradient=block.body[0].weight.grad.numpy())  # pyright: ignore
        for name, block in blocks.items()
    )
