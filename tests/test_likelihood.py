"""Scoring token by token: nothing is revealed before the scores of it, and only finite scores give any chance."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from repro import ReproError
from repro.experiment.likelihood import log_likelihood


class Prepared:
    """A stream that gives prepared scores and notes what it is told."""

    def __init__(self, scores):
        self.scores, self.told = scores, []

    def step(self, tokens):
        self.told.append(tokens.tolist())
        return self.scores


def test_nothing_is_told_before_the_scores_of_it():
    """Each column is told after the scores of it were given, and the last one never."""
    stream = Prepared(np.zeros((2, 4), np.float32))
    found = log_likelihood(stream, np.array([[0, 1, 2], [3, 2, 1]]), 4)
    assert stream.told == [[0, 3], [1, 2]]
    assert found == pytest.approx(np.full((2, 2), -np.log(4)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_make_impossible(bad):
    """A stream with one such score loses everything at that step, and no other stream does."""
    scores = np.zeros((3, 4), np.float32)
    scores[1, 0] = bad
    found = log_likelihood(Prepared(scores), np.array([[1, 1]] * 3), 4)
    assert found[:, 0].tolist() == [pytest.approx(-np.log(4)), -np.inf, pytest.approx(-np.log(4))]


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        (np.zeros((2, 4), np.int64), r"int64 \[2, 4\]"),
        (np.zeros((2, 5), np.float32), r"float32 \[2, 5\]"),
        ([[0.0] * 4] * 2, "a list"),
        (SimpleNamespace(), "a SimpleNamespace"),
    ],
)
def test_scores_of_another_form_are_refused(scores, words):
    """What is not floating-point scores of every token for every stream is an error that says what it is."""
    with pytest.raises(ReproError, match=words):
        log_likelihood(Prepared(scores), np.array([[0, 1], [1, 0]]), 4)
