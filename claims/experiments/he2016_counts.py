"""Counts of layers, units and parameters of networks with identity mappings."""

from __future__ import annotations

from dataclasses import dataclass, replace

from claims.experiments.counting import weights
from claims.experiments.he2016 import ORDERS, IdentityMappings
from repro import Experiment, Measurements, Setting, cases


def kernels_of(layers: int) -> int:
    """Entries of a bottleneck network's kernels by the appendix: [1x1, w; 3x3, w; 1x1, 4w] and projections."""
    total, inputs = 9 * 3 * 16 + 256 * 10, 16
    for width in (16, 32, 64):
        for _ in range((layers - 2) // 9):
            projection = inputs * 4 * width if inputs != 4 * width else 0
            total += inputs * width + 9 * width**2 + 4 * width**2 + projection
            inputs = 4 * width
    return total


@dataclass(frozen=True)
class Units(Experiment):
    """Residual units at each resolution: convolutions of the main path there, but for the first, by those of a unit."""

    each: int
    layers: int

    def __call__(self, implementation: IdentityMappings, setting: Setting) -> Measurements:
        """Count one network."""
        found = implementation.layers(setting.config)
        sides = [layer.output[1] for layer in found if layer.kind == "conv" and not layer.shortcut][1:]
        units = [sides.count(side) / self.layers for side in (32, 16, 8)]
        return {"units": cases([*units, len(sides) / self.layers], [self.each] * 3 + [3 * self.each], "1")}


def reordered(implementation: IdentityMappings, setting: Setting) -> Measurements:
    """The orders of Figure 4 against the original: differences in parameters and in layers of each kind."""
    original = implementation.layers(setting.config)
    differences: list[int] = []
    for order in ORDERS:
        found = implementation.layers(replace(setting.config, unit=order))
        differences.append(weights(found) - weights(original))
        for kind in ("conv", "norm", "linear"):
            differences.append(sum(a.kind == kind for a in found) - sum(b.kind == kind for b in original))
    return {"differences": cases(differences, 0, "1")}
