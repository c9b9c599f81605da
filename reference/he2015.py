"""Deep Residual Learning for Image Recognition -- He, Zhang, Ren & Sun, 2015.

Paper       arXiv:1512.03385v1
Implements  Section 3 (residual blocks, shortcut options A, B and C, bottlenecks), Section 3.4 and Table 1 (ImageNet),
            Section 4.2 (CIFAR-10), and the construction of Section 1 that deepens a trained network by identities.
Shapes      N examples, B batch, C channels, H height, W width, K classes, V crops.
Units       losses are nats; learning rates are per update; images are bytes 0..255.

Deviations
  1. The batch normalization statistics used for prediction are computed over the training images after training.
     The paper does not say; the authors' released models have averaged rather than moving statistics.
  2. Section 3.4 divides ImageNet's learning rate by 10 "when the error plateaus": here at 150k, 300k and 450k updates.
  3. The rule of Section 4.2 that ends the warm-up of the 110-layer network (training error below 80 %) looks at
     an exponential average of the error on training batches, with weight 0.05 on the newest.
  4. A pass over the data leaves out the images that do not fill a batch; they are others in each pass.
  5. ImageNet's mean image and colour covariance come from 4,096 training images, the statistics of deviation 1 from
     50,000. Colour shifts are eigenvalues, as in the paper's [21], of colours in 0..1, not in 0..255.
  6. Inputs are divided by 255 after the mean is subtracted; the first normalization cancels the factor.
  7. A batch is normalized as a whole (under torchrun, a process's share of it), by the authors in halves on two GPUs.
  8. The 1202-layer network is warmed up as the 110-layer one is; the paper says "trained as described above".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from reference.common.cuda_graphs import GraphedUpdate
from reference.common.images import resized, standard_crops, standardise, to_tensor
from reference.common.loaders import InMemoryLoader, StreamingLoader, decoded, in_chunks
from reference.common.networks import learnt, recalibrate_batchnorm, trace, with_learnt
from reference.common.training import check_images, processes, run, stepped
from repro.task import Device, Images, Layer, Signal

TABLE_1 = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
CALIBRATION_IMAGES, CHUNK = 50_000, 1024


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


def seeds(seed: int, count: int) -> list[int]:
    """Seeds of independent generators; the first is that of the weights."""
    return [int(word) for word in np.random.SeedSequence(seed).generate_state(count)]


def layers(config: Config) -> tuple[Layer, ...]:
    """Every layer with weights, in the order of execution, without allocating any."""
    with torch.device("meta"):
        return trace(Net(config), config.channels, config.image)


class CifarLoader(InMemoryLoader):
    """Section 4.2: batches are gathered and augmented on the device."""

    def __init__(self, config: Config, data: Images, device: Device) -> None:
        super().__init__(data, device)
        self.config = config

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


class ImageNetLoader(StreamingLoader):
    """Section 3.4: random crops of scaled images are decoded by other processes, and augmented on the device."""

    def __init__(self, config: Config, data: Images, device: Device, seed: int) -> None:
        super().__init__(data, device, lambda x_HWC: crops_of(x_HWC, config.image, 1)[0], config.batch, seed)
        self.config = config

    def batches(self, generator: torch.Generator, rank: int, world: int) -> Iterator[tuple[Tensor, ...]]:
        """For ever: crops [B, H, W, C] in bytes, labels [B], mirroring [B] and colour weights [B, C]."""
        count, batch = len(self.labels_N), self.config.batch
        while True:
            order_N = torch.randperm(count, generator=generator)
            draws_N4 = torch.rand(count, 4, generator=generator)
            alpha_N3 = 0.1 * torch.randn(count, 3, generator=generator)
            rows = [slice(s + rank, s + batch, world) for s in range(0, count - batch + 1, batch)]
            tasks = [list(zip(order_N[r].tolist(), draws_N4[r, :3].tolist(), strict=True)) for r in rows]
            for row, crops_BHWC in zip(rows, decoded(self._scaled, tasks, self.device), strict=True):
                yield crops_BHWC, self.labels_N[order_N[row]], draws_N4[row, 3] < 0.5, alpha_N3[row]

    def prepare(self, crops_BHWC: Tensor, labels_B: Tensor, flip_B: Tensor, alpha_B3: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs [B, C, H, W] and labels [B]: mirrored, mean subtracted, colours shifted as in the paper's [21]."""
        x_BHWC = crops_BHWC.float() - self.mean_HWC
        x_BHWC = torch.where(flip_B[:, None, None, None], x_BHWC.flip(2), x_BHWC)
        x_BHWC = x_BHWC + (alpha_B3 @ self.colour_CC.T)[:, None, None, :]
        return x_BHWC.permute(0, 3, 1, 2) / 255, labels_B

    def sweep(self) -> Iterator[Tensor]:
        """Inputs of up to 50,000 training images, central crops without augmentation."""
        for crops_BHWC in self.framed(self.some[:CALIBRATION_IMAGES]):
            yield standardise(crops_BHWC.to(self.device), self.mean_HWC)

    def _scaled(self, task: tuple[int, list[float]]) -> Tensor:
        """A random crop of the image scaled so that its shorter side is 256 to 480 (Section 3.4)."""
        index, (scale, down, right) = task
        picture_HWC = self.data.images[index]
        height, width = picture_HWC.shape[:2]
        side = round(224 * min(height, width) / (256 + int(225 * scale)))
        top, left = int(down * (height - side + 1)), int(right * (width - side + 1))
        return resized(picture_HWC[top : top + side, left : left + side], self.config.image, self.config.image)


