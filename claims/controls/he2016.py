"""Sabotaged residual networks: each differs from the reference in one thing that people get wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from repro import reconfigure, sabotage


def basic_units(reference: Any) -> SimpleNamespace:
    """Units have two 3x3 convolutions rather than a bottleneck, at the nearest depth that is possible."""

    def basic(config: Any) -> Any:
        return replace(config, bottleneck=False, shortcut="A", depth=6 * ((config.depth - 2) // 6) + 2)

    return reconfigure(reference, basic)


def without_normalization_counted(reference: Any) -> SimpleNamespace:
    """Scales and shifts of normalization are not counted as parameters."""
    return sabotage(
        reference, layers=lambda config: tuple(layer for layer in reference.layers(config) if layer.kind != "norm")
    )


def without_last_activation(reference: Any) -> SimpleNamespace:
    """The activation after the last unit is forgotten: the last sum is pooled as it is."""

    class Bare(reference.Net):
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.stages[-1] = reference.nn.Identity()

    return _with_net(reference, Bare)


def last_sum_classified(reference: Any) -> SimpleNamespace:
    """With asymmetric activation, the last unit's sum is pooled rather than its activation."""

    class First(reference.Last):
        def forward(self, state: Any) -> Any:
            return state[0] if isinstance(state, tuple) else super().forward(state)

    class Summed(reference.Net):
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.stages[-1] = First(config, self.classify.in_features)

    return _with_net(reference, Summed)


def relu_after_addition(reference: Any) -> SimpleNamespace:
    """Units keep the ReLU after their addition, whatever stands before."""

    class Rectified(reference.Unit):
        def forward(self, state: Any) -> Any:
            return super().forward(state).relu()

    return _with_unit(reference, Rectified)


def shrunk_shortcuts(reference: Any) -> SimpleNamespace:
    """Shortcuts carry nine tenths of the unit's input rather than all of it."""
    return reconfigure(reference, lambda config: replace(config, scale=0.9))


def plain(reference: Any) -> SimpleNamespace:
    """There are no shortcuts."""
    return reconfigure(reference, lambda config: replace(config, residual=False))


def scaled_branches(reference: Any) -> SimpleNamespace:
    """The factor that is meant for the shortcut multiplies the residual function."""

    class Scaled(reference.Unit):
        def __init__(self, config: Any, inputs: int, width: int, stride: int) -> None:
            super().__init__(config, inputs, width, stride)
            self.merge.scale, self.merge.branch_scale = self.merge.branch_scale, self.merge.scale

    return _with_unit(reference, Scaled)


def branches_without_relu(reference: Any) -> SimpleNamespace:
    """Branches end with their normalization: the ReLU before the addition is forgotten."""

    class Linear(reference.Unit):
        def __init__(self, config: Any, inputs: int, width: int, stride: int) -> None:
            super().__init__(config, inputs, width, stride)
            if isinstance(self.body[-1], reference.nn.ReLU):
                self.body = reference.nn.Sequential(*list(self.body)[:-1])

    return _with_unit(reference, Linear)


def branches_with_relu(reference: Any) -> SimpleNamespace:
    """Branches end with a ReLU, also those that start with one."""

    class Rectified(reference.Unit):
        def __init__(self, config: Any, inputs: int, width: int, stride: int) -> None:
            super().__init__(config, inputs, width, stride)
            self.body = reference.nn.Sequential(*self.body, reference.nn.ReLU())
            self.merge.in_place = False

    return _with_unit(reference, Rectified)


def symmetric_activation(reference: Any) -> SimpleNamespace:
    """The activation after an addition is on both paths: the next shortcut carries it too (Figure 5a)."""

    class Symmetric(reference.Unit):
        def forward(self, state: Any) -> Any:
            result = super().forward(state)
            return (result[1], result[1]) if isinstance(result, tuple) else result

    return _with_unit(reference, Symmetric)


def identity_shortcuts(reference: Any) -> SimpleNamespace:
    """What is meant to stand on the shortcut is left out: it is an identity wherever sizes allow."""
    return reconfigure(
        reference,
        lambda config: replace(config, scale=1.0, branch_scale=1.0, dropout=0.0, gate="none", shortcut="A"),
    )


def gate_biases_reset(reference: Any) -> SimpleNamespace:
    """Initialisation sets all biases to zero, those of the gates too."""
    return reconfigure(reference, lambda config: replace(config, gate_bias=0.0))


def original_order(reference: Any) -> SimpleNamespace:
    """Units have the original order of activation, whichever is asked for."""
    return reconfigure(reference, lambda config: replace(config, unit="original"))


def without_augmentation(reference: Any) -> SimpleNamespace:
    """Training images are neither shifted nor mirrored."""
    return reconfigure(reference, lambda config: replace(config, augment="none"))


def tested_at_224(reference: Any) -> SimpleNamespace:
    """Test crops have 224 pixels, as those in training do, rather than 320."""
    return reconfigure(reference, lambda config: replace(config, test_image=0))


def _with_unit(reference: Any, unit: Callable[..., Any]) -> SimpleNamespace:
    """Networks are built of another unit."""
    return _with_net(reference, lambda config: reference.Net(config, unit))


def _with_net(reference: Any, build: Callable[[Any], Any]) -> SimpleNamespace:
    """Networks are built by another function."""

    def train(
        config: Any, data: Any, *, seed: int, device: str, checkpoints: Sequence[int] = ()
    ) -> Iterator[tuple[int, Any]]:
        return reference.fit(build(config), config, data, seed=seed, device=device, checkpoints=checkpoints)

    def layers(config: Any) -> Any:
        with reference.torch.device("meta"):
            return reference.he2015.trace(build(config), config)

    def unroll(config: Any, images: Any, labels: Any, *, seed: int, branch: float = 1.0) -> Any:
        return reference.observe(build(config), images, labels, seed=seed, branch=branch)

    def repartition(predictor: Any, config: Any) -> Any:
        return reference.transfer(predictor, build(config), config)

    return sabotage(reference, train=train, layers=layers, unroll=unroll, repartition=repartition)
