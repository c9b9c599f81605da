"""Identity Mappings in Deep Residual Networks (He, Zhang, Ren & Sun, 2016)."""

from __future__ import annotations

from typing import Any

from claims.experiments.he2016 import (
    IdentityMappings,
    Parameters,
    Scaling,
    Units,
    backward,
    increments,
    recursion,
    reordered,
    repartitioned,
)
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
    equivalent,
    higher,
    holds,
    lower,
    refuted,
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

MILLIONS = {
    164: Reported(1.7, "M", "Table 4, ResNet-164, params"),
    1001: Reported(10.2, "M", "Table 4, ResNet-1001, params"),
}
SHORTCUT_ERROR = {
    "constant-scaling-0.5-0.5": Reported(12.35, "%", "Table 1, constant scaling, shortcut 0.5, F 0.5, test error"),
    "convolutional-shortcut": Reported(12.22, "%", "Table 1, 1x1 conv shortcut, test error"),
    "exclusive-gating-6": Reported(8.70, "%", "Table 1, exclusive gating, init b_g = -6, test error"),
    "exclusive-gating-7": Reported(9.81, "%", "Table 1, exclusive gating, init b_g = -7, test error"),
    "shortcut-gating-0": Reported(12.86, "%", "Table 1, shortcut-only gating, init b_g = 0, test error"),
}
IDENTITY_ERROR = Reported(6.61, "%", "Table 1, original, identity shortcut, test error")
GATED_ERROR = Reported(6.91, "%", "Table 1, shortcut-only gating, init b_g = -6, test error")
FAILED = (
    "constant-scaling-0-1",
    "constant-scaling-0.5-1",
    "exclusive-gating-0",
    "exclusive-gating-5",
    "dropout-shortcut",
)
ORDER_ERROR = {
    "110-bn-after-addition": Reported(8.17, "%", "Table 2, BN after addition, ResNet-110, test error"),
    "164-bn-after-addition": Reported(6.50, "%", "Table 2, BN after addition, ResNet-164, test error"),
    "110-relu-before-addition": Reported(7.84, "%", "Table 2, ReLU before addition, ResNet-110, test error"),
}
CIFAR_ERROR = {
    110: Reported(6.37, "%", "Table 2, full pre-activation, ResNet-110, test error"),
    164: Reported(5.46, "%", "Table 2, full pre-activation, ResNet-164, test error"),
    1001: Reported(4.92, "%", "Table 3, ResNet-1001, pre-activation, CIFAR-10 test error"),
}
IMAGENET_ERROR = {
    "152-original": Reported(21.3, "%", "Table 5, ResNet-152, original, top-1 error, 320x320 crop"),
    "152-preactivation": Reported(21.1, "%", "Table 5, ResNet-152, pre-activation, top-1 error, 320x320 crop"),
    "200-original": Reported(21.8, "%", "Table 5, ResNet-200, original, top-1 error, 320x320 crop"),
    "200-preactivation": Reported(20.7, "%", "Table 5, ResNet-200, pre-activation, top-1 error, 320x320 crop"),
}
IMAGENET_101 = {
    "bn-after-addition": Reported(24.6, "%", "Section 5, ResNet-101, BN after addition, top-1 error"),
    "original": Reported(23.6, "%", "Section 5, ResNet-101, original, top-1 error"),
}

DIGITS: dict[str, Any] = {
    "depth": 56,
    "widths": (8, 16, 32),
    "image": 8,
    "channels": 1,
    "augment": "none",
    "batch": 64,
    "iterations": 48,
    "lr": 0.03,
    "milestones": (40,),
    "slow_updates": 0,
}
"""The networks of Table 1 at reduced size: 56 layers, 8x8 digits, half the filters, 48 updates."""

CONTRACT = Contract(
    protocol=IdentityMappings,
    preset="resnet-110-preactivation",
    data="digits",
    overrides={**DIGITS, "depth": 8, "iterations": 20, "milestones": (15,)},
    counted={
        preset: {"iterations": 0, "batch": 8, "augment": "none"}
        for preset in (
            "resnet-110-original",
            "resnet-110-preactivation",
            "resnet-164-preactivation",
            "resnet-1001-preactivation",
            "imagenet-resnet-152-preactivation",
            "imagenet-resnet-200-preactivation",
        )
    },
)


# Mechanism: exact. Counts at the paper's full size; signals of the full network on images of half the side, or, where
# sizes must not change, of as many units of 16 filters.


@claim(
    "parameters",
    rows={str(depth): all_of(holds(), holds(tolerance=0.05)) for depth in MILLIONS},
    controls=["basic_units"],
    reported={str(depth): figure for depth, figure in MILLIONS.items()},
)
def test_parameters(run: Run, row: str):
    """Table 4: networks of 164 and 1001 layers have 1.7 and 10.2 million parameters, normalization left out."""
    arm = run(Parameters(int(row), MILLIONS[int(row)].value), f"resnet-{row}-preactivation")
    return arm["kernels"], arm["millions"]


