"""Deep Residual Learning for Image Recognition (He, Zhang, Ren & Sun, 2015)."""

from __future__ import annotations

from typing import Any

from claims.experiments.counting import Parameters, cost
from claims.experiments.fed_inputs import Fed
from claims.experiments.fed_pictures import FedPictures
from claims.experiments.he2015 import Deepening, ResidualLearning, Responses, gradients, signals, ten_crops, warm_up
from claims.experiments.he2015_counts import cost_of_vgg_16, parameters_of, projections, twins
from claims.experiments.he2015_findings import FIFTY, VGG_16_FLOPS
from claims.experiments.residual_networks import HeInitialisation, Scores
from claims.experiments.residual_recipes import CIFAR, HALVED, SGD_RULE, SMALLEST, Recipe, on_a_cluster, on_a_gpu
from claims.experiments.residual_updates import ArmUpdates, NetworkUpdates
from repro import (
    Classification,
    Contract,
    Experiment,
    Paper,
    Reported,
    Run,
    all_of,
    at_most,
    claim,
    equals,
    higher,
    holds,
    lower,
    ordered,
)

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
        "won ILSVRC 2015. The design has lasted. Two costs in the paper are not counted as its others are: VGG-16's "
        "leaves out fully connected layers, and that of the 50-layer network is cut off where others are rounded."
    ),
)

MULTIPLY_ADDS = {
    depth: Reported(figure, "G", f"Table 1, {depth}-layer, FLOPs")
    for depth, figure in {18: 1.8, 34: 3.6, 50: 3.8, 101: 7.6, 152: 11.3}.items()
}
VGG_16 = Reported(15.3, "G", "Section 4.1, VGG-16, FLOPs")
PARAMETERS = {
    depth: Reported(figure, "M", f"Table 6, ResNet-{depth}, params")
    for depth, figure in {20: 0.27, 32: 0.46, 44: 0.66, 56: 0.85, 110: 1.7, 1202: 19.4}.items()
}
MEAN = ", mean of 5 runs (best 6.43)"
CIFAR_ERROR = {
    depth: Reported(figure, "%", f"Table 6, ResNet-{depth}, test error" + MEAN * (depth == 110))
    for depth, figure in {20: 8.75, 32: 7.51, 44: 7.17, 56: 6.97, 110: 6.61, 1202: 7.93}.items()
}
TABLE_2 = {"plain, 18 layers": 27.94, "plain, 34": 28.54, "ResNet, 18": 27.88, "ResNet, 34": 25.03}
IMAGENET_ERROR = {
    name: Reported(figure, "%", f"Table 3, ResNet-{name.replace('34', '34 ')}, top-1 error, 10-crop")
    for name, figure in {"34A": 25.03, "34B": 24.52, "34C": 24.19, "50": 22.85, "101": 21.75, "152": 21.43}.items()
}

DIGITS: dict[str, Any] = HALVED | {"iterations": 130, "lr": 0.02, "milestones": (104,)}
"""Section 4.2 at reduced size; deep networks have 44 layers, as plain ones of 56 hardly learn on some seeds."""
TINY: dict[str, Any] = SMALLEST | {"milestones": (1,)}
STEPS: dict[str, Any] = TINY | {"weight_decay": 0.5, "lr": 0.2, "milestones": (1, 2)}
"""Decay is large and the learning rate soon falls twice, so that each term of an update shows."""
SIX: dict[str, Any] = {"version": 3, "seeds": 6}
CURVE = Classification(eval_steps=(60, 70, 80))  # of the shallow networks, before the learning rate falls

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


# Mechanism: exact. Against the paper's equations at a tiny size; then counts at the paper's full size.


@claim(
    "scores-from-weights",
    all_of(holds(tolerance=1e-4), holds(tolerance=1e-3)),
    controls=["unpadded_max_pool", "unnormalized_projections", "averaging_shortcuts"],
)
def test_scores_from_weights(run: Run):
    """Eq. (1): networks with shortcuts A, B and C, bottlenecks and both stems compute what the equations say."""
    variants = ("as it is", "plain", "projections", "projections everywhere", "bottlenecks")
    variants += ("imagenet", "imagenet, projections", "imagenet, bottlenecks")
    arm = run(Scores("he2015", variants), "resnet-20", **TINY)
    return arm["apart"], arm["statistics"]


