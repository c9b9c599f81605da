"""ImageNet Classification with Deep Convolutional Neural Networks -- Krizhevsky, Sutskever & Hinton, 2012.

Paper       Advances in Neural Information Processing Systems 25 (NIPS 2012), pages 1097-1105; it is not on arXiv:
            read in the proceedings' version.
Implements  Section 3 (the network in two towers, local response normalization, overlapping pooling), Section 4 (crops
            and reflections, colour shifts, dropout), Section 5 (initialisation and the update), the ten-view test of
            Section 4.1, and small networks for the comparisons of Sections 3.1, 3.3 and 4.2.
Shapes      N examples, B batch, C channels, H height, W width, F side of a stored image, S side of a network's input,
            K classes, V views, D parameters or features, T updates.
Units       losses are nats; learning rates are per update; images are bytes 0..255.

Deviations
  1. The first layer pads its input by 2 pixels. The paper's 224 pixels, filters of 11 and stride of 4 do not give
     the 55x55 outputs that the rest of the network needs; 224 padded by 2, or 227 as they are, do.
  2. Section 5 divides the learning rate by 10 when the validation error stops improving. Here that is at 300k, 550k
     and 750k of 900k updates of 128 images, which are 90 passes.
  3. ImageNet's mean image and colour covariance come from 4,096 training images rather than from all, colours from
     every fourth row and column.
  4. Colours are measured in 0..1 for the principal components of Section 4.1. In 0..255 a shift of 0.1 eigenvalues
     would be hundreds of grey levels.
  5. Crops start at one of 32 places along each side (at one of F - S in general): that is the paper's factor of 2048,
     though a window of 224 pixels fits 33 times into 256.
  6. The sum of the response normalization runs over all of a layer's maps, as its formula says, also from one tower
     into the other.
  7. The paper does not describe the four-layer CIFAR-10 networks of Sections 3.1 and 3.3. Here they are three
     convolutions of 64 filters and a linear layer, with the paper's pooling and normalization.
  8. Small networks on small images start from N(0, 1 / fan-in) and biases of 0, and their inputs are divided by 255:
     the paper's standard deviation of 0.01 is for inputs of its size.
  9. A pass over the data leaves out the images that do not fill a batch; they are others in each pass.
 10. Both towers are on one device. Data may be spread over several instead, a share of each batch to each.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from repro.task import Device, Images, Layer

K, ALPHA, BETA = 2.0, 1e-4, 0.75  # Section 3.3; that n is 5 is in _window, and beta in _power as well
STATISTICS_IMAGES, CHUNK = 4096, 512


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


class ResponseNormalization(torch.autograd.Function):
    """Section 3.3 with as little kept for the gradient as can be: a and s, the denominators before their power."""

    @staticmethod
    def forward(ctx: Any, a_BCHW: Tensor) -> Tensor:
        """The formula, b = a s^-0.75, where s = k + alpha * (sum of the squares of five neighbouring maps)."""
        s_BCHW = _window(a_BCHW.square()).mul_(ALPHA).add_(K)
        ctx.save_for_backward(a_BCHW, s_BCHW)
        return _power(s_BCHW).mul_(a_BCHW)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """dL/da = g s^-0.75 - 2 alpha beta a * (windowed sum of g a s^-1.75)."""
        (g_BCHW,) = gradients
        a_BCHW, s_BCHW = ctx.saved_tensors
        found_BCHW = _power(s_BCHW).mul_(g_BCHW)
        inner_BCHW = (found_BCHW * a_BCHW).div_(s_BCHW)
        return found_BCHW.addcmul_(_window(inner_BCHW), a_BCHW, value=-2 * ALPHA * BETA)


def _power(s: Tensor) -> Tensor:
    """s^-0.75, by roots, which are several times as fast as a general power."""
    root = s.rsqrt()
    return root.mul_(root.sqrt())


def _window(x_BCHW: Tensor) -> Tensor:
    """Sums over five neighbouring maps, fewer at the ends."""
    pairs = x_BCHW[:, :-1] + x_BCHW[:, 1:]  # maps i and i + 1
    sums = x_BCHW.clone()
    sums[:, 2:].add_(pairs[:, :-1])
    sums[:, :-2].add_(pairs[:, 1:])
    if x_BCHW.shape[1] > 1:
        sums[:, 1].add_(x_BCHW[:, 0])
        sums[:, -2].add_(x_BCHW[:, -1])
    return sums


def normalized(a_BCHW: Tensor) -> Tensor:
    """Local response normalization over neighbouring maps, in float32 at least."""
    wide_BCHW = a_BCHW.float() if a_BCHW.dtype == torch.bfloat16 else a_BCHW
    return ResponseNormalization.apply(wide_BCHW).to(a_BCHW.dtype)  # pyright: ignore[reportOptionalMemberAccess]


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
                x_BCHW = normalized(x_BCHW)
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
    found: list[Layer] = []

    def note(name: str, kind: Any, shapes: Any, output: Tensor) -> None:
        found.append(Layer(name=name, kind=kind, weights=shapes, output=tuple(output.shape[1:])))

    with torch.device("meta"):
        net = Net(config)
        for name, module in net.named_children():
            kind: Any = "conv" if isinstance(module, nn.Conv2d) else "linear"
            shapes = tuple(tuple(p.shape) for p in module.parameters())
            module.register_forward_hook(
                lambda _, __, output, name=name, kind=kind, shapes=shapes: note(name, kind, shapes, output)  # pyright: ignore
            )
        net(torch.empty(1, config.channels, config.image, config.image))
    return tuple(found)


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


def cropped(x_NHWC: Tensor, index_B: Tensor, place_B3: Tensor, size: int) -> Tensor:
    """Crops [B, size, size, C] of the images that `index_B` names, mirrored where the places say so."""
    down_B, right_B, flip_B = place_B3.unbind(1)
    place = torch.arange(size, device=index_B.device)
    row_BH = down_B[:, None] + place
    column_BW = right_B[:, None] + torch.where(flip_B[:, None] > 0, place.flip(0), place)
    return x_NHWC[index_B[:, None, None], row_BH[:, :, None], column_BW[:, None, :]]


def components(pixels_NC: Tensor) -> Tensor:
    """Colour directions, a column each: the principal components of pixels 0..255, times their eigenvalues.

    Eigenvalues are those of colours in 0..1 (deviation 4); a column is a shift in 0..255.
    """
    values_C, vectors_CC = torch.linalg.eigh(torch.cov(pixels_NC.double().T / 255).reshape(pixels_NC.shape[1], -1))
    return (255 * vectors_CC * values_C).float()


def augment(config: Config, images: NDArray[np.uint8], *, seed: int) -> NDArray[np.float32]:
    """One training input of each image [N, F, F, C], as 0..255 before the mean is subtracted, [N, S, S, C]."""
    images_NHWC = _tensor(images)
    place_N3, alpha_NC = draw(config, len(images), torch.Generator().manual_seed(seed))
    x_NHWC = cropped(images_NHWC, torch.arange(len(images)), place_N3, config.image).float()
    if config.colour:
        x_NHWC += (alpha_NC @ components(images_NHWC.flatten(0, 2)).T)[:, None, None, :]
    return x_NHWC.numpy()


class Feed:
    """Training images, batch by batch: what is random about a pass comes from its number alone."""

    def __init__(self, config: Config, data: Images, device: Device) -> None:
        self.config, self.data = config, data
        self.device: Device = device
        self.labels_N = _tensor(data.labels)
        self.mean_HWC, self.colour_CC = torch.empty(0), torch.empty(0)

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
            for row, images in zip(rows, self.fetch([order_N[row] for row in rows]), strict=True):
                yield images, self.labels_N[order_N[row]], place_N3[row], alpha_NC[row]

    def fetch(self, chosen: list[Tensor]) -> Iterable[Tensor]:
        """What stands for the images of each batch on its way to the device."""
        raise NotImplementedError

    def crops(self, images: Tensor, place_B3: Tensor) -> Tensor:
        """Crops of the images of a batch, in bytes [B, S, S, C]."""
        raise NotImplementedError

    def prepare(self, images: Tensor, labels_B: Tensor, place_B3: Tensor, alpha_BC: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs [B, C, S, S] and labels [B]: cropped, mirrored, colours shifted, mean subtracted."""
        x_BHWC = self.crops(images, place_B3).float()
        means = torch.zeros_like(labels_B)
        x_BHWC -= cropped(self.mean_HWC[None], means, place_B3, self.config.image)
        if self.config.colour:
            x_BHWC += (alpha_BC @ self.colour_CC.T)[:, None, None, :]
        return x_BHWC.permute(0, 3, 1, 2) * self.config.scale, labels_B