@claim(
    "parameters-as-before",
    holds(tolerance=0.05),
    controls=["without_normalization_counted"],
    reported=[MILLIONS[1001]],
    expected=refuted(
        "Arithmetic: the 19.4 million that Table 4 repeats from the earlier paper (arXiv:1512.03385) for 1202 layers "
        "include normalization; counted so, the 1001-layer network has 10.33 million parameters."
    ),
)
def test_parameters_as_before(run: Run):
    """Table 4: 1001 layers have 10.2 million parameters, counted as those of 1202 layers: with normalization."""
    return run(Parameters(1001, MILLIONS[1001].value), "resnet-1001-preactivation")["all_millions"]


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
    controls=["symmetric_activation", "last_sum_classified"],
)
def test_asymmetric_is_preactivation(run: Run):
    """Figure 5: activation after addition on the branch alone is pre-activation, cut into units elsewhere."""
    small = {**DIGITS, "depth": 20, "iterations": 20, "milestones": (15,)}
    return run(repartitioned, "resnet-110-preactivation", data="digits", **small)["change"]


# Direction: the digits setting above.


def on_digits(run: Run, kind: str):
    """The training error of a 110-layer preset, reduced to the digits."""
    return run(Classification(), f"resnet-110-{kind}", data="digits", arm=kind, **DIGITS)["train_error"]


@claim(
    "shortcuts-must-be-identities",
    rows={
        kind: higher(by=15.0)
        for kind in (
            "constant-scaling-0.5-1",
            "constant-scaling-0.5-0.5",
            "convolutional-shortcut",
            "dropout-shortcut",
        )
    },
    seeds=4,
    controls=["identity_shortcuts"],
)
def test_shortcuts_must_be_identities(run: Run, row: str):
    """Table 1: scaling, convolving or dropping out the shortcut raises the training error far above the identity's."""
    return on_digits(run, row), on_digits(run, "original")


@claim("gates-must-start-open", higher(by=15.0), seeds=5, controls=["gate_biases_reset"])
def test_gates_must_start_open(run: Run):
    """Table 1: a network with gated shortcuts trains far better if the gates' biases start at -6 than at 0."""
    return on_digits(run, "shortcut-gating-0"), on_digits(run, "shortcut-gating-6")


@claim("normalization-after-addition-impedes", higher(by=15.0), seeds=4, controls=["original_order"])
def test_normalization_after_addition_impedes(run: Run):
    """Section 4.1: with normalization after the addition, the training error falls far more slowly."""
    return on_digits(run, "bn-after-addition"), on_digits(run, "original")


@claim("relu-before-addition-impedes", higher(times=2.0, log=True), seeds=6, controls=["original_order"])
def test_relu_before_addition_impedes(run: Run):
    """Table 2: with a ReLU before the addition, which leaves no negative residuals, the error more than doubles."""
    return on_digits(run, "relu-before-addition"), on_digits(run, "original")


# Number: the paper's data and schedule. Costs are estimates.

CURVE = Classification(checkpoints=(64_000,))
TEN_MINUTES = "an estimated 10 minutes a network of 110 layers and seed on one H200, as much for the control"


def on_cifar(run: Run, kind: str, experiment: Classification = CURVE):
    """An arm at the paper's full size, such as "164-preactivation"."""
    return run(experiment, f"resnet-{kind}", data="cifar10", precision="bfloat16")


@claim(
    "cifar-10-shortcuts",
    rows={kind: higher(by=1.0) for kind in SHORTCUT_ERROR},
    tier="gpu",
    seeds=3,
    controls=["identity_shortcuts"],
    reported=SHORTCUT_ERROR,
    cost=TEN_MINUTES,
)
def test_cifar_10_shortcuts(run: Run, row: str):
    """Table 1: on CIFAR-10 with 110 layers, whatever stands on the shortcut raises the test error."""
    return on_cifar(run, f"110-{row}")["test_error"], on_cifar(run, "110-original")["test_error"]


@claim(
    "cifar-10-shortcuts-fail",
    rows={kind: all_of(at_least(20.0), at_most(20.0)) for kind in FAILED},
    tier="gpu",
    seeds=3,
    controls=["identity_shortcuts"],
    cost=TEN_MINUTES,
)
def test_cifar_10_shortcuts_fail(run: Run, row: str):
    """Table 1: with these shortcuts training fails: the test error stays above 20 %, where an identity's does not."""
    return on_cifar(run, f"110-{row}")["test_error"], on_cifar(run, "110-original")["test_error"]


