"""Deep Residual Learning for Image Recognition (He, Zhang, Ren & Sun, 2015)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from repro import (
    Classification,
    Contract,
    Measurements,
    Paper,
    Reported,
    Run,
    Setting,
    all_of,
    at_most,
    cases,
    claim,
    higher,
    holds,
    lower,
    ordered,
    refuted,
)
from repro.task import Counted, Layer, Predictor, Signal

PAPER = Paper(
    key="he2015",
    title="Deep Residual Learning for Image Recognition",
    authors=("Kaiming He", "Xiangyu Zhang", "Shaoqing Ren", "Jian Sun"),
    year=2015,
    venue="CVPR 2016",
    arxiv="1512.03385v1",
    url="https://arxiv.org/abs/1512.03385",
    story=(
        "A deeper plain network should fit its training data at least as well as a shallower one, since the added"
        " layers could be identities; in practice it fits them worse. Shortcuts that add a block's input to its "
        "output, at no cost in parameters, undo this, and then depth pays: an ensemble with 152-layer networks "
        "won ILSVRC 2015. The design has lasted. Two remarks have not: the paper rules out ill-behaved gradients "
        "as the cause, while batch normalization was later shown to make the gradients of plain networks explode "
        "with depth; and the cost it gives for VGG-16 leaves out the fully connected layers that its other "
        "figures include."
    ),
)

MULTIPLY_ADDS = {
    18: Reported(1.8, "G", "Table 1, 18-layer, FLOPs"),
    34: Reported(3.6, "G", "Table 1, 34-layer, FLOPs"),
    50: Reported(3.8, "G", "Table 1, 50-layer, FLOPs"),
    101: Reported(7.6, "G", "Table 1, 101-layer, FLOPs"),
    152: Reported(11.3, "G", "Table 1, 152-layer, FLOPs"),
}
VGG_16 = Reported(15.3, "G", "Section 4.1, VGG-16, FLOPs")
PARAMETERS = {
    20: Reported(0.27, "M", "Table 6, ResNet-20, params"),
    32: Reported(0.46, "M", "Table 6, ResNet-32, params"),
    44: Reported(0.66, "M", "Table 6, ResNet-44, params"),
    56: Reported(0.85, "M", "Table 6, ResNet-56, params"),
    110: Reported(1.7, "M", "Table 6, ResNet-110, params"),
    1202: Reported(19.4, "M", "Table 6, ResNet-1202, params"),
}
CIFAR_ERROR = {
    20: Reported(8.75, "%", "Table 6, ResNet-20, test error"),
    32: Reported(7.51, "%", "Table 6, ResNet-32, test error"),
    44: Reported(7.17, "%", "Table 6, ResNet-44, test error"),
    56: Reported(6.97, "%", "Table 6, ResNet-56, test error"),
    110: Reported(6.61, "%", "Table 6, ResNet-110, test error, mean of 5 runs (best 6.43)"),
    1202: Reported(7.93, "%", "Table 6, ResNet-1202, test error"),
}
PLAIN_18 = Reported(27.94, "%", "Table 2, plain, 18 layers, top-1 error, 10-crop")
PLAIN_34 = Reported(28.54, "%", "Table 2, plain, 34 layers, top-1 error, 10-crop")
RESNET_18 = Reported(27.88, "%", "Table 2, ResNet, 18 layers, top-1 error, 10-crop")
IMAGENET_ERROR = {
    "34A": Reported(25.03, "%", "Table 3, ResNet-34 A, top-1 error, 10-crop"),
    "34B": Reported(24.52, "%", "Table 3, ResNet-34 B, top-1 error, 10-crop"),
    "34C": Reported(24.19, "%", "Table 3, ResNet-34 C, top-1 error, 10-crop"),
    "50": Reported(22.85, "%", "Table 3, ResNet-50, top-1 error, 10-crop"),
    "101": Reported(21.75, "%", "Table 3, ResNet-101, top-1 error, 10-crop"),
    "152": Reported(21.43, "%", "Table 3, ResNet-152, top-1 error, 10-crop"),
}

DIGITS: dict[str, Any] = {
    "widths": (8, 16, 32),
    "image": 8,
    "channels": 1,
    "augment": "none",
    "batch": 64,
    "iterations": 130,
    "lr": 0.02,
    "milestones": (104,),
}
"""Section 4.2's networks at reduced size: 8x8 digits, half the filters, 130 updates."""

