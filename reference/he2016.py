"""Identity Mappings in Deep Residual Networks -- He, Zhang, Ren & Sun, 2016.

Paper       arXiv:1603.05027v3
Implements  Section 3.1 and Figure 2 (shortcuts that are not identities), Section 4.1 and Figure 4 (orders of
            activation), Figure 5 with eq. (9) (activation on the branch alone), Tables 1 to 5 (the networks), and the
            appendix (the first and the last unit, bottlenecks on CIFAR-10, and the recipe).
            The stem, the stages, the feeds and the update are those of the authors' earlier paper (he2015).
Shapes      N examples, B batch, C channels, H height, W width, K classes.
Units       losses are nats; learning rates are per update; images are bytes 0..255.

Deviations
  1. Deviations 1, 4, 5, 6 and 7 of he2015 hold here too: averaged normalization statistics, left-out rests of a pass,
     sampled statistics of ImageNet's colours, inputs divided by 255, batches normalized as a whole.
  2. Gates start with the He weights that all convolutions have; the paper gives only the biases. Where sizes change, a
     gate strides as its unit does.
  3. Shortcut dropout multiplies by 0 or 1 in training and by the expectation 0.5 otherwise, since Section 3.1 says that
     it "imposes a scale of lambda with an expectation of 0.5". Normalization statistics are averaged under the latter.
  4. The appendix gives ImageNet's learning rates but no end; training ends after 90 passes over 1,281,167 images.
  5. For test crops of another size than the training crops, the mean image is replaced by its mean colour.
  6. The first unit's activation, which stands before the split into two paths, is a part of the stem.
  7. With pre-activation, a projection is not normalized itself: the appendix says that it is pre-activated too, which
     is to read what the branch reads, and no more; the authors' released code has it so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from reference import he2015
from reference.common.networks import recalibrate_batchnorm, trace, with_learnt
from reference.common.training import check_images, processes, run, stepped
from repro.task import Device, Images, Layer

IMAGENET_UNITS = {**he2015.TABLE_1, 200: (3, 24, 36, 3)}
PASS = 1_281_167 / 256  # updates of one pass over ImageNet


@dataclass(frozen=True, kw_only=True)
class Config(he2015.Config):
    """One network and its training. Defaults are the 110-layer network with original units on CIFAR-10.

    `shortcut` says what stands where sizes change (A, zero padding; B, projection) or everywhere (C: Figure 2e), and
    `scale` is the shortcut's factor lambda of eq. (6).
    """

    depth: int = 110
    unit: Literal[
        "original",  # Figure 4a: ReLU after addition
        "bn-after-addition",  # Figure 4b
        "relu-before-addition",  # Figure 4c
        "relu-preactivation",  # Figure 4d
        "preactivation",  # Figure 4e
        "asymmetric",  # Figure 5b: BN and ReLU after addition, on the branch alone; eq. (9)
    ] = "original"
    gate: Literal["none", "exclusive", "shortcut"] = "none"  # Figures 2c and 2d
    gate_bias: float = 0.0  # b_g at the start
    branch_scale: float = 1.0  # of F (Table 1)
    dropout: float = 0.0  # of the shortcut (Figure 2f)
    slow_updates: int = 400  # at the start, with a tenth of the learning rate (appendix)
    test_image: int = 0  # side of the test crop, which is also the image's shorter side; 0: as in training

    @property
    def blocks(self) -> tuple[int, ...]:
        """Units in each stage.

        Raises:
            ValueError: for a depth that the design does not have.
        """
        if self.stem == "imagenet":
            if self.depth not in IMAGENET_UNITS:
                raise ValueError(f"there is no {self.depth}-layer network for ImageNet")
            return IMAGENET_UNITS[self.depth]
        layers = (3 if self.bottleneck else 2) * len(self.widths)
        each, rest = divmod(self.depth - 2, layers)
        if rest or each < 1:
            raise ValueError(f"depth {self.depth} is not 2 + {layers} n")
        return (each,) * len(self.widths)


def _cifar(depth: int, unit: Any) -> Config:
    bottleneck = depth in (164, 1001)
    return Config(depth=depth, unit=unit, bottleneck=bottleneck, shortcut="B" if bottleneck else "A")


def _imagenet(depth: int, unit: Any) -> Config:
    return Config(
        depth=depth, unit=unit, shortcut="B", bottleneck=True, stem="imagenet", widths=(64, 128, 256, 512), image=224,
        classes=1000, augment="scale-colour", batch=256, iterations=round(90 * PASS),
        milestones=(round(30 * PASS), round(60 * PASS)), slow_updates=0, test_image=320,
    )  # fmt: skip


ORDERS = ("original", "bn-after-addition", "relu-before-addition", "relu-preactivation", "preactivation")
CONFIGS = {
    # Table 2 and Table 3
    **{f"resnet-{depth}-{unit}": _cifar(depth, unit) for depth in (110, 164) for unit in ORDERS},
    **{f"resnet-1001-{unit}": _cifar(1001, unit) for unit in ("original", "preactivation")},
    # Table 1
    **{
        f"resnet-110-constant-scaling-{scale:g}-{branch:g}": Config(scale=scale, branch_scale=branch)
        for scale, branch in ((0.0, 1.0), (0.5, 1.0), (0.5, 0.5))
    },
    **{
        f"resnet-110-exclusive-gating-{bias}": Config(gate="exclusive", gate_bias=-float(bias)) for bias in (0, 5, 6, 7)
    },
    **{f"resnet-110-shortcut-gating-{bias}": Config(gate="shortcut", gate_bias=-float(bias)) for bias in (0, 6)},
    "resnet-110-convolutional-shortcut": Config(shortcut="C"),
    "resnet-110-dropout-shortcut": Config(dropout=0.5),
    # Figure 5
    "resnet-110-asymmetric": Config(unit="asymmetric"),
    # Section 5 and Table 5
    **{f"imagenet-resnet-101-{u}": replace(_imagenet(101, u), test_image=0) for u in ORDERS[:2]},
    **{f"imagenet-resnet-{d}-{u}": _imagenet(d, u) for d in (152, 200) for u in ("original", "preactivation")},
}


class Dropout(nn.Module):
    """Figure 2f: values of the shortcut are kept or zeroed, and not rescaled; their expectation is (1 - rate) h."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.keep, self.generator = 1 - rate, torch.Generator()

    def forward(self, h_BCHW: Tensor) -> Tensor:
        """The shortcut with zeros in training, scaled by the share that is kept otherwise."""
        if self.training and torch.is_grad_enabled():  # not where statistics are averaged
            return h_BCHW * torch.empty_like(h_BCHW).bernoulli_(self.keep, generator=self.generator)
        return h_BCHW * self.keep