def crops_of(picture_HWC: NDArray[np.uint8], size: int, crops: int) -> Tensor:
    """The central crop, or the standard ten: corners, centre and their mirror images [V, size, size, C]."""
    height, width = picture_HWC.shape[:2]
    if crops == 1 and height == width == size:
        return to_tensor(picture_HWC)[None]
    short = round(256 * size / 224)
    height, width = (max(short, round(side * short / min(height, width))) for side in (height, width))
    return standard_crops(resized(picture_HWC, height, width), size, crops)


class Network:
    """A trained network with what it needs to predict; `engine` says how its updates were run."""

    def __init__(self, net: Net, config: Config, mean_HWC: Tensor, engine: str) -> None:
        self.net, self.config, self.mean_HWC, self.engine = net, config, mean_HWC, engine

    def predict(self, images: Any, *, crops: int = 1) -> NDArray[np.float32]:
        """Logits [N, K], or for ten crops the logarithm of their mean softmax.

        Raises:
            ValueError: for a number of crops other than 1, or 10 on ImageNet.
        """
        if crops not in ((1, 10) if self.config.stem == "imagenet" else (1,)):
            raise ValueError(f"{crops} crops of an image: {self.config.stem} networks do not predict from that many")
        side, device = self.config.image, "cuda" if self.mean_HWC.is_cuda else "cpu"
        alone = side if crops == 1 else 0
        batches = in_chunks(images, alone, CHUNK, lambda x_HWC: crops_of(x_HWC, side, crops), device)
        with torch.no_grad():
            chunks = [self._scores(crops_BVHWC).cpu() for crops_BVHWC in batches]
        return torch.cat([torch.empty(0, self.config.classes), *chunks]).numpy()

    def _scores(self, crops_BVHWC: Tensor) -> Tensor:
        crops_NHWC = crops_BVHWC.to(self.mean_HWC.device, non_blocking=True).flatten(0, 1)
        logits_BVK = self.net(standardise(crops_NHWC, self.mean_HWC)).unflatten(0, crops_BVHWC.shape[:2])
        return logits_BVK[:, 0] if logits_BVK.shape[1] == 1 else logits_BVK.softmax(2).mean(1).log()