CURVE = Classification(checkpoints=(60, 70, 80))  # of the shallow networks, before the learning rate falls


class ResidualLearning(Counted, Protocol):
    """What an implementation of this paper offers beside training and counting."""

    def deepen(self, predictor: Predictor, config: Any, *, seed: int) -> Predictor:
        """A predictor of the deeper `config` whose added layers are identities and whose others are copies."""
        ...

    def probe(
        self, config: Any, images: NDArray[np.uint8], labels: NDArray[np.int64], *, seed: int
    ) -> tuple[Signal, ...]:
        """What each block of the untrained network shows on one batch."""
        ...


CONTRACT = Contract(
    protocol=ResidualLearning,
    preset="resnet-20",
    data="digits",
    overrides={**DIGITS, "depth": 8, "iterations": 20, "milestones": (15,)},
    counted={
        preset: {"iterations": 0, "batch": 8, "augment": "none"}
        for preset in (*(f"resnet-{n}" for n in PARAMETERS), *(f"imagenet-resnet-{n}" for n in MULTIPLY_ADDS))
    },
)


def weights(layers: tuple[Layer, ...]) -> int:
    """Parameters of the layers."""
    return sum(prod(shape) for layer in layers for shape in layer.weights)


def multiply_adds(layers: tuple[Layer, ...]) -> int:
    """Multiply-adds of the convolutions and linear maps for one image: the paper's FLOPs."""
    return sum(prod(layer.weights[0]) * prod(layer.output[1:]) for layer in layers if layer.kind != "norm")


def depth(layers: tuple[Layer, ...]) -> int:
    """Convolutions and linear maps on the main path."""
    return sum(layer.kind != "norm" and not layer.shortcut for layer in layers)


@dataclass(frozen=True)
class Cost:
    """Multiply-adds of a network against a reported figure, in billions."""

    reported: Reported

    def __call__(self, implementation: ResidualLearning, setting: Setting) -> Measurements:
        """Count one network."""
        found = multiply_adds(implementation.layers(setting.config)) / 1e9
        return {"multiply_adds": cases([found], [self.reported.value], "G")}


@dataclass(frozen=True)
class CostOfVGG16:
    """Multiply-adds of VGG-16 counted as the implementation counts its own: with linear layers if it lists them."""

    reported: Reported

    def __call__(self, implementation: ResidualLearning, setting: Setting) -> Measurements:
        """Count the published architecture: thirteen 3x3 convolutions and three fully connected layers."""
        stages = ((224, (3, 64, 64)), (112, (64, 128, 128)), (56, (128, 256, 256, 256)))
        stages += ((28, (256, 512, 512, 512)), (14, (512, 512, 512, 512)))
        found = sum(9 * side**2 * before * after for side, widths in stages for before, after in pairwise(widths))
        if any(layer.kind == "linear" for layer in implementation.layers(setting.config)):
            found += 25088 * 4096 + 4096 * 4096 + 4096 * 1000
        return {"multiply_adds": cases([found / 1e9], [self.reported.value], "G")}


@dataclass(frozen=True)
class Parameters:
    """Parameters of a CIFAR-10 network against the arithmetic of Section 4.2 and against a reported figure."""

    depth: int
    reported: Reported

    def __call__(self, implementation: ResidualLearning, setting: Setting) -> Measurements:
        """Count one network. Normalization has two parameters a filter; shortcuts have none."""
        found = weights(implementation.layers(setting.config))
        count = (self.depth - 2) // 6
        exact = 9 * 3 * 16 + 2 * 16 + 64 * 10 + 10
        for before, width in ((16, 16), (16, 32), (32, 64)):
            exact += 9 * before * width + (2 * count - 1) * 9 * width**2 + 2 * count * 2 * width
        return {
            "parameters": cases([found], [exact], "1"),
            "millions": cases([found / 1e6], [self.reported.value], "M"),
        }


def twins(implementation: ResidualLearning, setting: Setting) -> Measurements:
    """Residual against plain networks of Section 4.2: differences in parameters, multiply-adds and depth."""
    found: list[int] = []
    for n in (3, 5, 7, 9, 18):
        config = replace(setting.config, depth=6 * n + 2)
        residual, plain = (implementation.layers(replace(config, residual=residual)) for residual in (True, False))
        found += [weights(residual) - weights(plain), multiply_adds(residual) - multiply_adds(plain)]
        found += [depth(residual) - (6 * n + 2), depth(plain) - (6 * n + 2)]
    return {"differences": cases(found, 0, "1")}