class Memory(Feed):
    """Images that fit on the device: batches are gathered there."""

    def __init__(self, config: Config, data: Images, device: Device) -> None:
        super().__init__(config, data, device)
        images_NHWC = _tensor(data.images)
        self.mean_HWC = (images_NHWC.sum(0, dtype=torch.int64) / len(images_NHWC)).to(device)  # per pixel
        if config.colour:
            self.colour_CC = components(images_NHWC[:STATISTICS_IMAGES].flatten(0, 2)).to(device)
        self.images_NHWC = images_NHWC.to(device)

    def fetch(self, chosen: list[Tensor]) -> Iterable[Tensor]:
        """Numbers of images."""
        return chosen

    def crops(self, images: Tensor, place_B3: Tensor) -> Tensor:
        """Gathered from all images."""
        return cropped(self.images_NHWC, images, place_B3, self.config.image)


class Stream(Feed):
    """Images that worker processes decode, an indexable sequence of [H, W, C] bytes; all else is the device's work."""

    def __init__(self, config: Config, data: Images, device: Device, seed: int) -> None:
        super().__init__(config, data, device)
        some = torch.randperm(len(self.labels_N), generator=torch.Generator().manual_seed(word(seed)))
        total_HWC, number = torch.zeros((), dtype=torch.int64), 0
        pixels: list[Tensor] = []
        for frames_BHWC in self.fetch(list(some[:STATISTICS_IMAGES].split(config.batch))):
            total_HWC, number = total_HWC + frames_BHWC.sum(0, dtype=torch.int64), number + len(frames_BHWC)
            pixels.append(frames_BHWC[:, ::4, ::4].flatten(0, 2))
        self.mean_HWC = (total_HWC / number).to(device)
        self.colour_CC = components(torch.cat(pixels)).to(device)

    def fetch(self, chosen: list[Tensor]) -> Iterable[Tensor]:
        """The images themselves, at the size that they would be stored in, in bytes [B, F, F, C]."""
        tasks = [index_B.tolist() for index_B in chosen]
        return _loader(lambda index: framed(self.data.images[index], self.config.frame), tasks, self.device)

    def crops(self, images: Tensor, place_B3: Tensor) -> Tensor:
        """Cut from the batch."""
        return cropped(images, torch.arange(len(images), device=images.device), place_B3, self.config.image)