class Update(GraphedUpdate):
    """One update of all parameters by SGD. Learning rate and the warm-up's state live on the device as inputs do."""

    def __init__(
        self, net: Net, config: Config, feed: CifarLoader | ImageNetLoader, device: Device, world: int
    ) -> None:
        super().__init__(device, world)
        self.config, self.feed, self.world = config, feed, world
        self.model = DistributedDataParallel(net, broadcast_buffers=False) if world > 1 else net
        self.base, self.rate = torch.zeros((), device=device), torch.zeros((), device=device)
        self.warming, self.error = (torch.full((), float(n), device=device) for n in (config.warmup, True))
        rule = {"momentum": config.momentum, "weight_decay": config.weight_decay, "fused": device != "mps"}
        self.optimizer = torch.optim.SGD(net.parameters(), self.rate, **rule)

    def __call__(self, inputs: tuple[Tensor, ...], rate: float) -> None:
        """Update once, on the given batch."""
        self.place(inputs)
        self.base.fill_(rate)
        self.run()

    def _update(self) -> None:
        x_BCHW, labels_B = self.feed.prepare(*self.inputs)
        low = self.config.precision == "bfloat16"
        with torch.autocast(self.device, torch.bfloat16, enabled=low, cache_enabled=False):
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


def train(
    config: Config, data: Images, *, seed: int, device: Device, eval_steps: Sequence[int] = ()
) -> Iterator[tuple[int, Network]]:
    """Train as the paper does; see `repro.task.Classifier`."""
    return fit(Net(config), config, data, seed=seed, device=device, eval_steps=eval_steps)


def fit(
    net: Net, config: Config, data: Images, *, seed: int, device: Device, eval_steps: Sequence[int] = ()
) -> Iterator[tuple[int, Network]]:
    """Train a network in place, data-parallel where `torch.distributed` has been initialised.

    Raises:
        ValueError: if the data do not have the config's sizes.
    """
    check_images(data, (config.image, config.image, config.channels), config.classes, config.batch)
    weights_seed, order_seed = seeds(seed, 2)
    world, rank = processes(config.batch)
    initialise(net, weights_seed)
    net.to(torch.device(device), memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    feed = loader(config, data, device, order_seed)
    update = Update(net, config, feed, device, world)
    batches = feed.batches(torch.Generator().manual_seed(order_seed), rank, world)
    net.train()
    rate = partial(stepped, config.lr, config.milestones)
    for step in run(lambda step: update(next(batches), rate(step)), eval_steps, config.iterations):
        recalibrate_batchnorm(net, feed.sweep())
        yield step, Network(net, config, feed.mean_HWC, update.engine)
        net.train(step < config.iterations)


def loader(config: Config, data: Images, device: Device, seed: int) -> CifarLoader | ImageNetLoader:
    """What feeds training, by whether images are in memory; `seed` chooses those that statistics come from."""
    in_memory = isinstance(data.images, np.ndarray)
    return CifarLoader(config, data, device) if in_memory else ImageNetLoader(config, data, device, seed)


def state(predictor: Network) -> dict[str, NDArray[Any]]:
    """Weights, the normalizations' statistics and the mean image, by name."""
    return {**learnt(predictor.net), "mean": predictor.mean_HWC.cpu().numpy()}


def restore(config: Config, state: dict[str, NDArray[Any]], *, device: Device) -> Network:
    """The network with that state."""
    return Network(with_learnt(Net(config), state, device), config, to_tensor(state["mean"]).to(device), "restored")


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
    """What each block shows on one batch of images [N, H, W, C] with labels [N], before training at that seed."""
    return observe(Net(config), images, labels, seed=seed)


def observe(net: Net, images: NDArray[np.uint8], labels: NDArray[np.int64], *, seed: int) -> tuple[Signal, ...]:
    """Outputs of the blocks, and the gradient of the loss by the first kernel of each, at initialisation."""
    initialise(net, *seeds(seed, 1))
    images_NHWC = to_tensor(images)
    blocks = {name: module for name, module in net.named_modules() if isinstance(module, Block)}
    outputs: dict[str, Tensor] = {}
    for name, block in blocks.items():
        block.register_forward_hook(lambda _, __, y_NCHW, name=name: outputs.update({name: y_NCHW.detach().clone()}))  # pyright: ignore
    logits_NK = net.train()(standardise(images_NHWC, images_NHWC.float().mean(0)))
    F.cross_entropy(logits_NK, to_tensor(labels)).backward()
    return tuple(
        Signal(name=name, response=outputs[name].numpy(), gradient=block.body[0].weight.grad.numpy())  # pyright: ignore
        for name, block in blocks.items()
    )