def projections(implementation: ResidualLearning, setting: Setting) -> Measurements:
    """What projection shortcuts everywhere add: to a 256-filter bottleneck, and in number to the 34-layer network."""
    bottlenecks = implementation.layers(replace(setting.config, depth=50, bottleneck=True, shortcut="C"))
    kernels = [prod(layer.weights[0]) for layer in bottlenecks if layer.kind == "conv" and not layer.shortcut]
    shortcuts = [prod(layer.weights[0]) for layer in bottlenecks if layer.kind == "conv" and layer.shortcut]
    second = sum(kernels[4:7])  # after the stem and the first block
    everywhere, at_changes = (
        sum(layer.kind == "conv" and layer.shortcut for layer in implementation.layers(replace(setting.config, **c)))
        for c in ({"shortcut": "C"}, {"shortcut": "B"})
    )
    return {
        "growth": cases([(second + shortcuts[1]) / second], [2.0], "1"),
        "added": cases([everywhere - at_changes], [13], "1"),
    }


@dataclass(frozen=True)
class Deepening:
    """Train, deepen by identities, and compare the scores of both networks on the test images."""

    depth: int

    def __call__(self, implementation: ResidualLearning, setting: Setting) -> Measurements:
        """The largest change of a score, per image."""
        train, images = setting.dataset.train, setting.dataset.test.images
        *_, (_, shallow) = implementation.train(setting.config, train, seed=setting.seed, device=setting.device)
        before = shallow.predict(images)
        deep = implementation.deepen(shallow, replace(setting.config, depth=self.depth), seed=setting.seed)
        change = np.abs(deep.predict(images).astype(float) - before)
        return {"change": cases(change.max(axis=1), 0.0, "1")}


def signals(implementation: ResidualLearning, setting: Setting) -> Measurements:
    """Forward variances and backward norms of an untrained network, on a batch of random images."""
    generator = np.random.default_rng(setting.seed)
    side, channels = setting.config.image, setting.config.channels
    images = generator.integers(0, 256, (8, side, side, channels), dtype=np.uint8)
    labels = generator.integers(0, setting.config.classes, 8)
    found = implementation.probe(setting.config, images, labels, seed=setting.seed)
    norms = [float(np.linalg.norm(signal.gradient)) for signal in found]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.divide(norms[0], norms[-1])
    responses = [np.ascontiguousarray(signal.response) for signal in found]  # sums depend on the order in memory
    return {
        "variance": cases([float(response.var()) for response in responses], 1e-3, "1"),
        "kept": cases([ratio], [0.1], "1"),
        "grown": cases([ratio], [100.0], "1"),
    }


# Mechanism: exact, at the paper's full size.


@claim(
    "multiply-adds",
    all_of(*[holds(tolerance=0.06)] * 5),
    controls=["strides_in_3x3"],
    reported=tuple(MULTIPLY_ADDS.values()),
)
def test_multiply_adds(run: Run):
    """Table 1: the networks of 18 to 152 layers take 1.8, 3.6, 3.8, 7.6 and 11.3 billion multiply-adds an image."""
    return tuple(
        run(Cost(figure), f"imagenet-resnet-{depth}")["multiply_adds"] for depth, figure in MULTIPLY_ADDS.items()
    )


@claim(
    "vgg-16-cost",
    holds(tolerance=0.05),
    controls=["convolutions_only"],
    reported=[VGG_16],
    expected=refuted(
        "Arithmetic: the paper's figures for its own networks and for VGG-19 (19.6) include the fully connected "
        "layers; counted so, VGG-16 takes 15.47 billion, and 15.3 only without them."
    ),
)
def test_vgg_16_cost(run: Run):
    """Section 4.1: VGG-16 takes 15.3 billion multiply-adds, counted as for the other networks."""
    return run(CostOfVGG16(VGG_16), "imagenet-resnet-18")["multiply_adds"]


