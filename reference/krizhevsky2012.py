"""ImageNet Classification with Deep Convolutional Neural Networks -- Krizhevsky, Sutskever & Hinton, 2012.

Paper       Advances in Neural Information Processing Systems 25 (NIPS 2012), pages 1097-1105; it is not on arXiv:
            read in the proceedings' version.
Implements  Section 3 (the network in two towers, local response normalization, overlapping pooling), Section 4 (crops
            and reflections, colour shifts, dropout), Section 5 (initialisation and the update), the ten-view test of
            Section 4.1, and small networks for the comparisons of Sections 3.1, 3.3 and 4.2.
Shapes      N examples, B batch, C channels, H height, W width, F side of a stored image, S side of a network's input,
            K classes, V crops, D parameters or features, T updates.
Units       losses are nats; learning rates are per update; images are bytes 0..255.

Deviations
  1. The first layer pads its input by 2 pixels. The paper's 224 pixels, filters of 11 and stride of 4 do not give
     the 55x55 outputs that the rest of the network needs; 224 padded by 2, or 227 as they are, do.
  2. Section 5 divides the learning rate by 10 when the validation error stops improving. Here that is at 300k, 550k
     and 750k of 900k updates of 128 images, which are 90 passes.
  3. ImageNet's mean image, and the covariance of colours, come from 4,096 training images rather than from all.
  4. Colours are measured in 0..1 for the principal components of Section 4.1. In 0..255 a shift of 0.1 eigenvalues
     would be hundreds of grey levels.
  5. Crops start at one of 32 places along each side (at one of F - S in general): that is the paper's factor of 2048,
     though a window of 224 pixels fits 33 times into 256.
  6. The sum of the response normalization runs over all of a layer's maps, as its formula says, also from one tower
     into the other.
  7. The four-layer CIFAR-10 network of Section 3.3 is specified by the code and parameter files that its footnote
     names, that of Section 3.1 nowhere. Here both are three convolutions of 64 filters and a linear layer, with the
     paper's pooling and normalization.
  8. Small networks on small images start from N(0, 1 / fan-in) and biases of 0, and their inputs are divided by 255:
     the paper's standard deviation of 0.01 is for inputs of its size.
  9. A pass over the data leaves out the images that do not fill a batch; they are others in each pass.
 10. Both towers are on one device. Data may be spread over several instead, a share of each batch to each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from reference.common.cuda_graphs import GraphedUpdate
from reference.common.images import colour_directions, cropped, resized, standard_crops, to_tensor
from reference.common.loaders import STATISTICS_IMAGES, InMemoryLoader, StreamingLoader, decoded, in_chunks
from reference.common.momentum import Momentum, resume, snapshot
from reference.common.networks import learnt, trace, with_learnt
from reference.common.response_normalization import response_normalized
from reference.common.training import check_images, processes, run, stepped
from repro.task import Device, Images, Layer

CHUNK = 512  # images that are scored at a time


@dataclass(frozen=True, kw_only=True)
class Config:
    """One network and its training. Defaults are the network of Figure 2 and its recipe (Sections 3 to 5)."""

    filters: tuple[int, ...] = (96, 256, 384, 384, 256)
    kernels: tuple[int, ...] = (11, 5, 3, 3, 3)
    stride: int = 4  # of the first layer; the others have 1
    padding: int = 2  # of the first layer; the others keep the side
    split: tuple[int, ...] = (2, 4, 5)  # convolutions, counted from 1, that see the maps of their own tower only
    normalized: tuple[int, ...] = (1, 2)  # convolutions followed by response normalization
    pooled: tuple[int, ...] = (1, 2, 5)  # convolutions followed, after that, by max pooling
    pool: tuple[int, int] = (3, 2)  # size z and stride s of pooling; they overlap where s < z
    hidden: tuple[int, ...] = (4096, 4096)  # units of the fully connected layers before the last
    activation: Literal["relu", "tanh", "sigmoid"] = "relu"
    dropout: float = 0.5  # of the units of hidden fully connected layers
    std: float | None = 0.01  # of initial weights; None: 1 / sqrt(fan-in)
    ones: tuple[int, ...] = (2, 4, 5)  # convolutions with initial biases of `bias`, as the hidden linear layers have
    bias: float = 1.0
    frame: int = 256  # side of stored images, pixels
    image: int = 224  # side of the input, pixels
    channels: int = 3
    classes: int = 1000
    augment: Literal["none", "crop-mirror"] = "crop-mirror"  # none: central crops
    colour: float = 0.1  # standard deviation of colour shifts, in eigenvalues; 0: none
    scale: float = 1.0  # of inputs after the mean is subtracted
    batch: int = 128
    iterations: int = 900_000
    lr: float = 0.01
    milestones: tuple[int, ...] = (300_000, 550_000, 750_000)  # updates after which lr is divided by 10
    momentum: float = 0.9
    weight_decay: float = 5e-4  # on every parameter
    precision: Literal["float32", "bfloat16"] = "float32"  # of activations in training


_SMALL = Config(
    stride=1, split=(), std=None, ones=(), bias=0.0, colour=0.0, scale=1 / 255, classes=10, hidden=(), dropout=0.0
)  # fmt: skip


def _small(**fields: Any) -> Config:
    return Config(**{**vars(_SMALL), **fields})


CONFIGS = {
    "alexnet": Config(),
    "cifar-4": _small(  # Section 3.3
        filters=(64, 64, 64), kernels=(5, 5, 3), normalized=(1, 2), pooled=(1, 2), frame=32, image=24,
        iterations=60_000, milestones=(40_000, 50_000), weight_decay=1e-3,
    ),
    "cifar-4-plain": _small(  # Figure 1: no regularization of any kind
        filters=(64, 64, 64), kernels=(5, 5, 3), normalized=(), pooled=(1, 2), frame=32, image=32, padding=2,
        augment="none", iterations=15_000, milestones=(), weight_decay=0.0,
    ),
    "digits-cnn": _small(
        filters=(16, 16, 32), kernels=(3, 3, 3), normalized=(), pooled=(2,), pool=(2, 2), padding=1, frame=8, image=8,
        channels=1, augment="none", batch=32, iterations=200, milestones=(), weight_decay=0.0,
    ),
    "digits-mlp": _small(
        filters=(), kernels=(), normalized=(), pooled=(), hidden=(256, 256), dropout=0.5, frame=8, image=8, channels=1,
        augment="none", batch=50, iterations=600, lr=0.03, milestones=(), weight_decay=0.0,
    ),
}  # fmt: skip


def activated(kind: str, x: Tensor) -> Tensor:
    """The non-linearity of a unit (Section 3.1)."""
    if kind == "relu":
        return F.relu_(x)
    return torch.tanh(x) if kind == "tanh" else torch.sigmoid(x)


class Net(nn.Module):
    """Figure 2: convolutions in two towers, fully connected layers, and a layer of logits."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.kept = config, 1 - config.dropout
        self.convolutions, self.linears = [], []  # in order; modules are registered under the names of Section 3.5
        inputs, side = config.channels, config.image
        for number, (filters, kernel) in enumerate(zip(config.filters, config.kernels, strict=True), 1):
            stride, padding = (config.stride, config.padding) if number == 1 else (1, kernel // 2)
            groups = 2 if number in config.split else 1
            conv = nn.Conv2d(inputs, filters, kernel, stride=stride, padding=padding, groups=groups)
            self.convolutions.append(conv)
            self.add_module(f"conv{number}", conv)
            inputs, side = filters, (side + 2 * padding - kernel) // stride + 1
            if number in config.pooled:
                side = (side - config.pool[0]) // config.pool[1] + 1
        inputs *= side * side
        for number, outputs in enumerate((*config.hidden, config.classes), len(config.filters) + 1):
            self.linears.append(nn.Linear(inputs, outputs))
            self.add_module(f"fc{number}", self.linears[-1])
            inputs = outputs

    def features(self, x_BCHW: Tensor) -> Iterator[Tensor]:
        """What each convolution gives, after its activation, normalization and pooling."""
        for number, conv in enumerate(self.convolutions, 1):
            x_BCHW = activated(self.config.activation, conv(x_BCHW))
            if number in self.config.normalized:
                x_BCHW = response_normalized(x_BCHW)
            if number in self.config.pooled:
                x_BCHW = F.max_pool2d(x_BCHW, *self.config.pool)
            yield x_BCHW

    def forward(self, x_BCHW: Tensor, masks: Sequence[Tensor] | None = None) -> Tensor:
        """Logits [B, K]; hidden units as the masks [B, D] say, or without masks all, their outputs halved."""
        for features_BCHW in self.features(x_BCHW):
            x_BCHW = features_BCHW
        h_BD = x_BCHW.flatten(1)
        for index, linear in enumerate(self.linears[:-1]):
            h_BD = activated(self.config.activation, linear(h_BD))
            if self.config.dropout:
                h_BD = h_BD * (self.kept if masks is None else masks[index].to(h_BD.dtype))
        return self.linears[-1](h_BD)


def initialise(net: Net, seed: int) -> None:
    """Weights from N(0, std^2); biases 1 where they give rectifiers positive inputs to start from, else 0."""
    generator, config = torch.Generator().manual_seed(seed), net.config
    positive = [net.convolutions[number - 1] for number in config.ones] + net.linears[:-1]
    for module in (*net.convolutions, *net.linears):
        fan_in = module.weight[0].numel()
        nn.init.normal_(module.weight, 0.0, config.std or fan_in**-0.5, generator=generator)
        nn.init.constant_(module.bias, config.bias if module in positive else 0.0)


def layers(config: Config) -> tuple[Layer, ...]:
    """Every layer with weights, in the order of execution, without allocating any."""
    with torch.device("meta"):
        return trace(Net(config), config.channels, config.image)


def word(*keys: int) -> int:
    """A seed for the draws that have those numbers, independent of all others."""
    return int(np.random.SeedSequence(keys).generate_state(1, np.uint64)[0] >> np.uint64(1))


def draw(config: Config, number: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """For each of N images: rows above its crop, columns left of it and mirroring [N, 3]; colour weights [N, C]."""
    room = config.frame - config.image
    if config.augment == "none":
        place_N3 = torch.tensor([[room // 2, room // 2, 0]]).expand(number, 3)
    else:
        place_N2 = torch.randint(0, max(room, 1), (number, 2), generator=generator)
        place_N3 = torch.cat((place_N2, torch.randint(0, 2, (number, 1), generator=generator)), 1)
    return place_N3, config.colour * torch.randn(number, config.channels, generator=generator)


def augmented(
    config: Config, images_NHWC: Tensor, index_B: Tensor, place_B3: Tensor, alpha_BC: Tensor, colour_CC: Tensor
) -> Tensor:
    """Section 4.1: crops, mirrored, every pixel of an image shifted by the same colour, in 0..255, [B, S, S, C]."""
    x_BHWC = cropped(images_NHWC, index_B, place_B3, config.image).float()
    return x_BHWC + (alpha_BC @ colour_CC.T)[:, None, None, :] if config.colour else x_BHWC


def components(images_NHWC: Tensor) -> Tensor:
    """Colour directions, a column each: principal components times their eigenvalues."""
    covariance = torch.cov(images_NHWC.flatten(0, 2).double().T)
    return colour_directions(covariance.reshape(images_NHWC.shape[3], -1))


def augment(config: Config, images: NDArray[np.uint8], *, seed: int) -> NDArray[np.float32]:
    """One training input of each image [N, F, F, C], as 0..255 before the mean is subtracted, [N, S, S, C]."""
    images_NHWC = to_tensor(images)
    place_N3, alpha_NC = draw(config, len(images), torch.Generator().manual_seed(seed))
    colour_CC = components(images_NHWC) if config.colour else torch.empty(0)
    return augmented(config, images_NHWC, torch.arange(len(images)), place_N3, alpha_NC, colour_CC).numpy()


class Feed:
    """Training images, batch by batch: what is random about a pass comes from its number alone.

    Images in memory lie on the device, and batches are gathered there; others are decoded by worker processes.
    """

    def __init__(self, config: Config, data: Images, device: Device, seed: int) -> None:
        self.config, self.data = config, data
        self.device: Device = device
        self.labels_N, self.colour_CC = to_tensor(data.labels), torch.empty(0)
        if isinstance(data.images, np.ndarray):
            loader = InMemoryLoader(data, device)
            self.images_NHWC: Tensor | None = loader.images_NHWC
            if config.colour:
                self.colour_CC = components(to_tensor(data.images[:STATISTICS_IMAGES])).to(device)
        else:
            loader = StreamingLoader(data, device, self._framed, config.batch, word(seed))
            self.images_NHWC, self.colour_CC = None, loader.colour_CC
        self.mean_HWC = loader.mean_HWC  # per pixel (Section 2)

    def batches(self, seed: int, start: int, rank: int, world: int) -> Iterator[tuple[Tensor, ...]]:
        """For ever from update `start` on: images or their numbers, labels, places and colour weights of a batch."""
        batch, total = self.config.batch, len(self.labels_N)
        each = total // batch
        for number in count(start // each):
            generator = torch.Generator().manual_seed(word(seed, number))
            order_N = torch.randperm(total, generator=generator)
            place_N3, alpha_NC = draw(self.config, total, generator)
            first = start % each if number == start // each else 0
            rows = [slice(row * batch + rank, (row + 1) * batch, world) for row in range(first, each)]
            for row, images in zip(rows, self._fetched([order_N[row] for row in rows]), strict=True):
                yield images, self.labels_N[order_N[row]], place_N3[row], alpha_NC[row]

    def prepare(self, images: Tensor, labels_B: Tensor, place_B3: Tensor, alpha_BC: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs [B, C, S, S] and labels [B]: cropped, mirrored, colours shifted, mean subtracted."""
        source, index_B = self.images_NHWC, images
        if source is None:
            source, index_B = images, torch.arange(len(images), device=images.device)
        x_BHWC = augmented(self.config, source, index_B, place_B3, alpha_BC, self.colour_CC)
        x_BHWC -= cropped(self.mean_HWC[None], torch.zeros_like(labels_B), place_B3, self.config.image)
        return x_BHWC.permute(0, 3, 1, 2) * self.config.scale, labels_B

    def _fetched(self, chosen: list[Tensor]) -> Iterable[Tensor]:
        """Of each batch the numbers of its images, or the images [B, F, F, C] in bytes."""
        if self.images_NHWC is not None:
            return chosen
        return decoded(lambda index: self._framed(self.data.images[index]), [i.tolist() for i in chosen], self.device)

    def _framed(self, picture_HWC: NDArray[np.uint8]) -> Tensor:
        return framed(picture_HWC, self.config.frame)


def framed(picture_HWC: NDArray[np.uint8], frame: int) -> Tensor:
    """The central square of an image, its side scaled to `frame` (Section 2)."""
    height, width = picture_HWC.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square_HWC = picture_HWC[top : top + side, left : left + side]
    return to_tensor(square_HWC) if side == frame else resized(square_HWC, frame, frame)


class Update(GraphedUpdate):
    """One update of all parameters. Dropout masks and the learning rate live on the device as inputs do."""

    def __init__(self, net: Net, config: Config, feed: Feed, device: Device, world: int) -> None:
        super().__init__(device, world)
        self.config, self.feed = config, feed
        self.model = DistributedDataParallel(net) if world > 1 else net
        self.momentum = Momentum(net.parameters(), config.momentum, config.weight_decay, fused=device != "mps")
        self.generator = torch.Generator(device)
        widths = config.hidden if config.dropout else ()
        self.masks = [torch.empty(config.batch // world, width, device=device) for width in widths]

    def __call__(self, inputs: tuple[Tensor, ...], rate: float, seed: int) -> None:
        """Update once, on the given batch; the seed decides which units are dropped."""
        self.place(inputs)
        self.generator.manual_seed(seed)
        for mask_BD in self.masks:
            mask_BD.bernoulli_(1 - self.config.dropout, generator=self.generator)
        self.momentum.at(rate)
        self.run()

    def _update(self) -> None:
        self.momentum.rule.zero_grad(set_to_none=True)  # first, so that they need no memory beside activations
        x_BCHW, labels_B = self.feed.prepare(*self.inputs)
        low = self.config.precision == "bfloat16"
        with torch.autocast(self.device, torch.bfloat16, cache_enabled=False) if low else nullcontext():
            logits_BK = self.model(x_BCHW, self.masks)
        F.cross_entropy(logits_BK.float(), labels_B).backward()
        self.momentum.rule.step()


class Network:
    """A trained network with what it needs to predict; while it is trained, also what it needs to go on."""

    def __init__(self, net: Net, mean_HWC: Tensor, step: int, update: Update | None) -> None:
        self.net, self.config, self.mean_HWC, self.step, self.update = net, net.config, mean_HWC, step, update

    def predict(self, images: Any, *, crops: int = 1) -> NDArray[np.float32]:
        """Logits [N, K], or for ten crops the logarithm of their mean softmax.

        Raises:
            ValueError: for a number of crops other than 1 and 10.
        """
        if crops not in (1, 10):
            raise ValueError(f"networks predict from 1 or 10 crops of an image, not from {crops}")
        frame, device = self.config.frame, "cuda" if self.mean_HWC.is_cuda else "cpu"
        many = max(1, CHUNK // crops if self.config.image < 64 else 64)
        batches = in_chunks(images, frame, many, lambda x_HWC: framed(x_HWC, frame)[None], device)
        with torch.no_grad():
            chunks = [self._scores(frames_B1HWC[:, 0], crops).cpu() for frames_B1HWC in batches]
        return torch.cat([torch.empty(0, self.config.classes), *chunks]).numpy()

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """All that training needs to go on from here, while this is the newest predictor: see `train`.

        Raises:
            ValueError: for a network that is not being trained.
        """
        if self.update is None:
            raise ValueError("a restored network is not being trained")
        return snapshot(self.net, self.update.momentum, self.step)

    def _scores(self, frames_BHWC: Tensor, crops: int) -> Tensor:
        x_BHWC = frames_BHWC.to(self.mean_HWC.device, non_blocking=True).float() - self.mean_HWC
        x_BVHWC = standard_crops(x_BHWC, self.config.image, crops)
        logits_NK = self.net(x_BVHWC.flatten(0, 1).permute(0, 3, 1, 2) * self.config.scale)
        return logits_NK if crops == 1 else logits_NK.unflatten(0, (-1, crops)).softmax(2).mean(1).log()


def train(
    config: Config,
    data: Images,
    *,
    seed: int,
    device: Device,
    eval_steps: Sequence[int] = (),
    start: Mapping[str, NDArray[Any]] | None = None,
) -> Iterator[tuple[int, Network]]:
    """Train as the paper does; see `repro.task.Classifier`. Data-parallel where `torch.distributed` is initialised.

    Args:
        config: the network and its training.
        data: what it is trained on.
        seed: of everything random.
        device: where it is trained.
        eval_steps: updates after which predictors are wanted; those before `start` are left out.
        start: a predictor's `snapshot`, of the same seed and config, to go on from as if training had never stopped.

    Raises:
        ValueError: if the data do not have the config's sizes.
    """
    check_images(data, (config.frame, config.frame, config.channels), config.classes, config.batch)
    weights_seed, order_seed, dropout_seed = (int(w) for w in np.random.SeedSequence(seed).generate_state(3))
    world, rank = processes(config.batch)
    net = Net(config)
    initialise(net, weights_seed)
    net.to(torch.device(device), memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    feed = Feed(config, data, device, order_seed)
    update = Update(net, config, feed, device, world)
    first = 0 if start is None else resume(net, update.momentum, start)
    batches = feed.batches(order_seed, first, rank, world)

    def one(step: int) -> None:
        update(next(batches), stepped(config.lr, config.milestones, step), word(dropout_seed, step, rank))

    for step in run(one, eval_steps, config.iterations, first):
        yield step, Network(net, feed.mean_HWC, step, update)


def state(predictor: Network) -> dict[str, NDArray[Any]]:
    """Weights and the mean image, by name."""
    return {**learnt(predictor.net), "mean": predictor.mean_HWC.cpu().numpy()}


def restore(config: Config, state: dict[str, NDArray[Any]], *, device: Device) -> Network:
    """The network with that state."""
    net = with_learnt(Net(config), state, device)
    return Network(net, to_tensor(state["mean"]).to(device), config.iterations, None)


def normalize(config: Config, activations: NDArray[Any]) -> NDArray[Any]:
    """Local response normalization of activations [N, C, H, W] of neighbouring maps (Section 3.3)."""
    return response_normalized(to_tensor(activations)).numpy()


def descend(
    config: Config, weights: NDArray[np.float64], gradients: NDArray[np.float64], rates: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weights [T, D] after each update, from weights [D], by gradients [T, D] at learning rates [T] (Section 5)."""
    w_D = nn.Parameter(to_tensor(weights))
    momentum = Momentum([w_D], config.momentum, config.weight_decay, fused=True)
    found: list[NDArray[np.float64]] = []
    for gradient_D, rate in zip(gradients, rates, strict=True):
        w_D.grad = to_tensor(gradient_D)
        momentum.at(float(rate))
        momentum.rule.step()
        found.append(w_D.detach().numpy().copy())
    return np.stack(found)


def sensitivity(config: Config, image: NDArray[np.uint8], *, seed: int) -> dict[str, NDArray[np.float64]]:
    """By convolution: how much the middle of what it gives, after pooling, depends on each pixel of an image, [S, S].

    That is the gradient by the pixel, of the sum over maps, in absolute value and summed over colours; the network is
    untrained, and the image [S, S, C] is given without a mean.
    """
    net = Net(config)
    initialise(net, seed)
    x_1CHW = to_tensor(image).double().permute(2, 0, 1)[None].requires_grad_()
    found = {}
    for number, features_1CHW in enumerate(net.double().features(x_1CHW * config.scale), 1):
        middle = features_1CHW.shape[2] // 2
        (gradient,) = torch.autograd.grad(features_1CHW[0, :, middle, middle].sum(), x_1CHW, retain_graph=True)
        found[f"conv{number}"] = gradient[0].abs().sum(0).numpy()
    return found