@claim(
    "updates",
    all_of(holds(tolerance=0.002), *[holds(tolerance=0.1)] * 4),
    version=3,
    controls=["without_momentum", "undecayed_shifts", "one_milestone", "slower_plain_networks", "tripled_updates"],
)
def test_updates(run: Run):
    """Section 4.2: weights move by SGD with momentum and weight decay, at a rate divided by 10 at each milestone."""
    small = run(NetworkUpdates("he2015", ("as it is", "bottlenecks", "imagenet")), "resnet-20", **STEPS)
    early, later = ArmUpdates("he2015"), ArmUpdates("he2015", after=60)
    arms = [run(early, name, data="digits", **DIGITS) for name in ("plain-44", "resnet-44", "plain-20")]
    return tuple(arm["apart"] for arm in (small, *arms, run(later, "resnet-20", data="digits", **DIGITS)))


@claim("recipe", all_of(holds(), holds(), holds()), controls=["larger_decay"])
def test_recipe(run: Run):
    """Section 4.2: batches of 128, 64k updates at 0.1 divided by 10 at 32k and 48k; and Section 3.4 for ImageNet."""
    plain = run(Recipe((*CIFAR, ("warmup", False))), "plain-56")
    deep = run(Recipe((*CIFAR, ("warmup", True))), "resnet-110")
    large = run(Recipe((*SGD_RULE, ("batch", 256), ("iterations", 600_000))), "imagenet-resnet-50")
    return plain["numbers"], deep["numbers"], large["numbers"]


@claim(
    "warm-up",
    all_of(holds(tolerance=0.002), holds(tolerance=0.05)),
    version=2,
    controls=["never_warmed_up", "warmed_up_for_ever", "warmed_up_to_20_percent", "warmed_up_again"],
)
def test_warm_up(run: Run):
    """Section 4.2: 110 layers are warmed up at a tenth of the rate until the error is below 80 %, and never again."""
    arm = run(warm_up, "resnet-110", **TINY)
    return arm["apart"], arm["rates"]


@claim("ten-crops", holds(tolerance=0.01), version=2, controls=["one_crop", "squashed"])
def test_ten_crops(run: Run):
    """Section 3.4: the standard test averages the softmax over ten crops: corners, centre and their mirror images."""
    small = TINY | {"depth": 18, "widths": (2, 2, 3, 4), "image": 112}
    return run(ten_crops, "imagenet-resnet-18", **small)["apart"]


@claim("initial-weights", all_of(holds(relation="at_least"), holds()), version=2, controls=["half_the_variance"])
def test_initial_weights(run: Run):
    """Section 4.2: weights start from a normal distribution of variance 2 / fan, as in the paper's [13]."""
    arm = run(HeInitialisation(), "resnet-20", **TINY)
    return arm["chance"], arm["constants"]


@claim(
    "augmented-inputs",
    all_of(*(holds(tolerance=x) for x in (0.15, 0.01, 0.2, 6.0)), *[holds(relation="at_least")] * 2),
    version=2,
    controls=["without_augmentation", "mean_left_in", "one_scale", "unmirrored", "uncoloured", "transposed_colours"],
)
def test_augmented_inputs(run: Run):
    """Sections 3.4 and 4.2: training is on random crops and their mirror images; on ImageNet scale and colour vary."""
    arm = run(Fed("he2015", updates=300), "resnet-20", **{**TINY, "augment": "shift-flip"})
    large = run(FedPictures("he2015"), "imagenet-resnet-18")
    return arm["apart"], arm["repeats"], large["unlike"], large["correlation"], arm["chance"], large["chance"]


@claim(
    "multiply-adds",
    all_of(*(equals(MULTIPLY_ADDS[depth], within=0.05) for depth in (18, 34, 101, 152))),
    version=2,
    controls=["strides_in_3x3"],
)
def test_multiply_adds(run: Run):
    """Table 1: networks of 18, 34, 101 and 152 layers take 1.8, 3.6, 7.6 and 11.3 billion multiply-adds an image."""
    return tuple(run(cost, f"imagenet-resnet-{depth}")["multiply_adds"] for depth in (18, 34, 101, 152))


@claim(
    "multiply-adds-of-50-layers", equals(MULTIPLY_ADDS[50], within=0.05), controls=["unpadded_max_pool"], expected=FIFTY
)
def test_multiply_adds_of_50_layers(run: Run):
    """Table 1 and Section 4.1: the network of 50 layers takes 3.8 billion multiply-adds an image."""
    return run(cost, "imagenet-resnet-50")["multiply_adds"]


@claim("vgg-16-cost", equals(VGG_16, within=0.05), version=2, controls=["convolutions_only"], expected=VGG_16_FLOPS)
def test_vgg_16_cost(run: Run):
    """Section 4.1: VGG-16 takes 15.3 billion multiply-adds, counted as for the other networks."""
    return run(cost_of_vgg_16, "imagenet-resnet-18")["multiply_adds"]