class Sum(nn.Module):
    """Eq. (6): lambda h + f F; both factors are 1 in eq. (1). A plain network has no h."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.scale, self.branch_scale = config.scale, config.branch_scale
        self.in_place = config.unit != "relu-before-addition"  # the gradient of a ReLU needs its output

    def forward(self, x_BCHW: Tensor, h_BCHW: Tensor | None, f_BCHW: Tensor) -> Tensor:
        """The unit's sum."""
        f_BCHW = f_BCHW if self.branch_scale == 1 else f_BCHW * self.branch_scale
        if h_BCHW is None:
            return f_BCHW
        return (f_BCHW.add_ if self.in_place else f_BCHW.add)(h_BCHW, alpha=self.scale)


class Gate(nn.Module):
    """Figures 2c and 2d: (1 - g) h + g F, or (1 - g) h + F, where g = sigmoid(W x + b), a 1x1 convolution."""

    def __init__(self, config: Config, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.exclusive, self.bias = config.gate == "exclusive", config.gate_bias
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride))  # so named, as it lies on one

    def forward(self, x_BCHW: Tensor, h_BCHW: Tensor, f_BCHW: Tensor) -> Tensor:
        """The unit's sum."""
        g_BCHW = self.shortcut(x_BCHW).sigmoid()
        return torch.addcmul(f_BCHW * g_BCHW if self.exclusive else f_BCHW, 1 - g_BCHW, h_BCHW)


