"""Identity Mappings in Deep Residual Networks (He, Zhang, Ren & Sun, 2016)."""

from __future__ import annotations

from typing import Any

from claims.experiments.counting import Parameters
from claims.experiments.dropped_shortcuts import dropped
from claims.experiments.fed_inputs import Fed
from claims.experiments.fed_pictures import larger_crops
from claims.experiments.he2016 import (
    IdentityMappings,
    Scaling,
    backward,
    increments,
    recursion,
    repartitioned,
    unrolled,
)
from claims.experiments.he2016_counts import Units, kernels_of, reordered
from claims.experiments.he2016_findings import WITH_NORMALIZATION
from claims.experiments.residual_networks import BOTTLENECKS, ORDERS, SHORTCUTS, HeInitialisation, Scores
from claims.experiments.residual_recipes import CIFAR, HALVED, SGD_RULE, SMALLEST, Recipe, on_a_cluster, on_a_gpu
from claims.experiments.residual_updates import CHANGED, ON_DIGITS, ArmUpdates, NetworkUpdates
from repro import (
    Classification,
    Contract,
    Paper,
    Reported,
    Run,
    all_of,
    at_least,
    at_most,
    claim,
    equals,
    equivalent,
    higher,
    holds,
    lower,
)

PAPER = Paper(
    key="he2016",
    title="Identity Mappings in Deep Residual Networks",
    authors=("Kaiming He", "Xiangyu Zhang", "Shaoqing Ren", "Jian Sun"),
    year=2016,
    venue="ECCV 2016",
    arxiv="1603.05027v3",
    url="https://arxiv.org/abs/1603.05027",
    story=(
        "If nothing stands on the shortcut and nothing follows the addition, the signal of any unit is that of an "
        "earlier one plus what lies between, and the gradient passes back as directly. The paper shows that scaling, "
        "gating or convolving the shortcut makes a network of 110 layers harder to train, moves normalization and "
        "ReLU in front of the convolutions so that the path is clean throughout, and trains 1001 layers. "
        "Pre-activation has outlived the networks: most Transformers normalize inside their branches and leave the "
        "residual path alone. A small inconsistency: the parameters given in Table 4 leave out normalization, which "
        "the authors' earlier paper counted."
    ),
)

MEDIAN = "median of 5 runs"  # Section 3.1: so are all errors on CIFAR "throughout this paper"
MILLIONS = {n: Reported(figure, "M", f"Table 4, ResNet-{n}, params") for n, figure in {164: 1.7, 1001: 10.2}.items()}
TABLE_1 = {"constant-scaling-0.5-0.5": 12.35, "convolutional-shortcut": 12.22, "shortcut-gating-0": 12.86}
TABLE_1 |= {"exclusive-gating-6": 8.70, "exclusive-gating-7": 9.81}
SHORTCUT_ERROR = {kind: Reported(x, "%", f"Table 1, {kind}, test error, {MEDIAN}") for kind, x in TABLE_1.items()}
IDENTITY_ERROR = Reported(6.61, "%", "Table 1, original, identity shortcut, test error")
GATED_ERROR = Reported(6.91, "%", f"Table 1, shortcut-only gating, init b_g = -6, test error, {MEDIAN}")
FAILED = ("constant-scaling-0-1", "constant-scaling-0.5-1", "exclusive-gating-0", "exclusive-gating-5")
FAILED += ("dropout-shortcut",)
TABLE_2 = {"110-bn-after-addition": 8.17, "164-bn-after-addition": 6.50, "110-relu-before-addition": 7.84}
ORDER_ERROR = {kind: Reported(x, "%", f"Table 2, ResNet-{kind}, test error, {MEDIAN}") for kind, x in TABLE_2.items()}
CIFAR_ERROR = {
    depth: Reported(figure, "%", f"Table 3, ResNet-{depth}, pre-activation, CIFAR-10 test error, {MEDIAN}")
    for depth, figure in {110: 6.37, 164: 5.46, 1001: 4.92}.items()
}
TABLE_5 = {
    (152, "original"): 21.3,
    (152, "pre-activation"): 21.1,
    (200, "original"): 21.8,
    (200, "pre-activation"): 20.7,
}
IMAGENET_ERROR = {
    f"{n}-{unit.replace('-', '')}": Reported(x, "%", f"Table 5, ResNet-{n}, {unit}, top-1 error, 320x320 crop")
    for (n, unit), x in TABLE_5.items()
}
IMAGENET_101 = {
    kind: Reported(x, "%", f"Section 5, ResNet-101, {kind}, top-1 error")
    for kind, x in {"BN after addition": 24.6, "original": 23.6}.items()
}