@claim(
    "parameters",
    rows={
        str(depth): all_of(holds(), equals(figure, within=0.005 if depth < 110 else 0.05))
        for depth, figure in PARAMETERS.items()
    },
    version=2,
    controls=["projections_at_size_changes"],
)
def test_parameters(run: Run, row: str):
    """Table 6: the CIFAR-10 networks have 0.27 to 19.4 million parameters, none of them in shortcuts."""
    arm = run(Parameters(parameters_of(int(row))), f"resnet-{row}")
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


@claim(
    "deeper-by-construction",
    all_of(holds(), holds(tolerance=1e-4)),
    version=3,
    controls=["identities_without_shortcuts", "shallow_deepened"],
)
def test_deeper_by_construction(run: Run):
    """Section 1: a trained network deepened by identity layers computes exactly the same function."""
    arm = run(Deepening(depth=56), "resnet-20", data="digits", **{**DIGITS, "depth": 8, "iterations": 25})
    return arm["change"], arm["apart"]


@claim(
    "signals-do-not-vanish",
    all_of(holds(relation="at_least"), holds(relation="at_least"), *(holds(tolerance=t) for t in (0.01, 1e-3, 1e-3))),
    version=3,
    evidence="reduced",  # one batch of random images of 64 pixels, and thresholds that are ours
    controls=["without_normalization", "signals_of_another_network"],
)
def test_signals_do_not_vanish(run: Run):
    """Section 4.1: with batch normalization neither activations nor gradients of a plain network vanish.

    The first are also compared with the oracle's, and the gradients of a smaller network with differences of its loss.
    """
    arm = run(signals, "imagenet-plain-34", image=64)
    small = run(gradients, "imagenet-plain-18", image=32, widths=(4, 4, 8, 8), classes=10)
    return arm["variance"], arm["kept"], arm["responses"], small["responses"], small["apart"]


# Direction: the digits setting above.


@claim(
    "plain-degrades",
    all_of(higher(by=20.0), at_most(80.0)),
    controls=["residual_as_plain", "untrained_plain"],
    **SIX,
)
def test_plain_degrades(run: Run):
    """Figure 6 (left): a plain network of 44 layers has a higher training error than one of 20, though it learns."""
    deep = run(Classification(), "plain-44", data="digits", arm="plain, 44 layers", **DIGITS)["train_error"]
    shallow = run(CURVE, "plain-20", data="digits", arm="plain, 20 layers", **DIGITS)["train_error"]
    return (deep, shallow), deep


@claim(
    "residual-gains-from-depth",
    all_of(lower(by=-1.0), lower(times=0.1), at_most(80.0)),
    controls=["halved_shortcuts", "untrained_plain"],
    **SIX,
)
def test_residual_gains_from_depth(run: Run):
    """Figure 6 (middle): with shortcuts 44 layers train as well as 20, where without them they train far worse.

    What is gained: an error at most a point above that of 20 layers, where the plain network of 44 errs ten times as
    often, though it learns too.
    """
    deep = run(Classification(), "resnet-44", data="digits", arm="residual, 44 layers", **DIGITS)["train_error"]
    shallow = run(CURVE, "resnet-20", data="digits", arm="residual, 20 layers", **DIGITS)["train_error"]
    plain = run(Classification(), "plain-44", data="digits", arm="plain, 44 layers", **DIGITS)["train_error"]
    return (deep, shallow), (deep, plain), plain


@claim(
    "residual-converges-sooner",
    all_of(lower(times=0.6), at_most(1.0)),
    controls=["plain_as_residual", "untrained_plain"],
    **SIX,
)
def test_residual_converges_sooner(run: Run):
    """Figure 4: at 20 layers, by updates 60 to 80, the residual network's loss is below 0.6 of the plain one's."""
    residual = run(CURVE, "resnet-20", data="digits", arm="residual, 20 layers", **DIGITS)
    plain = run(CURVE, "plain-20", data="digits", arm="plain, 20 layers", **DIGITS)
    return (residual["mean_train_loss"], plain["mean_train_loss"]), plain["mean_train_loss"]


# Number: the paper's data and schedule. Costs are estimates.


def on_cifar(run: Run, name: str, experiment: Experiment | None = None):
    """A preset on CIFAR-10, at full size."""
    return run(experiment or Classification(), name, data="cifar10", precision="bfloat16")


@claim(
    "cifar-10-error",
    rows={str(depth): at_most(figure, plus=0.5) for depth, figure in CIFAR_ERROR.items()},
    controls=["without_augmentation"],
    **on_a_gpu("2 (20 layers) to 10 minutes (110) or 2 hours (1202) a seed"),
)
def test_cifar_10_error(run: Run, row: str):
    """Table 6: residual networks of 20 to 1202 layers reach the reported test errors on CIFAR-10."""
    return on_cifar(run, f"resnet-{row}")["test_error"]