@claim(
    "cifar-10-open-gates",
    all_of(higher(by=3.0), equivalent(within=1.0)),
    tier="gpu",
    seeds=3,
    controls=["gate_biases_reset"],
    reported=[SHORTCUT_ERROR["shortcut-gating-0"], GATED_ERROR, IDENTITY_ERROR],
    cost=TEN_MINUTES,
)
def test_cifar_10_open_gates(run: Run):
    """Table 1: on CIFAR-10 a gated shortcut errs far less from the bias -6 than from 0, and about as an identity."""
    kinds = ("110-shortcut-gating-0", "110-shortcut-gating-6", "110-original")
    shut, open_, identity = (on_cifar(run, kind)["test_error"] for kind in kinds)
    return (shut, open_), (open_, identity)


@claim(
    "cifar-10-orders",
    rows={kind: higher(by=0.8 if kind.startswith("110") else 0.0) for kind in ORDER_ERROR},
    tier="gpu",
    seeds=5,
    controls=["original_order"],
    reported=ORDER_ERROR,
    cost=TEN_MINUTES,
)
def test_cifar_10_orders(run: Run, row: str):
    """Table 2: on CIFAR-10, BN after the addition or ReLU before it raises the test error."""
    depth, _, _ = row.partition("-")
    return on_cifar(run, row)["test_error"], on_cifar(run, f"{depth}-original")["test_error"]


@claim(
    "cifar-10-preactivation-gains",
    rows={"164": lower(), "1001": lower(by=1.5)},
    tier="gpu",
    seeds=5,
    controls=["original_order"],
    reported={str(depth): CIFAR_ERROR[depth] for depth in (164, 1001)},
    cost="an estimated half an hour (164 layers) or 5 hours (1001) a network and seed on one H200",
)
def test_cifar_10_preactivation_gains(run: Run, row: str):
    """Table 3: on CIFAR-10 full pre-activation errs less than the original order, and far less with 1001 layers."""
    arms = (on_cifar(run, f"{row}-{order}") for order in ("preactivation", "original"))
    return tuple(arm["test_error"] for arm in arms)


@claim(
    "cifar-10-preactivation-regularizes",
    all_of(higher(), lower()),
    tier="gpu",
    seeds=5,
    controls=["original_order"],
    cost="an estimated half an hour a network and seed on one H200",
)
def test_cifar_10_preactivation_regularizes(run: Run):
    """Figure 6 (right): with 164 layers, pre-activation ends at a higher training loss and a lower test error."""
    new, old = (on_cifar(run, f"164-{order}") for order in ("preactivation", "original"))
    return (new["mean_train_loss"], old["mean_train_loss"]), (new["test_error"], old["test_error"])


@claim(
    "cifar-10-error",
    rows={str(depth): at_most(figure, plus=0.5) for depth, figure in CIFAR_ERROR.items()},
    tier="gpu",
    seeds=5,
    controls=["without_augmentation"],
    cost="an estimated 10 minutes (110 layers) to 5 hours (1001) a seed on one H200, as much for the control",
)
def test_cifar_10_error(run: Run, row: str):
    """Table 3: pre-activated networks of 110 to 1001 layers reach the reported test errors on CIFAR-10."""
    return on_cifar(run, f"{row}-preactivation")["test_error"]


ONE_CROP = Classification(splits=("test",))
LONG = "an estimated week a network and seed on one H200 beside 16 decoding cores, as much for the control"


def on_imagenet(run: Run, kind: str):
    """The single-crop error of a network such as "200-preactivation"."""
    return run(ONE_CROP, f"imagenet-resnet-{kind}", data="imagenet", precision="bfloat16")["test_error"]


@claim(
    "imagenet-error",
    rows={kind: at_most(figure, plus=0.5) for kind, figure in IMAGENET_ERROR.items()},
    tier="cluster",
    seeds=3,
    controls=["tested_at_224"],
    cost=LONG,
)
def test_imagenet_error(run: Run, row: str):
    """Table 5: networks of 152 and 200 layers reach the reported errors on ImageNet, on one crop of 320x320 pixels."""
    return on_imagenet(run, row)


@claim(
    "imagenet-preactivation-gains",
    lower(by=0.6),
    tier="cluster",
    seeds=3,
    controls=["original_order"],
    reported=[IMAGENET_ERROR["200-preactivation"], IMAGENET_ERROR["200-original"]],
    cost=LONG,
)
def test_imagenet_preactivation_gains(run: Run):
    """Table 5: with 200 layers on ImageNet, full pre-activation errs less than the original order."""
    return on_imagenet(run, "200-preactivation"), on_imagenet(run, "200-original")


@claim(
    "imagenet-normalization-after-addition-impedes",
    higher(by=0.5),
    tier="cluster",
    seeds=3,
    controls=["original_order"],
    reported=tuple(IMAGENET_101.values()),
    cost=LONG,
)
def test_imagenet_normalization_after_addition_impedes(run: Run):
    """Section 5: with 101 layers on ImageNet, normalization after the addition raises the error."""
    return on_imagenet(run, "101-bn-after-addition"), on_imagenet(run, "101-original")