DIGITS: dict[str, Any] = HALVED | {"depth": 50, "lr": 0.03, "slow_updates": 0}
DIGITS |= {"iterations": 56, "milestones": (46,)}
"""Table 1's networks at reduced size: 50 layers, 8x8 digits, half the filters, 56 updates."""

TINY: dict[str, Any] = SMALLEST | {"milestones": (2,), "slow_updates": 1}
PRESETS: dict[str, tuple[tuple[str, float], ...]] = {
    "1001-preactivation": (),
    "110-constant-scaling-0.5-0.5": (("scale", 0.5), ("branch_scale", 0.5)),
    "110-shortcut-gating-6": (("gate_bias", -6.0),),
    "110-dropout-shortcut": (("dropout", 0.5),),
}
STEPS: dict[str, Any] = TINY | {"weight_decay": 0.5}
SCHEDULE: dict[str, Any] = STEPS | {"slow_updates": 3, "milestones": (4, 5)}
"""Decay is large and the learning rate rises and falls at once, so that each term of an update shows."""

CONTRACT = Contract(
    protocol=IdentityMappings,
    preset="resnet-110-preactivation",
    data="digits",
    overrides={**DIGITS, "depth": 8, "iterations": 20, "milestones": (15,)},
    counted={
        name: {"iterations": 0, "batch": 8, "augment": "none"}
        for name in (
            "resnet-110-original",
            *(f"{name}-preactivation" for name in ("resnet-110", "resnet-164", "resnet-1001")),
            *(f"imagenet-resnet-{depth}-preactivation" for depth in (152, 200)),
        )
    },
)
RATES = ["without_slow_updates", "rising_rate", "one_milestone", "one_mask_for_a_batch", "one_mask_for_ever"]
WRONG = ["preactivation_without_relu", "relu_after_size_changes", "first_activation_on_the_branch"]
WRONG += ["inverted_dropout", "scaling_of_dead_branches"]


# Mechanism: exact; equations at a tiny size, counts at full size, signals of the full network on small images.


@claim(
    "scores-from-weights",
    all_of(holds(tolerance=1e-4), holds(tolerance=1e-3), holds(tolerance=1e-3)),
    version=2,
    controls=[*WRONG, "cropped_from_366"],
)
def test_scores_from_weights(run: Run):
    """Figure 4: units of every order, and shortcuts of every form (Figure 2), compute what the equations say."""
    arm = run(Scores("he2016", (*ORDERS, *BOTTLENECKS, *SHORTCUTS)), "resnet-110-original", **TINY)
    crops = run(larger_crops, "resnet-110-original", **{**TINY, "test_image": 20})
    return arm["apart"], arm["statistics"], crops["apart"]


@claim(
    "updates",
    all_of(holds(tolerance=0.002), holds(tolerance=0.002), holds(tolerance=6.0)),
    version=3,
    controls=[*RATES, "dropped_maps", "without_momentum", "dropout_rescaled"],
)
def test_updates(run: Run):
    """Appendix: weights move by SGD with momentum and decay, at a rate that is a tenth at first and at milestones."""
    first = run(NetworkUpdates("he2016", ("as it is",), updates=6), "resnet-110-original", **SCHEDULE)
    others = NetworkUpdates("he2016", (*ORDERS[1:], "wider gates", "all dropped"))
    masks = run(dropped, "resnet-110-dropout-shortcut")["off"]
    return first["apart"], run(others, "resnet-110-original", **STEPS)["apart"], masks


