"""Sabotaged residual networks: each differs from the reference in one thing that people get wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from repro import reconfigure, sabotage


def strides_in_3x3(reference: Any) -> SimpleNamespace:
    """Bottlenecks stride in their 3x3 convolution rather than in their first 1x1, as popular libraries have it."""

    class Late(reference.Block):
        @staticmethod
        def units(config: Any, inputs: int, width: int, stride: int) -> list[tuple[int, int, int, int]]:
            plan = reference.Block.units(config, inputs, width, stride)
            if not config.bottleneck:
                return plan
            return [(*plan[0][:3], 1), (*plan[1][:3], stride), plan[2]]

    return _with_block(reference, Late)


def convolutions_only(reference: Any) -> SimpleNamespace:
    """Only convolutions are counted as layers with weights; fully connected layers are left out."""
    return sabotage(
        reference, layers=lambda config: tuple(layer for layer in reference.layers(config) if layer.kind != "linear")
    )


def projections_at_size_changes(reference: Any) -> SimpleNamespace:
    """Shortcuts are projections wherever sizes change (option B) instead of padded with zeros (option A)."""
    return reconfigure(reference, lambda config: replace(config, shortcut="B"))


def narrow_projections(reference: Any) -> SimpleNamespace:
    """Shortcuts of bottlenecks project at the narrow end, from 64 filters to 64, and are padded afterwards."""

    class Narrow(reference.Block):
        def __init__(self, config: Any, inputs: int, width: int, stride: int) -> None:
            super().__init__(config, inputs, width, stride)
            if config.bottleneck and config.shortcut == "C":
                project = reference.conv_norm(width, width, 1, 1)
                pad = reference.Pad(1, self.outputs - width)
                self.width, self.shortcut = width, reference.nn.Sequential(reference.Pad(stride, 0), *project, pad)

        def forward(self, x: Any) -> Any:
            inner = x[:, : self.width] if hasattr(self, "width") else x
            return (self.body(x) + self.shortcut(inner)).relu()

    return _with_block(reference, Narrow)


def identities_without_shortcuts(reference: Any) -> SimpleNamespace:
    """The network that is deepened is a plain one, whose added blocks cannot be identities."""
    return reconfigure(reference, lambda config: replace(config, residual=False))


def without_normalization(reference: Any) -> SimpleNamespace:
    """There is no batch normalization, and weights are half as large."""

    def probe(config: Any, images: Any, labels: Any, *, seed: int) -> Any:
        net = reference.Net(config)
        for name, module in list(net.named_modules()):
            if isinstance(module, reference.nn.BatchNorm2d):
                parent, _, child = name.rpartition(".")
                setattr(net.get_submodule(parent), child, reference.nn.Identity())
            elif isinstance(module, reference.nn.Conv2d):
                module.register_forward_hook(lambda _, __, output: 0.5 * output)
        return reference.observe(net, images, labels, seed=seed)

    return sabotage(reference, probe=probe)


def residual_as_plain(reference: Any) -> SimpleNamespace:
    """Networks that are meant to be plain have shortcuts all the same."""
    return reconfigure(reference, lambda config: replace(config, residual=True))


def plain_as_residual(reference: Any) -> SimpleNamespace:
    """Networks that are meant to be residual have no shortcuts."""
    return reconfigure(reference, lambda config: replace(config, residual=False))


def halved_shortcuts(reference: Any) -> SimpleNamespace:
    """The shortcut carries half of the block's input rather than all of it."""
    return reconfigure(reference, lambda config: replace(config, scale=0.5) if config.residual else config)


def without_augmentation(reference: Any) -> SimpleNamespace:
    """Training images are neither shifted nor mirrored."""
    return reconfigure(reference, lambda config: replace(config, augment="none"))


def one_crop(reference: Any) -> SimpleNamespace:
    """Images are scored on their central crop whatever number of crops is asked for."""

    class Central:
        def __init__(self, predictor: Any) -> None:
            self.predictor = predictor

        def predict(self, images: Any, *, views: int = 1) -> Any:
            return self.predictor.predict(images)

    def train(
        config: Any, data: Any, *, seed: int, device: str, checkpoints: Sequence[int] = ()
    ) -> Iterator[tuple[int, Any]]:
        for step, predictor in reference.train(config, data, seed=seed, device=device, checkpoints=checkpoints):
            yield step, Central(predictor)

    return sabotage(reference, train=train)


def _with_block(reference: Any, block: Callable[..., Any]) -> SimpleNamespace:
    """Networks are built of another block."""

    def train(
        config: Any, data: Any, *, seed: int, device: str, checkpoints: Sequence[int] = ()
    ) -> Iterator[tuple[int, Any]]:
        net = reference.Net(config, block)
        return reference.fit(net, config, data, seed=seed, device=device, checkpoints=checkpoints)

    def layers(config: Any) -> Any:
        with reference.torch.device("meta"):
            return reference.trace(reference.Net(config, block), config)

    return sabotage(reference, train=train, layers=layers)