@claim(
    "parameters",
    rows={str(depth): all_of(holds(), holds(tolerance=0.005 if depth < 110 else 0.05)) for depth in PARAMETERS},
    controls=["projections_at_size_changes"],
    reported={str(depth): figure for depth, figure in PARAMETERS.items()},
)
def test_parameters(run: Run, row: str):
    """Table 6: the CIFAR-10 networks have 0.27 to 19.4 million parameters, none of them in shortcuts."""
    arm = run(Parameters(int(row), PARAMETERS[int(row)]), f"resnet-{row}")
    return arm["parameters"], arm["millions"]


@claim("identity-shortcuts-are-free", holds(), controls=["projections_at_size_changes"])
def test_identity_shortcuts_are_free(run: Run):
    """Section 4.2: with option A a residual network has exactly the depth, width and parameters of its plain twin."""
    return run(twins, "resnet-20")["differences"]


@claim("projections-double-bottlenecks", all_of(holds(tolerance=0.1), holds()), controls=["narrow_projections"])
def test_projections_double_bottlenecks(run: Run):
    """Section 4.1: a projection doubles a bottleneck's size, and option C adds thirteen to the 34-layer network."""
    arm = run(projections, "imagenet-resnet-34")
    return arm["growth"], arm["added"]


@claim("deeper-by-construction", holds(), version=2, controls=["identities_without_shortcuts"])
def test_deeper_by_construction(run: Run):
    """Section 1: a trained network deepened by identity layers computes exactly the same function."""
    return run(Deepening(depth=56), "resnet-20", data="digits", **{**DIGITS, "depth": 8, "iterations": 25})["change"]


@claim(
    "signals-do-not-vanish",
    all_of(holds(relation="at_least"), holds(relation="at_least")),
    evidence="reduced",  # one batch of random images at half the side, and thresholds that are ours
    controls=["without_normalization"],
)
def test_signals_do_not_vanish(run: Run):
    """Section 4.1: with batch normalization neither activations nor gradients of a plain network vanish."""
    arm = run(signals, "imagenet-plain-34", image=112)
    return arm["variance"], arm["kept"]


@claim(
    "gradients-stay-healthy",
    holds(relation="at_most"),
    evidence="reduced",  # one batch of random images, and a threshold that is ours
    controls=["residual_as_plain"],
    expected=refuted(
        "Yang et al., A Mean Field Theory of Batch Normalization, ICLR 2019 (arXiv:1902.08129): batch normalization "
        "makes the gradients of networks without shortcuts explode with depth."
    ),
)
def test_gradients_stay_healthy(run: Run):
    """Section 4.1: gradients of plain networks keep healthy norms: within a factor of 100, even across 56 layers."""
    return run(signals, "plain-56")["grown"]


# Direction: the digits setting above.


@claim("plain-degrades", higher(by=20.0), version=2, seeds=6, controls=["residual_as_plain"])
def test_plain_degrades(run: Run):
    """Figure 6 (left): a deeper plain network has the higher training error."""
    deep = run(Classification(), "plain-56", data="digits", arm="plain, 56 layers", **DIGITS)
    shallow = run(CURVE, "plain-20", data="digits", arm="plain, 20 layers", **DIGITS)
    return deep["train_error"], shallow["train_error"]


@claim(
    "residual-gains-from-depth",
    all_of(lower(by=-1.0), lower(times=0.1)),
    version=2,
    seeds=6,
    controls=["halved_shortcuts"],
)
def test_residual_gains_from_depth(run: Run):
    """Figure 6 (middle): with shortcuts the deeper network trains as well, and far better than its plain twin."""
    deep = run(Classification(), "resnet-56", data="digits", arm="residual, 56 layers", **DIGITS)["train_error"]
    shallow = run(CURVE, "resnet-20", data="digits", arm="residual, 20 layers", **DIGITS)["train_error"]
    plain = run(Classification(), "plain-56", data="digits", arm="plain, 56 layers", **DIGITS)["train_error"]
    return (deep, shallow), (deep, plain)


@claim("residual-converges-sooner", lower(times=0.6), version=2, seeds=6, controls=["plain_as_residual"])
def test_residual_converges_sooner(run: Run):
    """Figure 4: where depth does not yet hurt, the residual network's training loss falls sooner."""
    residual = run(CURVE, "resnet-20", data="digits", arm="residual, 20 layers", **DIGITS)
    plain = run(CURVE, "plain-20", data="digits", arm="plain, 20 layers", **DIGITS)
    return residual["mean_train_loss"], plain["mean_train_loss"]