@claim(
    "arms-follow-the-equations",
    all_of(*[holds(tolerance=0.1)] * (len(ON_DIGITS) - 1)),
    controls=["tripled_updates", "slower_others"],
)
def test_arms_follow_the_equations(run: Run):
    """Appendix: so do those of the networks compared below, save the one with dropout, whose masks are unknown."""
    names = (f"resnet-110-{name}" for name in ON_DIGITS if name != "dropout-shortcut")
    return tuple(run(ArmUpdates("he2016"), name, data="digits", **DIGITS)["apart"] for name in names)


@claim(
    "initial-weights",
    all_of(holds(relation="at_least"), holds()),
    version=2,
    controls=["half_the_variance", "gate_biases_reset"],
)
def test_initial_weights(run: Run):
    """Appendix: weights start as in the paper's [23], normal of variance 2 / fan; gates' biases as Table 1 says."""
    arm = run(HeInitialisation(), "resnet-110-exclusive-gating-6", **TINY)
    return arm["chance"], arm["constants"]


@claim(
    "augmented-inputs",
    all_of(holds(tolerance=0.15), holds(tolerance=0.01), holds(relation="at_least")),
    controls=["without_augmentation"],
)
def test_augmented_inputs(run: Run):
    """Appendix: on CIFAR only translation by up to 4 pixels and flipping augment what is trained on."""
    arm = run(Fed("he2016", updates=300), "resnet-110-original", **{**TINY, "augment": "shift-flip"})
    return arm["apart"], arm["repeats"], arm["chance"]


@claim(
    "recipe",
    all_of(holds(), holds(tolerance=100), *(holds() for _ in PRESETS)),  # a pass may leave out the rest of a batch
    controls=["without_slow_updates_anywhere"],
)
def test_recipe(run: Run):
    """Appendix: batches, rates, decay and slow updates on CIFAR and ImageNet; and what Table 1 says of shortcuts."""
    large = (*SGD_RULE, ("batch", 256), ("slow_updates", 0), ("image", 224), ("test_image", 320), ("classes", 1000))
    name, epochs = "imagenet-resnet-200-preactivation", (("milestones", (150_137, 300_274)),)
    small = (run(Recipe((*CIFAR, ("slow_updates", 400), *more)), f"resnet-{name}") for name, more in PRESETS.items())
    arms = (run(Recipe(large), name), run(Recipe(epochs), name), *small)
    return tuple(arm["numbers"] for arm in arms)


@claim(
    "signals-from-weights",
    all_of(holds(tolerance=1e-6), holds(tolerance=1e-4)),
    controls=["signals_of_another_network", "gradients_of_one_image"],
)
def test_signals_from_weights(run: Run):
    """Eq. (1) to (6): units' inputs, residual functions and gradients are those that a network's weights give."""
    arm = run(unrolled, "resnet-110-original", **TINY)
    return arm["signals"], arm["gradients"]


@claim(
    "parameters",
    rows={str(depth): all_of(holds(), equals(figure, within=0.05)) for depth, figure in MILLIONS.items()},
    version=2,
    controls=["basic_units"],
)
def test_parameters(run: Run, row: str):
    """Table 4: networks of 164 and 1001 layers have 1.7 and 10.2 million parameters, normalization left out."""
    arm = run(Parameters(kernels_of(int(row)), kernels_only=True), f"resnet-{row}-preactivation")
    return arm["parameters"], arm["millions"]


@claim(
    "parameters-as-before",
    equals(MILLIONS[1001], within=0.05),
    version=2,
    controls=["without_normalization_counted"],
    expected=WITH_NORMALIZATION,
)
def test_parameters_as_before(run: Run):
    """Table 4: 1001 layers have 10.2 million parameters, counted as those of 1202 layers: with normalization."""
    return run(Parameters(kernels_of(1001)), "resnet-1001-preactivation")["millions"]


