"""The network of Krizhevsky et al. written a second time: two lists of arrays, functions, and velocities kept by hand.

Kernels of the two towers are kept apart, and nothing is called `weight`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from repro.task import Images, Layer


@dataclass(frozen=True, kw_only=True)
class Config:
    """A network and its training."""

    filters: tuple[int, ...] = (96, 256, 384, 384, 256)
    kernels: tuple[int, ...] = (11, 5, 3, 3, 3)
    stride: int = 4
    padding: int = 2
    split: tuple[int, ...] = (2, 4, 5)
    normalized: tuple[int, ...] = (1, 2)
    pooled: tuple[int, ...] = (1, 2, 5)
    pool: tuple[int, int] = (3, 2)
    hidden: tuple[int, ...] = (4096, 4096)
    activation: str = "relu"
    dropout: float = 0.5
    std: float | None = 0.01
    ones: tuple[int, ...] = (2, 4, 5)
    bias: float = 1.0
    frame: int = 256
    image: int = 224
    channels: int = 3
    classes: int = 1000
    augment: str = "crop-mirror"
    colour: float = 0.1
    scale: float = 1.0
    batch: int = 128
    iterations: int = 900_000
    lr: float = 0.01
    milestones: tuple[int, ...] = (300_000, 550_000, 750_000)
    momentum: float = 0.9
    weight_decay: float = 5e-4


DIGITS: dict[str, Any] = {
    "stride": 1, "padding": 1, "split": (), "normalized": (), "std": None, "ones": (), "bias": 0.0, "colour": 0.0,
    "scale": 1 / 255, "classes": 10, "frame": 8, "image": 8, "channels": 1, "augment": "none", "milestones": (),
    "weight_decay": 0.0,
}  # fmt: skip
CONFIGS = {
    "alexnet": Config(),
    "digits-cnn": Config(
        **DIGITS, filters=(16, 16, 32), kernels=(3, 3, 3), pooled=(2,), pool=(2, 2), hidden=(), dropout=0.0, batch=32,
        iterations=200,
    ),
    "digits-mlp": Config(
        **DIGITS, filters=(), kernels=(), pooled=(), hidden=(256, 256), batch=50, iterations=600, lr=0.03,
    ),
}  # fmt: skip


def _shapes(config: Config) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    """Kind, shape of the kernel and shape of the output of every layer."""
    found: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = []
    maps, side = config.channels, config.image
    for k, (filters, kernel) in enumerate(zip(config.filters, config.kernels, strict=True), 1):
        stride, padding = (config.stride, config.padding) if k == 1 else (1, (kernel - 1) // 2)
        side = (side - kernel + 2 * padding) // stride + 1
        seen = maps // 2 if k in config.split else maps
        found.append(("conv", (filters, seen, kernel, kernel), (filters, side, side)))
        if k in config.pooled:
            side = (side - config.pool[0]) // config.pool[1] + 1
        maps = filters
    units = maps * side**2
    for outputs in (*config.hidden, config.classes):
        found.append(("linear", (outputs, units), (outputs,)))
        units = outputs
    return found


def layers(config: Config) -> tuple[Layer, ...]:
    """Every layer, called by its number."""
    return tuple(
        Layer(name=f"layer-{k}", kind=kind, weights=(shape, shape[:1]), output=output)  # type: ignore[arg-type]
        for k, (kind, shape, output) in enumerate(_shapes(config), 1)
    )


class Net:
    """Kernels, a list of towers for each layer, and thresholds."""

    def __init__(self, config: Config, seed: int) -> None:
        self.config, self.kernels, self.thresholds = config, [], []
        rng, shapes = torch.Generator().manual_seed(seed), _shapes(config)
        for k, (kind, shape, _) in enumerate(shapes, 1):
            std = config.std if config.std is not None else 1 / np.sqrt(np.prod(shape[1:]))
            kernel = torch.randn(shape, generator=rng) * std
            self.kernels.append([t.clone() for t in kernel.chunk(2 if kind == "conv" and k in config.split else 1)])
            one = k in config.ones if kind == "conv" else k < len(shapes)
            self.thresholds.append(torch.full(shape[:1], config.bias if one else 0.0))

    def parts(self) -> list[Tensor]:
        """Everything that is learnt."""
        return [part for towers in self.kernels for part in towers] + self.thresholds

    def maps(self, x: Tensor) -> Iterator[Tensor]:
        """What each convolution passes on."""
        config = self.config
        for k in range(1, len(config.filters) + 1):
            towers, threshold = self.kernels[k - 1], self.thresholds[k - 1]
            stride, padding = (config.stride, config.padding) if k == 1 else (1, (config.kernels[k - 1] - 1) // 2)
            inputs = x.chunk(len(towers), 1)
            parts = [functional.conv2d(i, t, None, stride, padding) for i, t in zip(inputs, towers, strict=True)]
            x = _fire(config, torch.cat(parts, 1) + threshold[:, None, None])
            if k in config.normalized:
                x = functional.local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2.0)  # torch divides alpha by 5
            if k in config.pooled:
                x = functional.max_pool2d(x, config.pool[0], config.pool[1])
            yield x

    def __call__(self, x: Tensor, rng: torch.Generator | None) -> Tensor:
        """Logits; with a generator, some hidden units are dropped, without one all are scaled down."""
        for maps in self.maps(x):
            x = maps
        h, p = x.reshape(len(x), -1), self.config.dropout
        first = len(self.config.filters)
        for (kernel,), threshold in list(zip(self.kernels, self.thresholds, strict=True))[first:-1]:
            h = _fire(self.config, h @ kernel.T + threshold)
            if p:
                h = h * (1 - p) if rng is None else torch.where(torch.rand(h.shape, generator=rng) < p, 0.0, h)
        return h @ self.kernels[-1][0].T + self.thresholds[-1]


def _fire(config: Config, x: Tensor) -> Tensor:
    return {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}[config.activation](x)


def _fed(config: Config, images: NDArray[Any], directions: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Cut, mirrored and shifted in colour, images [N, F, F, C] become inputs [N, S, S, C]."""
    size, room, found = config.image, config.frame - config.image, []
    for image in images:
        y, x = rng.integers(0, max(room, 1), 2) if config.augment == "crop-mirror" else (room // 2, room // 2)
        crop = image[y : y + size, x : x + size].astype(np.float64)
        found.append(crop[:, ::-1] if config.augment == "crop-mirror" and rng.random() < 0.5 else crop)
    shifts = rng.normal(0, 1, (len(images), config.channels)) * config.colour
    return np.stack(found) + (shifts @ directions.T)[:, None, None]


def _directions(config: Config, images: NDArray[Any]) -> NDArray[Any]:
    if not config.colour:
        return np.zeros((config.channels, config.channels))
    values, vectors = np.linalg.eigh(np.cov(images.reshape(-1, config.channels), rowvar=False) / 255**2)
    return vectors * values * 255


def _squares(images: Any, side: int) -> NDArray[Any]:
    """Images [N, F, F, C] as they are; of pictures of any shape the central squares, scaled to that side."""
    if isinstance(images, np.ndarray):
        return images
    found = []
    for picture in images:
        height, width = picture.shape[:2]
        size = (side, round(side * height / width)) if width < height else (round(side * width / height), side)
        scaled = np.array(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
        y, x = ((length - side) // 2 for length in scaled.shape[:2])
        found.append(scaled[y : y + side, x : x + side])
    return np.stack(found)


class Predictor:
    """A network with the mean image."""

    def __init__(self, net: Net, mean: NDArray[Any]) -> None:
        self.net, self.config, self.mean = net, net.config, mean

    def predict(self, images: Any, *, crops: int = 1) -> NDArray[np.float32]:
        """Scores [N, K] from one crop, or the logarithm of the mean probability of ten."""
        size, last = self.config.image, self.config.frame - self.config.image
        x = _squares(images, self.config.frame).astype(np.float64) - self.mean
        corners = [(last // 2, last // 2)]
        if crops == 10:
            corners += [(0, 0), (0, last), (last, 0), (last, last)]
        scores = []
        for y, z in corners:
            crop = x[:, y : y + size, z : z + size]
            for view in (crop, crop[:, :, ::-1])[: 1 if crops == 1 else 2]:
                inputs = torch.from_numpy(np.ascontiguousarray(view * self.config.scale).astype(np.float32))
                with torch.no_grad():
                    scores.append(self.net(inputs.permute(0, 3, 1, 2), None))
        return (scores[0] if crops == 1 else torch.stack(scores).log_softmax(2).exp().mean(0).log()).numpy()


def train(
    config: Config, data: Images, *, seed: int, device: str, eval_steps: Sequence[int] = (), start: Any = None
) -> Iterator[tuple[int, Predictor]]:
    """Train; yield after each of `eval_steps` and at the end."""
    assert start is None, "this implementation takes no snapshots"
    images, labels = _squares(data.images, config.frame), torch.from_numpy(np.asarray(data.labels))
    rng = np.random.default_rng((seed, 7))
    dropping = torch.Generator().manual_seed(seed + 1)
    mean, directions = images.astype(np.float64).mean(0), _directions(config, images)
    net = Net(config, seed)
    velocities = [torch.zeros_like(part) for part in net.parts()]
    order: list[int] = []
    stops = {min(step, config.iterations) for step in eval_steps} | {config.iterations}
    for step in range(config.iterations + 1):
        if step in stops:
            yield step, Predictor(net, mean)
        if step == config.iterations:
            return
        if len(order) < config.batch:
            order = rng.permutation(len(images)).tolist()
        chosen, order = order[: config.batch], order[config.batch :]
        # the mean image is cut where the image is: both go through the same crop, side by side
        both = np.concatenate([images[chosen].astype(np.float64), np.broadcast_to(mean, images[chosen].shape)], 3)
        wide = Config(**{**vars(config), "channels": 2 * config.channels, "colour": 0.0})
        cut = _fed(wide, both, np.zeros((2 * config.channels,) * 2), rng)
        shift = (config.colour * rng.normal(size=(config.batch, config.channels))) @ directions.T
        x = cut[..., : config.channels] - cut[..., config.channels :] + shift[:, None, None]
        inputs = torch.from_numpy((x * config.scale).astype(np.float32)).permute(0, 3, 1, 2)
        rate = config.lr / 10 ** len([m for m in config.milestones if step >= m])
        _update(net, velocities, inputs, labels[chosen], rate, dropping)


def _update(
    net: Net, velocities: list[Tensor], inputs: Tensor, labels: Tensor, rate: float, dropping: torch.Generator
) -> None:
    """Section 5; thresholds do not decay, which the paper leaves open."""
    parts, config = net.parts(), net.config
    for part in parts:
        part.requires_grad_()
    loss = functional.nll_loss(net(inputs, dropping).log_softmax(1), labels)
    gradients = torch.autograd.grad(loss, parts)
    for part, v, gradient in zip(parts, velocities, gradients, strict=True):
        part.requires_grad_(False)
        decay = config.weight_decay if part.dim() > 1 else 0.0
        v.mul_(config.momentum).sub_(rate * (decay * part + gradient))
        part.add_(v)


def state(predictor: Predictor) -> dict[str, NDArray[Any]]:
    """Kernels of both towers in one, thresholds, and the mean image."""
    found: dict[str, NDArray[Any]] = {"image": predictor.mean}
    both = zip(predictor.net.kernels, predictor.net.thresholds, strict=True)
    for k, (towers, threshold) in enumerate(both, 1):
        found[f"layer-{k}.filters"] = torch.cat(towers).numpy().copy()
        found[f"layer-{k}.thresholds"] = threshold.numpy().copy()
    return found


def restore(config: Config, state: Mapping[str, NDArray[Any]], *, device: str) -> Predictor:
    """The predictor of that state."""
    net = Net(config, 0)
    for k in range(1, len(net.kernels) + 1):
        kernel = torch.from_numpy(np.array(state[f"layer-{k}.filters"]))
        net.kernels[k - 1] = list(kernel.chunk(len(net.kernels[k - 1])))
        net.thresholds[k - 1] = torch.from_numpy(np.array(state[f"layer-{k}.thresholds"]))
    return Predictor(net, np.array(state["image"]))


def augment(config: Config, images: NDArray[np.uint8], *, seed: int) -> NDArray[np.float32]:
    """One training input of each image, no mean subtracted."""
    rng = np.random.default_rng(seed)
    return _fed(config, images, _directions(config, images), rng).astype(np.float32)


def normalize(config: Config, activations: NDArray[Any]) -> NDArray[Any]:
    """The formula of Section 3.3."""
    return functional.local_response_norm(torch.from_numpy(np.array(activations)), 5, 5e-4, 0.75, 2.0).numpy()


def descend(config: Config, weights: NDArray[Any], gradients: NDArray[Any], rates: NDArray[Any]) -> NDArray[np.float64]:
    """Weights after each update."""
    w, v, found = weights.copy(), np.zeros_like(weights), []
    for gradient, rate in zip(gradients, rates, strict=True):
        v = config.momentum * v - config.weight_decay * rate * w - rate * gradient
        w = w + v
        found.append(w)
    return np.array(found)


def sensitivity(config: Config, image: NDArray[np.uint8], *, seed: int) -> dict[str, NDArray[np.float64]]:
    """How much the middle of what each convolution gives depends on each pixel."""
    net, found = Net(config, seed), {}
    x = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None].requires_grad_()
    for k, maps in enumerate(net.maps(x * config.scale), 1):
        (slope,) = torch.autograd.grad(maps[0, :, maps.shape[2] // 2, maps.shape[3] // 2].sum(), x, retain_graph=True)
        found[f"conv{k}"] = slope[0].abs().sum(0).double().numpy()
    return found
