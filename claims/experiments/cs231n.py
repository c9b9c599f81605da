"""What CS231n's notes are measured by where something is learnt: the spiral, sanity checks, searches, neighbours.

Every trained classifier is measured from the arrays that `state` gives of it, and from nothing else.

Shapes: N examples, M others, D numbers of an input, K classes, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from claims.oracles import cs231n as oracle
from repro import Carried, Experiment, Measurements, Setting, Weights, cases, check_state, curve, scalar
from repro.task import Classifier, Stateful

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


class CourseNotes(Classifier, Stateful, Protocol):
    """A classifier that learns as the notes do, and what they check and count beside it.

    Images [N, H, W, C] are flattened to inputs [N, D], bytes or real numbers; with `mean` the mean training image
    is subtracted; then `scale` multiplies. `state` gives "W1" [D, h], "b1" [h], "W2" [h, K], "b2" [K] and so on,
    and "mean" [D], zeros where it is not subtracted; with Nesterov's rule the position ahead, as the notes store
    it. At step n a search has tried n times, biases like weights. Weights of a CONV layer are [F, F, D, K], of an
    FC layer [H W D, K]; each layer but the last ends in a ReLU.
    """

    def objective(self, config: Any, weights: Weights, inputs: Array, labels: Labels) -> tuple[float, Weights]:
        """Mean loss of prepared inputs [N, D] with the penalty, and its gradient; a margin of 0 has none."""
        ...

    def numerical_gradient(self, config: Any, weights: Weights, inputs: Array, labels: Labels) -> Weights:
        """The gradient of the objective by differences with step `h`, of the config's `formula`."""
        ...

    def nearest(self, config: Any, train: NDArray[np.uint8], images: NDArray[np.uint8]) -> Labels:
        """For each of images [M, D] the index of the nearest of training images [N, D], the first of equals."""
        ...

    def volumes(self, config: Any) -> NDArray[np.int64]:
        """Width, height, depth, weights and biases of input and outputs by layer [L, 5]; L = 0 if a layer misfits."""
        ...

    def convolved(self, config: Any, weights: Weights, images: Array) -> Array:
        """Scores [N, H', W', K] of images of the network's size or larger, FC layers being converted."""
        ...


@dataclass(frozen=True)
class Examples:
    """What is learnt from: images [N, H, W, C] and labels [N]."""

    images: NDArray[Any]
    labels: NDArray[np.int64]
    classes: int


def spiral(seed: int) -> Examples:
    """Case study: three arms of 100 points, radius 0 to 1, over 4 radians each, with noise of 0.2 in the angle."""
    rng, r = np.random.default_rng([seed, 231]), np.linspace(0.0, 1, 100)
    t = np.concatenate([np.linspace(4 * j, 4 * (j + 1), 100) for j in range(3)]) + 0.2 * rng.standard_normal(300)
    points = np.stack([np.tile(r, 3) * np.sin(t), np.tile(r, 3) * np.cos(t)], axis=1)
    return Examples(points.reshape(300, 1, 1, 2), np.repeat(np.arange(3), 100), 3)


def learn(notes: CourseNotes, setting: Setting, data: Any, at: Sequence[int] = ()) -> dict[int, Carried]:
    """By update, what the setting's config has learnt from the data then; the last update is always there."""
    sizes = (data.images[0].size, *setting.config.hidden, data.classes)
    shapes = {"mean": sizes[:1]}
    for n in range(1, len(sizes)):
        shapes |= {f"W{n}": (sizes[n - 1], sizes[n]), f"b{n}": (sizes[n],)}
    found = dict[int, Carried]()
    for step, model in notes.train(setting.config, data, seed=setting.seed, device=setting.device, eval_steps=at):
        arrays = {name: np.array(value, np.float64) for name, value in notes.state(model).items()}
        check_state(arrays, shapes)
        found[step] = Carried(notes, setting, arrays)
    return found


def scored(model: Carried, data: Any) -> tuple[float, float]:
    """The accuracy in %, a tie for the highest score being an error, and the objective, by the suite's arithmetic."""
    with model.reading() as reader:
        predictor: Any = reader
        f = np.asarray(predictor.predict(data.images), np.float64)
    own = f[np.arange(len(f)), data.labels][:, None]
    hits = np.isfinite(f).all() and ((f >= own).sum(axis=1) == 1).mean()
    config, weights = model.setting.config, [w for name, w in model.arrays.items() if name[0] == "W"]
    losses = [oracle.score_loss(one, int(y), config)[0] for one, y in zip(f, data.labels, strict=True)]
    return 100 * float(hits), float(np.mean(losses)) + config.reg / 2 * sum(float((w**2).sum()) for w in weights)


@dataclass(frozen=True)
class Learning(Experiment):
    """Learning the case study's spiral, or where there is a dataset, twenty of its training images.

    Measures:
        accuracy: on what was learnt, at the end, in %.
        loss: the objective at iterations `at`, which count from 0 before the first update; `first` and `last` of them.
        end: the objective after the last update.
    """

    at: tuple[int, ...]

    def __call__(self, notes: CourseNotes, setting: Setting) -> Measurements:
        """Draw examples by the seed and learn them."""
        data = spiral(setting.seed)
        if setting.data is not None:
            train = setting.dataset.train
            some = np.random.default_rng([setting.seed, 20]).choice(len(train), 20, replace=False)
            data = Examples(train.images[some], train.labels[some], train.classes)
        models = learn(notes, setting, data, self.at)
        losses, (accuracy, end) = [scored(models[step], data)[1] for step in self.at], scored(models[max(models)], data)
        return {
            "accuracy": scalar(accuracy, "%", better="higher"),
            "loss": curve(self.at, losses, unit="nats", x_unit="iterations", better="lower"),
            "first": scalar(losses[0], "nats"),
            "last": scalar(losses[-1], "nats", better="lower"),
            "end": scalar(end, "nats", better="lower"),
        }


@dataclass(frozen=True)
class Search(Experiment):
    """Learning a training split by a method of the notes: the accuracy (%) on the test split."""

    needs_gpu: ClassVar[bool] = False

    def __call__(self, notes: CourseNotes, setting: Setting) -> Measurements:
        """Learn all of it once."""
        models, test = learn(notes, setting, setting.dataset.train), setting.dataset.test
        return {"accuracy": scalar(scored(models[max(models)], test)[0], "%", better="higher")}


@dataclass(frozen=True)
class Neighbours(Experiment):
    """The nearest training image of every test image.

    Measures:
        accuracy: of its label, in %.
        further: by how much the distances of 50 neighbours, drawn by the seed, exceed the least one.
    """

    needs_gpu: ClassVar[bool] = False

    def __call__(self, notes: CourseNotes, setting: Setting) -> Measurements:
        """Look for all of them, without telling the labels."""
        given = setting.dataset
        train, test = (part.images.reshape(len(part.labels), -1) for part in (given.train, given.test))
        found = np.asarray(notes.nearest(setting.config, train, test))
        hits = given.train.labels[found] == given.test.labels
        further = []
        for m in np.random.default_rng(setting.seed).choice(len(test), 50, replace=False):
            distances = oracle.distances(train, test[m], setting.config.distance)
            further.append(distances[found[m]] - distances.min())
        return {"accuracy": scalar(100 * hits.mean(), "%", better="higher"), "further": cases(further, 0, "1")}
