"""What the layers of a convolutional network count up to."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from repro import Experiment, Measurements, Setting, cases, scalar
from repro.task import Counted, Layer


def weights(layers: tuple[Layer, ...]) -> int:
    """Parameters of the layers."""
    return sum(prod(shape) for layer in layers for shape in layer.weights)


def kernels(layers: tuple[Layer, ...]) -> int:
    """Entries of the layers' kernels: neither normalization nor biases."""
    return sum(prod(layer.weights[0]) for layer in layers if layer.kind != "norm")


def multiply_adds(layers: tuple[Layer, ...]) -> int:
    """Multiply-adds of the convolutions and linear maps for one image."""
    return sum(prod(layer.weights[0]) * prod(layer.output[1:]) for layer in layers if layer.kind != "norm")


def depth(layers: tuple[Layer, ...]) -> int:
    """Convolutions and linear maps on the main path."""
    return sum(layer.kind != "norm" and not layer.shortcut for layer in layers)


def cost(implementation: Counted, setting: Setting) -> Measurements:
    """Multiply-adds of a network for one image, in billions."""
    return {"multiply_adds": scalar(multiply_adds(implementation.layers(setting.config)) / 1e9, "G")}


@dataclass(frozen=True)
class Parameters(Experiment):
    """Parameters that a network lists.

    Attributes:
        exact: how many the paper's description gives.
        kernels_only: whether normalization and biases are left out.

    Measures:
        parameters: against `exact`.
        millions: the same count in millions.
    """

    exact: int
    kernels_only: bool = False

    def __call__(self, implementation: Counted, setting: Setting) -> Measurements:
        """Count one network."""
        layers = implementation.layers(setting.config)
        found = kernels(layers) if self.kernels_only else weights(layers)
        return {"parameters": cases([found], [self.exact], "1"), "millions": scalar(found / 1e6, "M")}
