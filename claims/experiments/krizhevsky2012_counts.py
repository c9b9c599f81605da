"""What networks of Krizhevsky et al. are counted by: sizes, shares and receptive fields.

Shapes: S side of a network's input, C channels, K classes.
"""

from __future__ import annotations

from dataclasses import replace
from math import isqrt, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.krizhevsky2012 import ConvolutionalNetworks
from repro import Measurements, ReproError, Setting, cases, scalar
from repro.task import Layer

Array = NDArray[np.float64]

KERNELS = ((96, 3, 11, 11), (256, 48, 5, 5), (384, 256, 3, 3), (384, 192, 3, 3), (256, 192, 3, 3))
LINEAR = ((4096, 6 * 6 * 256), (4096, 4096), (1000, 4096))
NEURONS = (27 * 27 * 256, 13 * 13 * 384, 13 * 13 * 384, 13 * 13 * 256, 4096, 4096, 1000)  # layers 2 to 8, Figure 2


RECIPE = {
    "batch": 128, "momentum": 0.9, "weight_decay": 5e-4, "lr": 0.01, "std": 0.01, "bias": 1.0, "ones": (2, 4, 5),
    "dropout": 0.5, "colour": 0.1, "frame": 256, "image": 224, "pool": (3, 2),
    "normalized": (1, 2), "pooled": (1, 2, 5),
}  # fmt: skip
"""Fields of the preset as Sections 2 to 5 print them."""
FALLS, PASSES, IMAGES = 3, 90, 1.2e6  # of the rate, and through the images of the training set (Section 5)


def recipe(implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
    """Fields of a preset that differ from the paper's, falls of the rate, and passes by the paper's, relative."""
    config = setting.config
    other = [getattr(config, name) != value for name, value in RECIPE.items()]
    falls = [milestone for milestone in config.milestones if 0 < milestone < config.iterations]
    return {
        "other": cases(other, 0, "fields"),
        "falls": cases([len(falls), len(config.milestones)], FALLS, "1"),
        "passes": cases([config.iterations * config.batch / IMAGES / PASSES - 1], 0.0, "1"),
    }


def eight(implementation: ConvolutionalNetworks, config: Any) -> tuple[Layer, ...]:
    """The layers of Figure 2.

    Raises:
        ReproError: if there are not five convolutions and three others, each with a kernel, a bias and an output.
    """
    found = tuple(implementation.layers(config))
    if [layer.kind for layer in found] != ["conv"] * 5 + ["linear"] * 3:
        raise ReproError(
            f"layers lists {[layer.kind for layer in found]}, not five convolutions and three linear layers"
        )
    for layer in found:
        conv = layer.kind == "conv"
        if [len(shape) for shape in layer.weights] != [4 if conv else 2, 1] or len(layer.output) != (3 if conv else 1):
            raise ReproError(f"layers lists {layer.weights} and {layer.output} of {layer.name!r}, a {layer.kind} layer")
    return found


def weights(layer: Layer) -> int:
    """Parameters of a layer."""
    return sum(prod(shape) for shape in layer.weights)


def parameters(implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
    """Shapes and parameters of the whole network, against Section 3.5, and their number in millions."""
    found = eight(implementation, setting.config)
    expected = [number for kernel in (*KERNELS, *LINEAR) for number in (*kernel, kernel[0])]
    listed = [number for layer in found for shape in layer.weights for number in shape]
    total = sum(weights(layer) for layer in found)
    exact = sum(prod(kernel) + kernel[0] for kernel in (*KERNELS, *LINEAR))
    return {
        "shapes": cases(listed, expected, "1"),
        "parameters": cases([total], [exact], "1"),
        "millions": scalar(total / 1e6, "M"),
    }


def neurons(implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
    """Outputs of the eight layers: of the first, of the others against Figure 2, and of all in thousands."""
    units = [prod(layer.output) for layer in eight(implementation, setting.config)]
    return {
        "first": scalar(units[0], "1"),
        "later": cases(units[1:], NEURONS, "1"),
        "thousands": scalar(sum(units) / 1e3, "k"),
    }


def shares(implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
    """Shares of all parameters, in %, of each convolution, by the 1 % of Section 1."""
    found = eight(implementation, setting.config)
    total = sum(weights(layer) for layer in found)
    each = [100 * weights(layer) / total for layer in found if layer.kind == "conv"]
    return {"stated": cases(each, 1.0, "%")}


def geometry(implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
    """Sides of maps: of the first layer by input and padding, and after overlapping and plain pooling."""

    def sides(**fields: Any) -> list[int]:
        found = eight(implementation, replace(setting.config, **fields))
        into, before = found[5].weights[0][1], found[4].weights[0][0]
        return [*(layer.output[1] for layer in found[:3]), isqrt(into // before)]

    first = [sides(image=image, padding=padding)[0] for image, padding in ((227, 0), (224, 2), (224, 3), (224, 0))]
    pooled = [side for pool in ((3, 2), (2, 2)) for side in sides(pool=pool)]
    return {"first": cases(first, [55, 55, 55, 54], "1"), "pooled": cases(pooled, [55, 27, 13, 6] * 2, "1")}


def receptive_fields(implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
    """Side of the square of pixels that a unit of each convolution sees, after the pooling that follows it."""
    generator = np.random.default_rng(setting.seed)
    side, channels = setting.config.image, setting.config.channels
    image = generator.integers(0, 256, (side, side, channels), dtype=np.uint8)
    config = replace(setting.config, filters=tuple(maps // 8 for maps in setting.config.filters))
    found = implementation.sensitivity(config, image, seed=setting.seed)
    field, step, expected = 1, 1, []
    for (*_, kernel), stride, pooled in zip(KERNELS, (4, 1, 1, 1, 1), (True, True, False, False, True), strict=True):
        field, step = field + (kernel - 1) * step, step * stride
        if pooled:
            field, step = field + 2 * step, step * 2  # windows of 3 at every second unit
        expected += [field, field]
    extents = [extent(found[f"conv{number}"] != 0) for number in range(1, len(KERNELS) + 1)]
    return {"fields": cases([number for pair in extents for number in pair], expected, "pixels")}


def extent(seen: NDArray[np.bool_]) -> tuple[int, int]:
    """Height and width of the smallest box that holds all that is true; 0 where nothing is."""
    spans = (np.flatnonzero(seen.any(axis)) for axis in (1, 0))
    height, width = (int(np.ptp(span)) + 1 if span.size else 0 for span in spans)
    return height, width
