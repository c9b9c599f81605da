"""How networks of Krizhevsky et al. are measured: the contract, and experiments that turn answers into numbers.

Shapes: N images, F side of a stored image, S side of a network's input, C channels, K classes, D features, M masks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from claims.oracles.krizhevsky2012 import log_softmax
from repro import (
    Carried,
    Experiment,
    Measurements,
    ReproError,
    Setting,
    Split,
    carried,
    decoded_split,
    scalar,
    score_split,
    train_with_snapshots,
)
from repro.task import Counted, Device, Images, Predictor

Array = NDArray[np.float64]


class ConvolutionalNetworks(Counted, Protocol):
    """What an implementation of this paper offers beside training and counting.

    `state` has two arrays for each of `layers`, "<layer's name>." and any name: a kernel, of a convolution [maps, maps
    seen, height, width] and of a fully connected layer [outputs, inputs], its inputs maps by maps, rows by rows; and a
    bias for each output. Its only other array is the mean image [F, F, C]. Weights are of that kind whatever they are
    called inside, and however kernels of the two towers are kept apart.

    Freedoms that the paper leaves: biases may decay or not. Where filters never reach one pixel of the first layer's
    padding, as at 224 pixels, that pixel may be left out before the input or after it: 1 and 2, or 2 and 1. Response
    normalization is no freedom: it runs over all maps of a layer, those of both towers, since N in the formula of
    Section 3.3 is "the total number of kernels in the layer".
    """

    def normalize(self, config: Any, activations: NDArray[Any]) -> NDArray[Any]:
        """Local response normalization of activations [N, C, H, W]."""
        ...

    def descend(self, config: Any, weights: Array, gradients: Array, rates: Array) -> Array:
        """Weights [T, D] after each update, from weights [D], by gradients [T, D] at learning rates [T]."""
        ...

    def augment(self, config: Any, images: NDArray[np.uint8], *, seed: int) -> NDArray[np.float32]:
        """A training input [S, S, C] of each image [F, F, C] of a training set, as 0..255, no mean subtracted."""
        ...

    def sensitivity(self, config: Any, image: NDArray[np.uint8], *, seed: int) -> Mapping[str, Array]:
        """By convolution "conv1", ...: how its middle unit after pooling depends on each pixel, [S, S]; 0: not."""
        ...

    def train(
        self,
        config: Any,
        data: Images,
        *,
        seed: int,
        device: Device,
        eval_steps: Sequence[int] = (),
        start: Mapping[str, NDArray[Any]] | None = None,
    ) -> Any:
        """As `Classifier.train`, from `start` on where it is given, as if training had never stopped.

        That is what `snapshot()` of a predictor gave, arrays by name, with the same seed and config. A predictor need
        not have it; long training then begins anew after a kill.
        """
        ...


def weights_of(implementation: ConvolutionalNetworks, config: Any, predictor: Any) -> dict[str, Array]:
    """A predictor's weights as the oracle names them, W1, b1 and so on, found by layer and shape and not by name.

    Raises:
        ReproError: if `layers` are not those of the config, a kernel and a bias each, if a layer has no array of a
            shape that `layers` states, or several, or if `state` gives no arrays of numbers by name.
    """
    found, declared = dict[str, Array](), implementation.layers(config)
    try:
        state = {name: np.asarray(value, float) for name, value in implementation.state(predictor).items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ReproError(f"state gives no arrays of numbers by name: {error}") from error
    if len(declared) != (due := len(config.filters) + len(config.hidden) + 1):
        raise ReproError(f"layers lists {len(declared)} layers with weights, where {due} are due")
    for number, layer in enumerate(declared, 1):
        kernel, *bias = shapes = [tuple(shape) for shape in layer.weights] or [()]
        if len(kernel) != (4 if number <= len(config.filters) else 2) or bias != [kernel[:1]]:
            raise ReproError(f"layers lists {shapes} of {layer.name!r}, which are no kernel and its bias")
        own = [value for name, value in state.items() if name.startswith(f"{layer.name}.")]
        for letter, shape in zip("Wb", shapes, strict=True):
            fits = [value for value in own if value.shape == shape]
            if len(fits) != 1:
                raise ReproError(f"state has {len(fits)} arrays {list(shape)} of layer {layer.name!r}, not one")
            found[f"{letter}{number}"] = fits[0]
    return found


def some(split: Split, count: int, seed: int) -> Split:
    """As many images of a split, drawn without replacement."""
    chosen = np.random.default_rng(seed).choice(len(split), count, replace=False)
    return replace(split, images=np.asarray(split.images)[chosen], labels=split.labels[chosen])


@dataclass(frozen=True)
class Convergence(Experiment):
    """How many updates training takes to a training error, at the best of some learning rates.

    Attributes:
        error: the training error to reach, in %.
        every: updates between looks at it.
        limit: updates after which training counts as having just reached it.
        rates: learning rates to choose from; none: the config's.

    Measures:
        updates: the fewest at any rate.
    """

    error: float
    every: int
    limit: int
    rates: tuple[float, ...] = ()
    passes_config_on: ClassVar[bool] = True

    def __call__(self, implementation: Any, setting: Setting) -> Measurements:
        """Train at every rate until the error is reached, or until it cannot be the best any more."""
        split, best = setting.dataset.train, self.limit
        with Carried(implementation, setting, {}).opened() as names:
            for rate in self.rates or (setting.config.lr,):
                config = replace(setting.config, lr=rate, iterations=best)
                marks = range(self.every, best, self.every)
                for step, trained in implementation.train(
                    config, split, seed=setting.seed, device=setting.device, eval_steps=marks
                ):
                    judged: Any = carried(implementation, replace(setting, config=config), trained).restored(names)
                    if step < best and 100 * score_split(judged, split).wrong.mean() <= self.error:
                        best = step
                        break
        return {"updates": scalar(best, "updates", better="lower")}


@dataclass(frozen=True)
class Overfitting(Experiment):
    """Train on few images, some with random labels, and measure on the test images, whose labels are right.

    Attributes:
        images: training images, drawn by the trial's seed.
        noise: the share of them whose label is drawn anew.

    Measures:
        test_loss: mean cross-entropy, in nats.
        test_error: wrong images, in %.
    """

    images: int
    noise: float
    passes_config_on: ClassVar[bool] = True

    def __call__(self, implementation: Any, setting: Setting) -> Measurements:
        """Train one classifier and measure it."""
        split, test = some(setting.dataset.train, self.images, setting.seed), setting.dataset.test
        rng = np.random.default_rng((setting.seed, 1))
        labels = split.labels.copy()
        noisy = rng.choice(self.images, round(self.noise * self.images), replace=False)
        labels[noisy] = rng.integers(0, split.classes, len(noisy))
        *_, (_, trained) = implementation.train(
            setting.config, replace(split, labels=labels), seed=setting.seed, device=setting.device
        )
        with carried(implementation, setting, trained).reading() as reader:
            predictor: Any = reader
            scored = score_split(predictor, test)
        return {
            "test_loss": scalar(float(scored.loss.mean()), "nats", better="lower"),
            "test_error": scalar(100 * scored.wrong.mean(), "%", better="lower"),
        }


class Committee:
    """Predicts the logarithm of the mean of its members' probabilities."""

    def __init__(self, members: Sequence[Predictor]) -> None:
        self.members = members

    def predict(self, images: Any, *, crops: int = 1) -> NDArray[np.float32]:
        """Scores [N, K]."""
        scores = (np.asarray(member.predict(images, crops=crops), float) for member in self.members)
        total = sum((np.exp(log_softmax(found)) for found in scores), np.zeros(1))
        return np.log(total / len(self.members) + 1e-30).astype(np.float32)