def framed(picture_HWC: NDArray[np.uint8], frame: int) -> Tensor:
    """The central square of an image, its side scaled to `frame` (Section 2)."""
    height, width = picture_HWC.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square_HWC = _tensor(picture_HWC[top : top + side, left : left + side])
    if side == frame:
        return square_HWC
    square_1CHW = square_HWC.permute(2, 0, 1)[None]
    return F.interpolate(square_1CHW, (frame, frame), mode="bilinear", antialias=True)[0].permute(1, 2, 0)


def views_of(x_BHWC: Tensor, size: int, views: int) -> Tensor:
    """The central crop, or ten: corners, centre and their reflections (Section 4.1), [B, V, size, size, C]."""
    room = x_BHWC.shape[1] - size
    places = [(room // 2, room // 2)]
    if views == 10:
        places = [(0, 0), (0, room), (room, 0), (room, room), *places]
    crops = [x_BHWC[:, y : y + size, x : x + size] for y, x in places]
    return torch.stack([*crops, *(crop.flip(2) for crop in crops)] if views == 10 else crops, 1)


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(array, order="C"))  # a copy: the original may be read-only


def _loader(decode: Callable[[int], Tensor], tasks: Sequence[list[int]], device: Device) -> Iterable[Tensor]:
    """One tensor of stacked images for each list of numbers, in order; beside a GPU, decoded by other processes."""
    workers = min(16, os.cpu_count() or 1) if device == "cuda" else 0
    return DataLoader(
        tasks,  # pyright: ignore[reportArgumentType] -- a list is all that the loader needs
        batch_size=None,
        collate_fn=lambda task: torch.stack([decode(index) for index in task]),
        num_workers=workers,
        pin_memory=device == "cuda",
        prefetch_factor=4 if workers else None,
        generator=torch.Generator(),
    )


class Momentum:
    """Section 5: v <- 0.9 v - 0.0005 e w - e g; w <- w + v.

    torch's rule keeps u = -v / e. The two are the same as long as the learning rate e is; where e changes, u is
    scaled so that v stays what it was. That done, torch's fused kernel is the fastest way to compute the rule.
    """

    def __init__(self, parameters: Iterable[Tensor], config: Config, *, fused: bool) -> None:
        self.parameters = list(parameters)
        like = self.parameters[0]
        dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
        self.rate = torch.zeros((), dtype=dtype, device=like.device)
        rule = {"momentum": config.momentum, "weight_decay": config.weight_decay, "fused": fused}
        self.rule = torch.optim.SGD(self.parameters, self.rate, **rule)
        self.current = 0.0
        for parameter in self.parameters:
            self.rule.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)

    @property
    def scaled(self) -> list[Tensor]:
        """Each parameter's u."""
        return [self.rule.state[parameter]["momentum_buffer"] for parameter in self.parameters]

    def at(self, rate: float) -> None:
        """The learning rate of the next update."""
        if self.current not in (0.0, rate):
            torch._foreach_mul_(self.scaled, self.current / rate)
        if self.current != rate:
            self.current = rate
            self.rate.fill_(rate)


