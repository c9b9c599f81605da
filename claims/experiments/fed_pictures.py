"""What training on pictures of several sizes is fed, inferred from what each update does to the classifier.

Its gradient is a sum over the batch of (softmax - label) times features, and each picture has a class of its own. The
oracle says which inputs would have moved it so. Pictures come with their negatives, so that their mean is grey.

Shapes: N pictures, H height, W width, S side of the input, T updates, M simulated batches.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.residual_networks import (
    SCALES,
    Paper,
    canonical,
    classifier_gradient,
    drawn,
    oracle,
    random_images,
    scored,
    untrained,
    watched,
)
from claims.oracles.he2015 import Array, Layers
from repro import Experiment, Measurements, Setting, Split, Weights, cases, from_normal
from repro.task import Counted

SMALL: dict[str, Any] = {"stem": "cifar", "depth": 4, "widths": (24,), "image": 8, "channels": 3, "classes": 17}
SMALL |= {"augment": "scale-colour", "batch": 16, "iterations": 20, "lr": 1e-3, "momentum": 0.0, "weight_decay": 0.0}
SMALL |= {"milestones": ()}
AXES = np.linalg.qr(np.array([[1.0, 0.2, 0.1], [0.7, -1.0, 0.3], [0.4, 0.5, 1.0]]))[0]
"""Colours vary along these three directions."""
GREY, SIMULATED = 127.5, 150


def pushes(paper: Paper, config: Any, weights: Weights, x: Array) -> Array:
    """The gradient by the classifier's weights and biases, [K, D + 1], of inputs [N, 3, S, S] of classes 0 to N - 1."""
    one = {"W": np.eye(weights["W"].shape[1]), "b": np.zeros(1)}
    return classifier_gradient(oracle(paper).logits(Layers({**weights, **one}), config, x), weights)


def flat_pictures() -> list[NDArray[np.uint8]]:
    """Sixteen, each of one colour, as large as one another; colours vary along `AXES`, each direction by itself."""
    signs = np.array([[a, b, c] for a in (1, -1) for b in (1, -1) for c in (1, -1)])
    colours = np.round(GREY + np.concatenate([signs, 0.6 * signs]) * (88, 64, 48) @ AXES.T).astype(np.uint8)
    return [np.broadcast_to(c, (20, 30, 3) if n % 2 else (30, 20, 3)).copy() for n, c in enumerate(colours)]


def ramps() -> list[NDArray[np.uint8]]:
    """Sixteen of four shapes, whose colours say where in the picture they are; half of them are negatives."""
    found = []
    for sign in (1, -1, 0.8, -0.8):
        for height, width in ((56, 84), (84, 56), (64, 64), (60, 75)):
            across, down = (np.arange(width) * 2 + 1) / width - 1, (np.arange(height) * 2 + 1) / height - 1
            parts = np.broadcast_arrays(85 * across, 85 * down[:, None], np.full((height, width), 16.0))
            found.append(np.round(GREY + sign * np.stack(parts, -1) @ AXES.T).astype(np.uint8))
    return found


def components(pictures: list[NDArray[np.uint8]]) -> tuple[Array, Array]:
    """Section 4.1 of Krizhevsky et al.: eigenvalues of the covariance of colours in 0..1, and eigenvectors."""
    values, vectors = np.linalg.eigh(np.cov(np.concatenate([one.reshape(-1, 3) for one in pictures]).T) / 255**2)
    return values, vectors


def cut(picture: NDArray[np.uint8], size: int, shorter: float, down: float, right: float, mirrored: float) -> Array:
    """Section 3.4: scaled so that 224 pixels of the shorter side's would be `size`, cropped and, or not, mirrored."""
    height, width = picture.shape[:2]
    side = min(height, width) * 224 / shorter
    grid = (np.arange(size) + 0.5) / size
    y, x = down * (height - side) + side * grid - 0.5, right * (width - side) + side * grid - 0.5
    top, left = (np.clip(np.floor(v).astype(int), 0, n - 2) for v, n in ((y, height), (x, width)))
    below, beside = (y - top)[:, None, None], (x - left)[:, None]
    rows = picture[top] * (1 - below) + picture[top + 1] * below
    crop = rows[:, left] * (1 - beside) + rows[:, left + 1] * beside
    return crop[:, ::-1] if mirrored else crop