@dataclass(frozen=True)
class Ensemble(Experiment):
    """Train one or several networks that differ in their seeds, and measure them alone and together on the test images.

    Training that is killed goes on from its last snapshot when the trial is run again.

    Attributes:
        networks: how many.
        images: training images, drawn by the trial's seed; None: all.
        crops: crops of a test image whose scores are averaged, 1 or 10.
        every: updates between snapshots; 0: there are none.

    Measures:
        test_error, test_top5_error: of all networks together, in %; the second for over ten classes.
        single_error, single_top5_error: mean over the networks.
        one_view_error: of all together from one view, where `crops` is more.
    """

    networks: int = 1
    images: int | None = None
    crops: int = 1
    every: int = 0
    passes_config_on: ClassVar[bool] = True

    def __call__(self, implementation: Any, setting: Setting) -> Measurements:
        """Train one after the other, then measure."""
        train, test = decoded_split(setting.dataset.train), decoded_split(setting.dataset.test)
        if self.images is not None:
            train = some(train, self.images, setting.seed)
        seeds = [int(seed) for seed in np.random.SeedSequence(setting.seed).generate_state(self.networks)]
        runs = [train_with_snapshots(implementation, setting, train, seed=seed, every=self.every) for seed in seeds]
        models = [carried(implementation, setting, predictor) for predictor, _ in runs]
        with models[0].opened() as names:
            members: list[Any] = [model.restored(names) for model in models]
            alone = [score_split(member, test, crops=self.crops) for member in members]
            together = alone[0] if len(members) == 1 else score_split(Committee(members), test, crops=self.crops)
            one_view = score_split(Committee(members), test) if self.crops > 1 else together
        found = {
            "test_error": scalar(100 * together.wrong.mean(), "%"),
            "single_error": scalar(float(100 * np.mean([scored.wrong.mean() for scored in alone])), "%"),
        }
        if test.classes > 10:
            found["test_top5_error"] = scalar(100 * together.missed.mean(), "%")
            found["single_top5_error"] = scalar(float(100 * np.mean([scored.missed.mean() for scored in alone])), "%")
        if self.crops > 1:
            found["one_view_error"] = scalar(100 * one_view.wrong.mean(), "%")
        for _, kept in runs:
            if kept is not None:
                kept.clear()
        return found
