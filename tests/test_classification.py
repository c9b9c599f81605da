"""How classifiers are measured: errors and losses from scores, each image once, whatever an implementation returns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from reference import he2015
from repro import data
from repro.data import Dataset, Split
from repro.errors import ReproError
from repro.experiment.classification import Classification, score_split
from repro.experiment.setting import Setting

TINY = replace(
    he2015.CONFIGS["resnet-20"], depth=8, widths=(4, 4, 8), image=8, channels=1, augment="none", batch=32, iterations=12
)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """The digits."""
    return data.load("digits")


class Fixed:
    """A predictor with scores given beforehand, which notes how many images it was shown."""

    def __init__(self, scores) -> None:
        self.scores, self.shown = np.asarray(scores, dtype=np.float32), []

    def predict(self, images, *, crops: int = 1):
        self.shown.append(images)
        return self.scores


class Blank(Fixed):
    """A predictor that finds all ten classes equal."""

    def predict(self, images, *, crops: int = 1):
        self.shown.append(images)
        return np.zeros((len(images), 10))


def split_of(labels, classes: int = 3) -> Split:
    """A split of blank images."""
    return Split(images=np.zeros((len(labels), 2, 2, 1), np.uint8), labels=np.asarray(labels), classes=classes)


def test_errors_and_losses_are_counted_from_scores():
    """Wrong images, missed top-5 and cross-entropy agree with what torch computes."""
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(0, 3, (200, 12)).astype(np.float32), rng.integers(0, 12, 200)
    scored = score_split(Fixed(scores), split_of(labels, 12))
    expected = torch.nn.functional.cross_entropy(torch.tensor(scores), torch.tensor(labels), reduction="none")
    top = torch.tensor(scores).topk(5).indices
    np.testing.assert_allclose(scored.loss, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(scored.wrong, scores.argmax(1) != labels)
    np.testing.assert_array_equal(scored.missed, ~(top == torch.tensor(labels)[:, None]).any(1).numpy())


def test_scores_that_are_not_finite_are_errors():
    """NaN and infinities count against the implementation, in errors and in the loss."""
    scored = score_split(Fixed([[np.nan, 0, 0], [np.inf, 0, 0], [5, 0, 0]]), split_of([0, 0, 0]))
    assert scored.wrong.tolist() == [True, True, False]
    assert np.isfinite(scored.loss).tolist() == [False, False, True]


def test_ties_are_no_hits():
    """A class with the label's own score ranks before it, in the best and in the best five."""
    scores = np.array([[1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [3, 2, 2, 2, 2, 2], [5, 4, 3, 2, 1, 0]], float)
    scored = score_split(Fixed(scores), split_of([0, 0, 1, 4], 6))
    assert scored.wrong.tolist() == [True, True, True, True]
    assert scored.missed.tolist() == [False, True, True, False]


def test_scores_that_are_not_floating_point_are_refused():
    """Integers and texts are not scores."""
    predictor = Fixed(np.zeros((2, 3)))
    predictor.scores = np.zeros((2, 3), np.int64)
    with pytest.raises(ReproError, match="came as int64, not as floating-point numbers"):
        score_split(predictor, split_of([0, 1]))


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (4, 2), (4,)])
def test_scores_of_a_wrong_shape_are_refused(shape):
    """Fewer or more rows or columns than images and classes is an error, never a smaller denominator."""
    with pytest.raises(ReproError, match="came with shape"):
        score_split(Fixed(np.zeros((9, 9))[: shape[0]] if len(shape) == 1 else np.zeros(shape)), split_of([0, 1, 2, 0]))


def test_training_that_skips_a_checkpoint_is_refused(digits):
    """A curve has all the points that were asked for, or there is none."""

    class Early:
        @staticmethod
        def train(config, split, *, seed, device, eval_steps=()):
            yield 12, Fixed(np.zeros((1400, 10)))

        @staticmethod
        def state(predictor):
            return {}

    with pytest.raises(ReproError, match=r"at updates \[12\], not \[5, 12\]"):
        Classification(eval_steps=(5, 12))(Early, Setting(config=TINY, seed=0, device="cpu", data=digits))


def test_every_image_of_a_split_is_scored_once(digits):
    """The experiment shows the predictor exactly the items of both splits, and trains on no test label."""
    predictor, given = Blank([]), []

    class Spy:
        @staticmethod
        def train(config, split, *, seed, device, eval_steps=()):
            given.append(split)
            yield 12, predictor

        @staticmethod
        def state(predictor):
            return {}

        @staticmethod
        def restore(config, state, *, device):
            return predictor

    found = Classification()(Spy, Setting(config=TINY, seed=0, device="cpu", data=digits))
    np.testing.assert_array_equal(predictor.shown[0], digits.train.images)
    np.testing.assert_array_equal(predictor.shown[1], digits.test.images)
    assert len(predictor.shown) == 2
    assert given == [digits.train]
    assert found["test_error"].value == 100.0  # all scores are equal, and a tie is no hit