@claim("cifar-10-plain-degrades", higher(by=0.5), controls=["residual_as_plain"], **on_a_gpu("half an hour"))
def test_cifar_10_plain_degrades(run: Run):
    """Figure 6 (left): on CIFAR-10 a plain network of 56 layers has a training error half a point above that of 20."""
    return on_cifar(run, "plain-56")["train_error"], on_cifar(run, "plain-20")["train_error"]


@claim(
    "cifar-10-residual-gains",
    all_of(lower(by=0.5), lower(by=-0.3), lower(by=2.0)),
    controls=["halved_shortcuts"],
    **on_a_gpu("hour"),
)
def test_cifar_10_residual_gains(run: Run):
    """Table 6: on CIFAR-10 the test error falls from 20 to 56 layers, does not rise to 110, and beats plain nets.

    What is gained: over half a point by 56 layers, at most 0.3 points lost by 110, and over 2 points on the plain 56.
    """
    names = ("resnet-20", "resnet-56", "resnet-110", "plain-56")
    shallow, deep, deeper, plain = (on_cifar(run, name)["test_error"] for name in names)
    return (deep, shallow), (deeper, deep), (deep, plain)


@claim(
    "cifar-10-1202-layers",
    all_of(at_most(0.1), higher()),
    controls=["plain_as_residual"],
    reported=[CIFAR_ERROR[1202], CIFAR_ERROR[110]],
    **on_a_gpu("2 hours a seed"),
)
def test_cifar_10_1202_layers(run: Run):
    """Section 4.2: 1202 layers reach a training error below 0.1 %, and a higher test error than 110 layers."""
    deep, shallow = on_cifar(run, "resnet-1202"), on_cifar(run, "resnet-110")
    return deep["train_error"], (deep["test_error"], shallow["test_error"])


@claim(
    "cifar-10-responses", all_of(lower(), lower(), lower(), lower()), controls=["plain_as_residual"], **on_a_gpu("hour")
)
def test_cifar_10_responses(run: Run):
    """Figure 7: layers of residual networks respond less than those of plain ones, and the less the deeper they are."""
    names = ("resnet-20", "plain-20", "resnet-56", "plain-56", "resnet-110")
    residual, plain, deep, deep_plain, deepest = (on_cifar(run, name, Responses())["response"] for name in names)
    return (residual, plain), (deep, deep_plain), (deep, residual), (deepest, deep)


TEN_CROPS = Classification(crops=10, splits=("test",))
CLUSTER = on_a_cluster("2 days")


def on_imagenet(run: Run, name: str):
    """The ten-crop error of a network such as "resnet-34B" or "plain-18"."""
    option = {"shortcut": name[-1]} if name[-1] in "ABC" else {}
    preset = f"imagenet-{name.rstrip('ABC')}"
    return run(TEN_CROPS, preset, data="imagenet", precision="bfloat16", **option)["test_error"]


@claim(
    "imagenet-degradation",
    all_of(higher(), lower(by=2.0), lower(by=2.5)),
    **CLUSTER,
    controls=["residual_as_plain"],
    reported=[Reported(x, "%", f"Table 2, {name}, top-1 error, 10-crop") for name, x in TABLE_2.items()],
)
def test_imagenet_degradation(run: Run):
    """Table 2: on ImageNet the plain network errs more with 34 layers than with 18, the residual one far less."""
    names = ("plain-18", "plain-34", "resnet-18", "resnet-34")
    plain_18, plain_34, resnet_18, resnet_34 = (on_imagenet(run, name) for name in names)
    return (plain_34, plain_18), (resnet_34, resnet_18), (resnet_34, plain_34)


@claim(
    "imagenet-error",
    rows={row: at_most(figure, plus=0.5) for row, figure in IMAGENET_ERROR.items()},
    **CLUSTER,
    controls=["one_crop"],
)
def test_imagenet_error(run: Run, row: str):
    """Table 3: residual networks of 34 to 152 layers reach the reported ten-crop errors on ImageNet."""
    return on_imagenet(run, f"resnet-{row}")


@claim("imagenet-depth-gains", ordered(), **CLUSTER, controls=["halved_shortcuts"])
def test_imagenet_depth_gains(run: Run):
    """Table 3: on ImageNet each step from 34 to 152 layers lowers the error: what is gained is any fall of the mean."""
    return tuple(on_imagenet(run, f"resnet-{row}") for row in ("152", "101", "50", "34B"))