def activation(channels: int) -> nn.Sequential:
    """BN and ReLU."""
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


State = Tensor | tuple[Tensor, Tensor]
"""What passes between units: x; or, with asymmetric activation, x and its activation, which the next branch reads."""


class Unit(he2015.Block):
    """Figure 4: x -> after(h(x) + F(x)) with F(x) = body(head(x)); only the order of BN, ReLU and addition varies."""

    body: nn.Sequential

    def __init__(self, config: Config, inputs: int, width: int, stride: int) -> None:
        super().__init__(config, inputs, width, stride)  # F: BN after each convolution, ReLU between
        self.asymmetric = config.unit == "asymmetric"
        self.head: nn.Module = nn.Identity()
        self.after: nn.Module = nn.Identity()
        self.merge = Gate(config, inputs, self.outputs, stride) if config.gate != "none" else Sum(config)
        self.projects = isinstance(self.shortcut, nn.Sequential)
        self._arrange(config, inputs)
        if config.dropout and self.shortcut is not None:
            self.shortcut = nn.Sequential(self.shortcut, Dropout(config.dropout))

    def _arrange(self, config: Config, inputs: int) -> None:
        """Put the unit's last normalization and its last ReLU where the order has them."""
        if config.unit == "original":
            self.after = nn.ReLU(inplace=True)
        elif config.unit == "bn-after-addition":
            *rest, norm = self.body
            self.body, self.after = nn.Sequential(*rest), nn.Sequential(norm, nn.ReLU(inplace=True))
        elif config.unit == "relu-before-addition":
            self.body = nn.Sequential(*self.body, nn.ReLU())
        elif config.unit == "relu-preactivation":
            self.head = nn.ReLU()
        else:
            *rest, _ = self.body
            self.body = nn.Sequential(*rest)
            if self.projects:
                conv, _ = self.shortcut  # pyright: ignore[reportGeneralTypeIssues, reportOptionalIterable]
                self.shortcut = nn.Sequential(conv)  # pre-activated, so not normalized again
            if self.asymmetric:
                self.after = activation(self.outputs)
            else:
                self.head = activation(inputs)

    def forward(self, state: State) -> State:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The next unit's x, and its activation if that is asymmetric."""
        x_BCHW, a_BCHW = state if isinstance(state, tuple) else (state, self.head(state))
        f_BCHW = self.body(a_BCHW)
        h_BCHW = None if self.shortcut is None else self.shortcut(a_BCHW if self.projects else x_BCHW)
        y_BCHW = self.merge(x_BCHW, h_BCHW, f_BCHW)
        return (y_BCHW, self.after(y_BCHW)) if self.asymmetric else self.after(y_BCHW)


class Last(nn.Module):
    """The activation after the last unit (appendix); with asymmetric activation, that unit has computed it."""

    def __init__(self, config: Config, channels: int) -> None:
        super().__init__()
        self.activate: nn.Module = nn.Identity()
        if config.unit == "preactivation":
            self.activate = activation(channels)
        elif config.unit == "relu-preactivation":
            self.activate = nn.ReLU()

    def forward(self, state: State) -> Tensor:
        """What is pooled and classified."""
        return state[1] if isinstance(state, tuple) else self.activate(state)


class Net(he2015.Net):
    """The network of he2015 with units of this paper."""

    def __init__(self, config: Config, unit: type[Unit] = Unit) -> None:
        super().__init__(config, unit)
        units = units_of(self)
        units[0].head = nn.Identity()  # the stem's BN and ReLU are this unit's
        self.stages.append(Last(config, units[-1].outputs))


def units_of(net: nn.Module) -> list[Unit]:
    """The units of a network, from input to output."""
    return [module for module in net.modules() if isinstance(module, Unit)]


def initialise(net: nn.Module, seed: int) -> None:
    """Weights from N(0, 2 / fan-in), biases 0 but for those of gates, scales 1 and shifts 0."""
    he2015.initialise(net, seed)
    for module in net.modules():
        if isinstance(module, Gate):
            nn.init.constant_(module.shortcut[0].bias, module.bias)  # pyright: ignore[reportArgumentType, reportIndexIssue]


