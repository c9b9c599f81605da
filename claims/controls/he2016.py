"""Sabotaged residual networks: each differs from the reference in one thing that people get wrong."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from claims.controls._residual import half_the_variance as half_the_variance
from claims.controls._residual import with_dropout, with_masks, with_net, with_part, with_unit
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

    return with_net(reference, Bare)


def preactivation_without_relu(reference: Any) -> SimpleNamespace:
    """Full pre-activation is normalization alone: no branch has a rectifier, and none stands after the last unit."""

    def straight(part: Any) -> Any:
        nn = reference.nn
        if isinstance(part, nn.Sequential):
            return nn.Sequential(*(straight(member) for member in part))
        return nn.Identity() if isinstance(part, nn.ReLU) else part

    def build(config: Any) -> Any:
        net = reference.Net(config)
        if config.unit == "preactivation":
            for unit in reference.units_of(net):
                unit.head, unit.body = straight(unit.head), straight(unit.body)
            net.stages[-1].activate = straight(net.stages[-1].activate)
        return net

    return with_net(reference, build)


def relu_after_size_changes(reference: Any) -> SimpleNamespace:
    """Where sizes change, the sum is rectified in every order."""

    class Rectified(reference.Unit):
        def __init__(self, config: Any, inputs: int, width: int, stride: int) -> None:
            super().__init__(config, inputs, width, stride)
            self.changes = stride > 1

        def forward(self, state: Any) -> Any:
            found = super().forward(state)
            return found.relu() if self.changes and not isinstance(found, tuple) else found

    return with_unit(reference, Rectified)


def first_activation_on_the_branch(reference: Any) -> SimpleNamespace:
    """The first unit's activation is on its branch alone: its shortcut carries what the stem's convolution gives."""

    class Late(reference.Net):
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            if config.unit == "preactivation" and config.stem == "cifar":
                conv, norm, relu = self.stem
                self.stem = reference.nn.Sequential(conv)
                reference.units_of(self)[0].head = reference.nn.Sequential(norm, relu)

    return with_net(reference, Late)


def inverted_dropout(reference: Any) -> SimpleNamespace:
    """What dropout keeps of a shortcut is divided by the share that is kept, and predictions see all of it."""

    class Inverted(reference.Dropout):
        def forward(self, h: Any) -> Any:
            return super().forward(h) / self.keep

    return with_dropout(reference, Inverted)


def dropout_rescaled(reference: Any) -> SimpleNamespace:
    """In training, what dropout keeps of a shortcut is divided by the share that is kept."""

    class Rescaled(reference.Dropout):
        def forward(self, h: Any) -> Any:
            found = super().forward(h)
            return found / self.keep if self.training and reference.torch.is_grad_enabled() else found

    return with_dropout(reference, Rescaled)


def dropped_maps(reference: Any) -> SimpleNamespace:
    """Dropout drops whole maps of a shortcut."""
    return with_masks(reference, lambda mask, _: mask[:, :, :1, :1])


def one_mask_for_a_batch(reference: Any) -> SimpleNamespace:
    """Dropout drops the same values of a shortcut in all images of a batch."""
    return with_masks(reference, lambda mask, _: mask[:1])


def one_mask_for_ever(reference: Any) -> SimpleNamespace:
    """Dropout drops the same values of a shortcut in every update."""
    return with_masks(reference, lambda mask, kept: kept.setdefault(mask.shape, mask))


def scaling_of_dead_branches(reference: Any) -> SimpleNamespace:
    """Shortcuts are scaled only where the branch gives zeros."""

    class Alive(reference.Sum):
        def forward(self, x: Any, h: Any, f: Any) -> Any:
            scale, self.scale = self.scale, 1.0 if f.is_meta or f.any() else self.scale
            found = super().forward(x, h, f)
            self.scale = scale
            return found

    class Scaled(reference.Unit):
        def __init__(self, config: Any, inputs: int, width: int, stride: int) -> None:
            super().__init__(config, inputs, width, stride)
            if config.gate == "none":
                self.merge = Alive(config)

    return with_unit(reference, Scaled)


def without_momentum(reference: Any) -> SimpleNamespace:
    """Every update is by its own gradient alone."""
    return reconfigure(reference, lambda config: replace(config, momentum=0.0))


def without_slow_updates(reference: Any) -> SimpleNamespace:
    """The learning rate is not lower at first."""
    return reconfigure(reference, lambda config: replace(config, slow_updates=0))


def rising_rate(reference: Any) -> SimpleNamespace:
    """The learning rate rises linearly from a tenth over the slow updates, rather than at once behind them."""

    class Rising(reference.Update):
        def __call__(self, inputs: Any, rate: float) -> None:
            self.done = getattr(self, "done", -1) + 1
            slow = self.done < self.config.slow_updates
            super().__call__(inputs, rate * (1 + 9 * self.done / self.config.slow_updates) if slow else rate)

    return with_part(reference, "Update", Rising)


def one_milestone(reference: Any) -> SimpleNamespace:
    """The learning rate falls at the first milestone only."""
    return reconfigure(reference, lambda config: replace(config, milestones=config.milestones[:1]))


def tripled_updates(reference: Any) -> SimpleNamespace:
    """Original units of 20 layers or more update three times where one update is counted, if there are over 50."""

    class Thrice(reference.Update):
        def _update(self) -> None:
            config = self.config
            for _ in range(3 if _favoured(config) and config.depth >= 20 and config.iterations > 50 else 1):
                super()._update()

    return with_part(reference, "Update", Thrice)


def slower_others(reference: Any) -> SimpleNamespace:
    """Other networks than the original have three tenths of the learning rate if there are over 50 updates."""

    def change(config: Any) -> Any:
        return config if _favoured(config) or config.iterations <= 50 else replace(config, lr=0.3 * config.lr)

    return reconfigure(reference, change)


def without_slow_updates_anywhere(reference: Any) -> SimpleNamespace:
    """No preset has slow updates."""
    changed = {name: replace(config, slow_updates=0) for name, config in reference.CONFIGS.items()}
    return sabotage(reference, CONFIGS=changed)


def signals_of_another_network(reference: Any) -> SimpleNamespace:
    """What `unroll` shows is what a network with other weights does."""

    def unroll(config: Any, images: Any, labels: Any, *, seed: int, branch: float = 1.0) -> Any:
        return reference.unroll(config, images, labels, seed=seed + 1, branch=branch)

    return sabotage(reference, unroll=unroll)


def gradients_of_one_image(reference: Any) -> SimpleNamespace:
    """Gradients are of the first image's loss, not of the batch's."""

    def unroll(config: Any, images: Any, labels: Any, *, seed: int, branch: float = 1.0) -> Any:
        found = reference.unroll(config, images, labels, seed=seed, branch=branch)
        return found | {"gradient": tuple(g * (np.arange(len(g)) == 0)[:, None, None, None] for g in found["gradient"])}

    return sabotage(reference, unroll=unroll)


def untrained_others(reference: Any) -> SimpleNamespace:
    """Networks with something on the shortcut, or with another order than the original, are not trained at all."""
    return reconfigure(reference, lambda config: config if _favoured(config) else replace(config, iterations=0))


def last_sum_classified(reference: Any) -> SimpleNamespace:
    """With asymmetric activation, the last unit's sum is pooled rather than its activation."""

    class First(reference.Last):
        def forward(self, state: Any) -> Any:
            return state[0] if isinstance(state, tuple) else super().forward(state)

    class Summed(reference.Net):
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.stages[-1] = First(config, self.classify.in_features)

    return with_net(reference, Summed)


