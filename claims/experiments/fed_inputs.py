"""What training is fed, inferred from what it does to weights: for residual networks on small images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.residual_networks import SCALES, Paper, inputs, oracle, random_images, watched
from claims.oracles.he2015 import Array, Layers, cross_entropy
from repro import Experiment, Measurements, Setting, Split, cases
from repro.task import Counted

AGAIN = 200  # updates after which gradients are computed afresh
EPSILON = 1e-6  # of differences
SHIFTS = range(-4, 5)
PLACES = 2 * len(SHIFTS) ** 2  # shifts down and right, mirrored or not


def augmented(image: Array, pad: float) -> list[Array]:
    """Section 4.2: all crops of an input [C, H, W] padded by 4 pixels, each as it is and mirrored."""
    height, width = image.shape[1:]
    wide = np.pad(image, ((0, 0), (4, 4), (4, 4)), constant_values=pad)
    crops = [wide[:, 4 + y : 4 + y + height, 4 + x : 4 + x + width] for y in SHIFTS for x in SHIFTS]
    return [way for crop in crops for way in (crop, crop[:, :, ::-1])]


def uneven(counts: NDArray[np.int64]) -> float:
    """The chance of counts at least as far from equal, by a chi-squared test."""
    from scipy import stats

    return float(stats.chisquare(counts).pvalue)


def as_often(drawn: NDArray[np.int64], chance: float) -> float:
    """The chance of as many passes in which both images have the same, by a binomial test."""
    from scipy import stats

    same = drawn[: len(drawn) // 2 * 2 : 2] == drawn[1::2]
    return float(stats.binomtest(int(same.sum()), len(same), chance).pvalue)


@dataclass(frozen=True)
class Fed(Experiment):
    """What training is fed, inferred from what each update does to a few weights: batches of one image out of two.

    The second image is the first one's negative, so their mean is grey everywhere, and it is all the same whether the
    mean is subtracted before a crop or after. Padding may be zeros of either.

    Attributes:
        paper: whose oracle.
        updates: how many inputs are looked at.

    Measures:
        apart: how far the direction of an update is from that of the nearest augmented image, for 95 in 100 of them.
        repeats: of passes that see an image twice, the share.
        chance: of counts as uneven, over all inputs, shifts down and right, mirrorings, and which image comes first;
            and of as many passes in which both images have the same shift, or the same mirroring.
    """

    paper: Paper
    updates: int = 400

    def __call__(self, implementation: Counted, setting: Setting) -> Measurements:
        """Train with batches of one, and match every update."""
        config = replace(
            setting.config, batch=1, iterations=self.updates, lr=3e-6, momentum=0.0, weight_decay=0.0, milestones=()
        )
        first = np.asarray(random_images(config, 1, setting.seed).images)
        split = Split(images=np.concatenate([first, 255 - first]), labels=np.arange(2), classes=config.classes)
        states = watched(implementation, config, split, setting, tuple(range(self.updates + 1)))
        start = {pad: self._matched(config, split, states[: AGAIN + 1], pad) for pad in (0.0, -127.5)}
        pad = min(start, key=lambda pad: float(start[pad][1].max()))
        rest = self._matched(config, split, states[AGAIN:], pad)
        index, distance = (np.concatenate(parts) for parts in zip(start[pad], rest, strict=True))
        image, place = np.divmod(index, PLACES)
        shift, mirrored = np.divmod(place, 2)
        repeats = image[: len(image) // 2 * 2 : 2] == image[1::2]
        kinds = ((place, PLACES), (shift // 9, 9), (shift % 9, 9), (mirrored, 2), (image[::2], 2))
        chances = [uneven(np.bincount(seen, minlength=count)) for seen, count in kinds]
        chances += [as_often(drawn, chance) for drawn, chance in ((shift, 1 / len(SHIFTS) ** 2), (mirrored, 1 / 2))]
        return {
            "apart": cases([float(np.quantile(distance, 0.95))], 0.0, "1"),
            "repeats": cases([float(repeats.mean())], 0.0, "1"),
            "chance": cases(chances, 1e-5, "1"),
        }

    def _matched(
        self, config: Any, split: Split, states: Sequence[Mapping[str, Array]], pad: float
    ) -> tuple[NDArray[np.int64], Array]:
        """Which of all inputs each update was made on, and how far its direction is from that input's gradient."""
        two = [augmented(image, pad) for image in inputs(split.images, split.images)]
        x, labels = SCALES[0] * np.stack([*two[0], *two[1]]), np.repeat(np.arange(2), PLACES)
        kernels = np.stack([state["W0"].ravel() for state in states])
        index, distance = [], []
        for start in range(0, len(states) - 1, AGAIN):
            gradients = self._gradients(config, states[start], x, labels)
            moved = -np.diff(kernels[start : start + AGAIN + 1], axis=0)
            one, seen = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (gradients, moved))
            far = np.linalg.norm(seen[:, None] - one, axis=2)
            index.append(far.argmin(1))
            distance.append(far.min(1))
        return np.concatenate(index), np.concatenate(distance)

    def _gradients(self, config: Any, weights: Mapping[str, Array], x: Array, labels: NDArray[np.int64]) -> Array:
        """The loss of each input by each entry of the first kernel, where each is a batch of its own."""
        found = []
        for place in range(weights["W0"].size):
            losses = []
            for step in (EPSILON, -EPSILON):
                kernel = weights["W0"].copy()
                kernel.flat[place] += step
                layers = Layers({**weights, "W0": kernel}, alone=True)
                losses.append(cross_entropy(oracle(self.paper).logits(layers, config, x), labels))
            found.append((losses[0] - losses[1]) / (2 * EPSILON))
        return np.stack(found, axis=1)
