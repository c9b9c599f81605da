"""Label maps that a poor front end has labelled: how they are generated, and how well they are restored.

Shapes: N maps, C classes, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro import axis, exhibit

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
CLASSES, SIDE, SITES, NOISE = 4, 32, 3, 2.0


def one_hot(labels: Labels, classes: int) -> Array:
    """Targets [N, C, H, W] of labels [N, H, W]; a label beyond the classes, or below 0, is none."""
    return (labels[:, None] == np.arange(classes)[:, None, None]).astype(np.float64)


def regions(count: int, key: Sequence[int], side: int = SIDE) -> Labels:
    """Label maps [N, H, W]: the nearest of three places that are drawn uniformly says which class is here."""
    rng, places = np.random.default_rng(key), np.arange(side) + 0.5
    sites, labels = rng.uniform(0, side, (count, SITES, 2)), rng.integers(0, CLASSES, (count, SITES))
    down, right = (sites[..., n, None, None] for n in (0, 1))
    nearest = ((places[:, None] - down) ** 2 + (places - right) ** 2).argmin(1)
    return np.take_along_axis(labels, nearest.reshape(count, -1), 1).reshape(nearest.shape)


def corrupted(labels: Labels, key: Sequence[int], classes: int, noise: float = NOISE) -> Array:
    """Scores [N, C, H, W] as a poor front end would have them: one-hot labels and normal noise."""
    targets = one_hot(labels, classes)
    return targets + noise * np.random.default_rng(key).standard_normal(targets.shape)


def drawn_maps(count: int, key: Sequence[int], side: int = SIDE) -> tuple[Array, Labels]:
    """Corrupted scores and their labels."""
    labels = regions(count, [*key, 0], side)
    return corrupted(labels, [*key, 1], CLASSES), labels


def overlaps(scores: Array, labels: Labels) -> Array:
    """By class the places [C, 2] that are rightly labelled so, and all that are or should be.

    Where the highest scores are equal, or one is not finite, none is predicted, which counts as an error.
    """
    with np.errstate(invalid="ignore"):
        found, top = scores.argmax(1), scores.max(1, keepdims=True)
        decided = np.isfinite(scores).all(1) & ((scores == top).sum(1) == 1)
    known = (labels >= 0) & (labels < scores.shape[1])
    pairs = [((labels == one), decided & known & (found == one)) for one in range(scores.shape[1])]
    return np.array([[(own & said).sum(), (own | said).sum()] for own, said in pairs], np.float64)


def mean_iou(scores: Array, labels: Labels) -> float:
    """The mean of the first by the second of `overlaps` over classes that occur or are said, in %."""
    right, either = overlaps(scores, labels).T
    return 100 * float((right[either > 0] / either[either > 0]).mean())


def cross_entropy(scores: Array, labels: Labels) -> float:
    """The mean over labelled places, in nats."""
    targets, top = one_hot(labels, scores.shape[1]), scores.max(1, keepdims=True)
    log_p = scores - top - np.log(np.exp(scores - top).sum(1, keepdims=True))
    return float(-(targets * log_p).sum() / targets.sum())


def picture(labels: Labels, given: Array, scores: Array) -> Any:
    """A map's labels, the labels of what is given, and those of what is restored."""
    panels = np.stack([labels, given.argmax(0), np.where(np.isfinite(scores).all(0), scores.argmax(0), np.nan)])
    down, right = (max(1, -(-side // 50)) for side in labels.shape)
    panels = panels[:, ::down, ::right]
    return exhibit(
        panels,
        axis("panel", ["labels", "before the module", "after the module"]),
        *(axis(name, range(count)) for name, count in zip(("row", "column"), panels.shape[1:], strict=True)),
        unit="class",
        kind="image",
        place="Figure 2",
        says="A label map, the highest of its corrupted scores, and what a context module makes of them.",
    )
