"""Perplexities: every token counts once, nothing is chosen on the test text, and nothing diverged is forgiven."""

from __future__ import annotations

import math
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from repro import ReproError, Setting
from repro.data import Dataset, Text
from repro.language_modelling import LanguageModelling, loss

WORDS = 7


class Bigram:
    """A reader that knows how often each word follows each, and remembers what it was told."""

    def __init__(self, counts: np.ndarray) -> None:
        self.counts = counts
        self.told: list[np.ndarray] = []

    def start(self, lanes: int) -> Bigram:
        """Itself: it keeps no state."""
        return self

    def step(self, tokens: np.ndarray) -> np.ndarray:
        """Logarithms of counts [B, V]."""
        self.told.append(tokens.copy())
        return np.log(self.counts[tokens]).astype(np.float32)


def by_hand(counts: np.ndarray, text: np.ndarray) -> float:
    """The mean loss of a text, token by token."""
    return float(np.mean([-math.log(counts[a, b] / counts[a].sum()) for a, b in pairwise(text)]))


@pytest.fixture
def counts() -> np.ndarray:
    """How often each word follows each."""
    return np.random.default_rng(0).integers(1, 30, (WORDS, WORDS)).astype(float)


def text(length: int, seed: int = 1) -> np.ndarray:
    """Words at random."""
    return np.random.default_rng(seed).integers(0, WORDS, length)


def corpus() -> Dataset[Text]:
    """A small dataset of words at random."""
    train = Text(tokens=text(400), validation=text(90, 2), vocabulary=WORDS)
    test = Text(tokens=text(80, 3), validation=text(0), vocabulary=WORDS)
    return Dataset(name="words", train=train, test=test, digest="0")


def setting() -> Setting:
    """What an experiment is run with."""
    return Setting(config=None, seed=0, device="cpu", data=corpus())


def model(*readers: Any, seen: list[Any] | None = None) -> Any:
    """An implementation whose training yields these readers at updates 10, 20, ..."""

    def train(config: Any, data: Any, **asked: Any) -> Any:
        if seen is not None:
            seen.append((data, asked))
        yield from ((10 * place, reader) for place, reader in enumerate(readers, start=1))

    return SimpleNamespace(train=train)


@pytest.mark.parametrize("length", [2, 3, 20, 99, 100, 101])
@pytest.mark.parametrize("lanes", [1, 2, 7, 20, 500])
def test_every_token_after_the_first_counts_once(counts, length, lanes):
    """For a model without memory the loss is the same in any number of lanes, and what is computed by hand."""
    tokens = text(length)
    assert loss(Bigram(counts), tokens, WORDS, lanes) == pytest.approx(by_hand(counts, tokens), rel=1e-5)


def test_one_lane_is_read_in_the_order_of_the_text(counts):
    """A model with memory is told each word of the text once, in order, and the last one never."""
    reader, tokens = Bigram(counts), text(30)
    loss(reader, tokens, WORDS)
    assert np.concatenate(reader.told).tolist() == tokens[:-1].tolist()


@pytest.mark.parametrize("length", [0, 1])
def test_a_text_without_anything_to_predict_is_an_error(counts, length):
    """Fewer than two tokens make no loss."""
    with pytest.raises(ReproError, match=f"A text of {length} tokens has none to predict"):
        loss(Bigram(counts), text(length), WORDS)


def test_the_best_checkpoint_is_chosen_by_validation_alone(counts):
    """The test perplexity is that of the checkpoint with the lowest validation perplexity, not its own lowest."""
    data = corpus()
    follows = np.full((WORDS, WORDS), 1.0)
    np.add.at(follows, (data.train.validation[:-1], data.train.validation[1:]), 50.0)
    peeking = np.full((WORDS, WORDS), 1.0)
    np.add.at(peeking, (data.test.tokens[:-1], data.test.tokens[1:]), 50.0)
    found = LanguageModelling(test=True)(model(Bigram(counts), Bigram(follows), Bigram(peeking)), setting())
    assert found["validation_loss"].x.tolist() == [10, 20, 30]
    assert found["validation_loss"].value.argmin() == 1
    assert found["validation_perplexity"].value == pytest.approx(math.exp(by_hand(follows, data.train.validation)))
    assert found["test_perplexity"].value == pytest.approx(math.exp(by_hand(follows, data.test.tokens)), rel=1e-5)
    assert found["train_perplexity"].value == pytest.approx(math.exp(by_hand(peeking, data.train.tokens)), rel=1e-5)


def test_an_implementation_is_given_what_it_may_see():
    """It is given the first tokens asked for and never the validation or test text."""
    seen: list[Any] = []
    LanguageModelling(tokens=100, checkpoints=(10,))(model(Bigram(np.ones((WORDS, WORDS))), seen=seen), setting())
    ((data, asked),) = seen
    assert data.tokens.tolist() == corpus().train.tokens[:100].tolist()
    assert (len(data.validation), data.vocabulary) == (0, WORDS)
    assert asked == {"seed": 0, "device": "cpu", "checkpoints": (10,)}


def test_scores_that_are_not_finite_make_an_infinite_perplexity(counts):
    """A model that diverged is never the best, and where nothing else is there the perplexity is infinite."""
    bad = counts.copy()
    bad[0, 0] = np.nan
    found = LanguageModelling(test=True)(model(Bigram(bad)), setting())
    assert [found[name].value for name in ("validation_perplexity", "test_perplexity", "train_perplexity")] == [
        math.inf
    ] * 3
    found = LanguageModelling(test=True)(model(Bigram(bad), Bigram(counts)), setting())
    assert found["validation_perplexity"].value == pytest.approx(
        math.exp(by_hand(counts, corpus().train.validation)), rel=1e-5
    )


def test_training_that_yields_nothing_is_an_error():
    """An implementation without a model at its end gets one clear message."""
    with pytest.raises(ReproError, match="Training gave no model"):
        LanguageModelling()(model(), setting())
