"""Training an image classifier and counting its errors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from repro.criterion.measurement import Measurement, curve, scalar
from repro.data import Split
from repro.data._lazy_images import Pictures
from repro.errors import ReproError
from repro.experiment.carried import Carried
from repro.experiment.setting import Experiment, Setting
from repro.task import Layer, Predictor

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
class Classification(Experiment):
    """Train on a dataset's training split through the contract; measure on exactly the items of its splits.

    Every number is counted here, from scores of predictors that were made anew of what `state` gives: of a submission,
    in a process that has trained nothing.

    Attributes:
        eval_steps: updates after which the loss on the training split is measured as well.
        crops: crops averaged for each test image, 1 or 10.
        splits: the splits that errors are counted on at the end.

    Measures:
        train_error, test_error: wrong images, in % of the split's.
        test_top5_error: images whose label is not among the five best scores, in %; for over ten classes.
        train_loss: mean cross-entropy at the eval_steps, in nats, over updates.
        mean_train_loss: its mean over the eval_steps, in nats.
    """

    eval_steps: tuple[int, ...] = ()
    crops: int = 1
    splits: tuple[Literal["train", "test"], ...] = ("train", "test")
    passes_config_on: ClassVar[bool] = True  # so a control that only changes configs shares the reference's trials

    def __call__(self, implementation: Any, setting: Setting) -> dict[str, Measurement]:
        """Train one classifier at `setting.seed` and measure it.

        Raises:
            ReproError: if the implementation stops early, gives a state that is larger than its layers, or returns
                scores of a wrong shape.
        """
        data = {"train": decoded_split(setting.dataset.train), "test": decoded_split(setting.dataset.test)}
        steps = implementation.train(
            setting.config, data["train"], seed=setting.seed, device=setting.device, eval_steps=self.eval_steps
        )
        learnt, models = list[int](), list[Carried]()
        for step, predictor in steps:
            models.append(carried(implementation, setting, predictor))
            learnt.append(step)
        at = {step: model for step, model in zip(learnt, models, strict=True) if step in self.eval_steps}
        if not models or sorted(at) != sorted(set(self.eval_steps)):
            raise ReproError(f"Training gave predictors at updates {sorted(at)}, not {sorted(self.eval_steps)}")
        found: dict[str, Measurement] = {}
        if at:
            values = list[float]()
            with models[-1].opened() as names:
                for step in sorted(at):
                    restored: Any = at[step].restored(names)
                    values.append(float(score_split(restored, data["train"]).loss.mean()))
            found["train_loss"] = curve(sorted(at), values, unit="nats", x_unit="updates", better="lower")
            found["mean_train_loss"] = scalar(float(np.mean(values)), "nats", better="lower")
        for name in self.splits:
            with models[-1].reading() as reader:
                final: Any = reader
                scored = score_split(final, data[name], crops=self.crops if name == "test" else 1)
            found[f"{name}_error"] = scalar(100 * scored.wrong.mean(), "%", better="lower")
            if name == "test" and data[name].classes > 10:
                found["test_top5_error"] = scalar(100 * scored.missed.mean(), "%", better="lower")
        return found


def carried(implementation: Any, setting: Setting, predictor: Predictor) -> Carried:
    """What a classifier that was trained with the setting's config has learnt, to be measured from that alone.

    Raises:
        ReproError: if it is more than the layers of the implementation hold, where it lists them.
    """
    arrays = {name: np.array(array) for name, array in implementation.state(predictor).items()}
    if hasattr(implementation, "layers"):
        image = decoded_split(setting.dataset.train).images[0]
        accounted(implementation.layers(setting.config), arrays, image.size)  # pyright: ignore -- decoded: no path
    return Carried(implementation, setting, arrays)


def accounted(declared: Sequence[Layer], learnt: Mapping[str, NDArray[Any]], image: int) -> str:
    """Match a state with declared layers; the line that says that it fits.

    Every declared weight must be there. Beyond them a normalization may have two statistics of as many numbers as it
    has channels, and statistics of the inputs, under names of no layer, the size of one image in all.

    Args:
        declared: layers.
        learnt: what `state` gave.
        image: numbers in one image.

    Raises:
        ReproError: if it does not fit.
    """
    total = sum(math.prod(shape) for layer in declared for shape in layer.weights)
    numbers = sum(value.size for value in learnt.values())
    sums = f"layers lists {total:,} weights, state carries {numbers:,} numbers"
    layers = {layer.name for layer in declared}
    owned: dict[str, list[str]] = {name: [] for name in ("", *layers)}
    for name in learnt:
        stems = (name[:end] for end in range(len(name) - 1, 0, -1) if name[end] == ".")
        owned[next((stem for stem in stems if stem in layers), "")].append(name)
    for layer in declared:
        left = {name: learnt[name].shape for name in owned[layer.name]}
        for shape in layer.weights:
            match = next((name for name, have in left.items() if have == tuple(shape)), None)
            if match is None:
                raise ReproError(f"{sums}: no array {list(shape)} for layer {layer.name!r}")
            del left[match]
        statistics = [name for name, have in left.items() if layer.kind == "norm" and have == tuple(layer.output[:1])]
        for name in [name for name in left if name not in statistics[:2]]:
            raise ReproError(f"{sums}: {name} {list(left[name])} belongs to no declared weight")
    others = sum(learnt[name].size for name in owned[""])
    if others > image:
        named = ", ".join(owned[""][:3])
        raise ReproError(f"{sums}: {others:,} under names of no layer ({named}), and an image has {image:,}")
    return f"layers: {total:,} weights in {len(declared)} layers; state carries {numbers - total:,} statistics beside"


def decoded_split(split: Split) -> Split:
    """The split with files as a sequence of decoded images; as it is where its images are in memory."""
    if isinstance(split.images, np.ndarray):
        return split
    return replace(split, images=Pictures(tuple(str(path) for path in split.images)))


def score_split(predictor: Predictor, split: Split, *, crops: int = 1) -> Scored:
    """Score every image of a split, each once and in its order.

    Raises:
        ReproError: if the scores are not floating-point numbers, one row per image and one column per class.
    """
    images: Any = split.images
    parts = [
        _scored(
            predictor.predict(images[start : start + CHUNK], crops=crops), split.labels[start : start + CHUNK], split
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
