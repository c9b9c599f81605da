"""Photographs labelled place by place: a front end that starts from VGG-16, and context modules on its scores.

Shapes: N images, C classes, H height, W width; maps have an eighth of the side of images.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from claims.experiments.label_maps import Array, Labels, one_hot, overlaps
from claims.experiments.yu2016 import course, graphs_of, pairs
from claims.oracles import yu2016 as oracle
from repro import Experiment, Measurements, Setting, Weights, scalar

BLUE_GREEN_RED = (104.0, 117.0, 123.0)  # means of colours that the weights of VGG-16 expect to be subtracted
STRIDE = 8


@dataclass(frozen=True)
class SceneLabelling(Experiment):
    """Train a front end on a dataset of scenes, then each module on the scores that it gives, with the front end fixed.

    Measures:
        front end, and each module by its preset: mean intersection over union on the test images, in %. A dataset
        without label maps measures NaN.

    Attributes:
        modules: presets.
    """

    modules: tuple[str, ...]
    passes_config_on: ClassVar[bool] = False

    def __call__(self, network: Any, setting: Setting) -> Measurements:
        """Train them one after the other, each once."""
        parts: Any = (setting.dataset.train, setting.dataset.test)
        names = ("front end", *self.modules)
        if not hasattr(parts[0], "maps"):
            return {name: scalar(np.nan, "%", better="higher") for name in names}
        images, tests = (prepared(part.images, setting.config.size) for part in parts)
        labels, wanted = (framed(part.maps, setting.config.size) for part in parts)
        coarse = labels[:, STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
        targets = one_hot(coarse, setting.config.classes).astype(np.float32)
        start = with_last_layer(parts[0].start, setting.config, setting.seed)
        found, _ = course(network, setting, pairs(images, targets), start=start)
        weights = found[max(found)]
        given, tested = (scored(network, setting, weights, part) for part in (images, tests))
        measured = {"front end": scalar(enlarged_iou(tested, wanted), "%", better="higher")}
        for name in self.modules:
            own = replace(setting, config=replace(network.CONFIGS[name], size=coarse.shape[1:]))
            found, _ = course(network, own, pairs(given, targets))
            after = scored(network, own, found[max(found)], tested)
            measured[name] = scalar(enlarged_iou(after, wanted), "%", better="higher")
        return measured


def prepared(images: Any, size: tuple[int, int]) -> NDArray[Any]:
    """Images [N, 3, H, W] in the order and with the means that VGG-16 expects; zeros fill what is beyond them."""
    shifted = np.moveaxis(np.asarray(images, np.float32)[..., ::-1] - np.array(BLUE_GREEN_RED, np.float32), -1, 1)
    room = [(0, 0), (0, 0)] + [(0, max(0, side - have)) for side, have in zip(size, shifted.shape[2:], strict=True)]
    return np.pad(shifted, room)[:, :, : size[0], : size[1]]


def framed(maps: Any, size: tuple[int, int]) -> Labels:
    """Label maps [N, H, W] of a size; what is beyond them has no label."""
    labels = np.asarray(maps).astype(np.int64)
    room = [(0, 0)] + [(0, max(0, side - have)) for side, have in zip(size, labels.shape[1:], strict=True)]
    return np.pad(labels, room, constant_values=-1)[:, : size[0], : size[1]]


def with_last_layer(start: Weights, config: Any, seed: int) -> dict[str, Array]:
    """Weights that a dataset brings for all layers but the last, with a last layer that is drawn."""
    rng, found = np.random.default_rng(seed), dict[str, Array]()
    for name, shape in oracle.shapes(config).items():
        found[name] = np.asarray(start[name]) if name in start else config.noise * rng.standard_normal(shape)
    return found


def scored(network: Any, setting: Setting, weights: Weights, maps: NDArray[Any]) -> NDArray[Any]:
    """Scores [N, C, H', W'] of images or maps by a network made of weights, where nothing was trained."""
    arrays = {name: np.asarray(value, np.float32) for name, value in weights.items()}
    sides = [oracle.side(setting.config, side) for side in maps.shape[2:]]
    with setting.untrained() if setting.untrained else nullcontext(network) as names:
        model = names.restore(setting.config, arrays, device=setting.device)
        parts = [model.predict(graphs_of(maps[at : at + 16])) for at in range(0, len(maps), 16)]
    return np.concatenate(parts).reshape(len(maps), setting.config.classes, *sides)


def enlarged_iou(scores: NDArray[Any], labels: Labels) -> float:
    """Mean intersection over union, in %, of scores that are interpolated to the size of the labels [N, H, W]."""
    from scipy.ndimage import zoom

    total = np.zeros((scores.shape[1], 2))
    for one, wanted in zip(scores, labels, strict=True):
        factors = (1, wanted.shape[0] / one.shape[1], wanted.shape[1] / one.shape[2])
        large: Any = zoom(one.astype(np.float64), factors, order=1, mode="nearest", grid_mode=True)
        total += overlaps(large[None], wanted[None])
    right, either = total[total[:, 1] > 0].T
    return 100 * float((right / either).mean())