def layers(config: Config) -> tuple[Layer, ...]:
    """Every layer with weights, in the order of execution, without allocating any."""
    with torch.device("meta"):
        return trace(Net(config), config.channels, config.image)


class Crops:
    """Pictures scaled to a shorter side and cropped to the square at their centre."""

    def __init__(self, pictures: Any, side: int) -> None:
        self.pictures, self.side = pictures, side

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        picture_HWC = torch.from_numpy(np.array(self.pictures[index], order="C"))
        height, width = picture_HWC.shape[:2]
        size = [max(self.side, round(n * self.side / min(height, width))) for n in (height, width)]
        scaled_1CHW = F.interpolate(picture_HWC.permute(2, 0, 1)[None], size, mode="bilinear", antialias=True)
        top, left = ((n - self.side) // 2 for n in size)
        return scaled_1CHW[0, :, top : top + self.side, left : left + self.side].permute(1, 2, 0).numpy()


class Network(he2015.Network):
    """A trained network with what it needs to predict, on test crops of the size that the config says."""

    def __init__(self, net: Net, config: Config, mean_HWC: Tensor, engine: str) -> None:
        self.side, seen = config.test_image, config
        if self.side:
            seen, mean_HWC = replace(config, image=self.side), mean_HWC.mean((0, 1), keepdim=True)
        super().__init__(net, seen, mean_HWC, engine)

    def predict(self, images: Any, *, crops: int = 1) -> NDArray[np.float32]:
        """Logits [N, K], or for ten crops the logarithm of their mean softmax.

        Raises:
            ValueError: for a number of crops other than 1, or 10 on ImageNet where test crops are as in training.
        """
        if self.side and crops != 1:
            raise ValueError(f"{crops} crops of {self.side} pixels: only one is defined")
        return super().predict(Crops(images, self.side) if self.side else images, crops=crops)


class Update(he2015.Update):
    """An update that is not captured where dropout draws from a generator of its own."""

    def _capture(self) -> None:
        if isinstance(self.config, Config) and self.config.dropout:
            self.engine, self.run = "eager; not captured: dropout", self._update
            self.run()
        else:
            super()._capture()


def train(
    config: Config, data: Images, *, seed: int, device: Device, eval_steps: Sequence[int] = ()
) -> Iterator[tuple[int, Network]]:
    """Train as the appendix does; see `repro.task.Classifier`."""
    return fit(Net(config), config, data, seed=seed, device=device, eval_steps=eval_steps)


def fit(
    net: Net, config: Config, data: Images, *, seed: int, device: Device, eval_steps: Sequence[int] = ()
) -> Iterator[tuple[int, Network]]:
    """Train a network in place, data-parallel where `torch.distributed` has been initialised.

    Raises:
        ValueError: if the data do not have the config's sizes, or processes cannot share a batch.
    """
    check_images(data, (config.image, config.image, config.channels), config.classes, config.batch)
    weights_seed, order_seed, masks_seed = he2015.seeds(seed, 3)
    world, rank = processes(config.batch)
    initialise(net, weights_seed)
    net.to(torch.device(device), memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    _draw_masks_from(net, torch.Generator(device).manual_seed(masks_seed + rank))
    feed = he2015.loader(config, data, device, order_seed)
    update = Update(net, config, feed, device, world)
    batches = feed.batches(torch.Generator().manual_seed(order_seed), rank, world)
    net.train()
    for step in run(lambda step: update(next(batches), rate(config, step)), eval_steps, config.iterations):
        recalibrate_batchnorm(net, feed.sweep())
        yield step, Network(net, config, feed.mean_HWC, update.engine)
        net.train(step < config.iterations)


def rate(config: Config, step: int) -> float:
    """The learning rate of the update after `step` others: a tenth at first, and a tenth again at each milestone."""
    return config.lr * 0.1 if step < config.slow_updates else stepped(config.lr, config.milestones, step)


def _draw_masks_from(net: nn.Module, generator: torch.Generator) -> None:
    for module in net.modules():
        if isinstance(module, Dropout):
            module.generator = generator


def state(predictor: Network) -> dict[str, NDArray[Any]]:
    """Weights, the normalizations' statistics and the mean image, by name."""
    return he2015.state(predictor)


def restore(config: Config, state: dict[str, NDArray[Any]], *, device: Device) -> Network:
    """The network with that state."""
    net = with_learnt(Net(config), state, device)
    return Network(net, config, torch.from_numpy(np.array(state["mean"])).to(device), "restored")


def repartition(predictor: Network, config: Config) -> Network:
    """The network of asymmetric activation that `config` describes, with a full pre-activation network's weights.

    Figure 5: the activation at the head of a unit becomes the one after the addition of the unit before it.
    """
    return transfer(predictor, Net(config), config)


def transfer(predictor: Network, net: Net, config: Config) -> Network:
    """See `repartition`."""
    trained = predictor.net
    net.stem.load_state_dict(trained.stem.state_dict())
    net.classify.load_state_dict(trained.classify.state_dict())
    before, after = units_of(trained), units_of(net)
    *_, last = (module for module in trained.modules() if isinstance(module, Last))
    for old, new, following in zip(before, after, [*(unit.head for unit in before[1:]), last.activate], strict=True):
        new.body.load_state_dict(old.body.state_dict())
        new.after.load_state_dict(following.state_dict())
        if new.shortcut is not None and old.shortcut is not None:
            new.shortcut.load_state_dict(old.shortcut.state_dict())
    net.to(predictor.mean_HWC.device, memory_format=torch.channels_last).eval()  # pyright: ignore[reportCallIssue]
    return Network(net, config, predictor.mean_HWC, predictor.engine)


Signals = dict[str, tuple[NDArray[np.float64], ...]]


def unroll(
    config: Config, images: NDArray[np.uint8], labels: NDArray[np.int64], *, seed: int, branch: float = 1.0
) -> Signals:
    """Signals, on one batch of images [N, H, W, C] with labels [N], of the network that training at a seed starts from.

    They are computed in double precision.

    Args:
        config: of a network whose units pass on x alone.
        images: by whose statistics activations are normalized.
        labels: their classes.
        seed: of training.
        branch: the last weights of every F are multiplied by it; at 0 every branch is dead.

    Returns:
        "x": inputs of the units and the output of the last, each [N, C, H, W]; "residual": F of each unit;
        "gradient": the loss's gradients by the arrays of "x".
    """
    return observe(Net(config), images, labels, seed=seed, branch=branch)


def observe(
    net: Net, images: NDArray[np.uint8], labels: NDArray[np.int64], *, seed: int, branch: float = 1.0
) -> Signals:
    """See `unroll`."""
    initialise(net, *he2015.seeds(seed, 1))
    net.double().train()
    units = units_of(net)
    x: list[Tensor] = []
    residual: list[Tensor] = []
    for unit in units:
        *_, last = (module for module in unit.body if isinstance(module, nn.Conv2d | nn.BatchNorm2d))
        last.weight.data.mul_(branch)
        unit.register_forward_pre_hook(lambda _, inputs: x.append(inputs[0]))
        unit.body.register_forward_hook(lambda _, __, f_NCHW: residual.append(f_NCHW.clone()))  # pyright: ignore
    units[-1].register_forward_hook(lambda _, __, y_NCHW: x.append(y_NCHW))  # pyright: ignore
    images_NHWC = torch.from_numpy(np.array(images, order="C")).double()
    logits_NK = net((images_NHWC - images_NHWC.mean(0)).permute(0, 3, 1, 2) / 255)
    gradient = torch.autograd.grad(F.cross_entropy(logits_NK, torch.from_numpy(np.array(labels))), x)
    return {
        "x": tuple(value.detach().numpy() for value in x),
        "residual": tuple(value.detach().numpy() for value in residual),
        "gradient": tuple(value.numpy() for value in gradient),
    }
