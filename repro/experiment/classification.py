"""Training an image classifier and counting its errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from repro.data import Split
from repro.errors import ReproError
from repro.experiment import Setting
from repro.measurement import Measurement, curve, scalar
from repro.pictures import Pictures
from repro.task import Predictor

CHUNK = 10_000  # images scored at a time: an ImageNet's worth of scores would not fit in memory


@dataclass(frozen=True)
class Scored:
    """How a predictor did on a split.

    Attributes:
        wrong: whether the best-scored class was not the label, [N]. Ties and scores that are not finite are wrong.
        missed: whether the label was not among the five best-scored classes, [N].
        loss: negative logarithm of the label's softmax probability, nats, [N].
    """

    wrong: NDArray[np.bool_]
    missed: NDArray[np.bool_]
    loss: NDArray[np.float64]


@dataclass(frozen=True)
class Classification:
    """Train on a dataset's training split through the contract; measure on exactly the items of its splits.

    Every number is counted here, from the scores that the implementation returns.

    Attributes:
        checkpoints: updates after which the loss on the training split is measured as well.
        views: crops averaged for each test image, 1 or 10.
        splits: the splits that errors are counted on at the end.

    Measures:
        train_error, test_error: wrong images, in % of the split's.
        test_top5_error: images whose label is not among the five best scores, in %; for over ten classes.
        train_loss: mean cross-entropy at the checkpoints, in nats, over updates.
        mean_train_loss: its mean over the checkpoints, in nats.
    """

    checkpoints: tuple[int, ...] = ()
    views: int = 1
    splits: tuple[Literal["train", "test"], ...] = ("train", "test")
    passes_config_on: ClassVar[bool] = True  # so a control that only changes configs shares the reference's trials

    def __call__(self, implementation: Any, setting: Setting) -> dict[str, Measurement]:
        """Train one classifier at `setting.seed` and measure it.

        Raises:
            ReproError: if the implementation stops early or returns scores of a wrong shape.
        """
        data = {"train": decoded(setting.dataset.train), "test": decoded(setting.dataset.test)}
        steps = implementation.train(
            setting.config, data["train"], seed=setting.seed, device=setting.device, checkpoints=self.checkpoints
        )
        losses: dict[int, float] = {}
        predictor: Predictor | None = None
        for step, latest in steps:
            predictor = latest
            if step in self.checkpoints:
                losses[step] = float(score(latest, data["train"]).loss.mean())
        if predictor is None or sorted(losses) != sorted(set(self.checkpoints)):
            raise ReproError(f"Training gave predictors at updates {sorted(losses)}, not {sorted(self.checkpoints)}")
        found: dict[str, Measurement] = {}
        if losses:
            values = [losses[step] for step in sorted(losses)]
            found["train_loss"] = curve(sorted(losses), values, unit="nats", x_unit="updates")
            found["mean_train_loss"] = scalar(float(np.mean(values)), "nats")
        for name in self.splits:
            scored = score(predictor, data[name], views=self.views if name == "test" else 1)
            found[f"{name}_error"] = scalar(100 * scored.wrong.mean(), "%")
            if name == "test" and data[name].classes > 10:
                found["test_top5_error"] = scalar(100 * scored.missed.mean(), "%")
        return found


def decoded(split: Split) -> Split:
    """The split with files as a sequence of decoded images; as it is where its images are in memory."""
    if isinstance(split.images, np.ndarray):
        return split
    return replace(split, images=Pictures(tuple(str(path) for path in split.images)))


def score(predictor: Predictor, split: Split, *, views: int = 1) -> Scored:
    """Score every image of a split, each once and in its order.

    Raises:
        ReproError: if the scores are not floating-point numbers, one row per image and one column per class.
    """
    images: Any = split.images
    parts = [
        _scored(
            predictor.predict(images[start : start + CHUNK], views=views), split.labels[start : start + CHUNK], split
        )
        for start in range(0, len(split.labels), CHUNK)
    ]
    return Scored(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _scored(scores: NDArray[Any], labels: NDArray[np.int64], split: Split) -> Sequence[NDArray[Any]]:
    if np.shape(scores) != (len(labels), split.classes):
        raise ReproError(
            f"Scores of {len(labels)} images over {split.classes} classes came with shape {np.shape(scores)}",
            "predict must return one row per image and one column per class.",
        )
    if not np.issubdtype(np.asarray(scores).dtype, np.floating):
        raise ReproError(
            f"Scores came as {np.asarray(scores).dtype}, not as floating-point numbers",
            "predict must return float32, float64 or float16.",
        )
    exact = np.asarray(scores, dtype=np.float64)
    finite = np.asarray(np.isfinite(exact).all(axis=1))
    exact = np.where(finite[:, None], exact, np.nan)
    own = exact[np.arange(len(labels)), labels]
    shifted = exact - exact.max(axis=1, keepdims=True)
    loss = np.log(np.exp(shifted).sum(axis=1)) + exact.max(axis=1) - own
    ahead = (exact >= own[:, None]).sum(axis=1) - 1  # a class of equal score counts as ahead: a tie is no hit
    wrong, missed = ~finite | (ahead > 0), ~finite | (ahead >= 5)
    return wrong, missed, loss