@claim("units", all_of(holds(), holds()), controls=["basic_units"])
def test_units(run: Run):
    """Section 4.1: 110 layers are 54 two-layer units, and 1001 are 333 three-layer units, 111 at each resolution."""
    basic = run(Units(18, layers=2), "resnet-110-original")["units"]
    return basic, run(Units(111, layers=3), "resnet-1001-preactivation")["units"]


@claim("reordering-is-free", holds(), controls=["without_last_activation"])
def test_reordering_is_free(run: Run):
    """Figure 4: all five orders consist of the same components; only their order differs."""
    return run(reordered, "resnet-110-original")["differences"]


@claim("signals-add-up", holds(tolerance=1e-12), controls=["relu_after_addition", "shrunk_shortcuts"])
def test_signals_add_up(run: Run):
    """Eq. (4): the signal of any deeper unit is that of any shallower one plus the residual functions between."""
    return run(recursion, "resnet-110-preactivation", image=16)["error"]


@claim(
    "gradients-have-an-additive-term",
    all_of(holds(), holds(relation="at_most")),
    controls=["plain", "shrunk_shortcuts"],
)
def test_gradients_have_an_additive_term(run: Run):
    """Eq. (5): the gradient reaches every unit undiminished, even where the branches' weights are zero or tiny."""
    arm = run(backward, "resnet-110-preactivation", widths=(16,), image=8)
    return arm["change"], arm["doublings"]


@claim("scaled-shortcuts-multiply", holds(tolerance=1e-6), controls=["scaled_branches"])
def test_scaled_shortcuts_multiply(run: Run):
    """Eq. (8): where shortcuts are scaled, what passes through them changes by the product of their scales."""
    return run(Scaling((0.5, 0.9, 1.1)), "resnet-110-preactivation", widths=(16,), image=8)["error"]


@claim(
    "relu-before-addition-only-adds",
    all_of(holds(relation="at_least"), holds(relation="at_most")),
    controls=["branches_without_relu", "branches_with_relu"],
)
def test_relu_before_addition_only_adds(run: Run):
    """Section 4.1: with a ReLU before addition no unit lowers the signal; with full pre-activation all units can."""
    rectified = run(increments, "resnet-110-relu-before-addition", image=16)["grows"]
    return rectified, run(increments, "resnet-110-preactivation", image=16)["falls"]


@claim(
    "asymmetric-is-preactivation",
    holds(tolerance=1e-3),
    version=2,
    controls=["symmetric_activation", "last_sum_classified"],
)
def test_asymmetric_is_preactivation(run: Run):
    """Figure 5: activation after addition on the branch alone is pre-activation, cut into units elsewhere."""
    small = {**DIGITS, "depth": 20, "bottleneck": True, "shortcut": "B", "iterations": 20, "milestones": (15,)}
    return run(repartitioned, "resnet-110-preactivation", data="digits", **small)["change"]


# Direction: the digits setting above.


def on_digits(run: Run, kind: str):
    """The training error of a 110-layer preset, reduced to the digits."""
    return run(Classification(), f"resnet-110-{kind}", data="digits", arm=kind, **DIGITS)["train_error"]


LEARNS = at_most(87.0)  # of the arm that errs more; chance is 90 %
SIX: dict[str, Any] = {"version": 2, "seeds": 6}


@claim(
    "shortcuts-must-be-identities",
    rows={kind: all_of(higher(by=15.0), LEARNS) for kind in CHANGED},
    controls=["identity_shortcuts", "untrained_others"],
    **SIX,
)
def test_shortcuts_must_be_identities(run: Run, row: str):
    """Table 1: scaling, convolving or dropping out the shortcut raises the training error by over 15 points."""
    worse = on_digits(run, row)
    return (worse, on_digits(run, "original")), worse