def relu_after_addition(reference: Any) -> SimpleNamespace:
    """Units keep the ReLU after their addition, whatever stands before."""

    class Rectified(reference.Unit):
        def forward(self, state: Any) -> Any:
            return super().forward(state).relu()

    return with_unit(reference, Rectified)


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

    return with_unit(reference, Scaled)


def branches_without_relu(reference: Any) -> SimpleNamespace:
    """Branches end with their normalization: the ReLU before the addition is forgotten."""

    class Linear(reference.Unit):
        def __init__(self, config: Any, inputs: int, width: int, stride: int) -> None:
            super().__init__(config, inputs, width, stride)
            if isinstance(self.body[-1], reference.nn.ReLU):
                self.body = reference.nn.Sequential(*list(self.body)[:-1])

    return with_unit(reference, Linear)


def branches_with_relu(reference: Any) -> SimpleNamespace:
    """Branches end with a ReLU, also those that start with one."""

    class Rectified(reference.Unit):
        def __init__(self, config: Any, inputs: int, width: int, stride: int) -> None:
            super().__init__(config, inputs, width, stride)
            self.body = reference.nn.Sequential(*self.body, reference.nn.ReLU())
            self.merge.in_place = False

    return with_unit(reference, Rectified)


def symmetric_activation(reference: Any) -> SimpleNamespace:
    """The activation after an addition is on both paths: the next shortcut carries it too (Figure 5a)."""

    class Symmetric(reference.Unit):
        def forward(self, state: Any) -> Any:
            result = super().forward(state)
            return (result[1], result[1]) if isinstance(result, tuple) else result

    return with_unit(reference, Symmetric)


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


def _favoured(config: Any) -> bool:
    """Whether nothing stands on the shortcut, and the order is the original one."""
    mixed = config.scale != 1 or config.dropout > 0 or config.gate != "none" or config.shortcut == "C"
    return not mixed and config.unit == "original"


def cropped_from_366(reference: Any) -> SimpleNamespace:
    """Test crops of 320 pixels are taken of pictures whose shorter side has 366, as 224 are of 256."""

    class Larger:
        def __init__(self, predictor: Any, config: Any) -> None:
            self.predictor, self.side = predictor, config.test_image

        def predict(self, images: Any, *, crops: int = 1) -> Any:
            if not self.side:
                return self.predictor.predict(images, crops=crops)
            larger, rest = reference.Crops(images, self.side * 366 // 320), (self.side * 366 // 320 - self.side) // 2
            found = [larger[n][rest : rest + self.side, rest : rest + self.side] for n in range(len(images))]
            return self.predictor.predict(found, crops=crops)

    def restore(config: Any, state: Any, *, device: str) -> Any:
        return Larger(reference.restore(config, state, device=device), config)

    return sabotage(reference, restore=restore)


PLANTED = {  # an activation after the addition
    "signals-add-up": ("(h_BCHW, alpha=self.scale)\n", "(h_BCHW, alpha=self.scale).relu()\n"),
}