class Update:
    """One update of all parameters; on a GPU, a replayed CUDA graph.

    Inputs, dropout masks and the learning rate live at fixed places on the device, and nothing is read back. The first
    three updates on a GPU run kernel by kernel on a side stream; the fourth is captured and from then on replayed.
    Several processes are not captured; where capturing fails, `engine` says so.
    """

    def __init__(self, net: Net, config: Config, feed: Feed, device: Device, world: int) -> None:
        self.config, self.feed, self.device = config, feed, device
        self.model = DistributedDataParallel(net) if world > 1 else net
        self.momentum = Momentum(net.parameters(), config, fused=device != "mps")
        self.generator = torch.Generator(device)
        widths = config.hidden if config.dropout else ()
        self.masks = [torch.empty(config.batch // world, width, device=device) for width in widths]
        self.inputs: tuple[Tensor, ...] = ()
        self.engine, self.left = "eager", 3
        self.run = self._beside if device == "cuda" and world == 1 else self._update

    def __call__(self, inputs: tuple[Tensor, ...], rate: float, seed: int) -> None:
        """Update once, on the given batch; the seed decides which units are dropped."""
        if not self.inputs:
            self.inputs = tuple(torch.empty_like(value, device=self.device) for value in inputs)
        for place, value in zip(self.inputs, inputs, strict=True):
            place.copy_(value, non_blocking=True)
        if self.masks:
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


class Network:
    """A trained network with what it needs to predict; while it is trained, also what it needs to go on."""

    def __init__(self, net: Net, mean_HWC: Tensor, step: int, update: Update | None) -> None:
        self.net, self.config, self.mean_HWC, self.step, self.update = net, net.config, mean_HWC, step, update

    def predict(self, images: Any, *, views: int = 1) -> NDArray[np.float32]:
        """Logits [N, K], or for ten views the logarithm of their mean softmax.

        Raises:
            ValueError: for a number of views other than 1 and 10.
        """
        if views not in (1, 10):
            raise ValueError(f"networks predict from 1 or 10 views of an image, not from {views}")
        with torch.no_grad():
            chunks = [self._scores(frames_BHWC, views).cpu() for frames_BHWC in self._frames(images, views)]
        return torch.cat([torch.empty(0, self.config.classes), *chunks]).numpy()

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """All that training needs to go on from here, while this is the newest predictor: see `train`.

        Raises:
            ValueError: for a network that is not being trained.
        """
        if self.update is None:
            raise ValueError("a restored network is not being trained")
        momentum = self.update.momentum
        found = {"step": np.array(self.step), "rate": np.array(momentum.current)}
        for (name, weights), scaled in zip(self.net.named_parameters(), momentum.scaled, strict=True):
            found |= {f"weights.{name}": _array(weights), f"momentum.{name}": _array(scaled)}
        return found

    def _frames(self, images: Any, views: int) -> Iterable[Tensor]:
        frame, many = self.config.frame, max(1, CHUNK // views if self.config.image < 64 else 64)
        starts = range(0, len(images), many)
        if isinstance(images, np.ndarray) and images.shape[1:3] == (frame, frame):
            return (_tensor(images[start : start + many]) for start in starts)
        tasks = [list(range(start, min(start + many, len(images)))) for start in starts]
        device: Device = "cuda" if self.mean_HWC.is_cuda else "cpu"
        return _loader(lambda index: framed(images[index], frame), tasks, device)

    def _scores(self, frames_BHWC: Tensor, views: int) -> Tensor:
        x_BHWC = frames_BHWC.to(self.mean_HWC.device, non_blocking=True).float() - self.mean_HWC
        x_BVHWC = views_of(x_BHWC, self.config.image, views)
        logits_NK = self.net(x_BVHWC.flatten(0, 1).permute(0, 3, 1, 2) * self.config.scale)
        return logits_NK if views == 1 else logits_NK.unflatten(0, (-1, views)).softmax(2).mean(1).log()


def train(
    config: Config,
    data: Images,
    *,
    seed: int,
    device: Device,
    checkpoints: Sequence[int] = (),
    start: Mapping[str, NDArray[Any]] | None = None,
) -> Iterator[tuple[int, Network]]:
    """Train as the paper does; see `repro.task.Classifier`. Data-parallel where `torch.distributed` is initialised.

    Args:
        config: the network and its training.
        data: what it is trained on.
        seed: of everything random.
        device: where it is trained.
        checkpoints: updates after which predictors are wanted; those before `start` are left out.
        start: a predictor's `snapshot`, of the same seed and config, to go on from as if training had never stopped.

    Raises:
        ValueError: if the data do not have the config's sizes.
    """
    _check(config, data)
    weights_seed, order_seed, dropout_seed = (int(w) for w in np.random.SeedSequence(seed).generate_state(3))
    world, rank = (dist.get_world_size(), dist.get_rank()) if dist.is_initialized() else (1, 0)
    if config.batch % world:
        raise ValueError(f"a batch of {config.batch} cannot be shared by {world} processes")
    net = Net(config)
    initialise(net, weights_seed)
    net.to(torch.device(device), memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    in_memory = isinstance(data.images, np.ndarray)
    feed = Memory(config, data, device) if in_memory else Stream(config, data, device, order_seed)
    update = Update(net, config, feed, device, world)
    step = 0 if start is None else _resume(net, update, start)
    batches = feed.batches(order_seed, step, rank, world)
    for stop in sorted({min(stop, config.iterations) for stop in (*checkpoints, config.iterations)}):
        if stop < step:
            continue
        while step < stop:
            rate = config.lr * 0.1 ** sum(step >= milestone for milestone in config.milestones)
            update(next(batches), rate, word(dropout_seed, step, rank))
            step += 1
        yield step, Network(net, feed.mean_HWC, step, update)


def _check(config: Config, data: Images) -> None:
    wanted = (config.frame, config.frame, config.channels)
    if isinstance(data.images, np.ndarray) and data.images.shape[1:] != wanted:
        raise ValueError(f"images are {data.images.shape[1:]}, but the config says {wanted}")
    if data.classes != config.classes:
        raise ValueError(f"there are {data.classes} classes, but the config says {config.classes}")
    if len(data.labels) < config.batch:
        raise ValueError(f"{len(data.labels)} images do not fill a batch of {config.batch}")


def _resume(net: Net, update: Update, start: Mapping[str, NDArray[Any]]) -> int:
    momentum = update.momentum
    with torch.no_grad():
        for (name, weights), scaled in zip(net.named_parameters(), momentum.scaled, strict=True):
            weights.copy_(_tensor(start[f"weights.{name}"]))
            scaled.copy_(_tensor(start[f"momentum.{name}"]))
    momentum.current = float(start["rate"])
    momentum.rate.fill_(momentum.current)
    return int(start["step"])


def _array(tensor: Tensor) -> NDArray[Any]:
    return tensor.detach().cpu().numpy().copy()  # a copy: training goes on


def state(predictor: Network) -> dict[str, NDArray[Any]]:
    """Weights and the mean image, by name."""
    learnt = {name: _array(value) for name, value in predictor.net.named_parameters()}
    return {**learnt, "mean": _array(predictor.mean_HWC)}


def restore(config: Config, state: dict[str, NDArray[Any]], *, device: Device) -> Network:
    """The network with that state."""
    net = Net(config)
    tensors = {name: _tensor(value) for name, value in state.items()}
    mean_HWC = tensors.pop("mean").to(device)
    net.load_state_dict(tensors)
    net.to(torch.device(device), memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return Network(net, mean_HWC, config.iterations, None)


def normalize(config: Config, activations: NDArray[Any]) -> NDArray[Any]:
    """Local response normalization of activations [N, C, H, W] of neighbouring maps (Section 3.3)."""
    return normalized(_tensor(activations)).numpy()


def descend(
    config: Config, weights: NDArray[np.float64], gradients: NDArray[np.float64], rates: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weights [T, D] after each update, from weights [D], by gradients [T, D] at learning rates [T] (Section 5)."""
    w_D = nn.Parameter(_tensor(weights))
    momentum = Momentum([w_D], config, fused=True)
    found: list[NDArray[np.float64]] = []
    for gradient_D, rate in zip(gradients, rates, strict=True):
        w_D.grad = _tensor(gradient_D)
        momentum.at(float(rate))
        momentum.rule.step()
        found.append(_array(w_D))
    return np.stack(found)


def sensitivity(config: Config, image: NDArray[np.uint8], *, seed: int) -> dict[str, NDArray[np.float64]]:
    """By convolution: how much the middle of what it gives, after pooling, depends on each pixel of an image, [S, S].

    That is the gradient by the pixel, of the sum over maps, in absolute value and summed over colours; the network is
    untrained, and the image [S, S, C] is given without a mean.
    """
    net = Net(config)
    initialise(net, seed)
    x_1CHW = _tensor(image).double().permute(2, 0, 1)[None].requires_grad_()
    found = {}
    for number, features_1CHW in enumerate(net.double().features(x_1CHW * config.scale), 1):
        middle = features_1CHW.shape[2] // 2
        (gradient,) = torch.autograd.grad(features_1CHW[0, :, middle, middle].sum(), x_1CHW, retain_graph=True)
        found[f"conv{number}"] = gradient[0].abs().sum(0).numpy()
    return found