@claim(
    "gates-must-start-open",
    all_of(higher(by=15.0), LEARNS),
    version=3,
    seeds=12,
    controls=["gate_biases_reset", "untrained_others"],
)
def test_gates_must_start_open(run: Run):
    """Table 1: if the biases of gates on shortcuts start at 0 and not at -6, the training error is 15 points higher."""
    worse = on_digits(run, "shortcut-gating-0")
    return (worse, on_digits(run, "shortcut-gating-6")), worse


@claim(
    "normalization-after-addition-impedes",
    all_of(higher(by=15.0), LEARNS),
    controls=["original_order", "untrained_others"],
    **SIX,
)
def test_normalization_after_addition_impedes(run: Run):
    """Section 4.1: with normalization after the addition, the training error falls later, and is 15 points higher."""
    worse = on_digits(run, "bn-after-addition")
    return (worse, on_digits(run, "original")), worse


@claim(
    "relu-before-addition-impedes",
    all_of(higher(times=2.0, log=True), LEARNS),
    controls=["original_order", "untrained_others"],
    **SIX,
)
def test_relu_before_addition_impedes(run: Run):
    """Table 2: with a ReLU before the addition, which leaves no negative residuals, the error more than doubles."""
    worse = on_digits(run, "relu-before-addition")
    return (worse, on_digits(run, "original")), worse


# Number: the paper's data and schedule. Costs are estimates. Printed errors on CIFAR are medians of five runs; ours are
# compared by their means.

CURVE = Classification(eval_steps=(64_000,))
TEN_MINUTES = on_a_gpu("10 minutes a network of 110 layers and seed")


def on_cifar(run: Run, kind: str, experiment: Classification = CURVE):
    """An arm at the paper's full size, such as "164-preactivation"."""
    return run(experiment, f"resnet-{kind}", data="cifar10", precision="bfloat16")


@claim(
    "cifar-10-shortcuts",
    rows={kind: higher(by=1.0) for kind in SHORTCUT_ERROR},
    controls=["identity_shortcuts"],
    reported=SHORTCUT_ERROR,
    **TEN_MINUTES,
)
def test_cifar_10_shortcuts(run: Run, row: str):
    """Table 1, medians of five: whatever stands on 110 layers' shortcuts raises the mean test error by over a point."""
    return on_cifar(run, f"110-{row}")["test_error"], on_cifar(run, "110-original")["test_error"]


@claim(
    "cifar-10-shortcuts-fail",
    rows={kind: all_of(at_least(20.0), at_most(20.0)) for kind in FAILED},
    controls=["identity_shortcuts"],
    **TEN_MINUTES,
)
def test_cifar_10_shortcuts_fail(run: Run, row: str):
    """Table 1, medians of five: with these shortcuts the mean test error stays above 20 %; an identity's does not."""
    return on_cifar(run, f"110-{row}")["test_error"], on_cifar(run, "110-original")["test_error"]


@claim(
    "cifar-10-open-gates",
    all_of(higher(by=3.0), equivalent(within=1.0)),
    controls=["gate_biases_reset"],
    reported=[SHORTCUT_ERROR["shortcut-gating-0"], GATED_ERROR, IDENTITY_ERROR],
    **TEN_MINUTES,
)
def test_cifar_10_open_gates(run: Run):
    """Table 1, medians of five: gates from the bias -6 err 3 points less than from 0, and within 1 as an identity.

    Means of three are compared.
    """
    kinds = ("110-shortcut-gating-0", "110-shortcut-gating-6", "110-original")
    shut, open_, identity = (on_cifar(run, kind)["test_error"] for kind in kinds)
    return (shut, open_), (open_, identity)