@dataclass(frozen=True)
class FedPictures(Experiment):
    """Two trainings on 16 pictures a batch: of one colour each, which tell colour shifts, and ramps, which tell crops.

    Crops are compared with simulated ones, by what a regression that is fitted to other simulated ones makes of them.

    Attributes:
        paper: whose oracle.

    Measures:
        unlike: of the pictures of one colour, how much of an update no colour shift explains, in the median update.
        correlation: of two components of a shift, in standard errors.
        chance: of components as far from N(0, 0.1) eigenvalues; and of scales, places down and right, and mirrorings
            as far from those of a shorter side of 256 to 480 pixels where crops have 224, by Kolmogorov and Smirnov.
    """

    paper: Paper

    def __call__(self, implementation: Counted, setting: Setting) -> Measurements:
        """Train twice."""
        config = replace(setting.config, **SMALL)
        unlike, alphas = self._colours(implementation, setting, config)
        pairs = [np.corrcoef(alphas[:, a], alphas[:, b])[0, 1] for a, b in combinations(range(3), 2)]
        chances = [from_normal(alphas[:, n], 0.1) for n in range(3)] + self._crops(implementation, setting, config)
        return {
            "unlike": cases([unlike], 0.0, "1"),
            "correlation": cases(np.array(pairs) * np.sqrt(len(alphas)), 0.0, "standard errors"),
            "chance": cases(chances, 1e-5, "probability"),
        }

    def _watched(
        self, implementation: Counted, setting: Setting, config: Any, pictures: Any
    ) -> tuple[list[dict[str, Array]], Array]:
        """Weights before and after each update, and the gradients [T, K, D + 1] that updates tell."""
        split = Split(images=pictures, labels=np.arange(len(pictures)), classes=config.classes)
        states = watched(implementation, config, split, setting, tuple(range(config.iterations + 1)))
        both = np.stack([np.c_[state["W"], state["b"]] for state in states])
        return states, -np.diff(both, axis=0) / config.lr

    def _colours(self, implementation: Counted, setting: Setting, config: Any) -> tuple[float, Array]:
        """What is unexplained, and shifts less their mean over the batch, in eigenvalues [16 T, 3].

        The first normalization hides what all pictures have in common, and how strong colours are as a whole.
        """
        pictures = flat_pictures()
        states, seen = self._watched(implementation, setting, config, pictures)
        colours = np.stack([one[0, 0] for one in pictures]) - GREY

        def push(weights: Weights, shifts: Array) -> Array:
            x = np.broadcast_to((colours + shifts.reshape(-1, 3))[:, :, None, None], (16, 3, 8, 8))
            return pushes(self.paper, config, weights, SCALES[0] * x).ravel()

        middle, still = states[len(states) // 2], np.zeros(48)
        slopes = np.stack([push(middle, way) - push(middle, -way) for way in np.eye(48)], 1) / 2
        back = np.linalg.pinv(slopes, rcond=0.1)
        found, left = [], []
        for before, own in zip(states, seen, strict=False):
            shifts, first = still, np.linalg.norm(own.ravel() - push(before, still))
            for _ in range(4):
                shifts = shifts + back @ (own.ravel() - push(before, shifts))
            found.append(shifts.reshape(-1, 3))
            left.append(np.linalg.norm(own.ravel() - push(before, shifts)) / max(first, 1e-12))
        values, vectors = components(pictures)
        alphas = np.stack(found) @ vectors / (255 * values)
        alphas = (alphas - alphas.mean(1, keepdims=True)) * (16 / 15) ** 0.5
        return float(np.median(left)), np.nan_to_num(alphas.reshape(-1, 3), posinf=1e9, neginf=-1e9)

    def _crops(self, implementation: Counted, setting: Setting, config: Any) -> list[float]:
        pictures, generator = ramps(), np.random.default_rng(setting.seed)
        states, seen = self._watched(implementation, setting, config, pictures)
        values, vectors = components(pictures)
        drawn = generator.random((SIMULATED, 16, 4)) * (480 - 256, 1, 1, 1) + (256, 0, 0, 0)
        drawn[..., 3] = drawn[..., 3] < 0.5
        shifts = generator.normal(0, 0.1, (SIMULATED, 16, 3)) @ (255 * vectors * values).T
        gradients = []
        for batch, moved in zip(drawn, shifts, strict=True):
            crops = [cut(picture, config.image, *way) for picture, way in zip(pictures, batch, strict=True)]
            x = np.moveaxis(np.stack(crops) - GREY + moved[:, None, None], -1, 1)
            gradients.append(pushes(self.paper, config, states[len(states) // 2], SCALES[0] * x))
        drawn[..., 0] = np.log(drawn[..., 0])
        from scipy.stats import ks_2samp  # half a second, which only this needs

        parts = [self._regressed(np.stack(gradients), drawn, seen, picture) for picture in range(16)]
        wanted, found = (np.concatenate(each) for each in zip(*parts, strict=True))
        tests: list[Any] = [ks_2samp(wanted[:, n], found[:, n]) for n in range(4)]
        return [float(test.pvalue) for test in tests]

    def _regressed(self, gradients: Array, drawn: Array, seen: Array, picture: int) -> tuple[Array, Array]:
        """What a regression makes of a picture's crops: of a third of the simulated ones, and of those seen."""
        some = 2 * SIMULATED // 3
        two = [np.c_[one[:, picture], one[:, 16]] for one in (gradients, seen)]  # its own class, and nobody's
        middle, spread = two[0][:some].mean(0), two[0][:some].std(0) + 1e-9
        simulated, own = ((one - middle) / spread for one in two)
        known = drawn[:some, picture] - drawn[:some, picture].mean(0)
        normal = simulated[:some].T @ simulated[:some] + 3 * np.eye(len(spread))
        fit = np.linalg.solve(normal, simulated[:some].T @ known)
        return simulated[some:] @ fit, np.clip(own @ fit, -1e9, 1e9)


def larger_crops(implementation: Counted, setting: Setting) -> Measurements:
    """Scores of pictures, wide and high, whose shorter side is that of the test crop, by weights that are drawn.

    Training images come with their negatives, so that their mean is grey.

    Measures:
        apart: for each shape, the largest difference from the central crop's by the oracle, as a share of the spread.
    """
    config, shape = setting.config, (5, setting.config.test_image, 3 * setting.config.test_image // 2, 1)
    images = np.asarray(random_images(config, config.batch // 2, setting.seed).images)
    split = replace(random_images(config, config.batch, 0), images=np.concatenate([images, 255 - images]))
    state = implementation.state(untrained(implementation, config, split, setting))
    names = canonical(implementation.layers(config), state)
    weights = drawn({name: np.asarray(state[own]) for name, own in names.items()}, setting.seed)
    carried = dict(state) | {names[name]: value.astype(np.float32) for name, value in weights.items()}
    predictor = implementation.restore(config, carried, device=setting.device)
    wide, found = np.random.default_rng(setting.seed).integers(0, 256, shape, dtype=np.uint8), list[float]()
    rest = (shape[2] - shape[1]) // 2
    central = wide[:, :, rest : rest + shape[1]]
    for pictures, crop in ((wide, central), (wide.swapaxes(1, 2), central.swapaxes(1, 2))):
        scores = predictor.predict(np.ascontiguousarray(pictures))
        found.append(scored("he2016", config, weights, np.moveaxis(crop.astype(float) - 127.5, -1, 1), scores))
    return {"apart": cases(found, 0.0, "1")}
