"""Counts of residual networks' layers, parameters and multiply-adds, and of VGG-16's."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import prod

from claims.experiments.counting import depth, multiply_adds, weights
from claims.experiments.he2015 import ResidualLearning
from repro import Measurements, Setting, cases, scalar


def parameters_of(layers: int) -> int:
    """Parameters of a CIFAR-10 network by Section 4.2: two for each filter's normalization, none in shortcuts."""
    count = (layers - 2) // 6
    total = 9 * 3 * 16 + 2 * 16 + 64 * 10 + 10
    for before, width in ((16, 16), (16, 32), (32, 64)):
        total += 9 * before * width + (2 * count - 1) * 9 * width**2 + 2 * count * 2 * width
    return total


def cost_of_vgg_16(implementation: ResidualLearning, setting: Setting) -> Measurements:
    """Multiply-adds of VGG-16, in billions, counted as the implementation counts its own network.

    Thirteen 3x3 convolutions and, if the implementation lists linear layers, three fully connected ones.
    """
    stages = ((224, (3, 64, 64)), (112, (64, 128, 128)), (56, (128, 256, 256, 256)))
    stages += ((28, (256, 512, 512, 512)), (14, (512, 512, 512, 512)))
    found = sum(9 * side**2 * before * after for side, widths in stages for before, after in pairwise(widths))
    if any(layer.kind == "linear" for layer in implementation.layers(setting.config)):
        found += 25088 * 4096 + 4096 * 4096 + 4096 * 1000
    return {"multiply_adds": scalar(found / 1e9, "G")}


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