# Number: the paper's data and schedule. Costs are estimates.


@claim(
    "cifar-10-error",
    rows={str(depth): at_most(figure, plus=0.5) for depth, figure in CIFAR_ERROR.items()},
    tier="gpu",
    seeds=3,
    controls=["without_augmentation"],
    cost="an estimated 2 (20 layers) to 10 minutes (110) or 2 hours (1202) a seed on one H200, as much for the control",
)
def test_cifar_10_error(run: Run, row: str):
    """Table 6: residual networks of 20 to 1202 layers reach the reported test errors on CIFAR-10."""
    return run(Classification(), f"resnet-{row}", data="cifar10", precision="bfloat16")["test_error"]


@claim(
    "cifar-10-plain-degrades",
    higher(by=0.5),
    tier="gpu",
    seeds=3,
    controls=["residual_as_plain"],
    cost="an estimated half an hour on one H200, as much for the control",
)
def test_cifar_10_plain_degrades(run: Run):
    """Figure 6 (left): on CIFAR-10 the 56-layer plain network has a higher training error than the 20-layer one."""
    deep, shallow = (run(Classification(), f"plain-{n}", data="cifar10", precision="bfloat16") for n in (56, 20))
    return deep["train_error"], shallow["train_error"]


@claim(
    "cifar-10-residual-gains",
    all_of(lower(by=0.5), lower(by=-0.3), lower(by=2.0)),
    tier="gpu",
    seeds=3,
    controls=["halved_shortcuts"],
    cost="an estimated hour on one H200, as much for the control",
)
def test_cifar_10_residual_gains(run: Run):
    """Table 6: on CIFAR-10 the test error falls from 20 to 56 layers, does not rise to 110, and beats plain nets."""
    names = ("resnet-20", "resnet-56", "resnet-110", "plain-56")
    shallow, deep, deeper, plain = (
        run(Classification(), name, data="cifar10", precision="bfloat16")["test_error"] for name in names
    )
    return (deep, shallow), (deeper, deep), (deep, plain)


TEN_CROPS = Classification(views=10, splits=("test",))
LONG = "an estimated 2 days a network and seed on one H200 beside 16 decoding cores, as much for the control"


@claim(
    "imagenet-degradation",
    all_of(higher(), lower(by=2.0), lower(by=2.5)),
    tier="cluster",
    seeds=3,
    controls=["residual_as_plain"],
    reported=[PLAIN_18, PLAIN_34, RESNET_18, IMAGENET_ERROR["34A"]],
    cost=LONG,
)
def test_imagenet_degradation(run: Run):
    """Table 2: on ImageNet the plain network errs more with 34 layers than with 18, the residual one far less."""
    plain_18, plain_34, resnet_18, resnet_34 = (
        run(TEN_CROPS, f"imagenet-{kind}-{n}", data="imagenet", precision="bfloat16")["test_error"]
        for kind in ("plain", "resnet")
        for n in (18, 34)
    )
    return (plain_34, plain_18), (resnet_34, resnet_18), (resnet_34, plain_34)


def imagenet_error(run: Run, row: str):
    """The ten-crop error of a row of Table 3, such as "34B" or "101"."""
    preset = f"imagenet-resnet-{row.rstrip('ABC')}"
    option = {"shortcut": row[-1]} if row[-1] in "ABC" else {}
    return run(TEN_CROPS, preset, data="imagenet", precision="bfloat16", **option)["test_error"]


@claim(
    "imagenet-error",
    rows={row: at_most(figure, plus=0.5) for row, figure in IMAGENET_ERROR.items()},
    tier="cluster",
    seeds=3,
    controls=["one_crop"],
    cost=LONG,
)
def test_imagenet_error(run: Run, row: str):
    """Table 3: residual networks of 34 to 152 layers reach the reported ten-crop errors on ImageNet."""
    return imagenet_error(run, row)


@claim(
    "imagenet-depth-gains",
    ordered(),
    tier="cluster",
    seeds=3,
    controls=["halved_shortcuts"],
    cost=LONG,
)
def test_imagenet_depth_gains(run: Run):
    """Table 3: on ImageNet each step from 34 to 152 layers lowers the error."""
    return tuple(imagenet_error(run, row) for row in ("152", "101", "50", "34B"))