@claim(
    "cifar-10-orders",
    rows={kind: higher(by=0.8 if kind.startswith("110") else 0.0) for kind in ORDER_ERROR},
    controls=["original_order"],
    reported=ORDER_ERROR,
    **on_a_gpu("10 minutes a network of 110 layers and seed", seeds=5),
)
def test_cifar_10_orders(run: Run, row: str):
    """Table 2, medians of five: BN after the addition or ReLU before it raises the mean test error, at 110 by 0.8."""
    depth, _, _ = row.partition("-")
    return on_cifar(run, row)["test_error"], on_cifar(run, f"{depth}-original")["test_error"]


@claim(
    "cifar-10-preactivation-gains",
    rows={"164": lower(), "1001": lower(by=1.5)},
    controls=["original_order"],
    reported={str(depth): CIFAR_ERROR[depth] for depth in (164, 1001)},
    **on_a_gpu("half an hour (164 layers) or 5 hours (1001) a network and seed", seeds=5),
)
def test_cifar_10_preactivation_gains(run: Run, row: str):
    """Table 3, medians of five: pre-activation lowers the mean test error, with 1001 layers by over 1.5 points."""
    arms = (on_cifar(run, f"{row}-{order}") for order in ("preactivation", "original"))
    return tuple(arm["test_error"] for arm in arms)


@claim(
    "cifar-10-preactivation-regularizes",
    all_of(higher(), lower()),
    controls=["original_order"],
    **on_a_gpu("half an hour a network and seed", seeds=5),
)
def test_cifar_10_preactivation_regularizes(run: Run):
    """Figure 6 (right): with 164 layers, pre-activation ends at a higher training loss and a lower test error."""
    new, old = (on_cifar(run, f"164-{order}") for order in ("preactivation", "original"))
    return (new["mean_train_loss"], old["mean_train_loss"]), (new["test_error"], old["test_error"])


@claim(
    "cifar-10-error",
    rows={str(depth): at_most(figure, plus=0.5) for depth, figure in CIFAR_ERROR.items()},
    controls=["without_augmentation"],
    **on_a_gpu("10 minutes (110 layers) to 5 hours (1001) a seed", seeds=5),
)
def test_cifar_10_error(run: Run, row: str):
    """Table 3: pre-activated networks of 110 to 1001 layers reach the reported medians of five in the mean."""
    return on_cifar(run, f"{row}-preactivation")["test_error"]


ONE_CROP = Classification(splits=("test",))
CLUSTER = on_a_cluster("week")


def on_imagenet(run: Run, kind: str):
    """The single-crop error of a network such as "200-preactivation"."""
    return run(ONE_CROP, f"imagenet-resnet-{kind}", data="imagenet", precision="bfloat16")["test_error"]


@claim(
    "imagenet-error",
    rows={kind: at_most(figure, plus=0.5) for kind, figure in IMAGENET_ERROR.items()},
    controls=["tested_at_224"],
    **CLUSTER,
)
def test_imagenet_error(run: Run, row: str):
    """Table 5: networks of 152 and 200 layers reach the reported errors on ImageNet, on one crop of 320x320 pixels."""
    return on_imagenet(run, row)


@claim(
    "imagenet-preactivation-gains",
    lower(by=0.6),
    controls=["original_order"],
    reported=[IMAGENET_ERROR["200-preactivation"], IMAGENET_ERROR["200-original"]],
    **CLUSTER,
)
def test_imagenet_preactivation_gains(run: Run):
    """Table 5: with 200 layers on ImageNet, full pre-activation errs over 0.6 points less than the original order."""
    return on_imagenet(run, "200-preactivation"), on_imagenet(run, "200-original")


@claim(
    "imagenet-normalization-after-addition-impedes",
    higher(by=0.5),
    controls=["original_order"],
    reported=tuple(IMAGENET_101.values()),
    **CLUSTER,
)
def test_imagenet_normalization_after_addition_impedes(run: Run):
    """Section 5: with 101 layers on ImageNet, normalization after the addition raises the error by over 0.5 points."""
    return on_imagenet(run, "101-bn-after-addition"), on_imagenet(run, "101-original")
